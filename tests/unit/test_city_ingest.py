"""The rules of the city's receiving end, over its real SQLite store."""

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.ingest import REJECTIONS_MAX, Ingest, batch_error, hear_boot
from city.ingest_store import SqliteIngestStore
from city.opening import KeyRing
from city.received import BootState, RecordState
from edge.gm import generate, private_key, sm3
from sync import topics, wire
from sync.message import Receipt
from tests.support import vectors
from tests.support.city_box import BOOT, STORE, Box, data_key

NODE = "370881-0042"
NOW_MS = 1795399200000
INC = 1795312800000
HELLO = topics.up(NODE, leaf="hello")
BATCH = topics.up(NODE, leaf="batch")
OTHER_BOOT = bytes(15) + b"\x09"
NEW_DEK = data_key(b"dek-0002", secret=b"fedcba9876543210")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteIngestStore]:
    with SqliteIngestStore(tmp_path / "ingest.db", now_ms=INC) as store:
        yield store


@pytest.fixture
def ingest(store: SqliteIngestStore) -> Ingest:
    return make_ingest(store)


@pytest.fixture
def box() -> Box:
    return Box(node=NODE, key=vectors.key("node"), city=vectors.key("city_encryption").public)


def make_ingest(store: SqliteIngestStore) -> Ingest:
    keys = {NODE: (vectors.key("node").public,)}
    return Ingest(
        store=store,
        node_keys=lambda node: keys.get(node, ()),
        receipt_key=vectors.key("receipt"),
        key_ring=KeyRing([vectors.key("city_encryption")]),
    )


def vector(name: str) -> bytes:
    return bytes.fromhex(vectors.load("ledger")[name])


def receipt_of(data: bytes) -> Receipt:
    frame = wire.decode_frame(data)
    assert vectors.key("receipt").public.verify(frame.signed, signature=frame.signature)
    return wire.parse_receipt(frame.payload)


def answer(ingest: Ingest, data: bytes, *, topic: str = BATCH, now_ms: int = NOW_MS) -> Receipt:
    result = ingest.handle(data, topic=topic, now_ms=now_ms)
    assert result is not None
    assert result.topic == topics.down(NODE, leaf="receipt")
    return receipt_of(result.frame)


def states(store: SqliteIngestStore) -> list[tuple[int | None, int | None, str]]:
    return [(placed.epoch, placed.seq, placed.record.state.value) for placed in store.placed(NODE)]


def test_the_vectors_hello_gets_the_vectors_answer(ingest: Ingest) -> None:
    """A first hello is answered with acked 0, h(0), the store's inc and the hello's epoch as the highest known."""
    assert answer(ingest, vector("hello_frame"), topic=HELLO) == receipt_of(vector("hello_answer"))


def test_the_vectors_batch_gets_the_vectors_receipt(ingest: Ingest, store: SqliteIngestStore) -> None:
    """A batch that fits is committed whole, opened, and answered with h(last) over the city's own rows."""
    assert answer(ingest, vector("batch_frame")) == receipt_of(vector("receipt_frame"))

    placed = list(store.placed(NODE))
    assert [row.record.body.hex() for row in placed] == [row["body"] for row in vectors.load("ledger")["records"]]
    assert {row.record.state for row in placed} == {RecordState.TAKEN}


def test_a_batch_with_a_changed_item_stores_nothing_and_says_chain(ingest: Ingest, store: SqliteIngestStore) -> None:
    """A batch whose items do not lead from prev to head is answered with the error `chain`."""
    receipt = answer(ingest, vector("batch_changed_item"))

    assert (receipt.error, receipt.acked, receipt.head.hex()) == ("chain", 0, vectors.load("ledger")["h0"])
    assert states(store) == []


def test_a_batch_with_a_wrong_count_stores_nothing_and_says_count(ingest: Ingest, store: SqliteIngestStore) -> None:
    """A batch that claims more items than it has is answered with the error `count`."""
    receipt = answer(ingest, vector("batch_wrong_count"))

    assert (receipt.error, receipt.acked) == ("count", 0)
    assert states(store) == []


