"""Chip cards at the desk: what is recorded of them, the use of a SAM, and what is nobody's card."""

import logging
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from drivers.reader import Feedback
from drivers.reading import Medium, Reading
from edge.card_content import (
    Allergy,
    CardFault,
    Holder,
    ResidentHealthCard,
    SamInfo,
    SamUse,
    SocialSecurityCard,
    Unread,
    UnreadableCard,
    UnreadableSam,
    UnreadFile,
)
from edge.rubbish import BURST_MAX, REFILL_NS
from edge.transaction import Kind, Step
from edge.verdict import Carrier, Interval, Reason
from tests.support.id_texts import citizen
from tests.support.intake_desk import IntakeDesk, S

ID_NO = "11010020171225006X"
NAME = "王小宝"
EF05 = bytes.fromhex("0812") + ID_NO.encode()
UNREAD = (UnreadFile(file="DF02/EF07", cause=Unread.NO_SAM),)
SAM_NO = "37080000000000001234"
CARD = ResidentHealthCard(
    card_no=ID_NO,
    holder=Holder(name=NAME, sex=1, nation="01", birth=date(2017, 12, 25), id_no=ID_NO),
    allergies=(Allergy(substance="青霉素", reaction="皮疹"),),
    sam_use=SamUse(number=SAM_NO, type="2", files=("DDF1/EF06", "DF02/EF07")),
)


def icc(content: object, *, data: bytes = EF05, at_s: int = 0) -> Reading:
    return Reading(
        reader="card-1", data=data, medium=Medium.ICC, content=content, read_at_monotonic_ns=at_s * 1_000_000_000
    )


@pytest.fixture
def desk(tmp_path: Path) -> IntakeDesk:
    """A node in the vectors' first context."""
    return IntakeDesk(tmp_path)


async def test_a_health_card_becomes_a_record_with_what_the_city_must_judge(desk: IntakeDesk) -> None:
    """Subject, code and holder stand in it; allergies stay on the card, and the desk only hears that there are some."""
    assert await desk.take(icc(CARD)) is Reason.PENDING_CITY

    use = desk.records()[0]
    assert (use.kind, use.step, use.code, use.terminal.sam_no) == (Kind.USE, Step.CONSULT, EF05, SAM_NO)
    assert use.verdict is not None
    assert (use.verdict.subject.kind, use.verdict.subject.id_no) == (Carrier.RHC, ID_NO)
    assert use.data["card"]["name"] == NAME
    (entry,) = desk.day_view
    assert (entry.carrier, entry.name, entry.notes) == (Carrier.RHC, "王**", ("allergy",))
    assert desk.lamp.told == [(Feedback.PENDING, 2)]


async def test_each_use_of_a_sam_is_a_record_of_its_own(desk: IntakeDesk) -> None:
    """It names the SAM and the files, refers to the use, and stands in no line of the page."""
    await desk.take(icc(CARD))

    use, sam_use = desk.records()
    assert (sam_use.kind, sam_use.step, sam_use.refers, sam_use.verdict) == (Kind.SAM_USE, None, use.id, None)
    assert (sam_use.terminal.sam_no, sam_use.terminal.reader) == (SAM_NO, "card-1")
    assert sam_use.data == {"type": "2", "files": ["DDF1/EF06", "DF02/EF07"]}
    assert len(list(desk.day_view)) == 1


async def test_without_a_sam_there_is_no_use_of_one(desk: IntakeDesk) -> None:
    """What could not be read is said, in the record and at the desk."""
    unread = (UnreadFile(file="DDF1/EF06", cause=Unread.NO_SAM),)

    await desk.take(icc(ResidentHealthCard(card_no=ID_NO, unread=unread)))

    (use,) = desk.records()
    assert use.terminal.sam_no is None
    assert use.data["card"]["unread"] == [["DDF1/EF06", "no_sam"]]
    assert next(iter(desk.day_view)).notes == ("partly_read",)


