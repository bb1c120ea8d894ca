"""What is asked of the city and what comes down: nothing is believed, lost for good, or asked for in a storm."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import downlink, topics, wire
from sync.asking import PIECE_BYTES_MAX, Ask, OrderKind, Result
from sync.blobs import BlobFetcher, FinishedBlob
from sync.downlink import ASK_EVERY_S, ASK_FIRST_S, ASK_GAP_S, EARLY_EVERY_S, Document, Downlink
from sync.order_book import OrderBook
from sync.orders import Orders
from tests.support.small_city import (
    CITY_KEYID,
    NODE,
    SmallCity,
    document,
    node_sign,
    order_frame,
    piece_frame,
    sm3,
    verify_order,
)

DOC = topics.down(NODE, leaf="doc")
BLOB = topics.down(NODE, leaf="blob")
ORDER = topics.down(NODE, leaf="order")
DAY_S = 86_400.0


class Box:
    """A downlink, its clocks, and what it wants."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 100.0
        self.wants: dict[str, int] = {}
        self.calls: list[str] = []
        nonces = itertools.count(1)
        self.downlink = Downlink(
            node=NODE,
            blobs=BlobFetcher(folder / "parts", hash=sm3, bytes_max=1 << 20),
            orders=Orders(
                node=NODE, used=OrderBook(folder / "orders"), verify=verify_order, interval=lambda: (1_000, 1_500)
            ),
            wants=lambda: self.wants,
            random_bytes=lambda size: next(nonces).to_bytes(size, "big"),
            now_b=lambda: int(self.now_s * 1e9),
            monotonic=lambda: self.now_s,
        )
        self.downlink.watch(lambda: self.calls.append("wish"))
        self.downlink.watch_arrivals(lambda: self.calls.append("arrival"))

    def take(self, topic: str, payload: bytes) -> None:
        self.downlink.take(topic, payload, now_s=self.now_s)

    def asks(self) -> list[Ask]:
        """Every ask it sends now."""
        found = []
        for leaf, kind, payload in self.frames():
            assert (leaf, kind) == ("ask", wire.FrameType.ASK)
            found.append(Ask.from_payload(payload))
        return found

    def frames(self) -> Iterator[tuple[str, wire.FrameType, bytes]]:
        while (frame := self.downlink.next_frame(self.now_s)) is not None:
            yield frame

    def arrivals(self) -> list[downlink.Arrival]:
        return list(iter(self.downlink.next_arrival, None))

    def sleep(self) -> None:
        """Until it wants to be woken, which is never now."""
        wake_s = self.downlink.wake_s()
        assert wake_s > self.now_s
        self.now_s = wake_s


@pytest.fixture
def box(tmp_path: Path) -> Box:
    each = Box(tmp_path)
    each.downlink.connected(each.now_s)
    return each


def test_it_subscribes_to_its_own_topics_and_those_of_all(box: Box) -> None:
    """Receipts are the uplink's."""
    assert set(box.downlink.subscriptions) == {
        DOC,
        BLOB,
        ORDER,
        "ehc/1/all/doc/root",
        "ehc/1/all/doc/issuers",
        "ehc/1/all/doc/status",
    }


def test_the_time_is_asked_for_on_connecting_and_every_quarter_of_an_hour(box: Box) -> None:
    """Each time under a nonce of its own, whose sending is remembered until it is answered."""
    sent = []
    for _ in range(3):
        (ask,) = box.asks()
        sent.append((ask.nonce, box.now_s))
        assert ask.time
        assert box.downlink.time_nonces() == {ask.nonce: int(box.now_s * 1e9)}
        box.now_s += 1.0
        assert box.downlink.answered(ask.nonce) == int((box.now_s - 1.0) * 1e9)
        box.sleep()

    assert len({nonce for nonce, _ in sent}) == 3
    assert [after[1] - before[1] for before, after in itertools.pairwise(sent)] == [ASK_EVERY_S, ASK_EVERY_S]


def test_one_nonce_one_answer(box: Box) -> None:
    """A second answer, another's nonce, and one so old that it was given up change nothing."""
    (ask,) = box.asks()
    for _ in range(downlink.NONCES_MAX):
        box.sleep()
        (newest,) = box.asks()

    assert len(box.downlink.time_nonces()) == downlink.NONCES_MAX
    assert box.downlink.answered(ask.nonce) is None
    assert box.downlink.answered(b"?" * 16) is None
    assert box.downlink.answered(newest.nonce) is not None
    assert box.downlink.answered(newest.nonce) is None


