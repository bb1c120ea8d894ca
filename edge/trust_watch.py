"""The trust folder of the running node: read at start and again whenever a file in it changes.

A document that fails keeps the one held before; the operator is told, never the patient (contracts 3.6). Reading takes
place in a thread; taking over is one assignment, so a verdict sees the old set or the new.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge.roster import Roster
from edge.trust import TrustSet
from edge.trust_store import Loaded, Problem

POLL_S = 2.0  # an operator who copies a folder looks at the page within seconds; one stat a file costs nothing

_log = logging.getLogger(__name__)

_Stamp = tuple[tuple[str, int, int, int], ...]


class TrustWatch:
    """What is relied on now, and what of the folder is not.

    Args:
        folder: The trust folder; it may be missing.
        load: Reads and verifies it (`edge.trust_store.load_directory`).
        on_change: Told of each set that is taken over.
    """

    def __init__(
        self, folder: Path, *, load: Callable[[Path], Loaded], on_change: Callable[[TrustSet], None] = lambda _: None
    ) -> None:
        self._folder = folder
        self._load = load
        self._on_change = on_change
        self._stamp: _Stamp | None = None
        self._loaded = Loaded(trust=TrustSet(), problems=(), uses_test_keys=False)

    @property
    def trust(self) -> TrustSet:
        """The set that verdicts rest on."""
        return self._loaded.trust

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the last reading left out."""
        return self._loaded.problems

    @property
    def uses_test_keys(self) -> bool:
        """Whether public test keys are relied on."""
        return self._loaded.uses_test_keys

    async def refresh(self) -> None:
        """Read the folder if anything in it changed since the last time."""
        stamp = await asyncio.to_thread(_stamp, self._folder)
        if stamp == self._stamp:
            return
        loaded = await asyncio.to_thread(self._load, self._folder)
        self._stamp = stamp
        merged = merge(self._loaded, new=loaded)
        self._report(merged)
        self._loaded = merged
        self._on_change(merged.trust)

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            await asyncio.sleep(POLL_S)
            await self.refresh()

    def _report(self, new: Loaded) -> None:
        for problem in new.problems:
            level = logging.DEBUG if problem in self._loaded.problems else logging.WARNING
            _log.log(level, "trust: %s is not used: %s", problem.file, problem.rule)
        if new.trust.root is not None:
            issuers, status = new.trust.issuers, new.trust.status
            _log.info(
                "trust: root %d, issuers %s, status %s, roster %s",
                new.trust.root.version,
                "none" if issuers is None else issuers.version,
                "none" if status is None else status.version,
                "none" if new.trust.roster is None else "held",
            )


def merge(held: Loaded, *, new: Loaded) -> Loaded:
    """Return what to rely on after a reading: each document the newer of the two that verified.

    A document and its lists go together: a new status whose lists are not all there does not replace a whole one. The
    same holds of a roster and its manifest: a lapsed lease is not lengthened by an older one.
    """
    old, fresh = held.trust, new.trust
    problems = list(new.problems)
    if fresh.root is None or (old.root is not None and fresh.root.version < old.root.version):
        if fresh.root is not None:
            problems.append(Problem(file="root", rule="rollback"))
        return Loaded(trust=old, problems=tuple(problems), uses_test_keys=held.uses_test_keys)
    merged = fresh
    if old.issuers is not None and (fresh.issuers is None or fresh.issuers.version < old.issuers.version):
        if fresh.issuers is not None:
            problems.append(Problem(file="issuers.json", rule="rollback"))
        merged = replace(merged, issuers=old.issuers)
    if old.status is not None and not _replaces_status(fresh, old=old):
        if fresh.status is not None and fresh.status.version < old.status.version:
            problems.append(Problem(file="status.json", rule="rollback"))
        merged = replace(merged, status=old.status, lists=old.lists, hashed=old.hashed)
    if old.roster is not None and not _replaces_roster(fresh.roster, old=old.roster):
        if fresh.roster is not None:
            problems.append(Problem(file="roster.json", rule="rollback"))
        merged = replace(merged, roster=old.roster)
    uses_test_keys = new.uses_test_keys or (merged is not fresh and held.uses_test_keys)
    return Loaded(trust=merged, problems=tuple(problems), uses_test_keys=uses_test_keys)


def _replaces_status(fresh: TrustSet, *, old: TrustSet) -> bool:
    if fresh.status is None or (old.status is not None and fresh.status.version < old.status.version):
        return False
    return _is_whole(fresh) or not _is_whole(old)


def _replaces_roster(fresh: Roster | None, *, old: Roster) -> bool:
    """Say whether the city signed `fresh` later, or it is the same (contracts 3.6: equal means the same payload)."""
    if fresh is None:
        return False
    return fresh.manifest.version > old.manifest.version or fresh.manifest == old.manifest


def _is_whole(trust: TrustSet) -> bool:
    status = trust.status
    return (
        status is not None and status.lists.keys() <= trust.lists.keys() and status.hashed.keys() <= trust.hashed.keys()
    )


def _stamp(folder: Path) -> _Stamp:
    """Return what changes when a file in the folder does; empty: there is no folder."""
    try:
        found = [(path.name, path.stat()) for path in folder.iterdir()]
    except OSError:
        return ()
    return tuple(sorted((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found))
