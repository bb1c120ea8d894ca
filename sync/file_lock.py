"""The lock on a node's data: one program at a time. SQLite's own lock would come only with the first write."""

import fcntl
import os
from pathlib import Path

from sync.errors import StoreBusyError, StoreError


class FileLock:
    """The lock `PATH.lock`; the kernel lets go of it when the program ends, however it ends.

    Args:
        path: Of the outbox, whether it is there or not; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take it, if it is not held already.

        Raises:
            StoreBusyError: Another process has it.
            StoreError: It cannot be made.
        """
        if self._fd is not None:
            return
        try:
            fd = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreError(f"lock file: {exc.strerror}") from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(fd)
            raise StoreBusyError("another process holds the outbox") from exc
        self._fd = fd

    def release(self) -> None:
        """Let go of it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
