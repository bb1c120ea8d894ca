"""The rules by which a node takes trust documents, after The Update Framework (contracts 3), pure.

Bytes and time come in; what is held changes as a whole or not at all. A document that breaks a rule raises `TrustError`
and leaves the caller with what it held. "TUF 5.x" names the step of The Update Framework's client workflow that a line
obeys. Nothing here refuses a document for being expired: that only weakens verdicts (`edge.freshness`).
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from edge import gm, trust
from edge.errors import KeyFormatError, TrustError
from edge.roster import ROSTER_BYTES_MAX, open_roster
from edge.trust import Root, TrustSet
from edge.trust_documents import Blob, IssuerEntry, Issuers, IssuerState
from edge.trust_held import BlobSource, Buffer, Floor, Held, Missing, RootMissingError, Step, needed_blobs
from edge.trust_lists import gather, verified
from edge.trust_roots import born, take_root

__all__ = [
    "Floor",
    "Held",
    "Missing",
    "RootMissingError",
    "Step",
    "Terms",
    "aged",
    "born",
    "forget_roster",
    "proven_past_ms",
    "take",
    "take_issuers",
    "take_root",
    "take_roster",
    "take_status",
    "take_time",
    "with_tombstones",
]

TOMBSTONES_MAX: Final = 10_000  # some 800 kB of state; a city has a few dozen issuer keys in all
STALE_S: Final = 1_209_600  # contracts 3.2: two weeks, where no issuers document says otherwise
ROSTER_KEPT_MS: Final = 60 * 86_400_000  # contracts 3.5: so long after its lease a roster is destroyed
_NEVER: Final = bytes(32)  # the SM3 of no payload
_NO_BLOBS: Final[Mapping[bytes, Buffer]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a document is judged by, beside what is held.

    Attributes:
        node: This node's name.
        lo_ms: Lower end of the time.
        blob: Blobs that have been fetched or imported.
        nonces: Nonces of ours that are outstanding.
        decrypt_roster: The node's encryption key's; None: it has none.
        allow_test_keys: Whether keys that everybody knows may be trusted.
    """

    node: str
    lo_ms: int = 0
    blob: BlobSource = field(default=lambda _: None)
    nonces: Container[bytes] = frozenset()
    decrypt_roster: Callable[[bytes], bytes] | None = None
    allow_test_keys: bool = False


def take(held: Held, document: bytes, *, terms: Terms, role: str | None = None) -> Step | Missing:
    """Take a document of any role but the born root.

    Args:
        held: What was held.
        document: As it came.
        terms: What it is judged by.
        role: The role it must have, where its topic or file name says so; None: whatever it says of itself.

    Raises:
        TrustError: The rule it broke; ``type`` for a role that is not taken here.
    """
    match role or trust.role_of(document):
        case "root":
            return take_root(held, document, allow_test_keys=terms.allow_test_keys)
        case "issuers":
            return take_issuers(held, document, allow_test_keys=terms.allow_test_keys)
        case "status":
            return take_status(held, document, blob=terms.blob)
        case "roster":
            return take_roster(
                held, document, node=terms.node, lo_ms=terms.lo_ms, blob=terms.blob, decrypt=terms.decrypt_roster
            )
        case "time":
            return take_time(held, document, node=terms.node, nonces=terms.nonces)
        case _:
            raise TrustError("type")


def take_issuers(held: Held, document: bytes, *, allow_test_keys: bool = False) -> Step:
    """Take a list of issuer keys (contracts 3.2); what it withdraws stays withdrawn for ever.

    However many keys somebody withdrew, a list that withdraws one more is taken: what it withdraws itself holds by its
    own word, and only `TOMBSTONES_MAX` keys are remembered beyond it (`_remembered`).

    Raises:
        TrustError: ``no_root``, ``rollback``, ``other_bytes``, ``test_key`` or the rule it broke.
    """
    if _is_held(held, document, role="issuers"):
        return Step(held=held)
    issuers = trust.open_issuers(document, root=_root(held))  # TUF 5.4.2
    floor = _above_floor(held, document, role="issuers", version=issuers.version)  # TUF 5.4.3
    trust.refuse_test_keys(issuers, allow_test_keys=allow_test_keys)
    withdrawn = _remembered(held.withdrawn, issuers=issuers)
    trust_set = replace(held.trust, issuers=with_tombstones(issuers, withdrawn=withdrawn))
    return Step(held=_taken(replace(held, withdrawn=withdrawn), document, role="issuers", floor=floor, now=trust_set))


