"""A connection to the broker, as the uplink sees it; `sync.mqtt` makes real ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from sync.errors import LinkLostError

ANSWER_TIMEOUT_S: Final = 20.0
"""A broker that keeps the connection and answers nothing is given up after this (contracts 5.4, TCP_USER_TIMEOUT)."""

T = TypeVar("T")


async def in_time(answer: Awaitable[T], *, timeout_s: float = ANSWER_TIMEOUT_S) -> T:
    """Wait for the broker's answer to a subscribe or a publish, but not for ever.

    Raises:
        LinkLostError: ``timeout``: none came.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await answer
    except TimeoutError as exc:
        raise LinkLostError("timeout") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message from the broker."""

    topic: str
    payload: bytes = field(repr=False)


class Acknowledgement(Protocol):
    """What becomes of one publish."""

    def add_done_callback(self, callback: Callable[["Acknowledgement"], object], /) -> None:
        """Call back in the event loop once the broker has answered or is gone."""
        ...

    def exception(self) -> BaseException | None:
        """After that: None, `MessageRefusedError` or `LinkLostError`."""
        ...


class Link(Protocol):
    """One connection; it is never used again once it was lost."""

    async def subscribe(self, topic: str) -> None:
        """Ask for what is published there.

        Raises:
            MessageRefusedError: The broker forbids it.
            LinkLostError: The connection is gone.
        """
        ...

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> Acknowledgement:
        """Send at QoS 1 without waiting. The broker's answer says only that the broker has it.

        Raises:
            LinkLostError: The connection is gone.
        """
        ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send at QoS 1 and wait for the broker's answer.

        Raises:
            MessageRefusedError: The broker forbids it.
            LinkLostError: The connection is gone.
        """
        ...

    def take(self) -> Delivery | None:
        """The next message, None if there is none now.

        Raises:
            LinkLostError: The connection is gone, and all that came before was taken.
        """
        ...

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back in the event loop whenever `take` has something to say."""
        ...


async def messages(link: Link) -> AsyncIterator[tuple[str, bytes]]:
    """Topic and payload of every message, for whoever waits for nothing else: it takes the place of `Link.watch`.

    Raises:
        LinkLostError: The connection is gone, and all that came before was handed out; it never ends otherwise.
    """
    arrived = asyncio.Event()
    link.watch(arrived.set)
    while True:
        arrived.clear()
        delivery = link.take()
        if delivery is None:
            await arrived.wait()
        else:
            yield delivery.topic, delivery.payload
