"""Codes out of a stream of bytes that are ended by CR, LF, CRLF or by silence, sans-IO.

It is fed bytes and told the time; how the stream was cut into chunks makes no difference, only silence does. What it
throws away is counted, never repaired: half a code is no code, and the rest of a dropped one must not look like a code.

Control bytes. GS (0x1D) and every other control byte inside a frame pass through: GS separates GS1 fields, and for the
rest the verdict MALFORMED is right. NUL is what a break or the plugging in of an adapter looks like, so NULs at the
ends of a frame are taken off; inside a frame a NUL stands for a damaged byte and stays. The marks are taken off after
that. What then holds nothing but NUL, CR and LF is no code.
"""

import re
from enum import StrEnum

from drivers.framing.framer import FRAME_BYTES_MAX, GAP_NS, IDLE_NS, NO_CODE, NO_MARKS, Marks


class Terminator(StrEnum):
    """What ends a code on the line."""

    AUTO = "auto"  # CR or LF, so CRLF too: the empty frame between the two is dropped
    CR = "cr"
    LF = "lf"
    CRLF = "crlf"
    NONE = "none"  # silence ends it; two codes closer than the gap become one


_ENDS = {
    Terminator.AUTO: re.compile(rb"[\r\n]"),
    Terminator.CR: re.compile(rb"\r"),
    Terminator.LF: re.compile(rb"\n"),
    Terminator.CRLF: re.compile(rb"\r\n"),
    Terminator.NONE: None,
}


class LineFramer:
    """Cuts one stream into codes.

    Args:
        terminator: What ends a code.
        gap_ns: With `Terminator.NONE`, the silence that ends a code.
        idle_ns: With any other, the silence after which an unfinished frame is dropped.
        marks: What the scanner puts around each code, before the terminator.
        frame_bytes_max: A longer frame, prefix and suffix included, is dropped whole.

    Attributes:
        overlong_count: Frames dropped because they were too long.
        unfinished_count: Frames dropped because their end never came.

    Raises:
        ValueError: The prefix begins or the suffix ends with NUL, which is taken off before.
    """

    def __init__(
        self,
        terminator: Terminator = Terminator.AUTO,
        *,
        gap_ns: int = GAP_NS,
        idle_ns: int = IDLE_NS,
        marks: Marks = NO_MARKS,
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        if marks.prefix.startswith(b"\0") or marks.suffix.endswith(b"\0"):
            raise ValueError("a prefix begins and a suffix ends with something else than NUL")
        self.overlong_count = 0
        self.unfinished_count = 0
        self._end = _ENDS[terminator]
        self._half_end = b"\r" if terminator is Terminator.CRLF else b""
        self._silence_ns = gap_ns if terminator is Terminator.NONE else idle_ns
        self._marks = marks
        self._frame_bytes_max = frame_bytes_max
        self._pending = b""
        self._is_overlong = False  # the rest of the current frame is thrown away as it comes
        self._last_byte_ns = 0

    @property
    def dropped_count(self) -> int:
        """Frames dropped so far, because they were too long or their end never came."""
        return self.overlong_count + self.unfinished_count

    @property
    def next_deadline_ns(self) -> int | None:
        """When silence will mean something, and `poll` is to be called; None while nothing is pending."""
        return self._last_byte_ns + self._silence_ns if self._pending or self._is_overlong else None

    def feed(self, data: bytes, *, now_ns: int, is_late: bool = False) -> list[bytes]:
        """Take the next bytes of the stream and return the codes they complete, in order.

        Args:
            data: Any number of bytes, cut anywhere.
            now_ns: When they were read, on any clock that never goes back.
            is_late: They may have come long before they were read, so no silence before them is proven.
        """
        frames = [] if is_late else self.poll(now_ns)
        if not data:
            return frames
        self._last_byte_ns = now_ns
        if self._end is None:
            self._keep(self._pending + data)
            return frames
        *ended, rest = self._end.split(self._pending + data)
        frames += [frame for piece in ended if (frame := self._ended(piece))]
        self._keep(rest)
        return frames

    def poll(self, now_ns: int) -> list[bytes]:
        """Say that nothing came until now; return the code that the silence ends, if there is one."""
        deadline_ns = self.next_deadline_ns
        if deadline_ns is None or now_ns < deadline_ns:
            return []
        if self._end is None:
            frame = self._ended(self._pending)
            self._pending = b""
            return [frame] if frame else []
        self.reset()
        return []

    def reset(self) -> None:
        """Forget the unfinished frame, because its end will not come: the reader was lost or fell silent."""
        if not self._is_overlong and self._marks.without_acks(self._pending.lstrip(b"\0")).strip(NO_CODE):
            self.unfinished_count += 1
        self._pending = b""
        self._is_overlong = False

    def _ended(self, piece: bytes) -> bytes:
        """Return the code in what stood before an end; empty if that is no code."""
        if self._is_overlong:
            self._is_overlong = False  # this was the tail of the frame that has been counted already
            return b""
        if len(piece) > self._frame_bytes_max:
            self.overlong_count += 1
            return b""
        return self._marks.code_in(piece.strip(b"\0"))

    def _keep(self, rest: bytes) -> None:
        """Hold what has no end yet, or only what may be half of an end if it is already too long."""
        half_end = self._half_end if rest.endswith(self._half_end) else b""
        if not self._is_overlong and len(rest) - len(half_end) > self._frame_bytes_max:
            self._is_overlong = True
            self.overlong_count += 1
        self._pending = half_end if self._is_overlong else rest