def take_status(held: Held, document: bytes, *, blob: BlobSource) -> Step | Missing:
    """Take a status document together with every list it names (contracts 3.3).

    The held one may be offered again to mend a list that was damaged on disk.

    Raises:
        TrustError: ``no_root``, ``rollback``, ``other_bytes`` or the rule that it or one of its lists broke.
    """
    if _is_held(held, document, role="status") and trust.is_whole(held.trust):
        return Step(held=held)
    status = trust.open_status(document, root=_root(held))  # TUF 5.4.2
    floor = _above_floor(held, document, role="status", version=status.version)  # TUF 5.4.3
    # TUF 5.6.2: lists are held against the document that names them. What a replaced root vouched for binds nobody.
    lists = gather(status, old=held.trust, blob=blob, may_shrink="status" in held.former)
    if isinstance(lists, Missing):
        return lists
    trust_set = replace(held.trust, status=status, lists=lists.packed, hashed=lists.hashed)
    new = _taken(held, document, role="status", floor=floor, now=trust_set, blobs=lists.blobs)
    is_newer = floor != held.floors.get("status")
    return Step(
        held=new,
        raise_floor_ms=status.issued_at_ms if is_newer else None,  # contracts 4: of a newer one
        # Contracts 3.3: a minimum that starts a fetch, blocks nothing and raises no floor.
        newer=frozenset({"issuers"} if status.issuers_version > new.version_of("issuers") else ()),
    )


def take_roster(
    held: Held,
    document: bytes,
    *,
    node: str,
    lo_ms: int,
    blob: BlobSource,
    decrypt: Callable[[bytes], bytes] | None,
) -> Step | Missing:
    """Take this node's roster (contracts 3.5).

    Raises:
        TrustError: ``node`` when it is another's; ``lease`` when it would have to be destroyed at once; ``no_root``,
            ``rollback``, ``other_bytes`` or the rule that it or its blob broke.
    """
    if _is_held(held, document, role="roster"):
        return Step(held=held)
    manifest = trust.open_roster_manifest(document, root=_root(held), node=node)  # TUF 5.4.2
    floor = _above_floor(held, document, role="roster", version=manifest.version)  # TUF 5.4.3
    if min(manifest.lease_until_ms, manifest.expires_at_ms) + ROSTER_KEPT_MS <= lo_ms:
        raise TrustError("lease")
    if decrypt is None:
        raise TrustError("roster_key")
    if manifest.length > ROSTER_BYTES_MAX:
        raise TrustError("roster_size")
    wanted = Blob(sm3=manifest.sm3, length=manifest.length)
    data = verified(wanted, blob=lambda one: held.blobs.get(one.sm3))  # a longer lease of the same people
    if data is None:
        data = verified(wanted, blob=blob)
    if data is None:
        return Missing(blobs=(wanted,))
    trust_set = replace(held.trust, roster=open_roster(manifest, data, decrypt=decrypt))
    return Step(held=_taken(held, document, role="roster", floor=floor, now=trust_set, blobs={manifest.sm3: data}))


def take_time(held: Held, document: bytes, *, node: str, nonces: Container[bytes]) -> Step:
    """Take a signed time (contracts 3.4); it has no floor, and whether the clock takes it is the clock's to say.

    Raises:
        TrustError: ``node``, ``nonce``, ``time_after_trust``, ``no_root`` or the rule it broke.
    """
    signed = trust.open_time(document, root=_root(held), node=node)
    if signed.nonce not in nonces:
        raise TrustError("nonce")
    issuers = held.trust.issuers
    if issuers is not None and signed.time_ms > issuers.expires_at_ms:
        raise TrustError("time_after_trust")
    versions = {"status": signed.status_version, "issuers": signed.issuers_version, "roster": signed.roster_version}
    newer = frozenset(role for role, version in versions.items() if version > held.version_of(role))
    claimed = replace(held, claim=signed)
    if held.current_ms is None and held.trust.status is not None:
        # Contracts 3.6: before the first one age counts from the held status. It stays at the one held when the node
        # first heard of newer documents: of those to come one may be withheld and a later one not.
        claimed = replace(claimed, current_ms=held.trust.status.issued_at_ms)
    return Step(held=_settled(claimed), newer=newer, time=signed)


def aged(held: Held, *, lo_ms: int) -> Held:
    """What is left of it at a time: the same object while nothing goes.

    A document that the last root does not vouch for goes `stale_s` after `issued_at` of the first that did not
    (contracts 3.1); a roster goes 60 days after its lease (contracts 3.5). Both by lo, so never too early.
    """
    stale_s = STALE_S if held.trust.issuers is None else held.trust.issuers.staleness.stale_s
    for role in [role for role, since_ms in held.former.items() if lo_ms > since_ms + stale_s * 1000]:
        held = _without(held, role=role)
    roster = held.trust.roster
    if roster is not None and roster.lease_end_ms + ROSTER_KEPT_MS <= lo_ms:
        held = forget_roster(held)
    return held


def forget_roster(held: Held) -> Held:
    """Destroy the roster: by order of the city, or when its time is over. Only a newer one can take its place."""
    floor = held.floors.get("roster")
    if floor is not None:  # an equal version needs equal bytes (contracts 3.6): none are equal to these
        held = replace(held, floors={**held.floors, "roster": replace(floor, payload_sm3=_NEVER)})
    return _without(held, role="roster")


