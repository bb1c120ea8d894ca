"""Hands each announcement to every device and waits for none: a lamp that hangs must not hold up a scan.

Each device has a task of its own. What it could not show is gone: an old outcome on a lamp would be a wrong one. The
log says a failure once and is quiet until something changes; the state is there to be looked at.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from drivers.errors import FeedbackError, PaperOutError
from drivers.feedback.announcement import Announcement
from drivers.feedback.device import DeviceKind, FeedbackCause, FeedbackDevice

TICKETS_MAX = 8  # a queue of people longer than this has gone elsewhere before a slow printer is through
CLOSE_LIMIT_S = 2.0  # the daemon has 15 s to stop, and the outbox is closed after this

_log = logging.getLogger(__name__)


class DeviceState(StrEnum):
    """Where a device stands since it last had something to show."""

    OK = "ok"
    FAILING = "failing"
    PAPER_OUT = "paper_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """Where a device stands.

    Attributes:
        state: The state; `ok` before the first announcement.
        cause: Why it is failing, one of `FeedbackCause`; None in the other states.
        dropped_count: Tickets that were not printed since the program started, whatever the reason.
    """

    state: DeviceState = DeviceState.OK
    cause: str | None = None
    dropped_count: int = 0


class FeedbackDesk:
    """The devices of the box.

    Args:
        devices: Each name once.
    """

    def __init__(self, devices: Iterable[FeedbackDevice]) -> None:
        self._workers = tuple(_Worker(device) for device in devices)

    @property
    def statuses(self) -> Mapping[str, DeviceStatus]:
        """Where each device stands now, by its name."""
        return {worker.device.name: worker.status for worker in self._workers}

    def announce(self, announcement: Announcement) -> None:
        """Let every device show it; returns at once and never fails. Called in the thread of `run`'s loop."""
        for worker in self._workers:
            worker.put(announcement)

    async def run(self) -> None:
        """Work until cancelled; then every device is let go of."""
        async with asyncio.TaskGroup() as tasks:
            for worker in self._workers:
                tasks.create_task(worker.run(), name=f"feedback {worker.device.name}")


class _Worker:
    """One device and what waits for it."""

    def __init__(self, device: FeedbackDevice) -> None:
        self.device = device
        self.status = DeviceStatus()
        self._is_printer = device.kind is DeviceKind.TICKET
        self._waiting: deque[Announcement] = deque(maxlen=TICKETS_MAX if self._is_printer else 1)
        self._has_come = asyncio.Event()
        self._overtake: Callable[[], None] | None = None

    def put(self, announcement: Announcement) -> None:
        if self._is_printer and not announcement.ticket:
            return
        if self._is_printer and len(self._waiting) == TICKETS_MAX:
            self._count_dropped()  # the oldest, which the queue pushes out
        self._waiting.append(announcement)
        self._has_come.set()
        if not self._is_printer and self._overtake is not None:
            self._overtake()

    async def run(self) -> None:
        try:
            while True:
                await self._has_come.wait()
                self._has_come.clear()
                while self._waiting:
                    await self._show(self._waiting.popleft())
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await self.device.close()

    async def _show(self, announcement: Announcement) -> None:
        is_overtaken = False
        limit = asyncio.timeout(self.device.limit_s)

        def overtake() -> None:
            nonlocal is_overtaken
            if not limit.expired():
                self._overtake, is_overtaken = None, True
                limit.reschedule(0.0)  # the loop's clock is past that: `show` is cancelled where it waits

        try:
            async with limit:
                self._overtake = overtake
                await self.device.show(announcement)
                self._overtake = None
        except TimeoutError:
            if not is_overtaken:
                self._failed(FeedbackCause.TIMEOUT)
        except PaperOutError:
            self._enter(DeviceState.PAPER_OUT)
        except FeedbackError as error:
            self._failed(error.cause)
        else:
            self._enter(DeviceState.OK)
        finally:
            self._overtake = None

    def _failed(self, cause: str) -> None:
        self._enter(DeviceState.FAILING, cause=cause)

    def _enter(self, state: DeviceState, *, cause: str | None = None) -> None:
        before = self.status
        self.status = replace(before, state=state, cause=cause)
        if state is not DeviceState.OK and self._is_printer:
            self._count_dropped()
        if (before.state, before.cause) == (state, cause):
            _log.debug("feedback %s: %s still", self.device.name, cause or state)
        elif state is DeviceState.OK:
            _log.info("feedback %s: works again", self.device.name)
        else:
            _log.warning("feedback %s: %s", self.device.name, cause or state)

    def _count_dropped(self) -> None:
        self.status = replace(self.status, dropped_count=self.status.dropped_count + 1)
