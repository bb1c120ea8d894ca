"""Waiting before the next connection: full jitter below a doubling ceiling."""

from hypothesis import given
from hypothesis import strategies as st

from sync.backoff import FIRST_S, LAST_S, Backoff


def test_the_ceiling_doubles_to_the_last() -> None:
    """With the highest dice the waits are the ceilings: 1, 2, 4 ... 300."""
    backoff = Backoff(random=lambda: 1.0)

    assert [backoff.next_s() for _ in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_receipt_begins_again() -> None:
    """After a reset the first ceiling holds."""
    backoff = Backoff(random=lambda: 1.0)
    for _ in range(5):
        backoff.next_s()

    backoff.reset()

    assert backoff.next_s() == FIRST_S


@given(st.lists(st.floats(min_value=0, max_value=1, exclude_max=True), min_size=1, max_size=20))
def test_every_wait_is_within_bounds(dice: list[float]) -> None:
    """Whatever the dice say, no wait is a busy loop and none is longer than the last ceiling."""
    rolls = iter(dice)
    backoff = Backoff(random=lambda: next(rolls))

    assert all(FIRST_S / 2 <= backoff.next_s() <= LAST_S for _ in dice)
