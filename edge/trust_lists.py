"""The lists that a status document names: kept, changed by deltas or unpacked from snapshots (contracts 3.3), pure.

All of them or none: what is not there yet is named, by the cheapest way to it, so that the caller fetches it and offers
the document again. Whatever way a list came, its size, counts and SM3 are held against the signed document.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from edge import gm
from edge.errors import TrustError
from edge.status_delta import apply_delta
from edge.status_list import HashedList, StatusList, check_list, packed_bytes
from edge.trust import BLOB_BYTES_MAX, TrustSet, open_hashed, open_list
from edge.trust_documents import Blob, Delta, HashedInfo, ListInfo, Status
from edge.trust_held import BlobSource, Buffer, Missing

CHAIN_DELTAS_MAX: Final = 64  # each copies the list: 64 times 2 MB are a moment, and a snapshot is near by then
LISTS_MAX: Final = 32  # in one document, packed and hashed; a province needs some dozen
DELTAS_MAX: Final = 32  # fetched for one document: with a snapshot for each other list and a roster they are 64 blobs,
# which is as many as `sync.blobs` fetches at once
LISTS_BYTES_MAX: Final = 64 * 1024 * 1024  # unpacked, all together, on a box of 512 MiB; a province needs 16

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """All lists of one status document, and the bytes they lie in, by their SM3."""

    packed: Mapping[str, StatusList]
    hashed: Mapping[str, HashedList]
    blobs: Mapping[bytes, Buffer] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How to come by a list: the snapshot, or, where they are fewer bytes, the deltas that are not there yet."""

    snapshot: Blob
    deltas: tuple[Blob, ...] = ()


def gather(status: Status, *, old: TrustSet, blob: BlobSource, may_shrink: bool) -> Lists | Missing:
    """Every list of a verified status document, or what must be fetched for it.

    Args:
        status: The new document.
        old: What is held; its lists are kept where they are the same, and deltas start from them.
        blob: Blobs that have been fetched.
        may_shrink: Whether the old sizes bind nobody: the root does not vouch for the old document any more.

    Raises:
        TrustError: ``lists`` for more than `LISTS_MAX`; ``list_shrinks``, ``size``, or the rule that a list's own
            snapshot broke.
    """
    if len(status.lists) + len(status.hashed) > LISTS_MAX:
        raise TrustError("lists")
    _check_sizes(status, old=old, may_shrink=may_shrink)
    ways: list[_Way] = []

    def kept(found: dict[str, _T], name: str, given: "_T | _Way") -> None:
        if isinstance(given, _Way):
            ways.append(given)
        else:
            found[name] = given

    packed: dict[str, StatusList] = {}
    hashed: dict[str, HashedList] = {}
    for name, info in status.lists.items():
        kept(packed, name, _packed(info, before=_before(name, old=old), blob=blob))
    for name, hashed_info in status.hashed.items():
        kept(hashed, name, _hashed(hashed_info, before=old.hashed.get(name), blob=blob))
    if ways:
        return Missing(blobs=_wanted(ways))
    blobs: dict[bytes, Buffer] = {status.lists[name].sm3: found.packed for name, found in packed.items()}
    blobs |= {status.hashed[name].sm3: found.prefixes for name, found in hashed.items()}
    return Lists(packed=packed, hashed=hashed, blobs=blobs)


def cheapest_chain(deltas: tuple[Delta, ...], *, start: int, end: int) -> tuple[Delta, ...]:
    """The deltas that lead from one version to another in the fewest bytes; empty: there is no way, or none needed."""
    best: dict[int, tuple[int, Delta | None]] = {start: (0, None)}
    for delta in sorted(deltas, key=lambda one: one.from_version):  # so each version's best is known when it is left
        reached = best.get(delta.from_version)
        if reached is None or not delta.from_version < delta.to_version <= end:
            continue
        bytes_all = reached[0] + delta.blob.length
        if delta.to_version not in best or bytes_all < best[delta.to_version][0]:
            best[delta.to_version] = bytes_all, delta
    chain: list[Delta] = []
    last = best[end][1] if end in best else None
    while last is not None:
        chain.append(last)
        last = best[last.from_version][1]
    return tuple(reversed(chain)) if len(chain) <= CHAIN_DELTAS_MAX else ()


