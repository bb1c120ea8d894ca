"""The freshness ladder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.freshness import freshness_of, weakened
from edge.trust import TrustSet
from edge.verdict import Interval, Reason, Rung
from tests.support.cards import NOON_MS, NOW, UNANCHORED, YEAR_MS, issuers, root, status, trust

DAY_MS = 86_400_000


def rung(age_ms: int, *, now: Interval = NOW) -> Rung | None:
    """The rung when the data were last current so long before the upper end (or the lower, without one)."""
    until_ms = now.lo_ms if now.hi_ms is None else now.hi_ms
    return freshness_of(trust(), now=now, age_since_ms=until_ms - age_ms).rung


@pytest.mark.parametrize(
    ("age_ms", "expected"),
    [
        (-DAY_MS, Rung.FRESH),
        (0, Rung.FRESH),
        (DAY_MS, Rung.FRESH),
        (DAY_MS + 1, Rung.AGING),
        (3 * DAY_MS, Rung.AGING),
        (3 * DAY_MS + 1, Rung.STALE),
        (14 * DAY_MS, Rung.STALE),
        (14 * DAY_MS + 1, Rung.OLD),
    ],
)
def test_each_rung_ends_where_the_issuers_say(age_ms: int, expected: Rung) -> None:
    """A rung holds to its last millisecond; with the upper end unknown it is STALE at best."""
    assert rung(age_ms) is expected
    assert rung(age_ms, now=UNANCHORED) is (Rung.OLD if expected is Rung.OLD else Rung.STALE)


def test_age_counts_to_the_upper_end() -> None:
    """Age is in whole seconds to the upper end, to the lower without one, and never negative."""
    wide = Interval(lo_ms=NOON_MS, hi_ms=NOON_MS + 10_999)

    assert freshness_of(trust(), now=wide, age_since_ms=NOON_MS).age_s == 10
    assert freshness_of(trust(), now=UNANCHORED, age_since_ms=NOON_MS - 5000).age_s == 5
    assert freshness_of(trust(), now=wide, age_since_ms=NOON_MS + YEAR_MS).age_s == 0


def test_age_counts_from_the_status_until_something_newer_proves_it() -> None:
    """Without a base of its own the age counts from the date of the held status."""
    held = trust(status=status(age_s=3600))

    assert freshness_of(held, now=UNANCHORED, age_since_ms=None).age_s == 3600
    assert freshness_of(held, now=UNANCHORED, age_since_ms=NOON_MS).age_s == 0


def test_a_newer_status_does_not_make_the_data_younger_than_they_were_proven() -> None:
    """Once a time was verified, age counts from the last of them, whatever is published since (contracts 3.6)."""
    held = trust(status=status(age_s=0))

    assert freshness_of(held, now=NOW, age_since_ms=NOON_MS - 20 * DAY_MS).rung is Rung.OLD


@given(lo_ms=st.integers(0, 2**43), since_ms=st.one_of(st.none(), st.integers(0, 2**43)))
def test_without_an_upper_end_nothing_is_fresh(lo_ms: int, since_ms: int | None) -> None:
    """Whatever the lower end and the base: a box that cannot say how late it is may be years late."""
    now = Interval(lo_ms=lo_ms, hi_ms=None)

    assert freshness_of(trust(), now=now, age_since_ms=since_ms).rung in (Rung.STALE, Rung.OLD, Rung.LAPSED)


@given(
    lo_ms=st.integers(NOON_MS - YEAR_MS, NOON_MS + YEAR_MS),
    width_ms=st.integers(0, 60 * DAY_MS),
    more_ms=st.integers(0, 60 * DAY_MS),
    age_ms=st.integers(0, 60 * DAY_MS),
)
def test_knowing_less_or_later_never_climbs_the_ladder(lo_ms: int, width_ms: int, more_ms: int, age_ms: int) -> None:
    """A wider interval, or the same a while later, stands on the same rung or a lower one."""
    order = list(Rung)
    since_ms = lo_ms - age_ms

    def place(low_ms: int, high_ms: int) -> int:
        found = freshness_of(trust(), now=Interval(lo_ms=low_ms, hi_ms=high_ms), age_since_ms=since_ms).rung
        assert found is not None
        return order.index(found)

    here = place(lo_ms, lo_ms + width_ms)
    assert place(lo_ms, lo_ms + width_ms + more_ms) >= here
    assert place(lo_ms + more_ms, lo_ms + width_ms + more_ms) >= here


def test_expired_issuers_or_root_are_lapsed() -> None:
    """From the very millisecond of expiry, by the lower end."""
    for held in (trust(root=root(expires_at_ms=NOON_MS)), trust(issuers=issuers(expires_at_ms=NOON_MS))):
        assert freshness_of(held, now=NOW, age_since_ms=None).rung is Rung.LAPSED
    held = trust(root=root(expires_at_ms=NOON_MS + 1), issuers=issuers(expires_at_ms=NOON_MS + 1))
    assert freshness_of(held, now=NOW, age_since_ms=None).rung is Rung.FRESH


def test_no_usable_status_is_old() -> None:
    """A status that is missing or expired counts as OLD."""
    missing = freshness_of(trust(status=None), now=NOW, age_since_ms=None)
    assert (missing.age_s, missing.rung) == (None, Rung.OLD)
    assert freshness_of(trust(status=None), now=NOW, age_since_ms=NOON_MS).rung is Rung.OLD
    expired = trust(status=status(expires_at_ms=NOON_MS))
    assert freshness_of(expired, now=NOW, age_since_ms=None).rung is Rung.OLD


def test_without_issuers_nobody_says_what_is_old() -> None:
    """No issuers document: the age is known, the rung is not."""
    freshness = freshness_of(trust(issuers=None), now=UNANCHORED, age_since_ms=None)

    assert (freshness.age_s, freshness.rung) == (3600, None)
    assert freshness_of(TrustSet(), now=NOW, age_since_ms=None).rung is Rung.OLD


@pytest.mark.parametrize(
    ("on", "proven", "presumed"),
    [
        (Rung.FRESH, Reason.VALID, Reason.VALID_STALE),
        (Rung.AGING, Reason.VALID, Reason.VALID_STALE),
        (Rung.STALE, Reason.VALID_STALE, Reason.VALID_STALE),
        (Rung.OLD, Reason.TRUST_OLD, Reason.TRUST_OLD),
        (Rung.LAPSED, Reason.TRUST_OLD, Reason.TRUST_OLD),
        (None, Reason.TRUST_OLD, Reason.TRUST_OLD),
    ],
)
def test_the_ladder_weakens_step_by_step(on: Rung | None, proven: Reason, presumed: Reason) -> None:
    """What is left of a valid card on each rung."""
    assert weakened(on, presumed=False) is proven
    assert weakened(on, presumed=True) is presumed
