"""A reader kept open: states, waits and the log, on an injected clock."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ReaderLostError
from drivers.keep_open import LASTING_NS, WAIT_MAX_S, KeptOpenReader, ReaderStatus, wait_s
from drivers.reader import Feedback, LostCause, ReaderState
from drivers.reading import Reading

NS = 1_000_000_000


class StopError(Exception):
    """Ends an endless reader when its script is played."""


class ScriptedReader:
    """Each opening plays the next step: a cause means that it fails, a tuple is what it reads and how it ends."""

    name = "scanner-1"
    dropped_count = 7

    def __init__(self, *steps: str | tuple[list[str], float, str | None]) -> None:
        self.steps = list(steps)
        self.time_s = 0.0
        self.waits: list[float] = []
        self.open_count = self.close_count = 0
        self.signals: list[Feedback] = []
        self.signal_error: ReaderLostError | None = None
        self.seen: list[ReaderStatus] = []
        self.look: Callable[[], None] = lambda: None

    def clock_ns(self) -> int:
        return round(self.time_s * NS)

    async def sleep(self, seconds: float) -> None:
        self.look()
        self.waits.append(seconds)
        self.time_s += seconds
        if not self.steps:
            raise StopError

    async def __aenter__(self) -> None:
        self.look()
        step = self.steps.pop(0)
        if isinstance(step, str):
            raise ReaderLostError(step)
        self.step = step
        self.open_count += 1

    async def __aexit__(self, *_: object) -> None:
        self.close_count += 1

    async def readings(self) -> AsyncGenerator[Reading, None]:
        texts, lasts_s, cause = self.step
        for text in texts:
            yield Reading(reader=self.name, data=text.encode(), text=text, read_at_monotonic_ns=self.clock_ns())
        self.look()
        self.time_s += lasts_s
        if cause is not None:
            raise ReaderLostError(cause)

    async def signal(self, feedback: Feedback) -> None:
        if self.signal_error is not None:
            raise self.signal_error
        self.signals.append(feedback)


class _Entering(ScriptedReader):
    """A script whose opening is somebody else's."""

    def __init__(self, script: ScriptedReader, *, enter: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.enter = enter

    async def __aenter__(self) -> None:
        await self.enter()


def kept(script: ScriptedReader) -> KeptOpenReader:
    reader = KeptOpenReader(script, clock_ns=script.clock_ns, sleep=script.sleep, jitter=lambda: 1.0)
    script.look = lambda: script.seen.append(reader.status)
    return reader


async def played(script: ScriptedReader) -> list[str]:
    """Run the script to its end and return the texts that were read."""
    texts: list[str] = []

    async def read() -> None:
        async for reading in kept(script).readings():
            texts.append(reading.text)

    with pytest.raises(StopError):
        await read()
    return texts


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "drivers.keep_open"]


async def test_readings_go_on_after_a_loss() -> None:
    """What is read before and after a loss comes in order from one iteration."""
    script = ScriptedReader("missing", (["one"], 60, "unplugged"), "missing", (["two", "three"], 60, "unplugged"))

    assert await played(script) == ["one", "two", "three"]
    assert script.open_count == script.close_count == 2


async def test_states_are_observable() -> None:
    """The status says where the reader stands, why, and since when."""
    script = ScriptedReader((["one"], 60, "unplugged"))
    reader = kept(script)

    assert (reader.name, reader.status) == ("scanner-1", ReaderStatus(state=ReaderState.CLOSED, since_monotonic_ns=0))
    with pytest.raises(StopError):
        async for _ in reader.readings():
            pass

    assert script.seen == [
        ReaderStatus(state=ReaderState.OPENING, since_monotonic_ns=0),
        ReaderStatus(state=ReaderState.OPEN, since_monotonic_ns=0),
        ReaderStatus(state=ReaderState.LOST, cause="unplugged", since_monotonic_ns=60 * NS),
    ]
    assert reader.status.state is ReaderState.CLOSED


