"""Codes out of key strokes: odd pieces of records in, what was typed out, and never half of it."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing.framer import FRAME_BYTES_MAX, GAP_NS, IDLE_NS, Marks
from drivers.framing.key_wedge import (
    EV_KEY,
    EV_SYN,
    EVENT,
    KEY_CAPSLOCK,
    SYN_DROPPED,
    SYN_REPORT,
    KeyTerminator,
    KeyWedgeFramer,
)
from tests.support.key_fifo import KEY_LEFTSHIFT, event, stroke, typed

# linux/input-event-codes.h
KEY_1, KEY_TAB, KEY_ENTER, KEY_LEFTCTRL, KEY_A, KEY_RIGHTBRACE = 2, 15, 28, 29, 30, 27
KEY_RIGHTSHIFT, KEY_LEFTALT, KEY_F1, KEY_NUMLOCK, KEY_KP7, KEY_KPENTER = 54, 56, 59, 69, 71, 96
MAX = 12
PRINTED = "".join(chr(code) for code in range(0x20, 0x7F))


def fed(framer: KeyWedgeFramer, *chunks: bytes, now_ns: int = 0) -> list[bytes]:
    return [code for chunk in chunks for code in framer.feed(chunk, now_ns=now_ns)]


def key(code: int) -> bytes:
    return stroke(code, 1) + stroke(code, 0)


def test_a_record_is_as_long_as_the_kernel_writes_it() -> None:
    """Two longs, two shorts and an int: 24 bytes on 64 bits, 16 on 32."""
    assert EVENT.size == {8: 24, 4: 16}[struct.calcsize("l")]


def test_a_recorded_scan_is_read() -> None:
    """Records written down byte by byte, as a kernel of 64 bits gives them for "a", "A" and Enter."""
    if EVENT.size != 24:
        pytest.skip("recorded on 64 bits")
    time = "8af1 0e69 0000 0000 1027 0000 0000 0000"
    records = [
        "0400 0400 0400 0700", "0100 1e00 0100 0000", "0000 0000 0000 0000", "0100 1e00 0000 0000",
        "0100 2a00 0100 0000", "0100 1e00 0100 0000", "0100 1e00 0200 0000", "0100 1e00 0000 0000",
        "0100 2a00 0000 0000", "0100 1c00 0100 0000", "0000 0000 0000 0000", "0100 1c00 0000 0000",
    ]  # fmt: skip

    assert fed(KeyWedgeFramer(), b"".join(bytes.fromhex(time + record) for record in records)) == [b"aA"]


@pytest.mark.parametrize("end", ["\r", "\t"])
def test_every_printed_character_is_typed(end: str) -> None:
    """All of ASCII that can be printed comes out as it was typed."""
    assert fed(KeyWedgeFramer(), typed(PRINTED + end)) == [PRINTED.encode()]


def test_the_keypad_means_digits() -> None:
    """Whether Num Lock is on or not: a scanner means no arrows."""
    keypad = [82, 79, 80, 81, 75, 76, 77, 71, 72, 73, 98, 55, 74, 78, 83, 117]

    keys = b"".join(key(code) for code in (*keypad, KEY_NUMLOCK, KEY_KP7, KEY_KPENTER))

    assert fed(KeyWedgeFramer(), keys) == [b"0123456789/*-+.=7"]


@given(text=st.text("0Aa:\r\t*", max_size=12), cuts=st.lists(st.integers(min_value=0, max_value=5_000), max_size=20))
def test_any_cut_gives_the_same_codes(text: str, cuts: list[int]) -> None:
    """Where the records are cut into reads changes neither the codes nor what is counted as dropped."""
    stream = typed(text) + event(EV_SYN, SYN_DROPPED, 0) + typed(text)
    whole, pieces = KeyWedgeFramer(frame_bytes_max=4), KeyWedgeFramer(frame_bytes_max=4)
    edges = [0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]

    assert fed(pieces, *(stream[start:end] for start, end in pairwise(edges))) == fed(whole, stream)
    assert pieces.dropped_count == whole.dropped_count
    assert pieces.next_deadline_ns == whole.next_deadline_ns


def test_a_code_cut_at_every_byte_is_one_code() -> None:
    """However the pieces fall, the same code comes out."""
    records = typed("EHC1:6BF-*\r")

    for at in range(1, len(records)):
        assert fed(KeyWedgeFramer(), records[:at], records[at:]) == [b"EHC1:6BF-*"]


@pytest.mark.parametrize(
    ("terminator", "codes"),
    [
        (KeyTerminator.AUTO, [b"a", b"b"]),
        (KeyTerminator.ENTER, [b"a\tb"]),
        (KeyTerminator.TAB, [b"a"]),
        (KeyTerminator.NONE, []),
    ],
)
def test_the_terminator_decides_what_ends_a_code(terminator: KeyTerminator, codes: list[bytes]) -> None:
    """Enter, Tab, either, or neither."""
    assert fed(KeyWedgeFramer(terminator), typed("a\tb\r")) == codes


def test_silence_ends_a_code_without_terminator() -> None:
    """With `none` a code goes up when nothing has been typed for the gap; nothing typed is no code."""
    framer = KeyWedgeFramer(KeyTerminator.NONE)
    framer.feed(typed("one"), now_ns=0)

    assert framer.next_deadline_ns == GAP_NS
    assert framer.poll(GAP_NS - 1) == []
    assert framer.poll(GAP_NS) == [b"one"]
    assert framer.feed(typed("\r"), now_ns=2 * GAP_NS) == []
    assert framer.poll(3 * GAP_NS) == []
    assert framer.next_deadline_ns is None


def test_caps_lock_holds_until_it_is_pressed_again() -> None:
    """It turns letters round, Shift turns them back, and other keys do not mind it."""
    caps = key(KEY_CAPSLOCK)

    assert fed(KeyWedgeFramer(), caps + typed("aB1!") + caps + typed("a\r")) == [b"Ab1!a"]


def test_either_shift_is_shift() -> None:
    """The second held is still held when the first goes up."""
    both = stroke(KEY_LEFTSHIFT, 1) + stroke(KEY_RIGHTSHIFT, 1) + stroke(KEY_LEFTSHIFT, 0) + key(KEY_A)

    assert fed(KeyWedgeFramer(), both + stroke(KEY_RIGHTSHIFT, 0) + typed("a\r")) == [b"Aa"]


def test_control_gives_control_characters() -> None:
    """GS of a GS1 code is typed as Control and ]; Control and M is as good as Enter."""
    control = stroke(KEY_LEFTCTRL, 1)
    released = stroke(KEY_LEFTCTRL, 0)

    keys = typed("01") + control + key(KEY_RIGHTBRACE) + released + typed("10") + control + key(50) + released

    assert fed(KeyWedgeFramer(), keys) == [b"01\x1d10"]


@pytest.mark.parametrize(
    "keys",
    [
        key(KEY_F1),
        stroke(KEY_LEFTALT, 1) + key(KEY_KP7) + stroke(KEY_LEFTALT, 0),
        stroke(KEY_LEFTCTRL, 1) + key(KEY_1) + stroke(KEY_LEFTCTRL, 0),
    ],
    ids=["no character", "under Alt", "no control character"],
)
def test_a_key_that_means_no_character_spoils_the_code(keys: bytes) -> None:
    """A code with a hole is none, its rest neither, it is counted once, and the next is read."""
    framer = KeyWedgeFramer()

    assert fed(framer, typed("on") + keys + typed("e") + keys + typed("\rnext\r")) == [b"next"]
    assert framer.damaged_count == framer.dropped_count == 1


def test_a_held_key_is_one_character() -> None:
    """What the kernel repeats was not typed."""
    assert fed(KeyWedgeFramer(), stroke(KEY_A, 1) + 5 * stroke(KEY_A, 2) + stroke(KEY_A, 0) + typed("\r")) == [b"a"]


def test_a_buffer_that_ran_over_spoils_the_code() -> None:
    """Up to the next report nothing counts, up to the end of the code nothing is taken, and no key is held any more."""
    framer = KeyWedgeFramer()
    overrun = event(EV_SYN, SYN_DROPPED, 0) + event(EV_KEY, KEY_ENTER, 1) + event(EV_SYN, SYN_REPORT, 0)

    codes = fed(framer, typed("on") + stroke(KEY_LEFTSHIFT, 1) + overrun + typed("e\rnext\r"))

    assert codes == [b"next"]
    assert framer.damaged_count == framer.dropped_count == 1


def test_a_longest_code_passes_and_a_longer_is_dropped_whole() -> None:
    """4096 characters are a code; one more is none, no part of it becomes one, and it is counted once."""
    framer = KeyWedgeFramer()

    assert fed(framer, typed("x" * FRAME_BYTES_MAX + "\r")) == [b"x" * FRAME_BYTES_MAX]
    assert fed(framer, typed("x" * (FRAME_BYTES_MAX + 9) + "\rnext\r")) == [b"next"]
    assert framer.overlong_count == framer.dropped_count == 1


def test_half_a_code_does_not_stick_to_the_next() -> None:
    """A code whose end never came is dropped and counted after a pause."""
    framer = KeyWedgeFramer()
    framer.feed(typed("half"), now_ns=0)

    assert framer.poll(IDLE_NS - 1) == framer.poll(IDLE_NS) == []
    assert framer.next_deadline_ns is None
    assert framer.feed(typed("next\r"), now_ns=IDLE_NS) == [b"next"]
    assert framer.unfinished_count == framer.dropped_count == 1


def test_reset_forgets_half_a_code_and_the_keys_held() -> None:
    """A keyboard that comes back holds no key and has Caps Lock off."""
    framer = KeyWedgeFramer()
    framer.feed(typed("half") + key(KEY_CAPSLOCK) + stroke(KEY_LEFTSHIFT, 1) + b"\0\0\0", now_ns=0)

    framer.reset()
    framer.reset()

    assert framer.next_deadline_ns is None
    assert framer.feed(typed("next\r"), now_ns=1) == [b"next"]
    assert framer.dropped_count == 1


@pytest.mark.parametrize(("terminator", "over_ns"), [(KeyTerminator.AUTO, IDLE_NS), (KeyTerminator.NONE, GAP_NS)])
def test_half_a_record_is_damage(terminator: KeyTerminator, over_ns: int) -> None:
    """Bytes that make no record until a gap is over are thrown away, and the code with them; then it goes on."""
    framer = KeyWedgeFramer(terminator)
    framer.feed(typed("ha") + b"\0" * 7, now_ns=0)

    assert framer.next_deadline_ns == GAP_NS
    assert framer.poll(GAP_NS) == framer.poll(over_ns) == []
    codes = framer.feed(typed("next"), now_ns=over_ns) + framer.feed(typed("\r"), now_ns=over_ns + GAP_NS)

    assert codes == [b"next"]
    assert framer.dropped_count == framer.damaged_count == 1


def test_late_records_prove_no_silence() -> None:
    """Records that may have waited unread belong to the code before them."""
    framer = KeyWedgeFramer(KeyTerminator.NONE)
    framer.feed(typed("on"), now_ns=0)

    assert framer.feed(typed("e"), now_ns=5 * GAP_NS, is_late=True) == []
    assert framer.feed(b"", now_ns=6 * GAP_NS) == [b"one"]


@pytest.mark.parametrize("text", ["<code>", "code"])
def test_marks_are_taken_off_and_nothing_is_no_code(text: str) -> None:
    """What the scanner was set up to add is not part of the code."""
    framer = KeyWedgeFramer(marks=Marks(prefix=b"<", suffix=b">"))

    assert fed(framer, typed(f"\r<>\r{text}\r")) == [b"code"]


EVENTS = st.builds(event, st.integers(0, 5), st.integers(0, 130) | st.integers(0, 65_535), st.integers(-1, 2))


@given(
    terminator=st.sampled_from(sorted(KeyTerminator)),
    steps=st.lists(
        st.tuples(
            st.binary(max_size=60) | st.lists(EVENTS, max_size=40).map(b"".join),
            st.integers(min_value=0, max_value=2 * IDLE_NS),
        ),
        max_size=20,
    ),
)
def test_garbage_never_raises_and_stays_within_bounds(
    terminator: KeyTerminator, steps: list[tuple[bytes, int]]
) -> None:
    """Any records at any times give codes of ASCII, 1 to the longest length, and deadlines that lie ahead."""
    framer, now_ns = KeyWedgeFramer(terminator, frame_bytes_max=MAX), 0
    for data, pause_ns in steps:
        now_ns += pause_ns
        codes = framer.feed(data, now_ns=now_ns)
        assert all(1 <= len(code) <= MAX and code.isascii() for code in codes)
        deadline_ns = framer.next_deadline_ns
        assert deadline_ns is None or deadline_ns > now_ns
    framer.poll(now_ns + 2 * IDLE_NS)
    framer.poll(now_ns + 4 * IDLE_NS)
    assert framer.next_deadline_ns is None
