"""Codes as pictures, and pictures as a camera stores them: JPEG, PNG, MJPG AVI."""

import io
import struct

import segno
import zxingcpp
from PIL import Image

from drivers.transport.camera import Symbology

_FORMATS = {
    Symbology.DATA_MATRIX: zxingcpp.BarcodeFormat.DataMatrix,
    Symbology.CODE_128: zxingcpp.BarcodeFormat.Code128,
    Symbology.EAN_13: zxingcpp.BarcodeFormat.EAN13,
    Symbology.EAN_8: zxingcpp.BarcodeFormat.EAN8,
    Symbology.QR: zxingcpp.BarcodeFormat.QRCode,
}


def qr_picture(content: str | bytes, *, module_px: int = 4) -> Image.Image:
    """A QR code of level M with its quiet zone, one byte a pixel, as the city prints them."""
    png = io.BytesIO()
    segno.make_qr(content, error="m", boost_error=False).save(png, kind="png", scale=module_px, border=4)
    return Image.open(png).convert("L")


def symbol_picture(
    content: str | bytes, *, symbology: Symbology, module_px: int = 4, is_gs1: bool = False
) -> Image.Image:
    """A code of any kind with its quiet zone, as zxing-cpp writes it."""
    options = {"gs1": True} if is_gs1 else {}
    symbol = zxingcpp.create_barcode(content, _FORMATS[symbology], **options)
    view = memoryview(zxingcpp.write_barcode_to_image(symbol, scale=module_px))
    height, width = view.shape
    bare = Image.frombytes("L", (width, height), bytes(view))
    return on_paper(bare, size=(width + 8 * module_px, height + 8 * module_px), paper=255)


def on_paper(picture: Image.Image, *, size: tuple[int, int], paper: int = 200) -> Image.Image:
    """The picture in the middle of a sheet of this size and grey."""
    sheet = Image.new("L", size, paper)
    sheet.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
    return sheet


def jpeg(picture: Image.Image, *, quality: int = 75, progressive: bool = False) -> bytes:
    """The picture as a JPEG."""
    return _saved(picture, "JPEG", quality=quality, progressive=progressive)


def png(picture: Image.Image) -> bytes:
    """The picture as a PNG."""
    return _saved(picture, "PNG")


def without_tables(picture: bytes) -> bytes:
    """A JPEG without its Huffman tables, as many cameras leave them out of each frame of MJPG."""
    kept, at = bytearray(picture[:2]), 2
    while picture[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(picture[at + 2 : at + 4])
        kept += picture[at:end] if picture[at + 1] != 0xC4 else b""
        at = end
    return bytes(kept + picture[at:])


def avi(frames: list[bytes], *, width: int, height: int, fps: int = 10) -> bytes:
    """An AVI file of MJPG frames: RIFF with headers, frames and an index, as video4linux programs record it."""
    main = struct.pack("<14I", 1_000_000 // fps, 0, 0, 0x10, len(frames), 0, 1, 1 << 20, width, height, 0, 0, 0, 0)
    stream = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"vids", b"MJPG", 0, 0, 0, 0, 1, fps, 0, len(frames), 1 << 20, 0, 0, 0, 0, width, height
    )
    pixels = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 3 * width * height, 0, 0, 0, 0)
    streams = _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", pixels))
    movie, index = b"", b""
    for frame in frames:
        index += struct.pack("<4sIII", b"00dc", 0x10, 4 + len(movie), len(frame))
        movie += _chunk(b"00dc", frame)
    body = _list(b"hdrl", _chunk(b"avih", main) + streams) + _list(b"movi", movie) + _chunk(b"idx1", index)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"AVI " + body


def _list(kind: bytes, body: bytes) -> bytes:
    return _chunk(b"LIST", kind + body)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