async def test_a_lost_reader_keeps_its_first_moment_and_cause() -> None:
    """While the cause stays, the status says since when; an unplugged reader does not become a missing one."""
    script = ScriptedReader((["one"], 60, "unplugged"), "missing", "missing", "permission")

    await played(script)

    lost = dict.fromkeys(status for status in script.seen if status.state is ReaderState.LOST)
    first, second = ((status.cause, status.since_monotonic_ns) for status in lost)
    assert first == ("unplugged", 60 * NS)
    assert second == ("permission", 60 * NS + 1_750_000_000)


async def test_waits_grow_to_their_bound_and_start_anew_after_a_lasting_opening() -> None:
    """Openings are tried quickly at first, never more than 2 s apart, and quickly again after good times."""
    script = ScriptedReader(*["missing"] * 6, (["one"], 60, "unplugged"), "missing")

    await played(script)

    assert script.waits == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0, 0.25, 0.5]


async def test_a_loose_cable_is_not_opened_in_a_busy_loop() -> None:
    """Openings that do not last make the waits grow as failed ones do."""
    script = ScriptedReader(*[([], 1, "unplugged")] * 5)

    await played(script)

    assert script.waits == [0.25, 0.5, 1.0, 2.0, 2.0]


@given(failed_count=st.integers(min_value=0, max_value=10**9), jitter=st.floats(min_value=0, max_value=1))
def test_every_wait_is_within_bounds(failed_count: int, jitter: float) -> None:
    """No wait is so short that it is a busy loop, nor so long that a plugged-in reader is late."""
    assert 0.125 <= wait_s(failed_count, jitter=jitter) <= WAIT_MAX_S <= 4.0


@given(plugged_s=st.floats(min_value=0, max_value=900), jitter=st.floats(min_value=0, max_value=1))
async def test_a_reader_is_back_soon_after_it_is_plugged_in(plugged_s: float, jitter: float) -> None:
    """However long it was away, it is opened within 5 s of coming back: no wait grows beyond its bound."""
    script = ScriptedReader()
    opened_s: list[float] = []

    async def enter() -> None:
        if script.time_s < plugged_s:
            raise ReaderLostError(LostCause.MISSING)
        opened_s.append(script.time_s)
        raise StopError

    script.steps = ["never"]
    reader = KeptOpenReader(
        _Entering(script, enter=enter), clock_ns=script.clock_ns, sleep=script.sleep, jitter=lambda: jitter
    )
    with pytest.raises(StopError):
        async for _ in reader.readings():
            pass

    assert opened_s[0] - plugged_s <= WAIT_MAX_S < 5.0


async def test_what_a_family_knows_of_a_loss_stands_beside_the_cause(caplog: pytest.LogCaptureFixture) -> None:
    """Said once as long as it is the same, and again when it is another."""
    troubles = ["silent", "silent", "no_answer"]
    script = ScriptedReader()
    seen: list[tuple[str | None, str | None]] = []

    async def enter() -> None:
        if not troubles:
            raise StopError
        raise ReaderLostError(LostCause.IO, trouble=troubles.pop(0))

    async def sleep(_seconds: float) -> None:
        seen.append((reader.status.cause, reader.status.trouble))

    reader = KeptOpenReader(_Entering(script, enter=enter), clock_ns=script.clock_ns, sleep=sleep)
    with pytest.raises(StopError):
        async for _ in reader.readings():
            pass

    assert seen == [("io", "silent"), ("io", "silent"), ("io", "no_answer")]
    assert [line for line in logged(caplog) if line[0] == "WARNING"] == [
        ("WARNING", "reader scanner-1: lost: silent"),
        ("WARNING", "reader scanner-1: lost: no_answer"),
    ]


async def test_a_reader_that_ends_without_a_cause_is_lost_too() -> None:
    """Readings that simply stop count as a failure of the device."""
    script = ScriptedReader((["one"], 60, None))

    assert await played(script) == ["one"]
    assert script.seen[-1].cause == LostCause.IO


