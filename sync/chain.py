"""The ledger's chain (contracts 5.2), pure: whoever holds the rows can prove that none is missing, changed or moved.

The hash is handed in: no cryptography lives in this package.
"""

from collections.abc import Callable
from typing import Final

Hash = Callable[[bytes], bytes]
"""SM3, as `edge` hands it in."""

HEAD_BYTES: Final = 32
EPOCH_MAX: Final = 2**32 - 2
"""Highest epoch that is believed, wherever it comes from: the one behind it still fits into the chain's start."""

_SEQ_BYTES: Final = 8
_EPOCH_BYTES: Final = 4


def start(node: str, epoch: int, *, hash: Hash) -> bytes:  # noqa: A002  # the field's own word
    """h(0) of an epoch: SM3(`EHC-ledger` || node || epoch)."""
    return hash(b"EHC-ledger" + node.encode() + epoch.to_bytes(_EPOCH_BYTES, "big"))


def link(previous: bytes, *, seq: int, message_id: bytes, digest: bytes, hash: Hash) -> bytes:  # noqa: A002
    """h(n) = SM3(h(n-1) || seq || id || SM3(body)).

    Args:
        previous: h(seq - 1).
        seq: From 1, without gaps in an epoch.
        message_id: 16 bytes.
        digest: SM3(body), 32 bytes.
        hash: SM3.
    """
    return hash(previous + seq.to_bytes(_SEQ_BYTES, "big") + message_id + digest)
