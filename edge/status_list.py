"""Which cards are revoked or suspended: packed lists by index, hashed lists by prefix (contracts 3.3), pure.

Both read any buffer and copy nothing, so that a list may lie in a mapped file. Whether a blob is the one the status
document names (length, SM3) is `edge.trust`'s to check before it comes here.
"""

import bisect
import enum
import operator
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from edge import gm
from edge.errors import TrustError

LIST_CARDS_MAX: Final = 2**26  # 16 MiB unpacked: cards of the largest province's one issuer, on a box of 512 MiB
PREFIX_BYTES: Final = 6

_CARDS_PER_BYTE: Final = 4
_BITS_PER_CARD: Final = 2
_STATE_MASK: Final = 0b11
_COUNT_CHUNK_BYTES: Final = 4096  # counting works on integers this wide; wider gains nothing
_PREFIX_BITS: Final = 8 * PREFIX_BYTES
_PREFIX_FORMAT: Final = ">HI"  # 6 bytes whose order is that of the pair
# Prefixes read to either side of a guess: of 40,000 look-ups among 400,000 none fell outside 64, and 260 outside 32.
_WINDOW_PREFIXES: Final = 96


class CardState(enum.StrEnum):
    """What a list says of an index."""

    VALID = "valid"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    NOT_COVERED = "not_covered"
    """Not given out when the list was made, or beyond its end."""


_STATES: Final = (CardState.VALID, CardState.REVOKED, CardState.SUSPENDED, CardState.NOT_COVERED)


@dataclass(frozen=True, slots=True)
class StatusList:
    """Two bits a card, least significant first (IETF Token Status List packing).

    Attributes:
        size: Number of cards covered.
        packed: ceil(size / 4) bytes.
    """

    size: int
    packed: bytes | memoryview = field(repr=False)

    def state(self, index: int) -> CardState:
        """What the list says of the card at `index` (0 or more)."""
        if index >= self.size:
            return CardState.NOT_COVERED
        byte, slot = divmod(index, _CARDS_PER_BYTE)
        return _STATES[self.packed[byte] >> (_BITS_PER_CARD * slot) & _STATE_MASK]

    def counts(self) -> tuple[int, int]:
        """How many of its cards are revoked and how many suspended."""
        revoked = suspended = 0
        for start in range(0, len(self.packed), _COUNT_CHUNK_BYTES):
            chunk = self.packed[start : start + _COUNT_CHUNK_BYTES]
            cards = min(self.size - start * _CARDS_PER_BYTE, len(chunk) * _CARDS_PER_BYTE)
            bits = int.from_bytes(chunk, "little") & ((1 << (_BITS_PER_CARD * cards)) - 1)
            low_bits = int.from_bytes(b"\x55" * len(chunk), "little")
            low, high = bits & low_bits, bits >> 1 & low_bits
            revoked += (low & ~high).bit_count()
            suspended += (high & ~low).bit_count()
        return revoked, suspended


@dataclass(frozen=True, slots=True)
class HashedList:
    """Ascending 6-byte prefixes of HMAC-SM3(key, decoded index), for codes whose index is opaque.

    Attributes:
        key: 16 bytes, known to every node.
        prefixes: The file as it is, a multiple of 6 bytes.
    """

    key: bytes = field(repr=False)
    prefixes: bytes | memoryview = field(repr=False)

    def contains(self, index: bytes) -> bool:
        """Whether the list names this decoded index: a yes may be another's, once in 2**48 / count; a no is certain."""
        prefix = gm.hmac_sm3(self.key, index)[:PREFIX_BYTES]
        prefixes, count = self.prefixes, len(self.prefixes) // PREFIX_BYTES
        # MACs lie evenly: the place is guessed, corrected by what stands there, and a little to both sides is read.
        wanted = int.from_bytes(prefix, "big")
        guess = wanted * count >> _PREFIX_BITS
        there = int.from_bytes(prefixes[guess * PREFIX_BYTES : (guess + 1) * PREFIX_BYTES], "big")
        guess += (wanted - there) * count >> _PREFIX_BITS
        if _WINDOW_PREFIXES <= guess < count - _WINDOW_PREFIXES:
            first, last = guess - _WINDOW_PREFIXES, guess + _WINDOW_PREFIXES
            window = bytes(prefixes[first * PREFIX_BYTES : last * PREFIX_BYTES])
            found = window.find(prefix)
            if found >= 0 and found % PREFIX_BYTES == 0:
                return True
            if found < 0 and window[:PREFIX_BYTES] <= prefix <= window[-PREFIX_BYTES:]:
                return False
        # Near an end, where they lie unevenly, or where the bytes found belong to two neighbours.
        return self._at(bisect.bisect_left(range(count), prefix, key=self._at)) == prefix

    def _at(self, place: int) -> bytes:
        """The prefix at `place`; behind the last, none."""
        return bytes(self.prefixes[place * PREFIX_BYTES : (place + 1) * PREFIX_BYTES])


