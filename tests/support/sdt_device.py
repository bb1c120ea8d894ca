"""An identity-card reader that speaks SDT, with every fault that one has had: pure, and behind two kinds of port.

Its frames are built and read here anew, so a mistake in the driver's does not hide itself.
"""

import asyncio
import functools
import operator
import os
import select
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from tests.support.pty_port import PtyPort

SAM_ID = bytes.fromhex("0500030085643401393000000ad4edb8")
SAM_ID_TEXT = "05.03-20210821-0000012345-3102594058"
PHOTO = bytes(1024)

SAM_NUMBER, FIND, SELECT, READ = b"\x12\xff", b"\x20\x01", b"\x20\x02", b"\x30\x01"
OK, FOUND, NOT_FOUND, NOT_SELECTED, NOT_READ = 0x90, 0x9F, 0x80, 0x81, 0x41
_HEADER = b"\xaa\xaa\xaa\x96\x69"


@dataclass
class Faults:
    """What goes wrong from now on; every count is used up.

    Attributes:
        status: Answers to a command with this status byte whatever else holds.
        data: Answers to a command with these data where it would be good.
        silent: So many questions get no answer.
        wrong_check: So many answers have a wrong check byte.
        half: So many answers stop in the middle.
        half_bytes: Where they stop.
        before: Bytes sent before the next answer.
        cut_at: Every answer is sent in two pieces, cut here.
        copies: Every answer is sent so often, in one piece.
        delay_s: Every answer comes so late.
    """

    status: dict[bytes, int]
    data: dict[bytes, bytes]
    silent: int = 0
    wrong_check: int = 0
    half: int = 0
    half_bytes: int = 7
    before: bytes = b""
    cut_at: int | None = None
    copies: int = 1
    delay_s: float = 0.0


class SdtDevice:
    """The reader: takes questions, says what it sends.

    Args:
        finds_again: Whether a card that has been read and still lies there is found again; by the protocol it is not.

    Attributes:
        faults: What goes wrong.
        asked: How often each command was asked.
        read_count: How often a card was read.
    """

    def __init__(self, *, finds_again: bool = False) -> None:
        self.faults = Faults(status={}, data={})
        self.asked: Counter[bytes] = Counter()
        self.read_count = 0
        self.empty_finds = 0
        self.pulled_at: bytes | None = None
        self._finds_again = finds_again
        self._text: bytes | None = None
        self._is_read = self._is_selected = False
        self._pending = b""
        self._lock = threading.RLock()

    def lay(self, text: bytes, *, pulled_at: bytes | None = None) -> None:
        """Lay a card on the reader, in place of the one that is there; it may be pulled when a command comes."""
        with self._lock:
            self._text, self.pulled_at = text, pulled_at
            self._is_read = self._is_selected = False

    def take(self) -> None:
        """Take the card away."""
        with self._lock:
            self._text = None
            self._is_read = self._is_selected = False
            self.empty_finds = 0

    def receive(self, data: bytes) -> list[tuple[float, bytes]]:
        """Take bytes of questions; return what is sent and after which delay."""
        with self._lock:
            self._pending += data
            sent = []
            while (at := self._pending.find(_HEADER)) >= 0 and len(self._pending) >= at + 10:
                question, self._pending = self._pending[at : at + 10], self._pending[at + 10 :]
                sent += self._sent(question)
            return sent

    def _sent(self, question: bytes) -> list[tuple[float, bytes]]:
        if question[5:7] != b"\0\3" or _xor(question[5:]) != 0:
            return [(0.0, answer_frame(0x10))]
        command, faults = question[7:9], self.faults
        self.asked[command] += 1
        if faults.silent > 0:
            faults.silent -= 1
            return []
        answer, faults.before = faults.before + self._answer(command) * faults.copies, b""
        if faults.wrong_check > 0:
            faults.wrong_check -= 1
            answer = answer[:-1] + bytes([answer[-1] ^ 0x55])
        if faults.half > 0:
            faults.half -= 1
            answer = answer[: faults.half_bytes]
        if faults.cut_at is None:
            return [(faults.delay_s, answer)]
        cut = min(faults.cut_at, len(answer) - 1)
        return [(faults.delay_s, answer[:cut]), (0.0, answer[cut:])]

    def _answer(self, command: bytes) -> bytes:
        if self.pulled_at == command:
            self._text = None
        if command in self.faults.status:
            return answer_frame(self.faults.status[command])
        status, data = self._judged(command)
        if status in (OK, FOUND):
            data = self.faults.data.get(command, data)
        return answer_frame(status, data)

    def _judged(self, command: bytes) -> tuple[int, bytes]:
        match command:
            case b"\x12\xff":
                return OK, SAM_ID
            case b"\x20\x01":
                if self._text is None or (self._is_read and not self._finds_again):
                    self.empty_finds += 1
                    return NOT_FOUND, b""
                return FOUND, bytes(4)
            case b"\x20\x02":
                self._is_selected = self._text is not None
                return (OK, bytes(8)) if self._is_selected else (NOT_SELECTED, b"")
            case b"\x30\x01" if self._is_selected and self._text is not None:
                self._is_read = True
                self._is_selected = False
                self.read_count += 1
                return OK, b"\x01\x00\x04\x00" + self._text + PHOTO
            case b"\x30\x01":
                return NOT_READ, b""
            case _:
                return 0x21, b""


