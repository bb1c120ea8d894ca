"""Frames and payloads, against the vectors and against garbage."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gm import public_key
from sync import cbor, wire
from sync.errors import WireError
from sync.message import Receipt, Rejection
from tests.support.small_city import sm3
from tests.support.vectors import load

LEDGER = load("ledger")
KEYS = load("keys")
HELLOS = ["hello_frame"]
BATCHES = ["batch_frame", "batch_changed_item", "batch_by_stranger", "batch_wrong_count"]
RECEIPTS = sorted(name for name in LEDGER if name.startswith(("receipt_", "hello_answer")))


def frame_of(name: str) -> wire.Frame:
    return wire.decode_frame(bytes.fromhex(LEDGER[name]))


def sign(_data: bytes) -> bytes:
    return b"s" * 64


@pytest.mark.parametrize("name", HELLOS + BATCHES + RECEIPTS)
def test_a_frame_of_the_vectors_is_made_again_byte_by_byte(name: str) -> None:
    """Taking a frame and its payload apart and putting them together gives the same bytes."""
    frame = frame_of(name)
    match frame.type:
        case wire.FrameType.HELLO:
            payload = wire.Hello.from_payload(frame.payload).to_payload()
        case wire.FrameType.BATCH:
            payload = wire.Batch.from_payload(frame.payload).to_payload()
        case _:
            payload = wire.receipt_payload(wire.parse_receipt(frame.payload))

    assert payload == frame.payload
    made = wire.encode_frame(frame.type, payload, sign=lambda _: frame.signature, keyid=frame.keyid)
    assert made.hex() == LEDGER[name]


@pytest.mark.parametrize(
    ("name", "key"),
    [("hello_frame", "node"), ("batch_frame", "node"), ("receipt_frame", "receipt"), ("hello_answer", "receipt")],
)
def test_the_signature_is_over_the_frames_type_and_payload(name: str, key: str) -> None:
    """What `signed` gives is what the vectors' keys signed."""
    frame = frame_of(name)
    signer = public_key(bytes.fromhex(KEYS[key]["public"]))

    assert signer.keyid == frame.keyid
    assert signer.verify(frame.signed, signature=frame.signature)


def test_the_batch_of_the_vectors_is_made_from_its_records() -> None:
    """From the records, the wrapped key and the chain comes exactly the vector's payload."""
    node, epoch = LEDGER["node"], LEDGER["epoch"]
    vector = wire.Batch.from_payload(frame_of("batch_frame").payload)
    recipient = bytes.fromhex(KEYS["city_encryption"]["keyid"])
    batch = wire.Batch(
        node=node,
        epoch=epoch,
        first=1,
        last=5,
        prev=bytes.fromhex(LEDGER["h0"]),
        head=bytes.fromhex(LEDGER["records"][-1]["h"]),
        deks={bytes.fromhex(LEDGER["dek_id"]): (recipient, bytes.fromhex(LEDGER["wrapped_dek"]))},
        items=tuple(
            (cbor.decode(bytes.fromhex(each["cbor"]), bytes_max=2**16)["id"], bytes.fromhex(each["body"]))
            for each in LEDGER["records"]
        ),
        nonce=vector.nonce,
    )

    assert batch.to_payload() == frame_of("batch_frame").payload


def test_a_batch_whose_count_does_not_fit_is_read() -> None:
    """The city has to answer it, so it has to be able to read it."""
    batch = wire.Batch.from_payload(frame_of("batch_wrong_count").payload)

    assert batch.last - batch.first + 1 != len(batch.items)


def test_a_changed_item_changes_the_digest_only() -> None:
    """The vector's changed batch reads like the good one; only its chain tells."""
    good = wire.Batch.from_payload(frame_of("batch_frame").payload)
    changed = wire.Batch.from_payload(frame_of("batch_changed_item").payload)

    assert good.head == changed.head
    assert [sm3(body) for _, body in good.items] != [sm3(body) for _, body in changed.items]


def test_a_rejection_is_read() -> None:
    """The third record of the vectors cannot be opened."""
    receipt = wire.parse_receipt(frame_of("receipt_rejects_3").payload)

    assert receipt.rejected == (Rejection(seq=3, code="unreadable", text="cannot open"),)


