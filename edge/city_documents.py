"""What the city sends down, taken at its own pace: documents, blobs, orders (contracts 3, 5.3).

`sync.downlink` fetches and knows no meaning; `edge.trust_keeper` decides and knows no network. Here what the one lacks
is asked of the other. A document whose blobs are not there yet waits for them, the newest of each role.
"""

import asyncio
import logging
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never

from edge import dsse, gm, trust
from edge.errors import TrustError
from edge.fault import describe
from edge.members import Members
from edge.timekeeper import Timekeeper
from edge.trust_documents import Blob, SignedTime
from edge.trust_held import DOCUMENT_ROLES, Buffer, Missing, RootMissingError, Step
from edge.trust_keeper import Offer, Source, TrustKeeper
from sync.asking import Order, OrderKind
from sync.blobs import FinishedBlob
from sync.downlink import Document, Downlink

FAILED: Final = "failed"
"""An order was run and failed; unlike `store` of `sync.orders`, which says that it was not run."""

_ALL: Final = ("root", *DOCUMENT_ROLES)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A document that is good and waits for its blobs.

    Attributes:
        document: As it came.
        version: Its own.
        blobs: What is missing, as far as is known.
        named: SM3 of all that it ever missed: another way to a list may need what was fetched for the first one.
    """

    document: Document
    version: int
    blobs: tuple[Blob, ...]
    named: frozenset[bytes]


class CityDocuments:
    """Takes what comes down.

    Args:
        keeper: Decides about documents.
        timekeeper: Fed by verified times.
        say_hello: Makes the uplink say hello soon.
    """

    def __init__(
        self,
        *,
        keeper: TrustKeeper,
        timekeeper: Timekeeper,
        say_hello: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._timekeeper = timekeeper
        self._say_hello = say_hello
        self._newer: dict[str, int] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._fetched: dict[bytes, Buffer] = {}

    def wants(self) -> Mapping[str, int]:
        """The lowest version of each document that would help now, by role (`sync.downlink`)."""
        held = self._keeper.held
        if not held.chain:  # a node that lost its cache knows the root it was born with by its SM3
            return {} if held.born_sm3 is None else {"root": 1}
        newer = dict(self._newer)
        if held.trust.status is not None:  # contracts 3.3: a minimum that starts a fetch
            newer["issuers"] = max(newer.get("issuers", 0), held.trust.status.issuers_version)
        return {
            role: held.have.get(role, 0) + 1 if role == "root" else version
            for role, version in newer.items()
            if version > held.have.get(role, 0)
        }

    def from_held(self) -> Mapping[str, int]:
        """The version above the one held, of every role: what to ask for when nobody knows what there is."""
        have = self._keeper.held.have
        return {role: have.get(role, 0) + 1 for role in _ALL}

    async def run(self, downlink: Downlink) -> None:
        """Take what comes, for ever."""
        arrived = asyncio.Event()
        downlink.watch_arrivals(arrived.set)
        while True:
            arrived.clear()
            arrival = downlink.next_arrival()
            match arrival:
                case None:
                    await arrived.wait()
                case Document():
                    await self._take(arrival, downlink=downlink)
                case FinishedBlob():
                    await self._take_blob(arrival, downlink=downlink)
                case Order():
                    downlink.finish_order(arrival, error=await self._obey(arrival, downlink=downlink))
                case _:
                    assert_never(arrival)

    async def _take(self, document: Document, *, downlink: Downlink) -> None:
        role = document.role or _role_of(document.data)
        offer = Offer(
            source=Source.CITY, name=role or "document", role=role, blob=self._blob, nonces=downlink.time_nonces()
        )
        before = self._keeper.held.have
        match await self._keeper.take(document.data, offer=offer):
            case Missing() as missing:
                self._wait(document, name=offer.name, missing=missing)
                self._want_blobs(downlink)
            case RootMissingError() as refusal:
                self._newer["root"] = refusal.wanted
                downlink.look_again()
            case Step() as step:
                waiting_one = self._waiting.get(offer.name)
                if waiting_one is not None and self._keeper.held.version_of(offer.name) >= waiting_one.version:
                    del self._waiting[offer.name]  # it, or a newer one, needs nothing more
                    self._want_blobs(downlink)
                if step.time is not None:
                    self._hear(step.time, heard_b=document.heard_b, downlink=downlink)
                if self._keeper.held.have != before:
                    self._after_change(before, downlink=downlink)
            case TrustError():  # the keeper has told the operator
                if offer.name in self._waiting and self._waiting[offer.name].document is document:
                    del self._waiting[offer.name]
            case unknown:
                assert_never(unknown)

    def _wait(self, document: Document, *, name: str, missing: Missing) -> None:
        """Keep a document that waits, unless a newer one does: an older one may be replayed meanwhile."""
        version, former = _version_of(document.data), self._waiting.get(name)
        if former is not None and former.version > version:
            return
        named = frozenset(one.sm3 for one in missing.blobs)
        if former is not None and former.version == version:
            named |= former.named
        self._waiting[name] = _Waiting(document=document, version=version, blobs=missing.blobs, named=named)
        for one in missing.blobs:  # one that was fetched and went bad since is fetched again
            self._fetched.pop(one.sm3, None)

    def _after_change(self, before: Mapping[str, int], *, downlink: Downlink) -> None:
        held = self._keeper.held
        if held.have.get("root") != before.get("root"):
            self._waiting.clear()  # it may not vouch for them, and its versions may begin anew (contracts 3.1)
            self._want_blobs(downlink)
            downlink.ask_docs(self.from_held())  # what the new root vouches for
        downlink.look_again()

    async def _take_blob(self, blob: FinishedBlob, *, downlink: Downlink) -> None:
        """A blob is whole: whatever waited for it is offered again."""
        try:
            self._fetched[blob.sm3] = await asyncio.to_thread(_mapped, blob.path)
        except (OSError, ValueError) as fault:  # ValueError: nothing is left of it
            _log.error("a blob that was fetched cannot be read: %s", describe(fault))
            # Its documents are asked for again, ever more seldom, and with them the blob.
            self._waiting = {
                name: waiting
                for name, waiting in self._waiting.items()
                if all(one.sm3 != blob.sm3 for one in waiting.blobs)
            }
        for waiting in list(self._waiting.values()):
            if all(one.sm3 in self._fetched for one in waiting.blobs):
                await self._take(waiting.document, downlink=downlink)
        self._want_blobs(downlink)

    def _want_blobs(self, downlink: Downlink) -> None:
        wanted = {one.sm3: one.length for waiting in self._waiting.values() for one in waiting.blobs}
        named = frozenset[bytes]().union(*(waiting.named for waiting in self._waiting.values()))
        self._fetched = {sm3: data for sm3, data in self._fetched.items() if sm3 in named}
        # What is here makes room for the rest; the bytes of a mapped file outlive its name.
        downlink.want_blobs({sm3: length for sm3, length in wanted.items() if sm3 not in self._fetched})

    def _blob(self, wanted: Blob) -> Buffer | None:
        if wanted.sm3 == gm.sm3(b""):  # a list of nothing: no city sends a piece of it
            return b""
        return self._fetched.get(wanted.sm3) or self._keeper.blob(wanted)

    def _hear(self, signed: SignedTime, *, heard_b: int, downlink: Downlink) -> None:
        """One nonce, one answer: it moves the clock, and says what there is (contracts 3.4, 4)."""
        sent_b = downlink.answered(signed.nonce)
        if sent_b is None:
            return
        self._timekeeper.hear(signed.time_ms, sent_b, heard_b)
        versions = {"issuers": signed.issuers_version, "status": signed.status_version, "roster": signed.roster_version}
        self._newer.update(versions)
        downlink.look_again()

    async def _obey(self, order: Order, *, downlink: Downlink) -> str | None:
        """Run an order; None: it was done."""
        match order.kind:
            case OrderKind.FETCH:
                downlink.ask_docs(self.from_held())
            case OrderKind.HELLO:
                self._say_hello()
            case OrderKind.FORGET_ROSTER:
                if self._waiting.pop("roster", None) is not None:  # the one on its way, too
                    self._want_blobs(downlink)
                try:
                    await self._keeper.forget_roster()
                except TrustError:
                    return FAILED
            case _:
                assert_never(order.kind)
        return None


def _role_of(data: bytes) -> str | None:
    """What a document says it is; None: it is none, which the keeper will say."""
    try:
        return trust.role_of(data)
    except TrustError:
        return None


def _version_of(data: bytes) -> int:
    """The version of a document whose signature holds."""
    return Members(dsse.strict_json(dsse.parse(data, size_max=trust.DOCUMENT_BYTES_MAX).payload)).integer("version")


def _mapped(path: Path) -> Buffer:
    """The bytes of a file, which need no memory of their own and outlive its name."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
