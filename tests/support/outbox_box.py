"""An outbox with a key, and messages for it."""

import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from sync.message import Note, OutboxMessage, WrappedKey
from sync.outbox import Outbox
from tests.support.small_city import NODE, sm3

KEY = WrappedKey(key_id=b"key-id-1", recipient=b"city-key", wrapped=b"w" * 120)


def message(number: int, *, size: int = 200, key_id: bytes = KEY.key_id) -> OutboxMessage:
    """The same message for the same number."""
    body = random.Random(number).randbytes(size)
    return OutboxMessage(message_id=number.to_bytes(16, "big"), body=body, key_id=key_id)


def note(number: int, *, expires_at_ms: int = 1_000) -> Note:
    """A note as large as a line of the day view."""
    return Note(key=b"day/%06d" % number, expires_at_ms=expires_at_ms, body=b"n" * 300)


@contextlib.asynccontextmanager
async def opened(folder: Path, *, now_ns: Callable[[], int] = time.monotonic_ns) -> AsyncIterator[Outbox]:
    """The outbox of a folder, with a key the first time."""
    async with Outbox.open(folder / "outbox.db", node=NODE, hash=sm3, now_ns=now_ns) as outbox:
        await outbox.add_key(KEY)
        yield outbox


async def fill(outbox: Outbox, *, first: int = 1, count: int) -> None:
    """Append messages first, first + 1, ... with a note each."""
    for number in range(first, first + count):
        await outbox.append(message(number), [note(number)])
