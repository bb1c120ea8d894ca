"""From a reading to a stored record: reading -> verdict -> transaction -> stored -> signalled.

The one promise: a person is told what the node says only after the record is committed and synced, or is told that it
is not saved. Whatever is read ends in a verdict; a fault in the verifier becomes INTERNAL here and nowhere else.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

from drivers.reader import Feedback
from drivers.reading import Reading
from edge.classify import CarrierTable
from edge.day_view import DayEntry, DayView, entry_of, not_saved, saved
from edge.fault import describe
from edge.gm import sm3
from edge.ledger import Ledger, NotSavedError
from edge.replay import ReplayCache
from edge.timekeeper import Timekeeper
from edge.transaction import UUID7_RANDOM_BYTES, Kind, Step, Terminal, Transaction, uuid7
from edge.trust import TrustSet
from edge.verdict import OUTCOME_OF, Carrier, Interval, Outcome, Reason
from edge.verify import Examination, examine, internal

ACTS_MAX = 64  # codes a reader can bring within the longest window of 60 s, with room; older ones are just new acts

_log = logging.getLogger(__name__)


class Signals(Protocol):
    """The lamp or beeper of a reader."""

    async def signal(self, feedback: Feedback) -> None:
        """Show it; never fails."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the configuration says of every record made here; None: unknown."""

    node: str
    org: str | None
    dept: str | None
    operator: str | None
    step: Step


