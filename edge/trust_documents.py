"""What the trust documents say: values, and their reading from verified members (contracts 3.1-3.5), pure.

A reader refuses with `TrustError` what breaks a rule of the document itself; who signed it is `edge.trust`'s to ask.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from edge import gm
from edge.errors import KeyFormatError, TrustError
from edge.gm import PublicKey
from edge.members import Members
from edge.roster import RosterManifest

KEYS_PER_KID_MAX: Final = 4
ROLES: Final = ("root", "issuers", "status", "time", "roster", "config", "enrol")

_KEYS_MAX: Final = 256  # of one root; each costs 0.06 ms to import
_KEYID_BYTES: Final = 8
_KEY_BYTES: Final = 33
_SM3_BYTES: Final = 32
_HASH_KEY_BYTES: Final = 16
_NONCE_BYTES: Final = 16
_REGION_DIGITS: Final = (2, 4, 6)
_CITY_DIGITS: Final = (6,)


class IssuerState(enum.StrEnum):
    """How an issuer key stands (contracts 3.2)."""

    ACTIVE = "active"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """Who signs one kind of document.

    Attributes:
        keyids: Each 8 bytes.
        threshold: How many distinct keys must sign, 1 or more.
    """

    keyids: frozenset[bytes]
    threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The keys of every role (contracts 3.1).

    Attributes:
        version: 1 or more.
        issued_at_ms: When it was made.
        expires_at_ms: From then on the trust data are LAPSED.
        city: Six digits, GB/T 2260.
        keys: By keyid.
        roles: By role; one that is missing signs nothing.
        city_encryption_key: For the keys of sealed records.
        receipt_keyids: Who signs receipts.
        payload_sm3: Of the exact payload bytes; what an enrolment code names.
    """

    version: int
    issued_at_ms: int
    expires_at_ms: int
    city: str
    keys: Mapping[bytes, PublicKey]
    roles: Mapping[str, Role]
    city_encryption_key: PublicKey
    receipt_keyids: frozenset[bytes]
    payload_sm3: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerEntry:
    """One issuer key (contracts 3.2).

    Attributes:
        key: Verifies its cards.
        org: Whose it is.
        regions: Prefixes of 2, 4 or 6 digits.
        kinds: ``static``, ``holder``.
        not_before: First day on which it may have issued, days since E.
        not_after: Last such day.
        status_list: Which list its cards' indices lie in.
        state: Whether it still issues, or must be refused.
    """

    key: PublicKey
    org: str
    regions: tuple[str, ...]
    kinds: frozenset[str]
    not_before: int
    not_after: int
    status_list: str
    state: IssuerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """The rungs of the freshness ladder, seconds of age (contracts 3.6)."""

    fresh_s: int
    aging_s: int
    stale_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuers:
    """Who issues cards (contracts 3.2); `by_kid` holds 1 to 4 entries a kid."""

    version: int
    issued_at_ms: int
    expires_at_ms: int
    staleness: Staleness
    by_kid: Mapping[bytes, tuple[IssuerEntry, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A file named by the SM3 of its bytes."""

    sm3: bytes
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What turns version `from_version` of a list into `to_version`."""

    from_version: int
    to_version: int
    blob: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInfo:
    """What the status document says of a packed list; `sm3` is of the unpacked bytes."""

    version: int
    size: int
    revoked: int
    suspended: int
    sm3: bytes
    snapshot: Blob
    deltas: tuple[Delta, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedInfo:
    """What the status document says of a hashed list."""

    version: int
    key: bytes
    count: int
    sm3: bytes
    snapshot: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Which lists there are (contracts 3.3); `issuers_version` is a minimum that blocks nothing."""

    version: int
    issued_at_ms: int
    expires_at_ms: int
    lists: Mapping[str, ListInfo]
    hashed: Mapping[str, HashedInfo]
    issuers_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTime:
    """The city's time as an answer to a nonce, and the newest versions it has (contracts 3.4).

    Attributes:
        node: For whom.
        nonce: 16 bytes, this node's.
        time_ms: The time.
        status_version: 0 or more.
        issuers_version: 0 or more.
        roster_version: This node's; 0: it has none.
    """

    node: str
    nonce: bytes
    time_ms: int
    status_version: int
    issuers_version: int
    roster_version: int


def read_root(members: Members, *, payload_sm3: bytes) -> Root:
    """A root that nobody has vouched for yet: `edge.trust` needs its keys to ask for its signatures."""
    keys = _root_keys(members.octet_map("keys", name_length=_KEYID_BYTES, length=_KEY_BYTES))
    receipt_keyids = frozenset(members.octet_list("receipt_keyids", length=_KEYID_BYTES))
    roles = {name: _role(role) for name, role in members.inner_map("roles").items() if name in ROLES}
    if not receipt_keyids.union(*(role.keyids for role in roles.values())) <= keys.keys():
        raise TrustError("keyid")
    return Root(
        version=members.integer("version", low=1),
        issued_at_ms=members.integer("issued_at"),
        expires_at_ms=members.integer("expires_at"),
        city=_digits(members.text("city"), lengths=_CITY_DIGITS),
        keys=keys,
        roles=roles,
        city_encryption_key=_key(members.octets("city_encryption_key", length=_KEY_BYTES)),
        receipt_keyids=receipt_keyids,
        payload_sm3=payload_sm3,
    )


def read_issuers(members: Members) -> Issuers:
    """The list of issuer keys."""
    staleness = members.inner("staleness")
    return Issuers(
        version=members.integer("version", low=1),
        issued_at_ms=members.integer("issued_at"),
        expires_at_ms=members.integer("expires_at"),
        staleness=Staleness(
            fresh_s=staleness.integer("fresh_s"),
            aging_s=staleness.integer("aging_s"),
            stale_s=staleness.integer("stale_s"),
        ),
        by_kid=entries_by_kid(_issuer(entry) for entry in members.inner_list("issuers")),
    )


def read_status(members: Members) -> Status:
    """The status document."""
    return Status(
        version=members.integer("version", low=1),
        issued_at_ms=members.integer("issued_at"),
        expires_at_ms=members.integer("expires_at"),
        lists={name: _list_info(info) for name, info in members.inner_map("lists").items()},
        hashed={name: _hashed_info(info) for name, info in members.inner_map("hashed").items()},
        issuers_version=members.inner("issuers").integer("version"),
    )


def read_manifest(members: Members) -> RosterManifest:
    """The manifest of a roster; for which node it is, is the caller's to check."""
    return RosterManifest(
        version=members.integer("version", low=1),
        issued_at_ms=members.integer("issued_at"),
        expires_at_ms=members.integer("expires_at"),
        node=members.text("node"),
        lease_until_ms=members.integer("lease_until"),
        count=members.integer("count"),
        sm3=members.octets("sm3", length=_SM3_BYTES),
        length=members.integer("length"),
        wrapped_key=members.base64("key"),
    )


def read_time(members: Members) -> SignedTime:
    """A signed time; for which node and nonce it is, is the caller's to check."""
    for name in ("version", "issued_at", "expires_at"):  # every payload has them, though here nothing rests on them
        members.integer(name, low=int(name == "version"))
    return SignedTime(
        node=members.text("node"),
        nonce=members.octets("nonce", length=_NONCE_BYTES),
        time_ms=members.integer("time"),
        status_version=members.inner("status").integer("version"),
        issuers_version=members.inner("issuers").integer("version"),
        roster_version=members.inner("roster").integer("version") if "roster" in members else 0,
    )


def entries_by_kid(entries: Iterable[IssuerEntry]) -> dict[bytes, tuple[IssuerEntry, ...]]:
    """Entries under the kid that codes name them by.

    Raises:
        TrustError: ``key_twice``; ``kid`` when more than 4 share one.
    """
    by_kid: dict[bytes, tuple[IssuerEntry, ...]] = {}
    for entry in entries:
        others = by_kid.get(entry.key.kid, ())
        if any(entry.key == other.key for other in others):
            raise TrustError("key_twice")
        if len(others) == KEYS_PER_KID_MAX:
            raise TrustError("kid")
        by_kid[entry.key.kid] = (*others, entry)
    return by_kid


def _root_keys(octets: Mapping[bytes, bytes]) -> dict[bytes, PublicKey]:
    """Keys by keyid, each under its own and none twice (contracts 3.1)."""
    if len(octets) > _KEYS_MAX:
        raise TrustError("size")
    if len(set(octets.values())) != len(octets):
        raise TrustError("key_twice")
    keys = {keyid: _key(compressed) for keyid, compressed in octets.items()}
    if any(key.keyid != keyid for keyid, key in keys.items()):
        raise TrustError("keyid")
    return keys


def _role(members: Members) -> Role:
    keyids = members.octet_list("keyids", length=_KEYID_BYTES)
    return Role(keyids=frozenset(keyids), threshold=members.integer("threshold", low=1))


def _issuer(members: Members) -> IssuerEntry:
    scope = members.inner("scope")
    try:
        state = IssuerState(members.text("state"))
    except ValueError as exc:
        raise TrustError("state") from exc
    return IssuerEntry(
        key=_key(members.octets("key", length=_KEY_BYTES)),
        org=members.text("org"),
        regions=tuple(_digits(region, lengths=_REGION_DIGITS) for region in scope.texts("regions")),
        kinds=frozenset(scope.texts("kinds")),
        not_before=members.integer("not_before"),
        not_after=members.integer("not_after"),
        status_list=members.text("status_list"),
        state=state,
    )


def _list_info(members: Members) -> ListInfo:
    return ListInfo(
        version=members.integer("version", low=1),
        size=members.integer("size"),
        revoked=members.integer("revoked"),
        suspended=members.integer("suspended"),
        sm3=members.octets("sm3", length=_SM3_BYTES),
        snapshot=_blob(members.inner("snapshot")),
        deltas=tuple(
            Delta(from_version=delta.integer("from"), to_version=delta.integer("to"), blob=_blob(delta))
            for delta in members.inner_list("deltas")
        ),
    )


def _hashed_info(members: Members) -> HashedInfo:
    return HashedInfo(
        version=members.integer("version", low=1),
        key=members.octets("key", length=_HASH_KEY_BYTES),
        count=members.integer("count"),
        sm3=members.octets("sm3", length=_SM3_BYTES),
        snapshot=_blob(members.inner("snapshot")),
    )


def _blob(members: Members) -> Blob:
    return Blob(sm3=members.octets("sm3", length=_SM3_BYTES), length=members.integer("length"))


def _key(compressed: bytes) -> PublicKey:
    try:
        return gm.public_key(compressed)
    except KeyFormatError as exc:
        raise TrustError("key") from exc


def _digits(text: str, *, lengths: tuple[int, ...]) -> str:
    if len(text) not in lengths or not (text.isascii() and text.isdigit()):
        raise TrustError("member")
    return text
