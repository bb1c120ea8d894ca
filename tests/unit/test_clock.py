"""The interval: lo only rises by proof, hi exists only with a signed answer, both drift by 200 ppm (contracts 4)."""

from hypothesis import given
from hypothesis import strategies as st

from edge.clock import (
    BUILD_DATE_MS,
    Answer,
    ClockAlarm,
    ClockState,
    Mark,
    hear,
    interval,
    raise_floor,
    start,
)

MS = 1_000_000
HOUR_NS = 3_600 * 10**9
T = 1_795_399_200_000


def _answer(time_ms: int, *, heard_ms: int, took_ms: int = 0) -> Answer:
    return Answer(time_ms=time_ms, sent_b_ns=(heard_ms - took_ms) * MS, heard_b_ns=heard_ms * MS)


def _anchored(*, heard_ms: int = 1_000, took_ms: int = 400) -> ClockState:
    state, alarm = hear(start(), answer=_answer(T, heard_ms=heard_ms, took_ms=took_ms))
    assert alarm is None
    return state


def test_without_an_answer_the_upper_end_is_unknown() -> None:
    """A box that heard nobody knows only that it is later than its program."""
    now = interval(start(), now_b_ns=0)

    assert (now.lo_ms, now.hi_ms) == (BUILD_DATE_MS, None)
    assert not start().is_anchored


def test_a_saved_floor_counts_from_boot() -> None:
    """A floor of an earlier boot holds at b = 0; an older one does not undercut the build date."""
    assert interval(start(saved_floor_ms=T), now_b_ns=0).lo_ms == T
    assert interval(start(saved_floor_ms=5), now_b_ns=0).lo_ms == BUILD_DATE_MS


def test_the_lower_end_rises_200_ppm_slower_than_the_box() -> None:
    """In an hour of the box's clock at least 3 599 280 ms have passed."""
    assert interval(start(saved_floor_ms=T), now_b_ns=HOUR_NS).lo_ms == T + 3_599_280


def test_an_answer_bounds_the_time_by_its_round_trip() -> None:
    """When it arrives, the time is between what was signed and that plus the time since the question."""
    now = interval(_anchored(), now_b_ns=1_000 * MS)

    assert (now.lo_ms, now.hi_ms) == (T, T + 400)
    assert _anchored().is_anchored


def test_the_interval_widens_by_200_ppm_on_both_sides() -> None:
    """After an hour it is 1.44 s wider."""
    now = interval(_anchored(heard_ms=0), now_b_ns=HOUR_NS)

    assert (now.lo_ms, now.hi_ms) == (T + 3_599_280, T + 400 + 3_600_720)


def test_rounding_never_narrows_the_interval() -> None:
    """Parts of a millisecond count for lo as not passed and for hi as passed."""
    answer = Answer(time_ms=T, sent_b_ns=0, heard_b_ns=1)
    state, _ = hear(start(), answer=answer)

    now = interval(state, now_b_ns=2)

    assert (now.lo_ms, now.hi_ms) == (T, T + 2)


def test_a_new_answer_intersects_with_the_old() -> None:
    """Two true answers together know more than each."""
    state, alarm = hear(_anchored(), answer=_answer(T + 100, heard_ms=1_000, took_ms=1_000))

    now = interval(state, now_b_ns=1_000 * MS)

    assert alarm is None
    assert (now.lo_ms, now.hi_ms) == (T + 100, T + 400)


def test_answers_that_disagree_drop_both_and_alarm() -> None:
    """One of the two lied; nobody knows which."""
    state, alarm = hear(_anchored(), answer=_answer(T + 60_000, heard_ms=1_000, took_ms=400))

    now = interval(state, now_b_ns=1_000 * MS)

    assert alarm is ClockAlarm.ANSWERS_DISAGREE
    assert now.hi_ms is None
    assert now.lo_ms < T


def test_an_answer_below_the_floor_is_no_anchor() -> None:
    """What has certainly passed cannot lie ahead."""
    state = start(saved_floor_ms=T)

    after, alarm = hear(state, answer=_answer(T - 10_000, heard_ms=1_000, took_ms=400))

    assert (after, alarm) == (state, ClockAlarm.ANSWER_BELOW_FLOOR)


def test_an_answer_beyond_the_held_trust_is_refused() -> None:
    """A time later than the end of the held issuers document is refused as a clock (contracts 3.4)."""
    late, late_alarm = hear(start(), answer=_answer(T + 1, heard_ms=0), trust_expires_ms=T)
    fine, fine_alarm = hear(start(), answer=_answer(T, heard_ms=0), trust_expires_ms=T)

    assert (late, late_alarm) == (start(), ClockAlarm.ANSWER_AFTER_TRUST)
    assert fine.is_anchored
    assert fine_alarm is None


def test_a_verified_document_raises_the_floor() -> None:
    """It was signed, so its time has passed; from then on the floor runs."""
    state, alarm = raise_floor(start(), time_ms=T, now_b_ns=HOUR_NS)

    assert alarm is None
    assert interval(state, now_b_ns=HOUR_NS).lo_ms == T
    assert interval(state, now_b_ns=2 * HOUR_NS).lo_ms == T + 3_599_280


def test_an_older_document_changes_nothing() -> None:
    """The floor never falls."""
    state = start(saved_floor_ms=T)

    assert raise_floor(state, time_ms=T - 1, now_b_ns=0) == (state, None)


def test_a_document_from_the_future_raises_nothing_and_alarms() -> None:
    """A floor above hi would be a lie of the signer or of the anchor."""
    state = _anchored()

    after, alarm = raise_floor(state, time_ms=T + 401, now_b_ns=1_000 * MS)

    assert (after, alarm) == (state, ClockAlarm.FLOOR_ABOVE_TIME)


def test_a_floor_within_the_interval_moves_its_lower_end() -> None:
    """What two sources prove together is the later of both."""
    state, alarm = raise_floor(_anchored(), time_ms=T + 300, now_b_ns=1_000 * MS)

    assert alarm is None
    assert interval(state, now_b_ns=1_000 * MS).lo_ms == T + 300


def test_a_reading_from_before_a_mark_does_not_turn_time_back() -> None:
    """Clocks read in another order than used cannot make lo fall below the mark."""
    assert interval(ClockState(floor=Mark(time_ms=T, at_b_ns=MS)), now_b_ns=0).lo_ms == T


@given(
    drift_ppm=st.integers(-200, 200),
    answers=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 5_000), st.integers(0, 5_000)), max_size=8),
    wait_ms=st.integers(0, 10**8),
)
def test_the_true_time_always_lies_in_the_interval(
    drift_ppm: int, answers: list[tuple[int, int, int]], wait_ms: int
) -> None:
    """However the box drifts within its limits and the network dawdles, honest answers never exclude the truth."""

    def true_ms(box_ms: int) -> int:
        return T + box_ms * 1_000_000 // (1_000_000 + drift_ppm)

    state, box_ms = start(), 0
    for pause_ms, there_ms, back_ms in answers:
        sent_ms = box_ms + pause_ms
        box_ms = sent_ms + there_ms + back_ms
        answer = _answer(true_ms(sent_ms + there_ms), heard_ms=box_ms, took_ms=there_ms + back_ms)
        state, alarm = hear(state, answer=answer)
        assert alarm is None

    now = interval(state, now_b_ns=(box_ms + wait_ms) * MS)

    slack_ms = len(answers) + 1  # the model above rounds to whole milliseconds, too
    assert now.lo_ms - slack_ms <= true_ms(box_ms + wait_ms)
    assert now.hi_ms is None or true_ms(box_ms + wait_ms) <= now.hi_ms + slack_ms
