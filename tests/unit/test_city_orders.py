"""Orders: given on the command line, kept as files, sent until they were run, and what became of them."""

import json
from pathlib import Path

import pytest

from city import document_commands
from city.__main__ import main
from city.errors import AuthorityError
from city.frames import DroppedError
from city.orders import KEPT_MS, NOT_YET, OrderBook, OrderDesk
from edge.gm import generate
from sync import topics, wire
from sync.asking import Order, OrderKind, Result
from sync.errors import WireError
from tests.support.city_cli import NODE, City

NOW_MS = 1795399200000
MINUTE_MS = 60_000
RESULT = topics.up(NODE, leaf="result")
KEY = generate()


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> City:
    return City.founded(tmp_path / "city", capsys)


@pytest.fixture
def book(tmp_path: Path) -> OrderBook:
    return OrderBook(tmp_path / "orders")


@pytest.fixture
def desk(book: OrderBook) -> OrderDesk:
    return OrderDesk(book, node_keys=lambda node: [KEY.public] if node == NODE else [])


def order(number: int = 1, *, node: str = NODE, expires_ms: int = NOW_MS + MINUTE_MS) -> Order:
    return Order(node=node, id=number.to_bytes(16, "big"), kind=OrderKind.FETCH, expires_ms=expires_ms)


def answer(number: int = 1, *, error: str | None = None, node: str = NODE) -> bytes:
    result = Result(node=node, id=number.to_bytes(16, "big"), ok=error is None, error=error)
    return wire.encode_frame(wire.FrameType.RESULT, result.to_payload(), sign=KEY.sign, keyid=KEY.public.keyid)


def test_an_order_is_signed_for_one_node_with_an_end(city: City) -> None:
    """What lies ready for `serve` is a frame of the config key that names node, kind and end."""
    given = city("order", NODE, "forget_roster", "--expires", "10")
    [kept] = OrderBook(city.home.orders).orders()
    frame = wire.decode_frame(kept.frame)

    assert frame.type is wire.FrameType.ORDER
    assert city.home.keys.role("config").public.verify(frame.signed, signature=frame.signature)
    assert Order.from_payload(frame.payload) == kept.order
    assert (kept.order.id.hex(), kept.order.node, kept.order.kind) == (given["id"], NODE, OrderKind.FORGET_ROSTER)
    assert kept.order.expires_ms - kept.made_at_ms == 10 * MINUTE_MS
    assert [(row["state"], row["kind"]) for row in city("order", "--list")["orders"]] == [("waiting", "forget_roster")]


@pytest.mark.parametrize(
    "words", [("order",), ("order", NODE), ("order", NODE, "reboot"), ("order", NODE, "fetch", "--list")]
)
def test_an_order_that_is_none_is_a_usage_error(city: City, words: tuple[str, ...]) -> None:
    """Node and one of the three kinds, or --list: anything else exits 2."""
    with pytest.raises(SystemExit) as exit_:
        city(*words)
    assert exit_.value.code == 2
    assert not city.home.orders.exists()


@pytest.mark.parametrize("minutes", ["0", "43201", "-5"])
def test_an_order_ends_within_a_month(city: City, minutes: str) -> None:
    """An end that has passed or lies too far ahead is refused, and so is a node that was never made."""
    assert "--expires" in city.fails("order", NODE, "fetch", f"--expires={minutes}")[1]
    assert "no node of that name" in city.fails("order", "other", "fetch")[1]
    assert city("order", "--list")["orders"] == []


