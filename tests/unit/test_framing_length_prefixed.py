"""Codes behind their length: any cut gives the same codes, and a wrong length costs one burst, never the stream."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing.framer import FRAME_BYTES_MAX, GAP_NS, Marks
from drivers.framing.length_prefixed import ByteOrder, LengthBytes, LengthFramer

MAX = 12
KINDS: list[tuple[LengthBytes, ByteOrder]] = [(1, "big"), (2, "big"), (2, "little")]
CUTS = st.lists(st.integers(min_value=0, max_value=1_000), max_size=20)


def fed(framer: LengthFramer, *chunks: bytes, now_ns: int = 0) -> list[bytes]:
    return [frame for chunk in chunks for frame in framer.feed(chunk, now_ns=now_ns)]


def framed(code: bytes, length_bytes: LengthBytes = 1, byte_order: ByteOrder = "big") -> bytes:
    return len(code).to_bytes(length_bytes, byte_order) + code


@pytest.mark.parametrize(
    ("length_bytes", "byte_order", "stream"),
    [(1, "big", b"\x03one"), (2, "big", b"\x00\x03one"), (2, "little", b"\x03\x00one")],
)
def test_the_number_says_how_long_the_code_is(length_bytes: LengthBytes, byte_order: ByteOrder, stream: bytes) -> None:
    """One byte, or two in either order."""
    framer = LengthFramer(length_bytes=length_bytes, byte_order=byte_order)

    assert fed(framer, stream + stream) == [b"one", b"one"]
    assert framer.next_deadline_ns is None


@given(kind=st.sampled_from(KINDS), codes=st.lists(st.binary(min_size=1, max_size=20), max_size=6), cuts=CUTS)
def test_any_cut_gives_the_codes_that_were_sent(
    kind: tuple[LengthBytes, ByteOrder], codes: list[bytes], cuts: list[int]
) -> None:
    """Every code comes out as it was sent, whatever its bytes, except one of nothing but NUL, CR and LF."""
    stream = b"".join(framed(code, *kind) for code in codes)
    edges = [0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]
    framer = LengthFramer(length_bytes=kind[0], byte_order=kind[1])

    received = fed(framer, *(stream[start:end] for start, end in pairwise(edges)))

    assert received == [code for code in codes if code.strip(b"\r\n\0")]
    assert framer.dropped_count == 0


@given(kind=st.sampled_from(KINDS), stream=st.binary(max_size=80), cuts=CUTS)
def test_any_cut_of_garbage_gives_the_same(kind: tuple[LengthBytes, ByteOrder], stream: bytes, cuts: list[int]) -> None:
    """Where the stream is cut into reads changes neither the codes nor what is counted as dropped."""
    whole = LengthFramer(length_bytes=kind[0], byte_order=kind[1], frame_bytes_max=MAX)
    pieces = LengthFramer(length_bytes=kind[0], byte_order=kind[1], frame_bytes_max=MAX)
    edges = [0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]

    assert fed(pieces, *(stream[start:end] for start, end in pairwise(edges))) == fed(whole, stream)
    assert pieces.dropped_count == whole.dropped_count
    assert pieces.next_deadline_ns == whole.next_deadline_ns


def test_a_wrong_length_does_not_swallow_the_next_code() -> None:
    """After a gap the next byte is a number again, though more was announced."""
    framer = LengthFramer()

    assert framer.feed(b"\x80only this", now_ns=0) == []
    assert framer.next_deadline_ns == GAP_NS
    assert framer.feed(framed(b"next"), now_ns=GAP_NS) == [b"next"]
    assert framer.unfinished_count == framer.dropped_count == 1


def test_a_number_above_the_limit_drops_all_up_to_a_gap() -> None:
    """Nobody can say where the next frame begins before the line was silent; it is counted once."""
    framer = LengthFramer(length_bytes=2)

    assert framer.feed(framed(b"one", 2) + b"\x10\x01x" + framed(b"two", 2), now_ns=0) == [b"one"]
    assert framer.feed(framed(b"two", 2), now_ns=GAP_NS - 1) == []
    assert framer.next_deadline_ns == 2 * GAP_NS - 1
    assert framer.poll(2 * GAP_NS - 2) == framer.poll(2 * GAP_NS - 1) == []
    assert framer.feed(framed(b"next", 2), now_ns=2 * GAP_NS) == [b"next"]
    assert framer.overlong_count == framer.dropped_count == 1


def test_a_longest_code_passes() -> None:
    """4096 bytes are a code."""
    framer = LengthFramer(length_bytes=2)

    assert fed(framer, framed(b"x" * FRAME_BYTES_MAX, 2)) == [b"x" * FRAME_BYTES_MAX]
    assert framer.dropped_count == 0


def test_reset_forgets_half_a_code() -> None:
    """What an unplugged reader left behind is gone and counted; nothing is not counted."""
    framer = LengthFramer()
    framer.feed(b"\x09half", now_ns=0)

    framer.reset()
    framer.reset()

    assert framer.next_deadline_ns is None
    assert framer.feed(framed(b"next"), now_ns=1) == [b"next"]
    assert framer.unfinished_count == 1


def test_late_bytes_prove_no_silence() -> None:
    """Bytes that may have waited unread belong to the frame before them; nothing is no byte."""
    framer = LengthFramer()
    framer.feed(b"\x03on", now_ns=0)

    assert framer.feed(b"e", now_ns=5 * GAP_NS, is_late=True) == [b"one"]
    assert framer.feed(b"", now_ns=6 * GAP_NS) == []


def test_an_answer_to_a_command_costs_no_code() -> None:
    """Alone on the line it is dropped by the gap, uncounted; inside a frame it is taken off; nothing is no code."""
    framer = LengthFramer(marks=Marks(ack=b"\x06", prefix=b"<", suffix=b">"))

    assert framer.feed(b"\x06", now_ns=0) == []
    assert framer.feed(framed(b"\x06") + framed(b"\x06<code>"), now_ns=GAP_NS) == [b"code"]
    assert framer.dropped_count == 0


@given(
    kind=st.sampled_from(KINDS),
    steps=st.lists(st.tuples(st.binary(max_size=40), st.integers(min_value=0, max_value=2 * GAP_NS)), max_size=20),
)
def test_garbage_never_raises_and_stays_within_bounds(
    kind: tuple[LengthBytes, ByteOrder], steps: list[tuple[bytes, int]]
) -> None:
    """Any bytes at any times give frames of 1 to the longest length, and a deadline only while something is pending."""
    framer, now_ns = LengthFramer(length_bytes=kind[0], byte_order=kind[1], frame_bytes_max=MAX), 0
    for data, pause_ns in steps:
        now_ns += pause_ns
        assert all(1 <= len(frame) <= MAX for frame in framer.feed(data, now_ns=now_ns))
        deadline_ns = framer.next_deadline_ns
        assert deadline_ns is None or deadline_ns > now_ns
    framer.poll(now_ns + 2 * GAP_NS)
    assert framer.next_deadline_ns is None
