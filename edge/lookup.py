"""What cached lists say of a carrier: the hashed lists of revoked codes and the roster (contracts 2, 3.3, 3.5).

Pure. A national code, an identity number and a birth certificate carry no signature: the lists are all there is, and
what they do not know is pending the city's word, never refused.
"""

from typing import assert_never

from edge.errors import TrustError
from edge.examination import Case, Examination, Findings, concluded
from edge.roster import PersonState
from edge.verdict import Carrier, Reason, Subject


def examine_by_lists(
    case: Case, carrier_string: str, *, subject: Subject, found: Findings | None = None
) -> Examination:
    """A carrier without a signature: the hashed lists, then the roster (contracts 2).

    Args:
        case: What was given.
        carrier_string: As the roster knows it.
        subject: What the carrier says.
        found: What was found before; None: nothing.
    """
    found = found or Findings()
    ended = _ask_hashed_lists(case, subject.index, found=found) if subject.index is not None else None
    ended = ended or ask_roster(case, carrier_string, found=found) or found.noted
    if ended is not None:
        return concluded(case, ended, found=found, subject=subject)
    if found.person is None:
        matched = Reason.PENDING_CITY
    elif subject.kind is Carrier.NATIONAL_STATIC:
        matched = Reason.ROSTER_MATCH
    else:
        matched = Reason.ROSTER_MATCH_CODE_UNVERIFIED
    return concluded(case, matched, found=found, subject=subject)


def ask_roster(case: Case, carrier_string: str, *, found: Findings) -> Reason | None:
    """Find the person of a carrier; what stands against that carrier is returned or noted (contracts 1 step 12, 2)."""
    roster, lo = case.trust.roster, case.now.lo_ms
    # Contracts 3.5: until whoever destroys it comes by, it is not asked any more.
    if roster is None or roster.manifest.destroyed_from_ms <= lo:
        return None
    try:
        found.person = roster.find(carrier_string)
    except TrustError:
        # The row is there and does not open: it may say "lost", so nothing is claimed (contracts 4, missing data).
        found.note(Reason.PENDING_CITY)
    if found.person is None:
        return None
    if roster.lease_end_ms <= lo:
        found.remark(Reason.ROSTER_STALE)  # contracts 3.5
    match found.person.state:
        case PersonState.LOST | PersonState.SUSPENDED:
            return Reason.SUSPENDED
        case PersonState.DECEASED:
            found.note(Reason.PENDING_CITY)
            found.remark(Reason.DECEASED)
        case PersonState.ACTIVE:
            pass
        case _:
            assert_never(found.person.state)
    return None


def _ask_hashed_lists(case: Case, index: str, *, found: Findings) -> Reason | None:
    """Contracts 2: every list named is asked; one that is not on disk is said to be missing, hit or no hit."""
    status, on_disk = case.trust.status, case.trust.hashed
    if status is None or not status.hashed.keys() <= on_disk.keys():
        found.remark(Reason.STATUS_MISSING)
    if status is None:
        return None
    decoded = bytes.fromhex(index)
    hit = any(name in on_disk and on_disk[name].contains(decoded) for name in status.hashed)
    return Reason.REVOKED_PROBABLE if hit else None
