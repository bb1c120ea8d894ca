"""A city's server on links that a test plays, with time that passes when the test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from city.home import Home
from city.ingest_store import SqliteIngestStore
from city.serve import Server
from sync.backoff import Backoff
from sync.errors import LinkLostError, MessageRefusedError
from sync.link import Delivery

NOW_MS = 1795399200000


class Coming(asyncio.Queue[tuple[str, bytes] | None]):
    """What a link will be given to take; None: it is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.on_put: Callable[[], None] = lambda: None

    def _put(self, item: tuple[str, bytes] | None) -> None:
        super()._put(item)
        self.on_put()


class PlayedLink:
    """A link whose messages the test puts in and whose publishes it waits for."""

    def __init__(self) -> None:
        self.subscribed: list[str] = []
        self.published: asyncio.Queue[tuple[str, bytes, bool]] = asyncio.Queue()
        self.coming = Coming()
        self.refuses = False

    async def subscribe(self, topic: str) -> None:
        self.subscribed.append(topic)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.published.put_nowait((topic, payload, retain))
        if self.refuses:
            raise MessageRefusedError(0x87)

    def take(self) -> Delivery | None:
        if self.coming.empty():
            return None
        message = self.coming.get_nowait()
        if message is None:
            raise LinkLostError("closed")
        return Delivery(topic=message[0], payload=message[1])

    def watch(self, callback: Callable[[], None]) -> None:
        self.coming.on_put = callback

    async def next(self) -> tuple[str, bytes, bool]:
        return await asyncio.wait_for(self.published.get(), timeout=10)

    async def topics(self, count: int) -> list[str]:
        return [(await self.next())[0] for _ in range(count)]


class Stage:
    """A city, its server, one link after another, and time that passes when the test says so."""

    def __init__(self, home: Home, store: SqliteIngestStore) -> None:
        self.home = home
        self.store = store
        self.links: asyncio.Queue[PlayedLink] = asyncio.Queue()
        self.lines: list[str] = []
        self.waits: asyncio.Queue[tuple[float, asyncio.Event]] = asyncio.Queue()
        self.lost = 0
        self.refuses = False
        self.server = Server(
            home,
            store=store,
            connect=self._connect,
            say=self.lines.append,
            backoff=Backoff(random=lambda: 0.5, first_s=0.5, last_s=10),
            sleep=self._sleep,
        )

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[PlayedLink]:
        if self.lost:
            self.lost -= 1
            raise LinkLostError("refused")
        link = PlayedLink()
        link.refuses = self.refuses
        self.links.put_nowait(link)
        yield link

    async def _sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self.waits.put_nowait((seconds, event))
        await event.wait()

    async def pass_time(self) -> float:
        """Let the next wait end; how long it was."""
        seconds, event = await asyncio.wait_for(self.waits.get(), timeout=10)
        event.set()
        return seconds

    async def link(self) -> PlayedLink:
        return await asyncio.wait_for(self.links.get(), timeout=10)


def play(home: Home, *, script: Callable[[Stage], object]) -> Stage:
    """Run a server while the script plays, then stop it."""

    async def run() -> Stage:
        with SqliteIngestStore(home.ingest_db, now_ms=NOW_MS) as store:
            stage = Stage(home, store)
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(stage.server.run())
                await script(stage)  # type: ignore[misc]
                serving.cancel()
        return stage

    return asyncio.run(run())
