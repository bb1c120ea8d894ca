"""Reading a resident health card: what is free, what a SAM opens, and what is said of the rest."""

from datetime import date

import pytest

from drivers.conversation import EXCHANGES_MAX, Slot
from edge.apdu_talk import TALK_EXCHANGES_MAX
from edge.card_content import (
    Allergy,
    Immunization,
    ResidentHealthCard,
    SamUse,
    Unread,
)
from edge.rhc_files import BY_PATH
from tests.support.card_files import SAMPLE_ID_NO, SAMPLE_NAME, Binary, Records, resident_files
from tests.support.card_slots import CardSlots, card_talk, health_card, opened, unread
from tests.support.emulated_cards import (
    SAM_ATR,
    SAM_SERIAL,
    TEST_KEYS,
    TRIES,
    ResidentHealthCardEmulator,
    SamEmulator,
    StrangeCard,
    WithoutFolder,
)

LOCKED_AT_DESK = ("DDF1/EF06", "DDF1/EF08", "DF02/EF05", "DF02/EF07", "DF02/EF08")
ROUND_TRIPS_MAX = 60
OTHER_KEYS = {index: bytes(16) for index in TEST_KEYS}


def item(card: ResidentHealthCard, file: str, name: str) -> object:
    return next(each.value for each in card.items if (each.file, each.name) == (file, name))


def test_a_card_is_read_with_a_sam() -> None:
    """Everything a desk needs is there, and which SAM took part."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator())

    card = health_card(slots.read_card())

    assert (card.card_no, card.city, card.issued) == (SAMPLE_ID_NO, "110100", date(2018, 3, 1))
    assert card.holder is not None
    assert (card.holder.name, card.holder.birth) == (SAMPLE_NAME, date(2017, 12, 25))
    assert card.warnings is not None
    assert (card.warnings.asthma, card.warnings.pacemaker, card.warnings.other) == (1, 0, "测试警示")
    assert card.allergies == tuple(Allergy(substance=f"过敏物{at}", reaction="皮疹") for at in range(3))
    assert card.immunizations is not None
    assert card.immunizations[0] == Immunization(name="疫苗0", day=date(2020, 1, 1))
    assert len(card.immunizations) == 10
    assert (card.sam_no, opened(card)) == (SAM_SERIAL.hex().upper(), LOCKED_AT_DESK)
    assert card.unread == ()


@pytest.mark.parametrize("is_selection_told", [False, True])
def test_a_full_card_is_read_in_less_than_60_round_trips(is_selection_told: bool) -> None:
    """Three allergies, ten immunisations, the SAM greeted, its GET RESPONSEs counted."""
    card = ResidentHealthCardEmulator(is_selection_told=is_selection_told)
    slots = CardSlots(card, sam=SamEmulator(is_selection_told=is_selection_told))

    read = slots.read_card()

    assert unread(read) == {}
    assert len(slots.sent) < ROUND_TRIPS_MAX
    assert sum(command[:2] == b"\x00\xc0" for _, command, _ in slots.sent) == 2


def test_the_largest_talk_stays_below_the_limit_of_a_talk() -> None:
    """Every file there is, the binary ones as long as they may be."""
    files = resident_files()
    files["DDF1/EF07"] = Binary(data=b"\x0b\xfe" + bytes(3070))
    for path, file in BY_PATH.items():
        if path.startswith("DF03/E") and file.bytes_max:
            files[path] = Binary(data=bytes(5000))
    talk = card_talk(files=tuple(BY_PATH))
    slots = CardSlots(ResidentHealthCardEmulator(files=files), sam=SamEmulator(), talk=talk)

    read = slots.read_card()

    assert unread(read) == {}
    assert item(health_card(read), "DDF1/EF07", "bytes") == b"\x0b\xfe" + bytes(3070)
    assert item(health_card(read), "DF03/EE01", "bytes") == bytes(4096)
    assert len(slots.sent) == 411 < TALK_EXCHANGES_MAX < EXCHANGES_MAX


def test_without_a_sam_the_issuers_file_is_read() -> None:
    """The number is free; what is not names its cause, file by file."""
    read = CardSlots(ResidentHealthCardEmulator()).read_card()

    card = health_card(read)
    assert card.card_no == SAMPLE_ID_NO
    assert unread(read) == dict.fromkeys(LOCKED_AT_DESK, Unread.NO_SAM)
    assert (card.sam_use, card.sam_no, opened(card)) == (None, None, ())
    assert (card.holder, card.warnings, card.allergies, card.immunizations) == (None,) * 4


def test_the_same_card_is_named_by_the_same_bytes() -> None:
    """With or without a SAM, whatever is read beside."""
    slots = [
        CardSlots(ResidentHealthCardEmulator()),
        CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator()),
        CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator(), talk=card_talk(files="all")),
        CardSlots(ResidentHealthCardEmulator(), talk=card_talk(files=("DDF1/EF05",))),
    ]

    names = {each.read_card().data for each in slots}

    assert names == {bytes.fromhex("0604201803010812") + SAMPLE_ID_NO.encode() + bytes.fromhex("3903110100")}


def test_all_files_are_read_but_the_large_ones() -> None:
    """Addresses, contacts, numbers, the marks of records; no pictures, no records of treatment."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator(), talk=card_talk(files="all"))

    card = health_card(slots.read_card())

    assert card.unread == ()
    assert item(card, "DDF1/EF05", "issuer_certificate") == bytes(range(180))
    assert item(card, "DDF1/EF05", "issuer_code") == "1101001234567890"
    assert item(card, "DF01/EF05", "address_1") == "测试街1号"
    assert item(card, "DF01/EF06", "contact_relation_1") == "05"
    assert item(card, "DF03/EF05", "flag_1") == 0x00
    assert item(card, "DF03/EF06", "flag_5") == 0xFF
    assert item(card, "DF02/EF08", "day_10") == date(2020, 1, 10)
    assert "payment_2" not in {each.name for each in card.items}  # it holds only padding
    assert card.holder is not None
    assert card.holder.nation == "01"
    assert len(opened(card)) == 12
    assert not {each.file for each in card.items} & {"DDF1/EF07", "DF03/EE01", "DF03/ED01"}


