"""The trust folder under a running node: read when it changes, and never a step back."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge.roster import Roster, RosterManifest
from edge.trust import TrustSet
from edge.trust_store import Loaded, Problem, load_directory
from edge.trust_watch import POLL_S, TrustWatch, merge
from tests.support import vectors
from tests.support.trust_folder import write_folder


def _loaded(trust: TrustSet, *, uses_test_keys: bool = False) -> Loaded:
    return Loaded(trust=trust, problems=(), uses_test_keys=uses_test_keys)


def _good(tmp_path: Path) -> TrustSet:
    return load_directory(write_folder(tmp_path / "good")).trust


async def test_a_folder_that_appears_is_taken_over(tmp_path: Path) -> None:
    """A daemon that started without trust has it as soon as it is copied there."""
    seen: list[TrustSet] = []
    watch = TrustWatch(tmp_path / "trust", load=load_directory, on_change=seen.append)
    await watch.refresh()
    assert watch.trust == TrustSet()
    assert watch.problems == (Problem(file="root.1.json", rule="missing"),)

    write_folder(tmp_path / "trust")
    await watch.refresh()

    assert watch.trust.root is not None
    assert watch.problems == ()
    assert watch.uses_test_keys
    assert seen == [TrustSet(), watch.trust]


async def test_a_folder_that_did_not_change_is_not_read(tmp_path: Path) -> None:
    """A poll is a look at the names and times."""
    count = 0

    def load(path: Path) -> Loaded:
        nonlocal count
        count += 1
        return load_directory(path)

    watch = TrustWatch(write_folder(tmp_path / "trust"), load=load)
    await watch.refresh()
    await watch.refresh()

    assert count == 1


async def test_a_document_that_fails_keeps_the_old_one(tmp_path: Path) -> None:
    """The operator sees the problem, the patient nothing (contracts 3.6)."""
    folder = write_folder(tmp_path / "trust")
    watch = TrustWatch(folder, load=load_directory)
    await watch.refresh()
    before = watch.trust

    for name in ("issuers.json", "status.json"):
        (folder / name).write_bytes(vectors.document("issuers8_wrong_role"))
        os.utime(folder / name, ns=(1, 1))
    await watch.refresh()

    assert (watch.trust.issuers, watch.trust.status) == (before.issuers, before.status)
    assert watch.trust.lists == before.lists
    assert {problem.file for problem in watch.problems} == {"issuers.json", "status.json"}


async def test_a_folder_that_vanishes_changes_nothing(tmp_path: Path) -> None:
    """What was verified stays in use."""
    folder = write_folder(tmp_path / "trust")
    watch = TrustWatch(folder, load=load_directory)
    await watch.refresh()
    before = watch.trust

    folder.rename(tmp_path / "elsewhere")
    await watch.refresh()

    assert watch.trust == before
    assert watch.uses_test_keys


def test_older_documents_are_a_rollback(tmp_path: Path) -> None:
    """A copied old folder takes nothing back."""
    good = _good(tmp_path)
    assert good.root
    assert good.issuers
    assert good.status
    old = replace(
        good,
        issuers=replace(good.issuers, version=good.issuers.version - 1),
        status=replace(good.status, version=good.status.version - 1),
    )

    merged = merge(_loaded(good), new=_loaded(old))

    assert merged.trust == good
    assert {problem.file for problem in merged.problems if problem.rule == "rollback"} == {
        "issuers.json",
        "status.json",
    }


def test_an_older_root_takes_nothing_with_it(tmp_path: Path) -> None:
    """The whole old folder stays out."""
    good = _good(tmp_path)
    assert good.root
    newer = replace(good, root=replace(good.root, version=2))

    merged = merge(_loaded(newer), new=_loaded(good, uses_test_keys=True))

    assert merged.trust == newer
    assert merged.problems == (Problem(file="root", rule="rollback"),)
    assert not merged.uses_test_keys


def test_a_status_without_its_lists_does_not_replace_a_whole_one(tmp_path: Path) -> None:
    """Document and lists go together; a revocation is never lost to half a copy."""
    good = _good(tmp_path)
    assert good.status
    half = replace(good, status=replace(good.status, version=good.status.version + 1), lists={})

    assert merge(_loaded(good), new=_loaded(half)).trust == good
    assert merge(_loaded(half), new=_loaded(half)).trust == half


def test_newer_documents_replace(tmp_path: Path) -> None:
    """The ordinary case."""
    good = _good(tmp_path)
    assert good.status
    newer = replace(good, status=replace(good.status, version=good.status.version + 1))

    assert merge(_loaded(good), new=_loaded(newer)).trust == newer
    assert merge(_loaded(TrustSet()), new=_loaded(good)).trust == good


def test_the_warning_of_test_keys_stays_while_they_are_relied_on(tmp_path: Path) -> None:
    """A set that is partly the old one keeps its warning."""
    good = _good(tmp_path)

    kept = merge(_loaded(good, uses_test_keys=True), new=_loaded(replace(good, issuers=None)))
    gone = merge(_loaded(good, uses_test_keys=True), new=_loaded(good))

    assert kept.uses_test_keys
    assert not gone.uses_test_keys


async def test_it_looks_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every two seconds, for as long as it runs."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("edge.trust_watch.asyncio.sleep", pause)
    watch = TrustWatch(write_folder(tmp_path / "trust"), load=load_directory)

    with pytest.raises(asyncio.CancelledError):
        await watch.run()

    assert pauses == [POLL_S] * 3
    assert watch.trust.root is not None


def test_a_lost_roster_is_kept(tmp_path: Path) -> None:
    """A manifest that no longer verifies takes nobody out of the roster that was opened."""
    good = _good(tmp_path)
    roster = _roster(version=3)

    merged = merge(_loaded(replace(good, roster=roster)), new=_loaded(good))

    assert merged.trust.roster is roster
    assert merged.problems == ()


def test_a_newer_roster_replaces_and_the_same_one_is_no_rollback(tmp_path: Path) -> None:
    """What the city signed last counts; reading the same folder again changes nothing."""
    good = _good(tmp_path)
    held = _loaded(replace(good, roster=_roster(version=3)))

    newer = merge(held, new=_loaded(replace(good, roster=_roster(version=4))))
    again = merge(held, new=_loaded(replace(good, roster=_roster(version=3))))

    assert newer.trust.roster == _roster(version=4)
    assert (newer.problems, again.problems) == ((), ())


@pytest.mark.parametrize("old", [{"version": 2}, {"version": 3, "lease_until_ms": 9}])
def test_an_older_or_another_roster_of_the_same_version_is_a_rollback(tmp_path: Path, old: dict[str, int]) -> None:
    """Somebody who died or lost a card since does not come back with a copied old folder."""
    good = _good(tmp_path)
    held = replace(good, roster=_roster(version=3))

    merged = merge(_loaded(held), new=_loaded(replace(good, roster=_roster(**old))))

    assert merged.trust == held
    assert merged.problems == (Problem(file="roster.json", rule="rollback"),)


def _roster(*, version: int, lease_until_ms: int = 2) -> Roster:
    manifest = RosterManifest(
        version=version,
        issued_at_ms=0,
        expires_at_ms=1,
        node="n-1",
        lease_until_ms=lease_until_ms,
        count=0,
        sm3=bytes(32),
        length=0,
        wrapped_key=b"",
    )
    return Roster(manifest=manifest, _blob=b"", _offsets=(), _lookup_key=bytes(16), _row_key=bytes(16))
