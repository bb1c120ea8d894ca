"""`ehc-city serve`: the city's end of the broker, for ever: take frames, answer, publish what the authority says.

One process, one connection, one frame at a time; the ingest store has one writer. The broker
may go and come: the link is made again by itself, with jitter, and nothing is lost by it because a frame that was not
answered comes again. Blobs and `up/ask` join `Server._take` in the same way as frames do.
"""

import argparse
import asyncio
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from city.broker import CITY_CLIENT
from city.commands import Result, now_ms
from city.home import CitySettings, Home, home_from
from city.ingest import Ingest
from city.ingest_store import SqliteIngestStore
from city.notices import Notice, Noticeboard
from city.opening import KeyRing
from city.store import CityStoreError
from edge.errors import ConfigError
from edge.gm import PublicKey
from sync import mqtt, topics
from sync.backoff import Backoff
from sync.errors import LinkLostError, MessageRefusedError
from sync.link import Link, in_time

POLL_S = 2.0
"""How often the published folder and the list of nodes are looked at: an operator waits no longer for `publish`."""
RECONNECT_FIRST_S = 0.5
RECONNECT_LAST_S = 10.0
"""There is one city to 6,000 nodes: it comes back soon, they spread themselves."""
DROPPED_SAID_EVERY_S = 60.0
"""A box with a foreign key tries for ever; an operator needs to read of it, not to read of nothing else."""
DROPPED_NODES_MAX = 10_000
"""Names for which drops are counted apart, a kilobyte each at most; a city has 6,000 nodes."""

_DROPPED_WHY = {
    "topic": "主题有误 no topic of ours",
    "type": "类型与主题不符 another type of frame than its topic's",
    "form": "格式有误 malformed",
    "signer": "签名密钥未登记 signed with a key that this city does not know",
    "signature": "签名无效 signature does not verify",
    "node": "报文中的节点与主题不符 made for another node than its topic's",
}

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
        monotonic_s: A clock for how often a thing is said.
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
        self._store = store
        self._connect = connect
        self._say = say
        self._backoff = backoff
        self._sleep = sleep
        self._store_lock = asyncio.Lock()  # one connection, one task at a time
        self._keys: dict[str, Sequence[PublicKey]] = {}
        self._board = Noticeboard(home.published)
        self._monotonic_s = monotonic_s
        self._dropped = DropReport()
        self._ingest = Ingest(
            store=store,
            node_keys=lambda node: self._keys.get(node, ()),
            receipt_key=home.keys.receipt(),
            key_ring=KeyRing(home.keys.decryption()),
        )

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            CityStoreError: The store failed; nothing is answered that was not stored.
        """
        is_told = False
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
        self._board.forget()
        self._look_for_nodes()
        await in_time(link.subscribe(topics.ingest("ingest")))
        await self._publish(link)
        self._say(f"就绪 ready: {len(self._keys)} nodes, ingest store {self._home.ingest_db}")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_all(link), name="city-ingest")
            group.create_task(self._watch(link), name="city-publish")

    async def _take_all(self, link: Link) -> None:
        async for topic, data in link.messages():
            await self._take(link, topic=topic, data=data)
        raise LinkLostError("closed")

    async def _take(self, link: Link, *, topic: str, data: bytes) -> None:
        """One frame: judged and committed in a thread, for the disk must not hold up the link."""
        async with self._store_lock:
            before = self._ingest.dropped
            answer = await asyncio.to_thread(self._ingest.handle, data, topic=topic, now_ms=now_ms())
            dropped = Counter(self._ingest.dropped) - Counter(before)
        if answer is None:
            self._dropped.add(topic, rules=dropped)
            return
        self._backoff.reset()
        for alarm in answer.alarms:
            self._say(f"警告 ALARM {answer.node}: {alarm}")
        await self._send(link, Notice(topic=answer.topic, document=answer.frame, retain=False))
        if answer.hello is not None and (await self._heard()).get(answer.node) is None:
            roster = self._board.roster_for(answer.node, held=answer.hello.have.get("roster", 0))
            if roster is not None:
                await self._send(link, roster)

    async def _watch(self, link: Link) -> None:
        """Publish what changes, know new nodes, and say once in a while what was dropped."""
        while True:
            await self._sleep(POLL_S)
            self._look_for_nodes()
            await self._publish(link)
            for line in self._dropped.lines(self._monotonic_s()):
                self._say(line)

    async def _publish(self, link: Link) -> None:
        for notice in self._board.changes(withheld=await self._heard()):
            await self._send(link, notice)

    async def _heard(self) -> dict[str, int | None]:
        """Nodes heard of, and since when each is suspected to live in two boxes."""
        async with self._store_lock:
            return await asyncio.to_thread(self._store.nodes)

    async def _send(self, link: Link, notice: Notice) -> None:
        try:
            await in_time(link.publish(notice.topic, notice.document, retain=notice.retain))
        except MessageRefusedError as refusal:
            self._say(f"代理拒绝发布 the broker refused a publish (0x{refusal.reason_code:02x}): check its access list")

    def _look_for_nodes(self) -> None:
        try:
            self._keys = {node.name: (node.signing,) for node in self._home.nodes()}
        except ConfigError as exc:
            self._say(f"配置错误，沿用原有节点 configuration, the former nodes stay: {exc}")


class DropReport:
    """Which frames were dropped, by the node of their topic; a node is spoken of once a minute at most."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._unsaid: set[str] = set()
        self._said_s: dict[str, float] = {}

    def add(self, topic: str, *, rules: Mapping[str, int]) -> None:
        """Count frames that came on `topic`, by the rule they broke."""
        place = topics.parse_up(topic)
        node = "?" if place is None else place[0]  # no node's name: nobody's words get into our lines
        if node not in self._counts and len(self._counts) >= DROPPED_NODES_MAX:
            node = "?"
        self._counts.setdefault(node, Counter()).update(rules)
        self._unsaid.add(node)

    def lines(self, now_s: float) -> Iterator[str]:
        """What is to be said now.

        Args:
            now_s: Monotonic seconds.
        """
        for node in sorted(self._unsaid):
            if now_s - self._said_s.get(node, float("-inf")) < DROPPED_SAID_EVERY_S:
                continue
            self._unsaid.remove(node)
            self._said_s[node] = now_s
            counts = sorted(self._counts[node].items())
            rules = "; ".join(f"{rule} {count} ({_DROPPED_WHY.get(rule, rule)})" for rule, count in counts)
            yield f"已丢弃的报文 dropped so far from {node}: {rules}"


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
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _cause(lost: ExceptionGroup[LinkLostError]) -> str:
    causes = {error.cause for error in _leaves(lost)}
    return ", ".join(sorted(causes))


def _leaves(group: BaseExceptionGroup[LinkLostError]) -> list[LinkLostError]:
    found: list[LinkLostError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
