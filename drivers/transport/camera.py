"""The one door to what reads codes out of pictures: zxing-cpp, pyzbar as a second opinion, Pillow for JPEG and PNG.

All three come with the extra ``camera`` and are imported only when the first picture comes: a box without a camera pays
nothing for them. Every function here blocks and belongs into a thread; the libraries let go of the interpreter while
they work. Nothing of a picture is kept, written or logged.

pyzbar takes bytes for text and alters those beyond ASCII, in ways that depend on the content, and does not say whether
a code is GS1. So of it only ASCII is taken; what else it reads is as good as not read. It reads no Data Matrix.
"""

import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from drivers.errors import DecoderMissingError, PictureError, PictureTooLargeError

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE_BYTES_MAX = 8 * 1024 * 1024
"""A telephone's photograph of 12 megapixels has 3 to 6 MB."""

JPEG_PIXELS_MAX = 40_000_000
"""Of a JPEG only the brightness is unpacked: 285 MB at the very most (progressive), of the 512 MB of the service."""

COLOUR_PIXELS_MAX = 16_000_000
"""Of a PNG, and of a JPEG for print, all colours are: 185 MB. A telephone's screen has a third of it."""

SCANS_MAX = 64
"""Of a JPEG: a progressive one has about 10 (ISO/IEC 10918-1 G); each costs a walk over all pixels."""

PAYLOAD_BYTES_MAX = 4096
"""What a `Reading` holds; no carrier is as long."""

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"  # ISO/IEC 10918-1 B.1.1.3; PNG 1.2, 3.1
_SCAN = re.compile(rb"\xff\xda")  # ISO/IEC 10918-1 table B.1: start of scan
# What Pillow raises for a broken picture is written nowhere: a million of them raised the first three, and its own
# opening of files expects the rest.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


class Symbology(StrEnum):
    """The kinds of code that are looked for."""

    QR = "qr"
    DATA_MATRIX = "data_matrix"
    CODE_128 = "code_128"
    EAN_13 = "ean_13"  # UPC-A too, with a zero before it
    EAN_8 = "ean_8"


# ISO/IEC 15424: what a scanner sends before a code that is GS1.
_AIM_OF_GS1 = {Symbology.QR: b"]Q3", Symbology.DATA_MATRIX: b"]d2", Symbology.CODE_128: b"]C1"}