def verified(wanted: Blob, *, blob: BlobSource) -> Buffer | None:
    """The bytes of a blob, if they are there and are the ones that were signed."""
    data = blob(wanted)
    return data if data is not None and len(data) == wanted.length and gm.sm3(data) == wanted.sm3 else None


def _check_sizes(status: Status, *, old: TrustSet, may_shrink: bool) -> None:
    """Lists never shrink (contracts 3.3), and a signed document cannot ask for more memory than a box has."""
    if old.status is not None and not may_shrink:
        for name, info in status.lists.items():
            if name in old.status.lists and info.size < old.status.lists[name].size:
                raise TrustError("list_shrinks")
    snapshots = [*(one.snapshot for one in status.lists.values()), *(one.snapshot for one in status.hashed.values())]
    unpacked = sum(packed_bytes(info.size) for info in status.lists.values())
    unpacked += sum(info.snapshot.length for info in status.hashed.values())
    if unpacked > LISTS_BYTES_MAX or any(snapshot.length > BLOB_BYTES_MAX for snapshot in snapshots):
        raise TrustError("size")


def _before(name: str, *, old: TrustSet) -> tuple[ListInfo, StatusList] | None:
    """The list of that name and what was signed of it, if it is there."""
    if old.status is None or name not in old.lists:
        return None
    return old.status.lists[name], old.lists[name]


def _packed(info: ListInfo, *, before: tuple[ListInfo, StatusList] | None, blob: BlobSource) -> StatusList | _Way:
    """The list, or the way to it."""
    chain: tuple[Delta, ...] = ()
    if before is not None:
        old_info, old_list = before
        if old_info.sm3 == info.sm3:
            unchanged = StatusList(info.size, old_list.packed)
            check_list(unchanged, info)
            return unchanged
        chain = cheapest_chain(info.deltas, start=old_info.version, end=info.version)
        data = [verified(delta.blob, blob=blob) for delta in chain]
        got = [one for one in data if one is not None]
        if chain and len(got) == len(chain):
            changed = _changed(old_list, got, info=info)
            if changed is not None:
                return changed
            chain = ()  # the list it starts from is another than the city thinks: only a snapshot mends that
    snapshot = verified(info.snapshot, blob=blob)
    if snapshot is not None:
        return open_list(bytes(snapshot), info=info)
    absent = tuple(delta.blob for delta in chain if verified(delta.blob, blob=blob) is None)
    is_cheaper = sum(one.length for one in absent) < info.snapshot.length
    return _Way(snapshot=info.snapshot, deltas=absent if is_cheaper else ())


def _changed(old_list: StatusList, deltas: list[Buffer], *, info: ListInfo) -> StatusList | None:
    """The list after a chain of deltas, or None where they do not lead to what was signed."""
    changed = old_list
    try:
        for delta in deltas:
            changed = apply_delta(changed, delta, size=info.size)
        check_list(changed, info)
    except TrustError:
        return None
    return changed


def _hashed(info: HashedInfo, *, before: HashedList | None, blob: BlobSource) -> HashedList | _Way:
    """The list, or the way to it; one that did not change is held already."""
    data = None if before is None else verified(info.snapshot, blob=lambda _: before.prefixes)
    if data is None:
        data = verified(info.snapshot, blob=blob)
    return _Way(snapshot=info.snapshot) if data is None else open_hashed(data, info=info)


def _wanted(ways: list[_Way]) -> tuple[Blob, ...]:
    """What to fetch, each blob once: snapshots in place of the longest chains, until no more than `DELTAS_MAX` remain.

    Nobody could fetch what does not fit into one batch, and the document would never be complete.
    """
    wanted: dict[bytes, Blob] = {}
    room = DELTAS_MAX
    for way in sorted(ways, key=lambda one: len(one.deltas)):
        room -= len(way.deltas)
        blobs = way.deltas if way.deltas and room >= 0 else (way.snapshot,)
        wanted.update((one.sm3, one) for one in blobs)
    return tuple(wanted.values())
