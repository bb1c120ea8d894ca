"""A PC/SC reader for the conformance suite: a real pcscd, and cards that are put into its virtual slot.

With a virtual reader the card goes and the reader stays, so to pull the device is to kill pcscd. A code is the text on
a card; a frame is a card, and one that is cut a card which is pulled there and put in again; noise is what hostile
cards answer.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from drivers.reader import LostCause
from drivers.readers.pcsc import PcscReader, PcscSettings
from drivers.reading import Reading
from tests.conformance.bench import Bench
from tests.support.pcscd import CARD_READER, reserved_pcscd
from tests.support.toy_card import PIECE, HostileCard, ToyCard, ToyTalk, hostile_answers, text_of
from tests.support.waiting import until


class PcscBench(Bench):
    """A slot for a person's card, and nothing in that of the SAM."""

    lost_cause = LostCause.NO_SERVICE
    missing_cause = LostCause.NO_SERVICE

    def __init__(self, folder: Path) -> None:
        self._closing = ExitStack()
        self._pcscd = self._closing.enter_context(reserved_pcscd(folder))
        self._talk = ToyTalk()
        self.reader = PcscReader("card-1", settings=PcscSettings(reader=CARD_READER), talk=self._talk)

    def close(self) -> None:
        self._closing.close()

    def plug(self) -> None:
        self._pcscd.start()

    def unplug(self) -> None:
        self._pcscd.kill()
        self._pcscd.card_slot.pull()

    async def send(self, data: bytes) -> None:
        rest = _Rest(hostile_answers(data, rng=random.Random(len(data))))
        while not rest.is_over:
            await self._show(HostileCard(rest))

    def frames(self, *codes: str) -> list[bytes]:
        return [code.encode() for code in codes]

    def cuts(self, frame: bytes) -> Iterable[int]:
        """After each command: a card takes nearly a second."""
        return range(0, len(frame), PIECE)

    async def show(self, code: str) -> None:
        await self._show(ToyCard(code))

    async def show_cut(self, code: str, *, at: int) -> None:
        await self._show(ToyCard(code, pulled_after=at))
        await self.show(code)

    async def show_joined(self, *codes: str) -> None:
        for code in codes:
            await self.show(code)

    async def show_half(self, code: str) -> None:
        await self._show(ToyCard(code, pulled_after=PIECE))

    def code_of(self, reading: Reading) -> str:
        return text_of(reading)

    async def _show(self, card: ToyCard) -> None:
        """Put a card in and pull it when the talk with it is over."""
        ended_count = self._talk.ended_count
        await asyncio.to_thread(self._pcscd.card_slot.insert, card)
        await until(lambda: self._talk.ended_count > ended_count)
        await asyncio.to_thread(self._pcscd.card_slot.pull)


class _Rest:
    """What is left of the noise when a card has been pulled."""

    def __init__(self, answers: Iterator[bytes]) -> None:
        self.is_over = False
        self._answers = answers

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._answers)
        except StopIteration:
            self.is_over = True
            raise


BENCHES: dict[str, Callable[[Path], Bench]] = {"pcsc": PcscBench}
