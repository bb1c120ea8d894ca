"""Recordings that play: at once on their own time, or out of a file that grows."""

import asyncio
from pathlib import Path

import pytest

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.recording import (
    LINE_BYTES_MAX,
    Content,
    RecordedChunk,
    RecordingHeader,
    chunk_line,
    header_line,
)
from drivers.transport.replay import RecordedFile, ReplayPort
from drivers.transport.tap import TappedPort

MS = 1_000_000
HEADER = header_line(RecordingHeader(reader_type="serial-scanner", options={}, content=Content.INVENTED))


class Clock:
    """Time that stands until it is told."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(HEADER)
    return path


def append(path: Path, *chunks: RecordedChunk, more: bytes = b"") -> None:
    with path.open("ab") as file:
        file.write(b"".join(map(chunk_line, chunks)) + more)


async def test_an_answer_waits_for_its_question() -> None:
    """What was recorded after a write plays after a write, however late that comes."""
    port = ReplayPort([RecordedChunk(data=b"?", is_sent=True), RecordedChunk(data=b"!", after_ns=5 * MS)])

    assert await port.read(timeout_s=1) == b""
    port.write(b"?")
    assert await port.read(timeout_s=1) == b"!"

    assert port.now_ns() == 1_005 * MS
    assert port.written == b"?"


async def test_a_question_that_cannot_come_ends_the_recording() -> None:
    """Nobody writes while the reader waits without a limit."""
    port = ReplayPort([RecordedChunk(data=b"?", is_sent=True), RecordedChunk(data=b"!")])

    with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
        await port.read(timeout_s=None)


async def test_a_write_ahead_of_the_recording_counts_once() -> None:
    """A reader that asked before the recording did is answered when the answer's place comes."""
    port = ReplayPort([RecordedChunk(data=b"hello"), RecordedChunk(data=b"?", is_sent=True), RecordedChunk(data=b"!")])
    port.write(b"?")

    assert [await port.read(timeout_s=None) for _ in range(2)] == [b"hello", b"!"]


async def test_a_file_plays_in_order_and_goes_on_as_it_grows(path: Path) -> None:
    """Chunks come one by one; a line without its end is waited for, one that is no chunk is counted."""
    append(path, RecordedChunk(data=b"one"), RecordedChunk(data=b"two"), more=b"rubbish\n")
    line = chunk_line(RecordedChunk(data=b"three"))

    async with await RecordedFile.open(path) as port:
        assert [await port.read(timeout_s=None), await port.read(timeout_s=None)] == [b"one", b"two"]
        append(path, more=line[:9])
        assert await port.read(timeout_s=0) == b""
        append(path, more=line[9:])
        assert await port.read(timeout_s=None) == b"three"

    assert (port.bad_count, port.taken_count) == (1, 3)
    assert port.header.reader_type == "serial-scanner"


async def test_the_silence_before_a_chunk_is_kept(path: Path) -> None:
    """Nothing comes before its time, and it comes at it."""
    append(path, RecordedChunk(data=b"one", after_ns=100 * MS))
    clock = Clock()
    port = await RecordedFile.open(path, clock_ns=clock)

    assert await port.read(timeout_s=0) == b""
    assert await port.read(timeout_s=0) == b""
    clock.ns = 99 * MS
    assert await port.read(timeout_s=0) == b""
    clock.ns = 100 * MS
    assert await port.read(timeout_s=0) == b"one"


async def test_a_file_waits_for_a_write_too(path: Path) -> None:
    """A recording of a reader that is asked plays to one that asks."""
    append(path, RecordedChunk(data=b"?", is_sent=True), RecordedChunk(data=b"!"))
    port = await RecordedFile.open(path)

    assert [await port.read(timeout_s=0.001) for _ in range(2)] == [b"", b""]
    port.write(b"?")
    assert await port.read(timeout_s=None) == b"!"


async def test_a_read_ends_as_soon_as_there_is_something(path: Path) -> None:
    """A reader that waits is woken by what is appended, and by its limit."""
    port = await RecordedFile.open(path)
    waiting = asyncio.ensure_future(port.read(timeout_s=None))
    await asyncio.sleep(0)

    append(path, RecordedChunk(data=b"one", after_ns=1))

    assert await asyncio.wait_for(waiting, timeout=10) == b"one"
    assert await port.read(timeout_s=0.001) == b""


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda path: path.unlink(), LostCause.UNPLUGGED),
        (lambda path: path.write_bytes(b""), LostCause.UNPLUGGED),
        (lambda path: path.with_name("new").write_bytes(HEADER) and path.with_name("new").rename(path), "unplugged"),
        (lambda path: path.rename(path.with_name("x")) and path.mkdir(), LostCause.IO),
        (lambda path: append(path, more=b"x" * (LINE_BYTES_MAX + 1)), LostCause.IO),
    ],
)
async def test_a_file_that_goes_is_lost(path: Path, change: object, cause: str) -> None:
    """Taken away, emptied, replaced, or no recording any more."""
    port = await RecordedFile.open(path)

    change(path)  # type: ignore[operator]

    with pytest.raises(ReaderLostError, match=cause):
        await port.read(timeout_s=None)


async def test_a_read_without_a_limit_wakes_for_a_chunk_that_is_due_soon(path: Path) -> None:
    """The silence before a chunk is waited for, and not longer."""
    append(path, RecordedChunk(data=b"one", after_ns=MS))
    port = await RecordedFile.open(path)

    assert await asyncio.wait_for(port.read(timeout_s=None), timeout=10) == b"one"


async def test_what_is_no_recording_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, forbidden, or another file: each with its cause."""
    other = tmp_path / "other"
    other.write_text("hello\n")

    with pytest.raises(ReaderLostError, match=LostCause.MISSING):
        await RecordedFile.open(tmp_path / "none")
    with pytest.raises(ReaderLostError, match=LostCause.IO):
        await RecordedFile.open(other)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ReaderLostError, match=LostCause.PERMISSION):
        await RecordedFile.open(other)


async def test_a_tapped_port_works_as_ever_and_tells_everything() -> None:
    """Whoever listens hears what the reader reads and writes, with the silences."""
    inner = ReplayPort([RecordedChunk(data=b"x" * 5_000, after_ns=7 * MS), RecordedChunk(data=b"y", after_ns=3 * MS)])
    heard: list[RecordedChunk] = []
    tapped = TappedPort(inner, hear=heard.append, clock_ns=inner.now_ns)

    async with tapped as port:
        data = [await port.read(timeout_s=None)]
        port.write(b"?")
        data += [await port.read(timeout_s=None), await port.read(timeout_s=0)]

    assert data == [b"x" * 5_000, b"y", b""]
    assert inner.written == b"?"
    assert [(len(chunk.data), chunk.after_ns // MS, chunk.is_sent) for chunk in heard] == [
        (4096, 7, False),
        (904, 0, False),
        (1, 0, True),
        (1, 3, False),
    ]
    with pytest.raises(RuntimeError):
        tapped.write(b"")
