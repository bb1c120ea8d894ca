"""A PIN that a SAM refused is not tried on it again, whatever happens to the program in between."""

import logging
from pathlib import Path

import pytest

from edge.card_content import SamInfo, Unread
from edge.card_talk import CardTalk
from edge.gm import hmac_sm3
from edge.sam_memory import FILE_BYTES_MAX, LINES_MAX, SamMemory
from tests.support.card_slots import CardSlots
from tests.support.emulated_cards import PIN, SamEmulator

NUMBER = "11010020260000000001"


def memory(path: Path, *, pin: bytes = b"\x12\x34\x56") -> SamMemory:
    return SamMemory(path, digest=lambda sam_no: hmac_sm3(b"machine", sam_no.encode() + b"\0" + pin))


def test_a_refusal_outlives_the_program(tmp_path: Path) -> None:
    """The next start knows it; another SAM and another PIN are free."""
    path = tmp_path / "sam.refused"
    assert not memory(path).has_refused(NUMBER)

    memory(path).note_refused(NUMBER)

    assert memory(path).has_refused(NUMBER)
    assert not memory(path).has_refused("AA")
    assert not memory(path, pin=b"\x65\x43\x21").has_refused(NUMBER)


def test_the_file_names_neither_sam_nor_pin(tmp_path: Path) -> None:
    """Whoever copies the data folder learns nothing, and nobody else reads it."""
    path = tmp_path / "sam.refused"

    memory(path).note_refused(NUMBER)

    assert NUMBER not in path.read_text()
    assert "123456" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_does_not_grow(tmp_path: Path) -> None:
    """The same refusal stands once, and of many the newest are kept."""
    path = tmp_path / "sam.refused"
    kept = memory(path)
    for number in [*range(LINES_MAX + 3), LINES_MAX]:
        kept.note_refused(str(number))

    assert len(path.read_text().splitlines()) == LINES_MAX
    assert [memory(path).has_refused(str(number)) for number in (0, 2, 3, LINES_MAX, LINES_MAX + 2)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert path.stat().st_size < FILE_BYTES_MAX


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"12\n" * 10, b"x" * 20_000])
def test_a_damaged_file_refuses_nobody(tmp_path: Path, content: bytes) -> None:
    """What it says of other SAMs is lost, and the next refusal is kept again."""
    path = tmp_path / "sam.refused"
    path.write_bytes(content)

    kept = memory(path)
    assert not kept.has_refused(NUMBER)
    kept.note_refused(NUMBER)

    assert memory(path).has_refused(NUMBER)


def test_a_full_disk_is_said_and_the_run_remembers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Never an exception into the talk with a card."""
    kept = memory(tmp_path / "missing" / "sam.refused")

    kept.note_refused(NUMBER)

    assert kept.has_refused(NUMBER)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_new_start_does_not_try_the_refused_pin_again(tmp_path: Path) -> None:
    """However often the box is switched on, the SAM has been asked once and is not locked."""
    sam = SamEmulator()

    for _start in range(5):
        talk = CardTalk(random_bytes=bytes, sam_pin=b"\x65\x43\x21", pin_memory=memory(tmp_path / "sam.refused"))
        slots = CardSlots(sam=sam, talk=talk)
        info = slots.read_sam().content
        assert isinstance(info, SamInfo)
        assert [unread.cause for unread in info.unread] == [Unread.SAM_PIN]

    sam.power_on()
    right = CardSlots(sam=sam, talk=CardTalk(random_bytes=bytes, sam_pin=PIN)).read_sam().content
    assert isinstance(right, SamInfo)
    assert right.unread == ()