def test_a_stranger_gets_no_answer(ingest: Ingest) -> None:
    """A frame of an unknown signer is dropped and counted."""
    assert ingest.handle(vector("batch_by_stranger"), topic=BATCH, now_ms=NOW_MS) is None
    assert ingest.dropped == {"signer": 1}


def test_a_bad_signature_gets_no_answer(ingest: Ingest) -> None:
    """A frame that names the node's key but was signed by another is dropped and counted."""
    frame = wire.decode_frame(vector("batch_frame"))
    forged = wire.encode_frame(frame.type, frame.payload, sign=generate().sign, keyid=frame.keyid)

    assert ingest.handle(forged, topic=BATCH, now_ms=NOW_MS) is None
    assert ingest.dropped == {"signature": 1}


@pytest.mark.parametrize(
    ("topic", "rule"),
    [
        ("ehc/1/370881-0042/down/batch", "topic"),
        ("ehc/1/all/up/batch", "topic"),
        ("ehc/1/370881-0042/up/hello", "type"),
        ("ehc/1/370881-0042/up/ask", "type"),
        ("ehc/1/370881-0043/up/batch", "signer"),
    ],
)
def test_a_topic_takes_only_its_own_type_and_node(ingest: Ingest, topic: str, rule: str) -> None:
    """A batch on another topic is dropped by the rule it breaks."""
    assert ingest.handle(vector("batch_frame"), topic=topic, now_ms=NOW_MS) is None
    assert ingest.dropped == {rule: 1}


def test_a_payload_for_another_node_is_dropped(ingest: Ingest, box: Box) -> None:
    """A frame rightly signed whose payload names another node than its topic is dropped."""
    box.fill(1)

    assert ingest.handle(box.batch_frame(1, 1, changes={"node": "370881-0043"}), topic=BATCH, now_ms=NOW_MS) is None
    assert ingest.handle(box.hello_frame(node="370881-0043"), topic=HELLO, now_ms=NOW_MS) is None
    assert ingest.dropped == {"node": 2}


def test_a_payload_of_the_wrong_form_is_dropped(ingest: Ingest, box: Box) -> None:
    """A signed payload that is no hello, or states a boot time no clock can reach, is dropped."""
    for frame in (box.frame(wire.FrameType.HELLO, b"\xa0"), box.hello_frame(boottime_ms=2**63), b"rubbish"):
        assert ingest.handle(frame, topic=HELLO, now_ms=NOW_MS) is None
    assert ingest.dropped == {"form": 3}


def test_a_batch_twice_counts_once(ingest: Ingest, store: SqliteIngestStore) -> None:
    """A resent batch changes nothing and gets the same answer."""
    first = answer(ingest, vector("batch_frame"))
    again = answer(ingest, vector("batch_frame"))

    assert first == again
    assert len(states(store)) == 5
    assert store.quarantined(NODE) == 0


def test_a_hole_is_left_to_fill(ingest: Ingest, box: Box) -> None:
    """Batches may overtake each other: acked stands before the hole and jumps when it is filled."""
    box.fill(9)

    assert answer(ingest, box.batch_frame(7, 9)).acked == 0
    assert answer(ingest, box.batch_frame(1, 3)).acked == 3
    filled = answer(ingest, box.batch_frame(4, 6))

    assert (filled.acked, filled.head) == (9, box.head(9))


def test_batches_may_overlap(ingest: Ingest, store: SqliteIngestStore, box: Box) -> None:
    """A node that halves its batches sends places again; every one counts once."""
    box.fill(6)

    answer(ingest, box.batch_frame(1, 4))
    receipt = answer(ingest, box.batch_frame(3, 6))

    assert (receipt.acked, receipt.head) == (6, box.head(6))
    assert [seq for _, seq, _ in states(store)] == [1, 2, 3, 4, 5, 6]


def test_a_new_epoch_takes_the_same_records_at_new_places(ingest: Ingest, store: SqliteIngestStore, box: Box) -> None:
    """A record known from another epoch gets its place and is stored once."""
    box.fill(3)
    answer(ingest, box.batch_frame(1, 3))
    box.epoch = 2
    box.rows.insert(0, box.record(kind="audit"))

    receipt = answer(ingest, box.batch_frame(1, 4))
    hello = answer(ingest, box.hello_frame(epoch=1), topic=HELLO)

    assert (receipt.epoch, receipt.acked, receipt.head) == (2, 4, box.head(4))
    assert (hello.epoch, hello.acked, hello.top) == (1, 3, 2)
    assert len({placed.record.message_id for placed in store.placed(NODE)}) == 4
    assert len(states(store)) == 7


