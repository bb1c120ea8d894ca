"""What the node says of a chip card: looked up, never believed."""

from datetime import UTC, date, datetime

import pytest

from edge.card_content import (
    Allergy,
    CardFault,
    Holder,
    MedicalWarnings,
    ResidentHealthCard,
    SocialSecurityCard,
    Unread,
    UnreadableCard,
    UnreadFile,
)
from edge.card_verdict import CardContent, CardNote, card_members, card_notes, carrier_of, examine_card, id_number_of
from edge.examination import Examination
from edge.id_card import parse_id_card
from edge.roster import Person, PersonState, Roster, id_carrier
from edge.verdict import Carrier, Interval, Outcome, Reason
from tests.support.cards import NOW, Never, roster, trust
from tests.support.id_texts import citizen

ID_NO = "11010020171225006X"
HOLDER = Holder(name="王小宝", sex=1, nation="01", birth=date(2017, 12, 25), id_no=ID_NO)
DAY_MS = 86_400_000
SAMPLE = parse_id_card(citizen(valid_until="长期"))


def rhc(**members: object) -> ResidentHealthCard:
    return ResidentHealthCard(**{"card_no": ID_NO, "holder": HOLDER} | members)


def judge(content: CardContent, *, people: Roster | None = None, now: Interval = NOW) -> Examination:
    return examine_card(content, trust=trust(roster=people), now=now, replay=Never())


def known(state: PersonState = PersonState.ACTIVE) -> Roster:
    return roster({id_carrier(ID_NO): Person(name="王小宝", sex=1, birth=date(2017, 12, 25), state=state)})


CARDS = {
    Carrier.RHC: rhc(),
    Carrier.SSC: SocialSecurityCard(card_no="A00000001", holder=HOLDER),
    Carrier.ID_CARD: SAMPLE,
}


@pytest.mark.parametrize("carrier", CARDS)
def test_a_card_that_the_roster_does_not_know_is_the_citys(carrier: Carrier) -> None:
    """No chip proves itself to the node, so it is pending; its bytes are kept for the city (contracts 5.1)."""
    examination = judge(CARDS[carrier])

    assert (examination.verdict.reason, examination.verdict.outcome) == (Reason.PENDING_CITY, Outcome.ACCEPT_PENDING)
    assert examination.verdict.subject.kind is examination.classified.carrier is carrier
    assert examination.verdict.subject.id_no == ID_NO
    assert examination.verdict.subject.name is None
    assert examination.keep_code
    assert examination.replay is None


@pytest.mark.parametrize("carrier", CARDS)
def test_a_card_that_the_roster_knows_is_still_unverified(carrier: Carrier) -> None:
    """The roster names the person; who holds the card is another question."""
    verdict = judge(CARDS[carrier], people=known()).verdict

    assert verdict.reason is Reason.ROSTER_MATCH_CODE_UNVERIFIED
    assert (verdict.subject.name, verdict.subject.kind) == ("王小宝", carrier)


@pytest.mark.parametrize("state", [PersonState.LOST, PersonState.SUSPENDED])
def test_a_number_that_the_roster_holds_as_lost_is_refused(state: PersonState) -> None:
    """As the number on paper would be (contracts 2)."""
    assert judge(rhc(), people=known(state)).verdict.reason is Reason.SUSPENDED


def test_without_a_sam_the_card_number_names_the_person() -> None:
    """The issuer's file is free, and its 卡号 is the number of the identity document."""
    unread = (UnreadFile(file="DDF1/EF06", cause=Unread.NO_SAM),)

    assert judge(rhc(holder=None, unread=unread), people=known()).verdict.reason is Reason.ROSTER_MATCH_CODE_UNVERIFIED


@pytest.mark.parametrize("number", ["", "E12345678", "110100201712250061"])
def test_a_number_that_is_no_identity_number_names_nobody(number: str) -> None:
    """A passport, or a number whose check digit is wrong: the city decides, and nothing false is claimed."""
    card = rhc(card_no=number, holder=None)

    assert id_number_of(card) is None
    verdict = judge(card, people=known()).verdict
    assert (verdict.reason, verdict.subject.id_no, verdict.subject.kind) == (Reason.PENDING_CITY, None, Carrier.RHC)