class Verifier:
    """Judges a text by what the node holds now. Never raises.

    Args:
        trust: The set that is relied on.
        now: The time, as far as it can be proven.
        replay: Presentations that were recorded.
        table: Which carriers are known.
        age_since_ms: When the set was last proven current; None: never (contracts 3.6).
    """

    def __init__(
        self,
        *,
        trust: Callable[[], TrustSet],
        now: Callable[[], Interval],
        replay: ReplayCache,
        table: CarrierTable,
        age_since_ms: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._trust = trust
        self._age_since_ms = age_since_ms
        self._now = now
        self._replay = replay
        self._table = table
        self._being_stored: set[bytes] = set()
        self._internal_count = 0

    @property
    def internal_count(self) -> int:
        """How often the verifier itself failed since the start."""
        return self._internal_count

    @property
    def full(self) -> bool:
        """Whether a new presentation could not be remembered."""
        return self._replay.full

    def seen(self, key: bytes) -> bool:
        """Whether a presentation is recorded, or on its way into the store from another reader."""
        return key in self._being_stored or self._replay.seen(key)

    def examine(self, text: str) -> tuple[Examination, Interval]:
        """Return what the node says of a text, and the time it said it."""
        now = self._now()
        try:
            self._replay.expire(lo_ms=now.lo_ms)
            examination = examine(
                text,
                trust=self._trust(),
                now=now,
                replay=self,
                age_since_ms=self._age_since_ms(),
                table=self._table,
            )
            return examination, now
        except Exception as fault:  # noqa: BLE001  # contracts 4: an exception gives INTERNAL and no other reason
            self._internal_count += 1
            _log.error("verifier failed: %s", describe(fault))  # never its text: it may hold the code
            return internal(text, now=now), now

    def begin(self, examination: Examination) -> None:
        """Its record is on the way: the same presentation on another reader is a replay."""
        if examination.replay is not None:
            self._being_stored.add(examination.replay.key)

    def end(self, examination: Examination, *, is_recorded: bool) -> None:
        """Its record is stored, and the presentation is remembered; or it is not, and may be shown again."""
        if examination.replay is not None:
            self._being_stored.discard(examination.replay.key)
            if is_recorded:
                self._replay.insert(examination.replay)


class Intake:
    """Takes readings of all readers.

    Args:
        origin: What every record says of this node.
        verifier: Says what a text is worth.
        ledger: Stores records.
        timekeeper: When it happened.
        day_view: Shows the outcome to the page, after it is stored.
        random_bytes: getrandom.
        same_act_s: The same code on the same reader within so many seconds is the same act (contracts 1).
        on_unknown_issuer: A newer list of issuers may help; whoever asks for one bounds how often (contracts 4).
    """

    def __init__(
        self,
        *,
        origin: Origin,
        verifier: Verifier,
        ledger: Ledger,
        timekeeper: Timekeeper,
        day_view: DayView,
        random_bytes: Callable[[int], bytes],
        same_act_s: int,
        on_unknown_issuer: Callable[[], object] = lambda: None,
    ) -> None:
        self._origin = origin
        self._verifier = verifier
        self._ledger = ledger
        self._timekeeper = timekeeper
        self._day_view = day_view
        self._random_bytes = random_bytes
        self._on_unknown_issuer = on_unknown_issuer
        self._acts = _Acts(window_ns=same_act_s * 10**9)
        self._not_saved_cause: str | None = None

    @property
    def not_saved_cause(self) -> str | None:
        """Why the last record could not be stored; None: it could."""
        return self._not_saved_cause

    async def take(self, reading: Reading, *, signals: Signals) -> DayEntry:
        """Take one reading through the five steps; return the line that the screens show of it."""
        digest = sm3(reading.data)  # of acts no code is kept, only this
        earlier = self._acts.earlier(reading, digest=digest)  # 1 reading
        if earlier is not None:
            await signals.signal(_feedback(earlier))
            return earlier
        examination, now = self._verifier.examine(reading.text)  # 2 verdict
        if examination.verdict.reason is Reason.UNKNOWN_ISSUER:
            self._on_unknown_issuer()
        transaction = self._transaction(reading, examination=examination, now=now)  # 3 transaction
        entry = await self._store(transaction, examination=examination, now=now)  # 4 stored
        self._acts.remember(reading, digest=digest, entry=entry)
        self._day_view.add(entry)  # 5 signalled
        await signals.signal(_feedback(entry))
        return entry

    def _transaction(self, reading: Reading, *, examination: Examination, now: Interval) -> Transaction:
        verdict = examination.verdict
        at = self._timekeeper.moment(now)
        is_legacy = verdict.subject.kind is Carrier.LEGACY_CARD
        return Transaction(
            id=uuid7(at.wall_ms, random=self._random_bytes(UUID7_RANDOM_BYTES)),
            kind=Kind.LEGACY_CARD if is_legacy else Kind.USE,
            step=self._origin.step,
            at=at,
            terminal=Terminal(node=self._origin.node, reader=reading.reader),
            verdict=verdict,
            code=reading.data if examination.keep_code else None,
            org=self._origin.org,
            dept=self._origin.dept,
            operator=self._origin.operator,
        )

    async def _store(self, transaction: Transaction, *, examination: Examination, now: Interval) -> DayEntry:
        entry = entry_of(transaction, verdict=examination.verdict)
        is_recorded = False
        self._verifier.begin(examination)
        try:
            seq = await self._ledger.record(transaction, now=now, entry=entry, replay=examination.replay)
            is_recorded = True
        except NotSavedError as error:
            self._say_not_saved(error.cause)
            return not_saved(entry)
        finally:
            self._verifier.end(examination, is_recorded=is_recorded)
        self._not_saved_cause = None
        return saved(entry, seq=seq, epoch=self._ledger.epoch)

    def _say_not_saved(self, cause: str) -> None:
        _log.log(logging.DEBUG if cause == self._not_saved_cause else logging.ERROR, "not saved: %s", cause)
        self._not_saved_cause = cause


class _Acts:
    """What each reader brought within the last seconds, by digest."""

    def __init__(self, *, window_ns: int) -> None:
        self._window_ns = window_ns
        self._by_reader: dict[str, dict[bytes, tuple[int, DayEntry]]] = {}

    def earlier(self, reading: Reading, *, digest: bytes) -> DayEntry | None:
        """Return the line of the act this reading repeats.

        The window counts from the act, whatever is read meanwhile: a code that stays before the scanner is judged anew,
        or a revocation could be hidden by showing it without a pause.
        """
        seen = self._by_reader.get(reading.reader, {}).get(digest)
        return None if seen is None or reading.read_at_monotonic_ns - seen[0] > self._window_ns else seen[1]

    def remember(self, reading: Reading, *, digest: bytes, entry: DayEntry) -> None:
        """Keep an act; one that was not saved must be done again."""
        if not entry.is_saved or not self._window_ns:
            return
        acts = self._by_reader.setdefault(reading.reader, {})
        acts.pop(digest, None)
        acts[digest] = (reading.read_at_monotonic_ns, entry)
        while len(acts) > ACTS_MAX:
            del acts[next(iter(acts))]


def _feedback(entry: DayEntry) -> Feedback:
    if not entry.is_saved:
        return Feedback.NOT_SAVED
    match OUTCOME_OF[entry.reason]:
        case Outcome.ACCEPT:
            return Feedback.ACCEPT
        case Outcome.ACCEPT_PENDING:
            return Feedback.PENDING
        case Outcome.REFUSE:
            return Feedback.REFUSE
        case Outcome.RETRY:
            return Feedback.RETRY
        case unknown:
            assert_never(unknown)
