"""Codes out of a stream: any cut gives the same codes, nothing raises, half a code is never a code."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing.framer import FRAME_BYTES_MAX, GAP_NS, IDLE_NS, Marks
from drivers.framing.line import LineFramer, Terminator

ENDS = {Terminator.AUTO: b"\r\n", Terminator.CR: b"\r", Terminator.LF: b"\n", Terminator.CRLF: b"\r\n"}
WITH_END = st.sampled_from(sorted(ENDS))
MAX = 12  # a small limit in the properties, so that streams around it are found


def fed(framer: LineFramer, *chunks: bytes, now_ns: int = 0) -> list[bytes]:
    return [frame for chunk in chunks for frame in framer.feed(chunk, now_ns=now_ns)]


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


STREAM = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b"\x1d", b"A", b"code", b"<", b">", b"x" * 13]), max_size=30
).map(b"".join)
CUTS = st.lists(st.integers(min_value=0, max_value=1_000), max_size=20)


@pytest.mark.parametrize(("terminator", "end"), ENDS.items())
def test_each_terminator_ends_a_code(terminator: Terminator, end: bytes) -> None:
    """A code is what stands before its terminator."""
    framer = LineFramer(terminator)

    assert fed(framer, b"one" + end) == [b"one"]


@pytest.mark.parametrize(("terminator", "end"), ENDS.items())
def test_several_codes_in_one_read_come_in_order(terminator: Terminator, end: bytes) -> None:
    """Codes that arrive together come out one by one, the unfinished one later."""
    framer = LineFramer(terminator)

    first = fed(framer, b"one" + end + b"two" + end + b"thr")

    assert first == [b"one", b"two"]
    assert fed(framer, b"ee" + end) == [b"three"]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n\r", b"\r\r\n"])
def test_auto_takes_every_end_and_drops_empty_frames(end: bytes) -> None:
    """With `auto` any run of CR and LF is one end."""
    assert fed(LineFramer(), end + b"one" + end + b"two" + end) == [b"one", b"two"]


def test_a_lone_half_of_crlf_is_part_of_the_code() -> None:
    """With `crlf` neither CR nor LF alone ends a code."""
    assert fed(LineFramer(Terminator.CRLF), b"a\rb\nc\r", b"\n") == [b"a\rb\nc"]


@given(terminator=WITH_END, stream=STREAM, cuts=CUTS)
def test_any_cut_gives_the_same_codes(terminator: Terminator, stream: bytes, cuts: list[int]) -> None:
    """Where the stream is cut into reads changes neither the codes nor what is counted as dropped."""
    whole = LineFramer(terminator, marks=Marks(prefix=b"<", suffix=b">"), frame_bytes_max=MAX)
    pieces = LineFramer(terminator, marks=Marks(prefix=b"<", suffix=b">"), frame_bytes_max=MAX)

    assert fed(pieces, *cut(stream, cuts)) == fed(whole, stream)
    assert pieces.overlong_count == whole.overlong_count
    assert pieces.next_deadline_ns == whole.next_deadline_ns


@given(terminator=WITH_END, data=st.data())
def test_byte_by_byte_gives_the_codes_that_were_sent(terminator: Terminator, data: st.DataObject) -> None:
    """Every code of 1 to 4096 bytes without its own terminator comes out exactly as it was sent."""
    codes = data.draw(st.lists(st.text("0Aé电\x1d :", min_size=1, max_size=20).map(str.encode), max_size=5))
    stream = b"".join(code + ENDS[terminator] for code in codes)

    assert fed(LineFramer(terminator), *(bytes([byte]) for byte in stream)) == codes


@given(
    codes=st.lists(
        st.binary(min_size=1, max_size=MAX).filter(lambda code: code.strip(b"\0") == code and code.strip(b"\r\n\0")),
        max_size=5,
    ),
    cuts=CUTS,
)
def test_any_cut_within_the_gap_gives_the_same_codes(codes: list[bytes], cuts: list[int]) -> None:
    """Without a terminator, codes are what silence separates, however each was cut."""
    framer = LineFramer(Terminator.NONE, frame_bytes_max=MAX)
    now_ns, frames = 0, []
    for code in codes:
        for piece in cut(code, cuts):
            now_ns += GAP_NS - 1 if piece else 0
            frames += framer.feed(piece, now_ns=now_ns)
        now_ns += GAP_NS
        frames += framer.poll(now_ns)

    assert frames == codes


def test_silence_is_also_seen_by_the_next_bytes() -> None:
    """Bytes that come after the gap begin a new code, even if nobody asked in between."""
    framer = LineFramer(Terminator.NONE)

    assert framer.feed(b"one", now_ns=0) == []
    assert framer.feed(b"two", now_ns=GAP_NS) == [b"one"]
    assert framer.feed(b"", now_ns=2 * GAP_NS) == [b"two"]


def test_late_bytes_prove_no_silence() -> None:
    """Bytes that may have waited unread belong to the code before them; silence counts anew after them."""
    framer = LineFramer(Terminator.NONE)
    framer.feed(b"on", now_ns=0)

    assert framer.feed(b"e", now_ns=5 * GAP_NS, is_late=True) == []
    assert framer.poll(6 * GAP_NS - 1) == []
    assert framer.poll(6 * GAP_NS) == [b"one"]


def test_the_gap_counts_from_the_last_byte() -> None:
    """Each byte moves the end of a code without terminator away."""
    framer = LineFramer(Terminator.NONE, gap_ns=10)
    framer.feed(b"on", now_ns=0)
    framer.feed(b"e", now_ns=9)

    assert framer.next_deadline_ns == 19
    assert framer.poll(18) == []
    assert framer.poll(19) == [b"one"]
    assert framer.next_deadline_ns is None


def test_codes_closer_than_the_gap_are_one() -> None:
    """Without a terminator nothing but silence separates codes."""
    framer = LineFramer(Terminator.NONE)
    framer.feed(b"one", now_ns=0)
    framer.feed(b"two", now_ns=GAP_NS - 1)

    assert framer.poll(2 * GAP_NS) == [b"onetwo"]


def test_a_longest_code_passes_and_a_longer_is_dropped_whole() -> None:
    """4096 bytes are a code; one more is none, and no part of it becomes one."""
    framer = LineFramer()

    assert fed(framer, b"x" * FRAME_BYTES_MAX + b"\r") == [b"x" * FRAME_BYTES_MAX]
    assert fed(framer, b"x" * (FRAME_BYTES_MAX + 1) + b"\rnext\r") == [b"next"]
    assert framer.overlong_count == 1


@pytest.mark.parametrize(("terminator", "end"), ENDS.items())
def test_the_tail_of_an_overlong_frame_is_no_code(terminator: Terminator, end: bytes) -> None:
    """Whatever still comes of a frame that was too long is dropped with it, and counted once."""
    framer = LineFramer(terminator, frame_bytes_max=4)

    frames = fed(framer, b"12345", b"6789", b"tail" + end[:1], end[1:] + b"next" + end)

    assert frames == [b"next"]
    assert framer.overlong_count == 1


def test_a_longest_code_may_be_cut_inside_its_crlf() -> None:
    """Half a terminator does not count to the length of a code."""
    framer = LineFramer(Terminator.CRLF, frame_bytes_max=4)

    assert fed(framer, b"1234\r", b"\n") == [b"1234"]
    assert fed(framer, b"1234\r", b"\r", b"\n") == []
    assert framer.overlong_count == 1


def test_an_overlong_run_without_terminator_ends_with_silence() -> None:
    """With `none`, bytes without a pause are dropped until there is one."""
    framer = LineFramer(Terminator.NONE, frame_bytes_max=4)
    framer.feed(b"12345", now_ns=0)
    framer.feed(b"678", now_ns=1)

    assert framer.poll(1 + GAP_NS) == []
    assert framer.overlong_count == 1
    assert framer.feed(b"next", now_ns=2 * GAP_NS) == []
    assert framer.poll(3 * GAP_NS) == [b"next"]


def test_an_overlong_frame_that_falls_silent_is_over() -> None:
    """After a pause a new code is read, even if the overlong one never ended, and nothing is counted twice."""
    framer = LineFramer(frame_bytes_max=4)
    framer.feed(b"12345", now_ns=0)

    assert framer.next_deadline_ns == IDLE_NS
    assert framer.feed(b"next\r", now_ns=IDLE_NS) == [b"next"]
    assert (framer.overlong_count, framer.unfinished_count) == (1, 0)


def test_half_a_code_does_not_stick_to_the_next() -> None:
    """A code whose end never came is dropped and counted after a pause."""
    framer = LineFramer()
    framer.feed(b"half", now_ns=0)

    assert framer.poll(IDLE_NS - 1) == []
    assert framer.poll(IDLE_NS) == []
    assert framer.feed(b"next\r", now_ns=IDLE_NS + 1) == [b"next"]
    assert framer.unfinished_count == 1


def test_a_pause_shorter_than_the_limit_keeps_the_code_whole() -> None:
    """A slow adapter does not cost a code."""
    framer = LineFramer()
    framer.feed(b"sl", now_ns=0)

    assert framer.feed(b"ow\r", now_ns=IDLE_NS - 1) == [b"slow"]


def test_reset_forgets_half_a_code() -> None:
    """What an unplugged reader left behind is gone and counted."""
    framer = LineFramer()
    framer.feed(b"half", now_ns=0)

    framer.reset()

    assert framer.next_deadline_ns is None
    assert framer.feed(b"next\r", now_ns=1) == [b"next"]
    assert framer.unfinished_count == 1


def test_a_leftover_terminator_is_not_counted_as_unfinished() -> None:
    """The LF of a scanner that sends CRLF to a port set to CR is no lost code."""
    framer = LineFramer(Terminator.CR)
    framer.feed(b"one\r\n", now_ns=0)

    framer.poll(IDLE_NS)

    assert framer.unfinished_count == 0


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        (b"\x02code\x03", b"code"),
        (b"code", b"code"),
        (b"\x02\x02code\x03\x03", b"\x02code\x03"),
        (b"\0\x02code\x03\0", b"code"),
    ],
)
def test_prefix_and_suffix_are_taken_off_once_where_present(line: bytes, frame: bytes) -> None:
    """What the scanner was set up to add is not part of the code."""
    framer = LineFramer(marks=Marks(prefix=b"\x02", suffix=b"\x03"))

    assert fed(framer, line + b"\r") == [frame]


@pytest.mark.parametrize("line", [b"", b"\0\0\0", b"\x02\x03", b"\0\x02\x03\0", b"\x02\0\x03"])
def test_a_frame_of_nothing_is_no_code(line: bytes) -> None:
    """What plugging in sends (NULs), and prefix and suffix round nothing, is no reading of a person."""
    assert fed(LineFramer(marks=Marks(prefix=b"\x02", suffix=b"\x03")), line + b"\r\n") == []


def test_silence_after_nothing_but_an_end_is_no_code() -> None:
    """The same holds where silence ends a code."""
    framer = LineFramer(Terminator.NONE)
    framer.feed(b"\0\r\n", now_ns=0)

    assert framer.poll(GAP_NS) == []


def test_control_bytes_inside_a_code_pass_through() -> None:
    """GS separates the fields of GS1; a NUL inside stands for damage and is left for the verdict to see."""
    code = b"]d2" + b"0106901234567892\x1d10A\x1d" + b"a\0b\x1b"

    assert fed(LineFramer(), code + b"\r") == [code]


@pytest.mark.parametrize(("prefix", "suffix"), [(b"\0x", b""), (b"", b"x\0")])
def test_a_mark_that_could_never_match_is_refused(prefix: bytes, suffix: bytes) -> None:
    """NULs at the ends are taken off first, so a mark with NUL there is a mistake."""
    with pytest.raises(ValueError, match="NUL"):
        LineFramer(marks=Marks(prefix=prefix, suffix=suffix))


@given(
    terminator=st.sampled_from(sorted(Terminator)),
    steps=st.lists(st.tuples(st.binary(max_size=40), st.integers(min_value=0, max_value=2 * IDLE_NS)), max_size=20),
)
def test_garbage_never_raises_and_stays_within_bounds(terminator: Terminator, steps: list[tuple[bytes, int]]) -> None:
    """Any bytes at any times give frames of 1 to the longest length, and a deadline only while something is pending."""
    framer, now_ns = LineFramer(terminator, frame_bytes_max=MAX), 0
    for data, pause_ns in steps:
        now_ns += pause_ns
        frames = framer.feed(data, now_ns=now_ns)
        assert all(1 <= len(frame) <= MAX for frame in frames)
        deadline_ns = framer.next_deadline_ns
        assert deadline_ns is None or deadline_ns > now_ns
    framer.poll(now_ns + 2 * IDLE_NS)
    assert framer.next_deadline_ns is None


@pytest.mark.parametrize("line", [b"code", b"\x06code", b"\x06\x06code", b"\0\x06<code>"])
def test_answers_to_commands_are_taken_off(line: bytes) -> None:
    """A scanner may answer any number of commands before a code, without an end after the answer."""
    framer = LineFramer(marks=Marks(ack=b"\x06", prefix=b"<", suffix=b">"))

    assert fed(framer, b"\x06\r", line + b"\r") == [b"code"]


def test_an_answer_alone_is_no_lost_code() -> None:
    """An answer that no code follows is forgotten after a pause, and not counted."""
    framer = LineFramer(marks=Marks(ack=b"\x06"))
    framer.feed(b"\x06", now_ns=0)

    framer.poll(IDLE_NS)

    assert framer.next_deadline_ns is None
    assert framer.dropped_count == 0
