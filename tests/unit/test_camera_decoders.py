"""Codes out of pictures: what is read, what is refused, and that two decoders read at least what each reads alone."""

import random
import struct
import sys
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image

from drivers.errors import DecoderMissingError, PictureError, PictureTooLargeError
from drivers.transport import camera
from drivers.transport.camera import Luma, Symbol, Symbology, decode_frame, decode_still, luma_of
from edge.classify import classify
from edge.verdict import Carrier
from tests.bench.camera import DECODERS, shown_frames
from tests.support.degrade import degraded
from tests.support.pictures import jpeg, on_paper, png, qr_picture, symbol_picture, without_tables

TEXT = "EHC1:6BF-SHOWN*ONCE"
GS1 = "(01)06901234567892(17)261231(10)ABC123(21)XYZ"
ELEMENTS = b"01069012345678921726123110ABC123\x1d21XYZ"


def luma(picture: Image.Image) -> Luma:
    """A picture as a camera's frame."""
    return Luma(pixels=picture.tobytes(), width=picture.width, height=picture.height)


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it has this size, and has no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("symbology", "text"),
    [
        (Symbology.QR, TEXT),
        (Symbology.DATA_MATRIX, TEXT),
        (Symbology.CODE_128, "81234567890123456789"),
        (Symbology.EAN_13, "6901234567892"),
        (Symbology.EAN_8, "12345670"),
    ],
)
def test_each_kind_of_code_is_read(symbology: Symbology, text: str) -> None:
    """From a frame in memory, a JPEG and a PNG alike."""
    picture = symbol_picture(text, symbology=symbology)
    expected = [Symbol(symbology=symbology, data=text.encode())]

    assert decode_frame(luma(picture)) == expected
    assert decode_still(jpeg(picture)) == expected
    assert decode_still(png(picture)) == expected


@pytest.mark.parametrize(
    ("symbology", "aim"), [(Symbology.QR, b"]Q3"), (Symbology.DATA_MATRIX, b"]d2"), (Symbology.CODE_128, b"]C1")]
)
def test_gs1_is_said_as_a_scanner_says_it(symbology: Symbology, aim: bytes) -> None:
    """A code that is GS1 has its AIM prefix before it and GS between its fields, so that it is known as such."""
    (symbol,) = decode_frame(luma(symbol_picture(GS1, symbology=symbology, is_gs1=True)))

    assert symbol.payload == aim + ELEMENTS
    assert classify(symbol.payload.decode()).carrier is Carrier.GS1


@pytest.mark.parametrize("data", [bytes(range(256)), "张三 13号".encode("gb18030"), b"\x00\xff"])
def test_bytes_are_what_was_encoded(data: bytes) -> None:
    """Whatever the bytes are, none is added, lost or taken for text."""
    assert decode_still(png(qr_picture(data))) == [Symbol(symbology=Symbology.QR, data=data)]


def test_several_codes_are_read_and_each_once() -> None:
    """A sheet with two codes, one of them printed twice, holds two."""
    sheet = Image.new("L", (900, 300), 255)
    for place, text in enumerate((TEXT, "EHC1:OTHER", TEXT)):
        sheet.paste(qr_picture(text), (300 * place + 50, 50))

    assert {symbol.data for symbol in decode_still(png(sheet))} == {TEXT.encode(), b"EHC1:OTHER"}
    assert len(decode_still(png(sheet))) == 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_read(mode: str) -> None:
    """Two colours, grey, with a palette, with colours, 16 bits deep."""
    picture = qr_picture(TEXT)
    if mode == "I;16":
        deep = b"".join(struct.pack("<H", 257 * level) for level in picture.tobytes())
        picture = Image.frombytes("I;16", picture.size, deep)
    else:
        picture = picture.convert(mode)

    assert [symbol.data for symbol in decode_still(png(picture))] == [TEXT.encode()]


def test_what_is_transparent_is_paper() -> None:
    """A code drawn in black on nothing is read."""
    code = qr_picture(TEXT)
    picture = Image.new("LA", code.size, (0, 255))
    picture.putalpha(code.point(lambda level: 255 - level))

    assert [symbol.data for symbol in decode_still(png(picture))] == [TEXT.encode()]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("is_progressive", [False, True])
def test_every_kind_of_jpeg_is_read(mode: str, is_progressive: bool) -> None:
    """Grey, in colours, for print, in one scan or ten."""
    picture = jpeg(qr_picture(TEXT).convert(mode), progressive=is_progressive)

    assert [symbol.data for symbol in decode_still(picture)] == [TEXT.encode()]


def test_a_frame_without_huffman_tables_is_read() -> None:
    """Many cameras leave them out of MJPG, where they are always the same."""
    assert [symbol.data for symbol in decode_still(without_tables(jpeg(qr_picture(TEXT))))] == [TEXT.encode()]


def test_damage_beside_the_pixels_does_not_matter() -> None:
    """A picture whose notes are cut off is read, without a warning."""
    notes = b"\xff\xe1\x00\x14Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x03\x01\x0e"
    picture = jpeg(qr_picture(TEXT))

    assert [symbol.data for symbol in decode_still(picture[:2] + notes + picture[20:])] == [TEXT.encode()]


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"GIF89a" + bytes(100),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        jpeg(qr_picture(TEXT))[:-200],
        png(qr_picture(TEXT))[:-30],
        png_of(50, 50),
        png_of(0, 0),
        b"\x89PNG\r\n\x1a\n" + bytes(50),
    ],
)
def test_a_broken_picture_is_refused(picture: bytes) -> None:
    """Cut off, empty, of another kind or nothing at all: one error for all."""
    with pytest.raises(PictureError):
        decode_still(picture)


