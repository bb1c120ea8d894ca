"""Orders of the city (contracts 5.3), sans-IO: whether one may run, and what became of it.

An order that counts is handed out once and answered when it was run; one that comes again gets the same answer. What
is refused is answered too, but its id is not used up: it may run later, when the node knows the time.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from sync.asking import Order, Result
from sync.errors import StoreError
from sync.wire import Frame

OPEN_MAX: Final = 4
"""Orders handed out or waiting; they are few, and whoever sends more waits for their answers."""
RESULTS_MAX: Final = 16

Interval = Callable[[], tuple[int, int | None]]
"""The time interval now: lo and hi in Unix milliseconds, hi None while unknown."""


class UsedIds(Protocol):
    """Which orders were run, kept across restarts; see `sync.order_book.OrderBook`."""

    def has(self, order_id: bytes) -> bool:
        """Whether that id was used."""
        ...

    def may_have_forgotten(self, *, expires_ms: int) -> bool:
        """Whether an order that expires then may have been used and forgotten."""
        ...

    def add(self, order_id: bytes, *, expires_ms: int, lo_ms: int) -> bool:
        """Use an id; False: there is no room.

        Raises:
            StoreError: It could not be read or written, and the id was not used.
        """
        ...


class Orders:
    """The orders of one node.

    Args:
        node: Its name.
        used: Which ids were run.
        verify: Whether a key of the root's role `config` with that keyid made that signature over those bytes.
        interval: The time now.
    """

    def __init__(
        self, *, node: str, used: UsedIds, verify: Callable[[bytes, bytes, bytes], bool], interval: Interval
    ) -> None:
        self._node = node
        self._used = used
        self._verify = verify
        self._interval = interval
        self._open: dict[bytes, Order] = {}
        self._waiting: deque[Order] = deque()
        self._results: dict[bytes, Result] = {}
        self._unsent: deque[Result] = deque()

    def take(self, frame: Frame) -> str | None:
        """Take a frame of that type.

        Returns:
            Why it is no order for us, ``signature`` or ``node``, and changes nothing; None if it was taken or answered.

        Raises:
            WireError: It is rightly signed and no order.
        """
        if not self._verify(frame.keyid, frame.signed, frame.signature):
            return "signature"
        order = Order.from_payload(frame.payload)
        if order.node != self._node:
            return "node"
        if order.id in self._results:  # the city has not heard of it: the same answer, and nothing runs
            self._answer(self._results[order.id])
        elif order.id not in self._open:
            error = self._refusal(order)
            if error is not None:
                self._answer(self._result(order, error=error))
            else:
                self._open[order.id] = order
                self._waiting.append(order)
        return None

    def next_order(self) -> Order | None:
        """The next order to run; None if there is none now."""
        return self._waiting.popleft() if self._waiting else None

    def finish(self, order: Order, *, error: str | None) -> None:
        """Answer an order that `next_order` gave; `error` None: it was done."""
        del self._open[order.id]
        while len(self._results) >= RESULTS_MAX:
            del self._results[next(iter(self._results))]
        self._results[order.id] = self._result(order, error=error)
        self._answer(self._results[order.id])

    @property
    def has_result(self) -> bool:
        """Whether there is an answer to send."""
        return bool(self._unsent)

    def next_result(self) -> Result | None:
        """The next answer to send; None if there is none now."""
        return self._unsent.popleft() if self._unsent else None

    def _refusal(self, order: Order) -> str | None:
        """Why an order may not run; if it may, its id is used up."""
        lo_ms, hi_ms = self._interval()
        if self._used.has(order.id):
            return "again"  # before a restart; nobody knows any more what became of it
        if hi_ms is None or order.expires_ms <= hi_ms:  # contracts 5.3: must provably lie ahead
            return "expires"
        if self._used.may_have_forgotten(expires_ms=order.expires_ms):
            return "again"  # only if the time was set back since
        if len(self._open) >= OPEN_MAX:
            return "busy"
        try:
            is_used = self._used.add(order.id, expires_ms=order.expires_ms, lo_ms=lo_ms)
        except StoreError:
            return "store"
        return None if is_used else "full"

    def _result(self, order: Order, *, error: str | None) -> Result:
        return Result(node=self._node, id=order.id, ok=error is None, error=error)

    def _answer(self, result: Result) -> None:
        """Queue an answer; one that finds no room is given when the city asks again."""
        if len(self._unsent) < RESULTS_MAX and result not in self._unsent:
            self._unsent.append(result)
