"""Deltas between two versions of a packed status list (contracts 3.3), pure.

A delta is a zlib stream of LEB128 varints, ascending by index: ``(gap << 2) | new state``. It names neither the list it
starts from nor the one it leads to: whoever applies it checks size, SM3 and counts of the result against the signed
document (`edge.status_list.check_list`), which is what catches a delta applied twice, out of order or to another base.

The contract asks for LEB128 and not for its shortest form, so a padded varint is read: the bytes are under a signature,
and two ways to write a delta do no harm.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from edge.errors import TrustError
from edge.status_list import LIST_CARDS_MAX, StatusList, packed_bytes

DELTA_BYTES_A_CARD_MAX: Final = 10  # contracts 3.3: inflate at most 10 x size
VARINT_BYTES_MAX: Final = 5  # 35 bits: an index of 32 bits (contracts 1) and its state

_PIECE_BYTES: Final = 16 * 1024  # of the blob and of what comes out of it: a bomb never lies in memory whole
_COMPARE_BYTES: Final = 64  # equal stretches this long are skipped at once when a delta is made
_SHIFT_END: Final = 7 * VARINT_BYTES_MAX


def apply_delta(status_list: StatusList, blob: bytes | memoryview, *, size: int) -> StatusList:
    """The list a delta leads to; `status_list` stays as it is.

    Args:
        status_list: The list it starts from.
        blob: zlib stream; length and SM3 already checked.
        size: Cards of the result, as the status document says; new ones have state 0.

    Raises:
        TrustError: ``list_size``: the list would shrink, or is beyond any list. ``inflate``: damaged, cut short, bytes
            behind it, or more than 10 bytes a card. ``delta_varint``: cut short or over-long. ``delta_order``: a gap of
            0 after the first. ``delta_index``: at or beyond `size`.
    """
    if not status_list.size <= size <= LIST_CARDS_MAX:
        raise TrustError("list_size")
    packed = _grown(status_list, size=size)
    index = -1
    for value in _varints(_inflated(blob, bytes_max=DELTA_BYTES_A_CARD_MAX * size)):
        gap = value >> 2
        if index < 0:
            index = gap
        elif gap:
            index += gap
        else:
            raise TrustError("delta_order")
        if index >= size:
            raise TrustError("delta_index")
        slot = (index & 3) << 1
        packed[index >> 2] = packed[index >> 2] & ~(3 << slot) | (value & 3) << slot
    return StatusList(size, bytes(packed))


def make_delta(old: StatusList, new: StatusList) -> bytes:
    """The blob that leads from `old` to `new`: for the city, made once and sent to every node.

    Raises:
        ValueError: `new` is smaller: lists never shrink.
    """
    if new.size < old.size:
        raise ValueError("a list never shrinks")
    varints = bytearray()
    before = 0
    for index, state in _changes(_grown(old, size=new.size), new):
        value = (index - before) << 2 | state
        before = index
        while value >= 0x80:
            varints.append(value & 0x7F | 0x80)
            value >>= 7
        varints.append(value)
    return zlib.compress(varints, 9)


def _grown(status_list: StatusList, *, size: int) -> bytearray:
    """A copy of the packed bytes with room for `size` cards; the new ones have state 0, as contracts 3.3 asks."""
    packed = bytearray(status_list.packed)
    spare = status_list.size & 3
    if size > status_list.size and spare:
        packed[-1] &= (1 << (2 * spare)) - 1  # bits behind the old end belong to new cards now
    packed.extend(bytes(packed_bytes(size) - len(packed)))
    return packed


def _varints(pieces: Iterable[bytes]) -> Iterator[int]:
    """The numbers of an LEB128 stream, wherever its pieces are cut; `TrustError` if one is over-long or cut short."""
    value = shift = 0
    for piece in pieces:
        for byte in piece:
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                yield value
                value = shift = 0
            else:
                shift += 7
                if shift == _SHIFT_END:
                    raise TrustError("delta_varint")
    if shift:
        raise TrustError("delta_varint")


def _inflated(blob: bytes | memoryview, *, bytes_max: int) -> Iterator[bytes]:
    """What one whole zlib stream holds, piece by piece; `TrustError` if it is damaged or longer."""
    stream = zlib.decompressobj()
    total = 0
    for start in range(0, len(blob), _PIECE_BYTES):
        rest: bytes | memoryview = blob[start : start + _PIECE_BYTES]
        while rest:
            if stream.eof:
                raise TrustError("inflate")
            try:
                piece = stream.decompress(rest, _PIECE_BYTES)
            except zlib.error as exc:
                raise TrustError("inflate") from exc
            total += len(piece)
            if total > bytes_max:
                raise TrustError("inflate")
            yield piece
            rest = stream.unconsumed_tail or stream.unused_data
    if not stream.eof:
        raise TrustError("inflate")


def _changes(old: bytearray, new: StatusList) -> Iterator[tuple[int, int]]:
    """Index and new state of every card that differs, ascending."""
    for start in range(0, len(old), _COMPARE_BYTES):
        before, after = old[start : start + _COMPARE_BYTES], bytes(new.packed[start : start + _COMPARE_BYTES])
        if before == after:
            continue
        for offset, (was, now) in enumerate(zip(before, after, strict=True), start):
            for slot in range(4 if was != now else 0):
                index, state = offset << 2 | slot, now >> (2 * slot) & 3
                if state != was >> (2 * slot) & 3 and index < new.size:
                    yield index, state
