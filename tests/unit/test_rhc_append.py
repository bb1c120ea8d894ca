"""Writing an immunisation to a resident health card: only on the right card, only once, and read back."""

from datetime import date

import pytest

from drivers.conversation import CardRead, Slot
from edge.card_content import Appended, AppendFault, Immunization, NotAppended, ResidentHealthCard, SamUse
from tests.support.card_files import Plain, Records, resident_files
from tests.support.card_slots import CardSlots
from tests.support.emulated_cards import (
    SAM_SERIAL,
    TEST_KEYS,
    TRIES,
    ResidentHealthCardEmulator,
    SamEmulator,
)

NAME = "麻腮风疫苗"
DAY = date(2026, 11, 20)
FILE = "DF02/EF08"


def ready(card: ResidentHealthCardEmulator, *, sam: SamEmulator | None = None) -> tuple[CardSlots, bytes]:
    """Slots with a card that was read just now, and what names it."""
    slots = CardSlots(card, sam=sam or SamEmulator(sam_type=2))
    return slots, slots.read_card().data


def append(slots: CardSlots, named: bytes, *, name: str = NAME, day: date = DAY) -> object:
    assert slots.card is not None
    slots.card.power_on()
    talk = slots.talk.append_immunization(
        name=name, day=day, card=named, atr=slots.card.atr, sam_atr=None if slots.sam is None else slots.sam.atr
    )
    read = slots.carry(talk)
    assert isinstance(read, CardRead)
    assert read.data == named
    return read.content


def use(sam_type: str = "2") -> SamUse:
    return SamUse(number=SAM_SERIAL.hex().upper(), type=sam_type, files=(FILE,))


def newest(card: ResidentHealthCardEmulator) -> bytes:
    file = card.files[FILE]
    assert isinstance(file, Plain)
    return file.written[0]


@pytest.mark.parametrize("sam_type", [2, 3])
@pytest.mark.parametrize("forgets_reading", [False, True])
def test_an_immunisation_is_appended_and_read_back(sam_type: int, forgets_reading: bool) -> None:
    """It is the card's newest, with a card that keeps the proof for reading and one that does not."""
    card = ResidentHealthCardEmulator(forgets_reading=forgets_reading)
    slots, named = ready(card, sam=SamEmulator(sam_type=sam_type))

    outcome = append(slots, named)

    assert outcome == Appended(was_there=False, sam_use=use(str(sam_type)))
    content = slots.read_card().content
    assert isinstance(content, ResidentHealthCard)
    assert content.immunizations is not None
    assert content.immunizations[0] == Immunization(name=NAME, day=DAY)
    assert len(content.immunizations) == 10  # the oldest fell out


def test_what_stands_on_the_card_is_not_written_again() -> None:
    """A try that was cut off can be repeated."""
    card = ResidentHealthCardEmulator(files=resident_files(immunizations=0))
    slots, named = ready(card)
    append(slots, named)

    assert append(slots, named) == Appended(was_there=True, sam_use=use())
    assert append(slots, named, day=date(2026, 11, 21)) == Appended(was_there=False, sam_use=use())
    file = card.files[FILE]
    assert isinstance(file, Plain)
    assert len(file.written) == 2


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("疫" * 11, AppendFault.NAME_TOO_LONG),
        ("𠮷" * 5 + "a", AppendFault.NAME_TOO_LONG),
        ("", AppendFault.NAME_UNUSABLE),
        ("\ud800", AppendFault.NAME_UNUSABLE),
    ],
)
def test_a_name_that_does_not_fit_touches_no_card(name: str, cause: AppendFault) -> None:
    """Nothing is cut to fit, and nothing is asked."""
    slots, named = ready(ResidentHealthCardEmulator())

    outcome = append(slots, named, name=name)

    assert outcome == NotAppended(cause=cause)
    assert slots.sent == []


def test_a_name_of_exactly_20_bytes_fits() -> None:
    """Ten Han characters."""
    slots, named = ready(ResidentHealthCardEmulator())

    assert append(slots, named, name="疫" * 10) == Appended(was_there=False, sam_use=use())


def test_another_card_is_not_written() -> None:
    """The person may have taken theirs away and the next put in theirs."""
    slots, named = ready(ResidentHealthCardEmulator())
    files = resident_files()
    files["DDF1/EF05"].values[0x08] = b"11010020171225007X"
    for other in (ResidentHealthCardEmulator(files=files), ResidentHealthCardEmulator(files={}), SamEmulator()):
        slots.card = other

        assert append(slots, named) == NotAppended(cause=AppendFault.OTHER_CARD)
        assert slots.commands(Slot.SAM) == []


