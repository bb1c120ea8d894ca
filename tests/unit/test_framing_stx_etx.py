"""Codes between STX and ETX: any cut gives the same codes, nothing raises, half a code is never a code."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing.framer import FRAME_BYTES_MAX, IDLE_NS, Marks
from drivers.framing.stx_etx import StxEtxFramer, lrc_of

MAX = 12
STREAM = st.lists(
    st.sampled_from([b"\x02", b"\x03", b"\r\n", b"\0", b"A", b"code", b"<", b">", b"x" * 13, b"\x02code\x03"]),
    max_size=30,
).map(b"".join)
CUTS = st.lists(st.integers(min_value=0, max_value=1_000), max_size=20)


def fed(framer: StxEtxFramer, *chunks: bytes, now_ns: int = 0) -> list[bytes]:
    return [frame for chunk in chunks for frame in framer.feed(chunk, now_ns=now_ns)]


def framed(code: bytes) -> bytes:
    return b"\x02" + code + b"\x03"


def checked(code: bytes) -> bytes:
    return framed(code) + bytes((lrc_of(code),))


def test_a_code_stands_between_stx_and_etx() -> None:
    """What stands between the two is a code, what stands between the codes is not."""
    framer = StxEtxFramer()

    assert fed(framer, b"\0\x06" + framed(b"one") + b"\r\n" + framed(b"two")) == [b"one", b"two"]
    assert framer.dropped_count == 0


def test_the_check_byte_covers_the_code_and_etx() -> None:
    """The exclusive or of "1", "2" and ETX is 0x00, worked out by hand."""
    assert lrc_of(b"12") == 0x31 ^ 0x32 ^ 0x03 == 0x00
    assert lrc_of(b"") == 0x03


@given(
    stream=STREAM | st.lists(st.binary(max_size=MAX).map(checked), max_size=5).map(b"".join),
    cuts=CUTS,
    has_lrc=st.booleans(),
)
def test_any_cut_gives_the_same_codes(stream: bytes, cuts: list[int], has_lrc: bool) -> None:
    """Where the stream is cut into reads changes neither the codes nor what is counted as dropped."""
    marks = Marks(prefix=b"<", suffix=b">")
    whole = StxEtxFramer(has_lrc=has_lrc, marks=marks, frame_bytes_max=MAX)
    pieces = StxEtxFramer(has_lrc=has_lrc, marks=marks, frame_bytes_max=MAX)
    edges = [0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]

    assert fed(pieces, *(stream[start:end] for start, end in pairwise(edges))) == fed(whole, stream)
    assert pieces.dropped_count == whole.dropped_count
    assert pieces.next_deadline_ns == whole.next_deadline_ns


@given(
    codes=st.lists(st.text("0Aé电\x1d\r :", min_size=1, max_size=20).map(str.encode), max_size=5), has_lrc=st.booleans()
)
def test_byte_by_byte_gives_the_codes_that_were_sent(codes: list[bytes], has_lrc: bool) -> None:
    """Every code without STX and ETX comes out exactly as it was sent."""
    codes = [code for code in codes if code.strip(b"\r\n\0")]
    stream = b"".join((checked if has_lrc else framed)(code) for code in codes)

    assert fed(StxEtxFramer(has_lrc=has_lrc), *(bytes([byte]) for byte in stream)) == codes


def test_a_wrong_check_byte_drops_the_code() -> None:
    """A code that was damaged on the way is no code, and the next is read."""
    framer = StxEtxFramer(has_lrc=True)

    assert fed(framer, framed(b"one") + b"\x55" + checked(b"two")) == [b"two"]
    assert framer.damaged_count == framer.dropped_count == 1


def test_a_scanner_without_check_byte_is_seen_in_the_count() -> None:
    """Where the next frame begins in the place of the check byte, both are judged, and none is taken."""
    framer = StxEtxFramer(has_lrc=True)

    assert fed(framer, framed(b"one") + framed(b"two") + b"\r") == []
    assert framer.damaged_count == 2


def test_a_lost_end_costs_one_code() -> None:
    """An STX inside a frame begins a new one."""
    framer = StxEtxFramer()

    assert fed(framer, b"\x02ha" + framed(b"next")) == [b"next"]
    assert framer.unfinished_count == framer.dropped_count == 1


def test_text_outside_of_frames_is_counted_once_a_run() -> None:
    """A scanner that sends no STX makes the count grow with each code, and nothing is read."""
    framer = StxEtxFramer()

    assert fed(framer, b"one", b"\r\n") == []
    assert framer.next_deadline_ns == IDLE_NS
    assert framer.feed(b"two\r\n", now_ns=IDLE_NS) == []
    assert framer.stray_count == framer.dropped_count == 2


def test_a_longest_code_passes_and_a_longer_is_dropped_whole() -> None:
    """4096 bytes are a code; one more is none, no part of it becomes one, and it is counted once."""
    framer = StxEtxFramer()

    assert fed(framer, framed(b"x" * FRAME_BYTES_MAX)) == [b"x" * FRAME_BYTES_MAX]
    assert fed(framer, framed(b"x" * (FRAME_BYTES_MAX + 9)) + framed(b"next")) == [b"next"]
    assert framer.overlong_count == framer.dropped_count == 1


@pytest.mark.parametrize("half", [b"\x02half", b"\x02", b"\x02half\x03"])
def test_half_a_code_does_not_stick_to_the_next(half: bytes) -> None:
    """A frame whose end, or check byte, never came is dropped and counted after a pause, and by a reset."""
    silent, lost = StxEtxFramer(has_lrc=True), StxEtxFramer(has_lrc=True)
    for framer in (silent, lost):
        framer.feed(half, now_ns=0)

    assert silent.poll(IDLE_NS - 1) == silent.poll(IDLE_NS) == []
    lost.reset()

    for framer in (silent, lost):
        assert framer.next_deadline_ns is None
        assert framer.feed(checked(b"next"), now_ns=IDLE_NS + 1) == [b"next"]
        assert framer.unfinished_count == 1


def test_late_bytes_prove_no_silence() -> None:
    """Bytes that may have waited unread belong to the frame before them; without a mark there is a silence."""
    late, silent = StxEtxFramer(), StxEtxFramer()
    for framer in (late, silent):
        framer.feed(b"\x02on", now_ns=0)

    assert late.feed(b"e\x03", now_ns=2 * IDLE_NS, is_late=True) == [b"one"]
    assert silent.feed(b"e\x03", now_ns=2 * IDLE_NS) == []
    assert silent.feed(b"", now_ns=4 * IDLE_NS) == []


@pytest.mark.parametrize(("content", "code"), [(b"<code>", b"code"), (b"code", b"code"), (b"<>", None), (b"\0", None)])
def test_marks_are_taken_off_and_nothing_is_no_code(content: bytes, code: bytes | None) -> None:
    """What the scanner was set up to add is not part of the code."""
    framer = StxEtxFramer(marks=Marks(prefix=b"<", suffix=b">"))

    assert fed(framer, framed(content)) == ([code] if code else [])


@given(
    steps=st.lists(st.tuples(st.binary(max_size=40), st.integers(min_value=0, max_value=2 * IDLE_NS)), max_size=20),
    has_lrc=st.booleans(),
)
def test_garbage_never_raises_and_stays_within_bounds(steps: list[tuple[bytes, int]], has_lrc: bool) -> None:
    """Any bytes at any times give frames of 1 to the longest length, and a deadline only while something is pending."""
    framer, now_ns = StxEtxFramer(has_lrc=has_lrc, frame_bytes_max=MAX), 0
    for data, pause_ns in steps:
        now_ns += pause_ns
        assert all(1 <= len(frame) <= MAX for frame in framer.feed(data, now_ns=now_ns))
        deadline_ns = framer.next_deadline_ns
        assert deadline_ns is None or deadline_ns > now_ns
    framer.poll(now_ns + 2 * IDLE_NS)
    assert framer.next_deadline_ns is None
