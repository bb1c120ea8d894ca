"""Blobs of the city, fetched piece by piece into files, so that a restart goes on where it stopped (contracts 5.3).

A blob is named by the SM3 of its bytes; its length stands in a signed document. Pieces are not signed and anybody who
can publish may send some, so nothing here is believed until the whole has the right SM3; then `HEX.part` is finished,
else it is thrown away and begun anew after a rest. A file holds a blob's beginning without a hole, so its length says
how far it is; a piece that comes before its turn waits in memory. Told the time; the files are small writes inline.
"""

import contextlib
import math
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sync.asking import PIECE_BYTES_MAX, BlobPiece, Fetch

PARTS_MAX: Final = 64
"""Blobs wanted at a time: as many lists as a status document may name, and a roster."""
WINDOW: Final = 4
"""Pieces asked for at a time: 128 KiB on the way, 1.6 MB/s at the 80 ms of a mobile link."""
TIMEOUT_S: Final = 10.0
TIMEOUT_S_MAX: Final = 300.0
RTT_FACTOR: Final = 4
RETRY_S_MAX: Final = 900.0
"""A blob that nobody sends is asked for as seldom as the time."""
REST_S: Final = 60.0
REST_S_MAX: Final = 3600.0
"""After a whole blob turned out wrong or the disk failed; doubles: whoever spoils pieces costs one blob an hour."""
STALE_MAX: Final = 16
"""Files of a former run that nobody asked for yet; with more, or without room, they go."""

