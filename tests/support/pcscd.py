"""A real pcscd in the foreground, with a configuration of its own and one virtual reader of two slots.

pcscd's socket has one fixed place on a machine, so whoever starts one here holds a lock first, and nobody tests beside
a pcscd that belongs to somebody else.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from drivers.errors import ReaderLostError
from drivers.transport.pcsc import PcscContext, SlotState
from tests.support.vpcd import VirtualSlot

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
SOCKET = Path("/run/pcscd/pcscd.comm")
CARD_READER = "Test Desk 00 00"
SAM_READER = "Test Desk 00 01"
START_S = 10.0
STOP_S = 10.0
_FREE_TRIES = 100
_STATE_KNOWN = 0x0030  # SCARD_STATE_EMPTY or _PRESENT
_LISTENING = "0A"  # /proc/net/tcp


class Pcscd:
    """The service; not running at first.

    Args:
        folder: For its configuration and its log.

    Attributes:
        card_slot: For a person's card.
        sam_slot: For the SAM.
    """

    def __init__(self, folder: Path) -> None:
        self._config = folder / "reader.conf.d"
        self._config.mkdir(parents=True)
        self._log = folder / "pcscd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = _two_free_ports()
        self.card_slot, self.sam_slot = (
            VirtualSlot(port, seen_count=partial(_seen_count, reader))
            for port, reader in zip(self._ports, (CARD_READER, SAM_READER), strict=True)
        )
        (self._config / "desk").write_text(
            'FRIENDLYNAME "Test Desk"\n'
            f"DEVICENAME /dev/null:{self._ports[0]}\n"
            f"LIBPATH {DRIVER}\n"
            f"CHANNELID {self._ports[0]}\n",
            encoding="ascii",
        )

    def start(self) -> None:
        """Start it and wait until both slots are there; nothing happens if it runs."""
        if self._process is not None:
            return
        with self._log.open("ab") as log:
            command = ["pcscd", "--foreground", "--config", str(self._config)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _wait(lambda: self._is_ready(self._process), what=self._log)

    def stop(self) -> None:
        """End it as a service manager would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a word; nothing happens if it does not run."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(STOP_S)  # an unburied pcscd would block the next

    def _is_ready(self, process: subprocess.Popen[bytes] | None) -> bool:
        if process is None or process.poll() is not None:
            raise RuntimeError(self._log.read_text(encoding="utf-8", errors="replace"))
        return set(self._ports) <= _listening_ports() and None not in map(_seen_count, (CARD_READER, SAM_READER))


@contextlib.contextmanager
def reserved_pcscd(folder: Path) -> Iterator[Pcscd]:
    """A pcscd for the length of a block, alone on this machine; the test is skipped where there cannot be one."""
    if shutil.which("pcscd") is None or not DRIVER.exists():
        pytest.skip("needs pcscd and its virtual reader: apt-get install --no-install-recommends pcscd vsmartcard-vpcd")
    if os.geteuid() != 0:
        pytest.skip("pcscd's socket in /run needs root")
    with (Path(tempfile.gettempdir()) / "ehc-edge-pcscd-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_answering():
            pytest.skip("another pcscd runs on this machine: systemctl stop pcscd.socket pcscd.service")
        pcscd = Pcscd(folder)
        try:
            yield pcscd
        finally:
            pcscd.card_slot.pull()
            pcscd.sam_slot.pull()
            pcscd.stop()


def _is_answering() -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(SOCKET))
        except OSError:
            return False
        return True


def _seen_count(reader: str) -> int | None:
    """How many insertions and removals pcscd has seen; None: it does not run, or has not looked yet."""
    try:
        with PcscContext() as context:
            (state,) = context.wait_change([SlotState(reader=reader)], timeout_s=0)
    except ReaderLostError:
        return None
    return state.event_count if state.raw & _STATE_KNOWN else None


def _two_free_ports() -> tuple[int, int]:
    """The driver gives a reader's second slot the next port."""
    for _ in range(_FREE_TRIES):
        with contextlib.suppress(OSError), socket.socket() as first, socket.socket() as second:
            first.bind(("", 0))
            port = int(first.getsockname()[1])
            second.bind(("", port + 1))
            return port, port + 1
    raise RuntimeError("no two free ports in a row")


def _listening_ports() -> set[int]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return {int(row[1].partition(":")[2], 16) for row in rows if row[3] == _LISTENING}


def _wait(condition: Callable[[], bool], *, what: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(what.read_text(encoding="utf-8", errors="replace"))
        time.sleep(0.01)
