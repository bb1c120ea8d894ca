"""What goes up from a reader: what it read, when, and where. The only value that crosses this border."""

from dataclasses import dataclass, field
from enum import StrEnum


class Medium(StrEnum):
    """What kind of thing was read, and so what `Reading.data` holds."""

    CODE = "code"  # the bytes of one code, printed, shown or typed
    ID_CARD = "id_card"  # the 256 bytes of text that an identity-card reader gives out
    ICC = "icc"  # a chip card: what a conversation brought back, its meaning in `Reading.content`


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One code or card as a reader delivered it.

    Attributes:
        reader: Name of the reader in the configuration, such as ``scanner-1``.
        data: The bytes read, 1..4096 of them, as `medium` says; never shown by ``repr``: they may name a person.
        text: Of a code: `data` decoded as the reader's configuration says (UTF-8 first, GB18030 if that fails).
        read_at_monotonic_ns: When the last byte arrived, on the monotonic clock.
        medium: What was read.
        content: Of a chip card: what the conversation made of it. Readers carry it and never look inside. None: a card
            was there and said nothing.
    """

    reader: str
    data: bytes = field(repr=False)
    text: str = field(repr=False, default="")
    read_at_monotonic_ns: int
    medium: Medium = Medium.CODE
    content: object | None = field(repr=False, default=None)
