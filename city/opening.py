"""What is inside a sealed record: opened with whichever key fits, and judged. Sans-IO.

Several wrapped keys may claim one id (a damaged disk, a cloned box), so every one is tried. What cannot be opened today
may be opened when the right key arrives; what was opened and is no transaction of ours never will be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from city.received import RecordState, StoredKey
from edge.errors import DecryptError
from edge.gm import PrivateKey
from edge.seal import DATA_KEY_BYTES, RECORD_BYTES_MAX, body_key_id, open_body
from edge.transaction import Kind
from sync import cbor
from sync.errors import WireError

SECRETS_MAX = 16_384
"""Unwrapped keys held in memory, some 200 bytes each: two days of a city's 6,000 nodes."""

_KINDS = frozenset(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the city makes of a record; `text` says why it was not taken, free of personal data."""

    state: RecordState
    text: str


TAKEN = Judgement(state=RecordState.TAKEN, text="")


class KeyRing:
    """The city's decryption keys, every former one included, and the sealing keys it has unwrapped.

    Args:
        keys: Private keys; `StoredKey.recipient` names the one a sealing key is wrapped to.
    """

    def __init__(self, keys: Iterable[PrivateKey]) -> None:
        self._keys = {key.public.keyid: key for key in keys}
        self._secrets: dict[tuple[bytes, bytes], bytes | None] = {}

    def open(self, body: bytes, *, node: str, message_id: bytes, wrapped: Iterable[StoredKey]) -> bytes | None:
        """The record's CBOR, or None if no key opens it."""
        for key in wrapped:
            secret = self._unwrap(key)
            if secret is None:
                continue
            try:
                return open_body(body, secret=secret, node=node, message_id=message_id)
            except DecryptError:
                continue
        return None

    def _unwrap(self, key: StoredKey) -> bytes | None:
        name = (key.recipient, key.wrapped)
        if name not in self._secrets:
            if len(self._secrets) >= SECRETS_MAX:
                del self._secrets[next(iter(self._secrets))]
            self._secrets[name] = self._decrypt(key)
        return self._secrets[name]

    def _decrypt(self, key: StoredKey) -> bytes | None:
        recipient = self._keys.get(key.recipient)
        if recipient is None:
            return None
        try:
            secret = recipient.decrypt(key.wrapped)
        except DecryptError:
            return None
        return secret if len(secret) == DATA_KEY_BYTES else None


def key_id_of(body: bytes) -> bytes:
    """The id of the key a body claims to be sealed under; empty if it is no sealed body."""
    try:
        return body_key_id(body)
    except DecryptError:
        return b""


def judge(record: bytes | None, *, message_id: bytes) -> Judgement:
    """Whether the city takes a record.

    Args:
        record: Its CBOR, None if no key opened it.
        message_id: The id it was sent under.
    """
    if record is None:
        return Judgement(state=RecordState.UNREADABLE, text="cannot open")
    members = members_of(record)
    if members is None:
        return Judgement(state=RecordState.REFUSED, text="not a transaction")
    if members.get("id") != message_id:
        return Judgement(state=RecordState.REFUSED, text="sealed under another id")
    kind = members.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:  # contracts 5.1
        return Judgement(state=RecordState.REFUSED, text="kind unknown")
    return TAKEN


def members_of(record: bytes) -> Mapping[str, Any] | None:
    """The members of an opened record, None if it is no map with text keys."""
    try:
        members = cbor.decode(record, bytes_max=RECORD_BYTES_MAX)
    except WireError:
        return None
    if not isinstance(members, dict) or not all(isinstance(name, str) for name in members):
        return None
    return members
