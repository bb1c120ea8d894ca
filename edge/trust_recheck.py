"""What is held after a restart: all of it verified again from bytes, by the rules of its taking (contracts 3.6), pure.

The cache is hostile input: the state says which documents were held and how high the floors stand, and nothing is
believed because it is there. What does not fit is left out and named; whatever the bytes are, nothing raises.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final, TypeVar

from edge import trust
from edge.errors import TrustError
from edge.roster import open_roster
from edge.status_list import HashedList, StatusList, check_list, packed_bytes
from edge.trust import BLOB_BYTES_MAX, DOCUMENT_BYTES_MAX, MANIFEST_BYTES_MAX, Problem, Root
from edge.trust_documents import HashedInfo, ListInfo
from edge.trust_held import DOCUMENT_ROLES, Buffer, Held
from edge.trust_rules import Terms, born, take_root, with_tombstones
from edge.trust_state import Kept

Read = Callable[[bytes, int], Buffer]
"""Gives the bytes of an SM3, at most so many; `TrustError` ``missing``, ``unreadable``, ``size`` or ``blob``."""

_T = TypeVar("_T")
_SIZES: Final[Mapping[str, int]] = MappingProxyType(
    {"issuers": DOCUMENT_BYTES_MAX, "status": DOCUMENT_BYTES_MAX, "roster": MANIFEST_BYTES_MAX}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """What may be relied on, and what was left out, in the order met."""

    held: Held
    problems: tuple[Problem, ...] = ()


def recheck(kept: Kept, *, read: Read, terms: Terms) -> Rechecked:
    """Verify all of it again.

    Args:
        kept: The state.
        read: Gives the bytes of the cache.
        terms: What documents are judged by; time and nonces play no part.
    """
    held = Held(born_sm3=kept.born_sm3, floors=kept.floors, withdrawn=kept.withdrawn, current_ms=kept.current_ms)
    check = _Check(held, read=read, terms=terms)
    check.roots(kept.roots)
    for role in DOCUMENT_ROLES:
        if role in kept.documents:
            check.document(role, kept.documents[role])
    return Rechecked(held=check.held, problems=tuple(check.problems))


class _Check:
    """One rechecking, gathering problems on the way."""

    def __init__(self, held: Held, *, read: Read, terms: Terms) -> None:
        self.held = held
        self.problems: list[Problem] = []
        self._read = read
        self._terms = terms

    def roots(self, sm3s: tuple[bytes, ...]) -> None:
        """The chain from the born root on, up to the first that is not good."""
        for number, sm3 in enumerate(sm3s, start=1):
            longer = self._try(f"root {number}", partial(self._longer, sm3))
            if longer is None:
                return
            self.held = longer

    def document(self, role: str, sm3: bytes) -> None:
        """A document under the last root that vouches for it, and what comes with it."""
        new = self._try(role, partial(self._with_document, role, sm3))
        if new is not None:
            self.held = new

    def _longer(self, sm3: bytes) -> Held:
        # TUF 5.2 and 5.3 over what is on disk: the same rules, which reset nothing below the floor.
        document = bytes(self._read(sm3, DOCUMENT_BYTES_MAX))
        if self.held.chain:
            return take_root(self.held, document, allow_test_keys=self._terms.allow_test_keys).held
        return born(document, held=self.held, allow_test_keys=self._terms.allow_test_keys).held

    def _with_document(self, role: str, sm3: bytes) -> Held:
        if self.held.trust.root is None:
            raise TrustError("no_root")
        document = bytes(self._read(sm3, _SIZES[role]))
        floor = self.held.floors.get(role)
        if floor is not None and trust.payload_sm3(document) != floor.payload_sm3:
            raise TrustError("other_bytes")
        root, since_ms = _vouching(self.held.chain, document, role=role)
        match role:
            case "issuers":
                held = self._with_issuers(document, root=root)
            case "status":
                held = self._with_status(document, root=root)
            case _:
                held = self._with_roster(document, root=root)
        former = self.held.former if since_ms is None else {**self.held.former, role: since_ms}
        return replace(held, documents={**held.documents, role: document}, former=former)

    def _with_issuers(self, document: bytes, *, root: Root) -> Held:
        issuers = trust.open_issuers(document, root=root)
        trust.refuse_test_keys(issuers, allow_test_keys=self._terms.allow_test_keys)
        issuers = with_tombstones(issuers, withdrawn=self.held.withdrawn)
        return replace(self.held, trust=replace(self.held.trust, issuers=issuers))

    def _with_status(self, document: bytes, *, root: Root) -> Held:
        """A list that is not good is left out: a card of it gets STATUS_MISSING, the others their answer."""
        status = trust.open_status(document, root=root)
        blobs: dict[bytes, Buffer] = {}
        lists: dict[str, StatusList] = {}
        hashed: dict[str, HashedList] = {}
        for name, info in status.lists.items():
            packed = self._try(name, partial(self._packed, info))
            if packed is not None:
                lists[name], blobs[info.sm3] = packed, packed.packed
        for name, hashed_info in status.hashed.items():
            prefixes = self._try(name, partial(self._hashed, hashed_info))
            if prefixes is not None:
                hashed[name], blobs[hashed_info.sm3] = prefixes, prefixes.prefixes
        now = replace(self.held.trust, status=status, lists=lists, hashed=hashed)
        return replace(self.held, trust=now, blobs={**self.held.blobs, **blobs})

    def _with_roster(self, document: bytes, *, root: Root) -> Held:
        manifest = trust.open_roster_manifest(document, root=root, node=self._terms.node)
        if self._terms.decrypt_roster is None:
            raise TrustError("roster_key")
        blob = self._read(manifest.sm3, min(manifest.length, BLOB_BYTES_MAX))
        roster = open_roster(manifest, blob, decrypt=self._terms.decrypt_roster)
        now = replace(self.held.trust, roster=roster)
        return replace(self.held, trust=now, blobs={**self.held.blobs, manifest.sm3: blob})

    def _packed(self, info: ListInfo) -> StatusList:
        status_list = StatusList(info.size, self._read(info.sm3, min(packed_bytes(info.size), BLOB_BYTES_MAX)))
        check_list(status_list, info)
        return status_list

    def _hashed(self, info: HashedInfo) -> HashedList:
        return trust.open_hashed(self._read(info.sm3, min(info.snapshot.length, BLOB_BYTES_MAX)), info=info)

    def _try(self, name: str, opened: Callable[[], _T]) -> _T | None:
        """What it opens, or note why not."""
        try:
            return opened()
        except TrustError as error:
            self.problems.append(Problem(file=name, rule=error.rule))
        return None


def _vouching(chain: tuple[Root, ...], document: bytes, *, role: str) -> tuple[Root, int | None]:
    """The last root that vouches for a document, and `issued_at` (ms) of the first after it, that does not."""
    since_ms = None
    for root in reversed(chain):
        if trust.is_signed(document, role=role, root=root):
            return root, since_ms
        since_ms = root.issued_at_ms
    raise TrustError("threshold")