def test_a_hello_tells_how_far_the_city_is(ingest: Ingest, box: Box) -> None:
    """The answer to a hello states the city's mark, whatever the node believes."""
    box.fill(4)
    answer(ingest, box.batch_frame(1, 4))

    receipt = answer(ingest, box.hello_frame(acked=2), topic=HELLO)

    assert (receipt.acked, receipt.head, receipt.top, receipt.inc) == (4, box.head(4), 1, INC)


def test_a_crash_between_commit_and_receipt_loses_and_doubles_nothing(tmp_path: Path, box: Box) -> None:
    """A city started again knows what it committed and answers the resent batch as it would have."""
    box.fill(3)
    frame = box.batch_frame(1, 3)
    with SqliteIngestStore(tmp_path / "ingest.db", now_ms=INC) as store:
        make_ingest(store).handle(frame, topic=BATCH, now_ms=NOW_MS)

    with SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS) as store:
        receipt = answer(make_ingest(store), frame)
        assert len(states(store)) == 3

    assert (receipt.acked, receipt.head, receipt.inc) == (3, box.head(3), INC)


def test_an_unreadable_record_is_listed_and_the_rest_flows(ingest: Ingest, store: SqliteIngestStore, box: Box) -> None:
    """A body no key opens is kept, counts as acked, and is named by its seq whenever its batch is answered."""
    box.append(box.record(), box.record(dek=NEW_DEK), box.record())

    receipt = answer(ingest, box.batch_frame(1, 3))

    assert receipt.acked == 3
    assert [(row.seq, row.code, row.text) for row in receipt.rejected] == [(2, "unreadable", "cannot open")]
    assert states(store) == [(1, 1, "taken"), (1, 2, "unreadable"), (1, 3, "taken")]


@pytest.mark.parametrize("body", [b"\x01", b"\x02" + bytes(60), b"\x01" + b"dek-0001" + bytes(60)])
def test_a_body_that_is_none_is_unreadable(ingest: Ingest, box: Box, body: bytes) -> None:
    """Rubbish in place of a sealed body is kept as unreadable."""
    box.append(dataclasses.replace(box.record(), body=body))

    assert [row.code for row in answer(ingest, box.batch_frame(1, 1)).rejected] == ["unreadable"]


def test_a_late_key_opens_what_was_unreadable(ingest: Ingest, store: SqliteIngestStore, box: Box) -> None:
    """When a wrapped key arrives, records under its id are tried again and are rejected no more."""
    box.append(box.record(dek=NEW_DEK), box.record(dek=NEW_DEK, kind="nonsense"), box.record())
    answer(ingest, box.batch_frame(1, 2, deks=[]))

    answer(ingest, box.batch_frame(3, 3, deks=[box.dek, NEW_DEK]))
    hello = answer(ingest, box.hello_frame(), topic=HELLO)

    assert states(store) == [(1, 1, "taken"), (1, 2, "refused"), (1, 3, "taken")]
    assert [(row.seq, row.code) for row in hello.rejected] == [(2, "refused")]


def test_a_key_that_does_not_fit_leaves_the_record_unreadable(ingest: Ingest, box: Box) -> None:
    """Every key of an id is tried; one that opens nothing changes nothing."""
    wrong = data_key(NEW_DEK.key_id, secret=b"another secret!!")
    box.append(box.record(dek=NEW_DEK), box.record(dek=NEW_DEK), box.record(dek=NEW_DEK))
    answer(ingest, box.batch_frame(1, 1, deks=[]))

    assert [row.seq for row in answer(ingest, box.batch_frame(2, 2, deks=[wrong])).rejected] == [2]
    assert answer(ingest, box.batch_frame(3, 3, deks=[NEW_DEK])).rejected == ()
    assert answer(ingest, box.hello_frame(), topic=HELLO).rejected == ()


