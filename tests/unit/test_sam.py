"""The terminal's own card: taking stock of it, its PIN, and what is never tried again."""

import contextlib
from datetime import date

import pytest

from drivers.conversation import CardRead, Slot
from edge.card_content import CardFault, ResidentHealthCard, SamInfo, Unread, UnreadableSam, UnreadFile
from edge.sam import REFUSALS_MAX, UNANSWERED_MAX, Refusals, folded
from tests.support.card_slots import CardSlots, card_talk
from tests.support.emulated_card import EmulatedCard
from tests.support.emulated_cards import (
    PIN,
    SAM_ATR,
    SAM_SERIAL,
    TRIES,
    ResidentHealthCardEmulator,
    SamEmulator,
    StrangeCard,
)

NUMBER = SAM_SERIAL.hex().upper()
STOCK = SamInfo(
    number=NUMBER,
    type="2",
    terminal_no="110100000007",
    valid_from=date(2026, 1, 1),
    valid_until=date(2028, 12, 31),
)


def test_a_sam_describes_itself() -> None:
    """Number, type, terminal number and validity, in the order of domain facts 2.4."""
    slots = CardSlots(sam=SamEmulator(sam_type=2))

    read = slots.read_sam()

    assert read == CardRead(data=SAM_SERIAL, content=STOCK)
    assert slots.commands(Slot.SAM) == [
        "00A40000023F00",
        "00A40000020015",
        "00B000000E",
        "00A40000020016",
        "00B0000006",
        "00A4000002DF01",
        "0020000003123456",
        "00A4000002001A",
        "00B0000019",
    ]


@pytest.mark.parametrize("pin", [None, b"\x00\x00"])
def test_a_sam_without_its_pin_does_not_say_how_long_it_is_valid(pin: bytes | None) -> None:
    """The rest is public."""
    slots = CardSlots(sam=SamEmulator(sam_type=2), talk=card_talk(sam_pin=pin))

    info = slots.read_sam().content

    assert isinstance(info, SamInfo)
    assert (info.number, info.terminal_no, info.valid_until) == (NUMBER, "110100000007", None)
    assert info.unread == (UnreadFile(file="DF01/001A", cause=Unread.SAM_PIN),)


@pytest.mark.parametrize("lasts", [False, True])
def test_a_pin_that_was_not_taken_is_never_tried_again(lasts: bool) -> None:
    """Greeting, cards, greeting: one wrong PIN in all, so a SAM is never locked."""
    sam = SamEmulator(pin=b"\x99\x99\x99")
    sam.tries = TRIES if lasts else 0
    slots = CardSlots(ResidentHealthCardEmulator(), sam=sam)

    for _ in range(4):
        slots.read_sam()
        read = slots.read_card()

    assert sam.tries == (TRIES - 1 if lasts else 0)
    assert isinstance(read.content, ResidentHealthCard)
    assert {file.cause for file in read.content.unread} == {Unread.SAM_PIN}
    assert "0020000003123456" not in slots.commands(Slot.SAM)


def test_a_pin_that_one_sam_refused_is_tried_on_another() -> None:
    """Which SAM it was is known by its number."""
    slots = CardSlots(sam=SamEmulator(pin=b"\x99\x99\x99"))
    slots.read_sam()

    slots.sam = SamEmulator(serial=bytes(10), sam_type=2)

    assert slots.read_sam().content == SamInfo(
        number="00" * 10,
        type="2",
        terminal_no="110100000007",
        valid_from=date(2026, 1, 1),
        valid_until=date(2028, 12, 31),
    )


def test_a_sam_that_was_lost_at_its_pin_is_tried_again() -> None:
    """It did not say no."""
    slots = CardSlots(sam=SamEmulator(sam_type=2))
    slots.lose = {Slot.SAM: 6}
    lost = slots.read_sam()

    slots.lose = {}

    assert isinstance(lost.content, SamInfo)
    assert lost.content.unread == (UnreadFile(file="DF01/001A", cause=Unread.SAM_LOST),)
    assert slots.read_sam().content == STOCK


