"""The chain of roots: who may sign what, and what changes when that changes (contracts 3.1), pure.

"TUF 5.x" names the step of The Update Framework's client workflow that a line obeys.
"""

from dataclasses import replace
from typing import Final

from edge import trust
from edge.errors import TrustError
from edge.trust import Root
from edge.trust_held import Floor, Held, RootMissingError, Step

ROOTS_MAX: Final = 1000  # yearly rotations for longer than anybody plans (TUF 5.3.3, Y)


def born(document: bytes, *, held: Held | None = None, allow_test_keys: bool = False) -> Step:
    """Take the root a node is born with (contracts 3: it is born with one).

    Args:
        document: As the image or the enrolment brought it.
        held: What the state file remembers, with an empty chain; its floors stand.
        allow_test_keys: Whether keys that everybody knows may be trusted.

    Raises:
        TrustError: ``born`` when the node was born with another; else the rule it broke.
    """
    held = held or Held()
    root = trust.open_root(document)
    trust.refuse_test_keys(root, allow_test_keys=allow_test_keys)
    if held.born_sm3 not in (None, root.payload_sm3):
        raise TrustError("born")
    if held.chain:
        return Step(held=held)
    return _with_root(replace(held, born_sm3=root.payload_sm3), document, root=root)


def take_root(held: Held, document: bytes, *, allow_test_keys: bool = False) -> Step:
    """Take the next root of the chain; root N may have expired (contracts 3.1, TUF 5.3).

    Raises:
        RootMissingError: One between is missing, and is named.
        TrustError: ``no_root``, ``rollback``, ``other_bytes``, ``city``, ``test_key``, ``size`` or the rule it broke.
    """
    newest = _newest(held)
    root = trust.open_root(document)
    # TUF 5.3.5: the version steps by one; an equal one is discarded, and must be the same (contracts 3.6).
    if root.version > newest.version + 1:
        raise RootMissingError(newest.version + 1)
    if root.version <= newest.version:
        former = next((one for one in held.chain if one.version == root.version), None)
        if former is None:
            raise TrustError("rollback")
        if former.payload_sm3 != root.payload_sm3:
            raise TrustError("other_bytes")
        return Step(held=held)
    trust.next_root(newest, document)  # TUF 5.3.4: the threshold of N and its own; 5.3.6: the expiry of N says nothing
    if root.city != newest.city:
        raise TrustError("city")
    if len(held.chain) == ROOTS_MAX:
        raise TrustError("size")
    trust.refuse_test_keys(root, allow_test_keys=allow_test_keys)
    return _with_root(held, document, root=root)


def _newest(held: Held) -> Root:
    if not held.chain:
        raise TrustError("no_root")
    return held.chain[-1]


def _with_root(held: Held, document: bytes, *, root: Root) -> Step:
    """Append a root to the chain; what it resets, it resets only the first time it is seen."""
    floor = held.floors.get("root")
    chain, roots = (*held.chain, root), (*held.roots, document)
    if floor is not None and root.version <= floor.version:
        # The way back to the last root after the cache was lost: it was taken before, so it changes neither floor nor
        # clock, and no document is verified until the chain is as long as it was (contracts 3.6).
        if root.version == floor.version and root.payload_sm3 != floor.payload_sm3:
            raise TrustError("other_bytes")
        now = replace(held.trust, root=root if root.version == floor.version else None)
        return Step(held=replace(held, roots=roots, chain=chain, trust=now))
    before = held.chain[-1] if held.chain else None
    floors = {**held.floors, "root": Floor(version=root.version, payload_sm3=root.payload_sm3)}
    former = {
        role: held.former.get(role, root.issued_at_ms)
        for role, kept in held.documents.items()
        if not trust.is_signed(kept, role=role, root=root)
    }
    new = replace(held, roots=roots, chain=chain, trust=replace(held.trust, root=root), floors=floors, former=former)
    if before is None:
        return Step(held=new, raise_floor_ms=root.issued_at_ms)
    # Contracts 3.1, TUF 5.3.11: recovery from versions that a thief drove up, but only where none of the former keys
    # remains: a root that adds a key resets nothing.
    kept_floors = {role: one for role, one in floors.items() if role == "root" or not _is_replaced(role, before, root)}
    new = replace(new, floors=kept_floors)
    if _resets_clock(before, root):
        return Step(held=replace(new, current_ms=None, claim=None), reset_floor_ms=root.issued_at_ms)
    return Step(held=new, raise_floor_ms=root.issued_at_ms)


def _is_replaced(role: str, before: Root, after: Root) -> bool:
    """Whether none of the keys that a role had remains."""
    return _keyids(before, role).isdisjoint(_keyids(after, role))


def _resets_clock(before: Root, after: Root) -> bool:
    """Whether a key that vouched for times is no longer trusted: then what it said of the time is not, either."""
    is_dropped = any(_keyids(before, role) - _keyids(after, role) for role in ("time", "status"))
    return is_dropped or bool(before.receipt_keyids - after.receipt_keyids)


def _keyids(root: Root, role: str) -> frozenset[bytes]:
    signing = root.roles.get(role)
    return frozenset() if signing is None else signing.keyids
