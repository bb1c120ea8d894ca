"""The readers that the conformance suite is run against."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.framing.line import Terminator
from drivers.readers.serial_line import SerialLineReader, SerialLineSettings
from tests.conformance.bench import Bench
from tests.support.pty_port import PtyPort
from tests.support.waiting import until

ENDS = {
    Terminator.AUTO: b"\r\n",
    Terminator.CR: b"\r",
    Terminator.LF: b"\n",
    Terminator.CRLF: b"\r\n",
    Terminator.NONE: b"",
}


class SerialLineBench(Bench):
    """A serial line scanner on a pseudo-terminal: real pyserial, real kernel."""

    def __init__(self, folder: Path, *, terminator: Terminator) -> None:
        self._port = PtyPort(folder / "scanner")
        self._end = ENDS[terminator]
        settings = SerialLineSettings(port=str(self._port.link), terminator=terminator)
        self._held_ns: int | None = None
        self.reader = SerialLineReader("scanner-1", settings=settings, clock_ns=self._now_ns)

    @property
    def is_joinable(self) -> bool:
        return bool(self._end)

    def plug(self) -> None:
        self._port.plug()

    def unplug(self) -> None:
        self._port.unplug()

    async def send(self, data: bytes) -> None:
        await asyncio.to_thread(self._port.write, data)
        await until(lambda: self._port.unread_count() == 0)

    @contextmanager
    def held_time(self) -> Iterator[None]:
        self._held_ns = time.monotonic_ns()
        try:
            yield
        finally:
            self._held_ns = None

    def _now_ns(self) -> int:
        return time.monotonic_ns() if self._held_ns is None else self._held_ns

    def frames(self, *codes: str) -> list[bytes]:
        return [code.encode() + self._end for code in codes]


def _serial_line(terminator: Terminator) -> Callable[[Path], Bench]:
    return lambda folder: SerialLineBench(folder, terminator=terminator)


BENCHES: dict[str, Callable[[Path], Bench]] = {
    f"serial-line-{terminator}": _serial_line(terminator) for terminator in Terminator
}
