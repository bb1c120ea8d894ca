"""What the node says of a text it was shown: the numbered steps of contracts 1 and the rows of contracts 2.

Pure: trust, time and the replay cache come in, an `Examination` goes out; nothing is inserted, stored or logged. The
steps run in the contract's order, one function each. The first that returns a reason ends the run with it; a step that
only notes something lets the run go on. Nothing raises for any text: what goes wrong here is a bug, and
`edge.intake` answers it with `internal`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from edge.classify import BEARER_CARRIERS, DEFAULT_TABLE, CarrierTable, Classified, classify
from edge.ehc_code import DAY_S, EPOCH_S, STATIC_CARD, EhcCode, UnsupportedVersionError, parse
from edge.errors import CodeError, KeyFormatError
from edge.examination import Case, Examination, Findings, ReplayEntry, ReplayLookup, concluded
from edge.freshness import freshness_of, weakened
from edge.gm import public_key
from edge.lookup import ask_roster, examine_by_lists
from edge.roster import birth_carrier, card_carrier, id_carrier, index_carrier
from edge.status_list import CardState
from edge.trust import IssuerEntry, Issuers, IssuerState, Root, TrustSet, is_in_region
from edge.verdict import Carrier, Evidence, Interval, Reason, Subject, Verdict

__all__ = ["Examination", "ReplayEntry", "ReplayLookup", "examine", "internal"]

PRESENTATION_WINDOW_MS = 90_000  # W of contracts 1
PRESUMED_VALID_MS = 90 * DAY_S * 1000  # contracts 1, "Validity"


def examine(
    text: str,
    *,
    trust: TrustSet,
    now: Interval,
    replay: ReplayLookup,
    age_since_ms: int | None = None,
    table: CarrierTable = DEFAULT_TABLE,
) -> Examination:
    """Say what a text is worth.

    Args:
        text: As the reader decoded it.
        trust: What is held, any of it missing.
        now: The interval the node can prove.
        replay: Asked, never changed; expire it by `now` before.
        age_since_ms: When the trust data were last proven current (Unix ms); None: `issued_at` of the held status.
        table: Which rows of contracts 2 are on.
    """
    classified = classify(text, table=table)
    freshness = freshness_of(trust, now=now, age_since_ms=age_since_ms)
    case = Case(classified=classified, trust=trust, now=now, replay=replay, freshness=freshness)
    match classified.carrier:
        case Carrier.EHC1:
            return _examine_ehc1(case)
        case Carrier.NATIONAL_STATIC | Carrier.NATIONAL_DYNAMIC:
            index = classified.text.partition(":")[0]
            return examine_by_lists(case, index_carrier(index), subject=Subject(kind=classified.carrier, index=index))
        case Carrier.ID_NUMBER:
            subject = Subject(kind=classified.carrier, id_no=classified.text)
            return examine_by_lists(case, id_carrier(classified.text), subject=subject)
        case Carrier.BIRTH_CERTIFICATE:
            subject = Subject(kind=classified.carrier, birth_no=classified.text)
            return examine_by_lists(case, birth_carrier(classified.text), subject=subject)
        case (
            Carrier.ENROLMENT
            | Carrier.COMMAND
            | Carrier.INSURANCE_CODE
            | Carrier.WECHAT_PAY
            | Carrier.ALIPAY_PAY
            | Carrier.TRACE_CODE
            | Carrier.GS1
            | Carrier.FOREIGN_CERTIFICATE
            | Carrier.LEGACY_CARD
        ):
            return concluded(case, Reason.NOT_A_HEALTH_CARD, found=Findings())
        case Carrier.UNKNOWN | Carrier.RHC | Carrier.ID_CARD | Carrier.SSC:  # no text is a chip: `edge.card_verdict`
            return concluded(case, Reason.MALFORMED, found=Findings())
        case _:
            assert_never(classified.carrier)


def internal(text: str, *, now: Interval, classified: Classified | None = None) -> Examination:
    """The verdict where the verifier itself failed (contracts 4): INTERNAL and no other reason.

    Kept so plain that it cannot fail the same way: it reads nothing of the text but whether it might be money.

    Args:
        text: As the reader decoded it.
        now: The interval at the time.
        classified: If it came so far.
    """
    if classified is None:
        classified = Classified(carrier=Carrier.UNKNOWN, text=text)
        might_be_money = text.strip()[-16:].isdigit()
    else:
        might_be_money = classified.carrier in BEARER_CARRIERS
    verdict = Verdict(
        reason=Reason.INTERNAL,
        subject=Subject(kind=classified.carrier),
        evidence=Evidence(lo_ms=now.lo_ms, hi_ms=now.hi_ms, anchored=now.hi_ms is not None),
    )
    return Examination(verdict=verdict, classified=classified, keep_code=not might_be_money)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """A card whose issuer signature holds (steps 1 to 3 are behind it)."""

    case: Case
    code: EhcCode
    root: Root
    issuers: Issuers
    issuer: IssuerEntry


def _examine_ehc1(case: Case) -> Examination:
    found = Findings()
    try:
        code = parse(case.classified.text)  # step 1
    except UnsupportedVersionError:
        return concluded(case, Reason.UNSUPPORTED_VERSION, found=found)
    except CodeError:
        return concluded(case, Reason.MALFORMED, found=found)
    card = _steps_2_and_3_issuer(code, case=case)
    if isinstance(card, Reason):
        return concluded(case, card, found=found, code=code)  # nothing of the card is proven: no subject
    for step in _STEPS:
        ended = step(card, found)
        if ended is not None:
            return concluded(case, ended, found=found, code=code, subject=_proven(code))
    return concluded(case, _step_13_ladder(card, found), found=found, code=code, subject=_proven(code))


def _steps_2_and_3_issuer(code: EhcCode, *, case: Case) -> _Card | Reason:
    """2: a key with that kid. 3: its signature. One loop, since keys that share a kid are all tried."""
    root, issuers = case.trust.root, case.trust.issuers
    if root is None or issuers is None:  # contracts 6: no usable issuers; without a root there are none
        return Reason.UNKNOWN_ISSUER
    entries = issuers.by_kid.get(code.kid, ())  # at most 4, which `edge.trust` sees to
    for entry in entries:
        if entry.key.verify(code.issuer_signed, signature=code.issuer_signature):
            return _Card(case=case, code=code, root=root, issuers=issuers, issuer=entry)
    return Reason.BAD_SIGNATURE if entries else Reason.UNKNOWN_ISSUER


def _step_4_withdrawn(card: _Card, _found: Findings) -> Reason | None:
    # Contracts 3.2: a withdrawn key refuses every card, whenever it was issued.
    return Reason.ISSUER_WITHDRAWN if card.issuer.state is IssuerState.WITHDRAWN else None


def _step_5_scope(card: _Card, found: Findings) -> Reason | None:
    # Contracts 3.2, in its order: kind, then day, then region.
    issuer, day = card.issuer, card.code.issued_day
    kind = "static" if card.code.version == STATIC_CARD else "holder"
    if kind not in issuer.kinds:
        return Reason.WRONG_SCOPE
    if not issuer.not_before <= day <= issuer.not_after:
        made_on = (card.issuers.issued_at_ms // 1000 - EPOCH_S) // DAY_S
        newer_list_may_extend = issuer.state is IssuerState.ACTIVE and day > issuer.not_after and day >= made_on
        return Reason.UNKNOWN_ISSUER if newer_list_may_extend else Reason.WRONG_SCOPE
    if not is_in_region(card.root.city, regions=issuer.regions):
        found.note(Reason.OUT_OF_REGION)
    return None


def _step_6_status(card: _Card, found: Findings) -> Reason | None:
    # Contracts 3.3; missing data are never "not revoked" and never "revoked" (contracts 4).
    trust, status_list = card.case.trust, card.issuer.status_list
    cards = trust.lists.get(status_list) if trust.status is not None else None
    if cards is None:
        found.note(Reason.STATUS_MISSING)
        return None
    match state := cards.state(card.code.index):
        case CardState.VALID:
            return None
        case CardState.REVOKED:
            return Reason.REVOKED
        case CardState.SUSPENDED:
            return Reason.SUSPENDED
        case CardState.NOT_COVERED:  # beyond the list, or not given out when it was made
            found.note(Reason.STATUS_NOT_COVERED)
            return None
        case _:
            assert_never(state)


def _step_7_validity(card: _Card, found: Findings) -> Reason | None:
    # Contracts 1, "Validity".
    lo, hi = card.case.now.lo_ms, card.case.now.hi_ms
    start = (EPOCH_S + DAY_S * card.code.issued_day) * 1000
    end = (EPOCH_S + DAY_S * (card.code.expiry_day + 1)) * 1000
    if hi is not None and start > hi:
        return Reason.NOT_YET_VALID
    if end <= lo:
        return Reason.EXPIRED
    if hi is not None and end > hi:
        return None
    if end > lo + PRESUMED_VALID_MS and not card.code.needs_trusted_time:
        found.presume()
    else:
        found.note(Reason.CLOCK_UNSURE)
    return None


def _step_8_presented(card: _Card, _found: Findings) -> Reason | None:
    # Contracts 1: a card bound to a holder key is worth nothing without a showing.
    return Reason.PRESENTATION_MISSING if card.code.holder_key and card.code.presentation is None else None


def _step_9_holder_signature(card: _Card, _found: Findings) -> Reason | None:
    holder_key, shown = card.code.holder_key, card.code.presentation
    if holder_key is None or shown is None:
        return None
    try:
        key = public_key(holder_key)
    except KeyFormatError:
        return Reason.BAD_SIGNATURE  # contracts 1, step 9: no compressed point of the curve
    return None if key.verify(shown.signed, signature=shown.signature) else Reason.BAD_SIGNATURE


def _step_10_presentation_time(card: _Card, found: Findings) -> Reason | None:
    # Contracts 1, "Presentation time".
    if card.code.presentation is None:
        return None
    lo, hi = card.case.now.lo_ms, card.case.now.hi_ms
    earliest, latest = _window(card.code.presentation.time_s)
    if latest < lo:
        return Reason.PRESENTATION_STALE
    if hi is not None and earliest > hi:
        return Reason.PRESENTATION_FUTURE
    if hi is None or hi > latest or lo < earliest:
        found.note(Reason.CLOCK_UNSURE)
    return None


def _step_11_replay(card: _Card, found: Findings) -> Reason | None:
    # Contracts 1, "Replay".
    shown = card.code.presentation
    if shown is None:
        return None
    key = card.issuer.key.compressed + card.code.card_ref + shown.time_s.to_bytes(4, "big") + shown.nonce
    if card.case.replay.seen(key):
        return Reason.REPLAYED
    if card.case.replay.full:
        found.note(Reason.CLOCK_UNSURE)  # it cannot be remembered, and nothing is evicted
    else:
        found.replay = ReplayEntry(key=key, expires_after_ms=_window(shown.time_s)[1])
    return None


def _step_12_roster(card: _Card, found: Findings) -> Reason | None:
    # A card reference is unique among the issuers of a city: only an issuer in region joins (contracts 1).
    if Reason.OUT_OF_REGION in found.met:
        return None
    return ask_roster(card.case, card_carrier(card.code.card_ref), found=found)


def _step_13_ladder(card: _Card, found: Findings) -> Reason:
    # Contracts 3.6: it weakens only VALID and the presumed VALID_STALE; a noted reason is never replaced.
    return found.noted or weakened(card.case.freshness.rung, presumed=found.presumed)


_STEPS: tuple[Callable[[_Card, Findings], Reason | None], ...] = (
    _step_4_withdrawn,
    _step_5_scope,
    _step_6_status,
    _step_7_validity,
    _step_8_presented,
    _step_9_holder_signature,
    _step_10_presentation_time,
    _step_11_replay,
    _step_12_roster,
)


def _window(time_s: int) -> tuple[int, int]:
    """The earliest and the latest time (Unix ms) at which a presentation is fresh."""
    shown_at_ms = (EPOCH_S + time_s) * 1000
    return shown_at_ms - PRESENTATION_WINDOW_MS, shown_at_ms + PRESENTATION_WINDOW_MS


def _proven(code: EhcCode) -> Subject:
    """Whom a card names once the issuer signature holds."""
    holder = code.holder_data
    if holder is None:
        return Subject(kind=Carrier.EHC1, card_ref=code.card_ref)
    return Subject(kind=Carrier.EHC1, card_ref=code.card_ref, name=holder.name, sex=holder.sex, birth=holder.birth)