def test_an_unanswered_question_is_put_again_ever_more_seldom(box: Box) -> None:
    """10 s, 20 s, 40 s ... 15 minutes, under new nonces; the former ones are still heard."""
    times = []
    for _ in range(10):
        (ask,) = box.asks()
        times.append(box.now_s)
        box.sleep()

    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 900.0, 900.0]
    assert box.downlink.answered(ask.nonce) is not None


@pytest.mark.parametrize("is_answered", [True, False])
def test_patience_begins_anew_with_an_answer_or_a_connection(box: Box, is_answered: bool) -> None:
    """The next question that finds no answer is put again after 10 s."""
    for _ in range(4):
        (ask,) = box.asks()
        box.sleep()
    if is_answered:
        box.downlink.answered(ask.nonce)
        box.sleep()
    else:
        box.downlink.connected(box.now_s)
    box.asks()
    asked_s = box.now_s
    box.sleep()

    assert box.now_s - asked_s == ASK_FIRST_S


def test_a_late_answer_to_the_first_question_is_heard(box: Box) -> None:
    """On a link slower than our patience the time is still learned, and then asked for as seldom as usual."""
    (first,) = box.asks()
    started_s = box.now_s
    box.sleep()
    box.asks()

    assert box.downlink.answered(first.nonce) == int(started_s * 1e9)
    box.sleep()
    assert box.now_s == started_s + ASK_EVERY_S


def test_a_new_connection_asks_with_a_new_nonce(box: Box) -> None:
    """Also when nothing is due; documents and pieces are asked for again at once."""
    box.wants = {"root": 3}
    box.downlink.want_blobs({sm3(b"blob"): 4})
    first, fetch = box.asks()
    box.downlink.answered(first.nonce)

    box.now_s += 5.0
    box.downlink.connected(box.now_s)
    again, fetch_again = box.asks()

    assert again.time
    assert again.nonce != first.nonce
    assert again.docs == first.docs == {"root": 3}
    assert fetch_again.fetch == fetch.fetch
    assert fetch_again.fetch is not None


def test_what_is_wanted_is_asked_for_until_it_is_there(box: Box) -> None:
    """By role and version: at once when it is known, ever more seldom while nobody has it, no more when it came."""
    (first,) = box.asks()
    box.downlink.answered(first.nonce)
    assert first.docs == {}
    box.now_s += 60.0
    box.wants = {"root": 2, "issuers": 8}
    box.downlink.look_again()
    assert box.calls == ["wish"]
    (second,) = box.asks()
    assert second.docs == {"root": 2, "issuers": 8}
    assert second.time

    box.now_s += 5.0
    box.wants = {"root": 3, "issuers": 8}
    (third,) = box.asks()
    assert third.docs == {"root": 3}

    box.wants = {}
    box.downlink.answered(third.nonce)
    box.sleep()
    (fourth,) = box.asks()
    assert fourth.docs == {}
    assert box.now_s == 165.0 + ASK_EVERY_S


def test_a_want_that_comes_and_goes_makes_no_storm(box: Box) -> None:
    """A version that was asked for is known to have been, even while it is not wanted."""
    count, ends_s = 0, box.now_s + DAY_S
    box.asks()
    while box.now_s < ends_s:
        box.wants = {} if box.wants else {"status": 32}
        count += len(box.asks())
        box.now_s += 1.0

    assert count < 2 * DAY_S / ASK_EVERY_S + 20


def test_a_silent_city_is_asked_a_bounded_number_of_times_a_day(box: Box) -> None:
    """Whatever is wanted of it: the time, documents it does not have, a blob it does not send."""
    box.wants = {"root": 2, "config": 1, "roster": 5}
    box.downlink.want_blobs({b"?" * 32: 1000})
    box.downlink.ask_docs({"issuers": 9})
    count, sent, ends_s = 0, 0, box.now_s + DAY_S

    while box.now_s < ends_s:
        for leaf, kind, payload in box.frames():
            count += 1
            sent += len(wire.encode_frame(kind, payload, sign=node_sign, keyid=b"k" * 8)) + len(leaf)
        box.sleep()

    assert count < 3 * DAY_S / ASK_EVERY_S + 30
    assert sent < 100_000


def test_documents_asked_for_once_are_asked_until_the_city_took_the_question(box: Box) -> None:
    """An answer to an earlier question does not count; whether the city has newer ones does not matter."""
    (before,) = box.asks()
    box.downlink.ask_docs({"issuers": 8})
    box.downlink.answered(before.nonce)
    box.sleep()
    (lost,) = box.asks()
    box.sleep()
    (heard,) = box.asks()
    assert before.docs == {}
    assert lost.docs == heard.docs == {"issuers": 8}

    box.downlink.answered(heard.nonce)
    box.sleep()
    (after,) = box.asks()
    assert after.docs == {}
    assert box.now_s >= 100.0 + ASK_EVERY_S


