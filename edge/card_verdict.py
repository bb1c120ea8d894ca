"""What the node says of a chip card, and what the record keeps of it.

Pure. No chip card here proves itself to the node: a SAM proves the terminal to the card, not the card to the terminal,
and the issuer's certificate has no public layout (domain facts 2.6). So a card that was read is looked up like an
identity number that somebody typed: in the roster or pending the city's word, never VALID. That its last day is over is
said beside the reason, once it is proven; it refuses nobody treatment.
"""

from enum import StrEnum
from typing import Any, TypeAlias, assert_never

from edge.card_content import CardFault, Holder, ResidentHealthCard, SocialSecurityCard, UnreadableCard
from edge.classify import Classified
from edge.examination import Case, Examination, Findings, ReplayLookup, concluded
from edge.freshness import freshness_of
from edge.id_card import IdentityCard
from edge.identity import valid_id_number
from edge.lookup import examine_by_lists
from edge.roster import id_carrier
from edge.sam_inventory import WARN_MS, end_ms, latest_ms
from edge.trust import TrustSet
from edge.verdict import Carrier, Interval, Reason, Subject

CardContent: TypeAlias = ResidentHealthCard | SocialSecurityCard | IdentityCard | UnreadableCard
"""What a chip says."""


class CardNote(StrEnum):
    """What a desk should know of a card beside the verdict, without saying what it is."""

    ALLERGY = "allergy"  # the card lists one or more
    WARNING = "warning"  # the card has a medical warning in words
    EXPIRED = "expired"  # proven
    EXPIRING = "expiring"  # within 30 days, as far as the time is known
    PARTLY_READ = "partly_read"  # something that was wanted could not be read


def examine_card(
    content: CardContent,
    *,
    trust: TrustSet,
    now: Interval,
    replay: ReplayLookup,
    age_since_ms: int | None = None,
) -> Examination:
    """Say what a card is worth.

    Args:
        content: What was read of it.
        trust: What is held, any of it missing.
        now: The interval the node can prove.
        replay: Not asked: a chip card has no presentation.
        age_since_ms: When the trust data were last proven current (Unix ms); None: `issued_at` of the held status.
    """
    case = Case(
        classified=Classified(carrier=carrier_of(content), text=""),
        trust=trust,
        now=now,
        replay=replay,
        freshness=freshness_of(trust, now=now, age_since_ms=age_since_ms),
    )
    if isinstance(content, UnreadableCard):
        is_other_card = content.fault is CardFault.UNKNOWN_CARD
        return concluded(case, Reason.NOT_A_HEALTH_CARD if is_other_card else Reason.MALFORMED, found=Findings())
    found = Findings()
    if CardNote.EXPIRED in card_notes(content, now=now):
        found.remark(Reason.EXPIRED)
    id_no = id_number_of(content)
    if id_no is None:
        return concluded(case, Reason.PENDING_CITY, found=found)
    subject = Subject(kind=case.classified.carrier, id_no=id_no)
    return examine_by_lists(case, id_carrier(id_no), subject=subject, found=found)


def carrier_of(content: CardContent) -> Carrier:
    """What kind of card it is."""
    match content:
        case ResidentHealthCard():
            return Carrier.RHC
        case SocialSecurityCard():
            return Carrier.SSC
        case IdentityCard():
            return Carrier.ID_CARD
        case UnreadableCard():
            return Carrier.UNKNOWN
        case _:
            assert_never(content)


def holder_of(content: CardContent) -> Holder | None:
    """Whom it names, as far as that was read."""
    match content:
        case ResidentHealthCard() | SocialSecurityCard() | IdentityCard():
            return content.holder
        case UnreadableCard():
            return None
        case _:
            assert_never(content)


def id_number_of(content: CardContent) -> str | None:
    """The identity number of its holder if the card states one that is well formed (GB 11643)."""
    holder = holder_of(content)
    stated = [None if holder is None else holder.id_no]
    if isinstance(content, ResidentHealthCard):
        stated.append(content.card_no)  # domain facts 2.2: 卡号 = 身份证号/证件号, and it needs no SAM
    return next((number for number in stated if number is not None and valid_id_number(number)), None)


def card_notes(content: CardContent, *, now: Interval) -> tuple[CardNote, ...]:
    """What a desk should know of a card, in the order of the notes' list."""
    if isinstance(content, UnreadableCard):
        return ()
    until_ms = None if content.valid_until is None else end_ms(content.valid_until)
    notes = {
        CardNote.EXPIRED: until_ms is not None and until_ms <= now.lo_ms,
        CardNote.EXPIRING: until_ms is not None and now.lo_ms < until_ms <= latest_ms(now) + WARN_MS,
    }
    if isinstance(content, ResidentHealthCard):
        notes[CardNote.ALLERGY] = bool(content.allergies)
        notes[CardNote.WARNING] = content.warnings is not None and content.warnings.other is not None
    if isinstance(content, ResidentHealthCard | SocialSecurityCard):
        notes[CardNote.PARTLY_READ] = bool(content.unread)
    return tuple(note for note in CardNote if notes.get(note, False))


def card_members(content: CardContent) -> dict[str, Any]:
    """What the record keeps of a card beside the verdict, as its `data` member ``card``.

    Returns:
        ``name``, ``sex``, ``nation``, ``birth`` and ``valid_until`` (YYYY-MM-DD), ``card_no``, and ``unread``, a list
        of [file, cause]; what is not known is left out. Of a card that could not be read: ``fault``.
    """
    if isinstance(content, UnreadableCard):
        return {"fault": content.fault.value}
    members: dict[str, Any] = {"valid_until": None if content.valid_until is None else content.valid_until.isoformat()}
    holder = holder_of(content)
    if holder is not None:
        birth = None if holder.birth is None else holder.birth.isoformat()
        members |= {"name": holder.name, "sex": holder.sex, "nation": holder.nation, "birth": birth}
    if isinstance(content, ResidentHealthCard | SocialSecurityCard):
        members["card_no"] = content.card_no
        members["unread"] = [[unread.file, unread.cause.value] for unread in content.unread] or None
    return {name: value for name, value in members.items() if value is not None}
