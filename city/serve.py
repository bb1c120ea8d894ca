"""`ehc-city serve`: the city's end of the broker, for ever: take frames, answer, publish what the authority says.

One process, one connection, one frame at a time, and nodes take turns; the ingest store has one writer. The broker may
go and come: the link is made again by itself, with jitter, and nothing is lost by it because a frame that was not
answered comes again.
"""

import argparse
import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from city.broker import CITY_CLIENT
from city.commands import Result, now_ms
from city.desk import Desk, Reaction
from city.drops import DropReport
from city.home import CitySettings, Home, home_from
from city.ingest_store import SqliteIngestStore
from city.notices import Notice
from city.store import CityStoreError
from city.terminal import write_lines
from city.turns import Turns
from sync import mqtt, topics, wire
from sync.backoff import Backoff
from sync.errors import LinkLostError, MessageRefusedError
from sync.link import Link, in_time, messages

POLL_S = 2.0
"""How often the city's folder is looked at: an operator waits no longer for `publish` or `order`."""
RECONNECT_FIRST_S = 0.5
RECONNECT_LAST_S = 10.0
"""There is one city to 6,000 nodes: it comes back soon, they spread themselves."""

Say = Callable[[str], None]
Sleep = Callable[[float], Awaitable[None]]
Connect = Callable[[], AbstractAsyncContextManager[Link]]


class Server:
    """Serves one city over links that come and go.

    Args:
        home: The city's folder.
        store: The open ingest store.
        connect: Makes a link.
        say: Takes lines for the operator, none of them with personal data.
        backoff: How long to wait for the next link.
        sleep: Waits.
        monotonic_s: A clock for how often a thing is said and how much a node may fetch.

    Raises:
        AuthorityError: A key is not here.
        ConfigError: There is no city here, or its root is damaged.
    """

    def __init__(
        self,
        home: Home,
        *,
        store: SqliteIngestStore,
        connect: Connect,
        say: Say,
        backoff: Backoff,
        sleep: Sleep = asyncio.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = home
        self._connect = connect
        self._say = say
        self._backoff = backoff
        self._sleep = sleep
        self._monotonic_s = monotonic_s
        self._dropped = DropReport()
        self._desk = Desk(home, store=store, now_ms=now_ms, monotonic_s=monotonic_s)
        # One thread, for a wait that is cancelled leaves its work running: what comes next waits behind it.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="city-desk")

    async def run(self) -> None:
        """Serve until cancelled; what is being committed then is committed first. A server runs once.

        Raises:
            CityStoreError: The store failed; nothing is answered that was not stored.
        """
        is_told = False
        with self._thread:
            while True:
                try:
                    async with self._connect() as link:
                        is_told = False
                        await self._serve(link)
                except* LinkLostError as lost:
                    if not is_told:
                        self._say(f"连接中断，自动重连 link lost ({_cause(lost)}), connecting again")
                    is_told = True
                await self._sleep(self._backoff.next_s())

    async def _serve(self, link: Link) -> None:
        await in_time(link.subscribe(topics.ingest("ingest")))
        await self._react(link, await self._at_desk(self._desk.begin))
        self._say(f"就绪 ready: {self._desk.node_count} nodes, ingest store {self._home.ingest_db}")
        inbox = _Inbox()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(link, inbox=inbox), name="city-read")
            group.create_task(self._take_all(link, inbox=inbox), name="city-ingest")
            group.create_task(self._watch(link), name="city-publish")

    async def _read(self, link: Link, *, inbox: "_Inbox") -> None:
        """Let every message wait for its node's turn; while too much waits, the broker keeps the rest."""
        async for topic, data in messages(link):
            node, _ = topics.parse_up(topic) or ("", "")
            turn_of = node if self._desk.knows(node) else ""  # strangers share one turn
            if len(data) > wire.FRAME_BYTES_MAX:
                self._dropped.add(topic, rules={"form": 1})
            elif not inbox.put(turn_of, topic=topic, data=data):
                self._dropped.add(topic, rules={"busy": 1})
            await inbox.has_room()

    async def _take_all(self, link: Link, *, inbox: "_Inbox") -> None:
        """One frame after another: judged and committed in the thread, for the disk must not hold up the link."""
        while True:
            topic, data = await inbox.take()
            reaction = await self._at_desk(partial(self._desk.handle, data, topic=topic))
            if reaction.dropped:
                self._dropped.add(topic, rules=reaction.dropped)
            else:
                self._backoff.reset()
            await self._react(link, reaction)

    async def _watch(self, link: Link) -> None:
        """Publish what changes, know new nodes, and say once in a while what was dropped."""
        while True:
            await self._sleep(POLL_S)
            await self._react(link, await self._at_desk(self._desk.look))
            for line in self._dropped.lines(self._monotonic_s()):
                self._say(line)

    async def _react(self, link: Link, reaction: Reaction) -> None:
        for line in reaction.lines:
            self._say(line)
        for notice in reaction.notices:
            await self._send(link, notice)

    async def _at_desk(self, work: Callable[[], Reaction]) -> Reaction:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _send(self, link: Link, notice: Notice) -> None:
        try:
            await in_time(link.publish(notice.topic, notice.document, retain=notice.retain))
        except MessageRefusedError as refusal:
            self._say(f"代理拒绝发布 the broker refused a publish (0x{refusal.reason_code:02x}): check its access list")


