"""What every feedback device does, whatever it is: one suite for all, on real devices or the nearest thing to one."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.feedback import desk as desk_module
from drivers.feedback.announcement import Announcement
from drivers.feedback.desk import DeviceState, FeedbackDesk
from drivers.feedback.device import DeviceKind, FeedbackDevice
from drivers.reader import Feedback
from tests.conformance.bench import descriptors
from tests.conformance.bench_feedback import BENCHES, FeedbackBench, HungDevice
from tests.support.waiting import LIMIT_S, until

SECRET = "欧阳䶮"  # a name with a character beyond GBK
ROUNDS = 5


@pytest.fixture(params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FeedbackBench]:
    bench = BENCHES[request.param](tmp_path)
    bench.plug()
    yield bench
    bench.unplug()


@asynccontextmanager
async def working(*devices: FeedbackDevice) -> AsyncGenerator[FeedbackDesk, None]:
    """A desk with these devices, until the block ends."""
    desk = FeedbackDesk(devices)
    task = asyncio.create_task(desk.run())
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=LIMIT_S)
        assert task.cancelled()


def announcement(feedback: Feedback = Feedback.ACCEPT) -> Announcement:
    return Announcement(feedback=feedback, ticket=("挂号凭条", SECRET))


async def is_shown(bench: FeedbackBench, count: int) -> None:
    """Wait until the device has shown so many."""
    await until(lambda: bench.shown() >= count)


async def is_in_state(desk: FeedbackDesk, bench: FeedbackBench, state: DeviceState) -> None:
    """Wait until the desk knows the device to be in a state."""
    await until(lambda: desk.statuses[bench.device.name].state is state)


async def test_it_shows_every_feedback(bench: FeedbackBench) -> None:
    """Each kind of outcome can be announced, and the device stays well."""
    async with working(bench.device) as desk:
        for count, feedback in enumerate(Feedback, start=1):
            desk.announce(announcement(feedback))
            await is_shown(bench, count)

        assert desk.statuses[bench.device.name].state is DeviceState.OK


async def test_it_works_beside_one_that_hangs(bench: FeedbackBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lamp and a printer that never come to an end hold up neither the announcing nor the others, nor the end."""
    monkeypatch.setattr(desk_module, "CLOSE_LIMIT_S", 0.0)
    lamp, printer = HungDevice(DeviceKind.SIGNAL), HungDevice(DeviceKind.TICKET)

    async with working(lamp, bench.device, printer) as desk:
        for _ in range(100):
            desk.announce(announcement())
        await is_shown(bench, 1)
        await asyncio.wait_for(asyncio.gather(lamp.is_shown.wait(), printer.is_shown.wait()), LIMIT_S)


async def test_a_missing_one_is_named_and_comes_back(bench: FeedbackBench) -> None:
    """Not there at the start, it says why; put in, it shows the next announcement, and none of the old ones."""
    bench.unplug()

    async with working(bench.device) as desk:
        desk.announce(announcement())
        await is_in_state(desk, bench, DeviceState.FAILING)
        assert desk.statuses[bench.device.name].cause == bench.gone
        bench.plug()
        desk.announce(announcement())
        await is_shown(bench, 1)
        await is_in_state(desk, bench, DeviceState.OK)

    assert bench.shown() == 1


async def test_one_pulled_out_comes_back(bench: FeedbackBench) -> None:
    """Pulled out after it has worked, it fails; put in again, it works."""
    async with working(bench.device) as desk:
        desk.announce(announcement())
        await is_shown(bench, 1)
        await is_in_state(desk, bench, DeviceState.OK)
        bench.unplug()
        desk.announce(announcement())
        await is_in_state(desk, bench, DeviceState.FAILING)
        bench.plug()
        desk.announce(announcement())
        await is_shown(bench, 2)
        await is_in_state(desk, bench, DeviceState.OK)


async def test_one_pulled_out_and_put_in_between_is_not_missed(bench: FeedbackBench) -> None:
    """Unplugged and plugged in while nothing was announced, the next announcement is shown at once."""
    async with working(bench.device) as desk:
        for count in range(1, ROUNDS):
            desk.announce(announcement())
            await is_shown(bench, count)
            bench.unplug()
            bench.plug()

        assert desk.statuses[bench.device.name].state is DeviceState.OK


async def test_it_closes_on_cancel_and_leaks_nothing(bench: FeedbackBench) -> None:
    """Whatever was announced and lost, when the desk is cancelled no descriptor and no task is left."""
    async with working(bench.device) as desk:  # libraries open files of their own the first time
        desk.announce(announcement())
        await is_shown(bench, 1)
    bench.unplug()
    before = descriptors()

    for _ in range(ROUNDS):
        async with working(bench.device) as desk:
            desk.announce(announcement())
            await is_in_state(desk, bench, DeviceState.FAILING)
            bench.plug()
            shown = bench.shown()
            desk.announce(announcement())
            await is_shown(bench, shown + 1)
            desk.announce(announcement())
        bench.unplug()

    assert descriptors() == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_failure_is_said_once(bench: FeedbackBench, caplog: pytest.LogCaptureFixture) -> None:
    """However often it fails, the log has one warning, and one line when it works again; no name is in it."""
    caplog.set_level(logging.DEBUG)
    bench.unplug()
    name = bench.device.name

    async with working(bench.device) as desk:
        for round_no in range(1, ROUNDS):
            desk.announce(announcement())
            await until(lambda n=round_no: sum(f"feedback {name}" in text for text in caplog.messages) >= n)
        bench.plug()
        desk.announce(announcement())
        await is_in_state(desk, bench, DeviceState.OK)

    said = [(record.levelname, record.getMessage()) for record in caplog.records if record.levelno >= logging.INFO]
    assert said == [("WARNING", f"feedback {name}: {bench.gone}"), ("INFO", f"feedback {name}: works again")]
    assert SECRET not in caplog.text
    assert SECRET not in repr(announcement())
