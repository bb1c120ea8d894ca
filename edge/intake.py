"""From a reading to a stored record: reading -> verdict -> transaction -> stored -> signalled.

The one promise: a person is told what the node says only after the record is committed and synced, or is told that it
is not saved. Whatever is read ends in a verdict; a fault in the verifier becomes INTERNAL here and nowhere else.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, assert_never

from drivers.reader import Feedback
from drivers.reading import Medium, Reading
from edge.acts import Acts
from edge.card_content import (
    CardFault,
    ResidentHealthCard,
    SamInfo,
    SamUse,
    SocialSecurityCard,
    UnreadableCard,
    UnreadableSam,
)
from edge.card_verdict import CardContent, CardNote, card_members, card_notes, examine_card
from edge.classify import CarrierTable
from edge.day_view import DayEntry, DayView, entry_of, not_saved, saved
from edge.errors import CardDataError
from edge.fault import describe
from edge.gm import sm3
from edge.id_card import parse_id_card
from edge.ledger import Ledger, NotSavedError
from edge.replay import ReplayCache
from edge.rubbish import RubbishLimit
from edge.sam_inventory import SamInventory
from edge.timekeeper import Timekeeper
from edge.transaction import UUID7_RANDOM_BYTES, Kind, Step, Terminal, Transaction, uuid7
from edge.trust import TrustSet
from edge.verdict import OUTCOME_OF, Carrier, Interval, Outcome, Reason
from edge.verify import Examination, examine, internal

OTHER_CODES_BURST_MAX = 200
"""Codes that are no health cards, one after the other: a line of people with payment codes, or a box of vials."""

OTHER_CODES_REFILL_NS = 5_000_000_000
"""After so long one more is recorded: 720 an hour, as many as one desk sees people."""

_log = logging.getLogger(__name__)


class Signals(Protocol):
    """What tells the person: the lamp of the reader, and whatever else stands on the desk."""

    async def signal(self, feedback: Feedback, *, entry: DayEntry | None) -> None:
        """Show it; returns at once and never fails.

        Args:
            feedback: The outcome.
            entry: The line of the record that was made now; None: none was, because it was noise or the same act.
        """
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
        return self._examined(partial(examine, text, table=self._table), text=text)

    def examine_card(self, content: CardContent) -> tuple[Examination, Interval]:
        """Return what the node says of a chip card, and the time it said it."""
        return self._examined(partial(examine_card, content), text="")

    def _examined(self, examination: Callable[..., Examination], *, text: str) -> tuple[Examination, Interval]:
        now = self._now()
        try:
            self._replay.expire(lo_ms=now.lo_ms)
            return examination(trust=self._trust(), now=now, replay=self, age_since_ms=self._age_since_ms()), now
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
        sams: Is told of each SAM that a reader finds.
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
        sams: SamInventory | None = None,
    ) -> None:
        self._origin = origin
        self._verifier = verifier
        self._ledger = ledger
        self._timekeeper = timekeeper
        self._day_view = day_view
        self._random_bytes = random_bytes
        self._on_unknown_issuer = on_unknown_issuer
        self._sams = sams or SamInventory()
        self._acts = Acts(window_ns=same_act_s * 10**9)
        self._rubbish = RubbishLimit()
        self._other_codes = RubbishLimit(burst_max=OTHER_CODES_BURST_MAX, refill_ns=OTHER_CODES_REFILL_NS)
        self._flapped: dict[str, int] = {}  # reader: cards that came again too often
        self._not_saved_cause: str | None = None

    @property
    def not_saved_cause(self) -> str | None:
        """Why the last record could not be stored; None: it could."""
        return self._not_saved_cause

    def noise_count(self, reader: str) -> int:
        """How many readings of a reader said nothing and came too often to be recorded."""
        limits = (self._rubbish, self._other_codes)
        return sum(limit.refused_count(reader) for limit in limits) + self._flapped.get(reader, 0)

    async def take(self, reading: Reading, *, signals: Signals) -> DayEntry | None:
        """Take one reading through the five steps.

        Returns:
            The line that the screens show of it; None: nothing was recorded, because it was a SAM or noise.
        """
        if isinstance(reading.content, SamInfo | UnreadableSam):  # the terminal's own card, nobody's visit
            self._note_sam(reading.content, reader=reading.reader)
            return None
        digest = sm3(reading.data)  # of acts no code is kept, only this
        earlier = self._acts.earlier(reading, digest=digest)  # 1 reading
        content = _content(reading)
        if earlier is not None and not _says_more(content, than=earlier):
            await signals.signal(_feedback(earlier), entry=None)
            return earlier
        if content is None:
            examination, now = self._verifier.examine(reading.text)  # 2 verdict
        else:
            examination, now = self._verifier.examine_card(content)
        if self._is_noise(reading, examination=examination):
            await signals.signal(Feedback.RETRY, entry=None)
            return None
        again = self._flapping(reading, digest=digest, examination=examination)
        if again is not None:
            await signals.signal(_feedback(again), entry=None)
            return again
        if examination.verdict.reason is Reason.UNKNOWN_ISSUER:
            self._on_unknown_issuer()
        transaction = self._transaction(reading, examination=examination, now=now, content=content)  # 3 transaction
        notes = () if content is None else card_notes(content, now=now)
        entry = await self._store(transaction, examination=examination, now=now, notes=notes)  # 4 stored
        if entry.is_saved and isinstance(content, ResidentHealthCard) and content.sam_use is not None:
            await self._store_sam_use(transaction, sam_use=content.sam_use, now=now)
        self._acts.remember(reading, digest=digest, entry=entry)
        self._day_view.add(entry)  # 5 signalled
        await signals.signal(_feedback(entry), entry=entry)
        return entry

    def _note_sam(self, sam: SamInfo | UnreadableSam, *, reader: str) -> None:
        if isinstance(sam, SamInfo):
            self._sams.note(sam, reader=reader)
        else:
            _log.warning("reader %s: the SAM cannot be read: %s", reader, sam.fault)
            self._sams.note_unreadable(reader=reader)

    def _is_noise(self, reading: Reading, *, examination: Examination) -> bool:
        verdict, now_ns = examination.verdict, reading.read_at_monotonic_ns
        if verdict.reason is Reason.MALFORMED and verdict.subject.kind is Carrier.UNKNOWN:
            return not self._rubbish.admits(reading.reader, now_ns=now_ns)
        # A few of a thousand random frames look like one of these; old hospital cards are counted, every one.
        if verdict.reason is Reason.NOT_A_HEALTH_CARD and verdict.subject.kind is not Carrier.LEGACY_CARD:
            return not self._other_codes.admits(reading.reader, now_ns=now_ns)
        return False

    def _flapping(self, reading: Reading, *, digest: bytes, examination: Examination) -> DayEntry | None:
        """Return the line of a card that comes and comes again and says nothing new: its contact is loose."""
        last = self._acts.last(reading, digest=digest) if reading.medium is not Medium.CODE else None
        if last is None or last.entry.reason is not examination.verdict.reason:
            return None
        if _says_more(_content(reading), than=last.entry):
            return None
        if last.returns.admits(reading.reader, now_ns=reading.read_at_monotonic_ns):
            return None
        self._flapped[reading.reader] = self._flapped.get(reading.reader, 0) + 1
        return last.entry

    def _transaction(
        self, reading: Reading, *, examination: Examination, now: Interval, content: CardContent | None
    ) -> Transaction:
        verdict = examination.verdict
        is_legacy = verdict.subject.kind is Carrier.LEGACY_CARD
        return self._made(
            Kind.LEGACY_CARD if is_legacy else Kind.USE,
            now=now,
            reader=reading.reader,
            sam_no=content.sam_no if isinstance(content, ResidentHealthCard) else None,
            step=self._origin.step,
            verdict=verdict,
            code=reading.data if examination.keep_code else None,
            data={} if content is None else {"card": card_members(content)},
        )

    def _made(self, kind: Kind, *, now: Interval, reader: str, sam_no: str | None, **members: Any) -> Transaction:
        at = self._timekeeper.moment(now)
        return Transaction(
            id=uuid7(at.wall_ms, random=self._random_bytes(UUID7_RANDOM_BYTES)),
            kind=kind,
            at=at,
            terminal=Terminal(node=self._origin.node, reader=reader, sam_no=sam_no),
            org=self._origin.org,
            dept=self._origin.dept,
            operator=self._origin.operator,
            **members,
        )

    async def _store_sam_use(self, use: Transaction, *, sam_use: SamUse, now: Interval) -> None:
        """Record that a SAM took part (national briefing, part 3): which, for which files, in which use of a card."""
        made = self._made(
            Kind.SAM_USE,
            now=now,
            reader=use.terminal.reader or "",
            sam_no=sam_use.number,
            step=None,
            data={"type": sam_use.type, "files": list(sam_use.files)},
            refers=use.id,
        )
        try:
            await self._ledger.record(made, now=now)
        except NotSavedError as error:  # the use itself is saved, and names the SAM
            self._say_not_saved(error.cause)

    async def _store(
        self, transaction: Transaction, *, examination: Examination, now: Interval, notes: tuple[str, ...]
    ) -> DayEntry:
        entry = entry_of(transaction, verdict=examination.verdict, notes=notes)
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


def _content(reading: Reading) -> CardContent | None:
    """Return what a card says; None: it is a code. A reader that brings something else has a bug, not a card."""
    match reading.medium:
        case Medium.CODE:
            return None
        case Medium.ID_CARD:
            try:
                return parse_id_card(reading.data)
            except CardDataError:
                return UnreadableCard(fault=CardFault.DAMAGED)
        case Medium.ICC:
            if isinstance(reading.content, ResidentHealthCard | SocialSecurityCard | UnreadableCard):
                return reading.content
            return UnreadableCard(fault=CardFault.DAMAGED)
        case _:
            assert_never(reading.medium)


def _says_more(content: CardContent | None, *, than: DayEntry) -> bool:
    """Whether a card that could be read in part only is now read whole: its allergies must not stay unsaid."""
    is_whole = isinstance(content, ResidentHealthCard | SocialSecurityCard) and not content.unread
    return is_whole and CardNote.PARTLY_READ in than.notes


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