def test_the_list_says_what_became_of_each(
    city: City, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done, failed with the node's word, still waiting after a refusal for now, and too late."""
    city("node", "add", "other")
    ids = [bytes.fromhex(city("order", NODE, "hello")["id"]) for _ in range(4)]
    city("order", "other", "fetch")
    book = OrderBook(city.home.orders)
    for message_id, error in zip(ids, (None, "disk", "expires"), strict=False):
        book.answer(Result(node=NODE, id=message_id, ok=error is None, error=error), now_ms=NOW_MS)

    rows = {row["id"]: (row["state"], row.get("error")) for row in city("order", "--list", NODE)["orders"]}
    assert [rows[message_id.hex()] for message_id in ids] == [
        ("done", None),
        ("failed", "disk"),
        ("waiting", "expires"),
        ("waiting", None),
    ]
    later_ms = document_commands.now_ms() + 2 * 86_400_000
    monkeypatch.setattr(document_commands, "now_ms", lambda: later_ms)
    late = {row["id"]: row["state"] for row in city("order", "--list")["orders"]}
    assert [late[message_id.hex()] for message_id in ids[2:]] == ["failed", "expired"]
    assert main(["order", "--list", "--home", str(city.folder)]) == 0
    assert "disk" in capsys.readouterr().out


def test_an_order_is_sent_until_it_was_run(book: OrderBook, desk: OrderDesk) -> None:
    """New ones once a link, open ones again when the node is there, and none once it was answered."""
    assert desk.look(now_ms=NOW_MS) == []
    book.add(order(), frame=b"frame", now_ms=NOW_MS)

    assert [given.frame for given in desk.look(now_ms=NOW_MS)] == [b"frame"]
    assert desk.look(now_ms=NOW_MS) == []
    assert [given.frame for given in desk.open_for(NODE, now_ms=NOW_MS)] == [b"frame"]
    desk.forget()
    assert len(desk.look(now_ms=NOW_MS)) == 1

    assert desk.handle(answer(), topic=RESULT, now_ms=NOW_MS).ok
    assert desk.open_for(NODE, now_ms=NOW_MS) == []
    desk.forget()
    assert desk.look(now_ms=NOW_MS) == []


@pytest.mark.parametrize("error", ["failed", "again", "word-of-a-later-version"])
def test_what_ran_and_failed_is_not_sent_again(book: OrderBook, desk: OrderDesk, error: str) -> None:
    """Any word but those for "not yet" ends an order, whoever looks: this link, the next, or a city started again."""
    book.add(order(), frame=b"frame", now_ms=NOW_MS)
    desk.look(now_ms=NOW_MS)
    desk.handle(answer(error=error), topic=RESULT, now_ms=NOW_MS)

    assert desk.open_for(NODE, now_ms=NOW_MS) == []
    desk.forget()
    assert desk.look(now_ms=NOW_MS) == []
    desk.handle(answer(error="store"), topic=RESULT, now_ms=NOW_MS + 1)
    [given] = book.orders()
    assert not given.is_open(NOW_MS)
    assert given.outcome is not None
    assert given.outcome.error == error


def test_the_list_explains_a_nodes_words_in_both_languages(city: City, capsys: pytest.CaptureFixture[str]) -> None:
    """What failed is told from what did not run yet; a word nobody knows is shown as it is."""
    words = [*sorted(NOT_YET), "failed", "again", "later-word"]
    book = OrderBook(city.home.orders)
    for word in words:
        message_id = bytes.fromhex(city("order", NODE, "fetch")["id"])
        book.answer(Result(node=NODE, id=message_id, ok=False, error=word), now_ms=NOW_MS)
    states = {row["error"]: row["state"] for row in city("order", "--list")["orders"]}
    assert states == {word: "waiting" if word in NOT_YET else "failed" for word in words}

    assert main(["order", "--list", "--home", str(city.folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    texts = [line.split("  ", maxsplit=5)[4:] for line in lines]
    assert ["失败 failed", "later-word"] in texts
    assert ["失败 failed", "节点已执行但未成功，不再重发 the node ran it and did not succeed: not sent again"] in texts
    assert sum(state == "等待 waiting" for state, _ in texts) == len(NOT_YET)
    assert all(not text.isascii() for _, text in texts if text != "later-word")


def test_an_order_that_has_expired_is_sent_no_more(book: OrderBook, desk: OrderDesk) -> None:
    """From its end on it is sent neither for itself nor to a node that comes."""
    book.add(order(), frame=b"frame", now_ms=NOW_MS)
    desk.look(now_ms=NOW_MS)

    assert desk.open_for(NODE, now_ms=NOW_MS + MINUTE_MS) == []
    desk.forget()
    assert desk.look(now_ms=NOW_MS + MINUTE_MS) == []


@pytest.mark.parametrize("error", sorted(NOT_YET))
def test_a_node_that_cannot_run_it_yet_is_asked_again(book: OrderBook, desk: OrderDesk, error: str) -> None:
    """A refusal that uses no id up leaves the order open; what it comes to later takes the refusal's place for good."""
    book.add(order(), frame=b"frame", now_ms=NOW_MS)
    desk.look(now_ms=NOW_MS)
    desk.handle(answer(error=error), topic=RESULT, now_ms=NOW_MS)
    assert len(desk.open_for(NODE, now_ms=NOW_MS)) == 1

    desk.handle(answer(), topic=RESULT, now_ms=NOW_MS + 1)
    desk.handle(answer(error="again"), topic=RESULT, now_ms=NOW_MS + 2)
    [given] = book.orders()
    assert given.outcome is not None
    assert (given.outcome.ok, given.outcome.error, given.outcome.at_ms) == (True, None, NOW_MS + 1)


@pytest.mark.parametrize(
    ("frame", "topic", "rule"),
    [
        (answer(9), RESULT, "order"),
        (answer(2), RESULT, "order"),
        (answer(node="other"), RESULT, "node"),
        (answer(), topics.up("other", leaf="result"), "signer"),
        (answer(), topics.up(NODE, leaf="hello"), "type"),
    ],
)
def test_an_answer_counts_only_from_who_was_told(
    book: OrderBook, desk: OrderDesk, frame: bytes, topic: str, rule: str
) -> None:
    """An id that was never given, another node's order, and a foreign frame change nothing."""
    book.add(order(), frame=b"", now_ms=NOW_MS)
    book.add(order(2, node="other"), frame=b"", now_ms=NOW_MS)

    with pytest.raises(DroppedError, match=rule):
        desk.handle(frame, topic=topic, now_ms=NOW_MS)
    assert [given.outcome for given in book.orders()] == [None, None]


def test_rubbish_is_no_answer(desk: OrderDesk) -> None:
    """A signed payload that is no result is refused."""
    frame = wire.encode_frame(wire.FrameType.RESULT, b"\xa0", sign=KEY.sign, keyid=KEY.public.keyid)

    with pytest.raises(WireError):
        desk.handle(frame, topic=RESULT, now_ms=NOW_MS)


def test_a_nodes_words_reach_no_terminal(book: OrderBook, desk: OrderDesk) -> None:
    """What is no word of ours is kept as a question mark."""
    book.add(order(), frame=b"", now_ms=NOW_MS)
    desk.handle(answer(error="\x1b[2J"), topic=RESULT, now_ms=NOW_MS)

    [given] = book.orders()
    assert given.outcome is not None
    assert given.outcome.error == "?"


def test_orders_long_past_are_cleared_away(book: OrderBook, tmp_path: Path) -> None:
    """With a new order those go whose end lies long back, with their answers; others stay."""
    book.add(order(), frame=b"", now_ms=NOW_MS)
    book.add(order(2, expires_ms=NOW_MS + 2 * MINUTE_MS), frame=b"", now_ms=NOW_MS)
    book.answer(Result(node=NODE, id=order().id, ok=True), now_ms=NOW_MS)
    assert len(list((tmp_path / "orders").iterdir())) == 3
    book.add(order(3), frame=b"", now_ms=NOW_MS + MINUTE_MS + KEPT_MS + 1)

    assert [given.order.id[-1] for given in book.orders()] == [2, 3]
    assert len(list((tmp_path / "orders").iterdir())) == 2


def test_files_that_are_no_orders_are_passed_over(book: OrderBook, tmp_path: Path) -> None:
    """A damaged file hides itself, not the others."""
    book.add(order(), frame=b"", now_ms=NOW_MS)
    (tmp_path / "orders" / "xyz.json").write_text("{}")
    (tmp_path / "orders" / f"{'0' * 32}.json").write_text(json.dumps({"node": 1}))
    (tmp_path / "orders" / f"{'1' * 32}.json").write_text("{")

    assert [given.order for given in book.orders()] == [order()]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """An order that could not be kept was not given."""
    (tmp_path / "file").write_text("")

    with pytest.raises(AuthorityError, match="cannot be written"):
        OrderBook(tmp_path / "file").add(order(), frame=b"", now_ms=NOW_MS)
    assert OrderBook(tmp_path / "none").orders() == []
