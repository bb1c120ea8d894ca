"""The trust folder under a running node: imported at start and whenever anything in it changes."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from edge.trust_watch import POLL_S, TrustWatch
from tests.support import authority
from tests.support.authority import Shelf
from tests.support.keeper_box import KeeperBox
from tests.support.trust_stick import write_stick


@pytest.fixture
def box(tmp_path: Path) -> KeeperBox:
    """A node that was given nothing yet."""
    return KeeperBox(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a root and issuers."""
    return write_stick(tmp_path / "trust", roots=[authority.root()], documents=[authority.issuers(1)], shelf=Shelf())


async def test_a_folder_that_appears_is_taken_over(box: KeeperBox, tmp_path: Path, folder: Path) -> None:
    """A daemon that started without trust has it as soon as it is copied there."""
    watch = TrustWatch(tmp_path / "later", keeper=box.keeper)
    await watch.refresh()
    assert box.problems() == {"root.1.json": "missing"}

    shutil.copytree(folder, tmp_path / "later")
    await watch.refresh()

    assert box.keeper.held.have == {"root": 1, "issuers": 1}
    assert box.keeper.problems == ()


async def test_a_folder_that_did_not_change_is_not_read(
    box: KeeperBox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look every two seconds is one at names and times; whatever changes is read once."""
    imported: list[Path] = []

    async def count(path: Path, *, keeper: object) -> None:
        imported.append(path)

    monkeypatch.setattr("edge.trust_watch.import_folder", count)
    watch = TrustWatch(folder, keeper=box.keeper)
    for _ in range(3):
        await watch.refresh()
    assert len(imported) == 1

    for change in (
        lambda: (folder / "new").write_bytes(b"1"),
        lambda: (folder / "new").write_bytes(b"12"),
        lambda: os.utime(folder / "new", ns=(1, 1)),
        lambda: (folder / "new").unlink(),
        lambda: (folder / "issuers.json").rename(folder / "old.json"),
        lambda: shutil.rmtree(folder),
    ):
        imported.clear()
        change()
        for _ in range(2):
            await watch.refresh()
        assert len(imported) == 1


async def test_a_document_that_fails_keeps_the_old_one_until_a_good_one_lies_there(
    box: KeeperBox, folder: Path
) -> None:
    """The operator sees the problem, the patient nothing (contracts 3.6)."""
    watch = TrustWatch(folder, keeper=box.keeper)
    await watch.refresh()
    (folder / "issuers.json").write_bytes(authority.issuers(2, by=["status-a"]))
    await watch.refresh()
    assert box.keeper.held.have["issuers"] == 1
    assert box.problems() == {"issuers.json": "threshold"}

    (folder / "issuers.json").write_bytes(authority.issuers(2))
    await watch.refresh()

    assert box.keeper.held.have["issuers"] == 2
    assert box.problems() == {}


async def test_a_folder_that_vanishes_changes_nothing(box: KeeperBox, folder: Path) -> None:
    """What was verified stays in use, and there is nothing to report."""
    watch = TrustWatch(folder, keeper=box.keeper)
    await watch.refresh()
    held = box.keeper.held

    shutil.rmtree(folder)
    await watch.refresh()

    assert box.keeper.held is held
    assert box.keeper.problems == ()


async def test_a_link_to_nothing_does_not_hide_what_changes_beside_it(box: KeeperBox, folder: Path) -> None:
    """Somebody's broken link in the folder does not keep new documents away."""
    (folder / "broken").symlink_to(folder / "nothing")
    watch = TrustWatch(folder, keeper=box.keeper)
    await watch.refresh()

    (folder / "issuers.json").write_bytes(authority.issuers(2))
    await watch.refresh()

    assert box.keeper.held.have["issuers"] == 2


async def test_a_copy_that_is_not_finished_yet_is_taken_when_it_is(box: KeeperBox, tmp_path: Path) -> None:
    """Whatever the order in which files arrive: each look takes what can be taken, the last one all."""
    shelf = Shelf()
    documents = [authority.issuers(1), authority.status(1, hashed={"codes": shelf.hashed([b"x"], 1)})]
    source = write_stick(tmp_path / "stick", roots=[authority.root()], documents=documents, shelf=shelf)
    target = tmp_path / "trust"
    target.mkdir()
    watch = TrustWatch(target, keeper=box.keeper)
    for path in sorted(source.iterdir(), reverse=True):
        data = path.read_bytes()
        for part in (data[: len(data) // 2], data):
            (target / path.name).write_bytes(part)
            await watch.refresh()

    assert box.keeper.held.have == {"root": 1, "issuers": 1, "status": 1}
    assert box.keeper.problems == ()


async def test_it_looks_again_and_again(box: KeeperBox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every two seconds, for as long as it runs."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("edge.trust_watch.asyncio.sleep", pause)

    with pytest.raises(asyncio.CancelledError):
        await TrustWatch(folder, keeper=box.keeper).run()

    assert pauses == [POLL_S] * 3
    assert box.keeper.held.have == {"root": 1, "issuers": 1}
