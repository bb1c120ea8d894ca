"""What the daemon does beside its work: it survives a bad disk, and does not look alive when it hangs."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from edge import upkeep
from edge.gm import sm3
from edge.settings import StorageSettings
from sync.errors import StoreError
from sync.outbox import Outbox
from sync.pruning import Keep
from tests.support.set_boot import timekeeper_at


async def test_a_disk_that_fails_does_not_stop_pruning_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next hour tries again."""
    tries: list[Keep] = []
    pauses: list[float] = []

    class Broken:
        async def prune(self, keep: Keep) -> None:
            tries.append(keep)
            raise StoreError("no space left")

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr("edge.upkeep.asyncio.sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        await upkeep.prune(
            StorageSettings(),
            outbox=cast(Any, Broken()),
            timekeeper=timekeeper_at(lo_ms=7, hi_ms=None),
        )

    assert pauses == [upkeep.PRUNE_S, upkeep.PRUNE_S]
    assert tries == [Keep(lo_ms=7, keep_ms=30 * 86_400_000, bytes_max=512 * 1_048_576)] * 2


async def test_the_watchdog_starves_when_the_writer_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that cannot store any more must not look alive; one whose disk fails still is."""

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    async def fail(*_: object) -> None:
        raise StoreError("no space left")

    outbox_path = tmp_path / "outbox.db"
    async with Outbox.open(outbox_path, node="n-1", hash=sm3) as outbox:
        assert await upkeep.is_writer_alive(outbox)
        monkeypatch.setattr(upkeep, "WRITER_WAIT_S", 0.01)
        monkeypatch.setattr(outbox, "head", hang)
        assert not await upkeep.is_writer_alive(outbox)
        monkeypatch.setattr(outbox, "head", fail)
        assert await upkeep.is_writer_alive(outbox)
