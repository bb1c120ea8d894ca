"""Orders of the city: each runs once, only while it provably lies ahead, and is answered."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import order_book, orders, wire
from sync.asking import OrderKind, Result
from sync.errors import StoreError, WireError
from sync.order_book import OrderBook
from sync.orders import Orders
from tests.support.small_city import CITY_KEYID, CONFIG_KEYID, NODE, city_sign, order_frame, verify_order

Clock = dict[str, int | None]


def desk(folder: Path, *, lo_ms: int = 1_000, hi_ms: int | None = 1_999, used: orders.UsedIds | None = None) -> Orders:
    return Orders(
        node=NODE,
        used=used or OrderBook(folder / "orders"),
        verify=verify_order,
        interval=lambda: (lo_ms, hi_ms),
    )


def take(each: Orders, frame: bytes) -> str | None:
    return each.take(wire.decode_frame(frame))


def number(value: int) -> bytes:
    return value.to_bytes(16, "big")


@pytest.mark.parametrize("kind", OrderKind)
def test_an_order_runs_and_is_answered(tmp_path: Path, kind: OrderKind) -> None:
    """Handed out once; the answer says whether it was done."""
    each = desk(tmp_path)

    assert take(each, order_frame(1, kind)) is None
    order = each.next_order()
    assert order is not None
    assert order.kind is kind
    assert each.next_order() is None
    assert not each.has_result
    each.finish(order, error=None)
    assert each.has_result
    assert each.next_result() == Result(node=NODE, id=number(1), ok=True)
    assert each.next_result() is None


def test_an_order_that_comes_again_does_not_run_again(tmp_path: Path) -> None:
    """While it runs it is left alone; afterwards it gets the same answer, also when it has expired by then."""
    each = desk(tmp_path)
    take(each, order_frame(1))
    order = each.next_order()
    assert order is not None
    take(each, order_frame(1))
    assert each.next_order() is None
    assert not each.has_result
    each.finish(order, error="store")

    for _ in range(3):
        take(each, order_frame(1))

    assert each.next_order() is None
    assert each.next_result() == Result(node=NODE, id=number(1), ok=False, error="store")
    assert each.next_result() is None


def test_an_order_does_not_run_again_after_a_restart(tmp_path: Path) -> None:
    """Its id was written before it ran: a power cut in between leaves it undone, and the city is told."""
    before = desk(tmp_path)
    take(before, order_frame(1))
    assert before.next_order() is not None

    after = desk(tmp_path)
    take(after, order_frame(1))

    assert after.next_order() is None
    assert after.next_result() == Result(node=NODE, id=number(1), ok=False, error="again")


@pytest.mark.parametrize("hi_ms", [None, 2_000, 2_001])
def test_an_order_must_provably_lie_ahead(tmp_path: Path, hi_ms: int | None) -> None:
    """Expired, perhaps expired, or the time is unknown: refused; its id may be used once the time is known."""
    each = desk(tmp_path, hi_ms=hi_ms)
    take(each, order_frame(1))
    assert each.next_order() is None
    assert each.next_result() == Result(node=NODE, id=number(1), ok=False, error="expires")

    later = desk(tmp_path)
    take(later, order_frame(1))
    assert later.next_order() is not None


def test_an_order_of_another_key_or_node_is_no_order(tmp_path: Path) -> None:
    """It changes nothing and gets no answer."""
    each = desk(tmp_path)

    assert take(each, order_frame(1, keyid=CITY_KEYID)) == "signature"
    assert take(each, order_frame(1, node="another")) == "node"
    assert each.next_order() is None
    assert not each.has_result


def test_there_are_no_other_kinds(tmp_path: Path) -> None:
    """A rightly signed order of a kind that does not exist is no order."""
    payload = wire.decode_frame(order_frame(1)).payload.replace(b"\x65hello", b"\x66reboot")
    frame = wire.encode_frame(wire.FrameType.ORDER, payload, sign=city_sign, keyid=CONFIG_KEYID)
    each = desk(tmp_path)

    with pytest.raises(WireError):
        take(each, frame)
    assert each.next_order() is None


def test_only_a_few_orders_are_open(tmp_path: Path) -> None:
    """More are refused, and their ids are not used up."""
    each = desk(tmp_path)
    for value in range(orders.OPEN_MAX + 1):
        take(each, order_frame(value))

    assert each.next_result() == Result(node=NODE, id=number(orders.OPEN_MAX), ok=False, error="busy")
    first = each.next_order()
    assert first is not None
    each.finish(first, error=None)
    take(each, order_frame(orders.OPEN_MAX))
    assert [order.id[-1] for order in iter(each.next_order, None)] == list(range(1, orders.OPEN_MAX + 1))


def test_answers_do_not_grow_without_end(tmp_path: Path) -> None:
    """Neither those that nobody sends nor those that are kept for a second asking; what was forgotten ran before."""
    each = desk(tmp_path)
    for value in range(orders.RESULTS_MAX + 3):
        take(each, order_frame(value))
        order = each.next_order()
        assert order is not None
        each.finish(order, error=None)

    assert len(list(iter(each.next_result, None))) == orders.RESULTS_MAX
    take(each, order_frame(0))
    assert each.next_result() == Result(node=NODE, id=number(0), ok=False, error="again")


def test_a_book_that_cannot_be_written_refuses(tmp_path: Path) -> None:
    """What cannot be noted does not run."""
    book = OrderBook(tmp_path / "folder" / "orders")
    each = desk(tmp_path, used=book)
    take(each, order_frame(1))

    assert each.next_order() is None
    assert each.next_result() == Result(node=NODE, id=number(1), ok=False, error="store")
    assert not book.has(number(1))


def test_a_full_book_refuses_until_something_has_expired(tmp_path: Path) -> None:
    """Nothing that may still come again is forgotten to make room."""
    book = OrderBook(tmp_path / "orders")
    for value in range(order_book.ORDERS_MAX):
        assert book.add(number(value), expires_ms=1_500 + value, lo_ms=1_000)
    each = desk(tmp_path, used=book)
    take(each, order_frame(999))
    assert each.next_result() == Result(node=NODE, id=number(999), ok=False, error="full")

    each = desk(tmp_path, used=book, lo_ms=1_501)
    take(each, order_frame(999))

    assert each.next_order() is not None
    again = OrderBook(tmp_path / "orders")
    assert not again.has(number(0))
    assert again.has(number(1))
    assert again.has(number(999))


def test_an_order_does_not_run_again_when_the_time_is_set_back(tmp_path: Path) -> None:
    """Its id was forgotten when it had expired; what expires no later counts as used, also after a restart."""
    first = desk(tmp_path)
    take(first, order_frame(1))
    later = desk(tmp_path, lo_ms=2_001, hi_ms=2_001)
    take(later, order_frame(2, expires_ms=9_000))
    assert later.next_order() is not None

    for restart in range(2):
        again = desk(tmp_path)
        take(again, order_frame(1))
        take(again, order_frame(3))
        assert again.next_order() is None
        assert again.next_result() == Result(node=NODE, id=number(1), ok=False, error="again")
        assert again.next_result() == Result(node=NODE, id=number(3), ok=False, error="again")
        take(again, order_frame(4 + restart, expires_ms=2_001))
        assert again.next_order() is not None


def written(folder: Path) -> bytes:
    """A book with one order in it."""
    assert OrderBook(folder / "orders").add(number(1), expires_ms=2_000, lo_ms=1_000)
    return (folder / "orders").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"rubbish",
        lambda data: data + b"rubbish\n",
        lambda data: data.replace(b"00001 2000", b"00003 2000"),
        lambda data: b"".join(line for line in data.splitlines(keepends=True) if b" 2000" not in line),
        lambda data: data[:-1],
        lambda data: data * 1_000,
    ],
)
def test_a_damaged_book_refuses_until_it_is_removed(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Nobody knows what stood in it: nothing runs, and what is there is left for whoever looks."""
    damaged = damage(written(tmp_path))
    (tmp_path / "orders").write_bytes(damaged)
    each = desk(tmp_path)
    for value in (1, 2):
        take(each, order_frame(value))
        assert each.next_order() is None
        assert each.next_result() == Result(node=NODE, id=number(value), ok=False, error="store")
    assert (tmp_path / "orders").read_bytes() == damaged

    (tmp_path / "orders").unlink()
    take(each, order_frame(2))
    assert each.next_order() is not None


@given(st.data())
def test_no_changed_byte_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A book with one byte changed is damaged, wherever that is."""
    folder = tmp_path_factory.mktemp("book")
    raw = bytearray(written(folder))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    (folder / "orders").write_bytes(raw)

    with pytest.raises(StoreError):
        OrderBook(folder / "orders").add(number(2), expires_ms=2_000, lo_ms=1_000)


def test_a_book_that_cannot_be_read_refuses_until_it_can(tmp_path: Path) -> None:
    """The node starts without it; once it can be read, what stands in it counts."""
    data = written(tmp_path)
    (tmp_path / "orders").unlink()
    (tmp_path / "orders").mkdir()
    each = desk(tmp_path)
    take(each, order_frame(1))
    assert each.next_result() == Result(node=NODE, id=number(1), ok=False, error="store")

    (tmp_path / "orders").rmdir()
    (tmp_path / "orders").write_bytes(data)
    for error in ("store", "again"):
        take(each, order_frame(1))
        assert each.next_order() is None
        assert each.next_result() == Result(node=NODE, id=number(1), ok=False, error=error)
    take(each, order_frame(2))
    assert each.next_order() is not None
