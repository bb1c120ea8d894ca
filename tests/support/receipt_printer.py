"""A receipt printer on a pseudo-terminal: it keeps what it was sent, and answers when it is asked for paper."""

import os
import select
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.pty_port import PtyPort

ASK_PAPER = b"\x10\x04\x04"
PAPER, NEAR_END, NO_PAPER = b"\x12", b"\x1e", b"\x72"
STEP_S = 0.02


@dataclass(kw_only=True)
class Paper:
    """What stands on the paper: text, or the rows of a picture as bytes of eight dots."""

    lines: list[str | list[bytes]] = field(default_factory=list)
    cuts: int = 0

    @property
    def texts(self) -> list[str]:
        """The lines of text."""
        return [line for line in self.lines if isinstance(line, str)]

    @property
    def pictures(self) -> list[list[bytes]]:
        """The pictures."""
        return [line for line in self.lines if not isinstance(line, str)]


def print_out(data: bytes) -> Paper:
    """Obey the commands as a printer does; one it does not know is an error of the test."""
    paper, at, is_chinese = Paper(), 0, False
    while at < len(data):
        rest = data[at:]
        if rest.startswith(b"\x1b@"):
            at, is_chinese = at + 2, False
        elif rest.startswith(b"\x1c&"):
            at, is_chinese = at + 2, True
        elif rest.startswith(b"\x1bd"):
            at += 3
        elif rest.startswith(b"\x1dVB"):
            at, paper.cuts = at + 4, paper.cuts + 1
        elif rest.startswith(b"\x1dv0"):
            width, height = int.from_bytes(rest[4:6], "little"), int.from_bytes(rest[6:8], "little")
            rows = rest[8 : 8 + width * height]
            assert len(rows) == width * height
            paper.lines.append([rows[i : i + width] for i in range(0, len(rows), width)])
            at += 8 + len(rows)
        else:
            line, newline, _ = rest.partition(b"\n")
            assert newline, rest
            assert is_chinese
            assert not any(byte < 0x20 for byte in line), line
            paper.lines.append(line.decode("gb18030"))
            at += len(line) + 1
    return paper


class ReceiptPrinter:
    """The printer; plugged in and out by hand.

    Attributes:
        answer: What it says when asked for paper; empty: nothing.
        asked_count: How often it was asked.
        received: Everything else it was sent.
    """

    def __init__(self, link: Path, *, answer: bytes = PAPER) -> None:
        self.answer = answer
        self.asked_count = 0
        self.received = b""
        self._port = PtyPort(link)
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None

    def plug(self) -> None:
        """Switch it on."""
        if self._thread is None:
            self._port.plug()
            self._halt.clear()
            self._thread = threading.Thread(target=self._work, name="receipt printer")
            self._thread.start()

    def unplug(self) -> None:
        """Pull its cable."""
        if self._thread is not None:
            self._halt.set()
            self._thread.join()
            self._thread = None
            self._port.unplug()

    @property
    def paper(self) -> Paper:
        """What it has printed so far."""
        return print_out(self.received)

    def _work(self) -> None:
        master = self._port._plugged
        pending = b""
        while not self._halt.is_set():
            if not select.select([master], [], [], STEP_S)[0]:
                continue
            pending += self._port.written()
            while ASK_PAPER in pending:
                before, _, pending = pending.partition(ASK_PAPER)
                self.received += before
                self.asked_count += 1
                os.write(master, self.answer)
            keep = next((n for n in (2, 1) if pending.endswith(ASK_PAPER[:n])), 0)
            self.received += pending[: len(pending) - keep]
            pending = pending[len(pending) - keep :]
