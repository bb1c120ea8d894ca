"""A box's clocks that stand still until a test moves them."""

from edge.boot import Boot
from edge.clock import ClockState, Mark
from edge.timekeeper import Timekeeper


class SetBoot(Boot):
    """Clocks as attributes."""

    def __init__(self, *, wall_ms: int = 0) -> None:
        self.boot_id = b"B" * 16
        self.b_ns = 0
        self.shown_ms = wall_ms

    def now_b_ns(self) -> int:
        """The box's own clock."""
        return self.b_ns

    def boottime_ms(self) -> int:
        """Milliseconds since boot."""
        return self.b_ns // 1_000_000

    def wall_ms(self) -> int:
        """The shown clock."""
        return self.shown_ms


def timekeeper_at(*, lo_ms: int, hi_ms: int | None, boot: SetBoot | None = None) -> Timekeeper:
    """A timekeeper that knows this interval."""
    low = Mark(time_ms=lo_ms, at_b_ns=0)
    high = None if hi_ms is None else Mark(time_ms=hi_ms, at_b_ns=0)
    state = ClockState(floor=low, not_before=None if high is None else low, not_after=high)
    return Timekeeper(boot=boot or SetBoot(wall_ms=lo_ms), state=state, trust_expires_ms=lambda: None)
