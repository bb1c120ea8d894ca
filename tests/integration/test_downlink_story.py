"""A node and its city over a real broker with TLS: what the city says today, the desk does today, and keeps doing.

City, broker and node are the real ones; city and node run in the test's own process, the scanner is a pseudo-terminal.
"""

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from city import serve
from city.commands import now_ms
from city.ingest_store import SqliteIngestStore
from edge import control
from sync.backoff import Backoff
from tests.support.city_cli import NODE, ROSTER, City
from tests.support.daemon import Daemon, running
from tests.support.pty_port import PtyPort
from tests.support.town import can_connect, free_port
from tests.support.waiting import LIMIT_S, STEP_S

IN_ROSTER = "A" * 64


class Place:
    """A city's folder, its broker, and a node that was given its keys and the first root, and nothing else."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.city = City(folder / "city", capsys)
        self.city("init", "--node", NODE, "--broker", f"127.0.0.1:{self.port}")
        self.city("roster", "import", str(ROSTER), "--node", NODE)
        self.city("publish")
        self.trust = folder / "data" / "trust"
        self.trust.mkdir(parents=True)
        shutil.copy(self.city.folder / "published" / "root.1.json", self.trust)
        self.scanner = PtyPort(folder / "scanner-1")

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Broker and city are there until the block is left."""
        broker = await asyncio.create_subprocess_exec(
            "mosquitto",
            "-c",
            str(self.city.home.broker / "mosquitto.conf"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(LIMIT_S):
                while not can_connect(self.port):
                    await asyncio.sleep(STEP_S)
            home = self.city.home
            with SqliteIngestStore(home.ingest_db, now_ms=now_ms()) as store:
                server = serve.Server(
                    home,
                    store=store,
                    connect=serve._connector(home.settings(), tls=home.tls),
                    say=lambda _: None,
                    backoff=Backoff(random=random.random, first_s=0.05, last_s=0.1),
                )
                serving = asyncio.create_task(server.run())
                try:
                    yield
                finally:
                    serving.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await serving
        finally:
            broker.terminate()
            await broker.wait()

    @contextlib.asynccontextmanager
    async def node(self) -> AsyncIterator["Desk"]:
        """The node runs until the block is left."""
        async with running(self.folder, toml=self._configuration()) as daemon:
            await daemon.ready()
            yield Desk(daemon, scanner=self.scanner, socket_path=self.folder / "ctl")

    def _configuration(self) -> str:
        keys = self.city.folder / "nodes" / NODE
        return (
            f'[node]\nname = "{NODE}"\norg = "o"\ndata_dir = "{self.folder}/data"\nkey_dir = "{keys}"\n'
            f'[api]\nport = 0\n[control]\nsocket = "{self.folder}/ctl"\n[intake]\nsame_act_s = 0\n'
            f'[uplink]\nenabled = true\nhost = "127.0.0.1"\nport = {self.port}\n'
            '[uplink.tls]\nca = "ca.pem"\ncert = "client.pem"\nkey = "client.key"\n'
            f'[[readers]]\nname = "scanner-1"\ntype = "serial-scanner"\noptions.port = "{self.scanner.link}"\n'
        )


class Desk:
    """A running node and its scanner."""

    def __init__(self, daemon: Daemon, *, scanner: PtyPort, socket_path: Path) -> None:
        self._daemon = daemon
        self._scanner = scanner
        self._socket_path = socket_path

    async def show(self, code: str) -> str:
        """Hold a code before the scanner; the reason."""
        before = {row["id"] for row in await self._daemon.recent()}
        self._scanner.write(code.encode() + b"\r")
        async with asyncio.timeout(LIMIT_S):
            while (newest := (await self._daemon.recent())[:1]) == [] or newest[0]["id"] in before:
                await asyncio.sleep(STEP_S)
        reason: str = newest[0]["reason"]
        return reason

    async def trust(self) -> dict[str, Any]:
        """All that it holds, as ``ehc-edge trust show`` asks for it."""
        answer: dict[str, Any] = await asyncio.to_thread(control.get, "/api/v1/trust", socket_path=self._socket_path)
        return answer

    async def versions(self) -> dict[str, int]:
        """What it holds, by role."""
        trust = await self.trust()
        return {role: trust[role]["version"] for role in ("root", "issuers", "status", "roster") if role in trust}

    async def status(self) -> dict[str, Any]:
        """How it is."""
        return await self._daemon.status()

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something that has to be asked for."""
        async with asyncio.timeout(LIMIT_S):
            while not await condition():
                await asyncio.sleep(STEP_S)

    async def holds(self, **versions: int) -> None:
        """Wait until it holds exactly these, and knows the time."""

        async def is_there() -> bool:
            return await self.versions() == versions and bool((await self.status())["clock"]["anchored"])

        await self.until(is_there)


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A city and a node, neither of them running yet; the city looks at its folder often."""
    monkeypatch.setattr(serve, "POLL_S", 0.05)
    place = Place(tmp_path, capsys)
    with place.scanner:
        yield place


async def test_a_card_that_is_revoked_today_is_refused_today_and_ever_after(place: Place, tmp_path: Path) -> None:
    """Without a restart, then offline after one, then with its cache deleted and last week's lists on a stick."""
    good, card = place.city("card", "issue"), place.city("card", "issue")
    place.city("publish", "--to", str(tmp_path / "old"), "--node", NODE)
    async with place.open(), place.node() as desk:
        await desk.holds(root=1, issuers=3, status=3, roster=3)
        trust = await desk.trust()
        assert (trust["rung"], trust["problems"]) == ("FRESH", [])
        assert all(found["good"] for found in trust["status"]["lists"] + trust["status"]["hashed"])
        assert [await desk.show(code) for code in (good["code"], card["code"], IN_ROSTER)] == [
            "VALID",
            "VALID",
            "ROSTER_MATCH",
        ]

        place.city("card", "revoke", card["ref"])
        place.city("publish")
        await desk.holds(root=1, issuers=4, status=4, roster=4)

        assert [await desk.show(code) for code in (good["code"], card["code"])] == ["VALID", "REVOKED"]

    async with place.node() as desk:  # nobody answers
        assert await desk.versions() == {"root": 1, "issuers": 4, "status": 4, "roster": 4}
        assert [await desk.show(code) for code in (card["code"], good["code"], IN_ROSTER)] == [
            "REVOKED",
            "VALID_STALE",
            "ROSTER_MATCH",
        ]

    shutil.rmtree(tmp_path / "data" / "trust-cache")
    shutil.rmtree(place.trust)
    shutil.copytree(tmp_path / "old", place.trust)
    async with place.node() as desk:
        assert await desk.versions() == {"root": 1}
        assert (await desk.trust())["floors"] == {"root": 1, "issuers": 4, "status": 4, "roster": 4}
        assert await desk.show(card["code"]) == "UNKNOWN_ISSUER"

    async with place.open(), place.node() as desk:
        await desk.holds(root=1, issuers=4, status=4, roster=4)
        assert [await desk.show(code) for code in (card["code"], good["code"])] == ["REVOKED", "VALID"]
        assert (await desk.trust())["problems"] == []


async def test_a_rotated_root_and_an_order_reach_a_running_node(place: Place) -> None:
    """Two rotations in a row, all keys new: the node follows step by step; told to forget its roster, it does."""
    card = place.city("card", "issue")
    place.city("publish")
    async with place.open(), place.node() as desk:
        await desk.holds(root=1, issuers=3, status=3, roster=3)

        for _ in range(2):
            place.city("root", "rotate", "--replace", "status", "--replace", "time", "--replace", "issuers")
        place.city("publish")
        place.city("card", "revoke", card["ref"])
        place.city("publish")

        async def is_refused() -> bool:
            trust = await desk.trust()
            return trust["root"]["version"] == 3 and not trust["former"] and await desk.show(card["code"]) == "REVOKED"

        await desk.until(is_refused)
        assert (await desk.status())["clock"]["anchored"]

        place.city("order", NODE, "forget_roster")

        async def is_forgotten() -> bool:
            return "roster" not in await desk.versions()

        await desk.until(is_forgotten)

        async def is_answered() -> bool:
            return [row["state"] for row in place.city("order", "--list")["orders"]] == ["done"]

        await desk.until(is_answered)
        assert await desk.show(IN_ROSTER) == "PENDING_CITY"