_PYZBAR_SYMBOLOGIES = {
    "QRCODE": Symbology.QR,
    "CODE128": Symbology.CODE_128,
    "EAN13": Symbology.EAN_13,
    "EAN8": Symbology.EAN_8,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """One code that was read.

    Attributes:
        symbology: Its kind.
        data: The bytes in it, GS (0x1D) between the fields of GS1; never shown by ``repr``: they may name a person.
        is_gs1: Whether the code itself says that it is GS1; pyzbar cannot tell, then False.
    """

    symbology: Symbology
    data: bytes = field(repr=False)
    is_gs1: bool = False

    @property
    def payload(self) -> bytes:
        """What a code scanner would send: the AIM prefix before what is GS1, then the bytes."""
        return _AIM_OF_GS1[self.symbology] + self.data if self.is_gs1 else self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Luma:
    """The brightness of a picture.

    Attributes:
        pixels: One byte a pixel, line after line.
        width: Pixels in a line.
        height: Lines.
    """

    pixels: bytes = field(repr=False)
    width: int
    height: int


def is_installed() -> bool:
    """Whether pictures can be read here: zxing-cpp and Pillow are there. Nothing is imported."""
    return find_spec("zxingcpp") is not None and find_spec("PIL") is not None


def decode_frame(luma: Luma) -> list[Symbol]:
    """Read the codes in a frame of a live camera; the next frame is the second opinion.

    Raises:
        DecoderMissingError: zxing-cpp is not installed.
    """
    return read_with_zxing(luma)


def decode_still(picture: bytes) -> list[Symbol]:
    """Read the codes in a photograph.

    Args:
        picture: A whole JPEG or PNG.

    Raises:
        PictureTooLargeError: It has too many bytes, pixels or scans.
        PictureError: It is broken, or neither.
        DecoderMissingError: zxing-cpp or Pillow is not installed.
    """
    return read_still(luma_of(picture))


def read_still(luma: Luma) -> list[Symbol]:
    """Read the codes in a picture that is unpacked: zxing-cpp first, and pyzbar where that finds nothing.

    Where both find nothing, zxing-cpp again, with the grain smoothed out and the contrast stretched: that reads five of
    a hundred bad pictures more (docs/benchmarks.md). Of several codes one that only pyzbar would read stays unread.

    Raises:
        DecoderMissingError: zxing-cpp or Pillow is not installed.
    """
    return read_with_zxing(luma) or read_with_pyzbar(luma) or read_with_zxing(_evened(luma))


def luma_of(picture: bytes) -> Luma:
    """Unpack a JPEG or PNG to its brightness, what is transparent as white.

    Raises:
        PictureTooLargeError: It has too many bytes, pixels or scans; nothing was unpacked.
        PictureError: It is broken, or neither.
        DecoderMissingError: Pillow is not installed.
    """
    if len(picture) > PICTURE_BYTES_MAX or len(_SCAN.findall(picture)) > SCANS_MAX:
        raise PictureTooLargeError
    try:
        with _opened(picture) as image:
            is_plain = image.format == "JPEG" and image.mode in ("L", "RGB")
            if image.width * image.height > (JPEG_PIXELS_MAX if is_plain else COLOUR_PIXELS_MAX):
                raise PictureTooLargeError
            image.draft("L", image.size)  # of a JPEG in colour, unpack the brightness alone
            grey = _grey(image)
            return Luma(pixels=grey.tobytes(), width=grey.width, height=grey.height)
    except _PILLOW_ERRORS as exc:
        raise PictureError from exc


def read_with_zxing(luma: Luma) -> list[Symbol]:
    """Read the codes with zxing-cpp alone.

    Raises:
        DecoderMissingError: It is not installed.
    """
    zxing, symbologies = _zxing()
    pixels = memoryview(luma.pixels).cast("B", (luma.height, luma.width))
    found = zxing.read_barcodes(pixels, formats=list(symbologies))
    return _usable(
        [
            Symbol(
                symbology=symbologies[each.format],
                data=each.bytes,
                is_gs1=each.content_type == zxing.ContentType.GS1 and symbologies[each.format] in _AIM_OF_GS1,
            )
            for each in found
            if each.format in symbologies
        ]
    )


def read_with_pyzbar(luma: Luma) -> list[Symbol]:
    """Read the codes with pyzbar alone; nothing where it, or the library zbar that it needs, is not installed."""
    pyzbar = _pyzbar()
    if pyzbar is None:
        return []
    found = pyzbar.decode(
        (luma.pixels, luma.width, luma.height), symbols=[pyzbar.ZBarSymbol[name] for name in _PYZBAR_SYMBOLOGIES]
    )
    return _usable(
        [
            Symbol(symbology=_PYZBAR_SYMBOLOGIES[each.type], data=each.data)
            for each in found
            if each.type in _PYZBAR_SYMBOLOGIES and each.data.isascii()
        ]
    )


def _usable(symbols: list[Symbol]) -> list[Symbol]:
    """Each code once, without those that no `Reading` holds."""
    return [symbol for symbol in dict.fromkeys(symbols) if 1 <= len(symbol.payload) <= PAYLOAD_BYTES_MAX]


def _opened(picture: bytes) -> "Image":
    """Read the head of a picture. Not by PIL.Image.open: that tries other formats and has limits of its own."""
    try:
        from PIL.JpegImagePlugin import JpegImageFile
        from PIL.PngImagePlugin import PngImageFile
    except ImportError as exc:
        raise DecoderMissingError from exc
    # Pillow warns of damage in notes beside the pixels, such as EXIF, which nobody reads here.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    if picture.startswith(_JPEG):
        return JpegImageFile(io.BytesIO(picture))
    if picture.startswith(_PNG):
        return PngImageFile(io.BytesIO(picture))
    raise PictureError


def _evened(luma: Luma) -> Luma:
    """The mean of each pixel and its neighbours, from black to white but for the hundredth part at either end."""
    try:
        from PIL import Image, ImageFilter, ImageOps
    except ImportError as exc:
        raise DecoderMissingError from exc
    image = Image.frombytes("L", (luma.width, luma.height), luma.pixels).filter(ImageFilter.BoxBlur(1))
    return Luma(pixels=ImageOps.autocontrast(image, cutoff=1).tobytes(), width=luma.width, height=luma.height)


def _grey(image: "Image") -> "Image":
    """One byte a pixel; unpacks the picture."""
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off instead of scaling
        return image.point(lambda value: value * (1 / 256)).convert("L")
    if "A" not in image.mode and "transparency" not in image.info:
        return image.convert("L")
    from PIL.Image import new

    shown = image.convert("RGBA")
    grey = new("L", image.size, 255)
    grey.paste(shown.convert("L"), mask=shown.getchannel("A"))
    return grey


@cache
def _zxing() -> tuple[ModuleType, dict[Any, Symbology]]:
    try:
        import zxingcpp
    except ImportError as exc:
        raise DecoderMissingError from exc
    formats = zxingcpp.BarcodeFormat
    return zxingcpp, {
        formats.QRCode: Symbology.QR,
        formats.DataMatrix: Symbology.DATA_MATRIX,
        formats.Code128: Symbology.CODE_128,
        formats.EAN13: Symbology.EAN_13,
        formats.EAN8: Symbology.EAN_8,
    }


@cache
def _pyzbar() -> Any:
    """The module, None without it: to find the library zbar it runs another program, once."""
    try:
        from pyzbar import pyzbar
    except ImportError:
        return None
    return pyzbar
