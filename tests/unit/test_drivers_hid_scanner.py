"""A keyboard scanner on recordings: no device, no waiting."""

import logging

import pytest

from drivers.errors import ReaderLostError
from drivers.framing.framer import GAP_NS
from drivers.framing.key_wedge import KeyTerminator
from drivers.reader import Feedback, LostCause
from drivers.readers.hid_scanner import FAMILY, HidScannerReader, HidScannerSettings
from drivers.reading import Reading
from drivers.registry import load
from drivers.transport.replay import RecordedChunk, ReplayPort
from tests.support.key_fifo import typed

MS = 1_000_000


def recording(*chunks: tuple[int, bytes]) -> ReplayPort:
    """Make a port of chunks, each with the milliseconds of silence before it."""
    return ReplayPort(RecordedChunk(data=data, after_ns=after_ms * MS) for after_ms, data in chunks)


def on(port: ReplayPort, **options: object) -> HidScannerReader:
    settings = HidScannerSettings(port="/dev/keys", **options)  # type: ignore[arg-type]
    return HidScannerReader("scanner-2", settings=settings, open_port=lambda _: port, clock_ns=port.now_ns)


async def read_all(reader: HidScannerReader) -> list[Reading]:
    """Open, read until the recording is over, close."""
    readings: list[Reading] = []

    async def read() -> None:
        async with reader:
            async for reading in reader.readings():
                readings.append(reading)

    with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
        await read()
    return readings


async def test_a_reading_says_who_read_what_when() -> None:
    """Name, bytes, text and time of the last key go up, however the records were cut."""
    records = typed("EHC1:aB\r")

    readings = await read_all(on(recording((0, records[:35]), (7, records[35:]))))

    assert readings == [Reading(reader="scanner-2", data=b"EHC1:aB", text="EHC1:aB", read_at_monotonic_ns=7 * MS)]


async def test_silence_ends_a_code_without_terminator() -> None:
    """With terminator `none` a code goes up when the gap is over."""
    port = recording((0, typed("one")), (400, typed("two")), (60_000, b"x"))

    readings = await read_all(on(port, terminator=KeyTerminator.NONE))

    assert [(each.text, each.read_at_monotonic_ns) for each in readings] == [
        ("one", GAP_NS),
        ("two", 400 * MS + GAP_NS),
    ]


async def test_what_is_set_up_is_applied() -> None:
    """Prefix and suffix are taken off, and only the key that was named ends a code."""
    port = recording((0, typed("<a\tb>\r")))

    readings = await read_all(on(port, terminator=KeyTerminator.ENTER, prefix="<", suffix=">"))

    assert [reading.text for reading in readings] == ["a\tb"]


async def test_half_a_code_before_a_loss_is_dropped_and_counted() -> None:
    """What an unplugged scanner left unfinished does not meet the next."""
    reader = on(recording((0, typed("half"))))

    assert await read_all(reader) == []
    assert reader.dropped_count == 1


async def test_reading_a_closed_reader_is_a_bug() -> None:
    """A reader is opened before it is read."""
    with pytest.raises(RuntimeError):
        await anext(on(recording()).readings())


async def test_a_keyboard_shows_no_feedback() -> None:
    """No command is sent to it."""
    port = recording()

    async with on(port) as reader:
        await reader.signal(Feedback.ACCEPT)

    assert port.written == b""


def test_the_registry_knows_the_family() -> None:
    """The type in the configuration leads to this reader."""
    assert load("hid-scanner") is FAMILY
    assert FAMILY.settings_type is HidScannerSettings


@pytest.mark.parametrize(
    ("wrong", "expectation"),
    [
        ({"port": ""}, "port: expected"),
        ({"gap_ms": 4}, "gap_ms: expected 5..900"),
        ({"prefix": "x" * 65}, "prefix: expected"),
        ({"suffix": "\0"}, "suffix: expected"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], expectation: str) -> None:
    """A wrong setting is named together with what was expected."""
    with pytest.raises(ValueError, match=expectation):
        HidScannerSettings(**{"port": "/dev/keys", **wrong})  # type: ignore[arg-type]


async def test_what_was_read_is_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    """A code may name a person: it is shown nowhere."""
    caplog.set_level(logging.DEBUG)

    readings = await read_all(on(recording((0, typed("11010020171225006X\r")))))

    assert readings[0].text == "11010020171225006X"
    assert "11010020171225006X" not in repr(readings) + caplog.text
