"""A scanner's eye: the text in a printed symbol, read from the picture that `ehc-city card issue --qr` wrote."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_symbol(picture: Path) -> str:
    """The text of the one QR symbol in a PNG, as zbar reads it."""
    from pyzbar import pyzbar

    pixels, width, height = grey_pixels(picture.read_bytes())
    (symbol,) = pyzbar.decode((pixels, width, height), symbols=[pyzbar.ZBarSymbol.QRCODE])
    text: str = symbol.data.decode("ascii")
    return text


def grey_pixels(png: bytes) -> tuple[bytes, int, int]:
    """One byte a pixel of a black and white PNG, its width and height (PNG 1.2, 3 and 6)."""
    assert png.startswith(_SIGNATURE)
    chunks: dict[bytes, bytes] = {}
    at = len(_SIGNATURE)
    while at < len(png):
        (length,), kind = struct.unpack_from(">I", png, at), png[at + 4 : at + 8]
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, depth, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert (depth, colour) == (1, 0), "one bit a pixel, grey"
    packed = zlib.decompress(chunks[b"IDAT"])
    stride = 1 + (width + 7) // 8
    rows = _unfiltered(packed[row * stride : (row + 1) * stride] for row in range(height))
    bits = (f"{int.from_bytes(row):0{8 * (stride - 1)}b}"[:width] for row in rows)
    return bytes(255 * (bit == "1") for row in bits for bit in row), width, height


def _unfiltered(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Undo the filters "none" and "up" (PNG 1.2, 6.2 and 6.4), the only ones that a symbol's even rows ask for."""
    above = b""
    for row in rows:
        assert row[0] in (0, 2), "filter none or up"
        above = row[1:] if row[0] == 0 else bytes((x + y) % 256 for x, y in zip(row[1:], above, strict=True))
        yield above
