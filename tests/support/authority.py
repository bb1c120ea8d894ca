"""A city that signs what a test asks for: real keys, made from their names, and payloads written out by hand.

It shares no code with `city.authority`, so that both are held against the contracts and not against each other.
"""

import base64
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge import dsse, gm
from edge.roster import Person, build_roster
from edge.status_delta import make_delta
from edge.status_list import StatusList, pack_hashed, pack_snapshot
from edge.trust_documents import Blob

NODE = "370881-0042"
DAY_MS = 86_400_000
BEGIN_MS = 1_800_000_000_000  # when everything was issued, unless a test says otherwise
STALE_S = 1_209_600
HASH_KEY = bytes(range(16))

ROOT = ("root-a", "root-b", "root-c")
KEYS: Mapping[str, tuple[str, ...]] = {
    "root": ROOT,
    "issuers": ("issuers-a",),
    "status": ("status-a",),
    "time": ("time-a",),
    "roster": ("roster-a",),
    "receipt": ("receipt-a",),
}


@functools.cache
def key(name: str) -> gm.PrivateKey:
    """The private key of that name: always the same one."""
    return gm.private_key(gm.sm3(name.encode()))


def signed(role: str, members: Mapping[str, Any], *, by: Iterable[str]) -> bytes:
    """A document of a role, signed by the keys of those names."""
    return dsse.sign(json.dumps(members).encode(), role=role, keys=[key(name) for name in by])


def root(
    version: int = 1,
    *,
    keys: Mapping[str, Sequence[str]] = KEYS,
    by: Sequence[str] = ROOT[:2],
    issued_at_ms: int = BEGIN_MS,
    city: str = "370800",
    expires_at_ms: int = BEGIN_MS + 1_800 * DAY_MS,
) -> bytes:
    """A root document; two of its root keys must sign, or all if there are fewer."""
    named = sorted({name for names in keys.values() for name in names})
    roles = {
        role: {"keyids": [key(name).public.keyid.hex() for name in names], "threshold": min(2, len(names))}
        if role == "root"
        else {"keyids": [key(name).public.keyid.hex() for name in names], "threshold": 1}
        for role, names in keys.items()
        if role != "receipt"
    }
    members = {
        "version": version,
        "issued_at": issued_at_ms,
        "expires_at": expires_at_ms,
        "city": city,
        "keys": {key(name).public.keyid.hex(): key(name).public.compressed.hex() for name in named},
        "roles": roles,
        "city_encryption_key": key("encryption").public.compressed.hex(),
        "receipt_keyids": [key(name).public.keyid.hex() for name in keys["receipt"]],
    }
    return signed("root", members, by=by)


