"""What a port hears at the wrong rate: worked out by hand where it can be, and never without end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing.uart import Resync, heard


@given(
    sent=st.binary(max_size=40),
    drift=st.floats(min_value=-0.03, max_value=0.03),
    resync=st.sampled_from(sorted(Resync)),
)
def test_at_the_right_rate_everything_is_heard(sent: bytes, drift: float, resync: Resync) -> None:
    """Within the few percent by which two clocks may differ, every byte arrives."""
    assert heard(sent, send_baud=9600 * (1 + drift), read_baud=9600, resync=resync) == sent


@pytest.mark.parametrize(
    ("sent", "send_baud", "received"),
    [
        # One bit lasts two. U is 0 (start) 10101010 1 (stop), and so is seen as 0 01100110 0, whose stop is missing,
        # 11, and 0 01100111 1.
        (b"U", 4800, b"\x66\xe6"),
        # The line is low for 9 bits of 8 each: a break, and nothing else.
        (b"\0", 1200, b"\0"),
        # Only the start bit is low, for 8 bits: the start, and seven of the eight.
        (b"\xff", 1200, b"\x80"),
        # The start bit, of a quarter, is over by its middle: a spike.
        (b"\xff", 38_400, b""),
        # Two bits are one, the second of them seen: 0 from start and first, 0 from the next two, then ones and idle.
        (b"\xf0", 19_200, b"\xfe"),
        (b"", 1200, b""),
    ],
)
def test_at_another_rate_the_bits_are_others(sent: bytes, send_baud: int, received: bytes) -> None:
    """Short bytes at 9600, as a pencil gives them."""
    assert heard(sent, send_baud=send_baud, read_baud=9600) == received


def test_chips_differ_after_a_missing_stop_bit() -> None:
    """The one waits until the line is high, the other takes the missing stop bit for a start bit."""
    waits = heard(b"U", send_baud=4800, read_baud=9600, resync=Resync.HIGH_FIRST)
    goes_on = heard(b"U", send_baud=4800, read_baud=9600, resync=Resync.AT_ONCE)

    assert waits == b"\x66\xe6"  # 0 01100110 0, 11, 0 01100111 1
    assert goes_on == b"\x66\x33"  # 0 01100110, 0 11001100 1, 1


@given(
    sent=st.binary(max_size=30),
    send_baud=st.integers(min_value=300, max_value=921_600),
    read_baud=st.sampled_from([9600, 38_400, 115_200]),
    resync=st.sampled_from(sorted(Resync)),
)
def test_any_rates_end(sent: bytes, send_baud: int, read_baud: int, resync: Resync) -> None:
    """There is an answer for any two rates, and no more bytes than the line had time for."""
    received = heard(sent, send_baud=send_baud, read_baud=read_baud, resync=resync)

    assert len(received) <= 1 + 10 * len(sent) * read_baud / send_baud / 9
