"""JPEG pictures out of a stream of bytes, sans-IO: an MJPG AVI, a bare MJPEG stream, a web camera's multipart stream.

The container is not read: a JPEG says itself where it begins and ends, and a container puts nothing into one. So a
stream that was cut anywhere, damaged or joined late is read on from its next picture. Each byte is looked at once, and
how the stream was cut into chunks makes no difference; noise that looks like the beginning of a picture may cost the
picture it runs into. Whether the pixels can be decoded is not known here.
"""

import re
from enum import Enum, auto

PICTURE_BYTES_MAX = 2_000_000
"""Five times a camera's picture of 1920 x 1080; bounds what an endless one can hold."""

_BEGIN = b"\xff\xd8\xff"  # ISO/IEC 10918-1 B.1.1.3: start of image, and the next marker's first byte
_LENGTH_BYTES = 2  # ISO/IEC 10918-1 B.1.1.4: a segment's length counts itself

_END_OF_IMAGE = 0xD9
_START_OF_SCAN = 0xDA
_FILL = 0xFF  # ISO/IEC 10918-1 B.1.1.2: any number of them may stand before a marker
# ISO/IEC 10918-1 table B.1: those from 0xC0 on have a segment, but for the restarts, the begin and the end of an image.
_SEGMENT_FIRST = 0xC0
_ALONE = range(0xD0, 0xDA)

# ISO/IEC 10918-1 B.1.1.5: in a scan, 0xFF is data before 0x00, and a restart before 0xD0..0xD7; else it is a marker.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


class _Found(Enum):
    """What walking on brought."""

    NOTHING_YET = auto()
    PICTURE = auto()
    RUBBISH = auto()


class JpegFramer:
    """Cuts one stream into pictures.

    Args:
        picture_bytes_max: A longer picture is dropped.

    Attributes:
        dropped_count: Beginnings of a picture that had no end, were too long or were none.
    """

    def __init__(self, *, picture_bytes_max: int = PICTURE_BYTES_MAX) -> None:
        self.dropped_count = 0
        self._picture_bytes_max = picture_bytes_max
        self._pending = bytearray()
        self._at = 0  # how far the picture that `_pending` begins with was walked; 0: it does not begin with one
        self._in_scan = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream, cut anywhere, and return the pictures they complete, in order."""
        pictures = []
        self._pending += data
        while self._at or self._seek():
            found = self._walk()
            if found is _Found.NOTHING_YET:
                break
            if found is _Found.PICTURE:
                pictures.append(bytes(self._pending[: self._at]))
            else:
                self.dropped_count += 1
            self._drop()
        return pictures

    def reset(self) -> None:
        """Forget the unfinished picture, because its end will not come."""
        self.dropped_count += self._at > 0
        self._at = len(self._pending)
        self._drop()

    def _drop(self) -> None:
        """Drop what was walked."""
        del self._pending[: self._at]
        self._at, self._in_scan = 0, False

    def _seek(self) -> bool:
        """Drop what stands before the next beginning; False: there is none yet."""
        begin = self._pending.find(_BEGIN)
        if begin < 0:
            half = next((size for size in (2, 1) if self._pending.endswith(_BEGIN[:size])), 0)
            del self._pending[: len(self._pending) - half]
            return False
        del self._pending[:begin]
        self._at = len(_BEGIN) - 1
        return True

    def _walk(self) -> _Found:
        """Go on from `_at`; it then stands where the picture or the rubbish ends."""
        found = None
        while found is None:
            found = self._through_scan() if self._in_scan else self._through_marker()
        return found

    def _through_scan(self) -> _Found | None:
        """Go to the marker that ends the scan."""
        end = _SCAN_END.search(self._pending, self._at, self._picture_bytes_max)
        if end is not None:
            self._at, self._in_scan = end.start(), False
            return None
        if len(self._pending) >= self._picture_bytes_max:
            self._at = self._picture_bytes_max
            return _Found.RUBBISH
        self._at = max(self._at, len(self._pending) - 1)  # the last byte may be half a marker
        return _Found.NOTHING_YET

    def _through_marker(self) -> _Found | None:
        """Go over one marker and its segment."""
        if self._at + 1 >= len(self._pending):
            return _Found.NOTHING_YET
        first, marker = self._pending[self._at : self._at + 2]
        if marker == _END_OF_IMAGE and first == _FILL:
            self._at += 2
            return _Found.PICTURE if self._at <= self._picture_bytes_max else _Found.RUBBISH
        if first != _FILL or (marker != _FILL and (marker < _SEGMENT_FIRST or marker in _ALONE)):
            return _Found.RUBBISH  # what stands here may begin the next picture
        if marker == _FILL:
            self._at += 1
            return None if self._at < self._picture_bytes_max else _Found.RUBBISH
        return self._through_segment(marker)

    def _through_segment(self, marker: int) -> _Found | None:
        begin = self._at + 2
        if begin + _LENGTH_BYTES > len(self._pending):
            return _Found.NOTHING_YET
        end = begin + int.from_bytes(self._pending[begin : begin + _LENGTH_BYTES])
        if end < begin + _LENGTH_BYTES or end > self._picture_bytes_max:
            self._at = begin
            return _Found.RUBBISH
        if end > len(self._pending):
            return _Found.NOTHING_YET
        self._at, self._in_scan = end, marker == _START_OF_SCAN
        return None
