"""A reader that is always there: open, read, lose, wait, open again, for ever.

The only place that waits after a `ReaderLostError`. The state is there to be looked at (`status`), never pushed. The
log says a loss once and is quiet until something changes; a loose cable, whose openings do not last, is said once too.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from drivers.errors import ReaderLostError
from drivers.reader import Feedback, LostCause, OpenableReader, ReaderState
from drivers.reading import Reading

WAIT_FIRST_S = 0.25
WAIT_MAX_S = 2.0
"""Well under the 5 s in which a plugged-in reader must be back; a failed opening costs 0.3 ms of CPU."""

LASTING_NS = 5_000_000_000
"""A reader lost sooner after its opening has a loose cable or a broken adapter: waits stay long, the log quiet."""

_DOUBLINGS_MAX = 8  # more than WAIT_MAX_S needs; keeps the number small for ever

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderStatus:
    """Where a reader stands.

    Attributes:
        state: The state.
        cause: Why it is lost, one of `LostCause`; None unless the state is `lost`.
        trouble: What the family knows beyond the cause, a word of its own; None: nothing.
        since_monotonic_ns: Since when state and cause are what they are, on the clock handed in.
    """

    state: ReaderState
    cause: str | None = None
    trouble: str | None = None
    since_monotonic_ns: int


def wait_s(failed_count: int, *, jitter: float) -> float:
    """Return how long to wait before opening again.

    Args:
        failed_count: Openings in a row, this one not counted, that failed or did not last.
        jitter: 0..1, so that the readers of one hub that lost its power do not open in step.
    """
    bound_s = min(WAIT_MAX_S, WAIT_FIRST_S * float(1 << min(failed_count, _DOUBLINGS_MAX)))
    return bound_s * (1 + jitter) / 2


class KeptOpenReader:
    """A `Reader` made of an `OpenableReader`.

    Args:
        reader: The reader to keep open; nobody else opens it.
        clock_ns: The monotonic clock.
        sleep: Waits for so many seconds.
        jitter: A random number in 0..1.
    """

    def __init__(
        self,
        reader: OpenableReader,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._reader = reader
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._jitter = jitter
        self._failed_count = 0
        self._flap_count = 0
        self._status = ReaderStatus(state=ReaderState.CLOSED, since_monotonic_ns=clock_ns())

    @property
    def name(self) -> str:
        """The reader's name in the configuration."""
        return self._reader.name

    @property
    def status(self) -> ReaderStatus:
        """Where the reader stands now."""
        return self._status

    @property
    def dropped_count(self) -> int:
        """Frames dropped as unusable since the program started."""
        return self._reader.dropped_count

    async def readings(self) -> AsyncGenerator[Reading, None]:
        """Yield what is read, through every loss; ends only when it is cancelled or closed, and the port with it."""
        self._failed_count = self._flap_count = 0
        self._enter(ReaderState.OPENING)
        try:
            while True:
                try:
                    async with self._reader, aclosing(self._reader.readings()) as readings:
                        self._opened()
                        async for reading in readings:
                            yield reading
                    raise ReaderLostError(LostCause.IO)  # a family that ends without a cause
                except ReaderLostError as lost:
                    self._lost(lost.cause, trouble=lost.trouble)
                delay_s = wait_s(self._failed_count, jitter=self._jitter())
                self._failed_count += 1
                await self._sleep(delay_s)
        finally:
            self._enter(ReaderState.CLOSED)

    async def signal(self, feedback: Feedback) -> None:
        """Show the feedback on the device, if it is there."""
        if self._status.state is ReaderState.OPEN:
            with suppress(ReaderLostError):  # the reading side notices the same and deals with it
                await self._reader.signal(feedback)

    def _opened(self) -> None:
        self._enter(ReaderState.OPEN)
        _log.log(logging.DEBUG if self._flap_count else logging.INFO, "reader %s: open", self.name)

    def _lost(self, cause: str, *, trouble: str | None) -> None:
        before = self._status
        was_open = before.state is ReaderState.OPEN
        if was_open:
            is_flap = self._clock_ns() - before.since_monotonic_ns < LASTING_NS
            self._flap_count = self._flap_count + 1 if is_flap else 0
            self._failed_count = self._failed_count if is_flap else 0
        elif (before.cause, cause) == (LostCause.UNPLUGGED, LostCause.MISSING):
            cause = LostCause.UNPLUGGED  # the same fact, seen from outside
        is_news = self._flap_count <= 1 if was_open else (cause, trouble) != (before.cause, before.trouble)
        if was_open or is_news:
            self._enter(ReaderState.LOST, cause=cause, trouble=trouble)
        again = " again, soon after it was opened" if was_open and self._flap_count else ""
        level = logging.WARNING if is_news else logging.DEBUG
        _log.log(level, "reader %s: lost%s: %s", self.name, again, trouble or cause)

    def _enter(self, state: ReaderState, *, cause: str | None = None, trouble: str | None = None) -> None:
        self._status = ReaderStatus(state=state, cause=cause, trouble=trouble, since_monotonic_ns=self._clock_ns())
