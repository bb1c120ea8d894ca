"""The interval: lo only rises by proof, hi exists only with a signed answer, both drift by 200 ppm (contracts 4)."""

from hypothesis import given
from hypothesis import strategies as st

from edge.clock import (
    BUILD_DATE_MS,
    Answer,
    ClockAlarm,
    ClockState,
    Mark,
    SavedFloor,
    hear,
    interval,
    raise_floor,
    reset,
    settle,
    start,
)

MS = 1_000_000
HOUR_NS = 3_600 * 10**9
T = 1_795_399_200_000


THIS_BOOT, OTHER_BOOT = b"b" * 16, b"o" * 16


def _saved(time_ms: int = T, *, at_b_ns: int = 0, boot_id: bytes = OTHER_BOOT) -> SavedFloor:
    return SavedFloor(floor=Mark(time_ms=time_ms, at_b_ns=at_b_ns), boot_id=boot_id)


def _floor(time_ms: int = T) -> ClockState:
    return start(saved=_saved(time_ms), boot_id=THIS_BOOT)


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


def test_a_floor_of_another_boot_counts_from_the_beginning_of_this_one() -> None:
    """Nobody knows how long the box was off: bF is 0, whatever it was then."""
    state = start(saved=_saved(at_b_ns=5 * HOUR_NS), boot_id=THIS_BOOT, now_b_ns=HOUR_NS)

    assert interval(state, now_b_ns=0).lo_ms == T
    assert interval(state, now_b_ns=HOUR_NS).lo_ms == T + 3_599_280


def test_a_floor_of_this_boot_goes_on_from_where_it_was_set() -> None:
    """A program that is started again has not lost the time in between, and has not counted any twice."""
    state = start(saved=_saved(at_b_ns=5 * HOUR_NS, boot_id=THIS_BOOT), boot_id=THIS_BOOT, now_b_ns=6 * HOUR_NS)

    assert interval(state, now_b_ns=6 * HOUR_NS).lo_ms == T + 3_599_280
    assert interval(state, now_b_ns=5 * HOUR_NS).lo_ms == T


def test_a_floor_older_than_the_program_gives_way_to_its_build_date() -> None:
    """The build date had passed when the program began, which may be long after the box did."""
    state = start(saved=_saved(5), boot_id=THIS_BOOT, now_b_ns=HOUR_NS)

    assert state == start(now_b_ns=HOUR_NS)
    assert interval(state, now_b_ns=HOUR_NS).lo_ms == BUILD_DATE_MS
    assert interval(state, now_b_ns=2 * HOUR_NS).lo_ms == BUILD_DATE_MS + 3_599_280


def test_a_floor_that_ran_past_the_build_date_counts() -> None:
    """Of the two the later one now, not the later one when it was saved."""
    state = start(saved=_saved(BUILD_DATE_MS - 1), boot_id=THIS_BOOT, now_b_ns=HOUR_NS)

    assert interval(state, now_b_ns=HOUR_NS).lo_ms == BUILD_DATE_MS - 1 + 3_599_280


def test_the_lower_end_rises_200_ppm_slower_than_the_box() -> None:
    """In an hour of the box's clock at least 3 599 280 ms have passed."""
    assert interval(_floor(), now_b_ns=HOUR_NS).lo_ms == T + 3_599_280


def test_settling_moves_the_floor_and_not_the_interval() -> None:
    """Lo becomes the floor; both ends stay where they are, now and later."""
    state = _anchored(heard_ms=0)

    after = settle(state, now_b_ns=HOUR_NS)

    assert after.floor == Mark(time_ms=T + 3_599_280, at_b_ns=HOUR_NS)
    for now_b_ns in (HOUR_NS, 7 * HOUR_NS):
        assert interval(after, now_b_ns=now_b_ns) == interval(state, now_b_ns=now_b_ns)


def test_what_was_settled_outlives_answers_that_disagree() -> None:
    """What was proven once stays proven: without its anchor, lo is where it was."""
    state = settle(_anchored(), now_b_ns=1_000 * MS)

    after, alarm = hear(state, answer=_answer(T + 60_000, heard_ms=1_000))

    assert alarm is ClockAlarm.ANSWERS_DISAGREE
    assert interval(after, now_b_ns=1_000 * MS) == interval(_floor(), now_b_ns=0)


