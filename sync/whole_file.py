"""A small file that is replaced as a whole: whenever the power goes, the former text or the new is there."""

import contextlib
import os
from pathlib import Path

from sync.errors import StoreError


def replace_whole(path: Path, data: bytes, *, called: str) -> None:
    """Replace a file; it is on disk when this returns.

    Args:
        path: The file; `PATH.new` beside it exists only meanwhile.
        data: All of it.
        called: What the error calls it.

    Raises:
        StoreError: It could not be written; the former one stands.
    """
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise StoreError(f"{called}: {exc.strerror}") from exc