def test_a_key_wrapped_for_nobody_opens_nothing(ingest: Ingest, box: Box) -> None:
    """Keys for another recipient, of a wrong length or that do not unwrap leave a record unreadable."""
    city = box.city
    for entry in ((b"stranger", b"x"), (city.keyid, b"x"), (city.keyid, city.encrypt(b"short"))):
        box.append(box.record())
        seq = len(box.rows)
        frame = box.batch_frame(seq, seq, changes={"deks": {box.dek.key_id: entry}})
        assert [row.code for row in answer(ingest, frame).rejected] == ["unreadable"]


@pytest.mark.parametrize(
    ("plain", "text"),
    [
        (b"\xff", "not a transaction"),
        (b"\x01", "not a transaction"),
        (b"\xa1\x41\x01\x01", "not a transaction"),
        (b"\xa0", "sealed under another id"),
    ],
)
def test_what_is_no_transaction_is_refused(ingest: Ingest, box: Box, plain: bytes, text: str) -> None:
    """An opened record that is no map of ours is kept and listed as refused."""
    box.append(box.seal(plain, message_id=bytes(16)))

    assert [(row.code, row.text) for row in answer(ingest, box.batch_frame(1, 1)).rejected] == [("refused", text)]


def test_a_record_sealed_under_another_id_is_refused(ingest: Ingest, box: Box) -> None:
    """A record must say the id it is sent under."""
    box.append(box.record(inner_id=b"x" * 16))

    assert [row.text for row in answer(ingest, box.batch_frame(1, 1)).rejected] == ["sealed under another id"]


def test_a_known_id_with_other_bytes_gets_its_place_and_goes_aside(
    ingest: Ingest, store: SqliteIngestStore, box: Box
) -> None:
    """The first bytes of a record stay; the others are kept apart, listed as refused, and hold nothing up."""
    first = box.record()
    box.append(first, dataclasses.replace(box.record(), message_id=first.message_id), box.record())

    result = ingest.handle(box.batch_frame(1, 3), topic=BATCH, now_ms=NOW_MS)

    assert result is not None
    assert result.alarms == ("record",)
    receipt = receipt_of(result.frame)
    assert (receipt.acked, receipt.head) == (3, box.head(3))
    assert [(row.seq, row.code) for row in receipt.rejected] == [(2, "refused")]
    assert store.quarantined(NODE) == 1
    assert {placed.record.body for placed in store.placed(NODE) if placed.seq in {1, 2}} == {first.body}


def test_other_bytes_at_a_place_keep_the_first(ingest: Ingest, store: SqliteIngestStore, box: Box) -> None:
    """A place is written once; the record that came second is stored without one, and the heads disagree."""
    box.fill(2)
    answer(ingest, box.batch_frame(1, 2))
    head = box.head(2)
    late = box.record()
    box.rows[1] = late

    result = ingest.handle(box.batch_frame(1, 2), topic=BATCH, now_ms=NOW_MS)

    assert result is not None
    assert result.alarms == ("position",)
    receipt = receipt_of(result.frame)
    assert (receipt.acked, receipt.head, receipt.rejected) == (2, head, ())
    assert [(p.epoch, p.seq) for p in store.placed(NODE) if p.record.message_id == late.message_id] == [(None, None)]


def test_rejections_are_listed_after_a_hello_until_heard(ingest: Ingest, box: Box) -> None:
    """A hello gets the rejections above the seq it says it has heard of."""
    box.append(*(box.record(kind="nonsense") for _ in range(3)))
    answer(ingest, box.batch_frame(1, 3))

    heard = [
        [row.seq for row in answer(ingest, box.hello_frame(rejected_seen=seen), topic=HELLO).rejected]
        for seen in (None, 1, 3, 2**63 - 1)
    ]

    assert heard == [[1, 2, 3], [2, 3], [], []]


