"""A real mosquitto on an ephemeral loopback port, with a configuration of its own.

It keeps nothing on disk: a killed and restarted broker has forgotten everything, which is what the node must survive.
"""

import asyncio
import contextlib
import datetime
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from edge.gm import x509
from sync.mqtt import Tls

START_S = 10.0
STOP_S = 10.0
ACL = """
pattern write ehc/1/%u/up/#
pattern read ehc/1/%u/down/#
pattern read ehc/1/all/doc/#

user city
topic readwrite ehc/1/#
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """A certificate authority and a folder for what it issues."""

    folder: Path
    ca_cert: bytes
    ca_key: bytes
    now: datetime.datetime | None = None

    def issue(self, name: str, *, server_names: tuple[str, ...] = ()) -> Tls:
        """Files of a certificate for a client, or for a server if it has names."""
        cert, key = x509.issue_certificate(
            self.ca_cert, self.ca_key, name, server_names=server_names, client=not server_names, now=self.now
        )
        files = Tls(ca=self.folder / "ca.pem", certificate=self.folder / f"{name}.pem", key=self.folder / f"{name}.key")
        files.certificate.write_bytes(cert)
        files.key.write_bytes(key)
        return files


def make_certificates(folder: Path) -> Certificates:
    """A new authority in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_cert, ca_key = x509.make_ca("test city")
    (folder / "ca.pem").write_bytes(ca_cert)
    return Certificates(folder=folder, ca_cert=ca_cert, ca_key=ca_key)


class Mosquitto:
    """The broker process.

    Args:
        folder: For its configuration and its log; made if missing.
        tls: Its certificate: then clients need one too, and their names are their user names.
        acl: An access list; None allows everything.
        asks_for_certificates: Whether a client over TLS has to show one.
        extra: Further lines of configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tls: Tls | None = None,
        acl: str | None = None,
        asks_for_certificates: bool = True,
        extra: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._tls = tls
        self._acl = acl
        self._asks_for_certificates = asks_for_certificates
        self._extra = extra
        self._process: asyncio.subprocess.Process | None = None
        self.host = "127.0.0.1"
        self.port = _free_port()
        self.log = folder / "mosquitto.log"

    async def start(self) -> None:
        """Start it and wait until it accepts connections."""
        config = self._folder / "mosquitto.conf"
        config.write_text(self._configuration(), encoding="utf-8")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                "mosquitto", "-c", str(config), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        async with asyncio.timeout(START_S):
            while not await self._accepts():
                if self._process.returncode is not None:
                    raise RuntimeError(self.log.read_text(encoding="utf-8"))
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End it as a service manager would."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it without a word."""
        await self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop it as if its machine hung: connections stay and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("not running")
        self._process.send_signal(number)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    def _configuration(self) -> str:
        lines = [
            f"listener {self.port} {self.host}",
            "user root",  # as root it would drop to a user that cannot read the files
            "persistence false",
            "set_tcp_nodelay true",
            "log_dest stderr",
        ]
        if self._tls is not None:
            lines += [
                f"cafile {self._tls.ca}",
                f"certfile {self._tls.certificate}",
                f"keyfile {self._tls.key}",
            ]
        if self._tls is not None and self._asks_for_certificates:
            lines += ["require_certificate true", "use_identity_as_username true"]
        elif "allow_anonymous" not in self._extra:
            lines.append("allow_anonymous true")
        if self._acl is not None:
            acl = self._folder / "acl"
            acl.write_text(self._acl, encoding="utf-8")
            lines.append(f"acl_file {acl}")
        return "\n".join([*lines, self._extra, ""])


@contextlib.asynccontextmanager
async def running_broker(
    folder: Path,
    *,
    tls: Tls | None = None,
    acl: str | None = None,
    asks_for_certificates: bool = True,
    extra: str = "",
) -> AsyncIterator[Mosquitto]:
    """A broker for the length of a block."""
    broker = Mosquitto(folder, tls=tls, acl=acl, asks_for_certificates=asks_for_certificates, extra=extra)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
