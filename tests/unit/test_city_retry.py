"""Keys that come late: every one is tried on every record of its id, a bounded number in one frame."""

import sqlite3
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

import pytest

from city.ingest import TRIES_PER_FRAME, Ingest
from city.ingest_store import SqliteIngestStore
from city.opening import KeyRing
from city.received import StoredKey
from edge.seal import DataKey
from sync import topics, wire
from sync.message import Receipt
from tests.support import vectors
from tests.support.city_box import Box, data_key

NODE = "370881-0042"
NOW_MS = 1795399200000
LATE = data_key(b"dek-0002", secret=b"fedcba9876543210")


class CountingRing(KeyRing):
    """A key ring that counts how many keys it was asked to try."""

    tries = 0

    def open(self, body: bytes, *, node: str, message_id: bytes, wrapped: Iterable[StoredKey]) -> bytes | None:
        keys = list(wrapped)
        self.tries += len(keys)
        return super().open(body, node=node, message_id=message_id, wrapped=keys)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteIngestStore]:
    with SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS) as store:
        yield store


@pytest.fixture
def ring() -> CountingRing:
    return CountingRing([vectors.key("city_encryption")])


@pytest.fixture
def ingest(store: SqliteIngestStore, ring: CountingRing) -> Ingest:
    return make_ingest(store, ring)


@pytest.fixture
def box() -> Box:
    return Box(node=NODE, key=vectors.key("node"), city=vectors.key("city_encryption").public)


def make_ingest(store: SqliteIngestStore, ring: KeyRing) -> Ingest:
    node_keys = (vectors.key("node").public,)
    return Ingest(store=store, node_keys=lambda _node: node_keys, receipt_key=vectors.key("receipt"), key_ring=ring)


def send(ingest: Ingest, box: Box, count: int, *, deks: list[DataKey], dek: DataKey | None = None) -> Receipt:
    """Deliver so many new records in one batch."""
    first = len(box.rows) + 1
    box.append(*(box.record(dek=dek) for _ in range(count)))
    return deliver(ingest, box.batch_frame(first, len(box.rows), deks=deks), leaf="batch")


def deliver(ingest: Ingest, frame: bytes, *, leaf: str) -> Receipt:
    answer = ingest.handle(frame, topic=topics.up(NODE, leaf=leaf), now_ms=NOW_MS)
    assert answer is not None
    return wire.parse_receipt(wire.decode_frame(answer.frame).payload)


def wrong_keys(count: int, *, since: int = 0) -> list[DataKey]:
    """Keys under the late key's id that open nothing."""
    return [data_key(LATE.key_id, secret=number.to_bytes(16, "big")) for number in range(since, since + count)]


def unreadable(store: SqliteIngestStore) -> int:
    return sum(placed.record.state.value == "unreadable" for placed in store.placed(NODE))


def test_a_frame_tries_a_bounded_number_and_later_frames_the_rest(
    ingest: Ingest, ring: CountingRing, store: SqliteIngestStore, box: Box
) -> None:
    """A key for more records than a frame may try opens the first with its own frame, the others with the next."""
    send(ingest, box, 450, deks=[], dek=LATE)
    assert (ring.tries, unreadable(store)) == (0, 450)

    left = []
    frames = [("batch", box.batch_frame(1, 1, deks=[LATE])), ("batch", box.batch_frame(2, 2, deks=[]))]
    for leaf, frame in [*frames, ("hello", box.hello_frame())]:
        before = ring.tries
        deliver(ingest, frame, leaf=leaf)
        assert ring.tries - before <= TRIES_PER_FRAME
        left.append(unreadable(store))

    assert left == [250, 50, 0]
    assert deliver(ingest, box.hello_frame(), leaf="hello").rejected == ()
    assert ring.tries == 450


def test_only_the_new_key_is_tried(ingest: Ingest, ring: CountingRing, box: Box) -> None:
    """What failed once is not tried again, neither when another key comes nor when none does."""
    send(ingest, box, 20, deks=wrong_keys(1), dek=LATE)
    costs = []
    for number in range(1, 6):
        before = ring.tries
        send(ingest, box, 1, deks=[*wrong_keys(1, since=number), box.dek])
        costs.append(ring.tries - before)
    before = ring.tries
    send(ingest, box, 1, deks=[box.dek])

    assert costs == [21] * 5
    assert ring.tries - before == 1


