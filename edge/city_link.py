"""The way to the city, put together: what the frames say of this node, and what is heard of the clock.

`sync.uplink` delivers and `sync.downlink` fetches; neither knows any cryptography. Here they get the node's key, the
root's receipt and order keys, and the clock; `edge.city_documents` takes what comes down.
"""

import asyncio
import random
import time
from typing import Any, Final

from edge.audit import epoch_audit
from edge.boot import Boot
from edge.city_documents import CityDocuments
from edge.gm import PrivateKey, random_bytes, sm3
from edge.ledger import Ledger, NotSavedError
from edge.settings import Settings, UplinkSettings
from edge.timekeeper import Timekeeper
from edge.transaction import UUID7_RANDOM_BYTES, uuid7
from edge.trust_documents import Root
from edge.trust_keeper import TrustKeeper
from sync.blobs import BlobFetcher
from sync.downlink import Downlink
from sync.errors import StoreError
from sync.greeting import HelloFacts
from sync.ledger import EpochChange
from sync.message import OutboxMessage
from sync.mqtt import Broker, Tls, connect
from sync.order_book import OrderBook
from sync.orders import Orders
from sync.outbox import Outbox
from sync.uplink import LinkState, Uplink

BLOBS_FOLDER: Final = "fetching"
BLOBS_BYTES_MAX: Final = 256 * 1024 * 1024
"""Of blobs on their way, together: the largest roster; a list of a whole province is 16 MiB."""
ORDERS_FILE: Final = "orders.run"

_REFUSED_CAUSES = ("refused_0x", "auth", "tls")  # somebody must mend a certificate, a name or an access list


class CityLink:
    """The uplink of a running node.

    Args:
        configured: The configuration.
        outbox: What is delivered.
        signing: The node's key.
        boot: The kernel's clocks.
        keeper: What is relied on now; takes documents.
        timekeeper: Fed by receipts and signed times.
        ledger: Seals the audit record of a new epoch.
    """

    def __init__(
        self,
        configured: Settings,
        *,
        outbox: Outbox,
        signing: PrivateKey,
        boot: Boot,
        keeper: TrustKeeper,
        timekeeper: Timekeeper,
        ledger: Ledger,
    ) -> None:
        self._node = configured.node.name
        self._boot = boot
        self._keeper = keeper
        self._timekeeper = timekeeper
        self._ledger = ledger
        folder = configured.node.data_dir
        self._documents = CityDocuments(
            keeper=keeper, timekeeper=timekeeper, say_hello=lambda: self._uplink.say_hello()
        )
        self._downlink = Downlink(
            node=self._node,
            blobs=BlobFetcher(folder / BLOBS_FOLDER, hash=sm3, bytes_max=BLOBS_BYTES_MAX),
            orders=Orders(
                node=self._node,
                used=OrderBook(folder / ORDERS_FILE),
                verify=self._verify_order,
                interval=self._interval,
            ),
            wants=self._documents.wants,
            random_bytes=random_bytes,
            now_b=boot.now_b_ns,
            monotonic=time.monotonic,
        )
        broker = _broker(configured.uplink, node=self._node)
        self._uplink = Uplink(
            outbox=outbox,
            connect=lambda: connect(broker, interval=self._interval),
            node=self._node,
            sign=signing.sign,
            keyid=signing.public.keyid,
            verify_receipt=self._verify_receipt,
            facts=self._facts,
            make_audit=self._audit,
            random_bytes=random_bytes,
            random=random.random,
            now_b=boot.now_b_ns,
            on_receipt=timekeeper.hear,
            downlink=self._downlink,
        )
        keeper.watch(self._downlink.look_again)

    async def run(self) -> None:
        """Deliver and fetch for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._uplink.run(), name="uplink")
            tasks.create_task(self._documents.run(self._downlink), name="downlink")

    def ask_early(self) -> None:
        """Ask for newer issuers: a code named one that is not known (contracts 4; at most once in ten minutes)."""
        self._downlink.ask_docs_now({"issuers": self._keeper.held.version_of("issuers") + 1})

    def status(self) -> dict[str, Any]:
        """Return the state of the link in the words of the status page."""
        return link_status(self._uplink.state, monotonic_s=time.monotonic(), wall_ms=self._boot.wall_ms())

    def _interval(self) -> tuple[int, int | None]:
        now = self._timekeeper.now()
        return now.lo_ms, now.hi_ms

    def _verify_receipt(self, keyid: bytes, signed: bytes, signature: bytes) -> bool:
        root = self._keeper.trust.root
        return root is not None and _holds(root, root.receipt_keyids, keyid, signed, signature)  # contracts 5.4

    def _verify_order(self, keyid: bytes, signed: bytes, signature: bytes) -> bool:
        root = self._keeper.trust.root
        role = None if root is None else root.roles.get("config")
        if root is None or role is None or role.threshold != 1:  # a frame has one signature
            return False
        return _holds(root, role.keyids, keyid, signed, signature)

    def _facts(self) -> HelloFacts:
        now, held = self._timekeeper.now(), self._keeper.held
        return HelloFacts(
            boot=self._boot.boot_id,
            boottime_ms=self._boot.boottime_ms(),
            lo_ms=now.lo_ms,
            hi_ms=now.hi_ms,
            have=held.have,
            lists=held.lists,
        )

    async def _audit(self, change: EpochChange) -> OutboxMessage:
        at = self._timekeeper.moment(self._timekeeper.now())
        message_id = uuid7(at.wall_ms, random=random_bytes(UUID7_RANDOM_BYTES))
        try:
            return await self._ledger.seal(epoch_audit(change, message_id=message_id, at=at, node=self._node))
        except NotSavedError as error:
            raise StoreError(error.cause) from error


def _holds(root: Root, keyids: frozenset[bytes], keyid: bytes, signed: bytes, signature: bytes) -> bool:
    """Whether one of those keys of a root made that signature."""
    key = root.keys.get(keyid) if keyid in keyids else None
    return key is not None and key.verify(signed, signature=signature)


def link_status(state: LinkState, *, monotonic_s: float, wall_ms: int) -> dict[str, Any]:
    """Return a link's state in the words of the status page."""
    cause = state.cause or ""
    if state.is_connected:
        word = "connected"
    elif cause.startswith(_REFUSED_CAUSES):
        word = "refused"
    else:
        word = "connecting" if state.next_try_s is None else "offline"
    members: dict[str, Any] = {"state": word}
    if not state.is_connected and state.next_try_s is not None:
        members["next_try_ms"] = wall_ms + max(0, round(1000 * (state.next_try_s - monotonic_s)))
    if not state.is_connected and cause:
        members["cause"] = cause
    if state.trouble is not None:
        members["trouble"] = state.trouble
    return members


def _broker(uplink: UplinkSettings, *, node: str) -> Broker:
    tls = uplink.tls
    secured = Tls(ca=tls.ca, certificate=tls.cert, key=tls.key) if tls.is_given else None
    return Broker(host=uplink.host, port=uplink.port, client_id=node, tls=secured)
