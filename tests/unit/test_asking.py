"""Asks, pieces of blobs, orders and results: what is written reads back, and nothing else does."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import cbor
from sync.asking import PIECE_BYTES_MAX, Ask, BlobPiece, Fetch, Order, OrderKind, Result
from sync.errors import WireError

ASK = Ask(
    node="n-1",
    nonce=b"n" * 16,
    time=True,
    docs={"root": 3, "status": 32},
    fetch=Fetch(sm3=b"s" * 32, offset=5, length=7),
)
PIECE = BlobPiece(node="n-1", sm3=b"s" * 32, offset=5, total=12, data=b"d" * 7)
ORDER = Order(node="n-1", id=b"i" * 16, kind=OrderKind.FORGET_ROSTER, expires_ms=9)
RESULT = Result(node="n-1", id=b"i" * 16, ok=False, error="expires")
PAYLOADS = [each.to_payload() for each in (ASK, PIECE, ORDER, RESULT)]
READERS: list[Callable[[bytes], object]] = [
    Ask.from_payload,
    BlobPiece.from_payload,
    Order.from_payload,
    Result.from_payload,
]


def changed(payload: bytes, **changes: Any) -> bytes:
    """The payload with members replaced, or taken out with None."""
    members = {**cbor.decode(payload, bytes_max=2**17), **changes}
    return cbor.encode({name: value for name, value in members.items() if value is not None})


@pytest.mark.parametrize(
    "value",
    [
        ASK,
        Ask(node="n-1", nonce=b"n" * 16),
        PIECE,
        ORDER,
        RESULT,
        Result(node="n-1", id=b"i" * 16, ok=True),
    ],
)
def test_what_is_written_reads_back(value: Ask | BlobPiece | Order | Result) -> None:
    """Every member survives, and one that is absent stays absent."""
    assert type(value).from_payload(value.to_payload()) == value


def test_the_members_have_the_names_of_the_contract() -> None:
    """Another city's software reads these names."""
    assert cbor.decode(ASK.to_payload(), bytes_max=1000) == {
        "node": "n-1",
        "nonce": b"n" * 16,
        "time": True,
        "docs": {"root": 3, "status": 32},
        "fetch": {"sm3": b"s" * 32, "offset": 5, "length": 7},
    }
    assert cbor.decode(PIECE.to_payload(), bytes_max=1000) == {
        "node": "n-1",
        "sm3": b"s" * 32,
        "offset": 5,
        "total": 12,
        "bytes": b"d" * 7,
    }
    assert cbor.decode(ORDER.to_payload(), bytes_max=1000) == {
        "node": "n-1",
        "id": b"i" * 16,
        "kind": "forget_roster",
        "expires": 9,
    }
    assert cbor.decode(RESULT.to_payload(), bytes_max=1000) == {
        "node": "n-1",
        "id": b"i" * 16,
        "ok": False,
        "error": "expires",
    }


@pytest.mark.parametrize(("payload", "read"), list(zip(PAYLOADS, READERS, strict=True)))
def test_unknown_members_are_ignored(payload: bytes, read: Callable[[bytes], object]) -> None:
    """Whoever is newer may say more."""
    assert read(changed(payload, news=[1, {"a": b"b"}])) == read(payload)


@pytest.mark.parametrize(
    "changes",
    [
        {"node": "all"},
        {"node": None},
        {"nonce": b"short"},
        {"nonce": None},
        {"time": False},
        {"time": 1},
        {"docs": []},
        {"docs": {"root": -1}},
        {"docs": {"root": "1"}},
        {"docs": {str(number): 1 for number in range(65)}},
        {"fetch": []},
        {"fetch": {}},
        {"fetch": {"sm3": b"s" * 31, "offset": 0, "length": 1}},
        {"fetch": {"sm3": b"s" * 32, "offset": -1, "length": 1}},
        {"fetch": {"sm3": b"s" * 32, "offset": 0, "length": 0}},
        {"fetch": {"sm3": b"s" * 32, "offset": 0}},
    ],
)
def test_a_wrong_ask_is_refused(changes: dict[str, Any]) -> None:
    """A member out of its bounds refuses the whole."""
    with pytest.raises(WireError):
        Ask.from_payload(changed(ASK.to_payload(), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"node": None},
        {"sm3": b"s" * 33},
        {"offset": 6},
        {"offset": 2**63},
        {"offset": -1},
        {"total": 11},
        {"total": True},
        {"bytes": b""},
        {"bytes": "text"},
        {"bytes": b"d" * (PIECE_BYTES_MAX + 1), "total": 2**20},
    ],
)
def test_a_wrong_piece_is_refused(changes: dict[str, Any]) -> None:
    """A piece lies within its blob, holds something, and is at most 32 KiB."""
    with pytest.raises(WireError):
        BlobPiece.from_payload(changed(PIECE.to_payload(), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"node": ""},
        {"id": b"i" * 15},
        {"kind": "reboot"},
        {"kind": 1},
        {"kind": None},
        {"expires": -1},
        {"expires": None},
    ],
)
def test_a_wrong_order_is_refused(changes: dict[str, Any]) -> None:
    """There are three kinds and no others."""
    with pytest.raises(WireError):
        Order.from_payload(changed(ORDER.to_payload(), **changes))