def test_a_newer_wish_is_not_answered_by_the_older_question(box: Box) -> None:
    """Whoever asks for a later version meanwhile is asked for."""
    box.downlink.ask_docs({"issuers": 8})
    (first,) = box.asks()
    box.downlink.ask_docs({"issuers": 9})
    box.downlink.answered(first.nonce)
    box.sleep()

    assert box.asks()[0].docs == {"issuers": 9}


def test_telling_it_to_ask_the_time_asks_soon(box: Box) -> None:
    """Not before the gap between questions, however often it is told, and not lost to an answer in between."""
    (first,) = box.asks()
    for _ in range(100):
        box.downlink.ask_time()
        assert box.asks() == []
    box.downlink.answered(first.nonce)
    box.sleep()

    assert box.now_s == 100.0 + ASK_GAP_S
    assert len(box.asks()) == 1


def test_an_early_fetch_is_made_once_in_ten_minutes(box: Box) -> None:
    """A person with an unknown card cannot make the box ask the city all day."""
    asked = 0
    for _ in range(1200):
        asked += box.downlink.ask_docs_now({"issuers": 8})
        box.now_s += 1.0

    assert asked == 1200 / EARLY_EVERY_S
    assert box.asks()[0].docs == {"issuers": 8}


def test_documents_are_handed_on_as_they_came(box: Box) -> None:
    """With the moment of their coming; roots before issuers before status, then the node's own in order."""
    box.take(topics.document("status"), document("status", version=31))
    box.take(topics.document("root"), document("root", version=1))
    box.take(DOC, document("time", nonce="n"))
    box.take(DOC, document("roster", version=2))

    assert box.calls == ["arrival"] * 4
    assert box.arrivals() == [
        Document(data=document("root", version=1), heard_b=100_000_000_000, role="root"),
        Document(data=document("status", version=31), heard_b=100_000_000_000, role="status"),
        Document(data=document("time", nonce="n"), heard_b=100_000_000_000),
        Document(data=document("roster", version=2), heard_b=100_000_000_000),
    ]


def test_the_newest_retained_document_waits_however_slow_the_other_half_is(box: Box) -> None:
    """A later one takes the place of an earlier; none is pushed out by what comes for this node alone."""
    for version in range(1, 100):
        box.take(topics.document("status"), document("status", version=version))
        box.take(DOC, document("roster", version=version))

    documents = [each for each in box.arrivals() if isinstance(each, Document)]
    assert documents[0].data == document("status", version=99)
    assert len(documents) == 1 + downlink.DOCUMENTS_MAX
    assert box.downlink.ignored == {"full": 99 - downlink.DOCUMENTS_MAX}


def test_the_queue_is_bounded_in_bytes(box: Box) -> None:
    """What was dropped is asked for again, because it is still wanted."""
    box.wants = {"root": 2}
    box.asks()
    for _ in range(6):
        box.take(DOC, b"{" + bytes(downlink.DOCUMENT_BYTES_MAX - 1))

    assert len(box.arrivals()) == 4
    box.now_s += ASK_FIRST_S
    assert box.asks()[0].docs == {"root": 2}


def test_blobs_come_down_and_are_handed_on_as_files(box: Box) -> None:
    """With a city that answers, through the frames alone; what is not theirs is counted."""
    city, blob = SmallCity(), bytes(range(256)) * 500
    city.blobs = {sm3(blob): blob}
    assert box.downlink.want_blobs({sm3(blob): len(blob), b"?" * 32: 1 << 30}) == {b"?" * 32}
    assert box.calls == ["wish", "arrival"]
    box.take(BLOB, piece_frame(b"another", offset=0))
    box.take(BLOB, piece_frame(blob, offset=0, node="another"))

    finished: list[downlink.Arrival] = []
    while not finished:
        for leaf, kind, payload in box.frames():
            frame = wire.encode_frame(kind, payload, sign=node_sign, keyid=b"\x01" * 8)
            for topic, answer in city.answers(topics.up(NODE, leaf=leaf), frame):
                box.take(topic, answer)
        finished = [each for each in box.arrivals() if isinstance(each, FinishedBlob)]
        box.now_s += 0.1

    (each,) = finished
    assert isinstance(each, FinishedBlob)
    assert each.path.read_bytes() == blob
    box.take(BLOB, piece_frame(blob, offset=0))
    assert box.downlink.ignored == {"unwanted": 2, "node": 1}


