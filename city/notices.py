"""What the city says on MQTT of its own accord: the published documents, whenever the folder changes.

A node's roster goes to that node alone, and not to one that is suspected to live in two boxes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from city.shelf import Document, Shelf
from sync import topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message to publish: a document, a piece of a blob, an order."""

    topic: str
    document: bytes = field(repr=False)
    retain: bool = False


class Noticeboard:
    """What has been said of the published folder.

    Args:
        shelf: Reads it.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._said: dict[str, Document] = {}

    def forget(self) -> None:
        """Take everything for new: a broker started again holds no retained message."""
        self._said.clear()

    def changes(self, *, withheld: Mapping[str, int | None]) -> Iterator[Notice]:
        """Documents that changed since the last look; of roots the newest, for a node asks for those between.

        Args:
            withheld: Nodes by name; one with a moment gets no roster.
        """
        for role in topics.ROLES_FOR_ALL:
            document = self._changed(topics.document(role), self._shelf.document(role))
            if document is not None:
                yield Notice(topic=topics.document(role), document=document.data, retain=True)
        for node in self._shelf.nodes():
            topic = topics.down(node, leaf="doc")
            document = self._changed(topic, self._shelf.document("roster", node=node))
            if document is not None and withheld.get(node) is None:
                yield Notice(topic=topic, document=document.data)

    def roster_for(self, node: str, *, held: int) -> Notice | None:
        """The node's roster, if it holds an older one than is published.

        Args:
            node: Its name.
            held: The version it says it has, 0 for none.
        """
        document = self._shelf.document("roster", node=node)
        if document is None or document.version <= held:
            return None
        return Notice(topic=topics.down(node, leaf="doc"), document=document.data)

    def _changed(self, topic: str, document: Document | None) -> Document | None:
        """The document if it is another than was said last."""
        if document is None or self._said.get(topic) is document:
            return None
        self._said[topic] = document
        return document