def test_a_sam_that_is_always_lost_at_its_pin_is_never_locked() -> None:
    """It may have taken a try off: a reader that loses its power at each PIN would lock it, with the right PIN too."""
    slots = CardSlots(ResidentHealthCardEmulator(), sam=SamEmulator())
    pins = 0

    for _ in range(4):
        slots.lose = {Slot.SAM: 6}
        slots.read_sam()
        pins += "0020000003123456" in slots.commands(Slot.SAM)
        slots.lose = {Slot.SAM: 4}
        read = slots.read_card()
        pins += "0020000003123456" in slots.commands(Slot.SAM)

    assert pins == UNANSWERED_MAX < TRIES
    assert isinstance(read.content, ResidentHealthCard)
    assert {file.cause for file in read.content.unread} == {Unread.SAM_LOST}


def test_a_talk_that_breaks_off_at_the_pin_counts_as_unanswered() -> None:
    """The service died, or the reader: the talk is closed where it stands."""
    slots = CardSlots(sam=SamEmulator())
    pins = 0

    for _ in range(4):
        talk = slots.talk.with_sam(atr=SAM_ATR)
        answer = None
        with contextlib.suppress(StopIteration):
            while True:
                command = talk.send(answer) if answer else next(talk)
                if command.command[1] == 0x20:
                    pins += 1
                    talk.close()
                    break
                assert slots.sam is not None
                answer = slots.sam.transmit(command.command)

    assert pins == UNANSWERED_MAX


def test_a_pin_goes_out_once_whatever_length_the_sam_asks_for() -> None:
    """6Cxx asks for the same command again, and a PIN that is sent again is a try more."""
    slots = CardSlots(sam=_Answering(b"\x00\x20", answer=b"\x6c\x10"))

    slots.read_sam()

    assert [command for command in slots.commands(Slot.SAM) if command.startswith("0020")] == ["0020000003123456"]


@pytest.mark.parametrize("after", range(9))
@pytest.mark.parametrize("is_nonsense", [False, True])
def test_a_sam_that_goes_away_leaves_what_it_said(after: int, is_nonsense: bool) -> None:
    """Without its number it is nothing; after that it is a SAM of which less is known."""
    slots = CardSlots(sam=SamEmulator(sam_type=2))
    (slots.spoil if is_nonsense else slots.lose)[Slot.SAM] = after

    read = slots.read_sam()

    if after < 3:
        assert read == CardRead(data=SAM_ATR, content=UnreadableSam(fault=CardFault.PULLED))
    else:
        assert isinstance(read.content, SamInfo)
        assert read.data == SAM_SERIAL
        files = ("0016", "DF01/001A") if after < 5 else ("DF01/001A",)
        assert read.content.unread == tuple(UnreadFile(file=file, cause=Unread.SAM_LOST) for file in files)


def test_a_card_in_the_sams_slot_that_is_none_is_unknown() -> None:
    """It is no SAM, and its PIN is not tried."""
    slots = CardSlots(sam=StrangeCard(atr=SAM_ATR))

    assert slots.read_sam() == CardRead(data=SAM_ATR, content=UnreadableSam(fault=CardFault.UNKNOWN_CARD))
    assert not any(command.startswith("0020") for command in slots.commands(Slot.SAM))


def test_a_file_of_another_length_is_not_a_sams() -> None:
    """The serial number stands in a file of 14 bytes, validity in one of 25."""
    sam = SamEmulator()
    sam.files["DF01/001A"] = bytes(24)
    long = SamEmulator()
    long.files["3F00/0015"] = bytes(15)

    info = CardSlots(sam=sam).read_sam().content

    assert isinstance(info, SamInfo)
    assert info.unread == (UnreadFile(file="DF01/001A", cause=Unread.SAM_TYPE),)
    assert CardSlots(sam=long).read_sam().content == UnreadableSam(fault=CardFault.UNKNOWN_CARD)


def test_a_sam_without_the_folder_of_its_keys_is_of_another_type() -> None:
    """The PIN is not tried elsewhere."""
    sam = _Answering(bytes.fromhex("00A4000002DF01"), answer=b"\x6a\x82")

    info = CardSlots(sam=sam).read_sam().content

    assert isinstance(info, SamInfo)
    assert info.unread == (UnreadFile(file="DF01/001A", cause=Unread.SAM_TYPE),)
    assert sam.tries == TRIES


