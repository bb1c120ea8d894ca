"""What a node remembers of its trust documents outside the cache: one small text, checked by its own SM3, pure.

Floors and tombstones cannot be had again from documents, so they do not lie among them (contracts 3.6). Replacing this
text is what commits a change: it names, by SM3, every document that is held. First line: format and SM3 of the rest;
the rest: JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from edge import dsse, gm
from edge.errors import TrustError
from edge.members import Members
from edge.trust_held import DOCUMENT_ROLES, Floor, Held

STATE_BYTES_MAX: Final = 4 * 1024 * 1024  # 10,000 tombstones and 1,000 roots need 0.8 MB

_HEAD: Final = b"ehc-trust-1 "
_SM3_BYTES: Final = 32
_KEY_BYTES: Final = 33


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The state that was last committed; ``Kept()`` is that of a node which was never given a root.

    Attributes:
        born_sm3: As in `Held`.
        roots: SM3 of each document of the chain.
        documents: SM3 of the document held, by role.
        floors: As in `Held`.
        withdrawn: As in `Held`.
        current_ms: As in `Held`.
    """

    born_sm3: bytes | None = None
    roots: tuple[bytes, ...] = ()
    documents: Mapping[str, bytes] = field(default_factory=dict)
    floors: Mapping[str, Floor] = field(default_factory=dict)
    withdrawn: frozenset[bytes] = field(default=frozenset(), repr=False)
    current_ms: int | None = None


def kept_of(held: Held) -> Kept:
    """What must be remembered of what is held."""
    return Kept(
        born_sm3=held.born_sm3,
        roots=tuple(gm.sm3(document) for document in held.roots),
        documents={role: gm.sm3(document) for role, document in held.documents.items()},
        floors=held.floors,
        withdrawn=held.withdrawn,
        current_ms=held.current_ms,
    )


def write_state(kept: Kept) -> bytes:
    """The text of a state."""
    members: dict[str, Any] = {
        "roots": [sm3.hex() for sm3 in kept.roots],
        "documents": {role: {"sm3": sm3.hex()} for role, sm3 in sorted(kept.documents.items())},
        "floors": {
            role: {"version": floor.version, "payload_sm3": floor.payload_sm3.hex()}
            for role, floor in sorted(kept.floors.items())
        },
        "withdrawn": [key.hex() for key in sorted(kept.withdrawn)],
    }
    if kept.born_sm3 is not None:
        members["born_sm3"] = kept.born_sm3.hex()
    if kept.current_ms is not None:
        members["current_ms"] = kept.current_ms
    body = json.dumps(members, indent=1).encode()
    return _HEAD + gm.sm3(body).hex().encode() + b"\n" + body


def read_state(text: bytes) -> Kept:
    """The state in a text.

    Raises:
        TrustError: ``damaged``: not one byte of it may be believed.
    """
    head, _, body = text.partition(b"\n")
    if head != _HEAD + gm.sm3(body).hex().encode():
        raise TrustError("damaged")
    try:
        return _kept(Members(dsse.strict_json(body)))
    except TrustError as exc:  # its SM3 holds, so another program wrote it
        raise TrustError("damaged") from exc


def _kept(members: Members) -> Kept:
    documents = {role: one.octets("sm3", length=_SM3_BYTES) for role, one in members.inner_map("documents").items()}
    if not documents.keys() <= set(DOCUMENT_ROLES):
        raise TrustError("member")
    return Kept(
        born_sm3=members.octets("born_sm3", length=_SM3_BYTES) if "born_sm3" in members else None,
        roots=members.octet_list("roots", length=_SM3_BYTES),
        documents=documents,
        floors={
            role: Floor(
                version=floor.integer("version", low=1),
                payload_sm3=floor.octets("payload_sm3", length=_SM3_BYTES),
            )
            for role, floor in members.inner_map("floors").items()
        },
        withdrawn=frozenset(members.octet_list("withdrawn", length=_KEY_BYTES)),
        current_ms=members.integer("current_ms") if "current_ms" in members else None,
    )
