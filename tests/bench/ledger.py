"""Durable appends a second, one by one and grouped, and what one scan writes to the disk.

"Raw" is sqlite3 in a plain loop: the same file settings, the same rows, the same commits, no thread and no loop. A scan
is a sealed record of a valid static card with its line for the screens, appended as `edge.ledger` does it.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from contextlib import AsyncExitStack, closing
from pathlib import Path

from edge.gm import random_bytes, sm3
from sync.message import Note, OutboxMessage, WrappedKey
from sync.outbox import Outbox
from sync.store import PRAGMAS
from tests.bench.turns import rates, report

RATIO_MIN = 0.8  # docs/benchmarks.md
WAL_BYTES_MAX = 6 * 1024
ROUNDS = 15
APPENDS_A_ROUND = 2000
GROUP = 100
# Lengths measured on the demo's records: a valid static card with a name, and its sealed line for the screens.
BODY_BYTES = 190
NOTE_BYTES = 130
KEY_ID = bytes(8)
NODE = "bench"
SCANS = 200  # less than the pages after which the log begins anew
INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?, ?)"


def main() -> None:
    """Print three lines."""
    # Beside the tree, not in a memory file system: syncing is what is measured.
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, asyncio.Runner() as runner:
        path = Path(folder) / "ours.db"
        runner.run(weigh(path))
        stack = AsyncExitStack()
        with closing(raw_copy(path)) as raw:
            outbox = runner.run(stack.enter_async_context(Outbox.open(path, node=NODE, hash=sm3)))
            compare(runner, outbox=outbox, raw=raw, group=1, name="ledger_append_single")
            compare(runner, outbox=outbox, raw=raw, group=GROUP, name="ledger_append_grouped")
            runner.run(stack.aclose())


def compare(runner: asyncio.Runner, *, outbox: Outbox, raw: sqlite3.Connection, group: int, name: str) -> None:
    """Print the rate of appends that wait `group` at a time."""
    placed = raw.execute("SELECT max(k) FROM entry").fetchone()[0] // 16

    def ours(_round: int) -> None:
        runner.run(_append(outbox, group=group))

    def plain(_round: int) -> None:
        nonlocal placed
        for _ in range(APPENDS_A_ROUND // group):
            rows = []
            for message, notes in (scan() for _ in range(group)):
                placed += 1
                rows.append((16 * placed, message.message_id, 1, sm3(message.body), message.body))
                rows += [(16 * placed + 1, note.key, note.expires_at_ms, None, note.body) for note in notes]
            if group == 1:  # one statement is its own transaction
                raw.execute(INSERT + ", (?, ?, ?, ?, ?)", [value for row in rows for value in row])
                continue
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany(INSERT, rows)
            raw.execute("COMMIT")

    our_rate, raw_rate = rates(ours, plain, rounds=ROUNDS, count=APPENDS_A_ROUND)
    report(name, our_rate, "appends/s", ratio=our_rate / raw_rate, budget=RATIO_MIN)


async def weigh(path: Path) -> None:
    """Print how many bytes of log one scan costs, one commit each."""
    async with Outbox.open(path, node=NODE, hash=sm3) as outbox:
        await outbox.add_key(WrappedKey(key_id=KEY_ID, recipient=bytes(8), wrapped=bytes(120)))
        wal = path.with_name(path.name + "-wal")
        before = wal.stat().st_size
        for _ in range(SCANS):
            await outbox.append(*scan())
        report("ledger_scan_wal", (wal.stat().st_size - before) / SCANS, "bytes/scan", budget=WAL_BYTES_MAX)


def scan() -> tuple[OutboxMessage, list[Note]]:
    """A record and its line for the screens, of the usual lengths."""
    message_id = random_bytes(16)
    message = OutboxMessage(message_id=message_id, body=random_bytes(BODY_BYTES), key_id=KEY_ID)
    return message, [Note(key=b"day/" + message_id, expires_at_ms=1_795_485_600_000, body=random_bytes(NOTE_BYTES))]


def raw_copy(path: Path) -> sqlite3.Connection:
    """A copy of the closed outbox, opened plainly with the same settings."""
    raw = sqlite3.connect(shutil.copy(path, path.with_name("raw.db")), isolation_level=None, cached_statements=64)
    for pragma in PRAGMAS:
        raw.execute(f"PRAGMA {pragma}").fetchall()
    return raw


async def _append(outbox: Outbox, *, group: int) -> None:
    """`group` writers at once, as many readers' scans wait together; each waits for its own."""

    async def writer() -> None:
        for _ in range(APPENDS_A_ROUND // group):
            await outbox.append(*scan())

    await asyncio.gather(*(writer() for _ in range(group)))