def issuers(
    version: int,
    *,
    active: Sequence[str] = ("issuer-a",),
    withdrawn: Sequence[str] = (),
    by: Sequence[str] = ("issuers-a",),
    stale_s: int = STALE_S,
    expires_at_ms: int = BEGIN_MS + 365 * DAY_MS,
    note: str = "",
) -> bytes:
    """A list of issuer keys."""
    entries = [
        {
            "key": key(name).public.compressed.hex(),
            "org": "370800H0001",
            "scope": {"regions": ["3708"], "kinds": ["static", "holder"]},
            "not_before": 0,
            "not_after": 9000,
            "status_list": "cards",
            "state": state,
        }
        for names, state in ((active, "active"), (withdrawn, "withdrawn"))
        for name in names
    ]
    members = {
        "version": version,
        "issued_at": BEGIN_MS,
        "expires_at": expires_at_ms,
        "staleness": {"fresh_s": 86400, "aging_s": 259200, "stale_s": stale_s},
        "issuers": entries,
        "note": note,
    }
    return signed("issuers", members, by=by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Blobs by SM3, as a city has them to fetch."""

    blobs: dict[bytes, bytes] = field(default_factory=dict)

    def give(self, wanted: Blob) -> bytes | None:
        """The blob, if it lies here."""
        return self.blobs.get(wanted.sm3)

    def put(self, blob: bytes) -> dict[str, Any]:
        """Keep a blob; how a document names it."""
        self.blobs[gm.sm3(blob)] = blob
        return {"sm3": gm.sm3(blob).hex(), "length": len(blob)}

    def packed(self, new: StatusList, version: int, *, since: Mapping[int, StatusList] | None = None) -> dict[str, Any]:
        """What a status document says of a packed list, with a delta from each former version given."""
        revoked, suspended = new.counts()
        deltas = [
            {"from": before, "to": version, **self.put(make_delta(old, new))} for before, old in (since or {}).items()
        ]
        return {
            "version": version,
            "size": new.size,
            "revoked": revoked,
            "suspended": suspended,
            "sm3": gm.sm3(new.packed).hex(),
            "snapshot": self.put(pack_snapshot(new)),
            "deltas": deltas,
        }

    def hashed(self, indices: Iterable[bytes], version: int) -> dict[str, Any]:
        """What a status document says of a hashed list."""
        snapshot = self.put(pack_hashed(indices, key=HASH_KEY))
        return {
            "version": version,
            "key": HASH_KEY.hex(),
            "count": snapshot["length"] // 6,
            "sm3": snapshot["sm3"],
            "snapshot": snapshot,
        }


def status(
    version: int,
    *,
    lists: Mapping[str, Any] | None = None,
    hashed: Mapping[str, Any] | None = None,
    issuers_version: int = 0,
    by: Sequence[str] = ("status-a",),
    issued_at_ms: int = BEGIN_MS,
    note: str = "",
) -> bytes:
    """A status document."""
    members = {
        "version": version,
        "issued_at": issued_at_ms,
        "expires_at": issued_at_ms + 30 * DAY_MS,
        "lists": lists or {},
        "hashed": hashed or {},
        "issuers": {"version": issuers_version},
        "note": note,
    }
    return signed("status", members, by=by)


def time(
    time_ms: int,
    *,
    nonce: bytes,
    status_version: int = 0,
    issuers_version: int = 0,
    node: str = NODE,
    by: Sequence[str] = ("time-a",),
    roster_version: int | None = None,
) -> bytes:
    """A signed time."""
    members: dict[str, Any] = {
        "version": 1,
        "issued_at": time_ms,
        "expires_at": time_ms + DAY_MS,
        "node": node,
        "nonce": nonce.hex(),
        "time": time_ms,
        "status": {"version": status_version},
        "issuers": {"version": issuers_version},
    }
    if roster_version is not None:
        members["roster"] = {"version": roster_version}
    return signed("time", members, by=by)


def roster(
    version: int,
    *,
    shelf: Shelf,
    people: Mapping[str, Person] | None = None,
    node: str = NODE,
    lease_until_ms: int = BEGIN_MS + 30 * DAY_MS,
    expires_at_ms: int = BEGIN_MS + 60 * DAY_MS,
    by: Sequence[str] = ("roster-a",),
    changes: Mapping[str, Any] | None = None,
) -> bytes:
    """The manifest of a roster, whose blob is put on the shelf; `decrypt_roster` opens its key."""
    row_keys = bytes(range(32))
    people = people or {}
    blob = build_roster(people.items(), keys=row_keys)
    members = {
        "version": version,
        "issued_at": BEGIN_MS,
        "expires_at": expires_at_ms,
        "node": node,
        "lease_until": lease_until_ms,
        "count": len(people),
        **shelf.put(blob),
        "key": base64.b64encode(key("node").public.encrypt(row_keys)).decode(),
    }
    return signed("roster", {**members, **(changes or {})}, by=by)


def decrypt_roster(wrapped: bytes) -> bytes:
    """What the node's encryption key makes of a wrapped key."""
    return key("node").decrypt(wrapped)