@pytest.mark.parametrize(
    ("sam", "outcome"),
    [
        (SamEmulator(pin=b"\x99"), NotAppended(cause=AppendFault.SAM_PIN)),
        (SamEmulator(sam_type=1), NotAppended(cause=AppendFault.SAM_TYPE)),
        (SamEmulator(sam_type=4), NotAppended(cause=AppendFault.SAM_TYPE)),
        (SamEmulator(sam_type=5), NotAppended(cause=AppendFault.SAM_TYPE)),
        (
            SamEmulator(sam_type=2, keys={index: TEST_KEYS[index] for index in (0x31, 0x33)}),
            NotAppended(cause=AppendFault.SAM_TYPE, sam_use=use()),
        ),
    ],
)
def test_a_sam_that_may_not_write_writes_nothing(sam: SamEmulator, outcome: NotAppended) -> None:
    """Another PIN, another type, a type without the key."""
    card = ResidentHealthCardEmulator()
    before = newest(card)
    slots, named = ready(card, sam=sam)

    assert append(slots, named) == outcome
    assert newest(card) == before


def test_without_a_sam_nothing_is_written() -> None:
    """And nothing is asked."""
    slots, named = ready(ResidentHealthCardEmulator())
    slots.sam = None

    assert append(slots, named) == NotAppended(cause=AppendFault.NO_SAM)
    assert slots.sent == []


def test_a_card_of_other_keys_is_not_written_and_not_locked() -> None:
    """The proof for reading is refused, once, and no other is offered."""
    card = ResidentHealthCardEmulator(keys=dict.fromkeys(TEST_KEYS, bytes(16)))
    slots, named = ready(card)

    outcomes = {append(slots, named) for _ in range(4)}

    assert outcomes == {NotAppended(cause=AppendFault.REFUSED, sam_use=use()), NotAppended(cause=AppendFault.REFUSED)}
    assert card.tries["DF02", 0x84] == TRIES - 1


@pytest.mark.parametrize("missing", ["DF02/EF08", "DF02"])
def test_a_card_without_the_file_is_not_written(missing: str) -> None:
    """Neither folder nor file can be made."""
    files = {path: file for path, file in resident_files().items() if not path.startswith(missing)}
    slots, named = ready(_Answering("00A4000002DF02" if missing == "DF02" else "-", answer="6A82", files=files))

    outcome = append(slots, named)

    assert isinstance(outcome, NotAppended)
    assert outcome.cause is AppendFault.REFUSED


def test_a_card_that_does_not_say_whose_keys_it_has_is_damaged() -> None:
    """Without the province there is no proof."""
    files = resident_files()
    files["DDF1/EF05"] = Records(values={0x08: b"11010020171225006X", 0x39: b"\xff" * 3})
    slots, named = ready(ResidentHealthCardEmulator(files=files))

    assert append(slots, named) == NotAppended(cause=AppendFault.DAMAGED)


class _Answering(ResidentHealthCardEmulator):
    """A card that answers one command in its own way, after so many of that kind."""

    def __init__(self, command: str, *, answer: str, after: int = 0, **options: object) -> None:
        super().__init__(**options)
        self._command = command
        self._answer = bytes.fromhex(answer)
        self._left = after

    def transmit(self, command: bytes) -> bytes:
        if not command.hex().upper().startswith(self._command):
            return super().transmit(command)
        self._left -= 1
        return super().transmit(command) if self._left >= 0 else self._answer


