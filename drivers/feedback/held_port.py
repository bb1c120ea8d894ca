"""A port that is opened when it is first needed and kept; what was unplugged meanwhile is opened again, once.

So a device that is plugged in again works with the next announcement, and nobody has to watch it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Generic, TypeVar

from drivers.errors import FeedbackError, ReaderLostError

Port = TypeVar("Port")
Result = TypeVar("Result")


class HeldPort(Generic[Port]):
    """The port.

    Args:
        open_port: Makes a port, open inside ``async with``; opening and using it raise `ReaderLostError`.
    """

    def __init__(self, open_port: Callable[[], AbstractAsyncContextManager[Port]]) -> None:
        self._open_port = open_port
        self._closing = AsyncExitStack()
        self._port: Port | None = None

    async def use(self, act: Callable[[Port], Awaitable[Result]]) -> Result:
        """Let something be done with the port, opened if it is not.

        Args:
            act: Tried again on a fresh port if the one that was held turns out to be lost.

        Raises:
            FeedbackError: The device is not there.
        """
        was_held = self._port is not None
        try:
            try:
                return await self._try(act)
            except ReaderLostError:
                if not was_held:
                    raise
                return await self._try(act)
        except ReaderLostError as lost:
            raise FeedbackError(lost.cause) from lost

    async def close(self) -> None:
        """Close the port, if it is open."""
        self._port = None
        await self._closing.aclose()

    async def _try(self, act: Callable[[Port], Awaitable[Result]]) -> Result:
        try:
            if self._port is None:
                self._port = await self._closing.enter_async_context(self._open_port())
            return await act(self._port)
        except ReaderLostError:
            await self.close()
            raise
