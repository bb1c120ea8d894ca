"""Reading a social security card: what is free everywhere, and less where the province gates it."""

from datetime import date

import pytest

from drivers.conversation import CardRead, Slot
from edge.card_content import CardFault, Holder, SocialSecurityCard, Unread, UnreadableCard, UnreadFile
from tests.support.card_files import SAMPLE_ID_NO, SAMPLE_NAME, SOCIAL_BASE, SOCIAL_HOLDER, SocialFiles
from tests.support.card_slots import CardSlots
from tests.support.emulated_cards import SSC_ATR, SamEmulator, SocialSecurityCardEmulator

HOLDER = Holder(name=SAMPLE_NAME, sex=2, nation="01", birth=date(2017, 12, 25), id_no=SAMPLE_ID_NO)
BASE = SocialSecurityCard(
    card_no="A0000042X",
    identifier="11010001000000000000000000000042",
    issued=date(2020, 1, 2),
    valid_until=date(2030, 1, 1),
)


def of(read: CardRead) -> SocialSecurityCard:
    assert isinstance(read.content, SocialSecurityCard)
    return read.content


def test_the_application_is_selected_by_its_name() -> None:
    """Domain facts 4 step 1, byte by byte."""
    slots = CardSlots(SocialSecurityCardEmulator())

    slots.read_card()

    assert slots.commands(Slot.CARD)[:6] == [
        "00A4000002DDF1",
        "00A404000F7378312E73682EC9E7BBE1B1A3D5CF",
        "00A4000002EF05",
        "00B2010000",
        "00B2010012",
        "00B2020000",
    ]


@pytest.mark.parametrize("says_length_by", [0x6C, 0x61, 0])
def test_a_card_is_read_however_it_says_its_lengths(says_length_by: int) -> None:
    """By 6Cxx, by 61xx, or by the answer itself; below 60 round trips in each case."""
    slots = CardSlots(SocialSecurityCardEmulator(says_length_by=says_length_by))

    read = slots.read_card()

    assert of(read) == SocialSecurityCard(
        card_no=BASE.card_no,
        identifier=BASE.identifier,
        issued=BASE.issued,
        valid_until=BASE.valid_until,
        holder=HOLDER,
    )
    assert read.data == b"".join(bytes((tag, len(value))) + value for tag, value in SOCIAL_BASE.items())
    assert len(slots.sent) == 4 + 13 * (2 if says_length_by else 1)


def test_a_sam_in_the_other_slot_is_not_asked() -> None:
    """These files need none."""
    slots = CardSlots(SocialSecurityCardEmulator(), sam=SamEmulator())

    slots.read_card()

    assert slots.commands(Slot.SAM) == []


def test_files_that_are_selected_as_children_are_read() -> None:
    """Some cards want P1 02."""
    read = CardSlots(SocialSecurityCardEmulator(child_only=True)).read_card()

    assert of(read).holder == HOLDER


@pytest.mark.parametrize("gate", ["6982", "6985", "6A81", "6983"])
def test_a_gated_file_leaves_the_first_one(gate: str) -> None:
    """The province wants its own proof: the card is read as far as it is free, and asked once."""
    slots = CardSlots(SocialSecurityCardEmulator(gate=bytes.fromhex(gate)))

    read = slots.read_card()

    assert of(read) == SocialSecurityCard(
        card_no=BASE.card_no,
        identifier=BASE.identifier,
        issued=BASE.issued,
        valid_until=BASE.valid_until,
        unread=(UnreadFile(file="EF06", cause=Unread.REFUSED),),
    )
    assert slots.commands(Slot.CARD)[-1] == "00B2080000"


def test_a_file_that_is_gated_in_the_middle_keeps_what_was_read() -> None:
    """The number is there, the name is not."""
    card = _Gated(SocialSecurityCardEmulator())

    read = CardSlots(card).read_card()

    assert of(read).holder == Holder(id_no=SAMPLE_ID_NO)
    assert of(read).unread == (UnreadFile(file="EF06", cause=Unread.REFUSED),)


