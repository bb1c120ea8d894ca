"""An uplink between an outbox and a small city, over any broker."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from sync import topics
from sync.downlink import Downlink
from sync.errors import LinkLostError
from sync.greeting import HelloFacts
from sync.ledger import EpochChange
from sync.link import Link, messages
from sync.message import OutboxMessage
from sync.outbox import Outbox
from sync.session import Session
from sync.uplink import Uplink
from tests.support.outbox_box import message
from tests.support.small_city import NODE, NODE_KEYID, SmallCity, node_sign, verify_receipt

Connect = Callable[[], AbstractAsyncContextManager[Link]]
FIRST_AUDIT = 1_000_000


@dataclass(kw_only=True)
class Heard:
    """What the uplink told the rest of the node."""

    receipts: list[tuple[int, int, int]] = field(default_factory=list)
    changes: list[EpochChange] = field(default_factory=list)


def make_uplink(
    outbox: Outbox, *, connect: Connect, heard: Heard, session: Session | None = None, downlink: Downlink | None = None
) -> Uplink:
    """An uplink with a boot time that grows with every look."""
    boottime = iter(range(1, 1_000_000))

    async def make_audit(change: EpochChange) -> OutboxMessage:
        heard.changes.append(change)
        return message(FIRST_AUDIT + len(heard.changes))

    return Uplink(
        outbox=outbox,
        connect=connect,
        node=NODE,
        sign=node_sign,
        keyid=NODE_KEYID,
        verify_receipt=verify_receipt,
        facts=lambda: HelloFacts(boot=b"b" * 16, boottime_ms=next(boottime), lo_ms=1),
        make_audit=make_audit,
        random_bytes=secrets.token_bytes,
        random=random.Random(1).random,
        on_receipt=lambda *times: heard.receipts.append(times),
        session=session,
        downlink=downlink,
    )


async def serve(city: SmallCity, *, connect: Connect) -> None:
    """Answer for ever, over one connection after the other."""
    while True:
        with contextlib.suppress(LinkLostError):
            async with connect() as link:
                await link.subscribe(topics.up(NODE, leaf="#"))
                async for topic, payload in messages(link):
                    for answer in city.answers(topic, payload):
                        link.send(*answer)
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(*jobs: AsyncIterator[None]) -> AsyncIterator[None]:
    """Coroutines for the length of a block; one that fails ends it."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
