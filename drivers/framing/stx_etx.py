"""Codes between STX and ETX, with a check byte after them or without, sans-IO.

Nothing is stuffed: a code holds neither STX nor ETX. An STX inside a frame means that the end of the one before was
lost, and begins anew, so the stream is right again with the next code whatever came before. Bytes between the frames
are passed over: many scanners send CR and LF there, and answers to commands. Only where something other than control
characters stands there is it counted, once a run, for then the scanner is probably set up without STX.
"""

from functools import reduce
from operator import xor

from drivers.framing.framer import FRAME_BYTES_MAX, IDLE_NS, NO_MARKS, Marks

STX, ETX = 0x02, 0x03  # ISO/IEC 646
_PRINTABLE_MIN = 0x20


def lrc_of(content: bytes) -> int:
    """Return the check byte of a frame: all bytes after STX, ETX included, by exclusive or (ISO 1155)."""
    return reduce(xor, content, ETX)


class StxEtxFramer:
    """Cuts one stream into codes.

    Args:
        has_lrc: The byte after ETX is the frame's check byte; a frame with another is dropped.
        idle_ns: The silence after which an unfinished frame is dropped.
        marks: What the scanner puts around each code, between STX and ETX.
        frame_bytes_max: A longer frame, its marks included, is dropped whole.

    Attributes:
        overlong_count: Frames dropped because they were too long.
        unfinished_count: Frames dropped because their end never came.
        damaged_count: Frames dropped because their check byte is wrong.
        stray_count: Runs of text that stood in no frame.
    """

    def __init__(
        self,
        *,
        has_lrc: bool = False,
        idle_ns: int = IDLE_NS,
        marks: Marks = NO_MARKS,
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        self.overlong_count = self.unfinished_count = self.damaged_count = self.stray_count = 0
        self._has_lrc = has_lrc
        self._idle_ns = idle_ns
        self._marks = marks
        self._frame_bytes_max = frame_bytes_max
        self._content: bytearray | None = None  # None outside a frame
        self._is_ended = False  # ETX has come, its check byte has not
        self._is_stray = False  # what comes outside belongs to a run that has been counted
        self._last_byte_ns = 0

    @property
    def dropped_count(self) -> int:
        """Frames dropped so far, and runs of text in no frame."""
        return self.overlong_count + self.unfinished_count + self.damaged_count + self.stray_count

    @property
    def next_deadline_ns(self) -> int | None:
        """When silence will mean something, and `poll` is to be called; None while nothing is pending."""
        is_pending = self._content is not None or self._is_stray
        return self._last_byte_ns + self._idle_ns if is_pending else None

    def feed(self, data: bytes, *, now_ns: int, is_late: bool = False) -> list[bytes]:
        """Take the next bytes of the stream and return the codes they complete, in order.

        Args:
            data: Any number of bytes, cut anywhere.
            now_ns: When they were read, on any clock that never goes back.
            is_late: They may have come long before they were read, so no silence before them is proven.
        """
        if not is_late:
            self.poll(now_ns)
        if data:
            self._last_byte_ns = now_ns
        return [code for byte in data if (code := self._taken(byte))]

    def poll(self, now_ns: int) -> list[bytes]:
        """Say that nothing came until now; an unfinished frame is dropped then. No code is ended by silence."""
        deadline_ns = self.next_deadline_ns
        if deadline_ns is not None and now_ns >= deadline_ns:
            self.reset()
        return []

    def reset(self) -> None:
        """Forget the unfinished frame, because its end will not come: the reader was lost or fell silent."""
        if self._content is not None:
            self.unfinished_count += 1
        self._content, self._is_ended, self._is_stray = None, False, False

    def _taken(self, byte: int) -> bytes:
        """Take one byte; return the code that it completes, or nothing."""
        if self._is_ended:
            return self._checked(byte)
        if byte == STX:
            self.reset()
            self._content = bytearray()
        elif self._content is None:
            self._pass_over(byte)
        elif byte == ETX:
            self._is_ended = self._has_lrc
            return b"" if self._has_lrc else self._marks.code_in(self._ended())
        else:
            self._content.append(byte)
            if len(self._content) > self._frame_bytes_max:
                self.overlong_count += 1
                self._content, self._is_stray = None, True  # its rest is not counted again
        return b""

    def _checked(self, byte: int) -> bytes:
        """Return the frame whose check byte this should be."""
        content = self._ended()
        self._is_ended = False
        if byte == lrc_of(content):
            return self._marks.code_in(content)
        self.damaged_count += 1
        if byte == STX:  # no check byte is sent at all: this is the next frame, which shall not be lost in silence
            self._content = bytearray()
        return b""

    def _ended(self) -> bytes:
        content, self._content = bytes(self._content or b""), None
        return content

    def _pass_over(self, byte: int) -> None:
        if byte >= _PRINTABLE_MIN and not self._is_stray:
            self._is_stray = True
            self.stray_count += 1
