"""Names of the MQTT topics (contracts 5.3), pure. A name is made only from a node name that was checked."""

import re
from typing import Final

NODE_PATTERN: Final = re.compile(r"[0-9A-Za-z-]{1,32}")

ROLES_FOR_ALL: Final = ("root", "issuers", "status")
"""Documents that are retained for all nodes, in the order in which they are believed."""

_ROOT: Final = "ehc/1"
_RESERVED: Final = "all"


def is_node_name(name: str) -> bool:
    """Whether a node may be called so: `[0-9A-Za-z-]{1,32}`, never `all`."""
    return NODE_PATTERN.fullmatch(name) is not None and name != _RESERVED


def up(node: str, *, leaf: str) -> str:
    """What the node writes: leaf is `hello`, `batch`, `ask`, `result`, `enrol` or `health`."""
    return f"{_ROOT}/{_checked(node)}/up/{leaf}"


def down(node: str, *, leaf: str) -> str:
    """What the node reads: leaf is `receipt`, `doc`, `blob` or `order`."""
    return f"{_ROOT}/{_checked(node)}/down/{leaf}"


def document(role: str) -> str:
    """Where a document for all nodes is retained: role is `root`, `issuers` or `status`."""
    return f"{_ROOT}/all/doc/{role}"


def ingest(group: str) -> str:
    """The shared subscription of the city's workers, all nodes and all leaves upward."""
    return f"$share/{group}/{_ROOT}/+/up/#"


def parse_up(topic: str) -> tuple[str, str] | None:
    """Node and leaf of a topic that a node writes; None for any other topic."""
    match topic.split("/"):
        case ["ehc", "1", node, "up", leaf] if is_node_name(node) and leaf:
            return node, leaf
        case _:
            return None


def _checked(node: str) -> str:
    """The name, if it is one.

    Raises:
        ValueError: It is none; settings were to refuse it, so this is a bug.
    """
    if not is_node_name(node):
        raise ValueError("not a node name")
    return node
