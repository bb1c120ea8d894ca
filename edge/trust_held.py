"""What a node holds of the trust documents, and what taking one more brings about: values, pure.

`edge.trust_rules` makes one `Held` from another; `edge.trust_store` keeps it on disk. Floors and tombstones outlive the
documents: they stand for what was once verified, whether or not its bytes are still there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from edge.errors import TrustError
from edge.status_list import HashedList, StatusList
from edge.trust import TrustSet
from edge.trust_documents import Blob, Root, SignedTime

__all__ = [
    "Blob",
    "BlobSource",
    "Buffer",
    "Floor",
    "Held",
    "Missing",
    "RootMissingError",
    "Step",
    "needed_blobs",
    "with_buffers",
]

DOCUMENT_ROLES: Final = ("issuers", "status", "roster")  # of which one document is held; roots are a chain

Buffer: TypeAlias = bytes | memoryview
BlobSource: TypeAlias = Callable[[Blob], Buffer | None]
"""Gives the bytes it is asked for, or None; what it gives is checked again, so it need read no more than the length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The highest version of a role that was ever taken, and the SM3 of its payload (contracts 3.6)."""

    version: int
    payload_sm3: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """All that a node holds; ``Held()`` is one that was never given a root.

    Attributes:
        born_sm3: SM3 of the payload of the root it was born with.
        roots: The chain as documents, the born one first.
        chain: The same, read.
        documents: By role, as they came: ``issuers``, ``status``, ``roster``.
        trust: What verdicts rest on. Its root is None while the chain is shorter than it once was.
        blobs: By SM3, the bytes behind `trust`: lists unpacked, hashed lists, the roster's.
        floors: By role.
        withdrawn: Tombstones: compressed issuer keys.
        former: Documents that the last root does not vouch for, with `issued_at` (ms) of the first that did not.
        current_ms: The last verified `time` to which `trust` was current; where its age counts from (contracts 3.6).
        claim: A later verified time that names versions above the ones held.
    """

    born_sm3: bytes | None = None
    roots: tuple[bytes, ...] = field(default=(), repr=False)
    chain: tuple[Root, ...] = field(default=(), repr=False)
    documents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    trust: TrustSet = field(default_factory=TrustSet, repr=False)
    blobs: Mapping[bytes, Buffer] = field(default_factory=dict, repr=False)
    floors: Mapping[str, Floor] = field(default_factory=dict)
    withdrawn: frozenset[bytes] = field(default=frozenset(), repr=False)
    former: Mapping[str, int] = field(default_factory=dict)
    current_ms: int | None = None
    claim: SignedTime | None = field(default=None, repr=False)

    @property
    def have(self) -> dict[str, int]:
        """Versions by role, as `ehc.hello` states them; a document of a replaced root is as good as none."""
        versions = {"root": self.chain[-1].version} if self.chain else {}
        return versions | {role: version for role in DOCUMENT_ROLES if (version := self.version_of(role))}

    @property
    def lists(self) -> dict[str, int]:
        """Versions of the lists that are there, packed and hashed."""
        status = self.trust.status
        if status is None:
            return {}
        packed = {name: status.lists[name].version for name in self.trust.lists}
        return packed | {name: status.hashed[name].version for name in self.trust.hashed}

    def version_of(self, role: str) -> int:
        """The version held of a role, 0: none, or only one that the last root does not vouch for."""
        if role in self.former:
            return 0
        match role:
            case "issuers":
                return 0 if self.trust.issuers is None else self.trust.issuers.version
            case "status":
                return 0 if self.trust.status is None else self.trust.status.version
            case _:
                return 0 if self.trust.roster is None else self.trust.roster.manifest.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A document was taken; whoever keeps `held` first does to the clock what stands here.

    Attributes:
        held: What is held now; the same object: nothing changed.
        raise_floor_ms: A time that has passed (contracts 4); the clock refuses one above hi.
        reset_floor_ms: The anchor is dropped and the floor becomes max(build date, this) (contracts 3.1).
        newer: Roles of which the city has more than is held: what starts a fetch.
        time: The signed time that was verified: the caller knows when its nonce was sent.
    """

    held: Held
    raise_floor_ms: int | None = None
    reset_floor_ms: int | None = None
    newer: frozenset[str] = frozenset()
    time: SignedTime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The document is good, but nothing changes before these are there: fetch them and offer it again."""

    blobs: tuple[Blob, ...]


class RootMissingError(TrustError):
    """A root that skips one is refused (rule ``version``); the one to ask for is named.

    Args:
        wanted: Version of the next root of the chain.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__("version")
        self.wanted = wanted


def needed_blobs(trust: TrustSet) -> frozenset[bytes]:
    """SM3 of all bytes that a trust set rests on."""
    sm3s = set() if trust.roster is None else {trust.roster.manifest.sm3}
    if trust.status is not None:
        sm3s |= {trust.status.lists[name].sm3 for name in trust.lists}
        sm3s |= {trust.status.hashed[name].sm3 for name in trust.hashed}
    return frozenset(sm3s)


def with_buffers(held: Held, blobs: Mapping[bytes, Buffer]) -> Held:
    """The same, resting on other buffers of the same bytes: a mapped file in place of memory.

    Args:
        held: Complete in itself.
        blobs: By SM3, every one of `held.blobs`.
    """
    trust, status, roster = held.trust, held.trust.status, held.trust.roster
    if status is not None:
        lists = {name: StatusList(old.size, blobs[status.lists[name].sm3]) for name, old in trust.lists.items()}
        hashed = {name: HashedList(old.key, blobs[status.hashed[name].sm3]) for name, old in trust.hashed.items()}
        trust = replace(trust, lists=lists, hashed=hashed)
    if roster is not None:
        trust = replace(trust, roster=replace(roster, _blob=blobs[roster.manifest.sm3]))
    return replace(held, trust=trust, blobs=dict(blobs))