def test_a_named_file_is_read_and_its_bytes_are_kept() -> None:
    """A photo is as long as it says; a record of treatment as the file is."""
    talk = card_talk(files=("DDF1/EF07", "DF03/EE03", "DF03/ED05"))
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator(), talk=talk)

    card = health_card(slots.read_card())

    assert item(card, "DDF1/EF07", "bytes") == b"\x01\x2c" + bytes(range(100)) * 3
    assert item(card, "DF03/EE03", "bytes") == b"\x03" * 1639
    assert item(card, "DF03/ED05", "bytes") == b"\x05" * 3013
    assert opened(card) == ("DDF1/EF07", "DF03/EE03", "DF03/ED05")


@pytest.mark.parametrize(("data", "cause"), [(b"", Unread.REFUSED), (bytes(128), None), (bytes(200), None)])
def test_a_binary_file_ends_where_the_card_says(data: bytes, cause: Unread | None) -> None:
    """At a whole block, within one, or before the first byte."""
    files = resident_files() | {"DF03/EE01": Binary(data=data)}
    talk = card_talk(files=("DF03/EE01",))
    slots = CardSlots(ResidentHealthCardEmulator(files=files), sam=SamEmulator(), talk=talk)

    read = slots.read_card()

    assert unread(read).get("DF03/EE01") == cause
    assert [each.value for each in health_card(read).items if each.file == "DF03/EE01"] == [data] * (cause is None)


@pytest.mark.parametrize("files", ["", "some", "DDF1/EF05", (), ("DDF1/EF09",), ("DDF1/EF05", "x")])
def test_files_that_no_card_has_are_refused_at_once(files: str | tuple[str, ...]) -> None:
    """A wrong configuration is said before the first card."""
    with pytest.raises(ValueError, match="DF02/EF08"):
        card_talk(files=files)


