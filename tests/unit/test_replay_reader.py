"""The type `replay`: the reader that was recorded, on its recording."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from drivers.errors import ReaderLostError
from drivers.framing.line import Terminator
from drivers.reader import Feedback, LostCause
from drivers.readers.replay import FAMILY, ReplayReader, ReplaySettings, is_replayable, settings_of
from drivers.readers.serial_scanner import SerialScannerSettings
from drivers.recording import Content, RecordedChunk, RecordingHeader, chunk_line, header_line
from drivers.registry import load


def recording(path: Path, *chunks: bytes, reader_type: str = "serial-scanner", **options: Any) -> ReplayReader:
    header = RecordingHeader(reader_type=reader_type, options=options, content=Content.INVENTED)
    path.write_bytes(header_line(header) + b"".join(chunk_line(RecordedChunk(data=chunk)) for chunk in chunks))
    return ReplayReader("scanner-1", settings=ReplaySettings(file=str(path)))


async def test_a_recording_is_read_as_it_was(tmp_path: Path) -> None:
    """By the recorded type with the recorded options, under the name in this configuration."""
    reader = recording(
        tmp_path / "r", b"QR:on", b"e\rQR:two\r", terminator="cr", prefix="QR:", signals={"accept": "1b"}
    )

    async with reader:
        readings = reader.readings()
        texts = [(await anext(readings)).text for _ in range(2)]
        await reader.signal(Feedback.ACCEPT)
        await readings.aclose()

    assert texts == ["one", "two"]
    assert (reader.taken_count, reader.dropped_count) == (0, 0)


async def test_what_was_dropped_stays_counted(tmp_path: Path) -> None:
    """Frames that the recorded type dropped and lines that are no chunks, over every opening."""
    reader = recording(tmp_path / "r", b"x" * 4096, b"y\rone\r")
    with (tmp_path / "r").open("ab") as file:
        file.write(b"rubbish\n")

    for round_number in (1, 2):
        async with reader:
            readings = reader.readings()
            assert (await anext(readings)).text == "one"
            assert reader.dropped_count == 2 * round_number
            await readings.aclose()

    assert reader.dropped_count == 4


@pytest.mark.parametrize(
    ("reader_type", "options"),
    [
        ("replay", {"file": "x"}),
        ("nobodys", {}),
        ("serial-scanner", {"speed": 3}),
        ("serial-scanner", {"baud": 7}),
        ("serial-scanner", {"terminator": "tab"}),
    ],
)
async def test_what_cannot_be_played_is_an_io_error(tmp_path: Path, reader_type: str, options: dict[str, Any]) -> None:
    """A type that is not here or reads no bytes, or options that it does not take."""
    reader = recording(tmp_path / "r", reader_type=reader_type, **options)

    with pytest.raises(ReaderLostError, match=LostCause.IO):
        await reader.__aenter__()


async def test_a_closed_reader_is_not_used(tmp_path: Path) -> None:
    """Reading outside `async with` is a bug and says so; a lamp is not."""
    reader = recording(tmp_path / "r")
    await reader.signal(Feedback.ACCEPT)

    with pytest.raises(RuntimeError):
        await anext(reader.readings())


@pytest.mark.parametrize("file", ["", "a\0b"])
def test_a_file_must_be_named(file: str) -> None:
    """The configuration is refused in the words of its door."""
    with pytest.raises(ValueError, match="file: expected the path of a recording"):
        ReplaySettings(file=file)


def test_only_types_with_a_stream_of_bytes_can_be_played() -> None:
    """A reader that nobody can hand a port has nothing to record."""
    assert is_replayable(load("serial-scanner"))
    assert not is_replayable(FAMILY)


def test_settings_come_back_as_the_configuration_gave_them() -> None:
    """An enumeration is one again, and so is each key of a table."""
    settings = settings_of(
        SerialScannerSettings, options={"terminator": "crlf", "signals": {"accept": "1b"}}, port="/dev/x"
    )

    assert settings.terminator is Terminator.CRLF
    assert settings.port == "/dev/x"
    assert settings.signals == {Feedback.ACCEPT: "1b"}


class Colour(StrEnum):
    """A choice."""

    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A table in a table."""

    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Outer:
    """Settings of some driver."""

    inner: Inner
    inners: tuple[Inner, ...] = ()
    named: Mapping[Colour, Inner] = field(default_factory=dict)
    side: Literal["big", "little"] = "big"


def test_settings_of_any_driver_come_back() -> None:
    """Tables in tables and lists of them, as another's driver may have."""
    red = {"colour": "red"}

    made = settings_of(Outer, options={"inner": red, "inners": [red], "named": {"red": red}, "side": "little"}, port="")

    inner = Inner(colour=Colour.RED)
    assert made == Outer(inner=inner, inners=(inner,), named={Colour.RED: inner}, side="little")
    assert made.inners[0].colour is Colour.RED
