"""Ids of the orders that were run, in a small file outside the database: an id runs once (contracts 5.3).

An id is written before its order runs. If the power goes in between, the order never runs: the city hears nothing, or
that the id was used, and gives a new one. An id may be forgotten once its order has provably expired, for then it would
be refused anyway; none is forgotten earlier, so a full book refuses new orders. The latest expiry ever forgotten is
kept: should the time be set back, whatever expires up to then counts as used.

The last line is a checksum against a failing disk. A file that is not as it was written is never taken for an empty
one: no id is used until somebody has removed it.
"""

import contextlib
import re
import zlib
from pathlib import Path
from typing import Final

from sync.errors import StoreError
from sync.whole_file import replace_whole

ORDERS_MAX: Final = 256
"""13 KB; a city gives a box a few orders a month."""

_FILE: Final = re.compile(rb"(forgotten ([0-9]{1,19})\n((?:[0-9a-f]{32} [0-9]{1,19}\n)*))check ([0-9a-f]{8})\n")
_BYTES_MAX: Final = 64 + ORDERS_MAX * 53


class OrderBook:
    """The ids in one file. Making one raises nothing: with a file that cannot be read it refuses to use an id.

    Args:
        path: The file; `PATH.new` beside it exists only while it is being replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._expires_ms: dict[bytes, int] = {}
        self._forgotten_ms = 0
        self._is_read = False
        with contextlib.suppress(StoreError):  # `add` tries again
            self._read()

    def has(self, order_id: bytes) -> bool:
        """Whether that id was used."""
        return order_id in self._expires_ms

    def may_have_forgotten(self, *, expires_ms: int) -> bool:
        """Whether an order that expires then may have been used and forgotten."""
        return expires_ms <= self._forgotten_ms

    def add(self, order_id: bytes, *, expires_ms: int, lo_ms: int) -> bool:
        """Use an id; it is on disk when this returns.

        Args:
            order_id: 16 bytes, not used yet.
            expires_ms: When its order expires, Unix milliseconds.
            lo_ms: Lower end of the time now: what expired before it is forgotten.

        Returns:
            False: the book is full, and the id was not used.

        Raises:
            StoreError: It is damaged or could not be read or written, and the id was not used.
        """
        if not self._is_read:
            self._read()
            if self.has(order_id) or self.may_have_forgotten(expires_ms=expires_ms):
                raise StoreError("order file: read only now")  # asked again, it says so
        kept = {used: at_ms for used, at_ms in self._expires_ms.items() if at_ms >= lo_ms}
        if len(kept) >= ORDERS_MAX:
            return False
        forgotten_ms = max([self._forgotten_ms, *(at_ms for at_ms in self._expires_ms.values() if at_ms < lo_ms)])
        kept[order_id] = expires_ms
        replace_whole(self._path, _encoded(kept, forgotten_ms=forgotten_ms), called="order file")
        self._expires_ms = kept
        self._forgotten_ms = forgotten_ms
        return True

    def _read(self) -> None:
        try:
            with self._path.open("rb") as file:
                data = file.read(_BYTES_MAX + 1)
        except FileNotFoundError:
            self._is_read = True
            return
        except OSError as exc:
            raise StoreError(f"order file: {exc.strerror}") from exc
        found = _FILE.fullmatch(data)
        if found is None or int(found[4], 16) != zlib.crc32(found[1]):
            raise StoreError("order book damaged")
        lines = (line.split() for line in found[3].splitlines())
        self._expires_ms = {bytes.fromhex(used.decode()): int(at_ms) for used, at_ms in lines}
        self._forgotten_ms = int(found[2])
        self._is_read = True


def _encoded(expires_ms: dict[bytes, int], *, forgotten_ms: int) -> bytes:
    lines = [b"%s %d\n" % (used.hex().encode(), at_ms) for used, at_ms in expires_ms.items()]
    text = b"forgotten %d\n" % forgotten_ms + b"".join(lines)
    return text + b"check %08x\n" % zlib.crc32(text)