@pytest.mark.parametrize(
    ("sam", "cause", "took_part"),
    [
        (SamEmulator(pin=b"\x99\x99\x99"), Unread.SAM_PIN, False),
        (SamEmulator(sam_type=4), Unread.SAM_TYPE, False),
        (SamEmulator(keys=OTHER_KEYS), Unread.REFUSED, True),
    ],
)
def test_a_wrong_sam_reads_what_is_free_and_says_why(sam: SamEmulator, cause: Unread, took_part: bool) -> None:
    """Another PIN, another type, another issuer's keys."""
    read = CardSlots(ResidentHealthCardEmulator(), sam=sam).read_card()

    assert health_card(read).card_no == SAMPLE_ID_NO
    assert unread(read) == dict.fromkeys(LOCKED_AT_DESK, cause)
    assert health_card(read).sam_use == (
        SamUse(number=SAM_SERIAL.hex().upper(), type="1", files=()) if took_part else None
    )


def test_what_is_no_sam_is_asked_for_no_proof() -> None:
    """Another card in the SAM's slot gets neither the PIN nor a challenge."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=StrangeCard(atr=SAM_ATR))

    read = slots.read_card()

    assert unread(read) == dict.fromkeys(LOCKED_AT_DESK, Unread.SAM_TYPE)
    assert slots.commands(Slot.SAM) == ["00A40000023F00", "00A40000020015"]
    assert "0084000008" not in slots.commands(Slot.CARD)


def test_a_folder_that_cannot_be_selected_says_nothing_of_the_next() -> None:
    """Refused, not missing: the allergies are read all the same."""
    read = CardSlots(WithoutFolder(b"\x69\x82"), sam=SamEmulator(), talk=card_talk(files="all")).read_card()

    assert unread(read) == {f"DF01/EF0{at}": Unread.REFUSED for at in (5, 6, 7, 8)}


def test_a_sam_of_other_keys_does_not_lock_a_card() -> None:
    """A refused proof is not offered to that card again, in that talk or the next; the right SAM still opens it."""
    card, talk = ResidentHealthCardEmulator(), card_talk()
    wrong = CardSlots(card, sam=SamEmulator(keys=OTHER_KEYS), talk=talk)
    for _ in range(5):
        wrong.read_card()

    assert card.tries == {place: TRIES - (place == ("DDF1", 0x04)) for place in card.tries}
    right = CardSlots(card, sam=SamEmulator(serial=b"\x01" * 10), talk=talk).read_card()
    assert unread(right) == {}


def test_a_card_that_is_read_badly_is_the_same_card_to_a_wrong_sam() -> None:
    """Each time another record of its free file is lost: it is given one wrong proof all the same."""
    files = resident_files()
    issuer = files["DDF1/EF05"]
    assert isinstance(issuer, Records)
    slots = CardSlots(ResidentHealthCardEmulator(files=files), sam=SamEmulator(keys=OTHER_KEYS))

    for lost in (0x06, None, 0x06):
        whole = dict(issuer.values)
        issuer.values.pop(lost or 0, None)
        slots.read_card()
        issuer.values.update(whole)

    assert isinstance(slots.card, ResidentHealthCardEmulator)
    assert slots.card.tries["DDF1", 0x04] == TRIES - 1


def test_a_sam_that_lacks_one_folders_key_reads_the_others() -> None:
    """A key that is missing says nothing of the next one."""
    sam = SamEmulator(keys={index: key for index, key in TEST_KEYS.items() if index != 0x31})

    read = CardSlots(ResidentHealthCardEmulator(), sam=sam).read_card()

    assert unread(read) == dict.fromkeys(("DDF1/EF06", "DDF1/EF08"), Unread.SAM_TYPE)
    assert opened(health_card(read)) == ("DF02/EF05", "DF02/EF07", "DF02/EF08")


def test_what_is_read_does_not_show_itself() -> None:
    """Neither names nor numbers nor what a person suffers from are in any ``repr``."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator(), talk=card_talk(files="all"))

    shown = repr(slots.read_card()) + repr(health_card(slots.read_card()))

    words = (SAMPLE_NAME, SAMPLE_ID_NO, "疫苗0", "过敏物0", "测试警示", "2017", "测试街", "00000000001")
    assert [word for word in words if word in shown] == []