_AHEAD_BYTES: Final = WINDOW * PIECE_BYTES_MAX
_SUFFIX: Final = ".part"
_NAME: Final = re.compile(r"[0-9a-f]{64}\.part")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedBlob:
    """A blob whose length and SM3 are right; its file stays until the blob is wanted no longer."""

    sm3: bytes
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A stretch that was asked for."""

    end: int
    sent_s: float
    is_again: bool


@dataclass(slots=True, kw_only=True)
class _Part:
    """How far a blob is."""

    sm3: bytes
    length: int
    path: Path
    size: int = 0
    ahead: dict[int, bytes] = field(default_factory=dict)
    asked: dict[int, _Asked] = field(default_factory=dict)
    window: int = 1
    timeout_s: float = TIMEOUT_S
    tries: int = 0
    retry_at_s: float = 0.0
    rests: int = 0
    rest_until_s: float = 0.0
    is_finished: bool = False
    is_handed_out: bool = False

    def ready_at_s(self) -> float:
        """When it may be asked for."""
        return max(self.retry_at_s, self.rest_until_s)

    def gap(self) -> tuple[int, int] | None:
        """The first stretch that is neither there nor asked for; None if there is none near enough."""
        stretches = [(offset, offset + len(data)) for offset, data in self.ahead.items()]
        stretches += [(offset, asked.end) for offset, asked in self.asked.items()]
        begin = self.size
        for offset, end in sorted(stretches):
            if offset > begin:
                break
            begin = max(begin, end)
        following = [offset for offset, _ in stretches if offset > begin]
        end = min([begin + PIECE_BYTES_MAX, self.length, *following])
        return (begin, end) if begin < end and begin < self.size + _AHEAD_BYTES else None

    def rest(self, now_s: float) -> None:
        """Ask for nothing and take nothing for a while, ever longer."""
        self.ahead.clear()
        self.asked.clear()
        self.rest_until_s = now_s + min(REST_S_MAX, REST_S * 2**self.rests)
        self.rests += 1


class BlobFetcher:
    """The blobs that are wanted and how far each is.

    Args:
        folder: Where the files lie; it is made when the first is written. Nothing else may be called `HEX.part` there.
        hash: SM3.
        bytes_max: Of all blobs wanted, together.
    """

    def __init__(self, folder: Path, *, hash: Callable[[bytes], bytes], bytes_max: int) -> None:  # noqa: A002
        self._folder = folder
        self._hash = hash
        self._bytes_max = bytes_max
        self._parts: dict[bytes, _Part] = {}

    def want(self, wanted: Mapping[bytes, int]) -> frozenset[bytes]:
        """Say what is wanted from now on, and nothing else; what is wanted no longer loses its file.

        What a former run left is gone on with. A blob that is whole already is read and hashed here, 4 ms a MiB.

        Args:
            wanted: Length by SM3, the most urgent first.

        Returns:
            What there is no room for; say it again when something else is finished with.
        """
        for part in [part for sm3, part in self._parts.items() if wanted.get(sm3) != part.length]:
            self._remove(part)
            del self._parts[part.sm3]
        parts: dict[bytes, _Part] = {}
        refused: set[bytes] = set()
        room = self._bytes_max
        for sm3, length in wanted.items():
            if length > room or len(parts) == PARTS_MAX:
                refused.add(sm3)
                continue
            room -= length
            parts[sm3] = self._parts.get(sm3) or self._begin(sm3, length=length)
        for sm3 in refused & self._parts.keys():
            self._remove(self._parts[sm3])
        self._parts = parts
        self._sweep(room)
        return frozenset(refused)

    @property
    def is_fetching(self) -> bool:
        """Whether any blob is wanted that is not whole yet."""
        return any(not part.is_finished for part in self._parts.values())

    def fits(self, piece: BlobPiece) -> bool:
        """Whether it is of a blob that is wanted and not whole yet, as the signed document describes it."""
        part = self._parts.get(piece.sm3)
        return part is not None and not part.is_finished and part.length == piece.total

    def connected(self) -> None:
        """A new connection: what was asked for on the former one is asked for again."""
        for part in self._parts.values():
            part.asked.clear()
            part.tries = 0
            part.retry_at_s = 0.0

    def next_piece(self, now_s: float) -> Fetch | None:
        """The next stretch to ask for, which then counts as asked for; None if there is none now."""
        for part in self._parts.values():
            self._expire(part, now_s=now_s)
        if sum(len(part.asked) for part in self._parts.values()) >= WINDOW:
            return None
        for part in self._parts.values():
            gap = part.gap()
            if gap is None or len(part.asked) >= part.window or now_s < part.ready_at_s():
                continue
            begin, end = gap
            part.asked[begin] = _Asked(end=end, sent_s=now_s, is_again=part.tries > 0)
            return Fetch(sm3=part.sm3, offset=begin, length=end - begin)
        return None

    def wake_s(self) -> float:
        """When `next_piece` may have something that it has not now, if no piece comes."""
        times = [asked.sent_s + part.timeout_s for part in self._parts.values() for asked in part.asked.values()]
        if len(times) < WINDOW:
            waiting = [part for part in self._parts.values() if not part.asked and part.gap() is not None]
            times += [part.ready_at_s() for part in waiting]
        return min(times, default=math.inf)

    def take(self, piece: BlobPiece, *, now_s: float) -> None:
        """Take a piece, in whatever order and however often it comes; one that does not fit changes nothing."""
        part = self._parts.get(piece.sm3)
        if part is None or not self.fits(piece) or now_s < part.rest_until_s:
            return
        asked = part.asked.pop(piece.offset, None)
        if asked is not None and not asked.is_again:  # Karn: of something asked for twice nobody knows which came
            part.timeout_s = min(TIMEOUT_S_MAX, max(TIMEOUT_S, RTT_FACTOR * (now_s - asked.sent_s)))
            part.window = min(WINDOW, part.window + 1)
        if not self._keep(part, piece=piece, now_s=now_s):
            return
        part.tries = 0
        part.retry_at_s = 0.0
        if part.size == part.length:
            self._judge(part, now_s=now_s)

    def next_finished(self) -> FinishedBlob | None:
        """A blob that was finished since the last call."""
        for part in self._parts.values():
            if part.is_finished and not part.is_handed_out:
                part.is_handed_out = True
                return FinishedBlob(sm3=part.sm3, path=part.path)
        return None

    def _begin(self, sm3: bytes, *, length: int) -> _Part:
        part = _Part(sm3=sm3, length=length, path=self._folder / f"{sm3.hex()}{_SUFFIX}")
        with contextlib.suppress(OSError):
            found = part.path.lstat()
            part.size = found.st_size if stat.S_ISREG(found.st_mode) else length + 1
        if part.size > length:
            self._remove(part)
        if length == 0:  # no piece will ever come
            self._write(part, data=bytearray())
        if part.size == length:
            self._judge(part, now_s=0.0)
        return part

    def _expire(self, part: _Part, *, now_s: float) -> None:
        """Give up waiting for what is late: a whole window that is late counts once."""
        if any(now_s >= asked.sent_s + part.timeout_s for asked in part.asked.values()):
            part.asked.clear()
            part.retry_at_s = now_s + min(RETRY_S_MAX, TIMEOUT_S * (2 ** min(part.tries, 10) - 1))
            part.tries += 1
            part.timeout_s = min(TIMEOUT_S_MAX, part.timeout_s * 2)
            part.window = 1

    def _keep(self, part: _Part, *, piece: BlobPiece, now_s: float) -> bool:
        """Write what continues the file, hold back what comes too early; whether anything of it was new."""
        if piece.offset > part.size:
            is_near = piece.offset < part.size + _AHEAD_BYTES and len(part.ahead) < WINDOW
            return is_near and part.ahead.setdefault(piece.offset, piece.data) is piece.data
        former = part.size
        pieces = {piece.offset: piece.data, **part.ahead}
        data = bytearray()
        for offset in sorted(pieces):
            at = former + len(data)
            if offset > at:
                break
            part.ahead.pop(offset, None)
            data += pieces[offset][at - offset :]
        if data and not self._write(part, data=data):
            part.rest(now_s)
            return False
        part.asked = {offset: asked for offset, asked in part.asked.items() if asked.end > part.size}
        return part.size > former

    def _write(self, part: _Part, *, data: bytearray) -> bool:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(part.path, flags, 0o600), "wb") as file:
                file.seek(part.size)
                file.write(data)
        except OSError:
            return False
        part.size += len(data)
        return True

    def _judge(self, part: _Part, *, now_s: float) -> None:
        """The file is as long as the blob: right, or begun anew."""
        try:
            data = part.path.read_bytes()
        except OSError:
            data = None
        part.is_finished = data is not None and len(data) == part.length and self._hash(data) == part.sm3
        if not part.is_finished:
            self._remove(part)
            part.rest(now_s)

    def _remove(self, part: _Part) -> None:
        with contextlib.suppress(OSError):
            part.path.unlink()
        part.size = 0

    def _sweep(self, room: int) -> None:
        """Take away what a former run left and nobody asked for in this one, if there is no room or it is too much."""
        mine = {part.path for part in self._parts.values()}
        with contextlib.suppress(OSError):
            stale = [path for path in self._folder.iterdir() if _NAME.fullmatch(path.name) and path not in mine]
            if len(stale) > STALE_MAX or sum(path.lstat().st_size for path in stale) > room:
                for path in stale:
                    path.unlink()
