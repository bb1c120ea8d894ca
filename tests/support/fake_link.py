"""A broker in memory and links to it; it passes the same conformance tests as mosquitto."""

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Callable

from sync.errors import LinkLostError, MessageRefusedError
from sync.link import Delivery

NOT_AUTHORIZED = 0x87


class FakeBroker:
    """Topics without wildcards, one `#` at the end of a subscription apart.

    Attributes:
        forbidden: Topics nobody may publish to.
        is_up: Whether it accepts connections.
        published: Everything accepted, in order.
        drops: Takes a delivery's topic and says whether it gets lost.
    """

    def __init__(self) -> None:
        self.forbidden: set[str] = set()
        self.is_up = True
        self.published: list[Delivery] = []
        self.drops: Callable[[str], bool] = lambda _topic: False
        self.links: list[FakeLink] = []

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator["FakeLink"]:
        """A link for the length of a block."""
        if not self.is_up:
            raise LinkLostError("refused")
        link = FakeLink(self)
        self.links.append(link)
        try:
            yield link
        finally:
            link.lose("closed")

    def kill(self) -> None:
        """Forget everything and everybody."""
        self.is_up = False
        for link in list(self.links):
            link.lose("closed")

    def route(self, delivery: Delivery) -> None:
        """Hand a message to everybody who asked for it."""
        self.published.append(delivery)
        if self.drops(delivery.topic):
            return
        for link in self.links:
            if any(_matches(pattern, delivery.topic) for pattern in link.subscriptions):
                link.deliver(delivery)


class FakeLink:
    """One connection to a `FakeBroker`; see `sync.link.Link`."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._inbox: collections.deque[Delivery] = collections.deque()
        self._cause: str | None = None
        self._on_change: Callable[[], None] = lambda: None
        self.subscriptions: set[str] = set()

    async def subscribe(self, topic: str) -> None:
        if self._cause is not None:
            raise LinkLostError(self._cause)
        self.subscriptions.add(topic)

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[None]:
        if self._cause is not None:
            raise LinkLostError(self._cause)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.exception())
        if topic in self._broker.forbidden:
            future.set_exception(MessageRefusedError(NOT_AUTHORIZED))
        else:
            future.set_result(None)
            self._broker.route(Delivery(topic=topic, payload=payload))
        return future

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        await self.send(topic, payload, retain=retain)

    def take(self) -> Delivery | None:
        if self._inbox:
            return self._inbox.popleft()
        if self._cause is not None:
            raise LinkLostError(self._cause)
        return None

    def watch(self, callback: Callable[[], None]) -> None:
        self._on_change = callback

    def deliver(self, delivery: Delivery) -> None:
        """The broker has a message for this link."""
        self._inbox.append(delivery)
        self._on_change()

    def lose(self, cause: str) -> None:
        """End it."""
        if self._cause is None:
            self._cause = cause
            self._broker.links.remove(self)
            self._on_change()


def _matches(pattern: str, topic: str) -> bool:
    return topic.startswith(pattern[:-1]) if pattern.endswith("#") else topic == pattern
