"""What is held of the trust documents, on disk: a cache that is hostile input, and the state that says what is in it.

The cache folder holds documents, lists (unpacked, so that a restart needs no chain of deltas) and the roster's blob,
each in a file named by the hex SM3 of its bytes. The state file lies outside of it, and replacing it is the commit: new
files are written and synced before, files that nothing names any more are removed after. So whenever the power goes,
the old set is there or the new (contracts 3.3), and floors outlive a deleted cache (contracts 3.6).

A card that wears out flips bits, and no city can send the state again. So it lies there twice: the copy is written
after the commit and before anything is removed. It is read only when the first cannot be, and is then the same state,
or, after a cut between the two, the one before with every file that it names. At no time are both being written.

Lists and roster are mapped, not read: 8 million cards cost no memory but the pages that are looked at. A file is
replaced and never written to, so a mapped one keeps its bytes.
"""

import errno
import logging
import mmap
import os
import re
import stat
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from edge import gm
from edge.durable_file import replace_file
from edge.errors import TrustError
from edge.fault import describe
from edge.trust import BLOB_BYTES_MAX, Problem
from edge.trust_documents import Blob
from edge.trust_held import Buffer, Held, with_buffers
from edge.trust_recheck import Rechecked, recheck
from edge.trust_rules import Terms
from edge.trust_state import STATE_BYTES_MAX, Kept, kept_of, read_state, write_state

_FILE_MODE: Final = 0o600  # the roster's blob is sealed, but nobody else has any business with it
_FOLDER_MODE: Final = 0o700
_PIECE_BYTES: Final = 1024 * 1024
_COPY: Final = ".1"  # after the name of the state file
_OURS: Final = re.compile(r"([0-9a-f]{64})|\.[0-9a-f]{64}\.new")

_log = logging.getLogger(__name__)


class TrustStore:
    """The trust documents of one node on disk; blocking, and for one thread at a time.

    Args:
        folder: The cache; it may be missing, and whatever is in it.
        state_file: Outside of it; its copy lies beside it.
    """

    def __init__(self, folder: Path, *, state_file: Path) -> None:
        self._folder = folder
        self._state_file = state_file
        self._copy = state_file.with_name(state_file.name + _COPY)
        self._good: set[bytes] = set()  # SM3 of the files whose bytes were seen to be right

    @property
    def state_files(self) -> tuple[str, str]:
        """Names of the state file and its copy, as a `Problem` has them."""
        return self._state_file.name, self._copy.name

    def exists(self) -> bool:
        """Whether anything was ever saved here."""
        return self._state_file.exists() or self._copy.exists()

    def load(self, *, terms: Terms) -> Rechecked:
        """Verify everything again; changes nothing, and nothing raises for what is or is not there."""
        kept, problems = self._state()
        if kept is None:
            return Rechecked(held=Held(), problems=problems)
        checked = recheck(kept, read=self._read, terms=terms)
        _let_go(checked.held.blobs.values())
        return replace(checked, problems=(*problems, *checked.problems))

    def save(self, held: Held) -> Held:
        """Commit what is held.

        Args:
            held: Complete in itself.

        Returns:
            The same, resting on the mapped files.

        Raises:
            OSError: The old set is still the one on disk, or, if only the last sync failed, one of the two is.
        """
        documents = {gm.sm3(document): document for document in (*held.roots, *held.documents.values())}
        mapped: dict[bytes, Buffer] = {}
        for folder in (self._folder, self._state_file.parent):
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        for sm3, data in {**documents, **held.blobs}.items():
            if sm3 not in self._good or not self._path(sm3).exists():
                replace_file(self._path(sm3), bytes(data), mode=_FILE_MODE)
                self._good.add(sm3)
                if sm3 in held.blobs:
                    mapped[sm3] = self._read_back(sm3)
        state = write_state(kept_of(held))
        replace_file(self._state_file, state, mode=_FILE_MODE)
        # It is committed: whatever the disk refuses from here on, this set is the one that a start finds.
        _try(lambda: replace_file(self._copy, state, mode=_FILE_MODE))
        self._sweep(documents.keys() | held.blobs.keys())
        _let_go(mapped.values())
        return with_buffers(held, {**held.blobs, **mapped})

    def blob(self, wanted: Blob) -> Buffer | None:
        """The bytes of a file of the cache, if it is there and good."""
        try:
            return self._read(wanted.sm3, min(wanted.length, BLOB_BYTES_MAX))
        except TrustError:
            return None

    def _read_back(self, sm3: bytes) -> Buffer:
        try:
            return self._read(sm3, BLOB_BYTES_MAX)
        except TrustError as exc:  # what was written a moment ago
            raise OSError(errno.EIO, f"written, but {exc.rule}") from exc

    def _state(self) -> tuple[Kept | None, tuple[Problem, ...]]:
        """The state, or its copy, and which of them is not good; None: neither is."""
        kept, problem = _state_in(self._state_file)
        copied, copy_problem = _state_in(self._copy)
        problems = tuple(one for one in (problem, copy_problem) if one is not None)
        if kept is not None:
            return kept, problems
        # Without it but with what it named, floors are gone, and somebody must hear of that.
        was_there = copied is not None or copy_problem is not None or any(self._files())
        if problem is None and was_there:
            problems = (Problem(file=self._state_file.name, rule="missing"), *problems)
        return (copied, problems) if problems else (Kept(), ())

    def _read(self, sm3: bytes, bytes_max: int) -> Buffer:
        """The mapped bytes of a file of the cache that is what its name says.

        Raises:
            TrustError: ``missing``, ``unreadable``, ``size`` or ``blob``.
        """
        try:
            with _opened(self._path(sm3)) as file:
                data = _mapped(file, sm3=sm3, bytes_max=bytes_max)
        except FileNotFoundError as exc:
            raise TrustError("missing") from exc
        except (OSError, ValueError) as exc:  # ValueError: it became shorter while it was mapped
            raise TrustError("unreadable") from exc
        self._good.add(sm3)
        return data

    def _sweep(self, needed: Container[bytes]) -> None:
        """Remove what nothing names any more, and what a cut left half-written."""
        for path, sm3 in self._files():
            if sm3 not in needed:
                _try(partial(path.unlink, missing_ok=True))
                self._good.discard(sm3)

    def _files(self) -> Iterator[tuple[Path, bytes]]:
        """Files of ours with the SM3 in their names; a half-written one has none."""
        try:
            paths = list(self._folder.iterdir())
        except OSError:
            return
        for path in paths:
            name = _OURS.fullmatch(path.name)
            if name and not _is_folder(path):
                yield path, bytes.fromhex(name[1] or "")

    def _path(self, sm3: bytes) -> Path:
        return self._folder / sm3.hex()


