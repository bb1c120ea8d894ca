"""The trust of the running node: what it holds, and what becomes of a document that comes in.

Documents come from the city, from a folder on this box and from the command line; they are taken one at a time. A
document that fails keeps the one held before; the operator is told, never the patient (contracts 3.6). Verifying and
storing take place in a thread; taking over is one assignment, so a verdict sees the old set or the new.
"""

import asyncio
import contextlib
import enum
import logging
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from edge import trust_rules
from edge.errors import TrustError
from edge.fault import describe
from edge.timekeeper import Timekeeper
from edge.trust import Problem, TrustSet, uses_test_keys
from edge.trust_documents import Blob
from edge.trust_held import BlobSource, Buffer, Held, Missing, Step
from edge.trust_recheck import Rechecked
from edge.trust_rules import Terms
from edge.trust_store import TrustStore

AGE_S: Final = 60.0  # how often it is asked what has grown too old; leases count in days

_log = logging.getLogger(__name__)


class Source(enum.StrEnum):
    """Where a document came from."""

    STORE = "store"
    FOLDER = "folder"
    CITY = "city"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is known of a document beside its bytes.

    Attributes:
        source: Where it came from.
        name: What the operator knows it by, free of personal data.
        role: The role it must have, where a topic or a file name says so.
        is_birth: Whether a node without a root may take it as the one it is born with.
        blob: Blobs at hand.
        nonces: Time nonces of ours that are outstanding.
    """

    source: Source
    name: str
    role: str | None = None
    is_birth: bool = False
    blob: BlobSource = field(default=lambda _: None)
    nonces: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What this node takes documents under.

    Attributes:
        node: Its name.
        decrypt_roster: Its encryption key's; None: it has none, and takes no roster.
        allow_test_keys: Whether keys that everybody knows may be trusted.
    """

    node: str
    decrypt_roster: Callable[[bytes], bytes] | None = None
    allow_test_keys: bool = False

    def terms(self, *, lo_ms: int, blob: BlobSource = lambda _: None, nonces: Container[bytes] = frozenset()) -> Terms:
        """What the rules need to know of a document's surroundings."""
        return Terms(
            node=self.node,
            lo_ms=lo_ms,
            blob=blob,
            nonces=nonces,
            decrypt_roster=self.decrypt_roster,
            allow_test_keys=self.allow_test_keys,
        )


