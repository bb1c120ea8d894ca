"""A whole city on this machine, in real processes: mosquitto with TLS, `ehc-city serve`, `ehc-edge run`, and a scanner.

The scanner is a pseudo-terminal: bytes go through the real serial driver, and the lamp commands of the configuration
come back on it, so that what a person would see is measured from outside. Everything else asks the programs' own doors:
the command line and the Unix socket. Used by `./dev demo` and by the acceptance tests.
"""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.pty_port import PtyPort
from tests.support.sdt_device import PtySdt, SdtDevice

NODE = "370881-0042"
READER = "scanner-1"
ID_READER = "id-1"
START_LIMIT_S = 30.0  # a loaded machine of two cores
STOP_LIMIT_S = 25.0  # five times the 5 s that the daemon promises
SCAN_LIMIT_S = 15.0
HAND_S = 1.0  # between taking one card away and laying down the next; the reader must see that it is gone
# One byte for each feedback, as a lamp on the scanner's line would understand it.
LAMP = {b"A": "accept", b"P": "pending", b"C": "check", b"R": "refuse", b"T": "retry", b"N": "not_saved"}


# The identity-card reader has no lamp: what it would show is what the page says.
_LAMP_OF = {"ACCEPT": "accept", "ACCEPT_PENDING": "pending", "REFUSE": "refuse", "RETRY": "retry"}


class TownError(Exception):
    """A program did not do what it promised within the limit; the text ends with the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What came of one scan.

    Attributes:
        lamp: The feedback that the scanner's lamp showed.
        took_s: From the first byte sent to the lamp's answer.
        entry: The line of the page: id, outcome, reason, carrier, delivery.
    """

    lamp: str
    took_s: float
    entry: dict[str, Any] = field(repr=False)


