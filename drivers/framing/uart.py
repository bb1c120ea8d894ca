"""What a UART hears that is set to another rate than the one that speaks, sans-IO, bit by bit.

Both are set to eight bits, no parity, one stop bit, least significant bit first. The hearing one is modelled as the
usual chips work: the falling edge begins a byte, each bit is looked at in its middle, a start bit that is over by its
middle was a spike. Where the stop bit is missing, chips differ in how they find the next start; both ways are here. And
Linux hands on such a byte as it was seen, and a line that stays low for a whole byte as 0x00, as long as the port does
not ask for parity checks (termios(3): INPCK, BRKINT and PARMRK off, as pyserial sets it).
"""

from enum import StrEnum

_DATA_BITS = 8
_BYTE_BITS = 10  # with start and stop
_TICKS = 16  # a bit of the hearing one, as its clock divides it


class Resync(StrEnum):
    """How a chip goes on after a byte whose stop bit is missing."""

    HIGH_FIRST = "high_first"  # waits until the line is high, then for the next falling edge
    AT_ONCE = "at_once"  # takes the missing stop bit for the next start bit, as the 16550 does


def heard(sent: bytes, *, send_baud: float, read_baud: float, resync: Resync = Resync.HIGH_FIRST) -> bytes:
    """Return what is received of bytes that are sent back to back.

    Args:
        sent: The bytes.
        send_baud: The rate of the device; need not be a standard one, because no two clocks are the same.
        read_baud: The rate of the port.
        resync: How the port's chip goes on after a missing stop bit.
    """
    line = _Line(sent, bit_ticks=_TICKS * read_baud / send_baud)
    received = bytearray()
    at = line.falls_after(0.0)
    while at is not None:
        if line.is_high(at + _TICKS / 2):  # a spike
            at = line.falls_after(at + _TICKS / 2)
            continue
        byte = sum(line.is_high(at + _TICKS * (bit + 1.5)) << bit for bit in range(_DATA_BITS))
        received.append(byte)
        stop = at + _TICKS * (_BYTE_BITS - 0.5)
        if line.is_high(stop):
            at = line.falls_after(stop)
        elif resync is Resync.AT_ONCE and byte:
            at = stop - _TICKS / 2
        else:
            high = line.rises_after(stop)
            at = line.falls_after(high)
    return bytes(received)


class _Line:
    """The level of the line over time, in ticks of the hearing clock; idle, which is high, before and after."""

    def __init__(self, sent: bytes, *, bit_ticks: float) -> None:
        bits = [1]
        for byte in sent:
            bits += [0, *((byte >> bit) & 1 for bit in range(_DATA_BITS)), 1]
        self._bits = bits
        self._bit_ticks = bit_ticks

    def is_high(self, at: float) -> bool:
        place = int(at / self._bit_ticks)
        return place >= len(self._bits) or bool(self._bits[place])

    def falls_after(self, at: float) -> float | None:
        """When the line next goes low; None: never again."""
        place = int(at / self._bit_ticks) + 1
        while place < len(self._bits) and not (self._bits[place - 1] and not self._bits[place]):
            place += 1
        return place * self._bit_ticks if place < len(self._bits) else None

    def rises_after(self, at: float) -> float:
        """When a line that is low next goes high."""
        place = int(at / self._bit_ticks)
        while place < len(self._bits) and not self._bits[place]:
            place += 1
        return place * self._bit_ticks
