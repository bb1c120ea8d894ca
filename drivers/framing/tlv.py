"""One record of a card's file: tag, length, value, one byte each for the first two (domain facts 2.2, 4), sans-IO.

It is not BER: a length of 80 or more is a length (the certificate of an issuer has B4).
"""

HEAD_BYTES = 2


def encode(tag: int, *, value: bytes) -> bytes:
    """Build a record.

    Raises:
        ValueError: The value is longer than 255 bytes, or the tag is no byte.
    """
    return bytes((tag, len(value))) + value


def value_of(record: bytes, *, tag: int) -> bytes | None:
    """Return the value of a record that is exactly one with this tag; None: it is anything else."""
    if len(record) < HEAD_BYTES or record[0] != tag or record[1] != len(record) - HEAD_BYTES:
        return None
    return record[HEAD_BYTES:]
