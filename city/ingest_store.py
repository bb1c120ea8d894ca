"""What the nodes sent, in one SQLite file: `city.received` in SQL; PostgreSQL would be a second file like this one.

Schema: ``city/schema/ingest``. Every write happens inside `SqliteIngestStore.transaction`, which is committed and
synced when its block ends well. One task at a time uses a store.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from city.received import BootState, Mark, PlacedRecord, Position, RecordState, Rejection, StoredKey, StoredRecord
from city.store import Database


class SqliteIngestStore:
    """`IngestStore` in one SQLite file, for one city process; use it as a context manager."""

    def __init__(self, path: Path, *, now_ms: int, readonly: bool = False) -> None:
        self._database = Database(path, schema="ingest", readonly=readonly, wait_s=0)
        if not readonly:
            self._database.query("INSERT OR IGNORE INTO identity (one, inc) VALUES (1, ?)", now_ms)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    @property
    def inc(self) -> int:
        """Unix ms at which this store was made or restored."""
        [(inc,)] = self._database.query("SELECT inc FROM identity")
        return int(inc)

    def mark_restored(self, now_ms: int) -> int:
        """Say that this file came back from a backup, so that nodes send again what they still hold; the new `inc`."""
        self._database.query("UPDATE identity SET inc = max(inc + 1, ?)", now_ms)
        return self.inc

    @contextmanager
    def transaction(self, node: str) -> Iterator["SqliteTransaction"]:
        """One frame of one node, committed and synced when the block ends well."""
        with self._database.transaction():
            self._database.query("INSERT OR IGNORE INTO node (name) VALUES (?)", node)
            [(key,)] = self._database.query("SELECT id FROM node WHERE name = ?", node)
            yield SqliteTransaction(self._database, node=key)

    def nodes(self) -> dict[str, int | None]:
        """Every node heard of, and when it was found to live in two boxes (Unix ms, None: it was not)."""
        return dict(self._database.query("SELECT name, cloned_at_ms FROM node ORDER BY name"))

    def cloned_at_ms(self, node: str) -> int | None:
        """When a node was found to live in two boxes (Unix ms); None if it was not, or was never heard of."""
        rows = self._database.query("SELECT cloned_at_ms FROM node WHERE name = ?", node)
        return rows[0][0] if rows else None

    def placed(self, node: str) -> Iterator[PlacedRecord]:
        """All records of a node in the order of its chain, each as often as it has a place."""
        for row in self._database.iterate(
            "SELECT p.epoch, p.seq, r.id, r.digest, r.key_id, r.state, r.text, r.body FROM record r"
            " JOIN node n ON n.id = r.node LEFT JOIN position p ON p.node = r.node AND p.id = r.id"
            " WHERE n.name = ? ORDER BY p.epoch IS NULL, p.epoch, p.seq, r.id",
            node,
        ):
            yield PlacedRecord(epoch=row[0], seq=row[1], record=_record(row[2:]))

    def bodies(self, node: str, *, epoch: int) -> Iterator[tuple[Position, bytes | None]]:
        """Places of an epoch, each with the body that belongs to its digest: the record's, or the quarantined one."""
        for seq, message_id, digest, body in self._database.iterate(
            "SELECT p.seq, p.id, p.digest, CASE WHEN r.digest = p.digest THEN r.body ELSE q.body END FROM position p"
            " JOIN node n ON n.id = p.node LEFT JOIN record r ON r.node = p.node AND r.id = p.id"
            " LEFT JOIN quarantine q ON q.node = p.node AND q.epoch = p.epoch AND q.seq = p.seq AND q.id = p.id"
            " AND q.digest = p.digest WHERE n.name = ? AND p.epoch = ? ORDER BY p.seq",
            node,
            epoch,
        ):
            yield Position(seq=seq, message_id=message_id, digest=digest), body

    def marks(self, node: str) -> dict[int, Mark]:
        """How far every epoch of a node is here."""
        rows = self._database.query(
            "SELECT epoch, acked, head FROM mark m JOIN node n ON n.id = m.node WHERE n.name = ? ORDER BY epoch", node
        )
        return {epoch: Mark(acked=acked, head=head) for epoch, acked, head in rows}

    def claims(self, node: str, *, epoch: int) -> dict[int, set[bytes]]:
        """The heads a node signed in an epoch, by seq."""
        claims: dict[int, set[bytes]] = {}
        for seq, head in self._database.query(
            "SELECT seq, head FROM claim c JOIN node n ON n.id = c.node WHERE n.name = ? AND c.epoch = ?", node, epoch
        ):
            claims.setdefault(seq, set()).add(head)
        return claims

    def keys(self, node: str, *, key_id: bytes) -> list[StoredKey]:
        """Every wrapped key of a node with that id."""
        rows = self._database.query(
            "SELECT d.key_id, recipient, wrapped FROM dek d JOIN node n ON n.id = d.node"
            " WHERE n.name = ? AND d.key_id = ?",
            node,
            key_id,
        )
        return [StoredKey(key_id=key, recipient=recipient, wrapped=wrapped) for key, recipient, wrapped in rows]

    def quarantined(self, node: str) -> int:
        """How many bodies of a node stand aside because they contradict what is here."""
        [(count,)] = self._database.query(
            "SELECT count(*) FROM quarantine q JOIN node n ON n.id = q.node WHERE n.name = ?", node
        )
        return int(count)