class Town:
    """The city and its node, in one folder; a context manager that ends every process it started."""

    def __init__(self, folder: Path, *, node: str = NODE, same_act_s: int = 5) -> None:
        self.folder = folder
        self.node = node
        self.home = folder / "city"
        self.trust = folder / "node" / "data" / "trust"
        self.config = folder / "node" / "edge.toml"
        self.socket = folder / "node" / "ctl"
        self.same_act_s = same_act_s
        self.broker_port = free_port()
        self.scanner = PtyPort(folder / "scanner")
        self.id_reader = PtySdt(PtyPort(folder / "id-reader"), make=SdtDevice)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        for path in (self.folder, self.folder / "node", self.folder / "node" / "data"):
            path.mkdir(parents=True, exist_ok=True)
        self._closing.enter_context(self.scanner)
        self.id_reader.plug()
        self._closing.callback(self.id_reader.unplug)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in ("edge", "city", "broker"):
            if name in self._processes:
                self.stop(name)
        self._closing.close()

    def found(self, *, roster: Path) -> None:
        """Make the city, its node's keys and roster, and the node's configuration."""
        self.city("init", "--broker", f"127.0.0.1:{self.broker_port}", "--node", self.node)
        self.city("roster", "import", str(roster), "--node", self.node)
        self.config.write_text(_configuration(self), encoding="utf-8")

    def city(self, *words: str, home: Path | None = None) -> Any:
        """Run one `ehc-city` command; its JSON."""
        command = [sys.executable, "-m", "city", *words, "--json", "--home", str(home or self.home)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise TownError(f"ehc-city {words[0]}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def publish(self) -> None:
        """Sign everything anew and carry it to the node's trust folder, as a USB stick would."""
        self.city("publish", "--to", str(self.trust), "--node", self.node)

    def start_broker(self) -> None:
        """Start mosquitto with the configuration that `ehc-city init` made."""
        self._start("broker", ["mosquitto", "-c", str(self.home / "broker" / "mosquitto.conf")])
        self._wait("broker", "it listens", lambda: can_connect(self.broker_port))

    def start_city(self) -> None:
        """Start the city node; ready when it says so."""
        log = self._start("city", [sys.executable, "-m", "city", "serve", "--home", str(self.home)])
        self._wait("city", "it is ready", lambda: b"ready" in log.read_bytes())

    def start_edge(self, *, wait_for_city: bool = True) -> None:
        """Start the daemon; ready when its reader is open and, unless told otherwise, the city's time is known."""
        self._start("edge", [sys.executable, "-m", "edge", "run", "--config", str(self.config)])
        self._wait("edge", "its readers are open", self._is_open)
        if wait_for_city:
            self._wait("edge", "it hears the city", lambda: self.status()["clock"]["anchored"])

    def stop(self, name: str) -> int:
        """End one program with SIGTERM; its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        try:
            return process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise TownError(f"{name} did not end within {STOP_LIMIT_S:.0f} s{self._log_end(name)}") from None

    def kill(self, name: str) -> None:
        """End one program with SIGKILL: it cannot do anything about it."""
        process = self._processes[name]
        process.send_signal(signal.SIGKILL)
        process.wait()
        del self._processes[name]

    def show(self, text: str) -> Shown:
        """Hold a code before the scanner and wait for the lamp, then for the page's line of it.

        Raises:
            TownError: No lamp, or no line.
        """
        begin = time.monotonic()
        lamp = self.offer(text.encode())
        took_s = time.monotonic() - begin
        if lamp is None:
            raise TownError(f"edge is not running{self._log_end('edge')}")
        return Shown(lamp=lamp, took_s=took_s, entry=self.recent(1)[0])

    def lay(self, card: bytes) -> Shown:
        """Lay an identity card on its reader, wait for the page's line of it, and take it away.

        Args:
            card: The 256 bytes of its text.

        Raises:
            TownError: No line.
        """
        before = [row["id"] for row in self.recent(1)]
        begin = time.monotonic()
        self.id_reader.device.lay(card)
        self._wait(
            "edge", "the card is read", lambda: [row["id"] for row in self.recent(1)] != before, limit_s=SCAN_LIMIT_S
        )
        took_s = time.monotonic() - begin
        self.id_reader.device.take()
        time.sleep(HAND_S)
        entry = self.recent(1)[0]
        return Shown(lamp=_LAMP_OF[entry["outcome"]], took_s=took_s, entry=entry)

    def offer(self, code: bytes) -> str | None:
        """Hold a code before the scanner; the lamp, or None where the daemon dies before it answers."""
        self.scanner.written()
        self.scanner.write(code + b"\r")
        end = time.monotonic() + SCAN_LIMIT_S
        while time.monotonic() < end:
            if answer := self.scanner.written():
                return LAMP[answer[:1]]
            if "edge" not in self._processes:
                return None
            self.scanner.wait_written(timeout_s=0.01)
        raise TownError(f"no lamp within {SCAN_LIMIT_S:.0f} s{self._log_end('edge')}")

    def status(self) -> dict[str, Any]:
        """`GET /api/v1/status` over the Unix socket."""
        answer: dict[str, Any] = self._ask("/api/v1/status")
        return answer

    def recent(self, limit: int = 100) -> list[dict[str, Any]]:
        """The page's lines, newest first."""
        lines: list[dict[str, Any]] = self._ask(f"/api/v1/recent?limit={limit}")["recent"]
        return lines

    def link(self) -> str:
        """A fresh one-time link to the page."""
        link: str = self._ask("/api/v1/link", method="POST")["link"]
        return link

    def records(self) -> list[dict[str, Any]]:
        """What the city has committed of this node, in order."""
        records: list[dict[str, Any]] = self.city("records", "--node", self.node)["records"]
        return records

    def wait_delivered(self, *, limit_s: float = 60.0) -> None:
        """Wait until nothing waits any more."""
        self._wait("edge", "everything is delivered", lambda: self.status()["queue"]["waiting"] == 0, limit_s=limit_s)

    def log(self, name: str) -> Path:
        """Where a program's output goes."""
        return self.folder / f"{name}.log"

    def _start(self, name: str, command: Sequence[str]) -> Path:
        log = self.log(name)
        with log.open("ab") as output:
            # A log of its own for every start, so that "ready" is never an old one's.
            output.truncate(0)
            self._processes[name] = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        return log

    def _wait(self, name: str, what: str, condition: Callable[[], bool], *, limit_s: float = START_LIMIT_S) -> None:
        end = time.monotonic() + limit_s
        while not self._holds(condition):
            if self._processes[name].poll() is not None:
                raise TownError(f"{name} ended before {what}{self._log_end(name)}")
            if time.monotonic() > end:
                raise TownError(f"{name}: not within {limit_s:.0f} s: {what}{self._log_end(name)}")
            time.sleep(0.01)

    def _holds(self, condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except (OSError, http.client.HTTPException):
            return False

    def _is_open(self) -> bool:
        return all(reader["state"] == "ready" for reader in self.status()["readers"])

    def _log_end(self, name: str) -> str:
        text = self.log(name).read_text(errors="replace") if self.log(name).exists() else ""
        return "\n" + "\n".join(text.splitlines()[-15:])

    def _ask(self, path: str, *, method: str = "GET") -> Any:
        connection = _UnixConnection(self.socket)
        try:
            headers = {"Content-Type": "application/json"} if method == "POST" else {}
            connection.request(method, path, body=b"{}" if method == "POST" else None, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.HTTPStatus.OK:
                raise TownError(f"{method} {path}: {answer.status}")
            return json.loads(body)
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP to the daemon's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def free_port() -> int:
    """A loopback port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def can_connect(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _configuration(town: Town) -> str:
    keys = town.home / "nodes" / town.node
    signals = "\n".join(f'{name} = "{byte.hex()}"' for byte, name in LAMP.items())
    return f"""\
[node]
name = "{town.node}"
org = "370881B0042"
dept = "0200"
data_dir = "{town.folder}/node/data"
key_dir = "{keys}"

[trust]
dir = "{town.trust}"

[[readers]]
name = "{READER}"
type = "serial-scanner"

[readers.options]
port = "{town.scanner.link}"

[readers.options.signals]
{signals}

[[readers]]
name = "{ID_READER}"
type = "sdt"

[readers.options]
port = "{town.folder}/id-reader"

[uplink]
enabled = true
host = "127.0.0.1"
port = {town.broker_port}

[uplink.tls]
ca = "ca.pem"
cert = "client.pem"
key = "client.key"

[api]
port = 0

[control]
socket = "{town.socket}"

[intake]
same_act_s = {town.same_act_s}
"""