@pytest.mark.parametrize(
    ("command", "answer", "after", "cause"),
    [
        ("00B20104", "6A83", 0, AppendFault.UNCERTAIN),  # it was written, and is not there
        ("00B20104", "00", 0, AppendFault.DAMAGED),
        ("00B20104", "00", 1, AppendFault.UNCERTAIN),
        ("00B20104", "6982", 1, AppendFault.UNCERTAIN),
        ("00B20104", "6A83", 1, AppendFault.UNCERTAIN),
        ("00B20104", "00" * 24 + "9000", 1, AppendFault.UNCERTAIN),
        ("00DC0003", "6A84", 0, AppendFault.REFUSED),
        ("00DC0003", "9000", 0, AppendFault.UNCERTAIN),
        ("00DC0003", "00", 0, AppendFault.UNCERTAIN),
        ("0084", "00", 0, AppendFault.DAMAGED),
        ("0084", "079000", 1, AppendFault.DAMAGED),
        ("0084", "6D00", 1, AppendFault.REFUSED),
        ("00820087", "6982", 0, AppendFault.REFUSED),
        ("00820087", "00", 0, AppendFault.DAMAGED),
    ],
)
def test_a_card_that_answers_otherwise_gets_a_named_outcome(
    command: str, answer: str, after: int, cause: AppendFault
) -> None:
    """From the moment that the record is sent, what cannot be seen on the card is uncertain."""
    slots, named = ready(ResidentHealthCardEmulator())
    slots.card = _Answering(command, answer=answer, after=after)

    outcome = append(slots, named)

    assert isinstance(outcome, NotAppended)
    assert outcome.cause is cause


@pytest.mark.parametrize("after", range(15))
def test_a_card_that_is_pulled_was_written_or_not_or_nobody_knows(after: int) -> None:
    """Before the record was sent it was not; after that only the card knows."""
    card = ResidentHealthCardEmulator()
    slots, named = ready(card)
    slots.lose = {Slot.CARD: after}

    outcome = append(slots, named)

    sent = any(command.startswith("00DC") for command in slots.commands(Slot.CARD))
    assert isinstance(outcome, NotAppended)
    assert outcome.cause is (AppendFault.UNCERTAIN if sent else AppendFault.PULLED)
    assert sent == (after >= 13)


@pytest.mark.parametrize("after", range(11))
def test_a_sam_that_falls_silent_writes_nothing(after: int) -> None:
    """All its proofs come before the record is sent."""
    card = ResidentHealthCardEmulator()
    before = newest(card)
    slots, named = ready(card)
    slots.lose = {Slot.SAM: after}

    outcome = append(slots, named)

    assert isinstance(outcome, NotAppended)
    assert outcome.cause is AppendFault.SAM_LOST
    assert newest(card) == before


def test_a_card_keeps_its_rules() -> None:
    """The emulated card writes only after the proof for writing, and a challenge counts once."""
    card = ResidentHealthCardEmulator()

    def sent(*commands: str) -> list[str]:
        return [card.transmit(bytes.fromhex(command)).hex()[-4:] for command in commands]

    append_command, proof = "00DC000318" + "00" * 24, "0082008711" + "00" * 17
    assert sent("00B2010018", "00A4000002DDF1", "00A4000002EF06", "00B20B0020") == ["6982", "9000", "9000", "6982"]
    assert sent("00A4000002DF02", "00A4000002EF08", append_command, proof) == ["9000", "9000", "6982", "6985"]
    assert sent("0084000008", proof, proof, "0084000008", "00820087020000") == ["9000", "63c2", "6985", "9000", "6700"]
    assert sent("0084000008", proof, "0084000008", proof, "0084000008", proof)[1::2] == ["63c1", "63c0", "6983"]
    assert sent("0082000411" + "00" * 17, "00A4000002DF01", "00FF0000", "0084000004") == [
        "6a88",
        "6a82",
        "6d00",
        "6c08",
    ]


def test_a_card_writes_whole_records_into_its_cyclic_file_only() -> None:
    """After the proof, too, a record of another length or place is refused."""
    card = ResidentHealthCardEmulator()
    slots, named = ready(card)
    append(slots, named)  # the proof still stands

    answers = [
        card.transmit(bytes.fromhex(command)).hex()
        for command in (
            "00DC00031700" + "00" * 22,
            "00DC000418" + "00" * 24,
            "00A4000002EF05",
            "00DC000318" + "00" * 24,
        )
    ]

    assert answers == ["6700", "6985", "9000", "6985"]


@pytest.mark.parametrize("ins", ["82", "DC"])
def test_what_a_card_counts_or_keeps_goes_out_once_whatever_length_it_asks_for(ins: str) -> None:
    """6Cxx asks for the same command again: a second wrong proof, or the same record twice."""
    card = ResidentHealthCardEmulator()
    slots, named = ready(card)
    answer = card.answer
    card.answer = lambda command: b"\x6c\x10" if command.ins == int(ins, 16) else answer(command)  # type: ignore[method-assign]

    outcome = append(slots, named)

    assert isinstance(outcome, NotAppended)
    assert outcome.cause is AppendFault.REFUSED
    assert len([command for command in slots.commands(Slot.CARD) if command.startswith("00" + ins)]) == 1
