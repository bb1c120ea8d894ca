"""Time as an interval [lo, hi] that the node can prove (contracts 4), whatever the box's own clock says.

Values in, values out: `now_b_ns` is the box's own clock (`edge.boot`), in nanoseconds. The lower end rises from a floor
and from signed answers, the upper end exists only with a signed answer of this boot. Both drift apart by 200 ppm. The
state is a value; every change returns a new one together with the alarm it raised, if any.

No function takes a time that is merely claimed: what NTP, an RTC, a modem or a phone says is shown, and stays outside.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from edge.verdict import Interval

DRIFT_PPM = 200  # contracts 4: d, more than any crystal in the specified temperature range
BUILD_DATE_MS = 1_735_689_600_000  # 2025-01-01T00:00:00Z: no copy ran before; a later release may raise it

_PPM = 1_000_000
_NS_PER_MS = 1_000_000


class ClockAlarm(StrEnum):
    """What the operator must hear of: somebody's clock or key is wrong."""

    ANSWERS_DISAGREE = "answers_disagree"
    ANSWER_BELOW_FLOOR = "answer_below_floor"
    ANSWER_AFTER_TRUST = "answer_after_trust"
    FLOOR_ABOVE_TIME = "floor_above_time"
    SAVED_FLOOR_DAMAGED = "saved_floor_damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A bound of the time that held at one reading of the box's own clock."""

    time_ms: int
    at_b_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A signed time that answers a nonce of ours.

    Attributes:
        time_ms: What the signer says, Unix milliseconds.
        sent_b_ns: When that nonce was sent first.
        heard_b_ns: When the answer arrived.
    """

    time_ms: int
    sent_b_ns: int
    heard_b_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """What is known of the time.

    Attributes:
        floor: A time that has certainly passed.
        not_before: Lower end from signed answers of this boot.
        not_after: Upper end from them; None: no answer yet, the upper end is unknown.
    """

    floor: Mark
    not_before: Mark | None = None
    not_after: Mark | None = None

    @property
    def is_anchored(self) -> bool:
        """Whether a signed answer of this boot bounds the time from above."""
        return self.not_after is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFloor:
    """A floor as it outlives the program: F, bF and the boot in which they were set (contracts 4).

    Attributes:
        floor: The floor; `at_b_ns` counts in that boot.
        boot_id: 16 bytes.
    """

    floor: Mark
    boot_id: bytes


def start(*, saved: SavedFloor | None = None, boot_id: bytes = b"", now_b_ns: int = 0) -> ClockState:
    """Return the state at start: a floor and no anchor.

    What this boot saved goes on from where it was set. Of another boot nobody knows how long ago it ended, so its floor
    counts from b = 0 (contracts 4). Of the two, that or the build date, the later counts.

    Args:
        saved: What an earlier run saved, if anything.
        boot_id: Of this boot, 16 bytes.
        now_b_ns: The box's own clock: the build date had passed by now; the program may be younger than this boot.
    """
    state = ClockState(floor=Mark(time_ms=BUILD_DATE_MS, at_b_ns=now_b_ns))
    if saved is None:
        return state
    floor = saved.floor if saved.boot_id == boot_id else replace(saved.floor, at_b_ns=0)
    return ClockState(floor=floor) if _slowest(floor, now_b_ns=now_b_ns) > BUILD_DATE_MS else state


def settle(state: ClockState, *, now_b_ns: int) -> ClockState:
    """Make lo the floor (contracts 4): what is saved was proven, and holds whatever becomes of the anchor."""
    lo_ms = interval(state, now_b_ns=now_b_ns).lo_ms
    return replace(state, floor=Mark(time_ms=lo_ms, at_b_ns=now_b_ns))


def reset(*, issued_at_ms: int, now_b_ns: int) -> ClockState:
    """Return the state after a root that changed the time, status or receipt keys (contracts 3.1).

    The anchor is gone and the floor is the later of the build date and the root's own `issued_at`. Nothing else lowers
    a floor: whoever held the former keys may have driven it up.
    """
    return ClockState(floor=Mark(time_ms=max(BUILD_DATE_MS, issued_at_ms), at_b_ns=now_b_ns))


def interval(state: ClockState, *, now_b_ns: int) -> Interval:
    """Return the time as it can be proven now; lo is rounded down, hi up."""
    lo_ms = _slowest(state.floor, now_b_ns=now_b_ns)
    if state.not_before is not None:
        lo_ms = max(lo_ms, _slowest(state.not_before, now_b_ns=now_b_ns))
    hi_ms = None if state.not_after is None else _fastest(state.not_after, now_b_ns=now_b_ns)
    return Interval(lo_ms=lo_ms, hi_ms=hi_ms)


def hear(
    state: ClockState, *, answer: Answer, trust_expires_ms: int | None = None
) -> tuple[ClockState, ClockAlarm | None]:
    """Take a signed answer as an anchor and intersect it with the one before.

    Args:
        state: What was known.
        answer: The answer; its signature and nonce are checked.
        trust_expires_ms: `expires_at` of the held issuers document, if any (contracts 3.4).
    """
    if trust_expires_ms is not None and answer.time_ms > trust_expires_ms:
        return state, ClockAlarm.ANSWER_AFTER_TRUST
    now_b_ns = answer.heard_b_ns
    lo_ms = answer.time_ms
    # Contracts 4: r. It was counted by this box's crystal, so it drifts as everything else does.
    hi_ms = _fastest(Mark(time_ms=answer.time_ms, at_b_ns=answer.sent_b_ns), now_b_ns=now_b_ns)
    if state.not_before is not None and state.not_after is not None:
        lo_ms = max(lo_ms, _slowest(state.not_before, now_b_ns=now_b_ns))
        hi_ms = min(hi_ms, _fastest(state.not_after, now_b_ns=now_b_ns))
        if lo_ms > hi_ms:  # contracts 4: an empty intersection drops both
            return ClockState(floor=state.floor), ClockAlarm.ANSWERS_DISAGREE
    if hi_ms < _slowest(state.floor, now_b_ns=now_b_ns):
        return state, ClockAlarm.ANSWER_BELOW_FLOOR
    not_before, not_after = Mark(time_ms=lo_ms, at_b_ns=now_b_ns), Mark(time_ms=hi_ms, at_b_ns=now_b_ns)
    return replace(state, not_before=not_before, not_after=not_after), None


def raise_floor(state: ClockState, *, time_ms: int, now_b_ns: int) -> tuple[ClockState, ClockAlarm | None]:
    """Raise the floor to a time that has passed: `issued_at` of a verified root or status document."""
    now = interval(state, now_b_ns=now_b_ns)
    if now.hi_ms is not None and time_ms > now.hi_ms:  # contracts 4: one above hi raises nothing and alarms
        return state, ClockAlarm.FLOOR_ABOVE_TIME
    if time_ms <= now.lo_ms:
        return state, None
    return replace(state, floor=Mark(time_ms=time_ms, at_b_ns=now_b_ns)), None


def _slowest(mark: Mark, *, now_b_ns: int) -> int:
    elapsed_ns = max(0, now_b_ns - mark.at_b_ns)
    return mark.time_ms + elapsed_ns * (_PPM - DRIFT_PPM) // (_PPM * _NS_PER_MS)


def _fastest(mark: Mark, *, now_b_ns: int) -> int:
    elapsed_ns = max(0, now_b_ns - mark.at_b_ns)
    return mark.time_ms - (-elapsed_ns * (_PPM + DRIFT_PPM) // (_PPM * _NS_PER_MS))
