"""A node's desk over a real outbox file: scans become records, and a city opens what was delivered."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from city.ingest import Ingest
from city.ingest_store import SqliteIngestStore
from city.opening import KeyRing, members_of
from drivers.reader import Feedback
from drivers.reading import Reading
from edge.classify import DEFAULT_TABLE
from edge.day_view import DayView
from edge.gm import random_bytes, sm3
from edge.intake import Intake, Origin, Verifier
from edge.ledger import Ledger
from edge.machine_key import derive
from edge.replay import ReplayCache
from edge.seal import Sealer
from edge.timekeeper import Timekeeper
from edge.transaction import Step
from edge.trust import TrustSet
from edge.verdict import Reason
from sync import topics, wire
from sync.greeting import make_batch
from sync.outbox import Outbox
from tests.support import vectors
from tests.support.set_boot import SetBoot

NODE = "370881-0042"
S = 10**9


class _Lamp:
    async def signal(self, feedback: Feedback, *, entry: object) -> None:
        """Nobody looks."""


class StoryDesk:
    """One run of a node's program; made by `running`.

    Attributes:
        outbox: Where records are.
        intake: Takes scans.
        verifier: Judges them.
    """

    def __init__(self, outbox: Outbox, *, intake: Intake, verifier: Verifier) -> None:
        self.outbox = outbox
        self.intake = intake
        self.verifier = verifier

    async def show(self, text: str, *, at_s: float = 0.0, reader: str = "scanner-1") -> Reason:
        """Hold a code before a reader; what the node says of it."""
        reading = Reading(reader=reader, data=text.encode(), text=text, read_at_monotonic_ns=int(at_s * S))
        entry = await self.intake.take(reading, signals=_Lamp())
        assert entry.is_saved
        return entry.reason

    async def batch_frame(self) -> bytes:
        """All records, as the uplink sends them."""
        stretch = await self.outbox.stretch(0, count_max=500, bytes_max=wire.FRAME_BYTES_MAX)
        assert stretch is not None
        key = vectors.key("node")
        payload = make_batch(NODE, nonce=bytes(16), stretch=stretch).to_payload()
        return wire.encode_frame(wire.FrameType.BATCH, payload, sign=key.sign, keyid=key.public.keyid)


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    *,
    trust: Callable[[], TrustSet],
    time: Timekeeper,
    boot: SetBoot,
    on_unknown_issuer: Callable[[], object] = lambda: None,
) -> AsyncIterator[StoryDesk]:
    """The program from its start to its end, put together as the daemon does it."""
    async with Outbox.open(folder / "outbox.db", node=NODE, hash=sm3) as outbox:
        ledger = Ledger(
            store=outbox,
            sealer=Sealer(NODE, random_bytes=random_bytes),
            machine_key=derive(b"box", random_bytes=random_bytes),
            recipient=lambda: vectors.key("city_encryption").public,
            now_b_ns=boot.now_b_ns,
            day_view_days=1,
        )
        replay = ReplayCache()
        for entry in await ledger.replay_entries():
            replay.insert(entry)
        verifier = Verifier(trust=trust, now=time.now, replay=replay, table=DEFAULT_TABLE)
        intake = Intake(
            origin=Origin(node=NODE, org="o", dept=None, operator=None, step=Step.CONSULT),
            verifier=verifier,
            ledger=ledger,
            timekeeper=time,
            day_view=DayView(),
            random_bytes=random_bytes,
            same_act_s=5,
            on_unknown_issuer=on_unknown_issuer,
        )
        yield StoryDesk(outbox, intake=intake, verifier=verifier)


def delivered(folder: Path, frame: bytes, *, now_ms: int) -> list[Mapping[str, Any]]:
    """Hand a batch to a city, and open with the city's key what it committed: the members of each record."""
    ring = KeyRing([vectors.key("city_encryption")])
    with SqliteIngestStore(folder / "ingest.db", now_ms=now_ms) as store:
        ingest = Ingest(
            store=store,
            node_keys=lambda node: (vectors.key("node").public,) if node == NODE else (),
            receipt_key=vectors.key("receipt"),
            key_ring=ring,
        )
        assert ingest.handle(frame, topic=topics.up(NODE, leaf="batch"), now_ms=now_ms) is not None
        opened = []
        for placed in store.placed(NODE):
            record = placed.record
            wrapped = store.keys(NODE, key_id=record.key_id)
            data = ring.open(record.body, node=NODE, message_id=record.message_id, wrapped=wrapped)
            members = None if data is None else members_of(data)
            assert members is not None
            opened.append(members)
        return opened