@pytest.mark.parametrize("changes", [{"ok": 1}, {"ok": None}, {"id": None}, {"error": 1}, {"error": "x" * 201}])
def test_a_wrong_result_is_refused(changes: dict[str, Any]) -> None:
    """Done or not done, and a short word why not."""
    with pytest.raises(WireError):
        Result.from_payload(changed(RESULT.to_payload(), **changes))


def test_the_largest_piece_is_read() -> None:
    """32 KiB exactly."""
    piece = BlobPiece(node="n-1", sm3=b"s" * 32, offset=0, total=PIECE_BYTES_MAX, data=bytes(PIECE_BYTES_MAX))

    assert BlobPiece.from_payload(piece.to_payload()) == piece


def test_a_piece_may_say_a_little_more_and_no_more_than_that() -> None:
    """Unsigned: what it costs to refuse one is bounded, wherever in it the rest stands, and however deep."""
    for name in ("new", "unknown"):
        assert BlobPiece.from_payload(changed(PIECE.to_payload(), **{name: [[{}, True, -1]] * 20})) == PIECE
        for much in ([{}] * 32_000, [0] * 300, b"x" * 300, "x" * 32_000):
            with pytest.raises(WireError):
                BlobPiece.from_payload(changed(PIECE.to_payload(), **{name: much}))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x80",
        b"\xa0",
        b"\xa1",
        b"\xa1\x65bytes",
        b"\xa1\x65bytes\x41",
        b"\xa1\x65bytes\x58\x01d",  # a head longer than need be
        b"\xa1\x65bytes\x5f\x41d\xff",  # pieces in a piece
        b"\xa1\x01\x41d",
        b"\xbb" + b"\xff" * 8,
        b"\xbb" + b"\xff" * 8 + b"\x61a\x00" * 100,
        b"\xa2\x61a\x9b" + b"\xff" * 8 + b"\x00" * 32_000,
        b"\xa2\x61a\xc1\x00" + PIECE.to_payload()[1:],
        PIECE.to_payload() + b"\x00",
        b"\xa6" + PIECE.to_payload()[1:] + PIECE.to_payload()[1:39],
        b"\xa6" + PIECE.to_payload()[1:] + b"\x61a\x00",  # not in order
    ],
)
def test_a_piece_is_read_as_strictly_as_everything_else(payload: bytes) -> None:
    """That its bytes are taken out first lets nothing through."""
    with pytest.raises(WireError):
        BlobPiece.from_payload(payload)


@given(st.data())
def test_a_changed_piece_reads_as_its_members_say(data: st.DataObject) -> None:
    """With any bytes changed it is refused, or it is the one deterministic form of what was read."""
    raw = bytearray(PIECE.to_payload())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        read = BlobPiece.from_payload(bytes(raw))
        members = cbor.decode(bytes(raw), bytes_max=1000)
        assert [read.node, read.sm3, read.offset, read.total, read.data] == [
            members[name] for name in ("node", "sm3", "offset", "total", "bytes")
        ]


@given(st.binary(max_size=300), st.sampled_from(READERS))
def test_garbage_is_refused(data: bytes, read: Callable[[bytes], object]) -> None:
    """Any bytes raise WireError or read as what they are, and nothing else."""
    with contextlib.suppress(WireError):
        read(data)


@given(st.sampled_from(PAYLOADS), st.sampled_from(READERS), st.data())
def test_a_changed_byte_raises_nothing_but_the_documented(
    payload: bytes, read: Callable[[bytes], object], data: st.DataObject
) -> None:
    """A payload with one changed byte is read or refused, by its own reader and by every other."""
    raw = bytearray(payload)
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        read(bytes(raw))


def test_a_repr_hides_what_a_piece_carries() -> None:
    """Blobs stay out of logs."""
    assert "data" not in repr(PIECE)