def test_one_receipt_lists_a_bounded_number_of_rejections(ingest: Ingest, box: Box) -> None:
    """A long list of rejections comes in pieces, lowest first."""
    rubbish = [box.record() for _ in range(REJECTIONS_MAX + 2)]
    box.append(*(dataclasses.replace(row, body=b"\x01") for row in rubbish))
    answer(ingest, box.batch_frame(1, 500))
    answer(ingest, box.batch_frame(501, REJECTIONS_MAX + 2))

    first = answer(ingest, box.hello_frame(), topic=HELLO).rejected
    rest = answer(ingest, box.hello_frame(rejected_seen=first[-1].seq), topic=HELLO).rejected

    assert [row.seq for row in first + rest] == list(range(1, REJECTIONS_MAX + 3))
    assert len(first) == REJECTIONS_MAX


@pytest.mark.parametrize("changes", [{"items": ()}, {"first": 0}, {"last": 2**63 - 1}])
def test_a_count_that_cannot_be_is_answered_with_count(ingest: Ingest, box: Box, changes: dict[str, object]) -> None:
    """No items, seq 0, and a seq no database holds: nothing is stored."""
    box.fill(1)

    assert answer(ingest, box.batch_frame(1, 1, changes=changes)).error == "count"


def test_a_chain_that_begins_elsewhere_does_not_fit(box: Box) -> None:
    """The first record of an epoch follows h(0), which the city knows without any row."""
    box.fill(1)
    batch = dataclasses.replace(box.batch(1, 1), epoch=2)

    assert batch_error(batch, digests=[row.digest for row in box.rows]) == "chain"


def test_a_chain_that_differs_further_back_is_still_stored(ingest: Ingest, store: SqliteIngestStore, box: Box) -> None:
    """Where the node's own chain differs from the city's, records are kept and the receipt's head tells."""
    box.fill(2)
    answer(ingest, box.batch_frame(1, 2))
    box.rows[0] = box.record()
    box.fill(1)

    receipt = answer(ingest, box.batch_frame(3, 3))

    assert receipt.error is None
    assert receipt.acked == 3
    assert receipt.head != box.head(3)
    assert len(states(store)) == 3


def test_two_boxes_with_one_name_raise_an_alarm_and_are_still_served(
    ingest: Ingest, store: SqliteIngestStore, box: Box
) -> None:
    """A boot heard again after another, twice, is two living boxes; their records are stored and receipted."""
    box.fill(1)
    alarms = []
    for minute, boot in enumerate([BOOT, OTHER_BOOT, BOOT, OTHER_BOOT, BOOT]):
        frame = box.hello_frame(boot=boot, boottime_ms=1000 + minute)
        result = ingest.handle(frame, topic=HELLO, now_ms=NOW_MS + minute)
        assert result is not None
        alarms.append(result.alarms)

    assert alarms == [(), (), (), ("clone",), ()]
    assert store.nodes() == {NODE: NOW_MS + 3}
    assert answer(ingest, box.batch_frame(1, 1)).acked == 1


def test_a_hello_alone_leaves_no_epoch_behind(ingest: Ingest, box: Box) -> None:
    """An epoch is known once a record of it is stored: a clone that only says hello drives nobody up."""
    box.fill(1)
    answer(ingest, box.batch_frame(1, 1))
    answer(ingest, box.hello_frame(epoch=2**32 - 2), topic=HELLO)

    assert answer(ingest, box.hello_frame(epoch=1), topic=HELLO).top == 1


def test_an_old_hello_is_answered_but_proves_nothing() -> None:
    """Only a hello with a higher boot time than any before of that boot counts."""
    before = BootState(boot=OTHER_BOOT, boottime_ms=5000, returns=0, cloned_at_ms=None)

    assert hear_boot(before, boot=BOOT, boottime_ms=5000, now_ms=NOW_MS) is None
    assert hear_boot(before, boot=BOOT, boottime_ms=5001, now_ms=NOW_MS) == BootState(
        boot=BOOT, boottime_ms=5001, returns=1, cloned_at_ms=None
    )


def test_a_repeated_hello_is_answered_again(ingest: Ingest, box: Box) -> None:
    """A hello the broker delivers twice gets the same answer twice."""
    assert answer(ingest, box.hello_frame(), topic=HELLO) == answer(ingest, box.hello_frame(), topic=HELLO)


