"""Documents from a folder or a USB stick: hostile input, taken in order, each as if the network had brought it."""

import asyncio
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from edge.status_list import CardState
from edge.trust import DOCUMENT_BYTES_MAX, Problem
from edge.trust_import import ROOTS_MAX, Imported, import_folder
from edge.trust_keeper import Source
from tests.support import authority
from tests.support.authority import KEYS, Shelf
from tests.support.keeper_box import KeeperBox
from tests.support.trust_node import CARRIER, SOMEBODY, cards
from tests.support.trust_stick import write_stick

NEXT = {**KEYS, "issuers": ("issuers-b",), "status": ("status-b",), "roster": ("roster-b",)}


@pytest.fixture
def box(tmp_path: Path) -> KeeperBox:
    """A node that was given nothing yet."""
    return KeeperBox(tmp_path / "home")


def whole(folder: Path) -> Path:
    """A folder with a root, issuers, a status document with two lists, and a roster."""
    shelf = Shelf()
    lists, hashed = {"cards": shelf.packed(cards(CardState.REVOKED), 1)}, {"codes": shelf.hashed([b"x"], 1)}
    documents = [
        authority.issuers(1),
        authority.status(1, lists=lists, hashed=hashed),
        authority.roster(1, shelf=shelf, people={CARRIER: SOMEBODY}),
    ]
    return write_stick(folder, roots=[authority.root()], documents=documents, shelf=shelf)


async def test_a_whole_folder_gives_a_node_all_it_needs(box: KeeperBox, tmp_path: Path) -> None:
    """Born root, issuers, status with its lists, roster; and all of it is there after a reboot."""
    imported = await import_folder(whole(tmp_path / "stick"), keeper=box.keeper)

    versions = {"root": 1, "issuers": 1, "status": 1, "roster": 1}
    assert imported == Imported(taken=versions, problems=(), found=4)
    assert box.keeper.held.lists == {"cards": 1, "codes": 1}
    box.switch_on()
    assert box.keeper.held.have == versions


async def test_the_same_folder_again_brings_nothing_new(box: KeeperBox, tmp_path: Path) -> None:
    """Equal versions with equal bytes are no problem."""
    folder = whole(tmp_path / "stick")
    await import_folder(folder, keeper=box.keeper)

    assert await import_folder(folder, keeper=box.keeper) == Imported(taken={}, problems=(), found=4)


async def test_roots_are_taken_in_their_order_before_what_they_vouch_for(box: KeeperBox, tmp_path: Path) -> None:
    """Version 10 comes after 9 and not after 1; the documents are signed under the last."""
    roots = [authority.root(number) for number in range(1, 11)]
    roots.append(authority.root(11, keys=NEXT))
    folder = write_stick(
        tmp_path / "stick", roots=roots, documents=[authority.issuers(1, by=["issuers-b"])], shelf=box.shelf
    )

    imported = await import_folder(folder, keeper=box.keeper)

    assert imported.taken == {"root": 11, "issuers": 1}
    assert imported.problems == ()


async def test_a_missing_root_between_stops_the_chain_there(box: KeeperBox, tmp_path: Path) -> None:
    """What a later root vouches for is not believed; the operator reads which rule."""
    folder = write_stick(
        tmp_path / "stick",
        roots=[authority.root(), authority.root(2, keys=NEXT), authority.root(3, keys=NEXT)],
        documents=[authority.issuers(1, by=["issuers-b"])],
        shelf=box.shelf,
    )
    (folder / "root.2.json").unlink()

    imported = await import_folder(folder, keeper=box.keeper)

    assert imported.taken == {"root": 1}
    assert imported.problems == (
        Problem(file="root.3.json", rule="version"),
        Problem(file="issuers.json", rule="threshold"),
    )
    assert box.problems() == {"root.3.json": "version", "issuers.json": "threshold"}


async def test_a_node_is_born_with_root_1_and_no_other(box: KeeperBox, tmp_path: Path) -> None:
    """A folder that holds only a later root gives birth to nothing."""
    folder = write_stick(tmp_path / "stick", documents=[authority.issuers(1)], shelf=box.shelf)
    (folder / "root.2.json").write_bytes(authority.root(2))

    imported = await import_folder(folder, keeper=box.keeper)

    assert imported.taken == {}
    assert imported.problems == (
        Problem(file="root.1.json", rule="missing"),
        Problem(file="root.2.json", rule="no_root"),
    )
    assert box.keeper.is_empty


