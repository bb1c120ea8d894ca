"""The lock on a node's data: one holder at a time, and it is gone with its holder."""

import subprocess
import sys
from pathlib import Path

import pytest

from sync.errors import StoreBusyError, StoreError
from sync.file_lock import FileLock


def test_one_at_a_time(tmp_path: Path) -> None:
    """The second is told that it is busy, and gets it as soon as the first lets go."""
    first, second = FileLock(tmp_path / "outbox.db"), FileLock(tmp_path / "outbox.db")
    first.acquire()
    with pytest.raises(StoreBusyError):
        second.acquire()

    first.release()
    second.acquire()

    with pytest.raises(StoreBusyError):
        first.acquire()
    second.release()


def test_who_has_it_may_ask_again(tmp_path: Path) -> None:
    """Taking it twice is taking it once, and letting go twice changes nothing."""
    lock, other = FileLock(tmp_path / "outbox.db"), FileLock(tmp_path / "outbox.db")
    lock.acquire()
    lock.acquire()

    lock.release()
    lock.release()

    other.acquire()
    other.release()


def test_a_lock_that_cannot_be_made_is_the_stores_fault(tmp_path: Path) -> None:
    """The folder is not there, or something else has its name: nobody holds it."""
    with pytest.raises(StoreError, match="lock file") as caught:
        FileLock(tmp_path / "none" / "outbox.db").acquire()

    assert not isinstance(caught.value, StoreBusyError)
    assert str(tmp_path) not in str(caught.value)


def test_a_program_that_ends_leaves_no_lock(tmp_path: Path) -> None:
    """However it ended: the file stays, the lock does not."""
    program = "import os, sys; from pathlib import Path; from sync.file_lock import FileLock\n"
    program += "FileLock(Path(sys.argv[1])).acquire(); os._exit(9)"

    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path / "outbox.db")], check=False)

    assert ended.returncode == 9
    assert (tmp_path / "outbox.db.lock").exists()
    lock = FileLock(tmp_path / "outbox.db")
    lock.acquire()
    lock.release()
