"""Orders to nodes and what became of them (contracts 5.3): one small file each, and one beside it for the answer.

A command writes the signed order, `ehc-city serve` sends it and writes the answer: two programs, each with files of its
own. A node runs an id once, so an order is sent again until it was run or has expired; a node that does not know the
time yet, or has no room, says so, uses no id up, and may run it later. Every other word is final: ``failed`` means that
it ran without success, and its id is used up.
"""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from city.errors import AuthorityError
from city.frames import DroppedError, NodeKeys, check_node, open_frame
from edge.durable_file import make_file, replace_file
from sync import wire
from sync.asking import Order, OrderKind, Result

KEPT_MS: Final = 90 * 86_400_000
"""Past an order's expiry: somebody may still ask what became of it."""
NOT_YET: Final = frozenset({"expires", "busy", "store", "full"})
"""Answers of a node that may still run the order; ``store``: it could not write the id, and so did not run it."""

_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TYPE_OF_LEAF: Final = {"result": wire.FrameType.RESULT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a node answered, and when: Unix milliseconds; `error` is a word, None if it was done."""

    ok: bool
    error: str | None
    at_ms: int

    @property
    def is_final(self) -> bool:
        """Whether the order will not be run any more, or again."""
        return self.ok or self.error not in NOT_YET


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An order as it was given: its signed frame, when it was made (Unix ms), and the answer, None before there is."""

    order: Order
    frame: bytes = field(repr=False)
    made_at_ms: int
    outcome: Outcome | None = None

    def is_open(self, now_ms: int) -> bool:
        """Whether it is to be sent."""
        return (self.outcome is None or not self.outcome.is_final) and now_ms < self.order.expires_ms


class OrderBook:
    """The folder of orders; whoever only reads needs no lock.

    Args:
        folder: Made with the first order.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, Given] = {}  # those that no longer change

    def add(self, order: Order, *, frame: bytes, now_ms: int) -> None:
        """Put an order where `serve` finds it; those long past are cleared away.

        Raises:
            AuthorityError: The folder cannot be written.
        """
        members = {
            "node": order.node,
            "kind": order.kind.value,
            "expires": order.expires_ms,
            "made_at": now_ms,
            "frame": b64encode(frame).decode(),
        }
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for file, given in self._files():
                if given.order.expires_ms + KEPT_MS < now_ms:
                    self._answer_file(file).unlink(missing_ok=True)
                    file.unlink(missing_ok=True)
            make_file(self._folder / f"{order.id.hex()}.json", json.dumps(members).encode(), mode=0o600)
        except OSError as exc:
            raise AuthorityError(f"{self._folder}: cannot be written") from exc

    def orders(self) -> list[Given]:
        """All of them, oldest first."""
        return sorted((given for _, given in self._files()), key=lambda given: (given.made_at_ms, given.order.id))

    def answer(self, result: Result, *, now_ms: int) -> None:
        """Keep what a node answered; a final answer stays.

        Raises:
            DroppedError: ``order``: that node was never told so.
            OSError: It cannot be kept.
        """
        file = self._folder / f"{result.id.hex()}.json"
        given = self._given(file)
        if given is None or given.order.node != result.node:
            raise DroppedError("order")
        if given.outcome is None or not given.outcome.is_final:
            members = {"ok": result.ok, "error": _word(result.error), "at": now_ms}
            replace_file(self._answer_file(file), json.dumps(members).encode(), mode=0o600)

    def _files(self) -> list[tuple[Path, Given]]:
        found = [(file, self._given(file)) for file in self._folder.glob("*.json")]
        return [(file, given) for file, given in found if given is not None]

    def _given(self, file: Path) -> Given | None:
        """An order as it stands now; None for a file that is none."""
        if file in self._read:
            return self._read[file]
        try:
            members = json.loads(file.read_bytes())
            given = Given(
                order=Order(
                    node=members["node"],
                    id=bytes.fromhex(file.stem),
                    kind=OrderKind(members["kind"]),
                    expires_ms=members["expires"],
                ),
                frame=b64decode(members["frame"]),
                made_at_ms=members["made_at"],
                outcome=_outcome(self._answer_file(file)),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if given.outcome is not None and given.outcome.is_final:
            self._read[file] = given
        return given

    def _answer_file(self, file: Path) -> Path:
        return file.with_suffix(".answer")


class OrderDesk:
    """The serving end: what is still to be sent to whom, and answers taken.

    Args:
        book: Where orders lie.
        node_keys: The signing keys of a node by name.
    """

    def __init__(self, book: OrderBook, *, node_keys: NodeKeys) -> None:
        self._book = book
        self._node_keys = node_keys
        self._open: dict[str, list[Given]] = {}
        self._sent: set[bytes] = set()

    def forget(self) -> None:
        """Take every order for new: a broker started again holds none of them."""
        self._sent.clear()

    def look(self, *, now_ms: int) -> list[Given]:
        """Read the folder; the orders that were not sent on this link yet."""
        self._open = {}
        for given in self._book.orders():
            if given.is_open(now_ms):
                self._open.setdefault(given.order.node, []).append(given)
        fresh = [given for orders in self._open.values() for given in orders if given.order.id not in self._sent]
        self._sent = {given.order.id for orders in self._open.values() for given in orders}
        return fresh

    def open_for(self, node: str, *, now_ms: int) -> list[Given]:
        """What a node that is there now has not answered, as of the last look."""
        return [given for given in self._open.get(node, ()) if given.is_open(now_ms)]

    def handle(self, data: bytes, *, topic: str, now_ms: int) -> Result:
        """Take a node's answer.

        Args:
            data: The frame as it came.
            topic: Where it came.
            now_ms: The city's clock, Unix milliseconds.

        Raises:
            DroppedError: The rule it broke; ``order`` if it answers none.
            OSError: It cannot be kept.
            WireError: It is no result.
        """
        frame, node = open_frame(data, topic=topic, types=_TYPE_OF_LEAF, node_keys=self._node_keys)
        result = Result.from_payload(frame.payload)
        check_node(result.node, node=node)
        self._book.answer(result, now_ms=now_ms)
        if result.ok or result.error not in NOT_YET:
            self._open[node] = [given for given in self._open.get(node, ()) if given.order.id != result.id]
        return result


def _outcome(file: Path) -> Outcome | None:
    try:
        members = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    return Outcome(ok=members["ok"], error=members["error"], at_ms=members["at"])


def _word(text: str | None) -> str | None:
    """A node's word for what went wrong, kept only if it is one: nobody's terminal obeys it."""
    return text if text is None or _WORD.fullmatch(text) else "?"