def test_a_record_with_more_keys_than_a_frame_may_try_is_opened_in_the_end(
    ingest: Ingest, ring: CountingRing, store: SqliteIngestStore, box: Box
) -> None:
    """All keys are kept: the one that fits is found however many wrong ones came before it, over several frames."""
    with store.transaction(NODE) as transaction:
        for wrong in wrong_keys(TRIES_PER_FRAME):
            recipient, wrapped = box.wrapped(wrong)
            transaction.add_keys([StoredKey(key_id=LATE.key_id, recipient=recipient, wrapped=wrapped)])
    ring.tries = 0

    receipt = send(ingest, box, 3, deks=[LATE], dek=LATE)
    assert [row.code for row in receipt.rejected] == ["unreadable", "unreadable"]
    assert ring.tries == TRIES_PER_FRAME + 3
    for _ in range(2):
        before = ring.tries
        receipt = deliver(ingest, box.hello_frame(), leaf="hello")
        assert ring.tries - before <= TRIES_PER_FRAME

    assert receipt.rejected == ()
    assert unreadable(store) == 0
    assert ring.tries == 3 * (TRIES_PER_FRAME + 1)


def test_one_frame_goes_on_with_the_next_id(ingest: Ingest, store: SqliteIngestStore, box: Box) -> None:
    """Keys of several ids are tried in one frame while the bound allows."""
    other = data_key(b"dek-0003", secret=b"another secret!!")
    send(ingest, box, 150, deks=[], dek=LATE)
    send(ingest, box, 100, deks=[], dek=other)

    send(ingest, box, 1, deks=[LATE, other, box.dek])
    assert unreadable(store) == 50
    send(ingest, box, 1, deks=[box.dek])
    assert unreadable(store) == 0


def test_what_is_left_to_try_survives_a_restart(tmp_path: Path, ring: CountingRing, box: Box) -> None:
    """A city started again goes on where it was."""
    for hello_count in range(2):
        with SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS) as store:
            ingest = make_ingest(store, ring)
            if hello_count == 0:
                send(ingest, box, 300, deks=[], dek=LATE)
                send(ingest, box, 1, deks=[LATE, box.dek])
                assert unreadable(store) == 100
            else:
                deliver(ingest, box.hello_frame(), leaf="hello")
                assert unreadable(store) == 0


def test_a_store_of_the_former_schema_loses_no_key_and_no_record(tmp_path: Path, ring: CountingRing, box: Box) -> None:
    """Keys are numbered, unreadable records taken over as tried with all of them, and a new key opens them."""
    file = tmp_path / "ingest.db"
    sealed = [box.record(dek=LATE) for _ in range(2)]
    with sqlite3.connect(file) as old:
        script = (resources.files("city") / "schema" / "ingest" / "0001.sql").read_text(encoding="utf-8")
        old.executescript(f"{script};PRAGMA user_version = 1")
        old.execute("INSERT INTO node (id, name) VALUES (1, ?)", (NODE,))
        for row in sealed:
            old.execute(
                "INSERT INTO record VALUES (1, ?, ?, ?, 'unreadable', 'cannot open', 0, ?)",
                (row.message_id, row.digest, LATE.key_id, row.body),
            )
        for wrong in wrong_keys(3):
            old.execute("INSERT INTO dek VALUES (1, ?, ?, ?)", (wrong.key_id, *box.wrapped(wrong)))
    old.close()

    with SqliteIngestStore(file, now_ms=NOW_MS) as store:
        with store.transaction(NODE) as transaction:
            assert [key.number for key in transaction.keys(LATE.key_id, after=0, limit=9)] == [1, 2, 3]
        ingest = make_ingest(store, ring)
        box.append(*sealed)
        deliver(ingest, box.batch_frame(1, 2, deks=[LATE]), leaf="batch")
        assert ring.tries == 2
        assert [placed.record.state.value for placed in store.placed(NODE)] == ["taken", "taken"]
