"""A desk with a scanner on a pseudo-terminal, and whoever shows codes there, holds the port or scans what is shown."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.pty_port import PtyPort

PACE_S = 0.05


def config_of(folder: Path, device: PtyPort) -> Path:
    """Write the configuration of a node with this scanner, whose daemon does not run."""
    path = folder / "edge.toml"
    path.write_text(
        f'# the desk\n[node]\nname = "n-1"\norg = "o"\ndata_dir = "{folder}/data"\nkey_dir = "{folder}/keys"\n'
        f'[control]\nsocket = "{folder}/ctl"\n[[readers]]\nname = "scanner-1"\ntype = "serial-scanner"\n'
        f'[readers.options]\nport = "{device.link}"\nprefix = "QR:"\nterminator = "auto"\n\n[log]\nlevel = "info"\n'
    )
    return path


@contextmanager
def shown(device: PtyPort, data: bytes, *, pace_s: float = PACE_S) -> Iterator[None]:
    """Show the same thing again and again while the block runs."""
    is_over = threading.Event()

    def show() -> None:
        while not is_over.wait(pace_s):
            device.write(data)

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def held(device: PtyPort) -> Iterator[int]:
    """Have another program hold the port; its number."""
    program = "import fcntl, sys\nport = open(sys.argv[1], 'rb', buffering=0)\nfcntl.flock(port, fcntl.LOCK_EX)\n"
    program += "print('held', flush=True)\nsys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(device.link)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield other.pid
        finally:
            other.kill()


class Desk:
    """Whoever sits there: shows the codes once the reader listens, and ends with Ctrl-C when all have been read."""

    def __init__(self, device: PtyPort, codes: list[str], *, ending: str = "\r\n") -> None:
        self.device = device
        self.codes = codes
        self.ending = ending
        self.frames = 0
        self.told: list[str] = []

    def __call__(self, event: str, /, **_members: Any) -> None:
        self.told.append(event)
        if event == "listening":
            threading.Thread(target=self.show).start()
        if event == "frame":
            self.frames += 1
            if self.frames == len(self.codes):
                raise KeyboardInterrupt

    def show(self) -> None:
        for code in self.codes:
            data = (code + self.ending).encode()
            self.device.write(data[:5])
            self.device.write(data[5:])


class Teacher:
    """Scans the shown code each time it is asked to."""

    def __init__(self, device: PtyPort, data: bytes) -> None:
        self.told: list[str] = []
        self._device = device
        self._data = data
        self._over = threading.Event()

    def __call__(self, event: str, /, **_members: Any) -> None:
        self.told.append(event)
        if event == "teach_scan":
            threading.Timer(0.2, self._scan).start()

    def _scan(self) -> None:
        with suppress(RuntimeError, OSError):  # the lesson may be over, and the scanner put away
            for at in range(0, len(self._data), 20):  # as an adapter hands over: not all at once
                self._device.write(self._data[at : at + 20])
                self._over.wait(0.02)
