"""Files that a power cut leaves old or new, never torn: write beside, fsync, take the name, fsync the folder."""

import os
from pathlib import Path


def replace_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put `data` in place of a file: whenever the power goes, the old bytes or the new are there, whole.

    Args:
        path: The file; its folder must exist.
        data: All of it.
        mode: Permissions, before the first byte is written.

    Raises:
        OSError: Nothing was replaced, or the folder could not be synced: say so, the old bytes may come back.
    """
    fresh = path.with_name(f".{path.name}.new")  # one writer a folder, so one name is enough, and a torn one is reused
    _write(fresh, data, mode=mode)
    fresh.replace(path)
    _sync_folder(path.parent)


def make_file(path: Path, data: bytes, *, mode: int) -> None:
    """Make a file that is not there yet; where another program made it in between, that one stays.

    Args:
        path: The file; its folder must exist.
        data: All of it.
        mode: Permissions, before the first byte is written.

    Raises:
        OSError: It could not be made, or the folder could not be synced.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")  # two programs that start together each write their own
    fresh.unlink(missing_ok=True)  # what a crash left may be a second name of the file itself
    try:
        _write(fresh, data, mode=mode)
        path.hardlink_to(fresh)
    except FileExistsError:
        pass
    finally:
        fresh.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
