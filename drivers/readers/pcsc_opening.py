"""One opening of a PC/SC reader: a thread that waits on its slots, and what the thread tells the loop.

The thread is its own because it waits for hours and the loop's threads are few (six on two cores), and a daemon because
pcscd may hang and must not hold up the exit then. State belongs to the loop; what the thread calls hands over to it.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

from drivers.conversation import CardRead, Conversation, Slot
from drivers.errors import CardLostError, FrameError, ReaderLostError
from drivers.reader import LostCause
from drivers.readers.pcsc_slots import Asked, Listener, SlotContext, SlotWatch, StoppedError
from drivers.reading import Medium, Reading

READINGS_MAX = 16  # people put cards in one by one
CLOSE_S_MAX = 2.0  # of the 5 s in which the program must end
WAKE_AGAIN_S = 0.02  # a cancel is lost if it comes just before the waiting


class Opening:
    """The thread, and its `Listener`.

    Args:
        name: The reader's name in the configuration.
        make_watch: Makes the watch that runs in the thread; it is handed its listener.
        on_drop: Called in the loop when a card was in and nothing could be read.
        clock_ns: The monotonic clock.
        hang_s: After so long a talk hangs in pcscd.
    """

    def __init__(
        self,
        name: str,
        *,
        make_watch: Callable[[Listener], SlotWatch],
        on_drop: Callable[[], None],
        clock_ns: Callable[[], int],
        hang_s: float,
    ) -> None:
        self._name = name
        self._clock_ns = clock_ns
        self._on_drop = on_drop
        self._hang_s = hang_s
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._is_open = False
        self._end: BaseException | None = None
        self._readings: deque[Reading] = deque()
        self._answers: set[asyncio.Future[CardRead]] = set()
        self._hanging: asyncio.TimerHandle | None = None
        self._context: SlotContext | None = None
        self._has_ended = threading.Event()
        self._watch = make_watch(self)
        threading.Thread(target=self._run, name=f"pcsc {name}", daemon=True).start()

    @property
    def is_running(self) -> bool:
        """Whether the thread still runs."""
        return not self._has_ended.is_set()

    async def until_open(self) -> None:
        """Wait until the reader is open.

        Raises:
            ReaderLostError: It cannot be opened.
        """
        while not self._is_open:
            await self._wait_news()

    async def next_reading(self) -> Reading:
        """Wait for a card and return what was read.

        Raises:
            ReaderLostError: The reader is gone.
        """
        while not self._readings:
            await self._wait_news()
        return self._readings.popleft()

    async def converse(self, conversation: Conversation) -> CardRead:
        """See `drivers.readers.pcsc.PcscReader.converse`."""
        if self._end is not None or self._watch.is_stopped.is_set():
            conversation.close()
            raise CardLostError(Slot.CARD)
        answer: asyncio.Future[CardRead] = self._loop.create_future()
        self._answers.add(answer)
        asked = Asked(conversation=conversation, answer=partial(self._tell, self._answer, answer))
        self._watch.asked.put(asked)
        self._wake(until=asked.is_taken)
        try:
            return await answer
        finally:
            asked.is_unwanted.set()
            self._answers.discard(answer)

    def stop(self) -> None:
        """Let the thread end, soon."""
        if not self._watch.is_stopped.is_set():
            self._watch.is_stopped.set()
            self._wake(until=self._has_ended)

    async def close(self) -> None:
        """Let the thread end and wait for it, unless it hangs in pcscd."""
        self.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S_MAX):
                while self._end is None or self.is_running:
                    self._news.clear()
                    await self._news.wait()

    # What the thread calls.

    def opened(self, context: SlotContext) -> None:
        """See `Listener`."""
        self._context = context
        self._tell(self._open)

    def begins(self) -> None:
        """See `Listener`."""
        self._tell(self._begin)

    def read(self, read: CardRead) -> None:
        """See `Listener`."""
        reading = Reading(
            reader=self._name,
            data=read.data,
            read_at_monotonic_ns=self._clock_ns(),
            medium=Medium.ICC,
            content=read.content,
        )
        self._tell(self._take, reading)

    def ends(self) -> None:
        """See `Listener`."""
        self._tell(self._rest)

    def dropped(self) -> None:
        """See `Listener`."""
        self._tell(self._on_drop)

    def _run(self) -> None:
        with _Handover(self._ended):
            self._watch.run()

    def _ended(self, error: BaseException | None) -> None:
        self._has_ended.set()
        self._tell(self._finish, error or ReaderLostError(LostCause.IO))

    def _tell(self, call: Callable[..., None], *values: Any) -> None:
        with suppress(RuntimeError):  # a thread that pcscd held may outlive the loop
            self._loop.call_soon_threadsafe(call, *values)

    def _wake(self, *, until: threading.Event) -> None:
        """Let the waiting end, from yet another thread: to cancel is to ask pcscd, which may hang."""

        def wake() -> None:
            while not (until.is_set() or self._has_ended.is_set()):
                if self._context is not None:
                    self._context.cancel()
                until.wait(WAKE_AGAIN_S)

        threading.Thread(target=wake, name=f"pcsc {self._name} wake", daemon=True).start()

    # What happens in the loop.

    async def _wait_news(self) -> None:
        if self._end is not None:
            raise self._end
        self._news.clear()
        await self._news.wait()

    def _open(self) -> None:
        self._is_open = True
        self._news.set()

    def _begin(self) -> None:
        self._hanging = self._loop.call_later(self._hang_s, self._finish, ReaderLostError(LostCause.IO))

    def _rest(self) -> None:
        if self._hanging is not None:
            self._hanging.cancel()

    def _take(self, reading: Reading) -> None:
        if len(self._readings) < READINGS_MAX:
            self._readings.append(reading)
            self._news.set()
        else:
            self._on_drop()

    def _answer(self, answer: asyncio.Future[CardRead], outcome: CardRead | CardLostError | FrameError) -> None:
        if answer.done():
            return
        if isinstance(outcome, CardRead):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)

    def _finish(self, error: BaseException) -> None:
        """Note why it ended; the first reason counts."""
        self._rest()
        self._end = self._end or error
        for answer in self._answers:
            self._answer(answer, CardLostError(Slot.CARD))
        self._news.set()


class _Handover:
    """Hands on whatever ends its block, a bug too: the loop raises it to whoever reads."""

    def __init__(self, ended: Callable[[BaseException | None], None]) -> None:
        self._ended = ended

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._ended(None if isinstance(error, StoppedError) else error)
        return True
