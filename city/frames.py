"""Whose a frame is: taken apart, and its signature checked, before anybody reads its payload (contracts 5.3, 5.4).

A frame whose signer is unknown, whose signature fails or that stands on the wrong topic is dropped without an answer.
"""

from collections.abc import Callable, Mapping, Sequence

from edge.gm import PublicKey
from sync import topics, wire

NodeKeys = Callable[[str], Sequence[PublicKey]]
"""The signing keys of a node by name; none for one that was never made."""


class DroppedError(Exception):
    """A frame gets no answer; the loop counts it.

    Args:
        rule: The stable name of the rule it broke, such as ``signer``.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def open_frame(
    data: bytes, *, topic: str, types: Mapping[str, wire.FrameType], node_keys: NodeKeys
) -> tuple[wire.Frame, str]:
    """The frame, its type and signature checked, and the node whose topic it came on.

    Args:
        data: The frame as it came.
        topic: Where it came.
        types: Which type each leaf of a topic takes.
        node_keys: Who may have signed it.

    Raises:
        DroppedError: ``topic``, ``type``, ``signer`` or ``signature``.
        WireError: It is no frame.
    """
    place = topics.parse_up(topic)
    if place is None:
        raise DroppedError("topic")
    node, leaf = place
    frame = wire.decode_frame(data)
    if frame.type is not types.get(leaf):
        raise DroppedError("type")
    signers = [key for key in node_keys(node) if key.keyid == frame.keyid]
    if not signers:
        raise DroppedError("signer")
    if not any(key.verify(frame.signed, signature=frame.signature) for key in signers):
        raise DroppedError("signature")
    return frame, node


def check_node(claimed: str, *, node: str) -> None:
    """Every payload carries the node; a mismatch with the topic is dropped (contracts 5.3).

    Raises:
        DroppedError: ``node``.
    """
    if claimed != node:
        raise DroppedError("node")
