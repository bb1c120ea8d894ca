"""Rules of the trust set, after The Update Framework: documents in, what may be relied on out (contracts 3), pure.

Every `open_` function refuses with `TrustError` and changes nothing: the caller keeps what it held. Signatures are
asked for before the payload is read; only a root's own keys must be read from it first. Version floors and deltas are
for whoever remembers versions, not here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from edge import dsse, gm
from edge.errors import TrustError
from edge.members import Members
from edge.roster import Roster, RosterManifest
from edge.status_list import PREFIX_BYTES, HashedList, StatusList, unpack_snapshot
from edge.trust_documents import (
    Blob,
    HashedInfo,
    IssuerEntry,
    Issuers,
    IssuerState,
    ListInfo,
    Role,
    Root,
    Staleness,
    Status,
    read_issuers,
    read_manifest,
    read_root,
    read_status,
)

__all__ = [
    "HashedInfo",
    "IssuerEntry",
    "IssuerState",
    "Issuers",
    "ListInfo",
    "Role",
    "Root",
    "Staleness",
    "Status",
    "TrustSet",
    "is_in_region",
    "next_root",
    "open_hashed",
    "open_issuers",
    "open_list",
    "open_root",
    "open_roster_manifest",
    "open_status",
    "uses_test_keys",
]

DOCUMENT_BYTES_MAX: Final = 1024 * 1024
MANIFEST_BYTES_MAX: Final = 64 * 1024

_COMMON: Final = frozenset({"version", "issued_at", "expires_at", "critical"})
_KNOWN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "root": _COMMON | {"city", "keys", "roles", "city_encryption_key", "receipt_keyids"},
        "issuers": _COMMON | {"staleness", "issuers"},
        "status": _COMMON | {"lists", "hashed", "issuers"},
        "roster": _COMMON | {"node", "lease_until", "count", "sm3", "length", "key"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSet:
    """All that verdicts rest on; ``TrustSet()`` is a node without any.

    Attributes:
        root: The last root of the chain.
        issuers: Verified under it.
        status: Verified under it.
        lists: Those of `status.lists` that are good on disk.
        hashed: Those of `status.hashed` that are good on disk.
        roster: This node's, opened.
    """

    root: Root | None = None
    issuers: Issuers | None = None
    status: Status | None = None
    lists: Mapping[str, StatusList] = field(default_factory=dict)
    hashed: Mapping[str, HashedList] = field(default_factory=dict)
    roster: Roster | None = None


def open_root(document: bytes) -> Root:
    """The root a node is born with: trusted as it is, but it must meet its own threshold (contracts 3.1, 6).

    Raises:
        TrustError: The rule it broke.
    """
    envelope, root = _read_root(document)
    _check_threshold(envelope, root=root, role="root")
    return root


def next_root(current: Root, document: bytes) -> Root:
    """The root after `current`, which may have expired (contracts 3.1).

    It needs the threshold of `current` and its own, and its version is one more.

    Raises:
        TrustError: ``version`` when one between is missing or it is no newer; else the rule it broke.
    """
    envelope, root = _read_root(document)
    _check_threshold(envelope, root=current, role="root")
    _check_threshold(envelope, root=root, role="root")
    if root.version != current.version + 1:
        raise TrustError("version")
    return root


def open_issuers(document: bytes, *, root: Root) -> Issuers:
    """The list of issuer keys.

    Raises:
        TrustError: The rule it broke.
    """
    return read_issuers(_open(document, role="issuers", root=root, size_max=DOCUMENT_BYTES_MAX))


def open_status(document: bytes, *, root: Root) -> Status:
    """The status document; the lists it names are opened with `open_list` and `open_hashed`.

    Raises:
        TrustError: The rule it broke.
    """
    return read_status(_open(document, role="status", root=root, size_max=DOCUMENT_BYTES_MAX))


def open_roster_manifest(document: bytes, *, root: Root, node: str) -> RosterManifest:
    """The manifest of this node's roster.

    Raises:
        TrustError: ``node`` when it is another's; else the rule it broke.
    """
    manifest = read_manifest(_open(document, role="roster", root=root, size_max=MANIFEST_BYTES_MAX))
    if manifest.node != node:
        raise TrustError("node")
    return manifest


def open_list(blob: bytes, *, info: ListInfo) -> StatusList:
    """A packed list from its snapshot: length and SM3 before inflating, size, SM3 and counts after (contracts 3.3).

    Raises:
        TrustError: ``blob``, ``inflate``, ``list_size``, ``list_sm3`` or ``list_counts``.
    """
    _check_blob(blob, expected=info.snapshot)
    status_list = unpack_snapshot(blob, size=info.size, sm3=info.sm3)
    if status_list.counts() != (info.revoked, info.suspended):
        raise TrustError("list_counts")
    return status_list


def open_hashed(blob: bytes | memoryview, *, info: HashedInfo) -> HashedList:
    """A hashed list; it is not packed, so its own SM3 and its snapshot's are of the same bytes.

    Raises:
        TrustError: ``blob``, ``list_sm3`` or ``list_counts``.
    """
    _check_blob(blob, expected=info.snapshot)
    if info.snapshot.sm3 != info.sm3:
        raise TrustError("list_sm3")
    if len(blob) != info.count * PREFIX_BYTES:
        raise TrustError("list_counts")
    return HashedList(info.key, blob)


def uses_test_keys(held: Root | Issuers, *, test_keyids: frozenset[bytes]) -> bool:
    """Whether any key in a root or an issuer list is one that everybody knows the private half of."""
    if isinstance(held, Root):
        keys = (*held.keys.values(), held.city_encryption_key)
    else:
        keys = tuple(entry.key for entries in held.by_kid.values() for entry in entries)
    return any(key.keyid in test_keyids for key in keys)


def is_in_region(city: str, *, regions: Iterable[str]) -> bool:
    """Whether a city lies in one of the regions, or one of them in it (contracts 3.2).

    Args:
        city: The root's six digits; trailing ``00`` pairs stand for the whole of a city or province.
        regions: An entry's prefixes.
    """
    while city.endswith("00") and len(city) % 2 == 0:
        city = city[:-2]
    return any(city.startswith(region) or region.startswith(city) for region in regions)


def _open(document: bytes, *, role: str, root: Root, size_max: int) -> Members:
    envelope = _envelope(document, role=role, size_max=size_max)
    _check_threshold(envelope, root=root, role=role)
    return _payload(envelope, role=role)


def _envelope(document: bytes, *, role: str, size_max: int) -> dsse.Envelope:
    envelope = dsse.parse(document, size_max=size_max)
    if envelope.payload_type != dsse.payload_type(role):
        raise TrustError("type")
    return envelope


def _payload(envelope: dsse.Envelope, *, role: str) -> Members:
    """The members of a payload; unknown ones are ignored unless ``critical`` names one (contracts 3)."""
    members = Members(dsse.strict_json(envelope.payload))
    if "critical" in members and not _KNOWN[role].issuperset(members.texts("critical")):
        raise TrustError("critical")
    return members


def _check_threshold(envelope: dsse.Envelope, *, root: Root, role: str) -> None:
    signing = root.roles.get(role)
    if signing is None:
        raise TrustError("threshold")
    keys = {keyid: root.keys[keyid] for keyid in signing.keyids}
    if len(dsse.signers(envelope, keys=keys)) < signing.threshold:
        raise TrustError("threshold")


def _check_blob(blob: bytes | memoryview, *, expected: Blob) -> None:
    if len(blob) != expected.length or gm.sm3(blob) != expected.sm3:
        raise TrustError("blob")


def _read_root(document: bytes) -> tuple[dsse.Envelope, Root]:
    envelope = _envelope(document, role="root", size_max=DOCUMENT_BYTES_MAX)
    return envelope, read_root(_payload(envelope, role="root"), payload_sm3=gm.sm3(envelope.payload))
