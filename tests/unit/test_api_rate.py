"""The bucket of permits, on a clock that the test holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api.rate import Bucket


def test_burst_is_granted_at_once_and_no_more():
    """So many permits as the burst are granted in one moment, the next is not."""
    bucket = Bucket(burst=3, per_s=1.0)

    waits_s = [bucket.take(10.0) for _ in range(4)]

    assert waits_s == [0.0, 0.0, 0.0, 1.0]


def test_permits_come_back_with_time():
    """After the time named, exactly one more is granted."""
    bucket = Bucket(burst=1, per_s=0.5)
    bucket.take(0.0)

    assert bucket.take(1.0) == pytest.approx(1.0)
    assert bucket.take(2.0) == 0.0
    assert bucket.take(2.0) == pytest.approx(2.0)


def test_quiet_time_saves_no_more_than_the_burst():
    """A long silence gives the burst back and not a permit more."""
    bucket = Bucket(burst=2, per_s=1.0)
    bucket.take(0.0)

    granted = [bucket.take(1e6) == 0.0 for _ in range(3)]

    assert granted == [True, True, False]


@given(st.lists(st.floats(min_value=0, max_value=5), max_size=60))
def test_never_more_than_burst_and_rate_allow(pauses_s):
    """However the asking is spread, no more is granted than the burst and the time that has passed allow."""
    bucket = Bucket(burst=5, per_s=2.0)
    now_s = granted = 0

    for pause_s in pauses_s:
        now_s += pause_s
        granted += bucket.take(now_s) == 0.0

    assert granted <= 5 + 2.0 * now_s + 1e-6
