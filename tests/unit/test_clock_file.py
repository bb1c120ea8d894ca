"""The durable floor: what was saved comes back, and nothing else is believed."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import Mark, SavedFloor
from edge.clock_file import FLOOR_MS_MAX, encode, parse, read, write
from edge.gm import sm3

SAVED = SavedFloor(floor=Mark(time_ms=1_795_399_200_000, at_b_ns=86_400 * 10**9), boot_id=bytes(range(16)))


def _summed(line: bytes) -> bytes:
    """A line with a sum that fits it."""
    return line + sm3(line).hex().encode() + b"\n"


def _read(path: Path) -> tuple[SavedFloor | None, list[str]]:
    problems: list[str] = []
    return read(path, report=problems.append), problems


@given(
    time_ms=st.integers(0, FLOOR_MS_MAX),
    at_b_ns=st.integers(0, 2**63 - 1),
    boot_id=st.binary(min_size=16, max_size=16),
)
def test_what_is_encoded_is_parsed(time_ms: int, at_b_ns: int, boot_id: bytes) -> None:
    """Every floor of a box comes back as it was."""
    saved = SavedFloor(floor=Mark(time_ms=time_ms, at_b_ns=at_b_ns), boot_id=boot_id)

    assert parse(encode(saved)) == saved


def test_a_file_holds_one_line_for_its_owner(tmp_path: Path) -> None:
    """Version, floor, its place in the boot, the boot and the sum, readable by nobody else; later ones replace it."""
    path = tmp_path / "clock"

    write(path, SavedFloor(floor=Mark(time_ms=1, at_b_ns=2), boot_id=bytes(16)))
    write(path, SAVED)

    assert path.read_bytes().startswith(b"1 1795399200000 86400000000000 000102030405060708090a0b0c0d0e0f ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["clock"]
    assert _read(path) == (SAVED, [])


def test_no_file_is_a_first_start(tmp_path: Path) -> None:
    """Nobody needs to hear of it."""
    assert _read(tmp_path / "clock") == (None, [])


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """As one that is a folder."""
    assert _read(tmp_path) == (None, ["unreadable"])


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """No single bit of the file can change without the whole not being believed."""
    whole = encode(SAVED)
    path = tmp_path / "clock"
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8

        assert parse(bytes(flipped)) is None, place
    path.write_bytes(bytes(flipped))
    assert _read(path) == (None, ["damaged"])


def test_every_cut_is_noticed() -> None:
    """A file that lost its end, or got more, is none."""
    whole = encode(SAVED)

    assert [length for length in range(len(whole)) if parse(whole[:length]) is not None] == []
    assert parse(whole + b"\n") is None
    assert parse(whole + b" " * 1_000) is None
    assert parse(bytes(len(whole))) is None


@pytest.mark.parametrize(
    "line",
    [
        b"2 1 2 " + b"00" * 16 + b" ",
        b"1 -1 2 " + b"00" * 16 + b" ",
        b"1 %d 2 " % (FLOOR_MS_MAX + 1) + b"00" * 16 + b" ",
        b"1 1 -2 " + b"00" * 16 + b" ",
        b"1 1 %d " % 2**63 + b"00" * 16 + b" ",
        b"1 1 2 " + b"00" * 15 + b" ",
        b"1 01 2 " + b"00" * 16 + b" ",
        b"1 +1 2 " + b"00" * 16 + b" ",
        b"1 1_0 2 " + b"00" * 16 + b" ",
        b"1 1 2 " + b"AA" * 16 + b" ",
        b"1 one 2 " + b"00" * 16 + b" ",
        b"1 1 2 " + b"0g" * 16 + b" ",
        b"1 1 2 3 " + b"00" * 16 + b" ",
        b"1 1 " + b"00" * 16 + b" ",
        "1 \u0661 2 ".encode() + b"00" * 16 + b" ",
    ],
)
def test_a_line_of_another_form_is_refused_though_its_sum_fits(line: bytes) -> None:
    """Another version, numbers out of bounds or in another spelling, another boot id: only what is written is read."""
    assert parse(_summed(line)) is None


@given(data=st.binary(max_size=400))
def test_rubbish_is_no_floor(data: bytes) -> None:
    """Whatever stands there, nothing is raised and nothing believed."""
    assert parse(data) is None