RECEIPT = Receipt(
    node="n-1",
    nonce=b"n" * 16,
    epoch=1,
    acked=2,
    head=b"h" * 32,
    inc=3,
    time_ms=4,
    rejected=(Rejection(seq=1, code="refused", text="why"),),
    top=5,
    error="count",
    credit=6,
    retry_after_s=7,
)


def test_a_receipt_with_everything_reads_back() -> None:
    """Optional members survive."""
    assert wire.parse_receipt(wire.receipt_payload(RECEIPT)) == RECEIPT


def test_an_overlong_explanation_is_cut() -> None:
    """Words alone never keep a receipt from settling."""
    long = dataclasses.replace(RECEIPT, rejected=(Rejection(seq=1, code="refused", text="x" * 500),))

    assert wire.parse_receipt(wire.receipt_payload(long)).rejected[0].text == "x" * 200


def test_a_hello_with_everything_reads_back() -> None:
    """Optional members survive."""
    hello = dataclasses.replace(
        wire.Hello.from_payload(frame_of("hello_frame").payload), hi_ms=9, oldest=2, inc=3, rejected_seen=4
    )

    assert wire.Hello.from_payload(hello.to_payload()) == hello


def test_unknown_members_are_ignored() -> None:
    """A newer city may say more."""
    members = cbor.decode(wire.receipt_payload(RECEIPT), bytes_max=2**16)

    assert wire.parse_receipt(cbor.encode({**members, "news": [1, {"a": b"b"}]})) == RECEIPT


def wrong(payload: bytes, **changes: Any) -> bytes:
    """The payload with members replaced, or taken out with None."""
    members = {**cbor.decode(payload, bytes_max=2**17), **changes}
    return cbor.encode({name: value for name, value in members.items() if value is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"node": "all"},
        {"node": None},
        {"node": 1},
        {"nonce": b"short"},
        {"epoch": 2**32 - 1},
        {"top": 2**32 - 1},
        {"inc": 2**63},
        {"time": 2**63},
        {"acked": 2**63},
        {"rejected": [[2**63, "refused", "text"]]},
        {"acked": -1},
        {"acked": True},
        {"acked": None},
        {"head": "text"},
        {"rejected": None},
        {"rejected": [[1, "refused"]]},
        {"rejected": [[1, "refused", b"bytes"]]},
        {"rejected": [[1, "x" * 201, "text"]]},
        {"rejected": {}},
        {"error": 1},
        {"credit": "many"},
    ],
)
def test_a_wrong_receipt_is_refused(changes: dict[str, Any]) -> None:
    """A member out of its bounds refuses the whole."""
    with pytest.raises(WireError):
        wire.parse_receipt(wrong(wire.receipt_payload(RECEIPT), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"deks": []},
        {"deks": {b"short": [b"k" * 8, b"w"]}},
        {"deks": {b"k" * 8: [b"k" * 8]}},
        {"deks": {b"k" * 8: [b"k", b"w"]}},
        {"deks": {b"k" * 8: [b"k" * 8, b""]}},
        {"items": [[b"i" * 16]]},
        {"items": [[b"i", b"body"]]},
        {"items": [[b"i" * 16, b""]]},
        {"items": [[b"i" * 16, b"b"]] * 501},
        {"items": b"bytes"},
        {"prev": None},
    ],
)
def test_a_wrong_batch_is_refused(changes: dict[str, Any]) -> None:
    """Keys and items have exact forms."""
    with pytest.raises(WireError):
        wire.Batch.from_payload(wrong(frame_of("batch_frame").payload, **changes))


@pytest.mark.parametrize("changes", [{"have": []}, {"have": {"root": "1"}}, {"lists": {str(n): 1 for n in range(65)}}])
def test_a_wrong_hello_is_refused(changes: dict[str, Any]) -> None:
    """Versions are a small map of numbers."""
    with pytest.raises(WireError):
        wire.Hello.from_payload(wrong(frame_of("hello_frame").payload, **changes))


