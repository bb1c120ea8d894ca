"""The way to the city, put together: what the frames say of this node, and what a heard receipt does to the clock.

`sync.uplink` delivers and knows no cryptography; here it gets the node's key, the root's receipt keys and the clock.
"""

import random
import time
from collections.abc import Callable
from typing import Any

from edge.audit import epoch_audit
from edge.boot import Boot
from edge.gm import PrivateKey, random_bytes
from edge.ledger import Ledger, NotSavedError
from edge.settings import Settings, UplinkSettings
from edge.timekeeper import Timekeeper
from edge.transaction import UUID7_RANDOM_BYTES, uuid7
from edge.trust import TrustSet
from sync.errors import StoreError
from sync.greeting import HelloFacts
from sync.ledger import EpochChange
from sync.message import OutboxMessage
from sync.mqtt import Broker, Tls, connect
from sync.outbox import Outbox
from sync.uplink import LinkState, Uplink

_REFUSED_CAUSES = ("refused_0x", "auth", "tls")  # somebody must mend a certificate, a name or an access list


class CityLink:
    """The uplink of a running node.

    Args:
        configured: The configuration.
        outbox: What is delivered.
        signing: The node's key.
        boot: The kernel's clocks.
        trust: What is relied on now.
        timekeeper: Fed by receipts.
        ledger: Seals the audit record of a new epoch.
    """

    def __init__(
        self,
        configured: Settings,
        *,
        outbox: Outbox,
        signing: PrivateKey,
        boot: Boot,
        trust: Callable[[], TrustSet],
        timekeeper: Timekeeper,
        ledger: Ledger,
    ) -> None:
        self._node = configured.node.name
        self._boot = boot
        self._trust = trust
        self._timekeeper = timekeeper
        self._ledger = ledger
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
        )

    async def run(self) -> None:
        """Deliver for ever."""
        await self._uplink.run()

    def status(self) -> dict[str, Any]:
        """Return the state of the link in the words of the status page."""
        return link_status(self._uplink.state, monotonic_s=time.monotonic(), wall_ms=self._boot.wall_ms())

    def _interval(self) -> tuple[int, int | None]:
        now = self._timekeeper.now()
        return now.lo_ms, now.hi_ms

    def _verify_receipt(self, keyid: bytes, signed: bytes, signature: bytes) -> bool:
        root = self._trust().root
        if root is None or keyid not in root.receipt_keyids:  # contracts 5.4: only a receipt key is heard
            return False
        key = root.keys.get(keyid)
        return key is not None and key.verify(signed, signature=signature)

    def _facts(self) -> HelloFacts:
        now, held = self._timekeeper.now(), self._trust()
        return HelloFacts(
            boot=self._boot.boot_id,
            boottime_ms=self._boot.boottime_ms(),
            lo_ms=now.lo_ms,
            hi_ms=now.hi_ms,
            have=versions_held(held),
            lists=lists_held(held),
        )

    async def _audit(self, change: EpochChange) -> OutboxMessage:
        at = self._timekeeper.moment(self._timekeeper.now())
        message_id = uuid7(at.wall_ms, random=random_bytes(UUID7_RANDOM_BYTES))
        try:
            return await self._ledger.seal(epoch_audit(change, message_id=message_id, at=at, node=self._node))
        except NotSavedError as error:
            raise StoreError(error.cause) from error


def versions_held(held: TrustSet) -> dict[str, int]:
    """Return the version of each document that is held, by role."""
    documents = {"root": held.root, "issuers": held.issuers, "status": held.status}
    versions = {role: document.version for role, document in documents.items() if document is not None}
    return versions if held.roster is None else versions | {"roster": held.roster.manifest.version}


def lists_held(held: TrustSet) -> dict[str, int]:
    """Return the version of each list that is good on disk, hashed ones too."""
    if held.status is None:
        return {}
    lists = {name: info.version for name, info in held.status.lists.items() if name in held.lists}
    return lists | {name: info.version for name, info in held.status.hashed.items() if name in held.hashed}


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
