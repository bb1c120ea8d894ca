"""How old the trust data are, and what that takes from a verdict (contracts 3.6, "Freshness ladder").

Pure. The ladder only ever weakens VALID; a refusal stays one, and a clinic is never told "cannot treat".
"""

from dataclasses import dataclass
from typing import assert_never

from edge.trust import TrustSet
from edge.verdict import Interval, Reason, Rung


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """Where the trust data stand.

    Attributes:
        age_s: Whole seconds; None: no base to count from.
        rung: None: no issuers document that says what is old.
    """

    age_s: int | None
    rung: Rung | None


def freshness_of(trust: TrustSet, *, now: Interval, age_since_ms: int | None) -> Freshness:
    """Measure the age of the trust data.

    Args:
        trust: What is held.
        now: The interval; age counts to its upper end, or to the lower where that is infinite.
        age_since_ms: When the data were last proven current; None: never, so `issued_at` of the held status counts.
    """
    if age_since_ms is None and trust.status is not None:
        age_since_ms = trust.status.issued_at_ms
    age_ms = None
    if age_since_ms is not None:
        # A floor below the document's own date would make it negative: then it is as fresh as can be.
        age_ms = max(0, (now.lo_ms if now.hi_ms is None else now.hi_ms) - age_since_ms)
    return Freshness(age_s=None if age_ms is None else age_ms // 1000, rung=_rung(trust, now=now, age_ms=age_ms))


def weakened(rung: Rung | None, *, presumed: bool) -> Reason:
    """What is left of a valid card on this rung.

    Args:
        rung: None counts as OLD.
        presumed: The card's validity was presumed, not proven.
    """
    match rung:
        case Rung.FRESH | Rung.AGING:
            return Reason.VALID_STALE if presumed else Reason.VALID
        case Rung.STALE:
            return Reason.VALID_STALE
        case Rung.OLD | Rung.LAPSED | None:
            return Reason.TRUST_OLD
        case _:
            assert_never(rung)


def _rung(trust: TrustSet, *, now: Interval, age_ms: int | None) -> Rung | None:
    for document in (trust.root, trust.issuers):
        if document is not None and document.expires_at_ms <= now.lo_ms:
            return Rung.LAPSED
    # No usable status: OLD (contracts 6); an expired one counts as OLD (contracts 3.6).
    if trust.status is None or age_ms is None or trust.status.expires_at_ms <= now.lo_ms:
        return Rung.OLD
    if trust.issuers is None:
        return None
    limits = trust.issuers.staleness
    if age_ms > limits.stale_s * 1000:
        return Rung.OLD
    if age_ms > limits.aging_s * 1000 or now.hi_ms is None:  # with hi infinite the rung is STALE at best
        return Rung.STALE
    return Rung.FRESH if age_ms <= limits.fresh_s * 1000 else Rung.AGING
