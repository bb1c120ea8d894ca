"""JPEG pictures cut out of a stream of bytes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing.mjpeg import JpegFramer
from tests.support.pictures import avi, jpeg, qr_picture, without_tables

FRAMES = [jpeg(qr_picture(text, module_px=1), quality=20) for text in ("EHC1:A", "EHC1:B", "EHC1:C")]
PROGRESSIVE = jpeg(qr_picture("EHC1:A", module_px=2), progressive=True)
THUMBNAIL = FRAMES[0][:2] + b"\xff\xe1" + (2 + len(FRAMES[1])).to_bytes(2) + FRAMES[1] + FRAMES[0][2:]
BEGIN, END = b"\xff\xd8\xff\xe0\x00\x02", b"\xff\xd9"
SCAN = b"\xff\xda\x00\x02"


def fed(*chunks: bytes, picture_bytes_max: int = 100_000) -> tuple[list[bytes], int]:
    """The pictures in the chunks and how many were dropped."""
    framer = JpegFramer(picture_bytes_max=picture_bytes_max)
    pictures = [picture for chunk in chunks for picture in framer.feed(chunk)]
    return pictures, framer.dropped_count


@pytest.mark.parametrize("frame", [FRAMES[0], PROGRESSIVE, THUMBNAIL, without_tables(FRAMES[0])])
def test_a_picture_comes_out_as_it_went_in(frame: bytes) -> None:
    """One scan or ten, with a picture inside it or without its tables: the bytes between begin and end."""
    assert fed(frame) == ([frame], 0)


def test_an_avi_holds_its_frames() -> None:
    """The headers, padding and index of an AVI are no pictures and cost none."""
    assert fed(avi(FRAMES, width=29, height=29)) == (FRAMES, 0)


def test_a_multipart_stream_holds_its_frames() -> None:
    """What a web camera puts between its pictures is passed over."""
    head = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"

    assert fed(b"".join(head + frame + b"\r\n" for frame in FRAMES)) == (FRAMES, 0)


def test_a_stream_joined_late_is_read_from_its_next_picture() -> None:
    """The rest of a picture whose begin was missed is nothing."""
    assert fed(FRAMES[0][30:] + FRAMES[1]) == ([FRAMES[1]], 0)


def test_a_picture_that_breaks_off_costs_itself_alone() -> None:
    """Where a picture begins in the middle of another's scan, the first is dropped and the second read."""
    assert fed(FRAMES[0][:-40] + FRAMES[1]) == ([FRAMES[1]], 1)


@pytest.mark.parametrize(
    "rubbish",
    [
        BEGIN + b"\x00",  # no marker where one must be
        BEGIN + b"\xff\x01",  # a marker that nobody uses
        BEGIN + b"\xff\xd0",  # a restart outside a scan
        BEGIN + SCAN + b"\x12\xff\x02",
        b"\xff\xd8\xff\xe0\x00\x01",  # a segment shorter than its own length
        b"\xff\xd8" + b"\xff" * 200,  # fill bytes without end
        BEGIN + b"\xff\xe0\xff\xff",  # a segment longer than a picture may be
    ],
)
def test_what_begins_like_a_picture_and_is_none_is_dropped(rubbish: bytes) -> None:
    """It is counted, and the next picture is read."""
    small = BEGIN + SCAN + b"\x12" + END

    assert fed(rubbish + b"--" + small, picture_bytes_max=150) == ([small], 1)


def test_marks_within_a_scan_are_data() -> None:
    """A stuffed byte, a restart and fill bytes before a marker end no scan."""
    picture = BEGIN + SCAN + b"\x12\xff\x00\xff\xd3\x34\xff\xff" + SCAN + b"\x56" + END

    assert fed(picture) == ([picture], 0)


@pytest.mark.parametrize("size", [50, 51])
def test_a_picture_of_the_longest_size_is_read_and_a_longer_one_dropped(size: int) -> None:
    """The bound is exact, whether a scan or a segment goes beyond it."""
    scanned = BEGIN + SCAN + bytes(size - len(BEGIN + SCAN + END)) + END
    plain = b"\xff\xd8\xff\xe0" + (size - 6).to_bytes(2) + bytes(size - 8) + END

    for picture in (scanned, plain):
        assert len(picture) == size
        assert fed(picture, picture_bytes_max=50) == (([picture], 0) if size == 50 else ([], 1))


def test_an_endless_picture_is_not_held() -> None:
    """However much comes without an end, no more than a picture's bound is kept."""
    framer = JpegFramer(picture_bytes_max=1_000)

    framer.feed(BEGIN + SCAN)
    for _ in range(100):
        assert framer.feed(b"\x00" * 900) == []
        assert len(framer._pending) <= 1_900

    assert framer.dropped_count == 1


def test_half_a_picture_is_forgotten_on_reset() -> None:
    """After a loss the rest of another picture does not complete it; no picture under way is no loss."""
    framer = JpegFramer()

    framer.feed(FRAMES[0][:100])
    framer.reset()
    framer.reset()

    assert framer.feed(FRAMES[0][100:] + FRAMES[1]) == [FRAMES[1]]
    assert framer.dropped_count == 1


def test_a_picture_cut_at_every_byte_is_the_same_picture() -> None:
    """Two chunks, cut anywhere."""
    for at in range(len(FRAMES[0])):
        assert fed(FRAMES[0][:at], FRAMES[0][at:]) == ([FRAMES[0]], 0)


PIECES = st.sampled_from([*FRAMES, BEGIN, SCAN, END, b"\xff", b"\xd8", b"\xff\xd3", b"\xff\x00", THUMBNAIL, b"RIFF"])


@given(
    pieces=st.lists(PIECES | st.binary(max_size=40), max_size=12),
    cuts=st.lists(st.integers(min_value=0, max_value=4_000), max_size=20),
    picture_bytes_max=st.sampled_from([60, 900, 100_000]),
)
def test_any_cut_gives_the_same_pictures(pieces: list[bytes], cuts: list[int], picture_bytes_max: int) -> None:
    """Pictures and count depend on the stream alone."""
    stream = b"".join(pieces)
    ends = [*sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]

    assert fed(*chunks, picture_bytes_max=picture_bytes_max) == fed(stream, picture_bytes_max=picture_bytes_max)


def test_noise_between_pictures_is_survived(rng: random.Random) -> None:
    """100 kB of random bytes before, between and after pictures give back those pictures."""
    noise = rng.randbytes(100_000)

    pictures, _ = fed(noise + FRAMES[0] + noise + FRAMES[1] + noise)

    assert [picture for picture in pictures if picture in FRAMES] == FRAMES[:2]