@pytest.mark.parametrize(
    "picture",
    [
        png_of(4_001, 4_000),
        png_of(65_000, 65_000),
        b"\xff\xd8\xff" + bytes(camera.PICTURE_BYTES_MAX),
        jpeg(qr_picture(TEXT), progressive=True) + b"\xff\xda" * camera.SCANS_MAX,
    ],
    ids=["16 MP", "4 GP", "bytes", "scans"],
)
def test_a_picture_that_is_too_large_is_refused_unpacked(picture: bytes) -> None:
    """What would take gigabytes or minutes is known by its head."""
    with pytest.raises(PictureTooLargeError):
        decode_still(picture)


@pytest.mark.parametrize(("mode", "width"), [("L", 8_001), ("RGB", 8_001), ("CMYK", 3_201)])
def test_a_jpeg_of_too_many_pixels_is_refused(mode: str, width: int) -> None:
    """The size of a JPEG is known before its scan; one in four colours takes more room."""
    picture = bytearray(jpeg(qr_picture(TEXT).convert(mode)))
    size_at = picture.index(b"\xff\xc0") + 5
    picture[size_at : size_at + 4] = struct.pack(">HH", 5_000, width)

    with pytest.raises(PictureTooLargeError):
        luma_of(bytes(picture))


def test_broken_pictures_raise_nothing_else(rng: random.Random) -> None:
    """Pictures with bytes changed, cut out or doubled: codes or the one error."""
    good = [jpeg(qr_picture(TEXT)), jpeg(qr_picture(TEXT), progressive=True), png(qr_picture(TEXT).convert("RGBA"))]
    refused = 0

    for _ in range(600):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            data[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        try:
            decode_still(bytes(data))
        except PictureError:
            refused += 1

    assert 0 < refused < 600


def test_a_code_longer_than_a_reading_is_none() -> None:
    """Nothing goes up that no reading holds."""
    assert decode_frame(luma(qr_picture("7" * 5_000, module_px=3))) == []


def test_a_picture_without_a_code_is_none() -> None:
    """Every way is tried and nothing comes of it."""
    assert decode_still(png(Image.new("L", (64, 64), 128))) == []


def faint() -> bytes:
    """A picture that pyzbar reads and zxing-cpp does not."""
    code = qr_picture(TEXT).point([100 + level // 16 for level in range(256)])
    return png(on_paper(code, size=(300, 300), paper=115))


def test_pyzbar_is_the_second_opinion() -> None:
    """What zxing-cpp does not find is read by the other."""
    seen = luma_of(faint())

    assert camera.read_with_zxing(seen) == []
    assert (
        camera.read_with_pyzbar(seen) == decode_still(faint()) == [Symbol(symbology=Symbology.QR, data=TEXT.encode())]
    )


def test_of_pyzbar_only_ascii_is_taken() -> None:
    """It alters other bytes, so they are as good as not read."""
    seen = luma(qr_picture(b"\x80\xff\x00"))

    assert camera.read_with_zxing(seen)[0].data == b"\x80\xff\x00"
    assert camera.read_with_pyzbar(seen) == []


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Libraries can be taken away, and are there again afterwards."""
    camera._zxing.cache_clear()
    camera._pyzbar.cache_clear()
    yield monkeypatch
    camera._zxing.cache_clear()
    camera._pyzbar.cache_clear()


def test_without_pyzbar_there_is_no_second_opinion(without: pytest.MonkeyPatch) -> None:
    """What needs it may be missing; then the smoothed picture is what is left."""
    without.setitem(sys.modules, "pyzbar", None)

    assert camera.read_with_pyzbar(luma_of(faint())) == []
    assert [symbol.data for symbol in decode_still(faint())] == [TEXT.encode()]


@pytest.mark.parametrize("name", ["zxingcpp", "PIL.JpegImagePlugin"])
def test_without_the_extra_pictures_are_not_read(without: pytest.MonkeyPatch, name: str) -> None:
    """The error says that the libraries are missing, whichever it is."""
    picture = jpeg(qr_picture(TEXT))
    without.setitem(sys.modules, name, None)

    with pytest.raises(DecoderMissingError):
        decode_still(picture)


def test_a_frame_is_not_smoothed_without_pillow(without: pytest.MonkeyPatch) -> None:
    """The last resort says, too, that its library is missing."""
    without.setitem(sys.modules, "PIL", None)

    with pytest.raises(DecoderMissingError):
        camera.read_still(Luma(pixels=bytes(100), width=10, height=10))


def test_it_is_known_whether_pictures_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without importing anything."""
    assert camera.is_installed()

    monkeypatch.setattr(camera, "find_spec", lambda name: None)

    assert not camera.is_installed()


def test_bad_pictures_are_the_same_again() -> None:
    """One seed, one set of pictures: a figure can be had again."""
    sets = [[each.picture.tobytes() for each in degraded(qr_picture(TEXT), rng=random.Random(7))] for _ in range(2)]

    assert sets[0] == sets[1]
    assert len(set(sets[0])) == len(sets[0])


def test_of_bad_pictures_at_least_those_are_read_that_either_decoder_reads() -> None:
    """Ours reads each picture that one of the two reads alone, and reads nothing that was not shown."""
    read = dict.fromkeys(DECODERS, 0)

    for shown in shown_frames(random.Random(11), samples=1):
        texts = {name: decode(shown.luma) for name, decode in DECODERS.items()}
        assert all(text == shown.text for found in texts.values() for text in found)
        assert texts["still"] or not (texts["zxing"] or texts["pyzbar"])
        assert texts["live"] == texts["zxing"]
        for name, found in texts.items():
            read[name] += bool(found)

    assert read["still"] > max(read["zxing"], read["pyzbar"]) > 0