def proven_past_ms(held: Held) -> int | None:
    """A time that has certainly passed, for a clock that starts without a floor: the latest `issued_at` that counts.

    Of the root, and of a status document that it vouches for (contracts 4): a replaced key must not raise it again.
    """
    root, status = held.trust.root, held.trust.status
    if root is None:
        return None
    if status is None or "status" in held.former:
        return root.issued_at_ms
    return max(root.issued_at_ms, status.issued_at_ms)


def with_tombstones(issuers: Issuers, *, withdrawn: frozenset[bytes]) -> Issuers:
    """The list as it may be relied on: keys once withdrawn are, whatever it says of them, even nothing."""
    by_kid: dict[bytes, tuple[IssuerEntry, ...]] = {
        kid: tuple(
            replace(entry, state=IssuerState.WITHDRAWN) if entry.key.compressed in withdrawn else entry
            for entry in entries
        )
        for kid, entries in issuers.by_kid.items()
    }
    listed = {entry.key.compressed for entries in by_kid.values() for entry in entries}
    for compressed in sorted(withdrawn - listed):
        entry = _tombstone(compressed)
        by_kid[entry.key.kid] = (*by_kid.get(entry.key.kid, ()), entry)
    return replace(issuers, by_kid=by_kid)


def _remembered(before: frozenset[bytes], *, issuers: Issuers) -> frozenset[bytes]:
    """The tombstones after a list: all of them, while there is room.

    A thief of an issuers key can fill them. What has no room is then forgotten rather than the list refused: first of
    the older ones that it does not name, which no card needs while they are in no list; last of those it withdraws.
    """
    states = {entry.key.compressed: entry.state for entries in issuers.by_kid.values() for entry in entries}
    now = {key for key, state in states.items() if state is IssuerState.WITHDRAWN}
    ranked = sorted(before | now, key=lambda key: (key not in now, key not in states, key))
    return frozenset(ranked[:TOMBSTONES_MAX])


def _root(held: Held) -> Root:
    """The root that documents must verify under: none while the chain is shorter than it once was."""
    if held.trust.root is None:
        raise TrustError("no_root")
    return held.trust.root


def _is_held(held: Held, document: bytes, *, role: str) -> bool:
    """Whether it is the very document that is held, and the last root vouches for it: then nothing is asked again."""
    return document == held.documents.get(role) and role not in held.former


def _above_floor(held: Held, document: bytes, *, role: str, version: int) -> Floor:
    """The floor that a document makes: a lower version is refused, an equal one if it differs (contracts 3.6)."""
    new, floor = Floor(version=version, payload_sm3=trust.payload_sm3(document)), held.floors.get(role)
    if floor is not None and version < floor.version:
        raise TrustError("rollback")
    if floor is not None and version == floor.version and new != floor:
        raise TrustError("other_bytes")
    return new


def _taken(
    held: Held, document: bytes, *, role: str, floor: Floor, now: TrustSet, blobs: Mapping[bytes, Buffer] = _NO_BLOBS
) -> Held:
    """Document, floor and what they bring, together (contracts 3.3)."""
    former = {other: since_ms for other, since_ms in held.former.items() if other != role}
    new = replace(
        held,
        documents={**held.documents, role: document},
        floors={**held.floors, role: floor},
        former=former,
        trust=now,
        blobs=_pruned({**held.blobs, **blobs}, now=now),
    )
    return _settled(new)


def _without(held: Held, *, role: str) -> Held:
    """The same without a document and what came with it; its floor stays."""
    now = held.trust
    match role:
        case "issuers":
            now = replace(now, issuers=None)
        case "status":
            now = replace(now, status=None, lists={}, hashed={})
        case _:
            now = replace(now, roster=None)
    return replace(
        held,
        documents={other: kept for other, kept in held.documents.items() if other != role},
        former={other: since_ms for other, since_ms in held.former.items() if other != role},
        trust=now,
        blobs=_pruned(held.blobs, now=now),
    )


def _pruned(blobs: Mapping[bytes, Buffer], *, now: TrustSet) -> dict[bytes, Buffer]:
    return {sm3: blobs[sm3] for sm3 in needed_blobs(now)}


def _settled(held: Held) -> Held:
    """Let age count from a signed time once all that it names is held (contracts 3.6)."""
    claim = held.claim
    if claim is None:
        return held
    if claim.status_version > held.version_of("status") or claim.issuers_version > held.version_of("issuers"):
        return held
    return replace(held, claim=None, current_ms=max(claim.time_ms, held.current_ms or 0))


def _tombstone(compressed: bytes) -> IssuerEntry:
    """An entry for a key of which nothing is known but that it was withdrawn."""
    try:
        key = gm.public_key(compressed)
    except KeyFormatError as exc:  # only a state that another program wrote says so
        raise TrustError("key") from exc
    return IssuerEntry(
        key=key,
        org="",
        regions=(),
        kinds=frozenset(),
        not_before=0,
        not_after=0,
        status_list="",
        state=IssuerState.WITHDRAWN,
    )
