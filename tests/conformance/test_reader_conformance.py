"""What every reader does, whatever it is: one suite for all of them, on real devices or the nearest thing to one."""

import asyncio
import logging
import random
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from drivers.errors import ReaderLostError
from drivers.reader import Feedback, ReaderState
from drivers.reading import Medium
from tests.conformance.bench import Bench, descriptors, listening
from tests.conformance.benches import BENCHES
from tests.support.waiting import LIMIT_S, until

CODE = "EHC1:6BF-SHOWN*ONCE"
OTHER = "EHC1:6BF-ANOTHER"
NOISE_BYTES = 100_000
ROUNDS = 10
SEEN_LIMIT_S = 5 * 1.0  # five times the room: an unplugged reader is seen within 1 s


@pytest.fixture(params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = BENCHES[request.param](tmp_path)
    bench.plug()
    yield bench
    bench.unplug()
    bench.close()


async def test_it_opens_and_reads(bench: Bench) -> None:
    """A code that is shown becomes one reading with its name, what it says, and a time on the monotonic clock."""
    before_ns = time.monotonic_ns()

    async with listening(bench.reader) as heard:
        await heard.in_state(ReaderState.OPEN)
        await bench.show(CODE)
        await heard.until_count(1)

    (reading,) = heard.readings
    assert (reading.reader, bench.code_of(reading)) == (bench.reader.name, CODE)
    assert reading.medium is not Medium.CODE or reading.data.decode() == reading.text
    assert before_ns <= reading.read_at_monotonic_ns <= time.monotonic_ns()


async def test_two_frames_in_one_read_are_two_codes(bench: Bench) -> None:
    """Codes that arrive together come out in order; as one only where nothing but silence separates them."""
    expected = [CODE, OTHER] if bench.is_joinable else [CODE + OTHER]

    async with listening(bench.reader, code_of=bench.code_of) as heard:
        await heard.in_state(ReaderState.OPEN)
        await bench.show_joined(CODE, OTHER)
        await heard.until_count(len(expected))

    assert heard.texts == expected


async def test_a_frame_cut_at_every_byte_is_one_code(bench: Bench) -> None:
    """Where the device pauses within a frame makes no difference."""
    cuts = list(bench.cuts(bench.frames(CODE)[0]))

    async with listening(bench.reader, code_of=bench.code_of) as heard:
        await heard.in_state(ReaderState.OPEN)
        for count, at in enumerate(cuts, start=1):
            await bench.show_cut(CODE, at=at)
            await heard.until_count(count)

    assert heard.texts == [CODE] * len(cuts)


async def test_it_survives_noise(bench: Bench, rng: random.Random) -> None:
    """100 kB of random bytes end in readings or in nothing, and a code shown afterwards is read."""
    async with listening(bench.reader, code_of=bench.code_of) as heard:
        await heard.in_state(ReaderState.OPEN)
        await bench.send(rng.randbytes(NOISE_BYTES))
        async with asyncio.timeout(LIMIT_S):
            while CODE not in heard.texts:  # the first may still belong to the last of the noise, as it would by hand
                await bench.show(CODE)
                await asyncio.sleep(0.3)

        assert heard.reader.status.state is ReaderState.OPEN
    assert all(1 <= len(reading.data) <= 4096 for reading in heard.readings)


async def test_it_reports_a_loss(bench: Bench) -> None:
    """A reader that is unplugged while it waits says so within a second, by itself."""
    await bench.reader.__aenter__()
    async with aclosing(bench.reader.readings()) as readings:
        waiting = asyncio.ensure_future(anext(readings))
        await asyncio.sleep(0)
        bench.unplug()
        with pytest.raises(ReaderLostError, match=bench.lost_cause):
            await asyncio.wait_for(waiting, timeout=SEEN_LIMIT_S)
    await bench.reader.__aexit__(None, None, None)


async def test_a_missing_reader_is_reported_as_missing(bench: Bench) -> None:
    """A reader that was never there has a cause of its own."""
    bench.unplug()

    with pytest.raises(ReaderLostError, match=bench.missing_cause):
        await bench.reader.__aenter__()


async def test_it_comes_back(bench: Bench) -> None:
    """Unplugged, even in the middle of a frame, and plugged in again, it reads on; half a frame is never a code."""
    async with listening(bench.reader, code_of=bench.code_of) as heard:
        await heard.in_state(ReaderState.OPEN)
        await bench.show(CODE)
        await heard.until_count(1)
        with bench.held_time():
            await bench.show_half(CODE)
            bench.unplug()
            await heard.in_state(ReaderState.LOST)
        assert heard.reader.status.cause == bench.lost_cause
        bench.plug()
        await heard.in_state(ReaderState.OPEN)
        await bench.show(OTHER)
        await heard.until_count(2)

    assert heard.texts == [CODE, OTHER]


async def test_it_closes_on_cancel(bench: Bench) -> None:
    """A cancelled reader has let go of its device when the task has ended, so that the next can open it."""
    for _ in range(2):
        async with listening(bench.reader) as heard:
            await heard.in_state(ReaderState.OPEN)
        assert heard.reader.status.state is ReaderState.CLOSED

        await bench.reader.__aenter__()
        await bench.reader.__aexit__(None, None, None)


async def test_it_leaks_no_descriptor(bench: Bench) -> None:
    """However often it is opened, lost, cancelled or not there, no descriptor stays open."""
    bench.unplug()
    before = descriptors()
    for _ in range(ROUNDS):
        with pytest.raises(ReaderLostError):
            await bench.reader.__aenter__()
        bench.plug()
        async with listening(bench.reader) as heard:  # lost
            await heard.in_state(ReaderState.OPEN)
            bench.unplug()
            await heard.in_state(ReaderState.LOST)
        bench.plug()
        async with listening(bench.reader) as heard:  # cancelled
            await heard.in_state(ReaderState.OPEN)
        opening = asyncio.ensure_future(bench.reader.__aenter__())  # cancelled while it opens
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        bench.unplug()

    await until(lambda: descriptors() == before)


async def test_an_idle_reader_uses_no_cpu(bench: Bench) -> None:
    """Waiting for a code is not polling."""
    async with listening(bench.idle_reader) as heard:
        await heard.in_state(ReaderState.OPEN)
        used_s = time.process_time()
        await asyncio.sleep(1.0)  # what is measured is this second
        used_s = time.process_time() - used_s

    assert used_s < 0.05


async def test_a_signal_returns_at_once_whatever_the_state(bench: Bench) -> None:
    """No feedback fails or waits: closed, open or unplugged."""
    async with asyncio.timeout(LIMIT_S):
        for feedback in Feedback:
            await bench.reader.signal(feedback)
        await bench.reader.__aenter__()
        for feedback in Feedback:
            await bench.reader.signal(feedback)
        bench.unplug()
        for feedback in Feedback:
            await bench.reader.signal(feedback)
        await bench.reader.__aexit__(None, None, None)


async def test_what_was_read_is_not_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A code may name a person: it is in no log line and in no repr."""
    caplog.set_level(logging.DEBUG)

    async with listening(bench.reader) as heard:
        await heard.in_state(ReaderState.OPEN)
        await bench.show(CODE)
        await heard.until_count(1)

    assert CODE not in caplog.text + repr(heard.readings)
