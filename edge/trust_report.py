"""What is held of the trust documents, as `ehc-edge trust show` tells an operator: values, nothing personal."""

from typing import Any

from edge.freshness import freshness_of
from edge.trust import Problem, Root, TrustSet
from edge.trust_documents import Issuers
from edge.trust_held import Held
from edge.trust_import import Imported
from edge.verdict import Interval


def trust_report(held: Held, *, now: Interval, problems: tuple[Problem, ...]) -> dict[str, Any]:
    """Return all that is held; what is not known is left out.

    Args:
        held: What the node holds.
        now: The time.
        problems: What came and is not used.
    """
    trust = held.trust
    freshness = freshness_of(trust, now=now, age_since_ms=held.current_ms)
    return _known(
        root=None if trust.root is None else _root(trust.root, born_sm3=held.born_sm3),
        issuers=None if trust.issuers is None else _issuers(trust.issuers),
        status=_status(trust),
        roster=_roster(trust),
        floors={role: floor.version for role, floor in sorted(held.floors.items())},
        former=sorted(held.former),
        withdrawn=len(held.withdrawn),
        current_ms=held.current_ms,
        age_s=freshness.age_s,
        rung=None if freshness.rung is None else freshness.rung.value,
        problems=problem_members(problems),
    )


def import_report(imported: Imported) -> dict[str, Any]:
    """Return what a folder gave."""
    return {
        "found": imported.found,
        "taken": imported.taken,
        "problems": problem_members(imported.problems),
    }


def problem_members(problems: tuple[Problem, ...]) -> list[dict[str, str]]:
    """Return problems as the interface names them."""
    return [{"file": problem.file, "rule": problem.rule} for problem in problems]


def _root(root: Root, *, born_sm3: bytes | None) -> dict[str, Any]:
    return _known(
        version=root.version,
        issued_at_ms=root.issued_at_ms,
        expires_at_ms=root.expires_at_ms,
        city=root.city,
        born_sm3=None if born_sm3 is None else born_sm3.hex(),
    )


def _issuers(issuers: Issuers) -> dict[str, Any]:
    return {
        "version": issuers.version,
        "issued_at_ms": issuers.issued_at_ms,
        "expires_at_ms": issuers.expires_at_ms,
        "keys": [
            {
                "kid": kid.hex(),
                "org": entry.org,
                "state": entry.state.value,
                "regions": list(entry.regions),
                "kinds": sorted(entry.kinds),
                "status_list": entry.status_list,
            }
            for kid, entries in issuers.by_kid.items()
            for entry in entries
        ],
    }


def _status(trust: TrustSet) -> dict[str, Any] | None:
    status = trust.status
    if status is None:
        return None
    packed = [
        {
            "name": name,
            "version": info.version,
            "cards": info.size,
            "revoked": info.revoked,
            "suspended": info.suspended,
            "good": name in trust.lists,
        }
        for name, info in sorted(status.lists.items())
    ]
    hashed = [
        {"name": name, "version": info.version, "revoked": info.count, "good": name in trust.hashed}
        for name, info in sorted(status.hashed.items())
    ]
    return {
        "version": status.version,
        "issued_at_ms": status.issued_at_ms,
        "expires_at_ms": status.expires_at_ms,
        "lists": packed,
        "hashed": hashed,
    }


def _roster(trust: TrustSet) -> dict[str, Any] | None:
    if trust.roster is None:
        return None
    manifest = trust.roster.manifest
    return {"version": manifest.version, "lease_end_ms": manifest.lease_end_ms, "people": manifest.count}


def _known(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
