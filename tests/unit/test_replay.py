"""The cache of seen presentations."""

from hypothesis import given
from hypothesis import strategies as st

from edge.examination import ReplayEntry
from edge.replay import REPLAY_ENTRIES_MAX, ReplayCache


def entry(number: int, *, expires_after_ms: int = 1000) -> ReplayEntry:
    """A presentation of its own."""
    return ReplayEntry(key=number.to_bytes(47, "big"), expires_after_ms=expires_after_ms)


def test_a_presentation_is_seen_once_inserted() -> None:
    """What was inserted is seen, nothing else is, and inserting it again changes nothing."""
    cache = ReplayCache()

    assert cache.insert(entry(1))

    assert cache.seen(entry(1).key)
    assert not cache.seen(entry(2).key)
    assert not cache.insert(entry(1))
    assert len(cache) == 1


def test_nothing_is_evicted_before_its_time() -> None:
    """A full cache takes no more and forgets nothing until the lower end of the interval proves an entry stale."""
    cache = ReplayCache(entries_max=2)
    cache.insert(entry(1, expires_after_ms=2000))
    cache.insert(entry(2, expires_after_ms=1000))

    assert cache.full
    assert not cache.insert(entry(3))
    assert cache.expire(lo_ms=1000) == 0
    assert cache.seen(entry(2).key)

    assert cache.expire(lo_ms=1001) == 1
    assert cache.insert(entry(3))
    assert cache.seen(entry(1).key)
    assert not cache.seen(entry(2).key)


def test_the_bound_is_the_contracts() -> None:
    """The default bound is the one the contract states."""
    assert REPLAY_ENTRIES_MAX == 65_536
    assert not ReplayCache().full


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), max_size=40), st.integers(0, 60))
def test_it_agrees_with_a_plain_model(inserted: list[tuple[int, int]], lo_ms: int) -> None:
    """Whatever the order of insertion, an entry is held exactly until lo lies above its end."""
    cache, model = ReplayCache(), dict[int, int]()
    for number, end_ms in inserted:
        assert cache.insert(entry(number, expires_after_ms=end_ms)) is (number not in model)
        model.setdefault(number, end_ms)

    cache.expire(lo_ms=lo_ms)

    assert [cache.seen(entry(number).key) for number in range(21)] == [
        number in model and model[number] >= lo_ms for number in range(21)
    ]