class _Gated(SocialSecurityCardEmulator):
    """A card whose names are not for everybody."""

    def __init__(self, _: SocialSecurityCardEmulator) -> None:
        super().__init__()

    def transmit(self, command: bytes) -> bytes:
        return b"\x69\x82" if command[:3] == b"\x00\xb2\x09" else super().transmit(command)


@pytest.mark.parametrize(
    ("sex", "expected"), [(b"\x01", 1), (b"\x00", 0), (b"0", 0), (b"9", 9), (b"\x07", None), (b"\xff", None)]
)
def test_the_sex_is_a_number_or_a_digit(sex: bytes, expected: int | None) -> None:
    """The source says one byte; GB/T 2261.1 has four values, and they cannot be mistaken."""
    card = SocialSecurityCardEmulator(files=SocialFiles(holder={**SOCIAL_HOLDER, 0x0A: sex}))

    holder = of(CardSlots(card).read_card()).holder

    assert holder is not None
    assert holder.sex == expected


def test_a_damaged_record_is_left_out_and_said() -> None:
    """A date of three bytes in one file, an identity number of 19 in the other."""
    files = SocialFiles(base={**SOCIAL_BASE, 0x05: b"\x20\x20\x01"}, holder={**SOCIAL_HOLDER, 0x08: b"1" * 19})

    read = of(CardSlots(SocialSecurityCardEmulator(files=files)).read_card())

    assert (read.issued, read.valid_until, read.card_no) == (None, date(2030, 1, 1), "A0000042X")
    assert read.holder is not None
    assert (read.holder.id_no, read.holder.name) == (None, SAMPLE_NAME)
    assert read.unread == tuple(UnreadFile(file=file, cause=Unread.DAMAGED) for file in ("EF05", "EF06"))


def test_a_card_without_its_second_file_says_so() -> None:
    """It is missing, not refused."""
    card = SocialSecurityCardEmulator()
    del card._files["EF06"]

    assert of(CardSlots(card).read_card()).unread == (UnreadFile(file="EF06", cause=Unread.MISSING),)


@pytest.mark.parametrize("base", [{}, {0x02: b"1", 0x05: bytes.fromhex("20200102")}])
def test_a_card_that_nothing_names_is_damaged(base: dict[int, bytes]) -> None:
    """Neither a number nor an identifier."""
    read = CardSlots(SocialSecurityCardEmulator(files=SocialFiles(base=base))).read_card()

    assert read == CardRead(data=SSC_ATR, content=UnreadableCard(fault=CardFault.DAMAGED))


@pytest.mark.parametrize("after", range(30))
def test_a_card_that_is_pulled_is_said_to_be(after: int) -> None:
    """Whenever it goes."""
    slots = CardSlots(SocialSecurityCardEmulator())
    slots.lose = {Slot.CARD: after}

    assert slots.read_card() == CardRead(data=SSC_ATR, content=UnreadableCard(fault=CardFault.PULLED))


@pytest.mark.parametrize("after", range(30))
def test_a_card_that_answers_nonsense_is_read_so_far(after: int) -> None:
    """Before it was named it is damaged, after that what was read stands."""
    slots = CardSlots(SocialSecurityCardEmulator())
    slots.spoil = {Slot.CARD: after}

    read = slots.read_card()

    if after < 5:
        assert read.content == UnreadableCard(fault=CardFault.DAMAGED)
    else:
        assert of(read).identifier == BASE.identifier
        assert {file.cause for file in of(read).unread} == {Unread.DAMAGED}


def test_the_emulated_card_keeps_its_order() -> None:
    """Nothing is read before the application and a file were selected."""
    card = SocialSecurityCardEmulator()

    answers = [
        card.transmit(bytes.fromhex(command)).hex() for command in ("00B2010000", "00A4000002EF05", "0084000008", "00")
    ]

    assert answers == ["6985", "6a82", "6d00", "6700"]
