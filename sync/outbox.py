"""The durable outbox: what `append` returned from is committed and synced, whatever happens next.

It is the only queue on the way to the city. All methods are called from one event loop; `sync.writer` owns the file. A
cancelled `append` may or may not have stored its record; to append the same message again is harmless, for it counts
once by its id.
"""

import contextlib
import functools
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

from sync import chain
from sync.along import WINDOW, Along
from sync.epoch_file import EpochFile
from sync.errors import StoreDamagedError, StoreError
from sync.fields import BODY_BYTES_MAX, ID_BYTES, KEYID_BYTES
from sync.ledger import EpochChange, EpochReason, NewEpoch, OutboxCounts, Record, Settlement, Snapshot, State, Stretch
from sync.message import Note, OutboxMessage, WrappedKey
from sync.pruning import Keep, prune_notes, prune_records, prune_rest
from sync.rows import NOTES_MAX, EntryRow, Rows
from sync.store import Database
from sync.writer import Writer

NOTE_KEY_BYTES_MAX: Final = 64
NOTE_BODY_BYTES_MAX: Final = 4096
_NOTES_PAGE: Final = 2000
_ASIDE_MAX: Final = 100
"""Damaged files kept beside the outbox, by number; they hold sealed records a workshop may still read."""


class Outbox:
    """An open outbox; made by `Outbox.open`.

    Attributes:
        started_anew: The database file is new although this node had an epoch before: the first record to be appended
            is an audit that says so.
        set_aside: Where a file went that SQLite could not read any more.
    """

    def __init__(self, rows: Rows, *, set_aside: Path | None, now_ns: Callable[[], int]) -> None:
        self._rows = rows
        self._along = Along(rows)
        self._hash = rows.hash
        self._writer = Writer(rows, on_done=self._note_state, now_ns=now_ns)
        self._state: State
        self._key_numbers: dict[bytes, int] = {}
        self._on_growth: Callable[[], None] = lambda: None
        self.set_aside = set_aside

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        path: Path,
        *,
        node: str,
        hash: chain.Hash,  # noqa: A002
        epoch_path: Path | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> AsyncIterator[Self]:
        """Open the file, make it where there is none, close it at the end.

        Args:
            path: The database file; its folder exists.
            node: Name of this node.
            hash: SM3.
            epoch_path: The epoch number outside the database; `PATH.epoch` by default.
            random_bytes: Where the store id comes from.
            now_ns: A monotonic clock; it tells a quick disk from a slow one.

        Raises:
            StoreBusyError: Another process has it.
            StoreError: It cannot be opened.
        """
        epoch_file = EpochFile(epoch_path or path.with_name(path.name + ".epoch"))
        make = functools.partial(Rows, node=node, hash=hash, epoch_file=epoch_file, random_bytes=random_bytes)
        # A power cut may have come between setting a file aside and taking over what is left of it.
        outbox = cls(make(Database(path), wreck=_newest_aside(path)), set_aside=None, now_ns=now_ns)
        try:
            await outbox._writer.start()
        except StoreDamagedError:
            aside = _set_aside(path)
            outbox = cls(make(Database(path), wreck=aside), set_aside=aside, now_ns=now_ns)
            await outbox._writer.start()
        try:
            yield outbox
        finally:
            await outbox._writer.stop()

    @property
    def started_anew(self) -> EpochChange | None:
        """What the first audit record has to say, if the file is new and the node is not; None once it is stored."""
        state = self._state
        epoch = state.mark.epoch
        if not state.is_new or (epoch == 1 and not state.saved):
            return None
        return EpochChange(
            former=epoch - 1, epoch=epoch, last_seq=0, acked=0, head=b"", missing=(), reason=EpochReason.NEW_STORE
        )

    @property
    def is_alive(self) -> bool:
        """Whether the writer thread stores anything; False for good once a bug ended it."""
        return self._writer.is_alive

    async def ended(self) -> None:
        """Wait until the writer thread has ended: a task of its own, so that a bug there ends the daemon.

        Raises:
            BaseException: The bug it ended of; not to be caught.
        """
        await self._writer.ended()

    # -- storing ---------------------------------------------------------------------------------------------------

    async def append(self, message: OutboxMessage, notes: Sequence[Note] = ()) -> int:
        """Store a record and its notes in one commit.

        Returns:
            Its seq for now; a new epoch may renumber it.

        Raises:
            StoreError: Nothing was stored: say so to whoever waits.
        """
        return await self._writer.append(self._entry_rows(message, notes=notes))

    async def add_key(self, key: WrappedKey) -> None:
        """Store a wrapped sealing key; records under it may follow.

        Raises:
            StoreError: Nothing was stored.
        """
        if len(key.key_id) != KEYID_BYTES or len(key.recipient) != KEYID_BYTES or not key.wrapped:
            raise ValueError("not a wrapped key")
        await self._writer.write(lambda: self._rows.add_key(key))

    async def notes(self, prefix: bytes) -> list[Note]:
        """The readable notes whose key begins so, in the order they were stored; of one key only the last.

        Raises:
            StoreError: The file cannot be read.
        """
        found: dict[bytes, Note] = {}
        from_n = 0
        while from_n < self._state.next_n:
            rows = await self._writer.read(functools.partial(self._read_notes, prefix, from_n=from_n))
            for key, expires_at_ms, body in rows:
                found.pop(key, None)
                found[key] = Note(key=key, expires_at_ms=expires_at_ms, body=body)
            from_n = max(from_n, self._state.mark.noted_n) + _NOTES_PAGE
        return list(found.values())

    # -- looking ---------------------------------------------------------------------------------------------------

    def counts(self) -> OutboxCounts:
        """Numbers for the status page, as of the last commit."""
        return self._state.counts()

    def is_quarantined(self, message_id: bytes) -> bool:
        """Whether the city rejected that record, as far back as the newest thousand go."""
        return message_id in self._state.returned

    def snapshot(self) -> Snapshot:
        """The ledger as of the last commit."""
        return self._state.snapshot()

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back in the event loop whenever records were stored."""
        self._on_growth = callback

    async def records(self, after_seq: int = 0, *, count_max: int = WINDOW) -> list[Record]:
        """Records of the present epoch in order, ending before the first that is damaged or gone.

        Raises:
            StoreError: The file cannot be read.
        """
        return await self._writer.read(lambda: self._along.records(after_seq, count_max=count_max))

    async def stretch(self, after_seq: int, *, count_max: int, bytes_max: int) -> Stretch | None:
        """The records behind a seq, as many as fit into one frame.

        Returns:
            None if h(after_seq) cannot be computed any more.

        Raises:
            StoreError: The file cannot be read.
        """
        if await self.head(after_seq) is None:
            return None
        return await self._writer.read(lambda: self._along.stretch(after_seq, count_max=count_max, bytes_max=bytes_max))

    async def head(self, seq: int) -> bytes | None:
        """h(seq) of the present epoch; None if it cannot be computed: pruned, damaged or not there yet.

        Raises:
            StoreError: The file cannot be read.
        """
        while True:
            point = await self._writer.read(lambda: self._along.fold(seq))
            if point is None or point[0] == seq:
                return point[1] if point else None

    async def is_sendable(self, seq: int) -> bool:
        """Whether that record is there and undamaged; True for one that is not stored yet.

        Raises:
            StoreError: The file cannot be read.
        """
        if seq >= self._state.next_seq:
            return True
        return bool(await self.records(seq - 1, count_max=1))

    async def damaged(self, *, with_settled: bool) -> frozenset[int]:
        """Every record (its n) that a new epoch could not take along, among those it has to.

        Raises:
            StoreError: The file cannot be read.
        """
        state = self._state
        spans = [span for _, span in state.runs.spans(after_seq=state.mark.acked, next_n=state.next_n)]
        if with_settled:
            spans = [(state.mark.held_n, state.next_n - 1)]
        found = set(state.damaged) if with_settled else set()
        for first, last in spans:
            for low in range(first, last + 1, WINDOW):
                window = (low, min(last, low + WINDOW - 1))
                found |= await self._writer.read(functools.partial(self._along.damaged, window))
        return frozenset(found)

    def seqs_of(self, records: frozenset[int]) -> tuple[tuple[int, int], ...]:
        """The seqs that records (their n) have in the present epoch, as ranges (first, last)."""
        found = [self._state.runs.find_seq(n, next_n=self._state.next_n) for n in records]
        ranges: list[tuple[int, int]] = []
        for seq in sorted(seq for seq in found if seq is not None):
            if ranges and ranges[-1][1] + 1 == seq:
                ranges[-1] = (ranges[-1][0], seq)
            else:
                ranges.append((seq, seq))
        return tuple(ranges)

    # -- settling --------------------------------------------------------------------------------------------------

    async def settle(self, settlement: Settlement) -> None:
        """Move the mark as an answer of the city says; durable before it returns.

        Raises:
            StoreError: The mark stands where it stood.
        """
        await self._writer.write(lambda: self._rows.settle(settlement))

    async def open_epoch(self, new: NewEpoch, *, audit: OutboxMessage) -> None:
        """Begin a new epoch; its first record is the audit.

        Raises:
            StoreError: The former epoch goes on.
        """
        rows = self._entry_rows(audit, notes=())
        await self._writer.write(lambda: self._rows.open_epoch(new, audit=rows))

    async def prune(self, keep: Keep) -> None:
        """Drop what may go, in small steps between which records are appended as ever.

        Raises:
            StoreError: The disk fails; what was dropped is dropped.
        """
        while await self._writer.write(lambda: prune_records(self._rows, self._along, keep=keep)):
            pass
        from_n: int | None = 0
        while from_n is not None:
            step = functools.partial(prune_notes, self._rows, lo_ms=keep.lo_ms, from_n=from_n)
            from_n = await self._writer.write(step)
        await self._writer.write(lambda: prune_rest(self._rows))

    # -- within ----------------------------------------------------------------------------------------------------

    def _note_state(self, state: State) -> None:
        """Called after every commit."""
        former = getattr(self, "_state", None)
        self._state = state
        if former is None or former.keys is not state.keys:
            self._key_numbers = {key.key_id: n for n, key in sorted(state.keys.items())}
        if former is None or former.next_n != state.next_n:
            self._on_growth()

    def _entry_rows(self, message: OutboxMessage, *, notes: Sequence[Note]) -> list[EntryRow]:
        """The rows of a message and its notes.

        Raises:
            StoreError: Its sealing key was never added.
            ValueError: Something is out of bounds: a bug of the caller.
        """
        if len(message.message_id) != ID_BYTES or not 0 < len(message.body) <= BODY_BYTES_MAX:
            raise ValueError("message out of bounds")
        if len(notes) > NOTES_MAX:
            raise ValueError("too many notes")
        key_n = self._key_numbers.get(message.key_id)
        if key_n is None:
            raise StoreError("the sealing key was not added")
        rows: list[EntryRow] = [(message.message_id, key_n, self._hash(message.body), message.body)]
        for note in notes:
            if not 0 < len(note.key) <= NOTE_KEY_BYTES_MAX or len(note.body) > NOTE_BODY_BYTES_MAX:
                raise ValueError("note out of bounds")
            rows.append((note.key, note.expires_at_ms, None, note.body))
        return rows

    def _read_notes(self, prefix: bytes, *, from_n: int) -> list[tuple[bytes, int, bytes]]:
        """In the thread: the notes of `_NOTES_PAGE` records, as far as they can be read."""
        first_n = max(from_n, self._rows.state.mark.noted_n)
        stop_n = min(first_n + _NOTES_PAGE, self._rows.state.next_n)
        try:
            rows = self._query_notes(prefix, first_n=first_n, stop_n=stop_n)
        except StoreDamagedError:
            rows = []
            for n in range(first_n, stop_n):
                with contextlib.suppress(StoreDamagedError):
                    rows += self._query_notes(prefix, first_n=n, stop_n=n + 1)
        return [row for row in rows if isinstance(row[1], int) and isinstance(row[2], bytes)]

    def _query_notes(self, prefix: bytes, *, first_n: int, stop_n: int) -> list[tuple[Any, ...]]:
        return self._rows.database.execute(
            "SELECT name, ref, body FROM entry WHERE k >= ? AND k < ? AND k & 15 <> 0 AND substr(name, 1, ?) = ?",
            (16 * first_n, 16 * stop_n, len(prefix), prefix),
        )


def _newest_aside(path: Path) -> Path | None:
    numbered = [path.with_name(f"{path.name}.damaged-{number}") for number in range(1, _ASIDE_MAX)]
    return next((aside for aside in reversed(numbered) if aside.exists()), None)


def _set_aside(path: Path) -> Path:
    """Move an unreadable file and its log out of the way, under the first free number.

    Raises:
        StoreError: It cannot be moved.
    """
    for number in range(1, _ASIDE_MAX):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if aside.exists():
            continue
        try:
            path.rename(aside)
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + "-wal").rename(aside.with_name(aside.name + "-wal"))
        except OSError as exc:
            raise StoreError(f"damaged file: {exc.strerror}") from exc
        return aside
    raise StoreError("too many damaged files")
