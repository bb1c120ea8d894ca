"""Signed documents: the DSSE envelope and the strict JSON inside it (contracts 3), pure.

The exact bytes of the payload are what is signed and verified: nothing here writes JSON again to compare it, and
nothing reads a payload before its signatures were asked for, save the root's, whose keys are inside it (`edge.trust`).
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Never

from edge.errors import TrustError
from edge.gm import PrivateKey, PublicKey
from edge.members import octets_of_base64
from sync.wire import pae

__all__ = ["Envelope", "pae", "parse", "payload_type", "sign", "signers", "strict_json"]

SIGNATURES_MAX: Final = 32  # far more than any role has keys; bounds the verifications one document can cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A document as it came; its signatures are not checked yet.

    Attributes:
        payload_type: Names the role.
        payload: Exact bytes, as signed.
        signatures: Pairs of keyid (8 bytes) and signature (64 bytes when well-formed).
    """

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[bytes, bytes], ...]


def payload_type(role: str) -> str:
    """The `payloadType` of a role's documents."""
    return f"application/vnd.ehc.{role}+json"


def parse(document: bytes, *, size_max: int) -> Envelope:
    """Take an envelope apart.

    Raises:
        TrustError: ``size`` before anything is parsed; ``json``; ``envelope``.
    """
    if len(document) > size_max:
        raise TrustError("size")
    members = strict_json(document)
    type_, payload, signatures = (members.get(name) for name in ("payloadType", "payload", "signatures"))
    if not isinstance(type_, str) or not type_.isascii():
        raise TrustError("envelope")
    if not isinstance(signatures, list) or len(signatures) > SIGNATURES_MAX:
        raise TrustError("envelope")
    return Envelope(
        payload_type=type_,
        payload=octets_of_base64(payload),
        signatures=tuple(_signature(entry) for entry in signatures),
    )


def strict_json(data: bytes) -> dict[str, Any]:
    """Read a JSON object, refusing duplicate member names and any number that is no integer (contracts 3).

    Raises:
        TrustError: ``json``: not UTF-8, no JSON, no object at the top, or one of those two.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_members, parse_float=_refuse, parse_constant=_refuse
        )
    except (ValueError, RecursionError) as exc:
        raise TrustError("json") from exc
    if not isinstance(value, dict):
        raise TrustError("json")
    return value


def signers(envelope: Envelope, *, keys: Mapping[bytes, PublicKey]) -> frozenset[bytes]:
    """Keyids among `keys` of which at least one signature holds: however often a key signed, it counts once."""
    signed = pae(envelope.payload_type, envelope.payload)
    held: set[bytes] = set()
    for keyid, signature in envelope.signatures:
        key = keys.get(keyid)
        if key is not None and keyid not in held and key.verify(signed, signature=signature):
            held.add(keyid)
    return frozenset(held)


def sign(payload: bytes, *, role: str, keys: Sequence[PrivateKey]) -> bytes:
    """A document for `payload` signed with each of `keys`."""
    signed = pae(payload_type(role), payload)
    signatures = [{"keyid": key.public.keyid.hex(), "sig": base64.b64encode(key.sign(signed)).decode()} for key in keys]
    envelope = {
        "payloadType": payload_type(role),
        "payload": base64.b64encode(payload).decode(),
        "signatures": signatures,
    }
    return json.dumps(envelope).encode()


def _signature(entry: object) -> tuple[bytes, bytes]:
    keyid = entry.get("keyid") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(keyid, str):
        raise TrustError("envelope")
    try:
        return bytes.fromhex(keyid), octets_of_base64(entry.get("sig"))
    except ValueError as exc:
        raise TrustError("envelope") from exc


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name stands twice")
    return members


def _refuse(_: str) -> Never:
    raise ValueError("a number that is no integer")
