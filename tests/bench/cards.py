"""What reading a chip card costs beside the reader's own time: round trips, and CPU from the first APDU to the record.

The answers of the emulated cards are recorded before, so that only the node's work is timed: the talk (asking and
decoding), and the whole way to a committed record. On a real card the round trips cost about 20 ms each.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.conversation import CardRead, Conversation, Slot, carry
from drivers.reading import Medium, Reading
from edge.gm import sm3
from sync.outbox import Outbox
from tests.bench.scan import NODE, Dark, assemble
from tests.bench.turns import report
from tests.support.card_slots import CardSlots, card_talk
from tests.support.emulated_card import EmulatedCard
from tests.support.emulated_cards import ResidentHealthCardEmulator, SamEmulator, SocialSecurityCardEmulator

ROUND_TRIPS_MAX = 60
CPU_MS_MAX = 5.0
CARDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of card.

    Attributes:
        name: What the lines call it.
        card: The card.
        sam: The terminal's; None: none.
        files: What is read of a health card.
        is_desk: Whether the budget of round trips is for it.
    """

    name: str
    card: EmulatedCard
    sam: EmulatedCard | None = None
    files: str = "desk"
    is_desk: bool = True


def main() -> None:
    """Print three lines for each kind of card."""
    for case in (
        Case(name="rhc_sam", card=ResidentHealthCardEmulator(), sam=SamEmulator()),
        Case(name="rhc_alone", card=ResidentHealthCardEmulator()),
        Case(name="ssc", card=SocialSecurityCardEmulator()),
        Case(name="rhc_sam_all", card=ResidentHealthCardEmulator(), sam=SamEmulator(), files="all", is_desk=False),
    ):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, asyncio.Runner() as runner:
            measure(case, runner=runner, path=Path(folder) / "ours.db")


def measure(case: Case, *, runner: asyncio.Runner, path: Path) -> None:
    """Read the same card many times."""
    slots = CardSlots(case.card, sam=case.sam, talk=card_talk(files=case.files))
    slots.read_card()
    answers = [answer for _slot, _command, answer in slots.sent]
    report(f"{case.name}_round_trips", len(answers), "APDUs a card", budget=ROUND_TRIPS_MAX if case.is_desk else None)
    talk_ms, whole_ms = runner.run(_read_many(case, slots=slots, answers=answers, path=path))
    report(f"{case.name}_talk", statistics.median(talk_ms), "ms CPU a card", budget=CPU_MS_MAX)
    report(f"{case.name}_stored", statistics.median(whole_ms), "ms CPU a card", budget=CPU_MS_MAX)


async def _read_many(
    case: Case, *, slots: CardSlots, answers: list[bytes], path: Path
) -> tuple[list[float], list[float]]:
    talk_ms, whole_ms = [], []
    async with Outbox.open(path, node=NODE, hash=sm3) as outbox:
        intake = assemble(outbox)
        for number in range(CARDS):
            begin = time.process_time()
            read = carry(_talk(case, slots=slots), transmit=_replaying(iter(answers)))
            talk_ms.append((time.process_time() - begin) * 1000)
            # Another act each time, as another person's card would be.
            data = read.data + number.to_bytes(2, "big")
            await intake.take(_reading(read, data=data), signals=Dark())
            whole_ms.append((time.process_time() - begin) * 1000)
    return talk_ms, whole_ms


def _talk(case: Case, *, slots: CardSlots) -> Conversation:
    return slots.talk.with_card(atr=case.card.atr, sam_atr=None if case.sam is None else case.sam.atr)


def _replaying(answers: Iterator[bytes]) -> Callable[[Slot, bytes], bytes]:
    return lambda _slot, _command: next(answers)


def _reading(read: CardRead, *, data: bytes) -> Reading:
    return Reading(
        reader="card-1",
        data=data,
        medium=Medium.ICC,
        content=read.content,
        read_at_monotonic_ns=time.monotonic_ns(),
    )
