"""What is held, on disk: whole after any cut, in mapped files, and nothing beside it."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import gm
from edge.trust import Problem
from edge.trust_documents import Blob
from edge.trust_held import Held, Missing
from edge.trust_recheck import Rechecked
from edge.trust_rules import aged, take
from edge.trust_state import kept_of, write_state
from tests.support import authority
from tests.support.authority import BEGIN_MS, DAY_MS, Shelf
from tests.support.power import PowerCut, fails_at
from tests.support.trust_box import FIRST, NEW, OLD, TERMS, files, load, store
from tests.support.trust_node import CARRIER, NONCE, SOMEBODY, cards, node, taken, terms


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A node that holds the first set."""
    store(tmp_path).save(OLD)
    return tmp_path


def test_what_was_saved_is_held_again(home: Path) -> None:
    """Roots, documents, lists, roster, floors, tombstones and the age come back as they were."""
    assert load(home) == Rechecked(held=OLD)

    saved = store(home).save(NEW)

    assert saved == NEW
    assert load(home) == Rechecked(held=NEW)


def test_a_node_that_never_held_anything_starts(tmp_path: Path) -> None:
    """No state and no cache are a first start, and nothing to report."""
    assert load(tmp_path / "absent") == Rechecked(held=Held())


def test_nothing_lies_in_the_cache_that_is_not_held(home: Path) -> None:
    """What a change replaced is removed, the blob of a forgotten roster too; what is not ours stays."""
    (home / "cache" / "note.txt").write_text("mine")
    (home / "cache" / ("ef" * 32)).mkdir()
    store(home).save(NEW)

    documents = {gm.sm3(document).hex() for document in (*NEW.roots, *NEW.documents.values())}
    assert files(home) == documents | {sm3.hex() for sm3 in NEW.blobs} | {"note.txt", "ef" * 32}


def test_files_are_the_nodes_own(home: Path) -> None:
    """Nobody else may read the roster's blob or the state."""
    modes = {path.stat().st_mode & 0o777 for path in [home / "state", home / "state.1", *(home / "cache").iterdir()]}

    assert modes == {0o600}
    assert (home / "cache").stat().st_mode & 0o777 == 0o700


def test_lists_and_roster_lie_in_mapped_files(home: Path) -> None:
    """They cost no memory of their own, and stay readable when their files are replaced and removed."""
    loaded = load(home).held
    saved = store(home).save(NEW)

    for held in (loaded, saved):
        assert all(isinstance(blob, memoryview) and blob.readonly for blob in held.blobs.values() if blob)
        assert isinstance(held.trust.lists["cards"].packed, memoryview)
        assert isinstance(held.trust.hashed["opaque"].prefixes, memoryview)
    assert loaded == OLD
    assert loaded.trust.roster is not None
    assert loaded.trust.roster.find(CARRIER) == SOMEBODY
    again = store(home)
    mapped = again.load(terms=TERMS).held
    assert again.save(mapped).trust.lists["cards"].packed is mapped.trust.lists["cards"].packed


@pytest.mark.parametrize(
    ("error", "step"), [(PowerCut, 1), (lambda: OSError(errno.ENOSPC, "full"), 4)], ids=["power cut", "full disk"]
)
def test_a_cut_at_any_write_of_an_update_leaves_the_old_set_or_the_new(
    home: Path, tmp_path_factory: pytest.TempPathFactory, error: Callable[[], BaseException], step: int
) -> None:
    """Whichever operation is the last: what is held is one of the two, whole, and the next update works."""
    seen = []
    for number in range(1, 200, step):
        box = tmp_path_factory.mktemp("box") / "home"
        shutil.copytree(home, box)
        before = store(box)
        before.load(terms=TERMS)
        with fails_at(number, error=error) as asked, contextlib.suppress(PowerCut, OSError):
            before.save(NEW)
        if asked() < number:
            break

        left = load(box)

        assert left.problems == ()
        assert left.held in (OLD, NEW)
        seen.append(left.held == NEW)
        (before if error is not PowerCut else store(box)).save(NEW)  # what the rules make of either
        assert load(box) == Rechecked(held=NEW)
        assert files(box) == {name for name in files(box) if not name.startswith(".")}
    assert len(seen) * step > 30
    assert seen == sorted(seen)
    assert {False, True} == set(seen)


