"""How long to wait before connecting again, pure: full jitter, so that 5,000 nodes do not come back at once."""

from collections.abc import Callable
from typing import Final

FIRST_S: Final = 1.0
LAST_S: Final = 300.0
"""Contracts 5.4: 1 s to 300 s, reset only by a receipt: a broker that accepts and forgets must not reset it."""


class Backoff:
    """Doubling ceiling, uniform wait below it.

    Args:
        random: Uniform in [0, 1).
        first_s: Ceiling of the first wait.
        last_s: Ceiling of every later wait.
    """

    def __init__(self, *, random: Callable[[], float], first_s: float = FIRST_S, last_s: float = LAST_S) -> None:
        self._random = random
        self._first_s = first_s
        self._last_s = last_s
        self._ceiling_s = first_s

    def next_s(self) -> float:
        """Seconds to wait now: between half the first ceiling and the present ceiling.

        The floor keeps a refusing broker from being asked in a busy loop when the dice fall on nothing.
        """
        wait_s = max(self._first_s / 2, self._random() * self._ceiling_s)
        self._ceiling_s = min(self._last_s, self._ceiling_s * 2)
        return wait_s

    def reset(self) -> None:
        """Begin again with the first ceiling: a receipt was heard."""
        self._ceiling_s = self._first_s
