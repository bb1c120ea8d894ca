"""A serial scanner on recordings: no device, no waiting."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ReaderLostError
from drivers.framing.framer import GAP_NS, IDLE_NS, Framing
from drivers.framing.line import Terminator
from drivers.framing.stx_etx import lrc_of
from drivers.reader import Feedback, LostCause
from drivers.readers.serial_scanner import SerialScannerReader, SerialScannerSettings
from drivers.reading import Reading
from drivers.text import TextEncoding
from drivers.transport.replay import RecordedChunk, ReplayPort
from drivers.transport.serial_port import SerialParameters

MS = 1_000_000


def recording(*chunks: bytes | tuple[int, bytes]) -> ReplayPort:
    """Make a port of chunks, each with the milliseconds of silence before it."""
    pairs = [(0, chunk) if isinstance(chunk, bytes) else chunk for chunk in chunks]
    return ReplayPort(RecordedChunk(data=data, after_ns=after_ms * MS) for after_ms, data in pairs)


async def read_all(reader: SerialScannerReader) -> list[Reading]:
    """Open, read until the recording is over, close."""
    readings: list[Reading] = []

    async def read() -> None:
        async with reader:
            async for reading in reader.readings():
                readings.append(reading)

    with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
        await read()
    return readings


def on(port: ReplayPort, settings: SerialScannerSettings | None = None) -> SerialScannerReader:
    settings = settings or SerialScannerSettings(port="/dev/scanner")
    return SerialScannerReader("scanner-1", settings=settings, open_port=lambda _: port, clock_ns=port.now_ns)


async def test_a_reading_says_who_read_what_when() -> None:
    """Name, bytes, text and time of the last byte go up."""
    port = recording(b"EHC1:AB", (7, b"C\r\n"))

    readings = await read_all(on(port))

    assert readings == [Reading(reader="scanner-1", data=b"EHC1:ABC", text="EHC1:ABC", read_at_monotonic_ns=7 * MS)]


async def test_several_codes_in_one_read_are_several_readings() -> None:
    """Nothing is lost when codes arrive together."""
    assert [reading.text for reading in await read_all(on(recording(b"one\rtwo\r\nthree\n")))] == [
        "one",
        "two",
        "three",
    ]


async def test_silence_ends_a_code_without_terminator() -> None:
    """With terminator `none` a code goes up when the gap is over, not when the next begins."""
    settings = SerialScannerSettings(port="/dev/scanner", terminator=Terminator.NONE)
    port = recording(b"on", (49, b"e"), (400, b"two"), (60_000, b"x"), (60_000, b""))

    readings = await read_all(on(port, settings))

    assert [(r.text, r.read_at_monotonic_ns) for r in readings[:2]] == [
        ("one", 49 * MS + GAP_NS),
        ("two", 449 * MS + GAP_NS),
    ]


@given(
    cuts=st.lists(st.integers(min_value=0, max_value=12), max_size=6), pause_ms=st.integers(min_value=0, max_value=49)
)
async def test_any_cut_gives_the_same_readings(cuts: list[int], pause_ms: int) -> None:
    """Where reads begin and end makes no difference, with and without terminators."""
    edges = [0, *sorted(cuts), 12]

    def pieces(stream: bytes) -> Sequence[tuple[int, bytes]]:
        return [(pause_ms, stream[start:end]) for start, end in pairwise(edges) if start < end]

    ended = await read_all(on(recording(*pieces(b"first\rnext\r\n"))))
    settings = SerialScannerSettings(port="/dev/scanner", terminator=Terminator.NONE)
    silent = await read_all(on(recording(*pieces(b"first and on"), (60, b"next"), (60, b"\r")), settings))

    assert [reading.text for reading in ended] == ["first", "next"]
    assert [reading.text for reading in silent] == ["first and on", "next"]


class HeldUpPort(ReplayPort):
    """A recording read by a program that is held up for 200 ms before each of some chunks is handed over."""

    def __init__(self, chunks: Iterable[RecordedChunk], *, late: frozenset[bytes]) -> None:
        super().__init__(chunks)
        self.late = late
        self.held_up_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.held_up_ns

    async def read(self, *, timeout_s: float | None) -> bytes:
        data = await super().read(timeout_s=timeout_s)
        if data in self.late:
            self.held_up_ns += 200 * MS
        return data


async def test_a_late_program_does_not_cut_a_code_in_two() -> None:
    """Bytes that may have waited while the program was held up are no proof of silence, before or after them."""
    settings = SerialScannerSettings(port="/dev/scanner", terminator=Terminator.NONE)
    chunks = [(0, b"th"), (10, b"r"), (40, b"ee"), (100, b"four")]
    port = HeldUpPort(
        [RecordedChunk(data=data, after_ns=after_ms * MS) for after_ms, data in chunks], late=frozenset({b"r"})
    )

    readings = await read_all(on(port, settings))

    assert [reading.text for reading in readings] == ["three", "four"]


class PulledPort(ReplayPort):
    """A device that sends one chunk and is pulled out at once."""

    def __init__(self, data: bytes) -> None:
        super().__init__([RecordedChunk(data=data)])
        self.is_pulled = False

    async def read(self, *, timeout_s: float | None) -> bytes:
        if self.is_pulled:
            raise ReaderLostError(LostCause.UNPLUGGED)
        self.is_pulled = True
        return await super().read(timeout_s=timeout_s)


async def test_half_a_code_before_a_loss_does_not_meet_the_next() -> None:
    """What an unplugged scanner left unfinished is dropped and counted, however soon the scanner is back."""
    ports = [PulledPort(b"ha"), PulledPort(b"next\r")]
    settings = SerialScannerSettings(port="/dev/scanner")
    reader = SerialScannerReader("scanner-1", settings=settings, open_port=lambda _: ports.pop(0), clock_ns=lambda: 0)

    first = await read_all(reader)
    second = await read_all(reader)

    assert [reading.text for reading in first + second] == ["next"]
    assert reader.dropped_count == 1


async def test_half_a_code_is_dropped_after_a_pause() -> None:
    """So it is when the scanner stays and just never ends the code."""
    reader = on(recording(b"half", (IDLE_NS // MS, b"next\r")))

    assert [reading.text for reading in await read_all(reader)] == ["next"]
    assert reader.dropped_count == 1


async def test_prefix_suffix_and_encoding_are_applied() -> None:
    """What was configured is taken off, and text is read as configured."""
    settings = SerialScannerSettings(port="/dev/scanner", prefix="\x02", suffix="\x03", encoding=TextEncoding.GB18030)

    readings = await read_all(on(recording(b"\x02" + "张三".encode("gb18030") + b"\x03\r"), settings))

    assert [(reading.text, reading.data) for reading in readings] == [("张三", "张三".encode("gb18030"))]


@pytest.mark.parametrize(
    ("stream", "options"),
    [
        (b"\x02<one>\x03\r\n\x02<two>\x03", {"framing": Framing.STX_ETX}),
        (b"\x02one\x03" + bytes((lrc_of(b"one"),)) + b"\x02two\x03" + bytes((lrc_of(b"two"),)),
         {"framing": Framing.STX_ETX, "lrc": True}),
        (b"\x05<one>\x05<two>", {"framing": Framing.LENGTH}),
        (b"\x00\x03one\x00\x03two", {"framing": Framing.LENGTH, "length_bytes": 2}),
        (b"\x03\x00one\x03\x00two", {"framing": Framing.LENGTH, "length_bytes": 2, "length_order": "little"}),
    ],
)  # fmt: skip
async def test_each_framing_is_read(stream: bytes, options: dict[str, object]) -> None:
    """Whatever marks the ends of a code, the codes come out, without what was set up around them."""
    settings = SerialScannerSettings(port="/dev/scanner", prefix="<", suffix=">", **options)  # type: ignore[arg-type]

    readings = await read_all(on(recording(stream[:6], stream[6:]), settings))

    assert [reading.text for reading in readings] == ["one", "two"]


async def test_a_scanner_that_looks_when_told_is_told() -> None:
    """It is woken and asked at the opening, asked again after a silence and after codes; its answers are no codes."""
    settings = SerialScannerSettings(
        port="/dev/scanner", wake="57", trigger="54", trigger_every_ms=500, ack="06", terminator=Terminator.CR
    )
    port = recording(b"\x06", (1_600, b"\x06on"), (300, b"e\r\x06two\r"), (100, b"three\r"))

    async with on(port, settings) as reader, aclosing(reader.readings()) as readings:
        texts = [(await anext(readings)).text for _ in range(3)]

    assert texts == ["one", "two", "three"]
    # At 0 ms; at 1000, when the first answer is forgotten, and 1500; at 1900, after two codes that came together.
    assert port.written == b"WT" + b"TT" + b"T"
    assert reader.dropped_count == 0


async def test_the_next_code_is_asked_for_when_it_is_wanted() -> None:
    """While a code is being dealt with, the scanner is not asked for another."""
    settings = SerialScannerSettings(port="/dev/scanner", trigger="54")
    port = recording(b"one\r", (60_000, b"two\r"))

    async with on(port, settings) as reader, aclosing(reader.readings()) as readings:
        await anext(readings)
        written_meanwhile = port.written
        await anext(readings)

    assert (written_meanwhile, port.written) == (b"T", b"TT")


async def test_signals_are_sent_as_configured() -> None:
    """A feedback with a command is written to the scanner while it is open; any other is ignored."""
    port = recording(b"one\r")
    reader = on(
        port, SerialScannerSettings(port="/dev/scanner", signals={Feedback.ACCEPT: "1b 41", Feedback.REFUSE: "1B52"})
    )

    await reader.signal(Feedback.ACCEPT)
    async with reader:
        await reader.signal(Feedback.REFUSE)
        await reader.signal(Feedback.PENDING)
    await reader.signal(Feedback.ACCEPT)

    assert port.written == b"\x1bR"


async def test_a_signal_to_a_lost_scanner_is_silent() -> None:
    """A lamp never fails a scan."""
    port = recording()

    def write(_: bytes) -> None:
        raise ReaderLostError(LostCause.UNPLUGGED)

    port.write = write  # type: ignore[method-assign]
    reader = on(port, SerialScannerSettings(port="/dev/scanner", signals={Feedback.ACCEPT: "00"}))

    async with reader:
        await reader.signal(Feedback.ACCEPT)


async def test_reading_a_closed_reader_is_a_bug() -> None:
    """A reader is opened before it is read."""
    with pytest.raises(RuntimeError):
        await anext(on(recording()).readings())


async def test_the_port_gets_its_parameters() -> None:
    """What the configuration says of the line reaches the port."""
    asked: list[SerialParameters] = []

    def open_port(parameters: SerialParameters) -> ReplayPort:
        asked.append(parameters)
        return recording()

    settings = SerialScannerSettings(port="/dev/scanner", baud=115_200, bytesize=7, stopbits=2)
    async with SerialScannerReader("scanner-1", settings=settings, open_port=open_port):
        pass

    assert asked == [SerialParameters(path="/dev/scanner", baud=115_200, bytesize=7, stopbits=2)]


@pytest.mark.parametrize(
    ("wrong", "expectation"),
    [
        ({"port": ""}, "port: expected"),
        ({"port": "a\0b"}, "port: expected"),
        ({"baud": 299}, "baud: expected 300..921600"),
        ({"baud": 921_601}, "baud: expected 300..921600"),
        ({"gap_ms": 4}, "gap_ms: expected 5..900"),
        ({"gap_ms": 901}, "gap_ms: expected 5..900"),
        ({"prefix": "x" * 65}, "prefix: expected"),
        ({"suffix": "\0"}, "suffix: expected"),
        ({"suffix": "电" * 22}, "suffix: expected"),
        ({"wake": "xyz"}, "wake: expected 0..64 bytes in hex"),
        ({"trigger": "00" * 65}, "trigger: expected 0..64"),
        ({"ack": "0"}, "ack: expected 0..64"),
        ({"trigger_every_ms": 99}, "trigger_every_ms: expected 0 or 100..60000"),
        ({"trigger_every_ms": 60_001}, "trigger_every_ms: expected 0 or 100..60000"),
        ({"signals": {Feedback.ACCEPT: "xyz"}}, "signals.accept: expected"),
        ({"signals": {Feedback.ACCEPT: ""}}, "signals.accept: expected"),
        ({"signals": {Feedback.ACCEPT: "00" * 65}}, "signals.accept: expected"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], expectation: str) -> None:
    """A wrong setting is named together with what was expected."""
    with pytest.raises(ValueError, match=expectation):
        SerialScannerSettings(**{"port": "/dev/scanner", **wrong})  # type: ignore[arg-type]


async def test_what_was_read_is_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    """A code may name a person: it is shown nowhere."""
    caplog.set_level(logging.DEBUG)
    chunk = RecordedChunk(data=b"11010020171225006X\r")

    readings = await read_all(on(ReplayPort([chunk])))

    assert "11010020171225006X" not in repr(readings) + repr(chunk) + caplog.text
