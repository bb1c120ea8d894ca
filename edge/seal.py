"""Sealing a record so that a stolen box yields none of them (contracts 5.2).

body = 01 || key id(8) || nonce(12) || SM4-GCM(data key, zlib(record)), associated data = node || 00 || message id.
Neither epoch nor seq is bound in: a record may be renumbered without being opened. Data keys live in memory only; what
is stored is the key wrapped for the city. `Sealer` makes one a boot and one a day. Random bytes are given to it.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from edge import preset_dictionary
from edge.errors import DecryptError, EdgeError
from edge.gm import PublicKey, sm4_gcm_open, sm4_gcm_seal
from sync.message import WrappedKey

BODY_BYTES_MAX = 16_384  # contracts 5.2: refused at intake
RECORD_BYTES_MAX = 65_536  # contracts, cryptography: every inflate is bounded
KEY_ID_BYTES = 8
NONCE_BYTES = 12
DATA_KEY_BYTES = 16
DATA_KEY_LIFE_NS = 86_400 * 10**9  # contracts 5.2: one a day

_VERSION = b"\x01"
_HEAD_BYTES = len(_VERSION) + KEY_ID_BYTES + NONCE_BYTES
_TAG_BYTES = 16
_ZLIB_LEVEL = 9  # a metered line costs more than the 20 us; level 6 is never smaller
# 160 KiB of state, where the default (8) takes 268: so much is fetched from the kernel anew each time, 25 us more.
# What a record packs to is the same up to 4 KiB, beyond that at worst 0.4 % longer.
_ZLIB_MEMORY = 6


class RecordTooLargeError(EdgeError):
    """A record does not fit into a body of 16 KiB: it is not stored, and whoever made it must be told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """A key that seals records: one a boot and one a day, never written down.

    Attributes:
        key_id: 8 random bytes, the name under which the city knows it.
        secret: 16 random bytes.
        recipient: The city key it was wrapped to, compressed, 33 bytes.
        made_at_b_ns: Reading of the box's own clock when it was made.
    """

    key_id: bytes
    secret: bytes = field(repr=False)
    recipient: bytes
    made_at_b_ns: int


def seal_body(record: bytes, *, key: DataKey, nonce: bytes, node: str, message_id: bytes) -> bytes:
    """Return the sealed body of a record.

    Args:
        record: Deterministic CBOR of the transaction.
        key: The data key of the day.
        nonce: 12 random bytes, never used twice under one key.
        node: Name of the node.
        message_id: 16 bytes, id of the transaction.

    Raises:
        RecordTooLargeError: The record or its body is over the limit.
    """
    if len(record) > RECORD_BYTES_MAX:
        raise RecordTooLargeError("record over 64 KiB")
    deflate = zlib.compressobj(level=_ZLIB_LEVEL, memLevel=_ZLIB_MEMORY, zdict=preset_dictionary.tx_1())
    packed = deflate.compress(record) + deflate.flush()
    associated = _associated(node, message_id=message_id)
    sealed = sm4_gcm_seal(key.secret, nonce=nonce, plaintext=packed, associated=associated)
    body = _VERSION + key.key_id + nonce + sealed
    if len(body) > BODY_BYTES_MAX:
        raise RecordTooLargeError("body over 16 KiB")
    return body


def body_key_id(body: bytes) -> bytes:
    """Return the id of the data key a body names.

    Raises:
        DecryptError: It is no body of this version.
    """
    if not _HEAD_BYTES + _TAG_BYTES <= len(body) <= BODY_BYTES_MAX or not body.startswith(_VERSION):
        raise DecryptError("not a sealed body")
    return body[len(_VERSION) : len(_VERSION) + KEY_ID_BYTES]


def open_body(body: bytes, *, secret: bytes, node: str, message_id: bytes) -> bytes:
    """Return the record in a body.

    Args:
        body: As `seal_body` made it.
        secret: The 16 bytes of the data key that `body_key_id` names.
        node: Name of the node it came from.
        message_id: 16 bytes, id of the transaction.

    Raises:
        DecryptError: Wrong key, node or id, changed bytes, or a content that does not unpack within 64 KiB.
    """
    body_key_id(body)
    nonce = body[len(_VERSION) + KEY_ID_BYTES : _HEAD_BYTES]
    packed = sm4_gcm_open(
        secret, nonce=nonce, sealed=body[_HEAD_BYTES:], associated=_associated(node, message_id=message_id)
    )
    return _inflate(packed)


class Sealer:
    """Holds the data key of the day and seals records under it.

    Args:
        node: Name of the node.
        random_bytes: getrandom.
    """

    def __init__(self, node: str, *, random_bytes: Callable[[int], bytes]) -> None:
        self._node = node
        self._random_bytes = random_bytes
        self._key: DataKey | None = None

    def usable_key(self, now_b_ns: int, *, recipient: PublicKey) -> DataKey | None:
        """Return the key in use, or None when a new one is due: at first, after a day, or for another city key."""
        key = self._key
        if key is None or key.recipient != recipient.compressed or now_b_ns - key.made_at_b_ns >= DATA_KEY_LIFE_NS:
            return None
        return key

    def make_key(self, now_b_ns: int, *, recipient: PublicKey) -> tuple[DataKey, WrappedKey]:
        """Return a new data key and the same wrapped for the city; it is in use only after `take_key`."""
        secret = self._random_bytes(DATA_KEY_BYTES)
        key_id = self._random_bytes(KEY_ID_BYTES)
        key = DataKey(key_id=key_id, secret=secret, recipient=recipient.compressed, made_at_b_ns=now_b_ns)
        wrapped = WrappedKey(key_id=key.key_id, recipient=recipient.keyid, wrapped=recipient.encrypt(secret))
        return key, wrapped

    def take_key(self, key: DataKey) -> None:
        """Use `key` from now on: its wrapped form is safely stored."""
        self._key = key

    def seal(self, record: bytes, *, key: DataKey, message_id: bytes) -> bytes:
        """Return the body of a record; see `seal_body`.

        Raises:
            RecordTooLargeError: The record or its body is over the limit.
        """
        nonce = self._random_bytes(NONCE_BYTES)
        return seal_body(record, key=key, nonce=nonce, node=self._node, message_id=message_id)


def _associated(node: str, *, message_id: bytes) -> bytes:
    return node.encode("ascii") + b"\x00" + message_id


def _inflate(packed: bytes) -> bytes:
    inflate = zlib.decompressobj(zdict=preset_dictionary.tx_1())
    try:
        record = inflate.decompress(packed, RECORD_BYTES_MAX)
    except zlib.error as error:
        raise DecryptError("content does not unpack") from error
    if not inflate.eof or inflate.unused_data:
        raise DecryptError("content does not unpack")
    return record
