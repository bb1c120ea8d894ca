"""Recordings as text: what is written is read again, and rubbish is refused with one error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameError
from drivers.recording import (
    AFTER_NS_MAX,
    CHUNK_BYTES_MAX,
    LINE_BYTES_MAX,
    Content,
    RecordedChunk,
    RecordingHeader,
    chunk_line,
    chunk_of,
    header_line,
    header_of,
)

chunks = st.builds(
    RecordedChunk,
    data=st.binary(min_size=1, max_size=CHUNK_BYTES_MAX),
    after_ns=st.integers(min_value=0, max_value=AFTER_NS_MAX),
    is_sent=st.booleans(),
)


@given(chunk=chunks)
def test_a_chunk_survives_its_line(chunk: RecordedChunk) -> None:
    """Bytes, silence and direction come back as they were, from one line."""
    line = chunk_line(chunk)

    assert chunk_of(line) == chunk
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert len(line) <= LINE_BYTES_MAX


@pytest.mark.parametrize("content", Content)
def test_a_header_survives_its_line(content: Content) -> None:
    """Type, options and whose content it is come back as they were, and the line can be read by a person."""
    options = {"baud": 9600, "prefix": "\u0002", "lrc": False, "signals": {"accept": "1b41"}}
    header = RecordingHeader(reader_type="serial-scanner", options=options, content=content)

    line = header_line(header)

    assert header_of(line) == header
    assert json.loads(line) == {
        "recording": 1,
        "type": "serial-scanner",
        "options": options,
        "content": content.value,
    }


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        b'{"after_ns": 0}',
        b'{"after_ns": 0, "hex": ""}',
        b'{"after_ns": 0, "hex": "3"}',
        b'{"after_ns": 0, "hex": "xy"}',
        b'{"after_ns": -1, "hex": "33"}',
        b'{"after_ns": 86400000000001, "hex": "33"}',
        b'{"after_ns": "0", "hex": "33"}',
        b'{"after_ns": 0, "hex": "33", "sent": "33"}',
        b'{"after_ns": 0, "sent": "33", "why": 1}',
        b'{"after_ns": 0, "hex": "' + b"33" * (CHUNK_BYTES_MAX + 1) + b'"}',
        b'{"after_ns": 0, "hex": "33"}' + b" " * LINE_BYTES_MAX,
    ],
)
def test_what_is_no_chunk_is_refused_without_its_content(line: bytes) -> None:
    """One error for every mistake, and it does not quote what may name a person."""
    with pytest.raises(FrameError) as caught:
        chunk_of(line)

    assert "33" not in str(caught.value)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"recording": 2, "type": "x", "options": {}, "content": "kept"},
        {"recording": 1, "type": "x", "options": {}, "content": "whose"},
        {"recording": 1, "type": "x", "options": [], "content": "kept"},
        {"recording": 1, "options": {}, "content": "kept"},
    ],
)
def test_what_is_no_header_is_refused(members: dict[str, object]) -> None:
    """Another version or another file is not played as if it were one."""
    with pytest.raises(FrameError):
        header_of(json.dumps(members).encode())


@given(line=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_rubbish_is_a_frame_error_or_nothing_else(line: bytes) -> None:
    """Whatever a file holds, reading a line of it ends in a value or in this error."""
    for read in (chunk_of, header_of):
        try:
            read(line)
        except FrameError:
            continue


def test_content_is_in_no_repr() -> None:
    """A chunk may name a person."""
    assert "11010020171225006X" not in repr(RecordedChunk(data=b"11010020171225006X"))
