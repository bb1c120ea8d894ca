"""A box that keeps the trust of the test city (`tests.support.authority`), with clocks that a test sets.

Keeper, store, clock and files are the real ones. Switched off and on again, only the files remain.
"""

from pathlib import Path
from typing import Any

from edge import timekeeper
from edge.timekeeper import Timekeeper
from edge.trust_held import Missing, Step
from edge.trust_keeper import Conditions, Offer, Source, TrustKeeper
from tests.support.authority import NODE, Shelf, decrypt_roster, root
from tests.support.set_boot import SetBoot
from tests.support.trust_box import store

MS = 1_000_000
DAY_MS = 86_400_000


class KeeperBox:
    """One box.

    Args:
        home: For its files; may be that of a box that was switched off.
        conditions: What differs from an ordinary node's.

    Attributes:
        boot: Its clocks in this boot.
        time: What it knows of the time.
        keeper: What it relies on.
        shelf: The blobs that can be had.
    """

    def __init__(self, home: Path, *, shelf: Shelf | None = None, **conditions: Any) -> None:
        self.home = home
        self.shelf = shelf or Shelf()
        self._conditions = Conditions(**{"node": NODE, "decrypt_roster": decrypt_roster} | conditions)
        self._boots = 0
        self.switch_on()

    def switch_on(self) -> None:
        """A new boot, from what the files say."""
        self._boots += 1
        self.boot = SetBoot()
        self.boot.boot_id = self._boots.to_bytes(16, "big")
        self.time: Timekeeper = timekeeper.resume(
            self.home / "clock", boot=self.boot, trust_expires_ms=self._trust_expires_ms
        )
        self.keeper = TrustKeeper.resume(store(self.home), conditions=self._conditions, timekeeper=self.time)

    async def born(self) -> "KeeperBox":
        """The same, with the first root."""
        assert isinstance(await self.take(root(), role="root", is_birth=True), Step)
        return self

    async def take(self, document: bytes, **offer: Any) -> object:
        """What becomes of a document; it comes from the city, with every blob of the shelf, unless told otherwise."""
        members: dict[str, Any] = {"source": Source.CITY, "name": "document", "blob": self.shelf.give}
        return await self.keeper.take(document, offer=Offer(**members | offer))

    async def takes(self, *documents: bytes) -> None:
        """Take documents that are good."""
        for document in documents:
            step = await self.take(document)
            assert isinstance(step, Step), step

    async def rule_of(self, document: bytes, **offer: Any) -> str:
        """The rule by which a document is refused, which changes nothing that is held."""
        before = self.keeper.held
        answer = await self.take(document, **offer)
        assert not isinstance(answer, Step | Missing)
        assert self.keeper.held is before
        rule: str = answer.rule  # type: ignore[attr-defined]
        return rule

    def problems(self) -> dict[str, str]:
        """What the operator is told: rule by name."""
        return {problem.file: problem.rule for problem in self.keeper.problems}

    def wait(self, ms: int) -> None:
        """Time passes."""
        self.boot.b_ns += ms * MS

    def hear(self, time_ms: int) -> None:
        """A signed answer, such as a receipt, tells the time."""
        self.time.hear(time_ms, self.boot.b_ns, self.boot.b_ns)

    def _trust_expires_ms(self) -> int | None:
        issuers = self.keeper.trust.issuers
        return None if issuers is None else issuers.expires_at_ms
