"""The door to libpcsclite: how T=0 carries a command, and what each return code means."""

import pytest

from drivers.conversation import Slot
from drivers.errors import CardLostError, ReaderLostError
from drivers.reader import LostCause
from drivers.transport.pcsc import PcscContext, as_t0, error_of


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        ("00A40004", "00A4000400"),  # case 1
        ("00B0000006", "00B0000006"),  # case 2
        ("00A40000023F00", "00A40000023F00"),  # case 3
        ("00A40000023F0000", "00A40000023F00"),  # case 4
        ("0088000001AA" + "10", "0088000001AA"),
    ],
)
def test_t0_has_no_room_for_le_behind_data(command: str, sent: str) -> None:
    """ISO/IEC 7816-3 12.2: the five-byte header always, Le only where there is no data."""
    assert as_t0(bytes.fromhex(command)) == bytes.fromhex(sent)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (0x8010001D, LostCause.NO_SERVICE),
        (0x8010001E, LostCause.NO_SERVICE),
        (0x80100013, LostCause.NO_SERVICE),
        (0x80100003, LostCause.NO_SERVICE),
        (0x8010006A, LostCause.NO_SERVICE),
        (0x80100009, LostCause.UNPLUGGED),
        (0x80100017, LostCause.UNPLUGGED),
        (0x8010000B, LostCause.BUSY),
        (0x80100027, LostCause.PERMISSION),
        (0x80100001, LostCause.IO),
    ],
)
def test_each_return_code_has_its_cause(code: int, cause: LostCause) -> None:
    """Whoever was spoken to, these say that the reader or the service is not there."""
    for slot in (None, *Slot):
        error = error_of(code, slot=slot)

        assert isinstance(error, ReaderLostError)
        assert error.cause == cause


@pytest.mark.parametrize("code", [0x8010000C, 0x80100066, 0x80100067, 0x80100068, 0x80100069, 0x80100016, 0x8010000F])
def test_what_a_card_does_is_not_the_readers_loss(code: int) -> None:
    """Removed, reset, unpowered, mute: the card is lost, whichever it was."""
    for slot in Slot:
        error = error_of(code, slot=slot)

        assert isinstance(error, CardLostError)
        assert error.slot == slot


def test_a_refusal_is_one_only_where_somebody_was_asked() -> None:
    """The library uses the same word for a connection that broke."""
    refused = error_of(0x8010006A, is_asking=True)

    assert isinstance(refused, ReaderLostError)
    assert refused.cause == LostCause.PERMISSION


@pytest.mark.parametrize("soname", ["libnone.so.1", "libc.so.6"])
def test_a_missing_library_is_a_missing_service(soname: str) -> None:
    """Nothing of PC/SC is installed, or something else of that name."""
    with pytest.raises(ReaderLostError, match=LostCause.NO_SERVICE), PcscContext(soname=soname):
        raise AssertionError("opened")