def test_a_node_that_reboots_is_no_clone(ingest: Ingest, store: SqliteIngestStore, box: Box) -> None:
    """New boots one after another raise nothing."""
    for boot in range(5):
        answer(ingest, box.hello_frame(boot=boot.to_bytes(16, "big"), boottime_ms=10), topic=HELLO)

    assert store.nodes() == {NODE: None}


def test_a_restored_city_says_so_for_ever(store: SqliteIngestStore, ingest: Ingest, box: Box) -> None:
    """`inc` moves to the restore and never goes down, even under a clock that does."""
    assert store.mark_restored(NOW_MS) == NOW_MS
    assert store.mark_restored(0) == NOW_MS + 1
    assert answer(ingest, box.hello_frame(store=STORE), topic=HELLO).inc == NOW_MS + 1


def test_a_key_that_was_replaced_is_a_stranger(store: SqliteIngestStore, box: Box) -> None:
    """Only the keys the city has for a node speak for it; of several with one id any may."""
    other = private_key((5).to_bytes(32, "big")).public
    ingest = Ingest(
        store=store,
        node_keys=lambda _node: (other,),
        receipt_key=vectors.key("receipt"),
        key_ring=KeyRing([]),
    )

    assert ingest.handle(box.hello_frame(), topic=HELLO, now_ms=NOW_MS) is None
    assert ingest.dropped == {"signer": 1}


@given(data=st.binary(max_size=300), topic=st.sampled_from([HELLO, BATCH, "", "ehc/1/x/up/batch"]))
def test_garbage_never_raises(tmp_path_factory: pytest.TempPathFactory, data: bytes, topic: str) -> None:
    """Whatever a broker delivers is dropped or answered."""
    with SqliteIngestStore(tmp_path_factory.mktemp("g") / "ingest.db", now_ms=INC) as store:
        assert make_ingest(store).handle(data, topic=topic, now_ms=NOW_MS) is None


@given(data=st.data())
def test_a_signed_batch_of_garbage_never_raises(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any members a node may sign are dropped or answered, and nothing raises."""
    u64 = st.integers(min_value=0, max_value=2**63 - 1) | st.integers(min_value=0, max_value=5)
    box = Box(node=NODE, key=vectors.key("node"), city=vectors.key("city_encryption").public)
    batch = wire.Batch(
        node=NODE,
        epoch=data.draw(st.integers(min_value=0, max_value=2**32 - 2)),
        first=data.draw(u64),
        last=data.draw(u64),
        prev=data.draw(st.binary(min_size=32, max_size=32)),
        head=data.draw(st.binary(min_size=32, max_size=32)),
        deks=data.draw(st.dictionaries(st.just(b"dek-0001"), st.just((b"12345678", b"x")))),
        items=tuple(data.draw(st.lists(st.tuples(st.just(bytes(16)), st.binary(min_size=1, max_size=60)), max_size=3))),
        nonce=bytes(16),
    )
    with SqliteIngestStore(tmp_path_factory.mktemp("g") / "ingest.db", now_ms=INC) as store:
        make_ingest(store).handle(box.frame(wire.FrameType.BATCH, batch.to_payload()), topic=BATCH, now_ms=NOW_MS)


@given(cuts=st.lists(st.integers(min_value=1, max_value=11), max_size=8), order=st.randoms(use_true_random=False))
def test_any_split_and_order_gives_the_same_store(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], order: object
) -> None:
    """However records are cut into batches, in whatever order these come and however often, all are there once."""
    box = Box(node=NODE, key=vectors.key("node"), city=vectors.key("city_encryption").public)
    box.fill(12)
    edges = sorted({0, 12, *cuts})
    frames = [box.batch_frame(low + 1, high) for low, high in pairwise(edges)] * 2
    order.shuffle(frames)  # type: ignore[attr-defined]

    with SqliteIngestStore(tmp_path_factory.mktemp("s") / "ingest.db", now_ms=INC) as store:
        ingest = make_ingest(store)
        last = [answer(ingest, frame) for frame in frames][-1]
        found = [(placed.seq, placed.record.digest) for placed in store.placed(NODE)]

    assert (last.acked, last.head) == (12, box.head(12))
    assert found == [(seq, sm3(row.body)) for seq, row in enumerate(box.rows, start=1)]