def test_a_piece_is_not_read_while_no_blob_is_wanted(box: Box) -> None:
    """Anybody may send some: whatever it is, it is only counted."""
    box.take(BLOB, b"\x84" + b"\xa0" * 130_000)
    box.take(BLOB, b"rubbish")
    box.take(BLOB, piece_frame(b"blob", offset=0))

    assert box.arrivals() == []
    assert box.downlink.ignored == {"unwanted": 3}


def test_a_piece_has_no_room_for_anything_else(box: Box) -> None:
    """What is longer than the longest piece is not read, and of a shorter one only as much as a piece has."""
    blob = bytes(PIECE_BYTES_MAX)
    box.downlink.want_blobs({sm3(blob): len(blob)})
    for size in (PIECE_BYTES_MAX, PIECE_BYTES_MAX + 256):
        junk = b"\x99" + size.to_bytes(2, "big") + b"\xa0" * size
        payload = wire.decode_frame(piece_frame(blob, offset=0, length=1)).payload
        hostile = b"\xa6\x63new" + junk + payload[1:]
        box.take(BLOB, wire.encode_unsigned_frame(wire.FrameType.BLOB, hostile))
    assert box.downlink.ignored == {"wire": 2}

    box.take(BLOB, piece_frame(blob, offset=0))
    assert [type(each) for each in box.arrivals()] == [FinishedBlob]


def test_an_order_is_handed_on_and_answered(box: Box) -> None:
    """Before everything else, and its answer is sent before anything is asked."""
    box.take(DOC, document("time", nonce="n"))
    box.take(ORDER, order_frame(1, OrderKind.FORGET_ROSTER))
    order, _ = box.arrivals()
    assert isinstance(order, downlink.Order)
    assert order.kind is OrderKind.FORGET_ROSTER
    box.calls.clear()
    box.downlink.finish_order(order, error="store")

    assert box.calls == ["wish"]
    assert box.downlink.wake_s() == -math.inf
    leaf, kind, payload = next(box.frames())
    assert (leaf, kind) == ("result", wire.FrameType.RESULT)
    assert Result.from_payload(payload) == Result(node=NODE, id=order.id, ok=False, error="store")


def test_orders_that_do_not_count_are_counted(box: Box) -> None:
    """A stranger's, another node's, and one of a kind that does not exist run nothing and are not answered."""
    box.take(ORDER, order_frame(1, keyid=CITY_KEYID))
    box.take(ORDER, order_frame(1, node="another"))
    box.take(ORDER, order_frame(1, node="another")[:-1])

    assert box.arrivals() == []
    assert box.downlink.ignored == {"signature": 1, "node": 1, "wire": 1}


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (DOC, b""),
        (DOC, order_frame(1)),
        (DOC, b"{" * (downlink.DOCUMENT_BYTES_MAX + 1)),
        (topics.document("root"), b""),
        (topics.document("issuers"), piece_frame(b"blob", offset=0)),
        (BLOB, document("root")),
        (BLOB, order_frame(1)),
        (ORDER, piece_frame(b"blob", offset=0)),
        (ORDER, b""),
    ],
)
def test_a_topic_accepts_only_its_own_type(box: Box, topic: str, payload: bytes) -> None:
    """Anything else changes nothing and is counted."""
    box.downlink.want_blobs({b"?" * 32: 1000})
    box.take(topics.document("root"), document("root", version=1))
    box.take(topic, payload)

    assert len(box.arrivals()) == 1
    assert box.downlink.ignored == {"wire": 1}


def test_topics_of_others_are_not_listened_to(box: Box) -> None:
    """Not even if a broker delivers them."""
    box.take(topics.down("another", leaf="doc"), document("root"))
    box.take("ehc/1/all/doc/roster", document("roster"))

    assert box.arrivals() == []
    assert box.downlink.ignored == {"topic": 2}


@given(
    topic=st.sampled_from([DOC, BLOB, ORDER, topics.document("status"), "x"]),
    payload=st.one_of(st.binary(max_size=200), st.sampled_from([order_frame(1), piece_frame(b"blob", offset=0)])),
    byte=st.integers(0, 255),
    at=st.integers(0, 10_000),
)
def test_hostile_payloads_raise_nothing(
    topic: str, payload: bytes, byte: int, at: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is delivered, the link goes on."""
    box = Box(tmp_path_factory.mktemp("box"))
    box.downlink.want_blobs({sm3(b"blob"): 4})
    changed = bytearray(payload or b"?")
    changed[at % len(changed)] = byte

    box.take(topic, bytes(changed))