@pytest.mark.parametrize(
    ("command", "answer", "cause"),
    [
        ("80DE4731", "6982", Unread.SAM_PIN),
        ("80DE4731", "9403", Unread.SAM_TYPE),
        ("80FA0000", "6D00", Unread.SAM_TYPE),
        ("80FA0000", "9000", Unread.SAM_LOST),
        ("80FA0000", "00" * 15 + "9000", Unread.SAM_LOST),
        ("00C00000", "00" * 17 + "9000", Unread.SAM_LOST),
    ],
)
def test_a_sam_that_makes_no_proof_says_why(command: str, answer: str, cause: Unread) -> None:
    """It forgot its PIN, has no such key, or does not answer as a SAM does."""
    sam = _Answering(bytes.fromhex(command), answer=bytes.fromhex(answer))

    content = CardSlots(ResidentHealthCardEmulator(), sam=sam).read_card().content

    assert isinstance(content, ResidentHealthCard)
    assert content.unread[0] == UnreadFile(file="DDF1/EF06", cause=cause)
    assert content.sam_use is None or content.sam_use.files


class _Answering(SamEmulator):
    """A SAM that answers one command in its own way."""

    def __init__(self, command: bytes, *, answer: bytes) -> None:
        super().__init__()
        self._command = command
        self._answer = answer

    def transmit(self, command: bytes) -> bytes:
        return self._answer if command.startswith(self._command) else super().transmit(command)


@pytest.mark.parametrize("pin", [b"\x12", bytes(9)])
def test_a_pin_of_an_impossible_length_is_refused_at_once(pin: bytes) -> None:
    """Before it could cost a SAM one of its tries."""
    with pytest.raises(ValueError, match="2 to 8"):
        card_talk(sam_pin=pin)


def test_the_two_halves_of_a_cipher_are_folded() -> None:
    """Domain facts 2.3 step 3: XOR."""
    assert folded(bytes.fromhex("00112233445566770F0E0D0C0B0A0908")) == bytes.fromhex("0F1F2F3F4F5F6F7F")


def test_refusals_are_remembered_up_to_a_limit() -> None:
    """The oldest is forgotten first."""
    refusals = Refusals()

    for at in range(REFUSALS_MAX + 1):
        refusals.note_pin(str(at))
        refusals.note_proof("sam", key=0x31, card=at.to_bytes(2, "big"))

    assert [refusals.has_pin(each) for each in ("0", "1", str(REFUSALS_MAX))] == [False, True, True]
    assert [refusals.has_proof("sam", key=0x31, card=bytes((0, at))) for at in (0, 1)] == [False, True]
    assert not refusals.has_proof("sam", key=0x32, card=bytes((0, 1)))


def test_a_sam_is_an_emulated_card() -> None:
    """Its PIN, its keys and its order of commands are kept as a real one keeps them."""
    sam: EmulatedCard = SamEmulator()

    def sent(*commands: str) -> list[str]:
        return [sam.transmit(bytes.fromhex(command)).hex() for command in commands]

    derive, encipher = "80DE473118" + "00" * 24, "80FA000010" + "00" * 16
    assert sent("00B0000006", derive, encipher) == ["6985", "6982", "6985"]
    assert sent("00A4000002DF01", "00A4000002001A", "00B0000019") == ["9000", "9000", "6982"]
    assert sent("0020000003999999", "0020000003" + PIN.hex(), "80DE27311800" + "00" * 23) == ["63c2", "9000", "6a88"]
    assert sent("80DE47310100", derive, "80FA00000100", derive, encipher) == ["6700", "9000", "6700", "9000", "6110"]
    assert sent(encipher, "00C0000010", "00B0") == ["6985", "6985", "6700"]
    sam.power_on()
    assert sent("0020000003" + PIN.hex(), "00A4000002DF01") == ["6a88", "9000"]
    assert sent(*["0020000003999999"] * 4, "0020000003" + PIN.hex()) == ["63c2", "63c1", "63c0", "6983", "6983"]