async def test_a_sam_use_that_is_not_saved_does_not_unsay_the_use(
    desk: IntakeDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The use is saved and names the SAM; the fault is said and shown."""
    record = desk.intake._ledger.record

    async def record_once(transaction, **members):
        if transaction.kind is Kind.SAM_USE:
            desk.store.is_broken = True
        return await record(transaction, **members)

    monkeypatch.setattr(desk.intake._ledger, "record", record_once)

    assert await desk.take(icc(CARD)) is Reason.PENDING_CITY

    assert [(entry.is_saved, entry.seq) for entry in desk.day_view] == [(True, 1)]
    assert desk.lamp.told == [(Feedback.PENDING, 1)]
    assert desk.intake.not_saved_cause == "store"
    assert [line.levelno for line in caplog.records] == [logging.ERROR]


async def test_a_use_that_is_not_saved_has_no_sam_use(desk: IntakeDesk) -> None:
    """Nothing refers to a record that is not there."""
    desk.store.is_broken = True

    await desk.take(icc(CARD))

    assert desk.store.messages == []
    assert desk.lamp.told == [(Feedback.NOT_SAVED, 0)]


async def test_a_sam_is_noted_and_nobodys_visit(desk: IntakeDesk) -> None:
    """It enters the inventory; no record, no line, no lamp."""
    info = SamInfo(number=SAM_NO, type="2", valid_until=date(2030, 1, 1))

    assert await desk.take(icc(info, data=bytes.fromhex(SAM_NO))) is None

    (entry,) = desk.sams.entries(now=Interval(lo_ms=0, hi_ms=0))
    assert (entry.info, entry.reader) == (info, "card-1")
    assert (desk.records(), list(desk.day_view), desk.lamp.told) == ([], [], [])


async def test_what_is_no_sam_is_nobodys_visit(desk: IntakeDesk, caplog: pytest.LogCaptureFixture) -> None:
    """A card in the wrong slot is said in the status and the log, and never recorded."""
    assert await desk.take(icc(UnreadableSam(fault=CardFault.UNKNOWN_CARD), data=b"\x3b\x00")) is None

    assert [entry.reader for entry in desk.sams.entries(now=Interval(lo_ms=0, hi_ms=0))] == ["card-1"]
    assert (desk.records(), desk.lamp.told) == ([], [])
    assert "card-1" in caplog.text


async def test_a_social_security_card_and_an_identity_card_are_carriers_of_their_own(desk: IntakeDesk) -> None:
    """Each with its number and its bytes."""
    text = citizen(name=NAME)
    await desk.take(icc(SocialSecurityCard(card_no="A1", holder=Holder(id_no=ID_NO)), data=b"EF05"))
    await desk.take(Reading(reader="id-1", data=text, medium=Medium.ID_CARD, read_at_monotonic_ns=0))

    records = desk.records()
    assert [record.verdict.subject.kind for record in records if record.verdict] == [Carrier.SSC, Carrier.ID_CARD]
    assert [record.code for record in records] == [b"EF05", text]
    assert [record.verdict.subject.id_no for record in records if record.verdict] == [ID_NO, ID_NO]


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (icc(UnreadableCard(fault=CardFault.PULLED), data=b"\x3b\x00"), Reason.MALFORMED),
        (icc(UnreadableCard(fault=CardFault.UNKNOWN_CARD), data=b"\x3b\x00"), Reason.NOT_A_HEALTH_CARD),
        (icc("something else", data=b"\x3b\x00"), Reason.MALFORMED),
        (icc(None, data=b"\0"), Reason.MALFORMED),
        (Reading(reader="id-1", data=b"\0" * 255, medium=Medium.ID_CARD, read_at_monotonic_ns=0), Reason.MALFORMED),
    ],
)
async def test_what_could_not_be_read_is_a_second_try(desk: IntakeDesk, reading: Reading, reason: Reason) -> None:
    """It is recorded without anything of the card."""
    assert await desk.take(reading) is reason

    (record,) = desk.records()
    assert (record.kind, record.code) == (Kind.USE, None)
    assert list(record.data["card"]) == ["fault"]
    assert desk.lamp.told == [(Feedback.RETRY, 1)]


async def test_a_pulled_card_that_is_put_in_again_is_a_new_act(desk: IntakeDesk) -> None:
    """The first try read no name, so it hides nothing."""
    await desk.take(icc(UnreadableCard(fault=CardFault.PULLED), data=b"\x3b\x00", at_s=0))

    assert await desk.take(icc(CARD, at_s=1)) is Reason.PENDING_CITY


async def test_the_same_card_within_seconds_is_the_same_act(desk: IntakeDesk) -> None:
    """Taken out and put in again: one record."""
    await desk.take(icc(CARD, at_s=0))
    await desk.take(icc(CARD, at_s=3))

    assert [record.kind for record in desk.records()] == [Kind.USE, Kind.SAM_USE]


async def test_a_card_that_is_now_read_whole_is_a_new_act(desk: IntakeDesk) -> None:
    """The first time its SAM was silent: that it lists an allergy must not stay unsaid because it came back at once."""
    await desk.take(icc(ResidentHealthCard(card_no=ID_NO, unread=UNREAD), at_s=0))

    await desk.take(icc(CARD, at_s=3))

    assert [entry.notes for entry in desk.day_view] == [("allergy",), ("partly_read",)]


async def test_a_card_with_a_loose_contact_does_not_fill_the_disk(desk: IntakeDesk) -> None:
    """Each time it is answered; what says nothing new is recorded as often as a person might show it, then rarely."""
    card = ResidentHealthCard(card_no=ID_NO)

    for at in range(600):
        assert await desk.take(icc(card, at_s=10 * at)) is Reason.PENDING_CITY

    assert len(desk.records()) <= 1 + BURST_MAX + 600 * 10 * S // REFILL_NS
    assert desk.intake.noise_count("card-1") == 600 - len(desk.records())
    assert desk.lamp.told[-1][0] is Feedback.PENDING


async def test_an_identity_card_at_the_edge_of_the_field_does_not_fill_the_disk(desk: IntakeDesk) -> None:
    """It is found and lost again as long as it lies there."""
    for at in range(200):
        await desk.take(Reading(reader="id-1", data=citizen(), medium=Medium.ID_CARD, read_at_monotonic_ns=6 * at * S))

    assert len(desk.records()) <= 1 + BURST_MAX + 200 * 6 * S // REFILL_NS


async def test_a_loose_contact_hides_no_other_card_and_no_news(desk: IntakeDesk) -> None:
    """Who comes a second time is recorded, and so is the same card when it says more."""
    other = icc(ResidentHealthCard(card_no="other"), data=b"other")
    await desk.take(other)
    for at in range(100):
        await desk.take(icc(ResidentHealthCard(card_no=ID_NO, unread=UNREAD), at_s=10 * at))
    before = len(desk.records())

    await desk.take(replace(other, read_at_monotonic_ns=1001 * S))
    await desk.take(icc(ResidentHealthCard(card_no=ID_NO), at_s=1002))

    assert len(desk.records()) == before + 2


async def test_the_same_act_makes_no_second_ticket(desk: IntakeDesk) -> None:
    """The lamp says it again; paper is for what was recorded now."""
    lines: list[object] = []

    class Signals:
        async def signal(self, feedback: Feedback, *, entry: object) -> None:
            lines.append(entry)

    for at in range(3):
        await desk.intake.take(icc(CARD, at_s=at), signals=Signals())

    assert [line is None for line in lines] == [False, True, True]
