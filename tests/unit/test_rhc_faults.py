"""Reading a resident health card that is pulled, damaged or incomplete, and with a SAM that fails."""

from datetime import date

import pytest

from drivers.conversation import CardRead, Slot
from edge.card_content import (
    CardFault,
    Immunization,
    Unread,
    UnreadableCard,
)
from tests.support.card_files import SAMPLE_ID_NO, Binary, Plain, Records, resident_files
from tests.support.card_slots import CardSlots, card_talk, health_card, opened, unread
from tests.support.emulated_cards import (
    ATR,
    TEST_KEYS,
    ResidentHealthCardEmulator,
    SamEmulator,
    WithoutFolder,
)

LOCKED_AT_DESK = ("DDF1/EF06", "DDF1/EF08", "DF02/EF05", "DF02/EF07", "DF02/EF08")
ROUND_TRIPS_MAX = 60
OTHER_KEYS = {index: bytes(16) for index in TEST_KEYS}


@pytest.mark.parametrize("after", range(14))
def test_a_sam_that_falls_silent_leaves_what_is_free_and_what_was_read(after: int) -> None:
    """Wherever it happens the talk goes on, and the rest is named."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator())
    slots.lose = {Slot.SAM: after}

    read = slots.read_card()

    assert health_card(read).card_no == SAMPLE_ID_NO
    lost = LOCKED_AT_DESK if after < 8 else LOCKED_AT_DESK[2:] if after < 11 else ()
    assert unread(read) == dict.fromkeys(lost, Unread.SAM_LOST)
    assert len(slots.commands(Slot.SAM)) == min(after + 1, 11)


@pytest.mark.parametrize("after", range(11))
def test_a_sam_that_answers_nonsense_counts_as_lost(after: int) -> None:
    """It is no SAM any more; the card is read as far as it goes."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator())
    slots.spoil = {Slot.SAM: after}

    read = slots.read_card()

    assert set(unread(read).values()) == {Unread.SAM_LOST}


@pytest.mark.parametrize("after", range(43))
def test_a_card_that_is_pulled_is_said_to_be(after: int) -> None:
    """Whenever it goes: half a card is none."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator())
    slots.lose = {Slot.CARD: after}

    read = slots.read_card()

    assert read == CardRead(data=ATR, content=UnreadableCard(fault=CardFault.PULLED))


@pytest.mark.parametrize("after", range(5))
def test_a_card_that_answers_nonsense_before_its_number_is_damaged(after: int) -> None:
    """It has no number to be named by; the city's code may be missing."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator())
    slots.spoil = {Slot.CARD: after}

    read = slots.read_card()

    if after < 4:
        assert read == CardRead(data=ATR, content=UnreadableCard(fault=CardFault.DAMAGED))
    else:
        assert unread(read) == {"DDF1/EF05": Unread.DAMAGED} | dict.fromkeys(LOCKED_AT_DESK, Unread.DAMAGED)


