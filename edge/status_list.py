"""Which cards are revoked or suspended: packed lists by index, hashed lists by prefix (contracts 3.3), pure.

Both read any buffer and copy nothing, so that a list may lie in a mapped file. Whether a list is the one the status
document names (length, SM3, counts) is `edge.trust`'s to check; here only its form is.
"""

import enum
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from edge import gm
from edge.errors import TrustError

LIST_CARDS_MAX: Final = 2**26  # 16 MiB unpacked: cards of the largest province's one issuer, on a box of 512 MiB
PREFIX_BYTES: Final = 6

_CARDS_PER_BYTE: Final = 4
_BITS_PER_CARD: Final = 2
_STATE_MASK: Final = 0b11
_COUNT_CHUNK_BYTES: Final = 4096  # counting works on integers this wide; wider gains nothing


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
        low, high = 0, len(self.prefixes) // PREFIX_BYTES
        while low < high:
            middle = (low + high) // 2
            if bytes(self.prefixes[middle * PREFIX_BYTES : (middle + 1) * PREFIX_BYTES]) < prefix:
                low = middle + 1
            else:
                high = middle
        return bytes(self.prefixes[low * PREFIX_BYTES : (low + 1) * PREFIX_BYTES]) == prefix


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
    packed = inflate(blob, bytes_exactly=_packed_bytes(size))
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
    packed = bytearray(_packed_bytes(size))
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


def _packed_bytes(size: int) -> int:
    return -(-size // _CARDS_PER_BYTE)