async def test_another_citys_folder_changes_nothing(box: KeeperBox, tmp_path: Path) -> None:
    """Neither its root nor anything that it vouches for, whether the cache is there or was deleted."""
    await import_folder(whole(tmp_path / "mine"), keeper=box.keeper)
    foreign = {role: (f"{role}-foreign", f"{role}-foreign-2") for role in KEYS}
    root = authority.root(keys=foreign, by=foreign["root"], city="110000")
    other = write_stick(
        tmp_path / "other",
        roots=[root],
        documents=[authority.issuers(9, by=["issuers-foreign"]), authority.status(9, by=["status-foreign"])],
        shelf=Shelf(),
    )

    imported = await import_folder(other, keeper=box.keeper)

    rules = {"root.1.json": "other_bytes", "issuers.json": "threshold", "status.json": "threshold"}
    assert {problem.file: problem.rule for problem in imported.problems} == rules == box.problems()
    assert imported.taken == {}
    shutil.rmtree(box.home / "cache")
    box.switch_on()
    imported = await import_folder(other, keeper=box.keeper)
    assert imported.problems == (Problem(file="root.1.json", rule="born"),)
    assert box.keeper.is_empty


async def test_an_old_folder_after_the_cache_was_deleted_brings_nothing_older_back(
    box: KeeperBox, tmp_path: Path
) -> None:
    """The floors outlive the cache: only the root is taken; whoever imports it reads why, the page says nothing."""
    old = whole(tmp_path / "old")
    await import_folder(old, keeper=box.keeper)
    await box.takes(authority.issuers(2), authority.status(2), authority.roster(2, shelf=box.shelf))
    shutil.rmtree(box.home / "cache")
    box.switch_on()

    imported = await import_folder(old, keeper=box.keeper)

    assert imported.taken == {"root": 1}
    assert {problem.rule for problem in imported.problems} == {"rollback"}
    assert len(imported.problems) == 3
    assert {problem.file for problem in box.keeper.problems} == {"issuers", "status", "roster"}  # of the lost cache


async def test_a_status_document_whose_lists_are_not_there_waits_for_them(box: KeeperBox, tmp_path: Path) -> None:
    """Half a copy changes nothing; as soon as the rest is there, it is taken and the problem is gone."""
    folder = whole(tmp_path / "stick")
    blobs = [path for path in folder.iterdir() if len(path.name) == 64]
    kept = {path: path.read_bytes() for path in blobs}
    for path in blobs:
        path.unlink()

    half = await import_folder(folder, keeper=box.keeper)

    assert half.taken == {"root": 1, "issuers": 1}
    assert box.problems() == {"status.json": "missing", "roster.json": "missing"}
    for path, data in kept.items():
        path.write_bytes(data)
    assert (await import_folder(folder, keeper=box.keeper)).taken == {"status": 1, "roster": 1}
    assert box.problems() == {}


async def test_blobs_that_are_not_what_their_names_say_count_as_missing(box: KeeperBox, tmp_path: Path) -> None:
    """Wrong bytes, a folder, a pipe, a link to nothing: none of it raises, hangs or is believed."""
    folder = whole(tmp_path / "stick")
    blobs = sorted(path for path in folder.iterdir() if len(path.name) == 64)
    assert len(blobs) == 3
    blobs[0].write_bytes(b"wrong")
    blobs[1].unlink()
    os.mkfifo(blobs[1])
    blobs[2].unlink()
    blobs[2].symlink_to(tmp_path / "nothing")

    imported = await import_folder(folder, keeper=box.keeper)

    assert {problem.file: problem.rule for problem in imported.problems} == {
        "status.json": "missing",
        "roster.json": "missing",
    }


