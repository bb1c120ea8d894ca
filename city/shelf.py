"""What is published, for reading: documents by role and version, pieces of blobs, and for whom each is.

The folder is laid out as `ehc-city publish` does it: what is for all lies at the top, what is for one node in
``nodes/NAME``. Every file is replaced whole, so whatever is read fits together. Nothing here signs or verifies: the
folder is the authority's, and every node checks what it gets.
"""

import json
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path

from sync import topics

DOCUMENT_BYTES_MAX = 1_048_576
"""Of one document (contracts 3); no larger file is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A published document and the version it states."""

    version: int
    data: bytes = field(repr=False)


class Shelf:
    """The published folder; a document is read again only when its file was replaced.

    Args:
        folder: As `ehc-city publish` lays it out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[tuple[int, int], Document]] = {}

    def document(self, role: str, *, node: str | None = None) -> Document | None:
        """The newest document of a role; None if there is none.

        Args:
            role: ``root``, ``issuers``, ``status``, or ``roster`` with its node.
            node: Whose, for a roster.
        """
        if role == "root":
            return self.root(self.root_version())
        if role in topics.ROLES_FOR_ALL:
            return self._document(self._folder / f"{role}.json")
        if role == "roster" and node is not None:
            return self._document(self._of_node(node) / "roster.json")
        return None

    def nodes(self) -> list[str]:
        """Nodes that a roster is published for, by name."""
        names = (file.parent.name for file in self._folder.glob("nodes/*/roster.json"))
        return sorted(name for name in names if topics.is_node_name(name))

    def root_version(self) -> int:
        """The number of the newest root, 0 before there is one."""
        return max(map(root_number, self._folder.glob("root.*.json")), default=0)

    def root(self, version: int) -> Document | None:
        """One root of the chain."""
        return self._document(self._folder / f"root.{version}.json")

    def piece(self, sm3: bytes, *, node: str | None, offset: int, length: int) -> tuple[int, bytes] | None:
        """A piece of a blob that is published for all or for this node.

        Args:
            sm3: Names it.
            node: Whose own blobs count too; another node's do not exist for it.
            offset: Of the first byte.
            length: Of the piece, at most.

        Returns:
            Length of the whole blob, and the bytes, none beyond its end; None if there is no such blob for that node.
        """
        folders = [self._folder] if node is None else [self._folder, self._of_node(node)]
        for folder in folders:
            try:
                with (folder / sm3.hex()).open("rb") as file:
                    total = file.seek(0, 2)
                    file.seek(min(offset, total))
                    return total, file.read(length)
            except OSError:
                continue
        return None

    def _of_node(self, node: str) -> Path:
        """What is for one node; a name is made of letters, digits and hyphens."""
        return self._folder / "nodes" / node

    def _document(self, file: Path) -> Document | None:
        try:
            found = file.stat()
            sign = (found.st_mtime_ns, found.st_ino)  # a replaced file is another file
            known = self._read.get(file)
            if known is None or known[0] != sign:
                data = file.read_bytes() if found.st_size <= DOCUMENT_BYTES_MAX else b""
                known = sign, Document(version=version_of(data), data=data)
                self._read[file] = known
        except OSError:
            self._read.pop(file, None)
            return None
        return known[1] if known[1].data else None


def version_of(document: bytes) -> int:
    """The version a document of ours states; 0 if it is none of ours."""
    try:
        version = json.loads(b64decode(json.loads(document)["payload"]))["version"]
    except (ValueError, KeyError, TypeError):
        return 0
    return version if type(version) is int else 0


def root_number(file: Path) -> int:
    """The number in the name of a root's file, 0 for another file."""
    number = file.name.split(".")[1]
    return int(number) if number.isdecimal() else 0
