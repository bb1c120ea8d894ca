"""Deltas of packed lists (contracts 3.3): what led to the former version is kept, and one is added to it.

The chain stands in the status document alone, so document, snapshots and deltas always fit together. Where the former
document or its snapshot cannot be read, the chain begins anew, and every node fetches one snapshot.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge import dsse
from edge.errors import TrustError
from edge.gm import sm3
from edge.members import Members
from edge.status_delta import make_delta
from edge.status_list import StatusList, unpack_snapshot
from edge.trust_documents import Blob, Delta, ListInfo, read_status

DELTAS_MAX: Final = 30
"""Kept a list: a month of daily publishing. A node away for longer fetches the snapshot."""

_DOCUMENT_BYTES_MAX: Final = 1_048_576  # contracts 3


class FormerLists:
    """The packed lists of the status document that is published now.

    Args:
        folder: Where it lies with its blobs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lists = _lists_in(folder / "status.json")

    def deltas_to(self, new: StatusList, *, name: str, version: int) -> tuple[tuple[Delta, ...], bytes | None]:
        """The chain up to a new version, oldest first, and the blob of its last delta if that is new.

        Args:
            new: The list.
            name: Its id.
            version: Its version; the former one if its content is the former one.
        """
        former = self._lists.get(name)
        if former is None:
            return (), None
        if former.version == version:
            return former.deltas, None
        try:
            blob = make_delta(self._unpacked(former), new)
        except (OSError, TrustError, ValueError):  # the snapshot is gone or damaged, or the list was made smaller
            return (), None
        last = Delta(from_version=former.version, to_version=version, blob=Blob(sm3=sm3(blob), length=len(blob)))
        return (*former.deltas, last)[-DELTAS_MAX:], blob

    def _unpacked(self, former: ListInfo) -> StatusList:
        blob = (self._folder / former.snapshot.sm3.hex()).read_bytes()
        return unpack_snapshot(blob, size=former.size, sm3=former.sm3)


def _lists_in(file: Path) -> Mapping[str, ListInfo]:
    try:
        envelope = dsse.parse(file.read_bytes(), size_max=_DOCUMENT_BYTES_MAX)
        return read_status(Members(dsse.strict_json(envelope.payload))).lists
    except (OSError, TrustError):
        return {}
