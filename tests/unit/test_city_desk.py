"""The city's desk: what follows from each frame and from each look at the folder, without link or loop."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from city.desk import Desk, Reaction
from city.ingest_store import SqliteIngestStore
from city.orders import OrderBook
from city.store import CityStoreError
from edge import trust
from sync import topics, wire
from sync.asking import Ask, Order, Result
from tests.support.city_box import Box
from tests.support.city_cli import NODE, City

NOW_MS = 1795399200000
ASK = topics.up(NODE, leaf="ask")
BATCH = topics.up(NODE, leaf="batch")
DOC = topics.down(NODE, leaf="doc")
HELLO = topics.up(NODE, leaf="hello")
ORDER = topics.down(NODE, leaf="order")
RECEIPT = topics.down(NODE, leaf="receipt")
RESULT = topics.up(NODE, leaf="result")
ASK_TIME = Ask(node=NODE, nonce=bytes(16), time=True).to_payload()


class Counter:
    """A city with its desk and one node's box."""

    def __init__(self, city: City, store: SqliteIngestStore) -> None:
        self.city = city
        self.now_s = 0.0
        self.desk = Desk(city.home, store=store, now_ms=lambda: NOW_MS, monotonic_s=lambda: self.now_s)
        self.box = Box(node=NODE, key=city.node_key("node.key"), city=city.home.keys.encryption().public)
        self.desk.begin()

    def send(self, kind: wire.FrameType, payload: bytes, *, topic: str) -> Reaction:
        return self.desk.handle(self.box.frame(kind, payload), topic=topic)

    def hello(self, boottime_ms: int, *, boot: bytes = b"a" * 16) -> Reaction:
        frame = self.box.hello_frame(boottime_ms=boottime_ms, boot=boot, have={"roster": 1})
        return self.desk.handle(frame, topic=HELLO)

    def become_two(self) -> None:
        for minute, boot in enumerate((b"a", b"b", b"a", b"b")):
            self.hello(minute, boot=boot * 16)

    def order(self) -> bytes:
        return bytes.fromhex(self.city("order", NODE, "fetch", "--expires", "43200")["id"])