@pytest.mark.parametrize(
    "frame",
    [
        ["ehc.hello", b"", b"k" * 8],
        ["ehc.nothing", b"", b"k" * 8, b"s" * 64],
        ["ehc.hello", b"", b"", b""],
        ["ehc.hello", b"", b"k" * 8, b"s" * 63],
        ["ehc.blob", b"", b"k" * 8, b"s" * 64],
        {"type": "ehc.hello"},
        "ehc.hello",
    ],
)
def test_what_is_no_frame_is_refused(frame: Any) -> None:
    """Four members of the right kinds and lengths, of a type that exists."""
    with pytest.raises(WireError):
        wire.decode_frame(cbor.encode(frame))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x84",
        b"\x83",
        b"\x84\x78\x09ehc.hello\x40\x48kkkkkkkk\x58\x40" + bytes(64),
        b"\x84\x69ehc.hello\x58\x01p\x48kkkkkkkk\x58\x40" + bytes(64),
        b"\x84\x69ehc.hello\x59\x00\x18" + bytes(24) + b"\x48kkkkkkkk\x58\x40" + bytes(64),
        b"\x84\x69ehc.hello\x5b" + (1).to_bytes(8, "big") + b"p\x48kkkkkkkk\x58\x40" + bytes(64),
        b"\x84\x69ehc.hello\x40\x48kkkkkkkk\x58\x40" + bytes(65),
        b"\x84\x69ehc.hello\x40\x48kkkkkkkk\x58\x40" + bytes(63),
        b"\x84\x69ehc.hell\xff\x40\x48kkkkkkkk\x58\x40" + bytes(64),
    ],
)
def test_a_second_spelling_of_a_frame_is_refused(frame: bytes) -> None:
    """Lengths stand in their shortest form, and nothing is cut or behind."""
    with pytest.raises(WireError):
        wire.decode_frame(frame)


def test_a_frame_is_taken_apart_without_reading_its_payload() -> None:
    """Rubbish of full length is refused at its head, and a payload is read only once its signature holds."""
    frame = wire.encode_frame(wire.FrameType.HELLO, b"\x84" + b"\xa0" * 100_000, sign=sign, keyid=b"k" * 8)

    assert len(wire.decode_frame(frame).payload) == 100_001
    with pytest.raises(WireError):
        wire.decode_frame(b"\x84" + b"\xa0" * 100_000)


def test_a_blob_is_not_signed() -> None:
    """It is judged by what it carries."""
    frame = wire.decode_frame(wire.encode_unsigned_frame(wire.FrameType.BLOB, b"payload"))

    assert (frame.type, frame.payload, frame.keyid, frame.signature) == (wire.FrameType.BLOB, b"payload", b"", b"")


def test_a_frame_that_is_too_long_is_refused() -> None:
    """128 KiB, the whole frame."""
    frame = wire.encode_frame(wire.FrameType.BATCH, bytes(wire.FRAME_BYTES_MAX), sign=sign, keyid=b"k" * 8)

    with pytest.raises(WireError):
        wire.decode_frame(frame)


READERS: list[Callable[[bytes], object]] = [
    wire.decode_frame,
    wire.parse_receipt,
    wire.Hello.from_payload,
    wire.Batch.from_payload,
]


@given(st.binary(max_size=300), st.sampled_from(READERS))
def test_garbage_is_refused(data: bytes, read: Callable[[bytes], object]) -> None:
    """Any bytes raise WireError or read as what they are, and nothing else."""
    with contextlib.suppress(WireError):
        read(data)


@given(st.sampled_from(HELLOS + BATCHES + RECEIPTS), st.data())
def test_a_changed_byte_raises_nothing_but_the_documented(name: str, data: st.DataObject) -> None:
    """A frame with one changed byte is read or refused all the way down."""
    raw = bytearray.fromhex(LEDGER[name])
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        payload = wire.decode_frame(bytes(raw)).payload
        for read in READERS[1:]:
            with contextlib.suppress(WireError):
                read(payload)


def test_reprs_hide_what_is_sealed() -> None:
    """Payloads, bodies and keys stay out of logs."""
    frame = frame_of("batch_frame")
    batch = wire.Batch.from_payload(frame.payload)

    assert "payload" not in repr(frame)
    assert "items" not in repr(batch)
    assert "deks" not in repr(batch)
