"""A recording that plays, for the conformance suite: whoever appends to its file is the device."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.readers.replay import ReplayReader, ReplaySettings
from drivers.recording import (
    CHUNK_BYTES_MAX,
    Content,
    RecordedChunk,
    RecordingHeader,
    chunk_line,
    header_line,
)
from tests.conformance.bench import Bench
from tests.support.waiting import until


class ReplayBench(Bench):
    """A recording of a serial scanner in a file that grows; unplugging takes the file away."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "recording.jsonl"
        self._held_ns: int | None = None
        self.reader: ReplayReader = ReplayReader(
            "scanner-1", settings=ReplaySettings(file=str(self._path)), clock_ns=self._now_ns
        )

    def plug(self) -> None:
        if not self._path.exists():
            header = RecordingHeader(reader_type="serial-scanner", options={}, content=Content.INVENTED)
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(header_line(header))
            fresh.rename(self._path)

    def unplug(self) -> None:
        self._path.unlink(missing_ok=True)

    async def send(self, data: bytes) -> None:
        before = self.reader.taken_count
        chunks = [RecordedChunk(data=data[at : at + CHUNK_BYTES_MAX]) for at in range(0, len(data), CHUNK_BYTES_MAX)]
        lines = b"".join(map(chunk_line, chunks))
        await asyncio.to_thread(self._append, lines)
        await until(lambda: self.reader.taken_count >= before + len(chunks))

    def frames(self, *codes: str) -> list[bytes]:
        return [code.encode() + b"\r\n" for code in codes]

    @contextmanager
    def held_time(self) -> Iterator[None]:
        self._held_ns = time.monotonic_ns()
        try:
            yield
        finally:
            self._held_ns = None

    def _append(self, lines: bytes) -> None:
        with self._path.open("ab") as file:
            file.write(lines)

    def _now_ns(self) -> int:
        return time.monotonic_ns() if self._held_ns is None else self._held_ns


BENCHES: dict[str, Callable[[Path], Bench]] = {"replay": ReplayBench}
