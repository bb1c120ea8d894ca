"""Sealed bodies: those of the vectors byte for byte, and nothing opens with anything changed."""

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DecryptError
from edge.gm import random_bytes, sm4_gcm_seal
from edge.seal import (
    BODY_BYTES_MAX,
    DATA_KEY_LIFE_NS,
    RECORD_BYTES_MAX,
    DataKey,
    RecordTooLargeError,
    Sealer,
    body_key_id,
    open_body,
    seal_body,
)
from sync import cbor
from tests.support import vectors

LEDGER = vectors.load("ledger")
NODE = LEDGER["node"]
CITY = bytes.fromhex(vectors.load("keys")["city_encryption"]["keyid"])
KEY = DataKey(
    key_id=bytes.fromhex(LEDGER["dek_id"]), secret=bytes.fromhex(LEDGER["dek"]), recipient=CITY, made_at_b_ns=0
)
BODIES = [
    (bytes.fromhex(record["cbor"]), bytes.fromhex(record["body"]), item[0])
    for record, item in zip(
        LEDGER["records"],
        cbor.decode(cbor.decode(bytes.fromhex(LEDGER["batch_frame"]), bytes_max=131_072)[1], bytes_max=131_072)[
            "items"
        ],
        strict=True,
    )
]
RECORD, BODY, ID = BODIES[0]


def _open(body: bytes, *, secret: bytes = KEY.secret, node: str = NODE, message_id: bytes = ID) -> bytes:
    return open_body(body, secret=secret, node=node, message_id=message_id)


def _seal(record: bytes) -> bytes:
    return seal_body(record, key=KEY, nonce=bytes(12), node=NODE, message_id=ID)


@pytest.mark.parametrize(("record", "body", "message_id"), BODIES)
def test_a_body_opens_to_its_record(record: bytes, body: bytes, message_id: bytes) -> None:
    """Another implementation's bodies open here."""
    assert open_body(body, secret=KEY.secret, node=NODE, message_id=message_id) == record


@pytest.mark.parametrize(("record", "body", "message_id"), BODIES)
def test_sealing_with_the_same_nonce_gives_the_same_body(record: bytes, body: bytes, message_id: bytes) -> None:
    """And ours are theirs, byte for byte."""
    assert seal_body(record, key=KEY, nonce=body[9:21], node=NODE, message_id=message_id) == body


def test_the_wrapped_key_opens_to_the_data_key() -> None:
    """The city finds the key of a body with its private key."""
    assert vectors.key("city_encryption").decrypt(bytes.fromhex(LEDGER["wrapped_dek"])) == KEY.secret


def test_a_body_names_its_key() -> None:
    """Before it is opened."""
    assert body_key_id(BODY) == KEY.key_id


@pytest.mark.parametrize("at", range(len(BODY)))
def test_no_changed_byte_is_opened(at: int) -> None:
    """Every byte of a body counts, but the name of the key: with the right key at hand it changes nothing inside."""
    changed = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]

    if 1 <= at < 9:
        assert _open(changed) == RECORD
    else:
        with pytest.raises(DecryptError):
            _open(changed)


def test_a_body_is_bound_to_node_id_and_key() -> None:
    """A record cannot be passed off as another's."""
    for other in ({"node": "other"}, {"message_id": bytes(16)}, {"secret": bytes(16)}):
        with pytest.raises(DecryptError):
            _open(BODY, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b"", BODY[:36], b"\x02" + BODY[1:], BODY.ljust(BODY_BYTES_MAX + 1, b"\0")])
def test_what_is_no_body_is_refused(body: bytes) -> None:
    """Too short, another version, too long."""
    with pytest.raises(DecryptError):
        _open(body)


def _sealed(packed: bytes) -> bytes:
    associated = NODE.encode() + b"\0" + ID
    return (
        b"\x01"
        + KEY.key_id
        + bytes(12)
        + sm4_gcm_seal(KEY.secret, nonce=bytes(12), plaintext=packed, associated=associated)
    )


@pytest.mark.parametrize("packed", [b"", b"no zlib", zlib.compress(b"cut short")[:-1]])
def test_a_content_that_does_not_unpack_is_refused(packed: bytes) -> None:
    """Sealed with the right key, and still no record."""
    with pytest.raises(DecryptError):
        _open(_sealed(packed))


def test_a_bomb_is_not_inflated_beyond_64_kib() -> None:
    """Whoever has the key cannot fill the city's memory."""
    with pytest.raises(DecryptError):
        _open(_sealed(zlib.compress(bytes(RECORD_BYTES_MAX + 1))))


def test_bytes_behind_the_content_are_refused() -> None:
    """One record a body."""
    with pytest.raises(DecryptError):
        _open(_sealed(zlib.compress(b"a") + b"b"))


def test_a_record_over_the_limits_is_refused() -> None:
    """It is refused at intake, not cut."""
    with pytest.raises(RecordTooLargeError):
        _seal(bytes(RECORD_BYTES_MAX + 1))
    with pytest.raises(RecordTooLargeError):
        _seal(random_bytes(BODY_BYTES_MAX))


@given(st.binary(max_size=2_000))
def test_every_record_survives_sealing(record: bytes) -> None:
    """Whatever is in it."""
    assert _open(_seal(record)) == record


@given(st.binary(max_size=200))
def test_rubbish_raises_nothing_else(rubbish: bytes) -> None:
    """Any bytes open or are refused."""
    for body in (rubbish, _sealed(rubbish)):
        with contextlib.suppress(DecryptError):
            _open(body)


def test_the_first_record_needs_a_key_and_a_new_one_comes_after_a_day() -> None:
    """One a boot and one a day (contracts 5.2), by the box's own clock."""
    sealer = Sealer(NODE, random_bytes=random_bytes)
    recipient = vectors.key("city_encryption").public
    assert sealer.usable_key(0, recipient=recipient) is None

    key, wrapped = sealer.make_key(5, recipient=recipient)

    assert sealer.usable_key(5, recipient=recipient) is None  # not before its wrapped form is stored
    sealer.take_key(key)
    assert sealer.usable_key(DATA_KEY_LIFE_NS + 4, recipient=recipient) == key
    assert sealer.usable_key(DATA_KEY_LIFE_NS + 5, recipient=recipient) is None
    assert vectors.key("city_encryption").decrypt(wrapped.wrapped) == key.secret
    assert (wrapped.key_id, wrapped.recipient) == (key.key_id, recipient.keyid)


def test_a_new_city_key_makes_a_new_data_key() -> None:
    """A city that changed its key because the old one leaked gets nothing more under the old."""
    sealer = Sealer(NODE, random_bytes=random_bytes)
    key, _ = sealer.make_key(0, recipient=vectors.key("city_encryption").public)
    sealer.take_key(key)

    assert sealer.usable_key(1, recipient=vectors.key("node_encryption").public) is None


def test_a_sealer_never_uses_a_nonce_twice() -> None:
    """Two bodies of one record differ."""
    sealer = Sealer(NODE, random_bytes=random_bytes)

    first, second = (sealer.seal(RECORD, key=KEY, message_id=ID) for _ in range(2))

    assert first[9:21] != second[9:21]
    assert _open(first) == _open(second) == RECORD


def test_the_key_does_not_show_in_repr() -> None:
    """It may stand in a trace."""
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in repr(KEY)