class SqliteTransaction:
    """`Transaction` on the connection of a `SqliteIngestStore`."""

    def __init__(self, database: Database, *, node: int) -> None:
        self._database = database
        self._node = node

    def mark(self, epoch: int) -> Mark | None:
        """How far `epoch` is here."""
        rows = self._database.query("SELECT acked, head FROM mark WHERE node = ? AND epoch = ?", self._node, epoch)
        return Mark(acked=rows[0][0], head=rows[0][1]) if rows else None

    def set_mark(self, epoch: int, *, mark: Mark) -> None:
        """Move the mark."""
        self._database.query(
            "INSERT INTO mark (node, epoch, acked, head) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (node, epoch) DO UPDATE SET acked = excluded.acked, head = excluded.head",
            self._node,
            epoch,
            mark.acked,
            mark.head,
        )

    def top_epoch(self) -> int:
        """Highest epoch with a mark."""
        [(top,)] = self._database.query("SELECT coalesce(max(epoch), 0) FROM mark WHERE node = ?", self._node)
        return int(top)

    def positions(self, epoch: int, *, first: int, last: int) -> dict[int, Position]:
        """Those of first..last that are here."""
        rows = self._database.query(
            "SELECT seq, id, digest FROM position WHERE node = ? AND epoch = ? AND seq BETWEEN ? AND ?",
            self._node,
            epoch,
            first,
            last,
        )
        return {row[0]: _position(row) for row in rows}

    def positions_from(self, epoch: int, *, seq: int) -> Iterator[Position]:
        """Ascending from `seq`."""
        for row in self._database.iterate(
            "SELECT seq, id, digest FROM position WHERE node = ? AND epoch = ? AND seq >= ? ORDER BY seq",
            self._node,
            epoch,
            seq,
        ):
            yield _position(row)

    def records(self, message_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Digest by id of those that are here."""
        places = ",".join("?" * len(message_ids))  # at most a batch's 500; SQLite takes 32,766
        sql = f"SELECT id, digest FROM record WHERE node = ? AND id IN ({places})"  # noqa: S608 - question marks only
        return dict(self._database.query(sql, self._node, *message_ids))

    def add_records(self, records: Sequence[StoredRecord], *, received_at_ms: int) -> None:
        """Write records that are not here yet."""
        self._database.many(
            "INSERT INTO record (node, id, digest, key_id, state, text, received_at_ms, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((self._node, r.message_id, r.digest, r.key_id, r.state, r.text, received_at_ms, r.body) for r in records),
        )
        self._add_unopened(record for record in records if record.state is RecordState.UNREADABLE)

    def add_positions(self, epoch: int, *, positions: Iterable[Position]) -> None:
        """Write places that are free."""
        self._database.many(
            "INSERT INTO position (node, epoch, seq, id, digest) VALUES (?, ?, ?, ?, ?)",
            ((self._node, epoch, p.seq, p.message_id, p.digest) for p in positions),
        )

    def add_quarantine(self, epoch: int, *, position: Position, body: bytes, why: str) -> None:
        """Set bytes aside that contradict what is here."""
        self._database.query(
            "INSERT OR IGNORE INTO quarantine (node, epoch, seq, id, digest, why, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._node,
            epoch,
            position.seq,
            position.message_id,
            position.digest,
            why,
            body,
        )

    def add_claim(self, epoch: int, *, seq: int, head: bytes) -> None:
        """Keep a head that the node signed."""
        self._database.query(
            "INSERT OR IGNORE INTO claim (node, epoch, seq, head) VALUES (?, ?, ?, ?)", self._node, epoch, seq, head
        )

    def add_keys(self, keys: Iterable[StoredKey]) -> set[bytes]:
        """Keep wrapped keys, numbered as they come; returns the ids under which something new came."""
        return {
            key.key_id
            for key in keys
            if self._database.query(
                "INSERT INTO dek (node, key_id, recipient, wrapped, number) VALUES (?1, ?2, ?3, ?4,"
                " 1 + (SELECT coalesce(max(number), 0) FROM dek WHERE node = ?1 AND key_id = ?2))"
                " ON CONFLICT (node, key_id, recipient, wrapped) DO NOTHING RETURNING 1",
                self._node,
                key.key_id,
                key.recipient,
                key.wrapped,
            )
        }

    def keys(self, key_id: bytes, *, after: int, limit: int) -> list[StoredKey]:
        """Wrapped keys with that id, ascending by number."""
        rows = self._database.query(
            "SELECT recipient, wrapped, number FROM dek WHERE node = ? AND key_id = ? AND number > ?"
            " ORDER BY number LIMIT ?",
            self._node,
            key_id,
            after,
            limit,
        )
        return [StoredKey(key_id=key_id, recipient=row[0], wrapped=row[1], number=row[2]) for row in rows]

    def add_retry(self, key_id: bytes) -> None:
        """Note an id under which a key may be untried."""
        self._database.query("INSERT OR IGNORE INTO retry (node, key_id) VALUES (?, ?)", self._node, key_id)

    def retries(self, *, limit: int) -> list[bytes]:
        """Ids that are noted so."""
        rows = self._database.query("SELECT key_id FROM retry WHERE node = ? LIMIT ?", self._node, limit)
        return [key_id for (key_id,) in rows]

    def end_retry(self, key_id: bytes) -> None:
        """Note that no key of that id is untried."""
        self._database.query("DELETE FROM retry WHERE node = ? AND key_id = ?", self._node, key_id)

    def untried(self, key_id: bytes, *, limit: int) -> list[StoredRecord]:
        """Unreadable records for which a key is left to try, those with the fewest tried first."""
        rows = self._database.query(
            "SELECT u.tried, r.id, r.digest, r.key_id, r.state, r.text, r.body FROM unopened u"
            " JOIN record r ON r.node = u.node AND r.id = u.id WHERE u.node = ?1 AND u.key_id = ?2"
            " AND u.tried < (SELECT coalesce(max(number), 0) FROM dek WHERE node = ?1 AND key_id = ?2)"
            " ORDER BY u.tried, u.id LIMIT ?3",
            self._node,
            key_id,
            limit,
        )
        return [replace(_record(row[1:]), tried=row[0]) for row in rows]

    def judge_anew(self, old: StoredRecord, *, new: StoredRecord) -> None:
        """Replace what is made of an unreadable record."""
        self._database.query(
            "DELETE FROM unopened WHERE node = ? AND key_id = ? AND tried = ? AND id = ?",
            self._node,
            old.key_id,
            old.tried,
            old.message_id,
        )
        if new.state is RecordState.UNREADABLE:
            self._add_unopened([new])
            return
        self._database.query(
            "UPDATE record SET state = ?, text = ? WHERE node = ? AND id = ?",
            new.state,
            new.text,
            self._node,
            new.message_id,
        )

    def _add_unopened(self, records: Iterable[StoredRecord]) -> None:
        self._database.many(
            "INSERT INTO unopened (node, key_id, tried, id) VALUES (?, ?, ?, ?)",
            ((self._node, record.key_id, record.tried, record.message_id) for record in records),
        )

    def rejections(self, epoch: int, *, first: int, last: int, limit: int) -> list[Rejection]:
        """Places whose bytes were not taken: their record was not, or its id is known with other bytes."""
        rows = self._database.query(
            "SELECT p.seq, CASE WHEN r.digest = p.digest THEN r.state ELSE 'refused' END,"
            " CASE WHEN r.digest = p.digest THEN r.text ELSE 'known id with other bytes' END"
            " FROM position p JOIN record r ON r.node = p.node AND r.id = p.id"
            " WHERE p.node = ? AND p.epoch = ? AND p.seq BETWEEN ? AND ?"
            " AND (r.state <> 'taken' OR r.digest <> p.digest) ORDER BY p.seq LIMIT ?",
            self._node,
            epoch,
            first,
            last,
            limit,
        )
        return [Rejection(seq=seq, state=RecordState(state), text=text) for seq, state, text in rows]

    def boots(self, boot: bytes) -> BootState:
        """What is known of the node's boots."""
        [row] = self._database.query(
            "SELECT n.boot, b.boottime_ms, n.returns, n.cloned_at_ms FROM node n"
            " LEFT JOIN boot b ON b.node = n.id AND b.boot = ? WHERE n.id = ?",
            boot,
            self._node,
        )
        return BootState(boot=row[0], boottime_ms=row[1], returns=row[2], cloned_at_ms=row[3])

    def set_boot(self, boot: bytes, *, boottime_ms: int, returns: int, cloned_at_ms: int | None) -> None:
        """Note a hello that counted."""
        self._database.query(
            "INSERT INTO boot (node, boot, boottime_ms) VALUES (?, ?, ?)"
            " ON CONFLICT (node, boot) DO UPDATE SET boottime_ms = excluded.boottime_ms",
            self._node,
            boot,
            boottime_ms,
        )
        self._database.query(
            "UPDATE node SET boot = ?, returns = ?, cloned_at_ms = ? WHERE id = ?",
            boot,
            returns,
            cloned_at_ms,
            self._node,
        )

    def set_hello(self, store: bytes, *, at_ms: int) -> None:
        """Note any hello that was answered."""
        self._database.query("UPDATE node SET store = ?, hello_at_ms = ? WHERE id = ?", store, at_ms, self._node)


def _position(row: tuple[Any, ...]) -> Position:
    return Position(seq=row[0], message_id=row[1], digest=row[2])


def _record(row: tuple[Any, ...]) -> StoredRecord:
    message_id, digest, key_id, state, text, body = row
    return StoredRecord(
        message_id=message_id, digest=digest, key_id=key_id, state=RecordState(state), text=text, body=body
    )
