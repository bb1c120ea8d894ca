"""The clock of the running node: holds the interval's state, feeds it, saves its floor, and says alarms once.

The wall clock passes through `Timekeeper.moment` into records, where it is shown; it enters no state and no file.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from edge import clock, clock_file
from edge.boot import Boot
from edge.clock import Answer, ClockAlarm, ClockState, SavedFloor
from edge.transaction import Moment
from edge.verdict import Interval

SAVE_S = 600.0  # contracts 4: every 10 minutes and at shutdown

_log = logging.getLogger(__name__)


def resume(floor_file: Path, *, boot: Boot, trust_expires_ms: Callable[[], int | None]) -> "Timekeeper":
    """Return a timekeeper that begins where the last run ended, as far as that is proven.

    A file that cannot be believed is an alarm, not a stop: without it the build date is the floor.

    Args:
        floor_file: Where the floor is saved: outside every cache, in a folder that exists.
        boot: The kernel's clocks.
        trust_expires_ms: `expires_at` of the held issuers document; None: none is held.
    """
    problems: list[str] = []
    saved = clock_file.read(floor_file, report=problems.append)
    return Timekeeper(
        boot=boot,
        state=clock.start(saved=saved, boot_id=boot.boot_id, now_b_ns=boot.now_b_ns()),
        trust_expires_ms=trust_expires_ms,
        floor_file=floor_file,
        alarm=ClockAlarm.SAVED_FLOOR_DAMAGED if problems else None,
    )


class Timekeeper:
    """What the time is, as far as it can be proven.

    Args:
        boot: The kernel's clocks.
        state: Where to begin, from `edge.clock.start`.
        trust_expires_ms: `expires_at` of the held issuers document; None: none is held.
        floor_file: Where the floor is saved; None: nowhere.
        alarm: What was found wrong at start.
    """

    def __init__(
        self,
        *,
        boot: Boot,
        state: ClockState,
        trust_expires_ms: Callable[[], int | None],
        floor_file: Path | None = None,
        alarm: ClockAlarm | None = None,
    ) -> None:
        self._boot = boot
        self._state = state
        self._trust_expires_ms = trust_expires_ms
        self._floor_file = floor_file
        self._writing = threading.Lock()  # a shutdown may come while the thread of `run` still writes
        self._not_saved: str | None = None
        self._alarm: ClockAlarm | None = None
        self._say(alarm)

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
        return clock.interval(self._state, now_b_ns=self._boot.now_b_ns())

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
        """Take the time of a heard receipt or a verified `time` document as an anchor."""
        answer = Answer(time_ms=time_ms, sent_b_ns=sent_b_ns, heard_b_ns=heard_b_ns)
        self._state, alarm = clock.hear(self._state, answer=answer, trust_expires_ms=self._trust_expires_ms())
        self._say(alarm)

    def raise_floor(self, time_ms: int) -> None:
        """Take `issued_at` of a verified root or status document as a time that has passed."""
        self._state, alarm = clock.raise_floor(self._state, time_ms=time_ms, now_b_ns=self._boot.now_b_ns())
        self._say(alarm)

    def reset(self, issued_at_ms: int) -> bool:
        """Forget anchor and floor, for a root that changed the time, status or receipt keys (contracts 3.1).

        To be called before that root counts as held: whenever the power goes, it comes and resets again.

        Args:
            issued_at_ms: Of that root.

        Returns:
            Whether the new floor is saved; if not, the next start finds the former one.
        """
        self._state = clock.reset(issued_at_ms=issued_at_ms, now_b_ns=self._boot.now_b_ns())
        _log.warning("clock: a root with other keys set the floor anew")
        return self._write()

    def save(self) -> bool:
        """Make lo the floor and save it, as at shutdown; return whether it is on disk (a full one is only logged)."""
        self._settle()
        return self._write()

    async def run(self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Save every `SAVE_S` seconds, for ever."""
        while True:
            await sleep(SAVE_S)
            self._settle()
            await asyncio.to_thread(self._write)

    def _say(self, alarm: ClockAlarm | None) -> None:
        """Tell the operator; the same again goes to the log's small print."""
        if alarm is not None:
            _log.log(logging.DEBUG if alarm is self._alarm else logging.WARNING, "clock: %s", alarm)
            self._alarm = alarm

    def _settle(self) -> None:
        self._state = clock.settle(self._state, now_b_ns=self._boot.now_b_ns())

    def _write(self) -> bool:
        """Save the floor as it is when its turn comes, so that of two who wait none leaves an older one behind."""
        if self._floor_file is None:
            return False
        with self._writing:
            saved = SavedFloor(floor=self._state.floor, boot_id=self._boot.boot_id)
            try:
                clock_file.write(self._floor_file, saved)
            except OSError as error:
                cause = error.strerror or type(error).__name__  # not its text: that holds a path
                _log.log(logging.DEBUG if cause == self._not_saved else logging.WARNING, "clock: not saved: %s", cause)
                self._not_saved = cause
                return False
            self._not_saved = None
            return True