@pytest.mark.parametrize("length", [-1, 1, 1 << 33])
async def test_blobs_of_another_length_than_was_signed_are_not_read(
    box: KeeperBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """A stick may hold files of any length under the names that are asked for: they cost no memory and no time."""
    folder = whole(tmp_path / "stick")
    for path in folder.iterdir():
        if len(path.name) == 64:
            os.truncate(path, length if length > 1 else path.stat().st_size + length)
    read: list[int] = []
    real = os.fdopen

    def watched(descriptor: int, *args: Any, **kwargs: Any) -> Any:
        read.append(os.fstat(descriptor).st_size)
        return real(descriptor, *args, **kwargs)

    monkeypatch.setattr("edge.trust_import.os.fdopen", watched)

    await import_folder(folder, keeper=box.keeper)

    assert box.problems() == {"status.json": "missing", "roster.json": "missing"}
    documents = [(folder / f"{name}.json").stat().st_size for name in ("root.1", "issuers", "status", "roster")]
    assert [size for size in read if size in documents] == documents
    assert len([size for size in read if size > 1 << 30]) == 0


async def test_a_blob_that_grows_while_it_is_read_is_refused(
    box: KeeperBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stick said of its length is not believed: one byte more than was signed is asked for, and no further."""
    folder = whole(tmp_path / "stick")
    real = os.fstat

    def lying(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if len(path.name) == 64 and path.parent == folder:
            with path.open("ab") as file:
                file.write(bytes(1000))
        return found

    monkeypatch.setattr("edge.trust_import.os.fstat", lying)

    await import_folder(folder, keeper=box.keeper)

    assert box.problems() == {"status.json": "missing", "roster.json": "missing"}


async def test_files_that_are_no_documents_are_named_and_the_rest_is_taken(box: KeeperBox, tmp_path: Path) -> None:
    """A folder, a pipe, one byte too many, noise: each refuses itself alone."""
    folder = write_stick(tmp_path / "stick", roots=[authority.root()], shelf=box.shelf)
    (folder / "root.2.json").mkdir()
    (folder / "root.3.json").write_bytes(b" " * (DOCUMENT_BYTES_MAX + 1))
    (folder / "issuers.json").write_bytes(os.urandom(1000))
    os.mkfifo(folder / "status.json")
    (folder / "roster.json").symlink_to(folder / "nothing")
    (folder / "root.01.json").write_bytes(b"not a name of ours")
    (folder / os.fsdecode(b"\xff\xfe")).write_bytes(b"nor this")

    imported = await import_folder(folder, keeper=box.keeper)

    rules = {problem.file: problem.rule for problem in imported.problems}
    assert imported.found == 6
    assert imported.taken == {"root": 1}
    assert rules.pop("issuers.json") not in ("missing", "unreadable")
    assert rules == {
        "root.2.json": "unreadable",
        "root.3.json": "size",
        "status.json": "unreadable",
        "roster.json": "unreadable",
    }


async def test_a_file_that_grows_while_it_is_read_is_refused(
    box: KeeperBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stick says of a file's length is believed no further than it is read."""
    folder = write_stick(tmp_path / "stick", roots=[authority.root()], shelf=box.shelf)
    (folder / "issuers.json").write_bytes(b" " * (DOCUMENT_BYTES_MAX + 1))
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        found = list(real(descriptor))
        found[stat.ST_SIZE] = min(found[stat.ST_SIZE], DOCUMENT_BYTES_MAX)
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", fstat)
    imported = await import_folder(folder, keeper=box.keeper)

    assert imported.problems == (Problem(file="issuers.json", rule="size"),)


async def test_a_hostile_folder_leaves_no_file_open(box: KeeperBox, tmp_path: Path) -> None:
    """The node looks at it for years."""
    folder = write_stick(tmp_path / "stick", roots=[authority.root()], shelf=box.shelf)
    await import_folder(folder, keeper=box.keeper)
    (folder / "issuers.json").mkdir()
    os.mkfifo(folder / "status.json")
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        await import_folder(folder, keeper=box.keeper)

    assert len(list(Path("/proc/self/fd").iterdir())) <= before


async def test_a_file_has_the_role_of_its_name(box: KeeperBox, tmp_path: Path) -> None:
    """A good status document that calls itself issuers.json is refused as what it claims to be."""
    folder = write_stick(tmp_path / "stick", roots=[authority.root()], shelf=box.shelf)
    (folder / "issuers.json").write_bytes(authority.status(1))

    imported = await import_folder(folder, keeper=box.keeper)

    assert imported.problems == (Problem(file="issuers.json", rule="type"),)


async def test_no_time_is_taken_from_a_folder(box: KeeperBox, tmp_path: Path) -> None:
    """Nobody asked for it; such a file is not even read."""
    folder = write_stick(tmp_path / "stick", roots=[authority.root()], shelf=box.shelf)
    (folder / "time.json").write_bytes(authority.time(1_900_000_000_000, nonce=bytes(16)))

    imported = await import_folder(folder, keeper=box.keeper)

    assert imported.found == 1
    assert not box.time.is_anchored


async def test_more_roots_than_a_chain_may_have_are_not_read(
    box: KeeperBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stick full of files keeps the node busy for a bounded time."""
    monkeypatch.setattr("edge.trust_import.ROOTS_MAX", 3)
    folder = write_stick(tmp_path / "stick", roots=[authority.root(number) for number in range(1, 6)], shelf=box.shelf)

    imported = await import_folder(folder, keeper=box.keeper)

    assert (imported.found, imported.taken) == (3, {"root": 3})
    assert ROOTS_MAX == 1000


async def test_a_folder_that_is_not_there_says_so_to_whoever_named_it(box: KeeperBox, tmp_path: Path) -> None:
    """The page of a node that the city feeds needs no folder, and says nothing; an empty node says what it lacks."""
    first = await import_folder(tmp_path / "nothing", keeper=box.keeper)
    assert first == Imported(
        taken={},
        problems=(Problem(file="folder", rule="missing"), Problem(file="root.1.json", rule="missing")),
        found=0,
    )
    assert box.problems() == {"root.1.json": "missing"}
    await box.born()

    again = await import_folder(tmp_path / "nothing", keeper=box.keeper)

    assert again.problems == (Problem(file="folder", rule="missing"),)
    assert box.problems() == {}


async def test_a_folder_that_cannot_be_read_is_told(
    box: KeeperBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another account's stick, or a file in its place: the operator must not take it for an empty one."""
    await box.born()
    (tmp_path / "file").write_bytes(b"")

    async def problems_of(folder: Path) -> tuple[Problem, ...]:
        return (await import_folder(folder, keeper=box.keeper)).problems

    assert await problems_of(tmp_path / "file") == (Problem(file="folder", rule="unreadable"),)

    def forbidden(*_: object) -> None:
        raise PermissionError("denied")

    (tmp_path / "张三").mkdir()
    monkeypatch.setattr(Path, "iterdir", forbidden)
    assert await problems_of(tmp_path / "张三") == (Problem(file="folder", rule="unreadable"),)
    assert box.problems() == {"folder": "unreadable"}


async def test_problems_of_the_folder_are_those_of_the_last_look(box: KeeperBox, tmp_path: Path) -> None:
    """What was taken out of it is forgotten; what came from elsewhere is not."""
    folder = write_stick(
        tmp_path / "stick", roots=[authority.root()], documents=[authority.issuers(1, by=["status-a"])], shelf=box.shelf
    )
    await import_folder(folder, keeper=box.keeper)
    box.keeper.note(Problem(file="roster", rule="node"), source=Source.CITY)
    assert box.problems() == {"issuers.json": "threshold", "roster": "node"}

    (folder / "issuers.json").unlink()
    await import_folder(folder, keeper=box.keeper)

    assert box.problems() == {"roster": "node"}


async def test_two_folders_at_once_end_as_one_after_the_other(box: KeeperBox, tmp_path: Path) -> None:
    """The watched folder and a stick, imported in the same moment: the highest versions of both are held."""
    first = whole(tmp_path / "first")
    second = write_stick(
        tmp_path / "second", roots=[authority.root()], documents=[authority.issuers(2)], shelf=box.shelf
    )

    await asyncio.gather(*(import_folder(folder, keeper=box.keeper) for folder in (first, second)))

    assert box.keeper.held.have == {"root": 1, "issuers": 2, "status": 1, "roster": 1}
