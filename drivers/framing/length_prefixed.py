"""Codes behind a number that says how long they are, sans-IO.

The number counts the bytes that follow it. Nothing marks the start of a frame, so after a damaged byte the stream
cannot be told apart any more; but a scanner sends a frame in one burst. So a silence inside a frame drops what there is
of it, and what comes next is a number again: a wrong one never swallows more than one burst. A number above the limit
drops everything up to such a silence.
"""

from typing import Literal, TypeAlias

from drivers.framing.framer import FRAME_BYTES_MAX, GAP_NS, NO_MARKS, Marks

ByteOrder: TypeAlias = Literal["big", "little"]
LengthBytes: TypeAlias = Literal[1, 2]


class LengthFramer:
    """Cuts one stream into codes.

    Args:
        length_bytes: How many bytes the number has.
        byte_order: Which of two comes first: the more significant (big) or the less (little).
        gap_ns: The silence that no frame has inside.
        marks: What the scanner puts around each code; counted by the number.
        frame_bytes_max: A longer frame, its marks included, is dropped.

    Attributes:
        overlong_count: Frames dropped because they were too long, or their number was wrong.
        unfinished_count: Frames dropped because their end never came.
    """

    def __init__(
        self,
        *,
        length_bytes: LengthBytes = 1,
        byte_order: ByteOrder = "big",
        gap_ns: int = GAP_NS,
        marks: Marks = NO_MARKS,
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        self.overlong_count = self.unfinished_count = 0
        self._length_bytes = length_bytes
        self._byte_order = byte_order
        self._gap_ns = gap_ns
        self._marks = marks
        self._frame_bytes_max = frame_bytes_max
        self._pending = b""
        self._is_lost = False  # where the next frame begins is not known before a silence
        self._last_byte_ns = 0

    @property
    def dropped_count(self) -> int:
        """Frames dropped so far, because they were too long or their end never came."""
        return self.overlong_count + self.unfinished_count

    @property
    def next_deadline_ns(self) -> int | None:
        """When silence will mean something, and `poll` is to be called; None while nothing is pending."""
        return self._last_byte_ns + self._gap_ns if self._pending or self._is_lost else None

    def feed(self, data: bytes, *, now_ns: int, is_late: bool = False) -> list[bytes]:
        """Take the next bytes of the stream and return the codes they complete, in order.

        Args:
            data: Any number of bytes, cut anywhere.
            now_ns: When they were read, on any clock that never goes back.
            is_late: They may have come long before they were read, so no silence before them is proven.
        """
        if not is_late:
            self.poll(now_ns)
        if not data:
            return []
        self._last_byte_ns = now_ns
        if self._is_lost:
            return []
        return self._cut(self._pending + data)

    def poll(self, now_ns: int) -> list[bytes]:
        """Say that nothing came until now; an unfinished frame is dropped then. No code is ended by silence."""
        deadline_ns = self.next_deadline_ns
        if deadline_ns is not None and now_ns >= deadline_ns:
            self.reset()
        return []

    def reset(self) -> None:
        """Forget the unfinished frame, because its end will not come: the reader was lost or fell silent."""
        if self._marks.without_acks(self._pending):
            self.unfinished_count += 1
        self._pending, self._is_lost = b"", False

    def _cut(self, stream: bytes) -> list[bytes]:
        codes: list[bytes] = []
        at = 0
        while len(stream) - at >= self._length_bytes:
            start = at + self._length_bytes
            length = int.from_bytes(stream[at:start], self._byte_order)
            if length > self._frame_bytes_max:
                self.overlong_count += 1
                self._pending, self._is_lost = b"", True
                return codes
            if len(stream) < start + length:
                break
            at = start + length
            if code := self._marks.code_in(stream[start:at]):
                codes.append(code)
        self._pending = stream[at:]
        return codes
