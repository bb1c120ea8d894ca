"""The clock of the running node: holds the interval's state, feeds it, and says alarms once."""

import logging
from collections.abc import Callable

from edge.boot import Boot
from edge.clock import Answer, ClockAlarm, ClockState, hear, interval, raise_floor
from edge.transaction import Moment
from edge.verdict import Interval

_log = logging.getLogger(__name__)


class Timekeeper:
    """What the time is, as far as it can be proven.

    Args:
        boot: The kernel's clocks.
        state: Where to begin, from `edge.clock.start`.
        trust_expires_ms: `expires_at` of the held issuers document; None: none is held.
    """

    def __init__(self, *, boot: Boot, state: ClockState, trust_expires_ms: Callable[[], int | None]) -> None:
        self._boot = boot
        self._state = state
        self._trust_expires_ms = trust_expires_ms
        self._alarm: ClockAlarm | None = None

    @property
    def alarm(self) -> ClockAlarm | None:
        """The last alarm of this run."""
        return self._alarm

    @property
    def is_anchored(self) -> bool:
        """Whether a signed answer of this boot bounds the time from above."""
        return self._state.is_anchored

    def now(self) -> Interval:
        """Return the time as it can be proven now."""
        return interval(self._state, now_b_ns=self._boot.now_b_ns())

    def moment(self, now: Interval) -> Moment:
        """Return the members of a record's `at`; `now` is the interval its verdict used."""
        return Moment(
            boot=self._boot.boot_id,
            boottime_ms=self._boot.boottime_ms(),
            lo_ms=now.lo_ms,
            hi_ms=now.hi_ms,
            wall_ms=self._boot.wall_ms(),
        )

    def hear(self, time_ms: int, sent_b_ns: int, heard_b_ns: int) -> None:
        """Take the time of a heard receipt as an anchor."""
        answer = Answer(time_ms=time_ms, sent_b_ns=sent_b_ns, heard_b_ns=heard_b_ns)
        self._state, alarm = hear(self._state, answer=answer, trust_expires_ms=self._trust_expires_ms())
        self._say(alarm)

    def raise_floor(self, time_ms: int) -> None:
        """Take `issued_at` of a verified root or status document as a time that has passed."""
        self._state, alarm = raise_floor(self._state, time_ms=time_ms, now_b_ns=self._boot.now_b_ns())
        self._say(alarm)

    def _say(self, alarm: ClockAlarm | None) -> None:
        if alarm is not None:
            _log.log(logging.DEBUG if alarm is self._alarm else logging.WARNING, "clock: %s", alarm)
            self._alarm = alarm
