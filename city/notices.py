"""What the city says on MQTT of its own accord: the published documents, read from the folder when it changes.

A node's roster goes to that node alone, and not to one that is suspected to live in two boxes. Nothing here signs or
verifies: the folder is the authority's, and every node checks what it gets.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sync import topics

DOCUMENT_BYTES_MAX = 1_048_576  # contracts 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A document to publish."""

    topic: str
    document: bytes = field(repr=False)
    retain: bool


class Noticeboard:
    """The published folder as it was last looked at.

    Args:
        folder: As `ehc-city publish` lays it out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, tuple[int, int]] = {}
        self._rosters: dict[str, tuple[int, bytes]] = {}

    def forget(self) -> None:
        """Take everything for new: a broker started again holds no retained message."""
        self._seen.clear()

    def changes(self, *, withheld: Mapping[str, int | None]) -> Iterator[Notice]:
        """Documents that changed since the last look.

        Args:
            withheld: Nodes by name; one with a moment gets no roster.
        """
        for role in ("root", "issuers", "status"):
            document = self._changed(self._document(role))
            if document is not None:
                yield Notice(topic=topics.document(role), document=document, retain=True)
        for file in sorted(self._folder.glob("nodes/*/roster.json")):
            node = file.parent.name
            document = self._changed(file)
            if document is not None and topics.is_node_name(node):
                self._rosters[node] = (_version(document), document)
                if withheld.get(node) is None:
                    yield self._roster(node, document=document)

    def roster_for(self, node: str, *, held: int) -> Notice | None:
        """The node's roster, if it holds an older one than is published.

        Args:
            node: Its name.
            held: The version it says it has, 0 for none.
        """
        version, document = self._rosters.get(node, (0, b""))
        return self._roster(node, document=document) if version > held else None

    def _roster(self, node: str, *, document: bytes) -> Notice:
        return Notice(topic=topics.down(node, leaf="doc"), document=document, retain=False)

    def _document(self, role: str) -> Path:
        """The file of a role; of roots the last."""
        if role != "root":
            return self._folder / f"{role}.json"
        roots = self._folder.glob("root.*.json")
        return max(roots, key=_root_number, default=self._folder / "root.1.json")

    def _changed(self, file: Path) -> bytes | None:
        """The file's bytes if it is not as it was, None if it is, or is not there."""
        try:
            found = file.stat()
            sign = (found.st_mtime_ns, found.st_ino)  # a replaced file is another file
            if self._seen.get(file) == sign or found.st_size > DOCUMENT_BYTES_MAX:
                return None
            document = file.read_bytes()
        except OSError:
            return None
        self._seen[file] = sign
        return document


def _version(document: bytes) -> int:
    """The version a document of ours states; 0 if it is none of ours."""
    try:
        version = json.loads(b64decode(json.loads(document)["payload"]))["version"]
    except (ValueError, KeyError, TypeError):
        return 0
    return version if type(version) is int else 0


def _root_number(file: Path) -> int:
    number = file.name.split(".")[1]
    return int(number) if number.isdecimal() else 0
