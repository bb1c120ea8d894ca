"""A box with its downlink, and a city that answers what it asks: real keys and rules on both sides, no network.

The city here is written out by hand after contracts 5.3 and shares no code with `city.asks`. Time runs fast: whenever
there is nothing to do, seconds pass.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from edge import gm
from edge.city_documents import CityDocuments
from sync import topics
from sync.asking import PIECE_BYTES_MAX, Ask, BlobPiece, Order, OrderKind, Result
from sync.blobs import BlobFetcher
from sync.downlink import Downlink
from sync.order_book import OrderBook
from sync.orders import Orders
from sync.wire import FrameType, decode_frame, encode_frame, encode_unsigned_frame
from tests.support import authority
from tests.support.authority import BEGIN_MS, NODE
from tests.support.keeper_box import KeeperBox
from tests.support.waiting import until


class AskingCity:
    """What a city publishes, and what it answers.

    Attributes:
        roots: The chain.
        documents: Version and bytes by role.
        blobs: By SM3.
        time_ms: Its clock; it stands.
        says_versions: Whether the signed time names them.
        is_silent: Whether it answers nothing.
        asks: What was asked, in order.
        results: What became of orders.
        times: The signed times it gave.
    """

    def __init__(self) -> None:
        self.roots: list[bytes] = [authority.root()]
        self.documents: dict[str, tuple[int, bytes]] = {}
        self.blobs: dict[bytes, bytes] = {}
        self.time_ms = BEGIN_MS
        self.says_versions = True
        self.is_silent = False
        self.asks: list[Ask] = []
        self.results: list[Result] = []
        self.times: list[bytes] = []

    def answer(self, leaf: str, payload: bytes) -> list[tuple[str, bytes]]:
        """What comes down for a frame that went up."""
        if leaf == "result":
            self.results.append(Result.from_payload(payload))
            return []
        ask = Ask.from_payload(payload)
        self.asks.append(ask)
        if self.is_silent:
            return []
        down = [(topics.down(NODE, leaf="doc"), document) for document in (*self._time(ask), *self._documents(ask))]
        return down + self._pieces(ask)

    def asked(self, role: str) -> list[int]:
        """The versions that were asked for, in order."""
        return [ask.docs[role] for ask in self.asks if role in ask.docs]

    def _time(self, ask: Ask) -> list[bytes]:
        if not ask.time:
            return []
        versions = {f"{role}_version": number for role, (number, _) in self.documents.items() if self.says_versions}
        self.times.append(authority.time(self.time_ms, nonce=ask.nonce, **versions))  # type: ignore[arg-type]
        return self.times[-1:]

    def _documents(self, ask: Ask) -> list[bytes]:
        roots = self.roots[ask.docs["root"] - 1 :] if "root" in ask.docs else []
        return roots + [
            document
            for role, (version, document) in self.documents.items()
            if role in ask.docs and version >= ask.docs[role]
        ]

    def _pieces(self, ask: Ask) -> list[tuple[str, bytes]]:
        if ask.fetch is None or ask.fetch.sm3 not in self.blobs:
            return []
        blob, offset = self.blobs[ask.fetch.sm3], ask.fetch.offset
        data = blob[offset : offset + min(ask.fetch.length, PIECE_BYTES_MAX)]
        piece = BlobPiece(node=NODE, sm3=ask.fetch.sm3, offset=offset, total=len(blob), data=data)
        return [(topics.down(NODE, leaf="blob"), encode_unsigned_frame(FrameType.BLOB, piece.to_payload()))]


class LinkedBox:
    """A box, its downlink and what takes from it.

    Attributes:
        box: Keeper, clock, files.
        city: Answers.
        now_s: The monotonic clock.
        pass_s: So much of it passes whenever there is nothing to send.
        hellos: How often a hello was wanted.
    """

    def __init__(self, home: Path, **conditions: Any) -> None:
        self.box = KeeperBox(home, **conditions)
        self.city = AskingCity()
        self.city.blobs = self.box.shelf.blobs
        self.now_s = 0.0
        self.pass_s = 1.0
        self.hellos = 0
        self.restart()

    def restart(self) -> None:
        """The program starts again in the same box; the link is new."""
        self.documents = CityDocuments(keeper=self.box.keeper, timekeeper=self.box.time, say_hello=self._hello)
        self.downlink = Downlink(
            node=NODE,
            blobs=BlobFetcher(self.box.home / "fetching", hash=gm.sm3, bytes_max=1 << 20),
            orders=Orders(
                node=NODE,
                used=OrderBook(self.box.home / "orders"),
                verify=lambda keyid, signed, signature: signature == bytes(64),
                interval=lambda: (self.box.time.now().lo_ms, self.box.time.now().hi_ms),
            ),
            wants=self.documents.wants,
            random_bytes=os.urandom,
            now_b=self.box.boot.now_b_ns,
            monotonic=lambda: self.now_s,
        )
        self.box.keeper.watch(self.downlink.look_again)

    @contextlib.asynccontextmanager
    async def linked(self) -> AsyncIterator[None]:
        """Be connected until the block is left."""
        async with asyncio.TaskGroup() as tasks:
            jobs = [tasks.create_task(job) for job in (self.documents.run(self.downlink), self._carry())]
            try:
                yield
            finally:
                for job in jobs:
                    job.cancel()

    def retain(self, *roles: str) -> None:
        """The broker hands out what is retained."""
        for role in roles:
            document = self.city.roots[-1] if role == "root" else self.city.documents[role][1]
            self.downlink.take(topics.document(role), document, now_s=self.now_s)

    def send(self, document: bytes) -> None:
        """Something is published for this node alone."""
        self.downlink.take(topics.down(NODE, leaf="doc"), document, now_s=self.now_s)

    def order(self, kind: OrderKind, *, number: int = 1) -> bytes:
        """The city gives an order; its id."""
        order = Order(node=NODE, id=number.to_bytes(16, "big"), kind=kind, expires_ms=BEGIN_MS * 2)
        frame = encode_frame(FrameType.ORDER, order.to_payload(), sign=lambda _: bytes(64), keyid=bytes(8))
        assert decode_frame(frame).payload == order.to_payload()
        self.downlink.take(topics.down(NODE, leaf="order"), frame, now_s=self.now_s)
        return order.id

    async def has(self, **versions: int) -> None:
        """Wait until these versions are held."""
        await until(lambda: self.box.keeper.held.have == versions)

    async def settled(self) -> None:
        """Wait until all that came was taken."""
        await until(self._is_idle)

    async def questions(self, count: int) -> None:
        """Wait until so many more questions were asked."""
        before = len(self.city.asks)
        await until(lambda: len(self.city.asks) >= before + count)

    async def _carry(self) -> None:
        self.downlink.connected(self.now_s)
        while True:
            frame = self.downlink.next_frame(self.now_s)
            if frame is None:
                self.now_s += self.pass_s if self._is_idle() else 0
                await asyncio.sleep(0.0005)
                continue
            leaf, _, payload = frame
            for topic, data in self.city.answer(leaf, payload):
                self.downlink.take(topic, data, now_s=self.now_s)

    def _is_idle(self) -> bool:
        waiting = self.downlink._documents or self.downlink._retained
        return not waiting and not self.box.keeper._taking.locked()

    def _hello(self) -> None:
        self.hellos += 1