class TrustKeeper:
    """What is relied on now, and the way to change it; made by `TrustKeeper.resume`.

    Args:
        store: Where it is kept.
        found: What was there at start.
        conditions: Of this node.
        timekeeper: Told of every time that a document proves.
    """

    def __init__(self, store: TrustStore, *, found: Rechecked, conditions: Conditions, timekeeper: Timekeeper) -> None:
        self._store = store
        self._held = found.held
        self._conditions = conditions
        self._timekeeper = timekeeper
        self._problems: dict[tuple[Source, str], Problem] = {}
        self._taking = asyncio.Lock()
        self._on_change: Callable[[], None] = lambda: None
        for problem in found.problems:
            self.note(problem, source=Source.STORE)

    @classmethod
    def resume(cls, store: TrustStore, *, conditions: Conditions, timekeeper: Timekeeper) -> Self:
        """Verify again what is stored; what it proves of the time raises the floor (contracts 4)."""
        now = timekeeper.now()
        keeper = cls(
            store,
            found=store.load(terms=conditions.terms(lo_ms=now.lo_ms)),
            conditions=conditions,
            timekeeper=timekeeper,
        )
        past_ms = trust_rules.proven_past_ms(keeper.held)
        if past_ms is not None:
            timekeeper.raise_floor(past_ms)
        return keeper

    @property
    def held(self) -> Held:
        """All that is held, with what is remembered of former times."""
        return self._held

    @property
    def trust(self) -> TrustSet:
        """The set that verdicts rest on."""
        return self._held.trust

    @property
    def age_since_ms(self) -> int | None:
        """When the set was last proven current, Unix ms; None: never (contracts 3.6)."""
        return self._held.current_ms

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What came and is not used, the last of each name and source."""
        return tuple(self._problems.values())

    @property
    def is_empty(self) -> bool:
        """Whether the node was born with no root yet."""
        return not self._held.chain

    @property
    def uses_test_keys(self) -> bool:
        """Whether public test keys are relied on."""
        return uses_test_keys(self.trust.root) or uses_test_keys(self.trust.issuers)

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back in the event loop whenever something else is held."""
        self._on_change = callback

    def blob(self, wanted: Blob) -> Buffer | None:
        """The bytes of a blob that is stored; from any thread."""
        return self._store.blob(wanted)

    async def take(self, document: bytes, *, offer: Offer) -> Step | Missing | TrustError:
        """Take a document, or say why not.

        Args:
            document: As it came.
            offer: Where from, and what came with it.

        Returns:
            What it brought; what is missing before it can be taken; or the rule it broke (``store``: the disk failed).
        """
        async with self._taking:
            return await self._take(document, offer=offer)

    async def forget_roster(self) -> None:
        """Destroy the roster, as the city orders."""
        async with self._taking:
            await self._keep(Step(held=trust_rules.forget_roster(self._held)))
            self.clear(Source.CITY)

    async def run(self) -> None:
        """Drop what has grown too old, for ever."""
        while True:
            await self.age()
            await asyncio.sleep(AGE_S)

    async def age(self) -> None:
        """Drop what has grown too old by now."""
        async with self._taking:
            left = trust_rules.aged(self._held, lo_ms=self._timekeeper.now().lo_ms)
            with contextlib.suppress(TrustError):  # the disk failed, which is logged; the next minute tries again
                await self._keep(Step(held=left))

    def note(self, problem: Problem, *, source: Source) -> Problem:
        """Tell the operator of something that is not used; return it."""
        key = (source, problem.file)
        level = logging.DEBUG if problem == self._problems.get(key) else logging.WARNING
        _log.log(level, "trust: %s (%s) is not used: %s", problem.file, source.value, problem.rule)
        self._problems[key] = problem
        return problem

    def clear(self, source: Source) -> None:
        """What was wrong there may be right by now."""
        self._problems = {key: problem for key, problem in self._problems.items() if key[0] is not source}

    async def _take(self, document: bytes, *, offer: Offer) -> Step | Missing | TrustError:
        answer = await asyncio.to_thread(self._judged, document, offer=offer)  # a list of millions takes its time
        if isinstance(answer, Step):
            try:
                await self._keep(answer)
                self._problems.pop((offer.source, offer.name), None)
            except TrustError as fault:
                answer = fault
        # A folder grows old where it lies while the city sends newer documents: nobody need hear of that.
        is_old_folder = isinstance(answer, TrustError) and offer.source is Source.FOLDER and answer.rule == "rollback"
        if isinstance(answer, TrustError) and not is_old_folder:
            self.note(Problem(file=offer.name, rule=answer.rule), source=offer.source)
        return answer

    def _judged(self, document: bytes, *, offer: Offer) -> Step | Missing | TrustError:
        """In the thread, with `_taking` held: what a document brings, or the rule it broke."""
        try:
            return self._judge(document, offer=offer)
        except TrustError as refusal:
            return refusal

    def _judge(self, document: bytes, *, offer: Offer) -> Step | Missing:
        conditions = self._conditions
        # Whoever was born and lost its cache knows its first root by its SM3.
        if self.is_empty and offer.role == "root" and (offer.is_birth or self._held.born_sm3 is not None):
            return trust_rules.born(document, held=self._held, allow_test_keys=conditions.allow_test_keys)
        terms = conditions.terms(lo_ms=self._timekeeper.now().lo_ms, blob=offer.blob, nonces=offer.nonces)
        return trust_rules.take(self._held, document, terms=terms, role=offer.role)

    async def _keep(self, step: Step) -> None:
        """Store what is held now, then rely on it.

        Raises:
            TrustError: ``store``: the disk failed, and what was held is held.
        """
        if step.held is self._held:
            return
        # Before that root counts: after a power cut it comes and resets again.
        if step.reset_floor_ms is not None and not self._timekeeper.reset(step.reset_floor_ms):
            raise TrustError("store")
        former = self._held
        try:
            self._held = await asyncio.to_thread(self._store.save, step.held)
        except OSError as fault:
            _log.error("trust: not stored: %s", describe(fault))
            raise TrustError("store") from fault
        self._drop_mended()
        if self._held.have != former.have:
            _log.info("trust: %s", ", ".join(f"{role} {version}" for role, version in self._held.have.items()))
        if step.raise_floor_ms is not None:
            self._timekeeper.raise_floor(step.raise_floor_ms)
        self._on_change()

    def _drop_mended(self) -> None:
        """What was found wrong at start and is held by now is no problem any more."""
        held = self._held
        roots = (f"root {number}" for number in range(1, len(held.chain) + 1))
        good = {*held.have, *held.lists, *roots, *self._store.state_files}
        problems = self._problems.items()
        self._problems = {key: one for key, one in problems if not (key[0] is Source.STORE and key[1] in good)}
