"""The daemon in the test's own process: a whole node on loopback, with scanners on pseudo-terminals."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge import app, control
from edge.messages import Language, load
from edge.settings import parse
from tests.support.waiting import LIMIT_S, STEP_S

NODE = "370881-0042"


def configuration(folder: Path, *, readers: tuple[str, ...] = (), extra: str = "", allow_test_keys: bool = True) -> str:
    """TOML of a node whose everything lies below `folder`; scanner NAME is ``folder/NAME``."""
    text = (
        f'[node]\nname = "{NODE}"\norg = "o"\ndata_dir = "{folder}/data"\nkey_dir = "{folder}/keys"\n'
        f"allow_test_keys = {str(allow_test_keys).lower()}\n"
        f'[api]\nport = 0\n[control]\nsocket = "{folder}/ctl"\n'
    )
    for name in readers:
        text += f'[[readers]]\nname = "{name}"\ntype = "serial-scanner"\noptions.port = "{folder}/{name}"\n'
    return text + extra


class Daemon:
    """A running node as its command line sees it."""

    def __init__(self, folder: Path, *, task: asyncio.Task[int], said: list[dict[str, str]]) -> None:
        self.task = task
        self.said = said
        self._socket = folder / "ctl"

    async def get(self, path: str) -> Any:
        """Ask over the Unix socket."""
        return await asyncio.to_thread(control.get, path, socket_path=self._socket)

    async def status(self) -> dict[str, Any]:
        """How the node is."""
        answer: dict[str, Any] = await self.get("/api/v1/status")
        return answer

    async def recent(self) -> list[dict[str, Any]]:
        """The last verdicts, newest first."""
        answer: list[dict[str, Any]] = (await self.get("/api/v1/recent"))["recent"]
        return answer

    async def recent_of(self, count: int) -> list[dict[str, Any]]:
        """The same, as soon as there are so many."""
        async with asyncio.timeout(LIMIT_S):
            while len(found := await self.recent()) < count:
                await asyncio.sleep(STEP_S)
        return found

    async def ready(self) -> None:
        """Return as soon as every reader is open: what is sent before that is lost, as with a real scanner."""
        async with asyncio.timeout(LIMIT_S):
            while any(reader["state"] != "ready" for reader in (await self.status())["readers"]):
                await asyncio.sleep(STEP_S)

    async def stop(self) -> int:
        """Tell it to stop as systemd does; its exit code."""
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            return await self.task


@asynccontextmanager
async def running(folder: Path, *, toml: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Daemon]:
    """Run a node until the block is left; it is up when the block begins."""
    said: list[dict[str, str]] = []

    def say(event: str, /, **members: str) -> None:
        said.append({"event": event, **members})

    task = asyncio.create_task(
        app.run(parse(toml.encode()), messages=load(Language.EN), say=say, environment=dict(environment or {})),
        name="daemon under test",
    )
    daemon = Daemon(folder, task=task, said=said)
    try:
        async with asyncio.timeout(LIMIT_S):
            while len(said) < 2 and not task.done():
                await asyncio.sleep(STEP_S)
        if task.done():
            task.result()
        yield daemon
    finally:
        if not task.done():
            await daemon.stop()
