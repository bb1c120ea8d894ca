"""Reading along the chain: what goes into a batch, h(n) at any point, what is damaged. Used by the writer thread only.

Every body is checked against its stored digest before it leaves (contracts 5.2): after a reboot nothing else can tell a
flipped byte. A damaged record ends a stretch; whoever sends sees then that the next one cannot go as it was chained.
"""

from collections.abc import Iterator
from typing import Final

from sync import chain
from sync.errors import StoreDamagedError
from sync.fields import ID_BYTES
from sync.ledger import Record, Stretch
from sync.message import WrappedKey
from sync.rows import Rows
from sync.runs import Span
from sync.salvage import is_sound
from sync.store import Row

FOLD_MAX: Final = 2000
"""Links computed in one go: some 10 ms, during which an append waits."""
WINDOW: Final = 128
"""Records read by one query."""

_HEADS_MAX: Final = 64
"""Heads remembered: the ends of the batches on their way and the last fold."""
# Upper bounds of what CBOR and the signature add, measured on full frames.
_ENVELOPE_BYTES: Final = 640
_ITEM_BYTES: Final = 24
_DEK_BYTES: Final = 32


class Along:
    """The way along the chain of the present epoch.

    Args:
        rows: The tables.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._heads: dict[tuple[int, int], bytes] = {}

    def stretch(self, after_seq: int, *, count_max: int, bytes_max: int) -> Stretch | None:
        """The records behind a seq, as many as fit into one frame.

        Args:
            after_seq: The mark, or the last seq of a former stretch.
            count_max: At most so many.
            bytes_max: Of the whole frame.

        Returns:
            None if h(after_seq) is not at hand: `fold` makes it.
        """
        start, prev = self._nearest(after_seq)
        if start != after_seq:
            return None
        items: list[tuple[bytes, bytes]] = []
        deks: dict[bytes, tuple[bytes, bytes]] = {}
        head, size, is_cut_short = prev, _ENVELOPE_BYTES, False
        for record in self._records(after_seq, count_max=count_max):
            if record is None:
                is_cut_short = True
                break
            key = record.key
            size += _ITEM_BYTES + len(record.body) + (0 if key.key_id in deks else _DEK_BYTES + len(key.wrapped))
            if items and size > bytes_max:
                break
            deks[key.key_id] = (key.recipient, key.wrapped)
            items.append((record.message_id, record.body))
            head = self._link(head, seq=record.seq, message_id=record.message_id, digest=record.digest)
        self._remember(after_seq + len(items), head=head)
        return Stretch(
            epoch=self._rows.state.mark.epoch,
            first=after_seq + 1,
            prev=prev,
            head=head,
            deks=deks,
            items=tuple(items),
            is_cut_short=is_cut_short,
        )

    def records(self, after_seq: int, *, count_max: int) -> list[Record]:
        """Records in order, ending before the first that is damaged or gone."""
        found: list[Record] = []
        for record in self._records(after_seq, count_max=count_max):
            if record is None:
                break
            found.append(record)
        return found

    def fold(self, seq: int) -> tuple[int, bytes] | None:
        """Compute h towards a seq, at most `FOLD_MAX` links at a time; what was reached is remembered.

        Returns:
            (reached, h(reached)); None if it cannot be computed: pruned, damaged or not there yet.
        """
        state = self._rows.state
        if not state.mark.base <= seq < state.next_seq:
            return None
        reached, head = self._nearest(seq)
        for at, row in self._walk(reached, count_max=min(seq - reached, FOLD_MAX)):
            if row is None or not (_is_id(row[0]) and isinstance(row[2], bytes)):
                return None
            head = self._link(head, seq=at, message_id=row[0], digest=row[2])
            reached = at
        self._remember(reached, head=head)
        return reached, head

    def damaged(self, span: Span) -> frozenset[int]:
        """Which records of a span, given by n, cannot be sent: at most `WINDOW` of them in one go."""
        return frozenset(n for n, row in self._read(span) if self._sound(row) is None)

    def _records(self, after_seq: int, *, count_max: int) -> Iterator[Record | None]:
        """Checked records in order; None, once, in place of one that is damaged or gone."""
        for seq, row in self._walk(after_seq, count_max=count_max):
            key = self._sound(row)
            if row is None or key is None:
                yield None
                return
            yield Record(seq=seq, message_id=row[0], digest=row[2], body=row[3], key=key)

    def _sound(self, row: Row | None) -> WrappedKey | None:
        """The key of a record whose body fits its digest; None for one that cannot be sent."""
        if row is None or not is_sound(row, hash=self._rows.hash):
            return None
        return self._rows.state.keys.get(row[1])

    def _walk(self, after_seq: int, *, count_max: int) -> Iterator[tuple[int, Row | None]]:
        """(seq, row) behind a seq; the row is None where there is none."""
        left = count_max
        for first_seq, (first, last) in self._rows.state.runs.spans(
            after_seq=after_seq, next_n=self._rows.state.next_n
        ):
            seq = first_seq
            for low in range(first, min(last, first + left - 1) + 1, WINDOW):
                for _, row in self._read((low, min(last, low + WINDOW - 1, low + left - 1))):
                    yield seq, row
                    seq += 1
                    left -= 1

    def _read(self, span: Span) -> Iterator[tuple[int, Row | None]]:
        """(n, row) for every n of a span, also for rows that are missing or lie on a damaged page."""
        try:
            rows = self._query(span)
        except StoreDamagedError:
            rows = [row for n in range(span[0], span[1] + 1) for row in self._read_one(n)]
        by_n = {row[0] // 16: row[1:] for row in rows}
        for n in range(span[0], span[1] + 1):
            yield n, by_n.get(n)

    def _read_one(self, n: int) -> list[Row]:
        try:
            return self._query((n, n))
        except StoreDamagedError:
            return []

    def _query(self, span: Span) -> list[Row]:
        return self._rows.database.execute(
            "SELECT k, name, ref, digest, body FROM entry WHERE k BETWEEN ? AND ? AND k & 15 = 0",
            (16 * span[0], 16 * span[1]),
        )

    def _nearest(self, seq: int) -> tuple[int, bytes]:
        """The highest seq up to this one whose head is known."""
        mark = self._rows.state.mark
        known = [(mark.base, mark.base_head), (mark.acked, mark.head)]
        known += [(at, head) for (epoch, at), head in self._heads.items() if epoch == mark.epoch]
        return max(point for point in known if mark.base <= point[0] <= seq)

    def _remember(self, seq: int, *, head: bytes) -> None:
        self._heads[self._rows.state.mark.epoch, seq] = head
        while len(self._heads) > _HEADS_MAX:
            self._heads.pop(next(iter(self._heads)))

    def _link(self, head: bytes, *, seq: int, message_id: bytes, digest: bytes) -> bytes:
        return chain.link(head, seq=seq, message_id=message_id, digest=digest, hash=self._rows.hash)


def _is_id(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == ID_BYTES