class _Inbox:
    """Turns, with waiting: for a frame, and for room."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._is_filled = asyncio.Event()
        self._has_room = asyncio.Event()

    def put(self, node: str, *, topic: str, data: bytes) -> bool:
        """Let a frame wait; False if it was dropped."""
        self._is_filled.set()
        return self._turns.put(node, topic=topic, data=data)

    async def take(self) -> tuple[str, bytes]:
        """Topic and data of the frame whose turn it is."""
        while (frame := self._turns.take()) is None:
            self._is_filled.clear()
            await self._is_filled.wait()
        self._has_room.set()
        return frame

    async def has_room(self) -> None:
        """Wait until more may be read."""
        while self._turns.is_full:
            self._has_room.clear()
            await self._has_room.wait()


def serve(args: argparse.Namespace) -> Result:
    """``serve``: until SIGTERM or Ctrl-C, then exit code 0.

    Raises:
        CityBusyError: Another one runs on this folder.
    """
    home = home_from(args.home)
    settings = home.settings()
    try:
        with SqliteIngestStore(home.ingest_db, now_ms=now_ms()) as store:
            backoff = Backoff(random=random.SystemRandom().random, first_s=RECONNECT_FIRST_S, last_s=RECONNECT_LAST_S)
            connect = _connector(settings, tls=home.tls)
            server = Server(home, store=store, connect=connect, say=_say, backoff=backoff)
            asyncio.run(_until_told(server))
    except ExceptionGroup as group:
        if group.subgroup(CityStoreError) is None:
            raise
        raise CityStoreError("the ingest store failed; nothing was answered that was not stored") from group
    return Result(members={"stopped": True}, lines=["已停止 stopped"])


def _connector(settings: CitySettings, *, tls: Path) -> Connect:
    """Links to the city's broker under the city's certificate; here the machine's clock is the time."""
    broker = mqtt.Broker(
        host=settings.broker_host,
        port=settings.broker_port,
        client_id=CITY_CLIENT,
        tls=mqtt.Tls(ca=tls / "ca.pem", certificate=tls / "city.pem", key=tls / "city.key"),
    )
    return lambda: mqtt.connect(broker, interval=lambda: (now_ms(), now_ms()))


async def _until_told(server: Server) -> None:
    """Serve until SIGTERM or Ctrl-C; a frame that is being committed is committed first."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.run(), name="city-serve")
        await told.wait()
        serving.cancel()


def _say(line: str) -> None:
    write_lines([line])


def _cause(lost: ExceptionGroup[LinkLostError]) -> str:
    causes = {error.cause for error in _leaves(lost)}
    return ", ".join(sorted(causes))


def _leaves(group: BaseExceptionGroup[LinkLostError]) -> list[LinkLostError]:
    found: list[LinkLostError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