def _try(clean_up: Callable[[], object]) -> None:
    """Do what a commit can do without; what the disk refuses is left to the next one."""
    try:
        clean_up()
    except OSError as fault:
        name = errno.errorcode.get(fault.errno or 0, "no errno")
        _log.error("trust: stored, but not cleaned up: %s: %s", name, describe(fault))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _state_in(path: Path) -> tuple[Kept | None, Problem | None]:
    """The state in a file, or what is wrong with it; neither: it is not there."""
    try:
        with _opened(path) as file:
            return read_state(_whole(file, bytes_max=STATE_BYTES_MAX)), None
    except FileNotFoundError:
        return None, None
    except OSError:
        return None, Problem(file=path.name, rule="unreadable")
    except TrustError as error:
        return None, Problem(file=path.name, rule=error.rule)


def _opened(path: Path) -> BinaryIO:
    """A regular file: a pipe that somebody put in its place must not hang the start."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("no regular file")
    return os.fdopen(descriptor, "rb")


def _whole(file: BinaryIO, *, bytes_max: int) -> bytes:
    """All bytes of a file; one byte too many refuses it."""
    data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise TrustError("size")
    return data


def _mapped(file: BinaryIO, *, sm3: bytes, bytes_max: int) -> Buffer:
    """The bytes of a file without memory of their own; they live until nothing looks at them any more."""
    length = 0
    # All of it is read before it is mapped: a bad block is an error here, and would be a signal there.
    while piece := file.read(_PIECE_BYTES):
        length += len(piece)
        if length > bytes_max:
            raise TrustError("size")
    # What has no bytes cannot be mapped.
    data = memoryview(mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ)) if length else b""
    if gm.sm3(data) != sm3:
        raise TrustError("blob")
    return data


def _let_go(blobs: Iterable[Buffer]) -> None:
    """Give back the pages that checking read: what is looked up later comes from the system's cache."""
    for blob in blobs:
        if isinstance(blob, memoryview) and isinstance(blob.obj, mmap.mmap):
            blob.obj.madvise(mmap.MADV_DONTNEED)
