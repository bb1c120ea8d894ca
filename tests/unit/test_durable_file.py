"""Files that a power cut leaves old or new: what is written when, and what stays beside."""

import os
import stat
from pathlib import Path

import pytest

from edge.durable_file import make_file, replace_file


def _old(folder: Path) -> Path:
    path = folder / "issuers.json"
    path.write_bytes(b"old")
    return path


def test_a_replaced_file_holds_the_new_bytes_only(tmp_path: Path) -> None:
    """Replacing leaves one file with exactly the new bytes and the mode asked for."""
    path = tmp_path / "issuers.json"
    (tmp_path / ".issuers.json.new").write_bytes(b"left over from a power cut, and longer than what comes now")

    replace_file(path, b"old")
    replace_file(path, b"new", mode=0o600)

    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["issuers.json"]


def test_a_file_is_synced_before_and_the_folder_after_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the power goes, the name leads to the old bytes or to all of the new ones."""
    path = _old(tmp_path)
    seen: list[tuple[str, bytes]] = []

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.append((kind, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    replace_file(path, b"new")

    assert seen == [("file", b"old"), ("folder", b"new")]


def test_a_failed_replacement_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where syncing fails, the error rises and the old bytes stay."""
    path = _old(tmp_path)

    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output"):
        replace_file(path, b"new")

    assert path.read_bytes() == b"old"


def test_a_file_is_made_private_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its mode from the first byte, and what a crash left beside it goes."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    (tmp_path / ".secret.7").write_bytes(b"half")

    make_file(tmp_path / "secret", b"new", mode=0o600)

    assert (tmp_path / "secret").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_a_file_that_another_program_made_stays(tmp_path: Path) -> None:
    """The first one counts, and nothing is left beside it."""
    path = _old(tmp_path)

    make_file(path, b"new", mode=0o600)

    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["issuers.json"]


def test_a_file_that_cannot_be_synced_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name never leads to bytes that a power cut could take."""

    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output"):
        make_file(tmp_path / "secret", b"new", mode=0o600)

    assert list(tmp_path.iterdir()) == []
