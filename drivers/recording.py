"""Recordings of what a device sent, as text: one JSON object a line, so that a person can read and mend one.

The first line is the header: ``{"recording": 1, "type": "serial-scanner", "options": {"baud": 9600}, "content":
"invented"}``; the options are those of the configuration without ``port``. Every other line is a chunk as one read gave
it, ``{"after_ns": 16000000, "hex": "3132330d"}``, or what the program sent to the device, ``{"after_ns": 0, "sent":
"02"}``. Nothing is read or written here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from drivers.errors import FrameError

VERSION: Final = 1
CHUNK_BYTES_MAX: Final = 4096  # what one read of a port gives at most
AFTER_NS_MAX: Final = 86_400_000_000_000  # a day of silence
LINE_BYTES_MAX: Final = 16_384  # two hexadecimal digits a byte and room for a header


class Content(StrEnum):
    """Whose content the chunks hold."""

    INVENTED = "invented"  # every letter and digit replaced: it may be shown to anybody
    KEPT = "kept"  # as it was read: it may name a person


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChunk:
    """Bytes as they came in one read, or went out in one write.

    Attributes:
        data: The bytes; never shown by ``repr``: they may name a person.
        after_ns: The silence before them.
        is_sent: Whether the program sent them to the device; played, they are waited for.
    """

    data: bytes = field(repr=False)
    after_ns: int = 0
    is_sent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingHeader:
    """What was recorded.

    Attributes:
        reader_type: The type of the reader as the configuration names it.
        options: Its options without ``port``.
        content: Whose content it is.
    """

    reader_type: str
    options: Mapping[str, Any]
    content: Content


def header_line(header: RecordingHeader) -> bytes:
    """Return the first line of a recording, with its end."""
    members = {"recording": VERSION, "type": header.reader_type, "options": dict(header.options)}
    return _line(members | {"content": header.content.value})


def chunk_line(chunk: RecordedChunk) -> bytes:
    """Return the line of a chunk, with its end."""
    return _line({"after_ns": chunk.after_ns, "sent" if chunk.is_sent else "hex": chunk.data.hex()})


def header_of(line: bytes) -> RecordingHeader:
    """Return what the first line says.

    Raises:
        FrameError: It is not that of a recording of this version.
    """
    match _members(line):
        case {"recording": int(version), "type": str(reader_type), "options": dict(options), "content": str(content)}:
            if version == VERSION and content in set(Content):
                return RecordingHeader(reader_type=reader_type, options=options, content=Content(content))
    raise FrameError("not the header of a recording")


def chunk_of(line: bytes) -> RecordedChunk:
    """Return the chunk in a line.

    Raises:
        FrameError: There is none.
    """
    match _members(line):
        case {"after_ns": int(after_ns), "hex": str(digits), **rest} if not rest:
            return _chunk(digits, after_ns=after_ns, is_sent=False)
        case {"after_ns": int(after_ns), "sent": str(digits), **rest} if not rest:
            return _chunk(digits, after_ns=after_ns, is_sent=True)
    raise FrameError("not a chunk of a recording")


def _chunk(digits: str, *, after_ns: int, is_sent: bool) -> RecordedChunk:
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise FrameError("not hexadecimal") from None  # the error quotes what may name a person
    if not (0 <= after_ns <= AFTER_NS_MAX and 1 <= len(data) <= CHUNK_BYTES_MAX):
        raise FrameError("a chunk out of bounds")
    return RecordedChunk(data=data, after_ns=after_ns, is_sent=is_sent)


def _members(line: bytes) -> Any:
    if len(line) > LINE_BYTES_MAX:
        raise FrameError("an overlong line")
    try:
        return json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise FrameError("no JSON") from None


def _line(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode() + b"\n"
