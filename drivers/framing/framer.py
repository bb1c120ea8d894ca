"""What every framer does, and what all of them take off a frame, sans-IO.

A framer is fed bytes and told the time; how the stream was cut into chunks makes no difference, only silence does. What
it throws away is counted, never repaired: half a code is no code, and the rest of a dropped one must not look like one.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

FRAME_BYTES_MAX = 4096
"""The longest code is an enrolment of about 800 characters; this leaves room for pictures of text and bounds memory."""

GAP_NS = 50_000_000
"""Longer than the pauses inside one code (a USB adapter hands over every 16 ms), shorter than two scans by hand."""

IDLE_NS = 1_000_000_000
"""An unfinished frame older than this belongs to a scan that never ended; a person takes longer to scan again."""

NO_CODE = b"\r\n\0"
"""Bytes of which no code consists: ends of lines, and NUL, which is what a break or plugging in looks like."""


class Framing(StrEnum):
    """How a scanner marks where a code begins and ends."""

    LINE = "line"  # by an end, or by silence
    STX_ETX = "stx-etx"
    LENGTH = "length"  # by a number before it


class Framer(Protocol):
    """Cuts one stream into codes."""

    @property
    def dropped_count(self) -> int:
        """Frames dropped so far, whatever the reason."""
        ...

    @property
    def next_deadline_ns(self) -> int | None:
        """When silence will mean something, and `poll` is to be called; None while nothing is pending."""
        ...

    def feed(self, data: bytes, *, now_ns: int, is_late: bool = False) -> list[bytes]:
        """Take the next bytes of the stream and return the codes they complete, in order.

        Args:
            data: Any number of bytes, cut anywhere.
            now_ns: When they were read, on any clock that never goes back.
            is_late: They may have come long before they were read, so no silence before them is proven.
        """
        ...

    def poll(self, now_ns: int) -> list[bytes]:
        """Say that nothing came until now; return the code that the silence ends, if there is one."""
        ...

    def reset(self) -> None:
        """Forget the unfinished frame, because its end will not come: the reader was lost or fell silent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a scanner puts around a code inside its frame.

    Attributes:
        prefix: Taken off the start once, where it is present.
        suffix: Taken off the end once, where it is present.
        ack: What the scanner answers to a command. It has no end of its own, so it may stand before a code any number
            of times and is taken off; no code begins with it. Empty: it answers nothing.
    """

    prefix: bytes = b""
    suffix: bytes = b""
    ack: bytes = b""

    def code_in(self, frame: bytes) -> bytes:
        """Return the code in a frame; empty if there is none."""
        code = self.without_acks(frame).removeprefix(self.prefix).removesuffix(self.suffix)
        return code if code.strip(NO_CODE) else b""

    def without_acks(self, frame: bytes) -> bytes:
        """Return a frame without the answers to commands before it."""
        while self.ack and frame.startswith(self.ack):
            frame = frame[len(self.ack) :]
        return frame


NO_MARKS = Marks()
