"""Code scanners for the conformance suite: every way of framing on a pseudo-terminal, and keyboards on a FIFO."""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.framing.framer import Framing
from drivers.framing.key_wedge import KeyTerminator
from drivers.framing.line import Terminator
from drivers.framing.stx_etx import ETX, STX, lrc_of
from drivers.readers.hid_scanner import HidScannerReader, HidScannerSettings
from drivers.readers.serial_scanner import SerialScannerReader, SerialScannerSettings
from drivers.transport.hid import HidPort
from tests.conformance.bench import Bench
from tests.support.key_fifo import KeyFifo, typed
from tests.support.pty_port import PtyPort
from tests.support.waiting import until

ENDS = {
    Terminator.AUTO: b"\r\n",
    Terminator.CR: b"\r",
    Terminator.LF: b"\n",
    Terminator.CRLF: b"\r\n",
    Terminator.NONE: b"",
}
KEY_ENDS = {
    KeyTerminator.AUTO: "\t",
    KeyTerminator.ENTER: "\r",
    KeyTerminator.TAB: "\t",
    KeyTerminator.NONE: "",
}


class _ScannerBench(Bench):
    """What both kinds have in common: a device that takes bytes, and a clock that can be held."""

    _device: PtyPort | KeyFifo
    _held_ns: int | None = None

    def plug(self) -> None:
        self._device.plug()

    def unplug(self) -> None:
        self._device.unplug()

    async def send(self, data: bytes) -> None:
        await asyncio.to_thread(self._device.write, data)
        await until(lambda: self._device.unread_count() == 0)

    @contextmanager
    def held_time(self) -> Iterator[None]:
        self._held_ns = time.monotonic_ns()
        try:
            yield
        finally:
            self._held_ns = None

    def now_ns(self) -> int:
        return time.monotonic_ns() if self._held_ns is None else self._held_ns

    @abstractmethod
    def frame(self, code: str) -> bytes:
        """Return the bytes of one code."""

    def frames(self, *codes: str) -> list[bytes]:
        return [self.frame(code) for code in codes]


class SerialScannerBench(_ScannerBench):
    """A serial scanner on a pseudo-terminal: real pyserial, real kernel."""

    def __init__(self, folder: Path, *, framed: Callable[[bytes], bytes], options: dict[str, object]) -> None:
        self._device = PtyPort(folder / "scanner")
        self._framed = framed
        self._is_joinable = framed(b"") != b""
        settings = SerialScannerSettings(port=str(self._device.link), **options)  # type: ignore[arg-type]
        self.reader = SerialScannerReader("scanner-1", settings=settings, clock_ns=self.now_ns)

    @property
    def is_joinable(self) -> bool:
        return self._is_joinable

    def frame(self, code: str) -> bytes:
        return self._framed(code.encode())


class HidScannerBench(_ScannerBench):
    """A keyboard scanner on a FIFO: real records, real end of file."""

    def __init__(self, folder: Path, *, terminator: KeyTerminator) -> None:
        self._device = KeyFifo(folder / "scanner-event-kbd")
        self._end = KEY_ENDS[terminator]
        settings = HidScannerSettings(port=str(self._device.link), terminator=terminator)
        self.reader = HidScannerReader("scanner-1", settings=settings, open_port=self._port, clock_ns=self.now_ns)

    @property
    def is_joinable(self) -> bool:
        return bool(self._end)

    def frame(self, code: str) -> bytes:
        return typed(code + self._end)

    def cuts(self, frame: bytes) -> range:
        """Every place within a record, again and again; every byte of a code is the business of the framer's test."""
        return range(1, len(frame), 25)

    def _port(self, path: str) -> HidPort:
        return HidPort(path, take=lambda _: None)  # a FIFO cannot be taken


def _serial(framed: Callable[[bytes], bytes], **options: object) -> Callable[[Path], Bench]:
    return lambda folder: SerialScannerBench(folder, framed=framed, options=options)


def _line(terminator: Terminator) -> Callable[[Path], Bench]:
    return _serial(lambda code: code + ENDS[terminator], terminator=terminator)


def _hid(terminator: KeyTerminator) -> Callable[[Path], Bench]:
    return lambda folder: HidScannerBench(folder, terminator=terminator)


def _in_stx_etx(code: bytes) -> bytes:
    return bytes((STX, *code, ETX))


BENCHES: dict[str, Callable[[Path], Bench]] = {
    **{f"serial-scanner-{terminator}": _line(terminator) for terminator in Terminator},
    "serial-scanner-stx-etx": _serial(_in_stx_etx, framing=Framing.STX_ETX),
    "serial-scanner-stx-etx-lrc": _serial(
        lambda code: _in_stx_etx(code) + bytes((lrc_of(code),)), framing=Framing.STX_ETX, lrc=True
    ),
    "serial-scanner-length-1": _serial(lambda code: bytes((len(code),)) + code, framing=Framing.LENGTH),
    **{
        f"serial-scanner-length-2-{order}": _serial(
            lambda code, order=order: len(code).to_bytes(2, order) + code,
            framing=Framing.LENGTH,
            length_bytes=2,
            length_order=order,
        )
        for order in ("big", "little")
    },
    "serial-scanner-prompted": _serial(
        lambda code: b"\x06" + code + b"\r", wake="16", trigger="1654", trigger_every_ms=60_000, ack="06"
    ),
    **{f"hid-scanner-{terminator}": _hid(terminator) for terminator in KeyTerminator},
}