def test_a_cut_at_any_write_of_the_first_set_leaves_nothing_or_all_of_it(tmp_path: Path) -> None:
    """A node that dies while it first stores what it was given is a node that was given nothing."""
    for number in range(1, 200):
        box = tmp_path / str(number)
        with fails_at(number) as asked:
            with contextlib.suppress(PowerCut):
                store(box).save(OLD)
            if asked() < number:
                break

        left = load(box)

        assert left.held in (Held(), OLD)
        assert store(box).save(OLD) == OLD
    assert number > 30


def test_what_a_cut_left_behind_is_removed_by_the_next_commit(home: Path) -> None:
    """A roster that was destroyed does not lie about for the next burglar; a start removes nothing."""
    path = home / "cache" / ("ab" * 32)
    half = home / "cache" / ("." + "cd" * 32 + ".new")
    path.write_bytes(b"left behind")
    half.write_bytes(b"half")

    left = store(home)
    held = left.load(terms=TERMS).held
    assert path.exists()
    left.save(held)

    assert not path.exists()
    assert not half.exists()


def test_a_disk_that_removes_nothing_does_not_undo_a_commit(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The new set is on disk, so it is the one that is held; the log says why, and the next commit cleans up."""

    def worn(*_: object, **__: object) -> None:
        raise OSError(errno.EUCLEAN, "card contents", "a file")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", worn)
        assert store(home).save(NEW) == NEW

    assert load(home) == Rechecked(held=NEW)
    assert len(files(home)) > len(NEW.roots) + len(NEW.documents) + len(NEW.blobs)
    assert "EUCLEAN" in caplog.text
    assert not any(text in caplog.text for text in ("card contents", "a file", *files(home)))
    store(home).save(NEW)
    assert len(files(home)) == len(NEW.roots) + len(NEW.documents) + len(NEW.blobs)


def test_a_cache_that_cannot_be_looked_at_stops_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a start without a state nor what comes after a commit."""

    real = Path.is_dir

    def worn(path: Path) -> bool:
        if path.parent.name == "cache":
            raise OSError(errno.EIO, "worn")
        return real(path)

    monkeypatch.setattr(Path, "is_dir", worn)

    assert store(home).save(NEW) == NEW
    (home / "state").unlink()
    (home / "state.1").unlink()
    assert load(home).problems == (Problem(file="state", rule="missing"),)


@pytest.mark.parametrize("is_copy", [False, True])
def test_a_state_that_is_damaged_is_read_from_its_copy(home: Path, is_copy: bool) -> None:
    """Floors and tombstones are those of the last commit, whichever of the two lost a bit; the next one mends it."""
    store(home).save(NEW)
    path = home / ("state.1" if is_copy else "state")
    text = path.read_bytes()

    for spoilt, rule in ((text[:-9] + b"?" + text[-8:], "damaged"), (b"", "damaged"), (text[:70], "damaged")):
        path.write_bytes(spoilt)
        assert load(home) == Rechecked(held=NEW, problems=(Problem(file=path.name, rule=rule),))

    store(home).save(NEW)
    assert load(home) == Rechecked(held=NEW)


def test_a_state_that_is_lost_is_read_from_its_copy(home: Path) -> None:
    """And somebody hears of it."""
    (home / "state").unlink()

    assert store(home).exists()
    assert load(home) == Rechecked(held=OLD, problems=(Problem(file="state", rule="missing"),))


def test_a_state_without_a_copy_is_whole(home: Path) -> None:
    """A cut before the first copy, or a program that wrote none."""
    (home / "state.1").unlink()

    assert store(home).exists()
    assert load(home) == Rechecked(held=OLD)
    assert not store(home / "elsewhere").exists()


def test_a_new_state_that_a_cut_damaged_leaves_the_old_set(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Cut before the copy was written, on a card that lost what it had synced: the old set is there, with its files."""
    seen = []
    for number in range(1, 200):
        box = tmp_path_factory.mktemp("box") / "home"
        shutil.copytree(home, box)
        with fails_at(number) as asked, contextlib.suppress(PowerCut):
            store(box).save(NEW)
        if asked() < number:
            break
        if (box / "state").read_bytes() != write_state(kept_of(OLD)):
            (box / "state").write_bytes(b"")

            left = load(box)

            assert left.problems == (Problem(file="state", rule="damaged"),)
            assert left.held in (OLD, NEW)
            seen.append(left.held == NEW)
    assert seen == sorted(seen)
    assert {False, True} == set(seen)


def test_a_copy_that_cannot_be_written_does_not_undo_a_commit(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The state is on disk already: the new set is held, and the log says what failed."""
    real = Path.replace

    def worn(path: Path, target: Path) -> Path:
        if target.name == "state.1":
            raise OSError(errno.EIO, "worn")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", worn)

    assert store(home).save(NEW) == NEW
    assert load(home) == Rechecked(held=NEW)
    assert "EIO" in caplog.text


def test_a_cache_that_is_deleted_under_a_running_node_is_written_again(home: Path) -> None:
    """The node does not believe that what it wrote is still there."""
    running = store(home)
    held = running.load(terms=TERMS).held
    shutil.rmtree(home / "cache")

    running.save(held)

    assert load(home) == Rechecked(held=OLD)


def test_bytes_that_are_not_on_disk_as_written_are_an_error(home: Path) -> None:
    """A disk that lies is noticed before the state names what it lost."""
    real = os.replace

    def lying(source: Path, target: Path) -> None:
        source.write_bytes(b"zeros")
        real(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", lying)
        with pytest.raises(OSError, match="blob"):
            store(home).save(NEW)

    assert (home / "state").read_bytes() == write_state(kept_of(OLD))


def test_blobs_of_the_cache_can_be_asked_for(home: Path) -> None:
    """What is there and good is given, anything else is not."""
    sm3, data = next(iter(OLD.blobs.items()))

    assert store(home).blob(Blob(sm3=sm3, length=len(data))) == data
    assert store(home).blob(Blob(sm3=sm3, length=len(data) - 1)) is None
    assert store(home).blob(Blob(sm3=bytes(32), length=1)) is None
    answer = take(node(), FIRST[1], terms=terms(blob=store(home).blob))
    assert isinstance(answer, Missing)
    assert len(answer.blobs) == 2  # packed lists lie there unpacked: only the hashed one is the blob itself


def test_an_expired_grace_is_gone_after_it_was_saved(home: Path) -> None:
    """What grew too old is removed from the disk with the next commit, whatever becomes of the clock."""
    saved = store(home).save(aged(OLD, lo_ms=BEGIN_MS + 100 * DAY_MS))

    assert saved.trust.roster is None
    assert OLD.trust.roster is not None
    assert OLD.trust.roster.manifest.sm3.hex() not in files(home)
    assert load(home) == Rechecked(held=saved)


def test_an_empty_list_and_an_empty_roster_are_kept(tmp_path: Path) -> None:
    """Files without bytes cannot be mapped, and are held all the same."""
    shelf = Shelf()
    documents = [
        authority.status(1, lists={"none": shelf.packed(cards(size=0), 1)}, hashed={"none": shelf.hashed([], 1)}),
        authority.roster(1, shelf=shelf),
    ]
    held = node(*documents, shelf=shelf)
    assert taken(held, authority.time(BEGIN_MS, nonce=NONCE, status_version=1)).held.current_ms == BEGIN_MS

    assert store(tmp_path).save(held) == held

    assert load(tmp_path) == Rechecked(held=held)
