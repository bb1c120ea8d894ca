"""A folder or USB stick with documents of the test city, laid out as contracts 6 says."""

from collections.abc import Iterable
from pathlib import Path

from edge.trust import role_of
from tests.support.authority import Shelf


def write_stick(folder: Path, *, roots: Iterable[bytes] = (), documents: Iterable[bytes] = (), shelf: Shelf) -> Path:
    """Write roots from 1 on, one document of each role, and every blob of the shelf."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, root in enumerate(roots, start=1):
        (folder / f"root.{number}.json").write_bytes(root)
    for document in documents:
        (folder / f"{role_of(document)}.json").write_bytes(document)
    for sm3, blob in shelf.blobs.items():
        (folder / sm3.hex()).write_bytes(blob)
    return folder
