"""What makes no sense is recorded as far as a person could show it, and not as far as a loose cable can."""

from edge.rubbish import BURST_MAX, REFILL_NS, RubbishLimit


def test_a_person_with_a_bad_printout_is_recorded_every_time() -> None:
    """A burst by hand fits in."""
    limit = RubbishLimit()

    assert all(limit.admits("scanner-1", now_ns=at * 1_000_000_000) for at in range(BURST_MAX))
    assert limit.refused_count("scanner-1") == 0


def test_noise_is_cut_off_and_counted() -> None:
    """A thousand in a second leave a burst, and the rest is a number."""
    limit = RubbishLimit()

    admitted = [limit.admits("scanner-1", now_ns=at * 1_000_000) for at in range(1_000)]

    assert admitted == [True] * BURST_MAX + [False] * (1_000 - BURST_MAX)
    assert limit.refused_count("scanner-1") == 1_000 - BURST_MAX


def test_one_more_is_recorded_after_each_pause() -> None:
    """What refills does so by the clock, not by being asked, and never beyond the burst."""
    limit = RubbishLimit(burst_max=2, refill_ns=10)
    assert [limit.admits("a", now_ns=0) for _ in range(3)] == [True, True, False]

    assert [limit.admits("a", now_ns=at) for at in (9, 10, 19, 20, 25)] == [False, True, False, True, False]
    assert [limit.admits("a", now_ns=1_000) for _ in range(3)] == [True, True, False]


def test_each_reader_has_its_own() -> None:
    """One broken cable takes nothing from the reader beside it."""
    limit = RubbishLimit(burst_max=1)
    limit.admits("a", now_ns=0)

    assert not limit.admits("a", now_ns=1)
    assert limit.admits("b", now_ns=1)


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    """The readings of a reader are in order; if ever not, the bucket stays as it was."""
    limit = RubbishLimit(burst_max=1, refill_ns=REFILL_NS)
    limit.admits("a", now_ns=10 * REFILL_NS)

    assert not limit.admits("a", now_ns=0)