@pytest.mark.parametrize("after", range(5, 45))
def test_a_card_that_answers_nonsense_after_its_number_is_read_so_far(after: int) -> None:
    """What was read stands, what was not is damaged."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator())
    slots.spoil = {Slot.CARD: after}

    read = slots.read_card()

    assert health_card(read).card_no == SAMPLE_ID_NO
    assert set(unread(read).values()) == {Unread.DAMAGED}


def test_files_that_a_card_lacks_are_missing() -> None:
    """A file, or a folder with all its files."""
    files = {path: file for path, file in resident_files().items() if path != "DF02/EF07"}
    without_file = CardSlots(ResidentHealthCardEmulator(files=files), sam=SamEmulator())
    without_folder = CardSlots(WithoutFolder(), sam=SamEmulator(), talk=card_talk(files="all"))

    assert unread(without_file.read_card()) == {"DF02/EF07": Unread.MISSING}
    assert unread(without_folder.read_card()) == {f"DF01/EF0{at}": Unread.MISSING for at in (5, 6, 7, 8)}


def test_records_that_do_not_read_are_left_out_and_said() -> None:
    """A record of another length, a name that is no text, a file that is no records."""
    files = resident_files()
    files["DDF1/EF06"].values |= {0x0C: b"\x02\x02", 0x0B: b"\x81".ljust(30, b"\0")}
    files["DF02/EF05"] = Binary(data=b"1")
    files["DF02/EF08"] = Plain(written=[b"short"], count=10, length=5)

    read = CardSlots(ResidentHealthCardEmulator(files=files), sam=SamEmulator()).read_card()

    assert unread(read) == {
        "DDF1/EF06": Unread.DAMAGED,
        "DF02/EF05": Unread.REFUSED,
        "DF02/EF08": Unread.DAMAGED,
    }
    holder = health_card(read).holder
    assert holder is not None
    assert (holder.name, holder.sex, holder.birth) == (None, None, date(2017, 12, 25))
    assert (health_card(read).warnings, health_card(read).immunizations) == (None, None)


def test_a_file_that_is_cut_off_keeps_what_was_read() -> None:
    """The newest immunisations stand although an older one is damaged; flags are all or nothing."""
    files = resident_files()
    files["DF02/EF08"] = Plain(written=[files["DF02/EF08"].written[0], b"short"], count=10, length=24)
    files["DF03/EF05"] = Plain(written=[b"\x00\x00"], count=3, length=2)
    files["DF03/EF06"] = Plain(written=[], count=4, length=1)
    talk = card_talk(files=("DF02/EF08", "DF03/EF05", "DF03/EF06"))

    read = CardSlots(ResidentHealthCardEmulator(files=files), sam=SamEmulator(), talk=talk).read_card()

    assert unread(read) == {
        "DF02/EF08": Unread.DAMAGED,
        "DF03/EF05": Unread.DAMAGED,
        "DF03/EF06": Unread.REFUSED,
    }
    assert health_card(read).immunizations == (Immunization(name="疫苗0", day=date(2020, 1, 1)),)
    assert opened(health_card(read)) == ("DF02/EF08",)


def test_cyclic_files_end_at_the_first_record_that_was_never_written() -> None:
    """Nobody waits for nine empty records; a card without any says so, which is not the same as not read."""
    files = resident_files(immunizations=1, allergies=0)
    slots = CardSlots(ResidentHealthCardEmulator(files=files), sam=SamEmulator())

    card = health_card(slots.read_card())

    assert card.allergies == ()
    assert card.immunizations == (Immunization(name="疫苗0", day=date(2020, 1, 1)),)
    assert len([command for command in slots.commands(Slot.CARD) if command.endswith("0418")]) == 2


def test_an_entry_that_does_not_decode_is_an_entry_all_the_same() -> None:
    """That there is a fourth dose matters even if its name cannot be read."""
    files = resident_files(immunizations=1)
    files["DF02/EF08"].written[:0] = [b"\x81".ljust(20, b"\0") + bytes.fromhex("20201399")]

    card = health_card(CardSlots(ResidentHealthCardEmulator(files=files), sam=SamEmulator()).read_card())

    assert card.immunizations is not None
    assert card.immunizations[0] == Immunization(name=None, day=None)
    assert len(card.immunizations) == 2


@pytest.mark.parametrize(
    ("atr", "values"),
    [(ATR[:12], {}), (ATR, {0x39: b"\xff\xff\xff"}), (ATR, {0x39: b"\x1f\xff\xff"})],
)
def test_a_card_that_does_not_say_whose_keys_it_has_gives_what_is_free(atr: bytes, values: dict[int, bytes]) -> None:
    """The proof needs eight bytes of the ATR and the province."""
    files = resident_files()
    files["DDF1/EF05"].values |= values
    slots = CardSlots(ResidentHealthCardEmulator(files=files, atr=atr.ljust(13, b"\0")), sam=SamEmulator())
    slots.card.atr = atr

    read = slots.read_card()

    assert unread(read) == dict.fromkeys(LOCKED_AT_DESK, Unread.DAMAGED)
    assert slots.commands(Slot.SAM) == []


def test_a_card_without_a_number_is_damaged() -> None:
    """There is nothing to name it by."""
    files = resident_files() | {"DDF1/EF05": Records(values={0x06: bytes.fromhex("20180301")})}

    read = CardSlots(ResidentHealthCardEmulator(files=files)).read_card()

    assert read.content == UnreadableCard(fault=CardFault.DAMAGED)


def test_a_card_without_the_issuers_file_is_damaged() -> None:
    """It says it is a health card and is none."""
    read = CardSlots(ResidentHealthCardEmulator(files={})).read_card()

    assert read.content == UnreadableCard(fault=CardFault.DAMAGED)