async def test_a_loss_is_logged_once_until_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    """One WARNING for each change of cause; what repeats is for DEBUG."""
    caplog.set_level(logging.DEBUG)
    script = ScriptedReader("missing", "missing", "busy", "busy", ([], 60, "unplugged"), "missing", ([], 60, "io"))

    await played(script)

    assert logged(caplog) == [
        ("WARNING", "reader scanner-1: lost: missing"),
        ("DEBUG", "reader scanner-1: lost: missing"),
        ("WARNING", "reader scanner-1: lost: busy"),
        ("DEBUG", "reader scanner-1: lost: busy"),
        ("INFO", "reader scanner-1: open"),
        ("WARNING", "reader scanner-1: lost: unplugged"),
        ("DEBUG", "reader scanner-1: lost: unplugged"),
        ("INFO", "reader scanner-1: open"),
        ("WARNING", "reader scanner-1: lost: io"),
    ]


async def test_a_loose_cable_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A reader that comes and goes is warned about once, until an opening has lasted."""
    caplog.set_level(logging.INFO)
    flap = ([], 1, "unplugged")
    script = ScriptedReader(flap, flap, flap, ([], LASTING_NS / NS, "unplugged"), flap)

    await played(script)

    soon = "reader scanner-1: lost again, soon after it was opened: unplugged"
    assert logged(caplog) == [
        ("INFO", "reader scanner-1: open"),
        ("WARNING", soon),
        ("WARNING", "reader scanner-1: lost: unplugged"),
        ("INFO", "reader scanner-1: open"),
        ("WARNING", soon),
    ]


def test_dropped_frames_are_the_readers_own_count() -> None:
    """What the family counted is there for the status page."""
    script = ScriptedReader()

    assert kept(script).dropped_count == script.dropped_count


async def test_a_signal_reaches_an_open_reader_only() -> None:
    """The lamp of a reader that is not there is not asked."""
    script = ScriptedReader((["one"], 60, "unplugged"))
    reader = kept(script)
    await reader.signal(Feedback.ACCEPT)

    async with aclosing(reader.readings()) as readings:
        await anext(readings)
        await reader.signal(Feedback.REFUSE)

    assert script.signals == [Feedback.REFUSE]


async def test_a_signal_that_fails_does_not_fail_the_scan() -> None:
    """A device that is lost while its lamp is set is dealt with by the reading side."""
    script = ScriptedReader((["one"], 60, "unplugged"))
    script.signal_error = ReaderLostError(LostCause.UNPLUGGED)
    reader = kept(script)

    async with aclosing(reader.readings()) as readings:
        await anext(readings)
        await reader.signal(Feedback.ACCEPT)


async def test_a_closed_iteration_closes_from_the_inside_out() -> None:
    """The family's own iteration ends before its device is closed, and both before closing returns."""
    script = ScriptedReader(([], 60, "unplugged"))
    closed: list[tuple[str, int]] = []

    async def reading() -> AsyncGenerator[Reading, None]:
        try:
            yield Reading(reader="", data=b"x", text="x", read_at_monotonic_ns=0)
        finally:
            closed.append(("iteration", script.close_count))

    script.readings = reading  # type: ignore[method-assign]

    async with aclosing(kept(script).readings()) as readings:
        await anext(readings)

    assert closed == [("iteration", 0)]
    assert script.close_count == 1


async def test_a_cancelled_reader_is_closed() -> None:
    """Cancelling the task that iterates closes the device before the task ends."""
    script = ScriptedReader((["one"], 60, "unplugged"))
    script.readings = lambda: waiting()  # type: ignore[method-assign]
    reader = kept(script)
    is_open = asyncio.Event()

    async def waiting() -> AsyncGenerator[Reading, None]:
        is_open.set()
        await asyncio.Event().wait()
        yield Reading(reader="", data=b"", text="", read_at_monotonic_ns=0)

    async def iterate() -> None:
        async for _ in reader.readings():
            pass

    task = asyncio.create_task(iterate())
    await is_open.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (script.open_count, script.close_count) == (1, 1)
    assert reader.status.state is ReaderState.CLOSED