def test_an_answer_from_before_the_anchor_drops_both_though_it_lies_below_the_floor() -> None:
    """The anchor may be the lie that raised the floor: it does not go on as if nobody had contradicted it."""
    state = settle(_anchored(), now_b_ns=1_000 * MS)

    after, alarm = hear(state, answer=_answer(T - 60_000, heard_ms=1_000))

    assert alarm is ClockAlarm.ANSWERS_DISAGREE
    assert (after.is_anchored, after.floor) == (False, state.floor)


def test_a_root_with_other_keys_sets_floor_and_anchor_anew() -> None:
    """The floor is the root's own date, even if it was higher; never below the build date (contracts 3.1)."""
    lower = reset(issued_at_ms=T - HOUR_NS // MS, now_b_ns=HOUR_NS)

    now = interval(lower, now_b_ns=HOUR_NS)

    assert (now.lo_ms, now.hi_ms) == (T - 3_600_000, None)
    assert not lower.is_anchored
    assert interval(lower, now_b_ns=2 * HOUR_NS).lo_ms == T - 3_600_000 + 3_599_280
    assert interval(reset(issued_at_ms=5, now_b_ns=0), now_b_ns=0).lo_ms == BUILD_DATE_MS


def test_an_answer_bounds_the_time_by_its_round_trip() -> None:
    """When it arrives, the time is between what was signed and that plus the time since the question."""
    now = interval(_anchored(), now_b_ns=1_000 * MS)

    assert (now.lo_ms, now.hi_ms) == (T, T + 401)  # the round trip drifts, too: 400.08 ms at most
    assert _anchored().is_anchored


def test_the_interval_widens_by_200_ppm_on_both_sides() -> None:
    """After an hour it is 1.44 s wider."""
    now = interval(_anchored(heard_ms=0), now_b_ns=HOUR_NS)

    assert (now.lo_ms, now.hi_ms) == (T + 3_599_280, T + 401 + 3_600_720)


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
    assert (now.lo_ms, now.hi_ms) == (T + 100, T + 401)


def test_answers_that_disagree_drop_both_and_alarm() -> None:
    """One of the two lied; nobody knows which."""
    state, alarm = hear(_anchored(), answer=_answer(T + 60_000, heard_ms=1_000, took_ms=400))

    now = interval(state, now_b_ns=1_000 * MS)

    assert alarm is ClockAlarm.ANSWERS_DISAGREE
    assert now.hi_ms is None
    assert now.lo_ms < T


def test_an_answer_below_the_floor_is_no_anchor() -> None:
    """What has certainly passed cannot lie ahead."""
    state = _floor()

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
    state = _floor()

    assert raise_floor(state, time_ms=T - 1, now_b_ns=0) == (state, None)


def test_a_document_from_the_future_raises_nothing_and_alarms() -> None:
    """A floor above hi would be a lie of the signer or of the anchor."""
    state = _anchored()

    after, alarm = raise_floor(state, time_ms=T + 402, now_b_ns=1_000 * MS)

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
    anchors=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 5_000), st.booleans()), max_size=8),
    honest=st.booleans(),
)
def test_the_lower_end_never_falls_once_it_was_saved(anchors: list[tuple[int, int, bool]], *, honest: bool) -> None:
    """Whatever is answered, honest or not: what was settled is never undercut, and hi never lies below lo."""
    state, box_ms, saved_ms = start(), 0, 0
    for pause_ms, took_ms, is_saved in anchors:
        box_ms += pause_ms + took_ms
        time_ms = T + box_ms - took_ms if honest else T + 7 * pause_ms - 3 * took_ms
        state, _ = hear(state, answer=_answer(time_ms, heard_ms=box_ms, took_ms=took_ms))
        if is_saved:
            state = settle(state, now_b_ns=box_ms * MS)
            saved_ms = state.floor.time_ms
        now = interval(state, now_b_ns=box_ms * MS)
        assert now.lo_ms >= saved_ms
        assert now.hi_ms is None or now.hi_ms >= now.lo_ms


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
