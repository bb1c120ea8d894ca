"""Reading what is left of a damaged outbox file that was set aside, row by row. Used by the writer thread only.

Nothing in the file is believed: a record counts only if its digest fits and its key is there, a note only if it has the
form of one. Where a page cannot be read it is stepped over, and what was on it is counted as lost.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sync.chain import EPOCH_MAX, Hash
from sync.errors import StoreError
from sync.fields import BODY_BYTES_MAX, ID_BYTES, KEYID_BYTES
from sync.message import WrappedKey
from sync.store import Database, Row

PAGE: Final = 256
"""Rows read by one query, fewer round a damaged page."""
STEPS_MAX: Final = 4096
"""Records stepped over one by one (an inner page bears some thousand), then in ever longer strides."""
GAP_MAX: Final = 1_000_000
"""A number further off than this is damaged itself."""

_STRIDE: Final = 16
_PLACES: Final = _STRIDE - 1
_LAST: Final = 2**62


def is_sound(row: Row, *, hash: Hash) -> bool:  # noqa: A002
    """Whether (name, ref, digest, body) is a record that can be sent: a damaged row may hold anything anywhere."""
    name, ref, digest, body = row
    if not (isinstance(name, bytes) and len(name) == ID_BYTES and isinstance(ref, int)):
        return False
    return isinstance(body, bytes) and 0 < len(body) <= BODY_BYTES_MAX and bool(digest == hash(body))


def read_key(row: Row) -> WrappedKey | None:
    """A wrapped key from (key_id, recipient, wrapped); None for a damaged one."""
    if not all(isinstance(each, bytes) for each in row):
        return None
    key_id, recipient, wrapped = row
    if (len(key_id), len(recipient)) != (KEYID_BYTES, KEYID_BYTES) or not wrapped:
        return None
    return WrappedKey(key_id=key_id, recipient=recipient, wrapped=wrapped)


class Wreck:
    """What is left of a file; use it as a context manager.

    Args:
        path: The file.
        hash: SM3.

    Attributes:
        epoch: Of its ledger, 0 if it cannot be told.
        keys: Its wrapped keys by number.
        lost: Records that cannot be read, at least so many; complete once `groups` was read to its end.
    """

    def __init__(self, path: Path, *, hash: Hash) -> None:  # noqa: A002
        self._database = Database(path)
        self._hash = hash
        self._is_cut_short = False
        self._held_n = 1
        self.epoch = 0
        self.keys: dict[int, WrappedKey] = {}
        self.lost = 0

    def __enter__(self) -> Self:
        try:
            self._database.open_wreck()
        except StoreError:
            self._database.disconnect()  # then every query fails, and that is told as a loss
        for epoch, held_n in self._ask("SELECT epoch, held_n FROM mark WHERE one = 1"):
            self.epoch = epoch if isinstance(epoch, int) and 0 < epoch <= EPOCH_MAX else 0
            self._held_n = held_n if isinstance(held_n, int) and held_n > 0 else 1
        sql = "SELECT n, key_id, recipient, wrapped FROM wrapped_key WHERE n >= ? ORDER BY n LIMIT ?"
        found = {row[0]: read_key(row[1:]) for row in self._walk(sql, stride=1)}
        self.keys = {n: key for n, key in found.items() if key is not None and n < GAP_MAX}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.disconnect()

    def groups(self) -> Iterator[list[Row]]:
        """Every sound record with its notes, in old order: rows of (name, ref, digest, body).

        Notes whose record is lost come with the next one, as many as it has places for.
        """
        self._is_cut_short = False
        waiting: list[Row] = []
        next_n = self._held_n
        for n, rows in self._by_record():
            notes = [row[1:] for row in rows if row[0] % _STRIDE and _is_note(row[1:])]
            record = next((row[1:] for row in rows if not row[0] % _STRIDE), None)
            waiting += notes
            if record is None or record[1] not in self.keys or not is_sound(record, hash=self._hash):
                continue
            if n > next_n + GAP_MAX:
                self.lost += 1
                continue
            self.lost += max(0, n - next_n)
            next_n = n + 1
            yield [record, *waiting[:_PLACES]]
            waiting = waiting[_PLACES:]
        self.lost += self._is_cut_short

    def rejections(self) -> list[Row]:
        """What the city rejected: (epoch, seq, id, code, text), as far as it can be read."""
        sql = "SELECT epoch, seq, id, code, text FROM quarantine WHERE code <> 'lost' AND epoch > 0"
        return [row for row in self._ask(sql) if _is_rejection(row)]

    def _by_record(self) -> Iterator[tuple[int, list[Row]]]:
        """(n, its rows), those of its notes too."""
        n, rows = 0, list[Row]()
        sql = "SELECT k, name, ref, digest, body FROM entry WHERE k >= ? ORDER BY k LIMIT ?"
        for row in self._walk(sql, stride=_STRIDE):
            if row[0] // _STRIDE != n and rows:
                yield n, rows
                rows = []
            n = row[0] // _STRIDE
            rows.append(row)
        if rows:
            yield n, rows

    def _walk(self, sql: str, *, stride: int) -> Iterator[Row]:
        """Every readable row from 1 on; what cannot be read is stepped over."""
        at, count, missed = 1, PAGE, 0
        while at < _LAST:
            try:
                rows = [row for row in self._database.execute(sql, (at, count)) if row[0] >= at]
            except StoreError:
                if count > 1:
                    count //= 2
                    continue
                missed += 1
                # To the next record: a row that cannot be read may be a note of this one.
                at = (at // stride + max(1, missed - STEPS_MAX) ** 4) * stride
                continue
            if not rows:
                return
            yield from rows
            at, count, missed = rows[-1][0] + 1, min(PAGE, 2 * count), 0
        self._is_cut_short = True

    def _ask(self, sql: str) -> list[Row]:
        try:
            return self._database.execute(sql)
        except StoreError:
            return []


def _is_note(row: Row) -> bool:
    name, ref, digest, body = row
    return isinstance(name, bytes) and isinstance(ref, int) and digest is None and isinstance(body, bytes)


def _is_rejection(row: Row) -> bool:
    kinds = (int, int, bytes, bytes, bytes)
    return all(isinstance(each, kind) for each, kind in zip(row, kinds, strict=True))