class ListFacts(Protocol):
    """What a status document says of a packed list."""

    @property
    def size(self) -> int:
        """Cards."""

    @property
    def sm3(self) -> bytes:
        """Of the unpacked bytes."""

    @property
    def revoked(self) -> int:
        """Cards with state 1."""

    @property
    def suspended(self) -> int:
        """Cards with state 2."""


def check_list(status_list: StatusList, info: ListFacts) -> None:
    """Hold a list against the signed document: size, SM3 **and** counts (contracts 3.3).

    For a list that a delta led to, or that was kept unpacked: until this has passed it is not the new version.

    Raises:
        TrustError: ``list_size``, ``list_sm3`` or ``list_counts``.
    """
    if status_list.size != info.size or len(status_list.packed) != packed_bytes(info.size):
        raise TrustError("list_size")
    if gm.sm3(status_list.packed) != info.sm3:
        raise TrustError("list_sm3")
    if status_list.counts() != (info.revoked, info.suspended):
        raise TrustError("list_counts")


def check_order(prefixes: bytes | memoryview) -> None:
    """Hold a hashed list's prefixes to their order: out of it, a look-up would miss what is there.

    Args:
        prefixes: A multiple of 6 bytes.

    Raises:
        TrustError: ``list_order``.
    """
    before, after = struct.iter_unpack(_PREFIX_FORMAT, prefixes), struct.iter_unpack(_PREFIX_FORMAT, prefixes)
    next(after, None)
    if not all(map(operator.le, before, after)):
        raise TrustError("list_order")


def unpack_snapshot(blob: bytes, *, size: int, sm3: bytes) -> StatusList:
    """Inflate a snapshot.

    Args:
        blob: zlib stream; length and SM3 already checked.
        size: Cards, as the status document says; bounds the inflating.
        sm3: SM3 of the unpacked bytes, as it says.

    Raises:
        TrustError: ``list_size``, ``inflate`` or ``list_sm3``.
    """
    if not 0 <= size <= LIST_CARDS_MAX:
        raise TrustError("list_size")
    packed = inflate(blob, bytes_exactly=packed_bytes(size))
    if gm.sm3(packed) != sm3:
        raise TrustError("list_sm3")
    return StatusList(size, packed)


def inflate(blob: bytes, *, bytes_exactly: int) -> bytes:
    """One whole zlib stream of known length; never more memory than that.

    Raises:
        TrustError: ``inflate``: damaged, cut short, longer or shorter, or bytes behind it.
    """
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(blob, bytes_exactly + 1)
    except zlib.error as exc:
        raise TrustError("inflate") from exc
    if not stream.eof or stream.unused_data or len(unpacked) != bytes_exactly:
        raise TrustError("inflate")
    return unpacked


def pack_list(states: Mapping[int, CardState], *, size: int) -> StatusList:
    """A list of `size` cards; those not named are valid."""
    packed = bytearray(packed_bytes(size))
    for index, state in states.items():
        if not 0 <= index < size:
            raise ValueError("index beyond the list")
        byte, slot = divmod(index, _CARDS_PER_BYTE)
        packed[byte] |= _STATES.index(state) << (_BITS_PER_CARD * slot)
    return StatusList(size, bytes(packed))


def pack_snapshot(status_list: StatusList) -> bytes:
    """The blob of a list: zlib at its best, as it is made once and sent to every node."""
    return zlib.compress(status_list.packed, 9)


def pack_hashed(indices: Iterable[bytes], *, key: bytes) -> bytes:
    """The blob of a hashed list of decoded indices; its count is its length by 6 (two may share a prefix)."""
    return b"".join(sorted({gm.hmac_sm3(key, index)[:PREFIX_BYTES] for index in indices}))


def packed_bytes(size: int) -> int:
    """Length of the packed bytes of `size` cards."""
    return -(-size // _CARDS_PER_BYTE)
