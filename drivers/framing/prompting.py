"""When to tell a scanner to wake up and to look, sans-IO.

Some scanners look for a code only when told, or fall asleep. So there is a command for after the opening, and one that
asks for a code: after the opening, after each code, and again and again while nothing is read.
"""

_NS_PER_MS = 1_000_000


class Prompts:
    """What to send, and when, from an opening on.

    Args:
        wake: Sent once.
        trigger: Sent then, and after each code; empty: never.
        trigger_every_ms: Sent again when nothing has come for so long, 0: not.
    """

    def __init__(self, *, wake: bytes = b"", trigger: bytes = b"", trigger_every_ms: int = 0) -> None:
        self._pending = wake + trigger
        self._trigger = trigger
        self._every_ns = trigger_every_ms * _NS_PER_MS if trigger else 0
        self._next_ns: int | None = None

    @property
    def next_due_ns(self) -> int | None:
        """When `due` will have something, unless something is heard before; None: not by itself."""
        return self._next_ns

    def due(self, now_ns: int) -> bytes:
        """Return what is to be sent now; it counts as sent."""
        if self._next_ns is not None and now_ns >= self._next_ns:
            self._pending = self._trigger
        pending, self._pending = self._pending, b""
        if pending:
            self.heard(now_ns)
        return pending

    def heard(self, now_ns: int) -> None:
        """Something came, or went out: from here on the silence counts."""
        self._next_ns = now_ns + self._every_ns if self._every_ns else None

    def answered(self) -> None:
        """A code came: ask for the next."""
        self._pending = self._trigger