@pytest.fixture
def counter(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    monkeypatch.setattr("city.document_commands.now_ms", lambda: NOW_MS)
    city = City.founded(tmp_path / "city", capsys)
    with SqliteIngestStore(city.home.ingest_db, now_ms=NOW_MS) as store:
        yield Counter(city, store)


def spoken(reaction: Reaction) -> list[str]:
    return [notice.topic for notice in reaction.notices]


def test_an_ask_is_answered_with_a_document(counter: Counter) -> None:
    """The time comes back on the node's own topic, not retained, under the root's key."""
    reaction = counter.send(wire.FrameType.ASK, ASK_TIME, topic=ASK)
    [notice] = reaction.notices
    root = counter.city.home.root()

    assert (notice.topic, notice.retain, reaction.dropped) == (DOC, False, {})
    assert root is not None
    assert trust.open_time(notice.document, root=root, node=NODE).time_ms == NOW_MS


def test_what_breaks_a_rule_is_counted_by_it(counter: Counter) -> None:
    """Whatever the leaf: rubbish, a stranger's topic and a foreign leaf give no answer and a count."""
    for topic in (ASK, RESULT, BATCH):
        assert counter.desk.handle(b"rubbish", topic=topic) == Reaction(dropped={"form": 1})
    frame = counter.box.frame(wire.FrameType.ASK, ASK_TIME)
    assert counter.desk.handle(frame, topic=topics.up("other", leaf="ask")).dropped == {"signer": 1}
    assert counter.desk.handle(frame, topic=HELLO).dropped == {"type": 1}
    assert counter.desk.handle(frame, topic="nonsense").dropped == {"topic": 1}


def test_a_node_that_has_had_its_bytes_is_counted(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """It still gets the time, and the operator can read of it."""
    monkeypatch.setattr(counter.desk._allowance, "_most", 0.0)
    ask = Ask(node=NODE, nonce=bytes(16), time=True, docs={"status": 1})
    reaction = counter.send(wire.FrameType.ASK, ask.to_payload(), topic=ASK)

    assert (spoken(reaction), reaction.dropped) == ([DOC], {"limit": 1})


def test_an_order_goes_out_at_once_and_to_whoever_comes(counter: Counter) -> None:
    """A new order is sent with the next look, again after each hello, and no more once it was run."""
    order_id = counter.order()
    looked = counter.desk.look()
    assert spoken(looked) == [ORDER]
    assert Order.from_payload(wire.decode_frame(looked.notices[0].document).payload).id == order_id
    assert spoken(counter.desk.look()) == []
    assert spoken(counter.hello(1)) == [RECEIPT, ORDER]

    done = counter.send(wire.FrameType.RESULT, Result(node=NODE, id=order_id, ok=True).to_payload(), topic=RESULT)
    assert (done.notices, done.lines) == ((), (f"指令 order {order_id.hex()} {NODE}: 已执行 done",))
    assert spoken(counter.hello(2)) == [RECEIPT]
    assert [row["state"] for row in counter.city("order", "--list")["orders"]] == ["done"]


def test_an_answer_to_no_order_is_counted(counter: Counter) -> None:
    """An id that was never given changes nothing."""
    result = Result(node=NODE, id=bytes(16), ok=False, error="again")

    assert counter.send(wire.FrameType.RESULT, result.to_payload(), topic=RESULT).dropped == {"order": 1}


def test_an_answer_that_cannot_be_kept_ends_the_city(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is the store's failure, as it is for records."""

    def fail(*_args: object, **_options: object) -> None:
        raise OSError

    monkeypatch.setattr(OrderBook, "answer", fail)
    result = Result(node=NODE, id=bytes(16), ok=True)
    with pytest.raises(CityStoreError):
        counter.send(wire.FrameType.RESULT, result.to_payload(), topic=RESULT)


def test_two_boxes_of_one_name_get_no_order_and_no_roster(counter: Counter) -> None:
    """Neither of itself, nor after a hello, nor when asked for; the time they still get."""
    counter.become_two()
    counter.order()

    assert spoken(counter.desk.look()) == []
    assert spoken(counter.hello(9, boot=b"b" * 16)) == [RECEIPT]
    ask = Ask(node=NODE, nonce=bytes(16), time=True, docs={"roster": 1})
    assert spoken(counter.send(wire.FrameType.ASK, ask.to_payload(), topic=ASK)) == [DOC]


def test_a_new_root_brings_its_keys_without_a_restart(counter: Counter) -> None:
    """After a rotation receipts and the time are signed with the keys that the new root names."""
    counter.city("root", "rotate", "--replace", "time", "--replace", "receipt", "--replace", "encryption")
    looked = counter.desk.look()
    root = counter.city.home.root()
    assert root is not None
    assert spoken(looked) == [topics.document("root")]
    assert looked.lines == ("已启用新的根文件 root 2 is in use",)

    [time] = counter.send(wire.FrameType.ASK, ASK_TIME, topic=ASK).notices
    receipt = wire.decode_frame(counter.hello(1).notices[0].document)
    counter.box.city = root.city_encryption_key
    counter.box.fill(1)
    batch = counter.desk.handle(counter.box.batch_frame(1, 1), topic=BATCH)

    assert trust.open_time(time.document, root=root, node=NODE).time_ms == NOW_MS
    assert receipt.keyid in root.receipt_keyids
    assert wire.parse_receipt(wire.decode_frame(batch.notices[0].document).payload).rejected == ()


def test_a_new_root_whose_keys_are_not_here_changes_nothing(counter: Counter) -> None:
    """The operator reads of it once, and the city goes on with the keys it has."""
    counter.city("root", "rotate", "--replace", "time")
    (counter.city.folder / "keys" / "time.2.key").unlink()

    assert ["former keys stay" in line for line in counter.desk.look().lines] == [True]
    assert counter.desk.look().lines == ()
    assert spoken(counter.send(wire.FrameType.ASK, ASK_TIME, topic=ASK)) == [DOC]


def test_nodes_are_read_when_their_folder_changes(counter: Counter) -> None:
    """A new node is known from the next look on; a damaged file is said once and keeps the former nodes."""
    assert (counter.desk.node_count, counter.desk.knows("x")) == (1, False)
    counter.city("node", "add", "x")
    counter.desk.look()
    assert (counter.desk.node_count, counter.desk.knows("x")) == (2, True)

    (counter.city.folder / "nodes" / "y.json").write_text("{}")
    assert ["y.json" in line for line in counter.desk.look().lines] == [True]
    assert counter.desk.look().lines == ()
    assert counter.desk.knows(NODE)


def test_a_new_link_is_told_everything_again(counter: Counter) -> None:
    """A broker that was started again holds no document and no order."""
    counter.order()
    counter.desk.look()

    again = [topics.document(role) for role in topics.ROLES_FOR_ALL] + [DOC, ORDER]
    assert spoken(counter.desk.begin()) == again
    shutil.rmtree(counter.city.folder / "orders")
    assert spoken(counter.desk.begin()) == again[:-1]
