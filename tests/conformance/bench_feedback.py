"""The feedback devices that their conformance suite is run against, each with somebody who holds it in his hands.

A new family joins by a bench of its own in `BENCHES`; the tests stay as they are.
"""

import asyncio
import os
import socket
import stat
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from drivers.feedback.device import FeedbackCause, FeedbackDevice
from drivers.feedback.line_file import LineFile, LineFileSettings, Step
from drivers.feedback.serial_signal import SerialSignal, SerialSignalSettings
from drivers.feedback.ticket import Connection, TicketPrinter, TicketSettings
from drivers.feedback.voice import Voice, VoiceSettings
from drivers.reader import Feedback
from tests.support.pty_port import PtyPort
from tests.support.receipt_printer import ASK_PAPER, PAPER, ReceiptPrinter


class FeedbackBench(ABC):
    """A device on a desk, not yet plugged in.

    Attributes:
        device: The device.
        gone: What it says when it is announced something and is not there.
    """

    device: FeedbackDevice
    gone: FeedbackCause = FeedbackCause.MISSING

    @abstractmethod
    def plug(self) -> None:
        """Put it in."""

    @abstractmethod
    def unplug(self) -> None:
        """Pull it out, at once and without a word; nothing happens if it is out."""

    @abstractmethod
    def shown(self) -> int:
        """Return how many announcements it has shown so far."""


class SerialSignalBench(FeedbackBench):
    """A signal tower on a pseudo-terminal: real pyserial, real kernel."""

    def __init__(self, folder: Path) -> None:
        self._port = PtyPort(folder / "tower")
        self._heard = b""
        settings = SerialSignalSettings(
            port=str(self._port.link), commands=dict.fromkeys(Feedback, "a1"), off="a0", on_ms=50
        )
        self.device = SerialSignal("tower", settings=settings)

    def plug(self) -> None:
        self._port.plug()

    def unplug(self) -> None:
        if self._port.is_plugged:
            self._heard += self._port.written()
        self._port.unplug()

    def shown(self) -> int:
        if self._port.is_plugged:
            self._heard += self._port.written()
        return self._heard.count(b"\xa1\xa0")


class LineFileBench(FeedbackBench):
    """A lamp whose file is a pipe: it keeps every word that was written to it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "brightness"
        self._pipe = -1
        self._heard = b""
        pattern = (Step(on=("green",), ms=10), Step(ms=10))
        settings = LineFileSettings(
            lines={"green": str(self._path)}, on="on;", off="off;", patterns=dict.fromkeys(Feedback, pattern)
        )
        self.device = LineFile("lamp", settings=settings)

    def plug(self) -> None:
        if self._pipe < 0:
            os.mkfifo(self._path)
            self._pipe = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)

    def unplug(self) -> None:
        if self._pipe >= 0:
            self._listen()
            os.close(self._pipe)
            self._pipe = -1
            self._path.unlink()

    def shown(self) -> int:
        if self._pipe >= 0:
            self._listen()
        return self._heard.count(b"on;off;")

    def _listen(self) -> None:
        try:
            self._heard += os.read(self._pipe, 65_536)
        except BlockingIOError:
            return


class VoiceBench(FeedbackBench):
    """A player that writes down what it played."""

    def __init__(self, folder: Path) -> None:
        self._player, self._played = folder / "player", folder / "played"
        for feedback in Feedback:
            (folder / f"{feedback}.wav").write_bytes(b"RIFF")
        settings = VoiceSettings(folder=str(folder), command=(str(self._player), "-q"))
        self.device = Voice("voice", settings=settings)

    def plug(self) -> None:
        fresh = self._player.with_suffix(".new")
        fresh.write_text(f'#!/bin/sh\n[ "$1" = -q ] && echo "${{2##*/}}" >>{self._played}\n')
        fresh.chmod(stat.S_IRWXU)
        fresh.replace(self._player)

    def unplug(self) -> None:
        self._player.unlink(missing_ok=True)

    def shown(self) -> int:
        return self._played.read_text().count(".wav\n") if self._played.exists() else 0


class TicketBench(FeedbackBench):
    """A receipt printer on a pseudo-terminal, which to a program is a serial line or just a device file."""

    def __init__(self, folder: Path, *, connection: Connection) -> None:
        self._printer = ReceiptPrinter(folder / "printer")
        settings = TicketSettings(port=str(folder / "printer"), connection=connection)
        self.device = TicketPrinter("printer", settings=settings)

    def plug(self) -> None:
        self._printer.plug()

    def unplug(self) -> None:
        self._printer.unplug()

    def shown(self) -> int:
        return self._printer.received.count(b"\x1dVB")


class NetworkTicketBench(FeedbackBench):
    """A receipt printer behind a socket, one connection after the other."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._thread: threading.Thread | None = None
        self._halt = threading.Event()
        self._received = b""
        settings = TicketSettings(port="127.0.0.1", connection=Connection.NETWORK, tcp_port=self._port)
        self.device = TicketPrinter("printer", settings=settings)

    def plug(self) -> None:
        if self._thread is None:
            server = socket.create_server(("127.0.0.1", self._port))
            self._halt.clear()
            self._thread = threading.Thread(target=self._serve, args=(server,), name="network printer")
            self._thread.start()

    def unplug(self) -> None:
        if self._thread is not None:
            self._halt.set()
            self._thread.join()
            self._thread = None

    def shown(self) -> int:
        return self._received.count(b"\x1dVB")

    def _serve(self, server: socket.socket) -> None:
        server.settimeout(0.02)
        with server:
            while not self._halt.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    self._print(connection)

    def _print(self, connection: socket.socket) -> None:
        connection.settimeout(0.02)
        while not self._halt.is_set():
            try:
                data = connection.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            if data.startswith(ASK_PAPER):
                connection.sendall(PAPER)
            self._received += data.removeprefix(ASK_PAPER)


class HungDevice:
    """A device that never comes to an end, and does not let go either."""

    name = "hung"
    limit_s = 3_600.0

    def __init__(self, kind: object) -> None:
        self.kind = kind
        self.is_shown = asyncio.Event()

    async def show(self, announcement: object) -> None:
        self.is_shown.set()
        await asyncio.Event().wait()

    async def close(self) -> None:
        await asyncio.Event().wait()


BENCHES: dict[str, Callable[[Path], FeedbackBench]] = {
    "line-file": LineFileBench,
    "serial-signal": SerialSignalBench,
    "ticket-device": lambda folder: TicketBench(folder, connection=Connection.DEVICE),
    "ticket-network": NetworkTicketBench,
    "ticket-serial": lambda folder: TicketBench(folder, connection=Connection.SERIAL),
    "voice": VoiceBench,
}
