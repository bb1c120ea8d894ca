"""A folder of documents as a city hands it out or an interoperability bench is given it, read into a `TrustSet`.

The folder is hostile input: everything is verified again each time it is read, nothing is believed because it is there.
Layout (contracts 6): ``root.1.json``, ``root.2.json`` ..., ``issuers.json``, ``status.json``, ``roster.json``, and
blobs named by the hex SM3 of their bytes. What cannot be used is left out and named as a `Problem`; reading never
raises for content, so a missing or broken folder never stops the daemon.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from edge import trust
from edge.errors import TrustError
from edge.roster import Roster, open_roster
from edge.status_list import HashedList, StatusList
from edge.trust import (
    BLOB_BYTES_MAX,
    DOCUMENT_BYTES_MAX,
    MANIFEST_BYTES_MAX,
    HashedInfo,
    Issuers,
    ListInfo,
    Problem,
    Root,
    Status,
    TrustSet,
)

__all__ = ["Loaded", "Problem", "load_directory"]

ROOTS_MAX: Final = 1000  # yearly rotations for longer than anybody plans; bounds what a hostile folder costs

_T = TypeVar("_T")
_InfoT = TypeVar("_InfoT", ListInfo, HashedInfo)
_HeldT = TypeVar("_HeldT", Root, Issuers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a folder gave.

    Attributes:
        trust: What may be relied on.
        problems: What was left out, in the order met.
        uses_test_keys: Whether published test keys are relied on, which must be shown loudly.
    """

    trust: TrustSet
    problems: tuple[Problem, ...]
    uses_test_keys: bool


def load_directory(
    path: Path,
    *,
    decrypt_roster: Callable[[bytes], bytes] | None = None,
    node: str | None = None,
    allow_test_keys: bool = True,
) -> Loaded:
    """Read and verify a folder.

    Args:
        path: The folder; it may be missing.
        decrypt_roster: Opens the roster's key; without it or `node` the roster is not looked for.
        node: This node's name.
        allow_test_keys: False for the daemon and enrolment; `verify --trust` takes any root it is given.
    """
    folder = _Folder(path, allow_test_keys=allow_test_keys)
    root = folder.root()
    if root is None:
        return Loaded(trust=TrustSet(), problems=tuple(folder.problems), uses_test_keys=False)
    issuers = folder.issuers(root)
    status = folder.status(root)
    trust_set = TrustSet(
        root=root,
        issuers=issuers,
        status=status,
        lists=folder.lists(status.lists, opener=_list_opener) if status else {},
        hashed=folder.lists(status.hashed, opener=_hashed_opener) if status else {},
        roster=folder.roster(root, node=node, decrypt=decrypt_roster) if decrypt_roster and node else None,
    )
    return Loaded(trust=trust_set, problems=tuple(folder.problems), uses_test_keys=folder.uses_test_keys)


class _Folder:
    """One reading of a folder, gathering problems on the way."""

    def __init__(self, path: Path, *, allow_test_keys: bool) -> None:
        self.problems: list[Problem] = []
        self.uses_test_keys = False
        self._path = path
        self._allow_test_keys = allow_test_keys

    def root(self) -> Root | None:
        """The last root of the chain; root.1 is trusted as born (contracts 6)."""
        root = self._document("root.1.json", opened=lambda data: self._known(trust.open_root(data)))
        for number in range(2, ROOTS_MAX + 1):
            name = f"root.{number}.json"
            if root is None or not (self._path / name).exists():
                break
            newer = self._document(name, opened=partial(self._next_root, root))
            if newer is None:
                break
            root = newer
        return root

    def issuers(self, root: Root) -> Issuers | None:
        """The issuer list, if it verifies."""
        return self._document("issuers.json", opened=lambda data: self._known(trust.open_issuers(data, root=root)))

    def status(self, root: Root) -> Status | None:
        """The status document, if it verifies."""
        return self._document("status.json", opened=lambda data: trust.open_status(data, root=root))

    def lists(self, infos: Mapping[str, _InfoT], *, opener: Callable[[_InfoT], Callable[[bytes], _T]]) -> dict[str, _T]:
        """Those lists whose blobs are good."""
        found: dict[str, _T] = {}
        for name, info in infos.items():
            blob = info.snapshot
            bytes_max = min(blob.length, BLOB_BYTES_MAX)
            opened = self._take(blob.sm3.hex(), bytes_max=bytes_max, opened=opener(info), called=name)
            if opened is not None:
                found[name] = opened
        return found

    def roster(self, root: Root, *, node: str, decrypt: Callable[[bytes], bytes]) -> Roster | None:
        """This node's roster; a node without one is nothing to report."""
        if not (self._path / "roster.json").exists():
            return None
        manifest = self._take(
            "roster.json",
            bytes_max=MANIFEST_BYTES_MAX,
            opened=lambda data: trust.open_roster_manifest(data, root=root, node=node),
        )
        if manifest is None:
            return None
        return self._take(
            manifest.sm3.hex(),
            bytes_max=min(manifest.length, BLOB_BYTES_MAX),
            opened=lambda data: open_roster(manifest, data, decrypt=decrypt),
            called="roster",
        )

    def _document(self, name: str, *, opened: Callable[[bytes], _T]) -> _T | None:
        return self._take(name, bytes_max=DOCUMENT_BYTES_MAX, opened=opened)

    def _take(
        self, name: str, *, bytes_max: int, opened: Callable[[bytes], _T], called: str | None = None
    ) -> _T | None:
        """Read and open one file, or note why not under the name it is `called`."""
        try:
            return opened(_read(self._path / name, bytes_max=bytes_max))
        except TrustError as exc:
            rule = exc.rule
        except FileNotFoundError:
            rule = "missing"
        except OSError:
            rule = "unreadable"
        self.problems.append(Problem(file=called or name, rule=rule))
        return None

    def _next_root(self, current: Root, data: bytes) -> Root:
        return self._known(trust.next_root(current, data))

    def _known(self, held: _HeldT) -> _HeldT:
        """The same, unless it holds a test key that must not be trusted (contracts 3.1)."""
        if trust.uses_test_keys(held):
            if not self._allow_test_keys:
                raise TrustError("test_key")
            self.uses_test_keys = True
        return held


def _list_opener(info: ListInfo) -> Callable[[bytes], StatusList]:
    return partial(trust.open_list, info=info)


def _hashed_opener(info: HashedInfo) -> Callable[[bytes], HashedList]:
    return partial(trust.open_hashed, info=info)


def _read(path: Path, *, bytes_max: int) -> bytes:
    """The bytes of a regular file; one byte too many refuses it. A pipe somebody put there must not hang the start."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("no regular file")
        data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise TrustError("size")
    return data
