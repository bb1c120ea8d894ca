"""The payloads of the city's signed documents (contracts 3): values in, JSON bytes out; no files and no clock.

Who signs them is the caller's: `edge.dsse.sign` with the key of the role. Every time is Unix milliseconds, every day is
counted from 2020-01-01 in China.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from city.authority.keys import ROOT_THRESHOLD
from edge.ehc_code import DAY_S, EPOCH_S
from edge.gm import PublicKey
from edge.trust import IssuerState
from edge.trust_documents import Delta

DAY_MS = DAY_S * 1000
ROOT_LIFE_MS = 5 * 365 * DAY_MS  # root keys are used by hand: rarely
ISSUERS_LIFE_MS = 365 * DAY_MS  # a box out of reach for a season still knows the issuers
STATUS_LIFE_MS = 30 * DAY_MS
TIME_LIFE_MS = DAY_MS  # as the vectors have it; what makes it good for one moment is the nonce
ROSTER_LIFE_MS = 60 * DAY_MS
ROSTER_LEASE_MS = 30 * DAY_MS
STALENESS = {"fresh_s": 86_400, "aging_s": 259_200, "stale_s": 1_209_600}  # contracts 3.2: a day, three days, two weeks


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRow:
    """One issuer key as the city vouches for it.

    Attributes:
        key: 66 hex characters.
        org: Who holds it.
        regions: Division-code prefixes of 2, 4 or 6 digits.
        kinds: ``static``, ``holder`` or both.
        not_before: First day of issue.
        not_after: Last day of issue.
        status_list: Where its cards' states stand.
        state: ``active``, ``retired`` or ``withdrawn``.
    """

    key: str
    org: str
    regions: tuple[str, ...]
    kinds: tuple[str, ...]
    not_before: int
    not_after: int
    status_list: str
    state: IssuerState


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedList:
    """A status list as published.

    Attributes:
        version: Version of the status document in which it last changed.
        size: How many cards it covers.
        revoked: How many of them are revoked.
        suspended: How many are suspended.
        sm3: Of the unpacked bytes.
        blob_sm3: Of the snapshot.
        blob_bytes: Length of the snapshot.
        deltas: From former versions to this one, a chain, oldest first.
    """

    version: int
    size: int
    revoked: int
    suspended: int
    sm3: bytes
    blob_sm3: bytes
    blob_bytes: int
    deltas: tuple[Delta, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedBlob:
    """A hashed list as published: its version, key (16 bytes), count, and the file's SM3 and length."""

    version: int
    key: bytes
    count: int
    sm3: bytes
    blob_bytes: int


def day_of(time_ms: int) -> int:
    """The day, counted from E, in which a moment lies."""
    return (time_ms // 1000 - EPOCH_S) // DAY_S


def region_of(city: str) -> str:
    """The prefix that covers a city: its division code without trailing ``00``."""
    while city.endswith("00"):
        city = city.removesuffix("00")
    return city


def root_payload(
    *,
    version: int,
    issued_at_ms: int,
    city: str,
    roots: Sequence[PublicKey],
    roles: Mapping[str, PublicKey],
    receipt: PublicKey,
    encryption: PublicKey,
) -> bytes:
    """The root document (contracts 3.1): every key, and which role it may sign for."""
    keys = [*roots, *roles.values(), receipt]
    root_role = {"keyids": [key.keyid.hex() for key in roots], "threshold": ROOT_THRESHOLD}
    return _payload(
        version=version,
        issued_at_ms=issued_at_ms,
        life_ms=ROOT_LIFE_MS,
        members={
            "city": city,
            "keys": {key.keyid.hex(): key.compressed.hex() for key in keys},
            "roles": {"root": root_role}
            | {role: {"keyids": [key.keyid.hex()], "threshold": 1} for role, key in roles.items()},
            "city_encryption_key": encryption.compressed.hex(),
            "receipt_keyids": [receipt.keyid.hex()],
        },
    )


def issuers_payload(issuers: Sequence[IssuerRow], *, version: int, issued_at_ms: int) -> bytes:
    """The issuers document (contracts 3.2)."""
    rows = [
        {
            "key": row.key,
            "org": row.org,
            "scope": {"regions": list(row.regions), "kinds": list(row.kinds)},
            "not_before": row.not_before,
            "not_after": row.not_after,
            "status_list": row.status_list,
            "state": row.state.value,
        }
        for row in issuers
    ]
    return _payload(
        version=version,
        issued_at_ms=issued_at_ms,
        life_ms=ISSUERS_LIFE_MS,
        members={"staleness": STALENESS, "issuers": rows},
    )


def status_payload(
    *,
    version: int,
    issued_at_ms: int,
    lists: Mapping[str, PackedList],
    hashed: Mapping[str, HashedBlob],
    issuers_version: int,
) -> bytes:
    """The status document (contracts 3.3)."""
    return _payload(
        version=version,
        issued_at_ms=issued_at_ms,
        life_ms=STATUS_LIFE_MS,
        members={
            "lists": {
                name: {
                    "version": packed.version,
                    "size": packed.size,
                    "revoked": packed.revoked,
                    "suspended": packed.suspended,
                    "sm3": packed.sm3.hex(),
                    "snapshot": {"sm3": packed.blob_sm3.hex(), "length": packed.blob_bytes},
                    "deltas": [
                        {
                            "from": delta.from_version,
                            "to": delta.to_version,
                            "sm3": delta.blob.sm3.hex(),
                            "length": delta.blob.length,
                        }
                        for delta in packed.deltas
                    ],
                }
                for name, packed in lists.items()
            },
            "hashed": {
                name: {
                    "version": blob.version,
                    "key": blob.key.hex(),
                    "count": blob.count,
                    "sm3": blob.sm3.hex(),
                    "snapshot": {"sm3": blob.sm3.hex(), "length": blob.blob_bytes},
                }
                for name, blob in hashed.items()
            },
            "issuers": {"version": issuers_version},
        },
    )


def time_payload(*, node: str, nonce: bytes, now_ms: int, versions: Mapping[str, int]) -> bytes:
    """The time, for one node and one nonce (contracts 3.4).

    Args:
        node: Who asked.
        nonce: 16 bytes, its own.
        now_ms: The city's clock, Unix milliseconds.
        versions: What is published now, by role: ``status``, ``issuers``, ``roster``.
    """
    return _payload(
        version=1,
        issued_at_ms=now_ms,
        life_ms=TIME_LIFE_MS,
        members={
            "node": node,
            "nonce": nonce.hex(),
            "time": now_ms,
            **{role: {"version": version} for role, version in versions.items()},
        },
    )


def roster_payload(
    *,
    version: int,
    issued_at_ms: int,
    node: str,
    count: int,
    sm3: bytes,
    blob_bytes: int,
    wrapped_key: bytes,
) -> bytes:
    """The manifest of a node's roster (contracts 3.5)."""
    return _payload(
        version=version,
        issued_at_ms=issued_at_ms,
        life_ms=ROSTER_LIFE_MS,
        members={
            "node": node,
            "lease_until": issued_at_ms + ROSTER_LEASE_MS,
            "count": count,
            "sm3": sm3.hex(),
            "length": blob_bytes,
            "key": base64.b64encode(wrapped_key).decode(),
        },
    )


def _payload(*, version: int, issued_at_ms: int, life_ms: int, members: Mapping[str, Any]) -> bytes:
    head: dict[str, Any] = {"version": version, "issued_at": issued_at_ms, "expires_at": issued_at_ms + life_ms}
    return json.dumps(head | dict(members), ensure_ascii=False, separators=(",", ":")).encode()
