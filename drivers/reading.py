"""What goes up from a reader: the bytes it read, when, and where. The only value that crosses this border."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One code or card as a reader delivered it.

    Attributes:
        reader: Name of the reader in the configuration, such as ``scanner-1``.
        data: The bytes between the frame's limits, 1..4096 of them; never shown by ``repr``: they may name a person.
        text: `data` decoded as the reader's configuration says (UTF-8 first, GB18030 if that fails).
        read_at_monotonic_ns: When the last byte arrived, on the monotonic clock.
    """

    reader: str
    data: bytes = field(repr=False)
    text: str = field(repr=False)
    read_at_monotonic_ns: int
