"""The data elements in a card's files: what they are, and how a file of them is read.

Which elements a file has is data (`edge.rhc_files`, `edge.ssc`); here is only what all of them have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TypeAlias, assert_never

from drivers.framing import tlv
from drivers.framing.apdu import LE_MAX, StatusWord
from edge import card_data
from edge.apdu_talk import ApduLine, Part, read_record, why_unread
from edge.card_content import Unread

Value: TypeAlias = str | int | date | bytes


class Shape(StrEnum):
    """How an element's bytes are meant (domain facts 2.2)."""

    TEXT = "ans"  # an is read the same way
    DIGITS = "cn"
    DAY = "cn4"  # YYYYMMDD
    BYTE = "b1"
    HEX = "hex"  # b of several bytes that people write as hex
    RAW = "b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One element.

    Attributes:
        tag: Of its record; 0: the element stands in a record without TLV.
        name: English, unique in its file.
        label: As the standard names it.
        shape: How its bytes are meant.
        length: In bytes, 1..253; of text the most there may be.
        is_at_desk: Whether a desk needs it.
    """

    tag: int
    name: str
    label: str
    shape: Shape
    length: int
    is_at_desk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRead:
    """What was read of a file of records.

    Attributes:
        values: By the item's name; what is empty or not as its type says is absent.
        records: The records as the card gave them, by the item's name.
        cause: Why something of it stays unread; None: it was read whole.
    """

    values: dict[str, Value] = field(repr=False)
    records: dict[str, bytes] = field(repr=False)
    cause: Unread | None = None


def read_items(line: ApduLine, *, items: Sequence[Item], is_length_known: bool = True) -> Part[FileRead]:
    """Read elements of the selected file by their tags.

    A record that the card does not have is an element it does not have. A card that refuses one record is not asked for
    the next: it would refuse that too.

    Args:
        line: To the card.
        items: What to read.
        is_length_known: Whether to ask for exactly the item's length; if not, the card is asked for whatever there is.
    """
    values: dict[str, Value] = {}
    records: dict[str, bytes] = {}
    cause = None
    for item in items:
        wanted = tlv.HEAD_BYTES + item.length if is_length_known else LE_MAX
        answer = yield from line.send(read_record(item.tag, response_bytes=wanted))
        if answer.sw == StatusWord.RECORD_NOT_FOUND:
            continue
        if not answer.is_ok:
            return FileRead(values=values, records=records, cause=cause or why_unread(answer))
        element = tlv.value_of(answer.data, tag=item.tag)
        if element is None or not fits(element, item=item):
            cause = Unread.DAMAGED
            continue
        records[item.name] = answer.data
        value = decoded(element, shape=item.shape)
        if value is not None:
            values[item.name] = value
    return FileRead(values=values, records=records, cause=cause)


def fits(element: bytes, *, item: Item) -> bool:
    """Whether an element has its length; a text may have been stored without its padding."""
    if item.shape is Shape.TEXT:
        return 0 < len(element) <= item.length
    return len(element) == item.length


def decoded(element: bytes, *, shape: Shape) -> Value | None:
    """Decode an element; None: it is empty, or not as its shape says."""
    match shape:
        case Shape.TEXT:
            return card_data.text(element)
        case Shape.DIGITS:
            return card_data.digits(element)
        case Shape.DAY:
            return card_data.day(element)
        case Shape.BYTE:
            return card_data.byte(element)
        case Shape.HEX:
            return element.hex().upper() if is_written(element) else None
        case Shape.RAW:
            return element if is_written(element) else None
        case _:
            assert_never(shape)


def is_written(element: bytes) -> bool:
    """Whether there is anything but padding, 00 or FF all through (domain facts 2.2)."""
    return bool(element.strip(b"\x00")) and bool(element.strip(b"\xff"))


def text_of(value: Value | None) -> str | None:
    """Return a value that is text by its item's shape."""
    return value if isinstance(value, str) else None


def day_of(value: Value | None) -> date | None:
    """Return a value that is a day by its item's shape."""
    return value if isinstance(value, date) else None


def number_of(value: Value | None) -> int | None:
    """Return a value that is a byte by its item's shape."""
    return value if isinstance(value, int) else None