def test_a_gated_social_security_card_names_nobody() -> None:
    """EF05 alone says which card it is, not whose."""
    card = SocialSecurityCard(card_no="A00000001", unread=(UnreadFile(file="EF06", cause=Unread.REFUSED),))

    assert judge(card, people=known()).verdict.reason is Reason.PENDING_CITY


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (CardFault.PULLED, Reason.MALFORMED),
        (CardFault.DAMAGED, Reason.MALFORMED),
        (CardFault.UNKNOWN_CARD, Reason.NOT_A_HEALTH_CARD),
    ],
)
def test_a_card_that_could_not_be_read_is_a_second_try(fault: CardFault, reason: Reason) -> None:
    """A bank card is no health card; one that was pulled may be put in again."""
    examination = judge(UnreadableCard(fault=fault))

    assert examination.verdict.reason is reason
    assert examination.verdict.outcome is Outcome.RETRY
    assert carrier_of(UnreadableCard(fault=fault)) is Carrier.UNKNOWN
    assert id_number_of(UnreadableCard(fault=fault)) is None
    assert not examination.keep_code


def day_of(ms: int, *, plus_days: int = 0) -> date:
    return datetime.fromtimestamp((ms + 8 * 3_600_000) / 1000 + plus_days * 86_400, tz=UTC).date()


@pytest.mark.parametrize(
    ("last_day", "width_ms", "notes"),
    [
        (-1, 1000, (CardNote.EXPIRED,)),
        (0, 1000, (CardNote.EXPIRING,)),
        (29, 1000, (CardNote.EXPIRING,)),
        (31, 1000, ()),
        (-1, None, (CardNote.EXPIRED,)),
        (1, 60 * DAY_MS, (CardNote.EXPIRING,)),
    ],
)
def test_the_last_day_is_a_note_and_refuses_nobody(
    last_day: int, width_ms: int | None, notes: tuple[CardNote, ...]
) -> None:
    """EXPIRED stands beside the reason once the day is proven to be over; 30 days before, the desk is told."""
    now = Interval(lo_ms=NOW.lo_ms, hi_ms=None if width_ms is None else NOW.lo_ms + width_ms)
    card = rhc(valid_until=day_of(now.lo_ms, plus_days=last_day))

    verdict = judge(card, now=now).verdict

    assert card_notes(card, now=now) == notes
    assert verdict.reason is Reason.PENDING_CITY
    assert verdict.also == ((Reason.EXPIRED,) if CardNote.EXPIRED in notes else ())


def test_a_desk_is_told_what_to_look_for_and_not_what_it_is() -> None:
    """That there are allergies is a note; which ones stays on the card."""
    card = rhc(
        allergies=(Allergy(substance="青霉素", reaction="皮疹"),),
        warnings=MedicalWarnings(other="装有心脏起搏器"),
        unread=(UnreadFile(file="DF02/EF08", cause=Unread.DAMAGED),),
    )

    assert card_notes(card, now=NOW) == (CardNote.ALLERGY, CardNote.WARNING, CardNote.PARTLY_READ)
    assert card_notes(rhc(allergies=(), warnings=MedicalWarnings()), now=NOW) == ()
    assert card_notes(SAMPLE, now=NOW) == ()
    assert card_notes(UnreadableCard(fault=CardFault.PULLED), now=NOW) == ()


def test_the_record_keeps_who_it_is_and_what_was_not_read() -> None:
    """What is unknown is left out; allergies, addresses and certificates never go along."""
    card = rhc(
        valid_until=date(2030, 1, 31),
        allergies=(Allergy(substance="青霉素", reaction="皮疹"),),
        unread=(UnreadFile(file="DF02/EF08", cause=Unread.SAM_LOST),),
    )

    assert card_members(card) == {
        "card_no": ID_NO,
        "name": "王小宝",
        "sex": 1,
        "nation": "01",
        "birth": "2017-12-25",
        "valid_until": "2030-01-31",
        "unread": [["DF02/EF08", "sam_lost"]],
    }
    assert card_members(rhc(holder=None)) == {"card_no": ID_NO}
    assert card_members(SocialSecurityCard(holder=Holder(name="王小宝"))) == {"name": "王小宝"}
    assert card_members(UnreadableCard(fault=CardFault.PULLED)) == {"fault": "pulled"}
    assert "card_no" not in card_members(SAMPLE)


def test_nothing_personal_is_in_a_repr() -> None:
    """Not of the card, and not of what the node says of it."""
    shown = repr(rhc(allergies=(Allergy(substance="青霉素", reaction="皮疹"),))) + repr(judge(rhc(), people=known()))

    assert not any(secret in shown for secret in (ID_NO, "王小宝", "青霉素", "2017"))
