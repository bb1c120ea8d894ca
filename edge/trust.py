"""Rules of the trust set, after The Update Framework: documents in, what may be relied on out (contracts 3), pure.

Every `open_` function refuses with `TrustError` and changes nothing: the caller keeps what it held. Signatures are
asked for before the payload is read; only a root's own keys must be read from it first. Versions and deltas are judged
where they are remembered (`edge.trust_rules`), not here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from edge import dsse, gm
from edge.errors import TrustError
from edge.members import Members
from edge.roster import ROSTER_BYTES_MAX, Roster, RosterManifest
from edge.status_list import PREFIX_BYTES, HashedList, StatusList, check_order, unpack_snapshot
from edge.test_keys import TEST_KEYIDS
from edge.trust_documents import (
    ROLES,
    Blob,
    HashedInfo,
    IssuerEntry,
    Issuers,
    IssuerState,
    ListInfo,
    Role,
    Root,
    SignedTime,
    Staleness,
    Status,
    read_issuers,
    read_manifest,
    read_root,
    read_status,
    read_time,
)

__all__ = [
    "HashedInfo",
    "IssuerEntry",
    "IssuerState",
    "Issuers",
    "ListInfo",
    "Problem",
    "Role",
    "Root",
    "SignedTime",
    "Staleness",
    "Status",
    "TrustSet",
    "is_in_region",
    "is_signed",
    "is_whole",
    "next_root",
    "open_hashed",
    "open_issuers",
    "open_list",
    "open_root",
    "open_roster_manifest",
    "open_status",
    "open_time",
    "payload_sm3",
    "refuse_test_keys",
    "role_of",
    "uses_test_keys",
]

DOCUMENT_BYTES_MAX: Final = 1024 * 1024
MANIFEST_BYTES_MAX: Final = 64 * 1024
BLOB_BYTES_MAX: Final = ROSTER_BYTES_MAX  # the largest of them; packed lists end at 16 MiB

_COMMON: Final = frozenset({"version", "issued_at", "expires_at", "critical"})
_KNOWN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "root": _COMMON | {"city", "keys", "roles", "city_encryption_key", "receipt_keyids"},
        "issuers": _COMMON | {"staleness", "issuers"},
        "status": _COMMON | {"lists", "hashed", "issuers"},
        "roster": _COMMON | {"node", "lease_until", "count", "sm3", "length", "key"},
        "time": _COMMON | {"node", "nonce", "time", "status", "issuers", "roster"},
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something of a trust folder or of the cache that is not used.

    Attributes:
        file: Its name; for a list, the name the status document gives it.
        rule: Why: ``missing``, ``unreadable``, ``test_key``, or the rule of a `TrustError`.
    """

    file: str
    rule: str


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


def open_time(document: bytes, *, root: Root, node: str) -> SignedTime:
    """The city's time for this node; which nonce it answers is the caller's to check (contracts 3.4).

    Raises:
        TrustError: ``node`` when it is another's; else the rule it broke.
    """
    signed = read_time(_open(document, role="time", root=root, size_max=DOCUMENT_BYTES_MAX))
    if signed.node != node:
        raise TrustError("node")
    return signed


def role_of(document: bytes) -> str:
    """The role that a document says it has; nobody has vouched for it yet.

    Raises:
        TrustError: ``type``: none of those there are; or it is no envelope.
    """
    named = dsse.parse(document, size_max=DOCUMENT_BYTES_MAX).payload_type
    for role in ROLES:
        if named == dsse.payload_type(role):
            return role
    raise TrustError("type")


def payload_sm3(document: bytes) -> bytes:
    """SM3 of the exact payload bytes: what two documents of one version must agree in (contracts 3.6).

    Raises:
        TrustError: It is no envelope.
    """
    return gm.sm3(dsse.parse(document, size_max=DOCUMENT_BYTES_MAX).payload)


def is_signed(document: bytes, *, role: str, root: Root) -> bool:
    """Whether a root vouches for a document that was verified before; what it says is not read again."""
    try:
        _check_threshold(_envelope(document, role=role, size_max=DOCUMENT_BYTES_MAX), root=root, role=role)
    except TrustError:
        return False
    return True


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
        TrustError: ``blob``, ``list_sm3``, ``list_counts`` or ``list_order``.
    """
    _check_blob(blob, expected=info.snapshot)
    if info.snapshot.sm3 != info.sm3:
        raise TrustError("list_sm3")
    if len(blob) != info.count * PREFIX_BYTES:
        raise TrustError("list_counts")
    check_order(blob)
    return HashedList(info.key, blob)


def is_whole(trust: TrustSet) -> bool:
    """Whether every list that the held status document names is there."""
    status = trust.status
    return (
        status is not None and status.lists.keys() <= trust.lists.keys() and status.hashed.keys() <= trust.hashed.keys()
    )


def uses_test_keys(held: Root | Issuers | None, *, test_keyids: frozenset[bytes] = TEST_KEYIDS) -> bool:
    """Whether any key in a root or an issuer list is one that everybody knows the private half of."""
    if held is None:
        return False
    if isinstance(held, Root):
        keys = (*held.keys.values(), held.city_encryption_key)
    else:
        keys = tuple(entry.key for entries in held.by_kid.values() for entry in entries)
    return any(key.keyid in test_keyids for key in keys)


def refuse_test_keys(held: Root | Issuers, *, allow_test_keys: bool) -> None:
    """Refuse a root or an issuer list with a key that everybody knows, unless that is allowed (contracts 3.1).

    Raises:
        TrustError: ``test_key``.
    """
    if not allow_test_keys and uses_test_keys(held):
        raise TrustError("test_key")


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
