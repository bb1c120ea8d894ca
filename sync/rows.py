"""The rows of the outbox and what is remembered of them: plain function calls, made only by the writer thread.

An append touches as few pages as it can (flash wear), so the chain is not stored; `sync.along` folds it when needed.
Opening reads a handful of rows, however many there are. `state` is changed only by replacing it: the thread puts the
former one back when a transaction fails.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sync import chain
from sync.epoch_file import EpochFile
from sync.errors import StoreDamagedError
from sync.ledger import Mark, NewEpoch, Settlement, State
from sync.loading import MARK_COLUMNS, STORE_ID_BYTES, read_highest_n, read_keys, read_mark, read_runs
from sync.message import WrappedKey
from sync.runs import Runs, first_epoch, renumber
from sync.salvage import Wreck
from sync.store import Database

NOTES_MAX: Final = 15
"""Notes of one record: it and they share 16 row numbers."""
DAMAGED: Final = "damaged"
"""The code in quarantine of what was set aside here; the others come from the city."""
LOST: Final = "lost"
"""The code of the row that says how many records could not be read out of a damaged file."""
RETURNED_MAX: Final = 1000
"""Ids of rejected records kept in memory, the newest."""

EntryRow = tuple[bytes, int, bytes | None, bytes]
"""(name, ref, digest, body) of a record or a note, still without its number."""

_MARK_PLACES: Final = ", ".join("?" for _ in dataclasses.fields(Mark))
_COLUMNS: Final = 5
_INSERT: Final = "INSERT INTO entry VALUES (?, ?, ?, ?, ?)"
_INSERTS: Final = tuple(_INSERT + ", (?, ?, ?, ?, ?)" * count for count in range(NOTES_MAX + 1))
"""For one row, two rows and so on, up to a record with all its notes."""


class Rows:
    """The tables.

    Args:
        database: The open file.
        node: Name of this node, part of the chain's start.
        hash: SM3.
        epoch_file: The number outside.
        random_bytes: Makes the store id.
        wreck: A damaged file that was set aside: a new one takes over what is left of it.
    """

    def __init__(
        self,
        database: Database,
        *,
        node: str,
        hash: chain.Hash,  # noqa: A002
        epoch_file: EpochFile,
        random_bytes: Callable[[int], bytes],
        wreck: Path | None,
    ) -> None:
        self.database = database
        self.hash = hash
        self.state: State
        self.is_loaded = False
        self._node = node
        self._epoch_file = epoch_file
        self._random_bytes = random_bytes
        self._wreck = wreck

    def load(self) -> None:
        """Read `state`; make the first one where the file is new.

        Raises:
            StoreError: The file cannot be read or written.
        """
        mark = read_mark(self.database) or self._begin()
        highest_epoch = self._epoch_file.read()
        if highest_epoch < mark.epoch:
            highest_epoch = mark.epoch
            self._epoch_file.write(mark.epoch)
        query = self.database.execute
        runs = read_runs(self.database)
        highest_n = read_highest_n(self.database, mark=mark)
        # All settled records may be pruned: then the mark and the growing run tell how far the numbers went.
        settled_n = runs.n_of(mark.acked) if mark.acked else 0
        self.state = State(
            mark=mark,
            highest_epoch=highest_epoch,
            runs=runs,
            next_n=max(highest_n + 1, runs.runs[-1].first_n, settled_n + 1),
            keys=read_keys(self.database),
            damaged=frozenset(
                n for (n,) in query("SELECT n FROM quarantine WHERE code = ?", (DAMAGED,)) if isinstance(n, int)
            ),
            quarantined=self.count_quarantined(),
            oldest_id=None,
            returned=self._read_returned(),
            lost=int(query("SELECT total(CAST(text AS INTEGER)) FROM quarantine WHERE code = ?", (LOST,))[0][0]),
        )
        self._note_oldest()
        self.is_loaded = True

    def append(self, groups: Sequence[Sequence[EntryRow]]) -> list[int]:
        """Store records, each with its notes, inside a transaction; a single one, the usual scan, is its own.

        Args:
            groups: For each record its own row, then those of its notes.

        Returns:
            The seqs they got.
        """
        if self.state.saved and groups:
            return self._append_first(groups)
        self._insert(groups)
        return self._count_appended(groups)

    def add_key(self, key: WrappedKey) -> int:
        """Store a wrapped key.

        Returns:
            Its number, which the records under it carry.
        """
        # A damaged key holds its number although it is not among the keys.
        number = int(self.database.execute("SELECT coalesce(max(n), 0) FROM wrapped_key")[0][0]) + 1
        self.database.execute(
            "INSERT INTO wrapped_key VALUES (?, ?, ?, ?)", (number, key.key_id, key.recipient, key.wrapped)
        )
        self.state = dataclasses.replace(self.state, keys={**self.state.keys, number: key})
        return number

    def settle(self, settlement: Settlement) -> None:
        """Move the mark, forward or back: one row. Rejected records go into quarantine with it."""
        mark = self.state.mark
        if settlement.epoch != mark.epoch:
            return
        if settlement.rejected:
            self._quarantine(settlement)
        self.replace_mark(
            dataclasses.replace(
                mark,
                acked=settlement.acked,
                head=settlement.head,
                inc=settlement.inc,
                rejected_seen=max(mark.rejected_seen, settlement.rejected_seen),
            )
        )

    def open_epoch(self, new: NewEpoch, *, audit: Sequence[EntryRow]) -> None:
        """Begin an epoch with its audit record; everything that goes again is renumbered by offsets.

        The number goes into the file outside first: if the rest fails, it is merely never used.
        """
        state = self.state
        self._epoch_file.write(new.change.epoch)
        self._set_aside(new.damaged - state.damaged)
        damaged = state.damaged | new.damaged
        runs = renumber(
            state.runs,
            acked=state.mark.acked,
            held_n=state.mark.held_n,
            audit_n=state.next_n,
            with_settled=new.with_settled or state.saved > 0,
            left_out=damaged,
        )
        self.append([audit])
        self._write_runs(runs)
        self.state = dataclasses.replace(
            self.state,
            highest_epoch=new.change.epoch,
            runs=runs,
            damaged=damaged,
            quarantined=self.count_quarantined(),
        )
        head = chain.start(self._node, new.change.epoch, hash=self.hash)
        self.replace_mark(
            dataclasses.replace(
                state.mark,
                epoch=new.change.epoch,
                acked=0,
                head=head,
                base=0,
                base_head=head,
                inc=new.inc,
                rejected_seen=0,
            )
        )

    def replace_mark(self, mark: Mark) -> None:
        """Write the one row of the mark."""
        values = dataclasses.astuple(mark)
        self.database.execute(f"REPLACE INTO mark (one, {MARK_COLUMNS}) VALUES (1, {_MARK_PLACES})", values)  # noqa: S608
        self.state = dataclasses.replace(self.state, mark=mark)
        self._note_oldest()

    def _begin(self) -> Mark:
        """A new file opens an epoch; the number outside is written first (contracts 5.4)."""
        with contextlib.ExitStack() as stack:
            wreck = stack.enter_context(Wreck(self._wreck, hash=self.hash)) if self._wreck is not None else None
            return self._begin_with(wreck)

    def _begin_with(self, wreck: Wreck | None) -> Mark:
        epoch = max(self._epoch_file.read(), wreck.epoch if wreck else 0) + 1
        self._epoch_file.write(epoch)
        head = chain.start(self._node, epoch, hash=self.hash)
        mark = Mark(
            store=self._random_bytes(STORE_ID_BYTES),
            epoch=epoch,
            acked=0,
            head=head,
            base=0,
            base_head=head,
            inc=None,
            rejected_seen=0,
            held_n=1,
            noted_n=1,
        )
        with self.database.transaction():
            saved = self._take_over(wreck, epoch=epoch) if wreck is not None else 0
            self._write_runs(first_epoch(saved=saved))
            self.database.execute(
                f"INSERT INTO mark (one, {MARK_COLUMNS}) VALUES (1, {_MARK_PLACES})",  # noqa: S608
                dataclasses.astuple(mark),
            )
        return mark

    def _take_over(self, wreck: Wreck, *, epoch: int) -> int:
        """Copy what is left of a damaged file. Its records get no seq yet: the audit comes before them.

        Returns:
            How many records.
        """
        self.database.execute_many(
            "INSERT INTO wrapped_key VALUES (?, ?, ?, ?)",
            [(n, key.key_id, key.recipient, key.wrapped) for n, key in wreck.keys.items()],
        )
        saved = 0

        def rows() -> Iterator[tuple[Any, ...]]:
            nonlocal saved
            for saved, group in enumerate(wreck.groups(), start=1):
                for place, row in enumerate(group):
                    yield (16 * saved + place, *row)

        self.database.execute_many(_INSERT, rows())
        self.database.execute_many(
            "INSERT OR IGNORE INTO quarantine VALUES (?, ?, 0, ?, CAST(? AS TEXT), CAST(? AS TEXT))", wreck.rejections()
        )
        if wreck.lost:
            values = (0, -epoch, 0, b"", LOST, str(wreck.lost))
            self.database.execute("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?)", values)
        return saved

    def _read_returned(self) -> frozenset[bytes]:
        rows = self.database.execute(
            "SELECT id FROM quarantine WHERE code NOT IN (?, ?) ORDER BY epoch DESC, seq DESC LIMIT ?",
            (DAMAGED, LOST, RETURNED_MAX),
        )
        return frozenset(message_id for (message_id,) in rows if isinstance(message_id, bytes))

    def _write_runs(self, runs: Runs) -> None:
        self.database.execute("DELETE FROM run")
        self.database.execute_many(
            "INSERT INTO run VALUES (?, ?, ?)", [(run.first_seq, run.first_n, run.count) for run in runs.runs]
        )

    def _insert(self, groups: Sequence[Sequence[EntryRow]]) -> None:
        """Number the rows and insert them, as many to a statement as it takes: half the time of one each."""
        values = [
            value
            for n, group in enumerate(groups, start=self.state.next_n)
            for place, row in enumerate(group)
            for value in (16 * n + place, *row)
        ]
        step = _COLUMNS * len(_INSERTS)
        rest = len(values) % step
        whole = len(values) - rest
        if whole:
            self.database.execute_many(_INSERTS[-1], [values[at : at + step] for at in range(0, whole, step)])
        if rest:
            self.database.execute(_INSERTS[rest // _COLUMNS - 1], values[whole:])

    def _append_first(self, groups: Sequence[Sequence[EntryRow]]) -> list[int]:
        """Store the first record of the file, the audit; what was saved out of a damaged one follows it."""
        state = self.state
        self._insert(groups[:1])
        runs = renumber(
            state.runs, acked=0, held_n=state.mark.held_n, audit_n=state.next_n, with_settled=True, left_out=()
        )
        self._write_runs(runs)
        self.state = dataclasses.replace(state, runs=runs, next_n=state.next_n + 1)
        self._note_oldest()
        return [1, *self.append(groups[1:])]

    def _count_appended(self, groups: Sequence[Sequence[EntryRow]]) -> list[int]:
        state = self.state
        first_seq = state.next_seq
        # Not dataclasses.replace: this is the hot path and it is four times slower.
        self.state = State(
            mark=state.mark,
            highest_epoch=state.highest_epoch,
            runs=state.runs,
            next_n=state.next_n + len(groups),
            keys=state.keys,
            damaged=state.damaged,
            quarantined=state.quarantined,
            oldest_id=groups[0][0][0] if groups and state.oldest_id is None else state.oldest_id,
            returned=state.returned,
            lost=state.lost,
        )
        return list(range(first_seq, first_seq + len(groups)))

    def _quarantine(self, settlement: Settlement) -> None:
        """Keep what the city said of each record it does not take."""
        rows = []
        for rejection in settlement.rejected:
            if 0 < rejection.seq < self.state.next_seq:
                n = self.state.runs.n_of(rejection.seq)
                rows.append((settlement.epoch, rejection.seq, n, self._id_of(n) or b"", rejection.code, rejection.text))
        self.database.execute_many("INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)", rows)
        self.state = dataclasses.replace(
            self.state, quarantined=self.count_quarantined(), returned=self._read_returned()
        )

    def _set_aside(self, damaged: Iterable[int]) -> None:
        """Name damaged records in quarantine; their rows stay where they are, whatever is left of them."""
        rows = []
        for n in sorted(damaged):
            seq = self.state.runs.find_seq(n, next_n=self.state.next_n)
            # One that is not of this epoch was settled in a former one: it stands under epoch 0 with its n.
            epoch, place = (self.state.mark.epoch, seq) if seq is not None else (0, n)
            rows.append((epoch, place, n, b"", DAMAGED, ""))
        self.database.execute_many("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)", rows)

    def count_quarantined(self) -> int:
        """How many records stand in quarantine."""
        ((count,),) = self.database.execute("SELECT count(*) FROM quarantine WHERE code <> ?", (LOST,))
        return int(count)

    def _note_oldest(self) -> None:
        """Remember the id of the oldest waiting record."""
        state = self.state
        oldest_n = state.mark.held_n if state.saved else state.runs.n_of(state.mark.acked + 1)
        oldest_id = self._id_of(oldest_n) if state.waiting else None
        if oldest_id != state.oldest_id:
            self.state = dataclasses.replace(state, oldest_id=oldest_id)

    def _id_of(self, n: int) -> bytes | None:
        """The id of a record; None for one that cannot be read."""
        try:
            rows = self.database.execute("SELECT name FROM entry WHERE k = ?", (16 * n,))
        except StoreDamagedError:
            return None
        return rows[0][0] if rows and isinstance(rows[0][0], bytes) else None