def answer_frame(status: int, data: bytes = b"") -> bytes:
    """The frame of an answer."""
    covered = (len(data) + 4).to_bytes(2, "big") + bytes((0, 0, status)) + data
    return _HEADER + covered + bytes([_xor(covered)])


def _xor(data: bytes) -> int:
    return functools.reduce(operator.xor, data)


class SdtPort:
    """A `BytePort` with a device behind it, on a clock of its own; the port is lost when the story is over.

    Args:
        device: The reader.
        story: What happens to it, each with the millisecond before which it happens.
        ends_ms: When the port is lost.
    """

    def __init__(self, device: SdtDevice, *, story: list[tuple[int, Callable[[], object]]], ends_ms: int) -> None:
        self.now_ns = 0
        self.parameters: object = None
        self._device = device
        self._story = [(at_ms * 1_000_000, act) for at_ms, act in story]
        self._ends_ns = ends_ms * 1_000_000
        self._coming: list[tuple[int, bytes]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._coming.clear()

    async def read(self, *, timeout_s: float | None) -> bytes:
        """What has come by then, moving the clock."""
        await asyncio.sleep(0)
        assert timeout_s is not None, "such a reader is never waited for without a limit"
        limit_ns = self.now_ns + round(timeout_s * 1e9)
        due_ns = min([limit_ns, *(at for at, _ in self._coming[:1])])
        self.now_ns = max(self.now_ns, due_ns)
        while self._story and self._story[0][0] <= self.now_ns:
            self._story.pop(0)[1]()
        if self.now_ns >= self._ends_ns:
            raise ReaderLostError(LostCause.UNPLUGGED)
        if self._coming and self._coming[0][0] <= self.now_ns:
            return self._coming.pop(0)[1]
        return b""

    def write(self, data: bytes) -> None:
        """Hand a question to the device."""
        at_ns = max([self.now_ns, *(at for at, _ in self._coming)])
        for delay_s, piece in self._device.receive(data):
            at_ns += round(delay_s * 1e9) + 1_000
            self._coming.append((at_ns, piece))

    def noise(self, data: bytes) -> None:
        """Let bytes come that nobody asked for."""
        self._coming.append((self.now_ns, data))


class PtySdt:
    """The device behind a real serial port, served by a thread while it is plugged in.

    Args:
        port: The pseudo-terminal.
        make: Makes the device, anew each time it is plugged in: it has no memory without power.

    Attributes:
        device: The device, as it was plugged in last.
        sent_bytes: What it has sent since.
    """

    def __init__(self, port: PtyPort, *, make: Callable[[], SdtDevice]) -> None:
        self.device = make()
        self.sent_bytes = 0
        self._port = port
        self._make = make
        self._thread: threading.Thread | None = None
        self._stop = -1

    def plug(self) -> None:
        """Put the device in."""
        if self._thread is not None:
            return
        self._port.plug()
        self.device, self.sent_bytes = self._make(), 0
        stopped, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._serve, args=(stopped,), name="sdt-device")
        self._thread.start()

    def unplug(self) -> None:
        """Pull it out."""
        if self._thread is None:
            return
        os.close(self._stop)
        self._thread.join()
        self._thread = None
        self._port.unplug()

    def _serve(self, stopped: int) -> None:
        try:
            while stopped not in select.select([self._port.fileno(), stopped], [], [])[0]:
                for delay_s, piece in self.device.receive(self._port.written()):
                    if delay_s and select.select([stopped], [], [], delay_s)[0]:
                        return
                    self._port.write(piece)
                    self.sent_bytes += len(piece)
        finally:
            os.close(stopped)
