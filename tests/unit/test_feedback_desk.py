"""The desk of the feedback devices: it waits for none, the newest wins on a lamp, tickets keep their order."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from drivers.errors import FeedbackError, PaperOutError
from drivers.feedback.announcement import Announcement
from drivers.feedback.desk import TICKETS_MAX, DeviceState, DeviceStatus, FeedbackDesk
from drivers.feedback.device import DeviceKind, FeedbackCause
from drivers.reader import Feedback


class FakeDevice:
    """A device that does as it is told: `outcomes` are raised or waited for, one an announcement."""

    def __init__(self, kind: DeviceKind = DeviceKind.SIGNAL, *, limit_s: float = 3_600.0) -> None:
        self.name, self.kind, self.limit_s = "fake", kind, limit_s
        self.outcomes: list[Exception | asyncio.Event] = []
        self.begun: list[Announcement] = []
        self.ended: list[Announcement] = []
        self.cancelled_count = self.close_count = 0

    async def show(self, announcement: Announcement) -> None:
        self.begun.append(announcement)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is not None:
            try:
                await outcome.wait()
            except asyncio.CancelledError:
                self.cancelled_count += 1
                raise
        self.ended.append(announcement)

    async def close(self) -> None:
        self.close_count += 1


@asynccontextmanager
async def working(*devices: FakeDevice) -> AsyncGenerator[FeedbackDesk, None]:
    desk = FeedbackDesk(devices)
    task = asyncio.create_task(desk.run())
    await turns()
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def turns() -> None:
    """Give everybody his turn, often enough."""
    for _ in range(20):
        await asyncio.sleep(0)


def of(feedback: Feedback = Feedback.ACCEPT, *lines: str) -> Announcement:
    return Announcement(feedback=feedback, ticket=lines)


def ticket(number: int) -> Announcement:
    return of(Feedback.ACCEPT, f"{number}")


async def test_announcing_before_the_desk_works_is_not_lost() -> None:
    """The newest announcement of the time before is shown when the work begins."""
    device = FakeDevice()
    desk = FeedbackDesk([device])

    desk.announce(of(Feedback.REFUSE))
    desk.announce(of(Feedback.ACCEPT))
    task = asyncio.create_task(desk.run())
    await turns()
    task.cancel()
    await asyncio.wait([task])

    assert device.ended == [of(Feedback.ACCEPT)]
    assert device.close_count == 1


async def test_a_newer_outcome_replaces_the_one_on_the_lamp() -> None:
    """What is being shown is cut short, and of those that wait only the newest is shown."""
    device = FakeDevice()
    device.outcomes = [asyncio.Event()]

    async with working(device) as desk:
        desk.announce(of(Feedback.PENDING))
        await turns()
        for feedback in (Feedback.REFUSE, Feedback.CHECK, Feedback.ACCEPT):
            desk.announce(of(feedback))
        await turns()

    assert [each.feedback for each in device.begun] == [Feedback.PENDING, Feedback.ACCEPT]
    assert [each.feedback for each in device.ended] == [Feedback.ACCEPT]
    assert device.cancelled_count == 1
    assert desk.statuses["fake"] == DeviceStatus()


async def test_tickets_are_printed_one_after_the_other() -> None:
    """A printer ends what it prints; the order is kept and an announcement without a ticket is nothing to it."""
    device = FakeDevice(DeviceKind.TICKET)
    slow = asyncio.Event()
    device.outcomes = [slow]

    async with working(device) as desk:
        desk.announce(ticket(1))
        await turns()
        desk.announce(of())
        desk.announce(ticket(2))
        desk.announce(ticket(3))
        await turns()
        assert device.begun == [ticket(1)]
        slow.set()
        await turns()

    assert device.ended == [ticket(1), ticket(2), ticket(3)]
    assert (device.cancelled_count, desk.statuses["fake"].dropped_count) == (0, 0)


async def test_of_too_many_tickets_the_oldest_are_dropped() -> None:
    """The queue is bounded; what falls out is counted."""
    device = FakeDevice(DeviceKind.TICKET)
    slow = asyncio.Event()
    device.outcomes = [slow]

    async with working(device) as desk:
        desk.announce(ticket(0))
        await turns()
        for number in range(1, TICKETS_MAX + 3):
            desk.announce(ticket(number))
        slow.set()
        await turns()

    assert device.ended == [ticket(0), *(ticket(number) for number in range(3, TICKETS_MAX + 3))]
    assert desk.statuses["fake"].dropped_count == 2


async def test_a_device_that_hangs_is_cancelled_and_named() -> None:
    """After its own limit it is given up, and tried again with the next announcement."""
    device = FakeDevice(limit_s=0.0)
    device.outcomes = [asyncio.Event()]

    async with working(device) as desk:
        desk.announce(of())
        await turns()
        assert desk.statuses["fake"] == DeviceStatus(state=DeviceState.FAILING, cause=FeedbackCause.TIMEOUT)
        device.limit_s = 3_600.0
        desk.announce(of(Feedback.CHECK))
        await turns()

    assert device.cancelled_count == 1
    assert (device.ended, desk.statuses["fake"].state) == ([of(Feedback.CHECK)], DeviceState.OK)


async def test_an_announcement_in_the_moment_of_the_limit_is_shown() -> None:
    """The limit and a newer outcome in one turn of the loop: the device failed, and the newer outcome is shown."""
    device = FakeDevice(limit_s=0.0)
    device.outcomes = [asyncio.Event()]

    async with working(device) as desk:
        desk.announce(of(Feedback.PENDING))
        while not device.begun:
            await asyncio.sleep(0)
        device.limit_s = 3_600.0
        asyncio.get_running_loop().call_soon(desk.announce, of(Feedback.ACCEPT))
        await turns()

    assert device.ended == [of(Feedback.ACCEPT)]


async def test_no_paper_is_a_state_of_its_own() -> None:
    """A printer without paper leaves tickets out and counts them; with paper it prints again."""
    device = FakeDevice(DeviceKind.TICKET)
    device.outcomes = [PaperOutError(), PaperOutError()]

    async with working(device) as desk:
        desk.announce(ticket(1))
        await turns()
        assert desk.statuses["fake"] == DeviceStatus(state=DeviceState.PAPER_OUT, dropped_count=1)
        desk.announce(ticket(2))
        desk.announce(ticket(3))
        await turns()

    assert desk.statuses["fake"] == DeviceStatus(dropped_count=2)
    assert device.ended == [ticket(3)]


async def test_the_log_says_a_change_once(caplog: pytest.LogCaptureFixture) -> None:
    """A warning when it begins to fail or fails otherwise, a line when it works again, nothing between."""
    caplog.set_level(logging.INFO)
    device = FakeDevice()
    lost, busy = FeedbackError(FeedbackCause.UNPLUGGED), FeedbackError(FeedbackCause.BUSY)
    device.outcomes = [lost, lost, busy, busy]

    async with working(device) as desk:
        for _ in range(6):
            desk.announce(of())
            await turns()

    assert caplog.messages == ["feedback fake: unplugged", "feedback fake: busy", "feedback fake: works again"]


async def test_a_bug_of_a_device_ends_the_work() -> None:
    """What is no failure of a device is not hidden."""
    device = FakeDevice()
    device.outcomes = [ZeroDivisionError()]
    desk = FeedbackDesk([device])
    desk.announce(of())

    with pytest.raises(ExceptionGroup) as caught:
        await desk.run()

    assert caught.group_contains(ZeroDivisionError)
    assert device.close_count == 1


async def test_a_desk_without_devices_does_nothing() -> None:
    """A box without lamp and printer is a box."""
    desk = FeedbackDesk([])

    desk.announce(of())
    await desk.run()

    assert desk.statuses == {}


def test_what_is_on_a_ticket_is_not_shown() -> None:
    """A ticket may name a person."""
    assert "欧阳" not in repr(of(Feedback.ACCEPT, "欧阳"))
