"""Storing a record for good: sealed, with its notes, in one commit (contracts 5.2).

Whoever gets a seq back may tell the person "saved": record, day-view line and replay key are committed and synced
together. The data key under which the record is sealed was wrapped for the city and synced before.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from edge.day_view import ENTRIES_MAX, DayEntry, from_note, placed, to_note
from edge.errors import DecryptError, EdgeError
from edge.gm import PublicKey
from edge.machine_key import MachineKey
from edge.seal import DataKey, RecordTooLargeError, Sealer
from edge.transaction import Transaction, to_cbor
from edge.verdict import Interval
from edge.verify import ReplayEntry
from sync.cbor import decode, encode
from sync.errors import StoreError, WireError
from sync.ledger import OutboxCounts, Record
from sync.message import Note, OutboxMessage, WrappedKey

DAY_PREFIX = b"day/"
REPLAY_PREFIX = b"replay/"

_DAY_MS = 86_400_000
_REPLAY_NOTE_BYTES_MAX = 256
_PLACED_MAX = 2 * ENTRIES_MAX  # records without a line, such as audits, stand between


class NotSavedError(EdgeError):
    """A record is not stored: whoever made it must be told so, and may try again.

    Args:
        cause: ``store`` (disk), ``no_city_key`` (no root document says for whom to seal), ``too_large``.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class RecordStore(Protocol):
    """What the ledger needs of the outbox; each call is durable when it returns, or raises StoreError."""

    async def append(self, message: OutboxMessage, notes: Sequence[Note] = ()) -> int:
        """Commit a message and its notes together; return its seq."""
        ...

    async def add_key(self, key: WrappedKey) -> None:
        """Commit a wrapped key."""
        ...

    async def notes(self, prefix: bytes) -> list[Note]:
        """Return the notes whose keys begin so."""
        ...

    async def records(self, after_seq: int = 0, *, count_max: int) -> list[Record]:
        """Return so many records behind a seq."""
        ...

    def counts(self) -> OutboxCounts:
        """Return where the ledger stands."""
        ...


class Ledger:
    """The node's records on their way into the outbox.

    Args:
        store: The outbox.
        sealer: Seals records; holds the data key of the day.
        machine_key: Seals notes.
        recipient: The city's encryption key; None while no root is held.
        now_b_ns: The box's own clock.
        day_view_days: How long the lines of the screens are kept.
        first: To be stored before anything else: the audit that opens a new epoch.
    """

    def __init__(
        self,
        *,
        store: RecordStore,
        sealer: Sealer,
        machine_key: MachineKey,
        recipient: Callable[[], PublicKey | None],
        now_b_ns: Callable[[], int],
        day_view_days: int,
        first: Transaction | None = None,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._machine_key = machine_key
        self._recipient = recipient
        self._now_b_ns = now_b_ns
        self._day_view_ms = day_view_days * _DAY_MS
        self._first = first
        self._making_key = asyncio.Lock()
        self._storing_first = asyncio.Lock()

    @property
    def epoch(self) -> int:
        """The epoch that seqs count in."""
        return self._store.counts().epoch

    async def record(
        self,
        transaction: Transaction,
        *,
        now: Interval,
        entry: DayEntry | None = None,
        replay: ReplayEntry | None = None,
    ) -> int:
        """Store a transaction with its line for the screens and its replay key, if it has them.

        Returns:
            Its seq: committed and synced.

        Raises:
            NotSavedError: Nothing was stored.
        """
        notes = [] if entry is None else [self._day_note(entry, now=now)]
        if replay is not None:
            notes.append(self._replay_note(replay))
        try:
            await self._store_first()
            return await self._store.append(await self.seal(transaction), notes)
        except StoreError as error:
            raise NotSavedError("store") from error

    async def seal(self, transaction: Transaction) -> OutboxMessage:
        """Return a transaction as the outbox takes it; its data key is stored.

        Raises:
            NotSavedError: It cannot be sealed.
            StoreError: The data key could not be stored.
        """
        key = await self._data_key()
        try:
            body = self._sealer.seal(to_cbor(transaction), key=key, message_id=transaction.id)
        except RecordTooLargeError as error:
            raise NotSavedError("too_large") from error
        return OutboxMessage(message_id=transaction.id, body=body, key_id=key.key_id)

    async def day_entries(self) -> list[DayEntry]:
        """Return the newest lines kept from before, oldest first, with what is known of their delivery.

        Raises:
            StoreError: The outbox cannot be read.
        """
        entries = (from_note(plain) for plain in await self._open_notes(DAY_PREFIX))
        newest = sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.id)[-ENTRIES_MAX:]
        counts = self._store.counts()
        after_seq = max(counts.acked - counts.settled, counts.next_seq - 1 - _PLACED_MAX)
        records = await self._store.records(after_seq, count_max=_PLACED_MAX)
        seqs = {record.message_id: record.seq for record in records}
        is_all = len(records) == counts.next_seq - 1 - after_seq
        return [placed(entry, seqs=seqs, is_all=is_all, epoch=counts.epoch) for entry in newest]

    async def replay_entries(self) -> list[ReplayEntry]:
        """Return the replay keys kept from before.

        Raises:
            StoreError: The outbox cannot be read.
        """
        entries = (_from_replay_note(plain) for plain in await self._open_notes(REPLAY_PREFIX))
        return [entry for entry in entries if entry is not None]

    async def begin(self) -> None:
        """Store the first record of a new epoch, if one is owed and the city's key is known; else the next scan does.

        What was saved out of a damaged file is delivered only behind it, so it does not wait for a scan.

        Raises:
            StoreError: The outbox cannot be written.
        """
        if self._recipient() is not None:
            await self._store_first()

    async def _store_first(self) -> None:
        async with self._storing_first:
            if self._first is not None:
                await self._store.append(await self.seal(self._first))
            self._first = None

    async def _data_key(self) -> DataKey:
        recipient = self._recipient()
        if recipient is None:
            raise NotSavedError("no_city_key")
        async with self._making_key:
            now_b_ns = self._now_b_ns()
            key = self._sealer.usable_key(now_b_ns, recipient=recipient)
            if key is None:
                key, wrapped = self._sealer.make_key(now_b_ns, recipient=recipient)
                await self._store.add_key(wrapped)  # contracts 5.2: synced before the first record under it
                self._sealer.take_key(key)
            return key

    def _day_note(self, entry: DayEntry, *, now: Interval) -> Note:
        name = DAY_PREFIX + entry.id
        body = self._machine_key.seal(to_note(entry), name=name)
        return Note(key=name, expires_at_ms=now.lo_ms + self._day_view_ms, body=body)

    def _replay_note(self, replay: ReplayEntry) -> Note:
        name = REPLAY_PREFIX + self._machine_key.name(replay.key)
        plain = encode({"key": replay.key, "expires_after": replay.expires_after_ms})
        return Note(key=name, expires_at_ms=replay.expires_after_ms, body=self._machine_key.seal(plain, name=name))

    async def _open_notes(self, prefix: bytes) -> list[bytes]:
        """Return the plain notes; one of another machine key is as good as none."""
        opened = []
        for note in await self._store.notes(prefix):
            try:
                opened.append(self._machine_key.open(note.body, name=note.key))
            except DecryptError:
                continue
        return opened


def _from_replay_note(note: bytes) -> ReplayEntry | None:
    try:
        members = decode(note, bytes_max=_REPLAY_NOTE_BYTES_MAX)
        return ReplayEntry(key=members["key"], expires_after_ms=members["expires_after"])
    except (WireError, KeyError, TypeError):
        return None
