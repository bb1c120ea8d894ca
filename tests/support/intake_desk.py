"""An intake with everything around it at hand: the vectors' first context, a store in memory, a lamp that remembers."""

from pathlib import Path

from drivers.reader import Feedback
from drivers.reading import Reading
from edge.classify import carrier_table
from edge.day_view import DayView
from edge.gm import random_bytes
from edge.intake import Intake, Origin, Verifier
from edge.ledger import Ledger
from edge.machine_key import derive
from edge.replay import ReplayCache
from edge.sam_inventory import SamInventory
from edge.seal import Sealer, open_body
from edge.transaction import Step, Transaction, from_cbor
from edge.verdict import Reason
from tests.support import vectors
from tests.support.memory_store import MemoryStore
from tests.support.set_boot import SetBoot, timekeeper_at
from tests.support.trust_folder import context, trust_set, write_folder

NODE = "n-1"
S = 10**9
CITY = vectors.key("city_encryption")


class Lamp:
    """Remembers what it was told, and how many records were stored then."""

    def __init__(self, store: MemoryStore) -> None:
        self.told: list[tuple[Feedback, int]] = []
        self._store = store

    async def signal(self, feedback: Feedback, *, entry: object) -> None:
        self.told.append((feedback, len(self._store.messages)))


class IntakeDesk:
    """An intake with everything around it at hand."""

    def __init__(self, folder: Path, *, same_act_s: int = 5, replay_max: int = 100) -> None:
        described = context()
        self.store = MemoryStore()
        self.lamp = Lamp(self.store)
        self.day_view = DayView()
        self.sams = SamInventory()
        self.boot = SetBoot(wall_ms=described["lo_ms"])
        timekeeper = timekeeper_at(lo_ms=described["lo_ms"], hi_ms=described["hi_ms"], boot=self.boot)
        trust = trust_set(write_folder(folder))
        self.replay = ReplayCache(entries_max=replay_max)
        self.verifier = Verifier(
            trust=lambda: trust,
            now=timekeeper.now,
            replay=self.replay,
            table=carrier_table(legacy_card=["K[0-9]{6}"]),
        )
        self.intake = Intake(
            origin=Origin(node=NODE, org="o", dept=None, operator="d01", step=Step.CONSULT),
            verifier=self.verifier,
            ledger=Ledger(
                store=self.store,
                sealer=Sealer(NODE, random_bytes=random_bytes),
                machine_key=derive(b"box", random_bytes=random_bytes),
                recipient=lambda: CITY.public,
                now_b_ns=self.boot.now_b_ns,
                day_view_days=1,
            ),
            timekeeper=timekeeper,
            day_view=self.day_view,
            random_bytes=random_bytes,
            same_act_s=same_act_s,
            sams=self.sams,
        )

    async def show(self, text: str, *, at_s: float = 0, reader: str = "scanner-1") -> Reason | None:
        """Let a code be read; the reason of its line, None if nothing was recorded."""
        data = text.encode()
        return await self.take(Reading(reader=reader, data=data, text=text, read_at_monotonic_ns=int(at_s * S)))

    async def take(self, reading: Reading) -> Reason | None:
        """Let something be read."""
        entry = await self.intake.take(reading, signals=self.lamp)
        return None if entry is None else entry.reason

    def records(self) -> list[Transaction]:
        secrets = {key.key_id: CITY.decrypt(key.wrapped) for key in self.store.keys}
        return [
            from_cbor(open_body(message.body, secret=secrets[message.key_id], node=NODE, message_id=message.message_id))
            for message in self.store.messages
        ]
