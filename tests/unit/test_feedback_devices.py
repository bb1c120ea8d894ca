"""Lamps and beepers: what is sent to them, for how long, and what their settings may say."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from drivers.errors import FeedbackError, ReaderLostError, UnknownFeedbackError
from drivers.feedback import registry
from drivers.feedback.announcement import Announcement
from drivers.feedback.device import FeedbackCause, FeedbackDevice
from drivers.feedback.line_file import DEFAULT_PATTERNS, PATTERN_MS_MAX, LineFile, LineFileSettings, Step
from drivers.feedback.serial_signal import SerialSignal, SerialSignalSettings
from drivers.feedback.ticket import TicketSettings
from drivers.feedback.voice import VoiceSettings
from drivers.reader import Feedback, LostCause

ACCEPT = Announcement(feedback=Feedback.ACCEPT)
REFUSE = Announcement(feedback=Feedback.REFUSE)


class FakePort:
    """A port whose opening and writing can be made to fail; opened again and again."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.opened_count = self.closed_count = 0
        self.failures: list[str | None] = []

    def __call__(self, parameters: object) -> Self:
        return self

    async def __aenter__(self) -> Self:
        self._fail()
        self.opened_count += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed_count += 1

    def write(self, data: bytes) -> None:
        self._fail()
        self.written.append(data)

    def _fail(self) -> None:
        cause = self.failures.pop(0) if self.failures else None
        if cause is not None:
            raise ReaderLostError(cause)


class Clock:
    """Sleeps by writing down for how long."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)


def signal(port: FakePort, *, sleep: Callable[[float], Awaitable[object]], off: str = "a0") -> SerialSignal:
    settings = SerialSignalSettings(port="/dev/tower", commands={Feedback.ACCEPT: "a1"}, off=off, on_ms=500)
    return SerialSignal("tower", settings=settings, open_port=port, sleep=sleep)


async def test_a_command_is_followed_by_off() -> None:
    """The lamp is on for its time; the port stays open for the next."""
    port, clock = FakePort(), Clock()
    device = signal(port, sleep=clock.sleep)

    await device.show(ACCEPT)
    await device.show(ACCEPT)

    assert port.written == [b"\xa1", b"\xa0"] * 2
    assert clock.slept_s == [0.5, 0.5]
    assert (port.opened_count, port.closed_count) == (1, 0)
    await device.close()
    assert port.closed_count == 1


async def test_a_device_that_ends_by_itself_is_sent_no_off() -> None:
    """Without an off command nothing is waited for."""
    port, clock = FakePort(), Clock()

    await signal(port, sleep=clock.sleep, off="").show(ACCEPT)

    assert (port.written, clock.slept_s) == ([b"\xa1"], [])


async def test_a_feedback_without_a_command_does_not_open_the_port() -> None:
    """What the device cannot show is nothing to it."""
    port = FakePort()

    await signal(port, sleep=Clock().sleep).show(REFUSE)

    assert port.opened_count == 0


async def test_a_lamp_that_is_overtaken_is_switched_off() -> None:
    """Cancelled while it is on, it is off before the next begins."""
    port = FakePort()
    task = asyncio.ensure_future(signal(port, sleep=lambda _: asyncio.Event().wait()).show(ACCEPT))
    while not port.written:
        await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])

    assert port.written == [b"\xa1", b"\xa0"]


async def test_a_port_lost_meanwhile_is_opened_again_at_once() -> None:
    """Unplugged and plugged in between two announcements, the second is shown."""
    port = FakePort()
    device = signal(port, sleep=Clock().sleep)
    await device.show(ACCEPT)

    port.failures = [LostCause.UNPLUGGED]
    await device.show(ACCEPT)

    assert port.written == [b"\xa1", b"\xa0"] * 2
    assert (port.opened_count, port.closed_count) == (2, 1)


@pytest.mark.parametrize("failures", [[LostCause.BUSY], [None, LostCause.BUSY]])
async def test_a_port_that_fails_fresh_is_not_tried_twice(failures: list[str | None]) -> None:
    """Opened for this announcement and lost: the cause is said, the port closed."""
    port = FakePort()
    port.failures = list(failures)
    device = signal(port, sleep=Clock().sleep)

    with pytest.raises(FeedbackError, match=FeedbackCause.BUSY):
        await device.show(ACCEPT)

    assert port.closed_count == port.opened_count == len(failures) - 1


async def test_a_lamp_pulled_out_while_it_is_on_was_shown() -> None:
    """What cannot be switched off any more is no failure, and not shown again."""
    port = FakePort()
    port.failures = [None, None, LostCause.UNPLUGGED]

    await signal(port, sleep=Clock().sleep).show(ACCEPT)

    assert port.written == [b"\xa1"]


class Lines:
    """Files of lines, and what stood in them during each step."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.paths = {name: folder / name for name in names}
        self.seen: list[tuple[str, int]] = []
        for path in self.paths.values():
            path.write_text("?")

    async def sleep(self, seconds: float) -> None:
        self.seen.append((self.on, round(seconds * 1_000)))

    @property
    def on(self) -> str:
        """The names of the lines that are on."""
        return " ".join(name for name, path in self.paths.items() if path.read_text() == "1")

    def device(self, **options: Any) -> LineFile:
        lines = {name: str(path) for name, path in self.paths.items()}
        return LineFile("lamp", settings=LineFileSettings(lines=lines, **options), sleep=self.sleep)


@pytest.mark.parametrize(
    ("feedback", "colour", "beeps", "beep_ms"),
    [
        (Feedback.ACCEPT, "green", 1, 150),
        (Feedback.PENDING, "green", 1, 150),
        (Feedback.CHECK, "amber", 2, 150),
        (Feedback.RETRY, "amber", 2, 150),
        (Feedback.REFUSE, "red", 1, 800),
        (Feedback.NOT_SAVED, "red", 4, 200),
    ],
)
async def test_every_result_has_its_colour_and_its_beeps(
    tmp_path: Path, feedback: Feedback, colour: str, beeps: int, beep_ms: int
) -> None:
    """Passed: green, one beep; accepted: the same, dotted; check: amber, two; refused: red, one long."""
    lines = Lines(tmp_path, "green", "amber", "red", "beeper")

    await lines.device().show(Announcement(feedback=feedback))

    assert [ms for on, ms in lines.seen if "beeper" in on] == [beep_ms] * beeps
    assert {name for on, _ in lines.seen for name in on.split()} == {colour, "beeper"}
    assert lines.on == ""


def test_no_two_results_look_alike() -> None:
    """The patterns differ, but for those that both say: look at the screen."""
    patterns = [DEFAULT_PATTERNS[feedback] for feedback in Feedback]

    assert len(set(patterns)) == len(patterns) - 1
    assert all(sum(step.ms for step in pattern) <= PATTERN_MS_MAX for pattern in patterns)


async def test_a_line_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    """A box with a beeper alone beeps."""
    lines = Lines(tmp_path, "beeper")

    await lines.device().show(ACCEPT)

    assert lines.seen == [("beeper", 150), ("", 850)]


async def test_a_pattern_of_ones_own_replaces_the_default(tmp_path: Path) -> None:
    """Steps are data; an empty pattern shows nothing, and touches no file."""
    lines = Lines(tmp_path, "blue")
    device = lines.device(patterns={Feedback.ACCEPT: (Step(on=("blue",), ms=70), Step(ms=30)), Feedback.REFUSE: ()})

    await device.show(REFUSE)
    assert lines.paths["blue"].read_text() == "?"
    await device.show(ACCEPT)
    await device.close()

    assert lines.seen == [("blue", 70), ("", 30)]


async def test_an_overtaken_pattern_ends_dark(tmp_path: Path) -> None:
    """Cancelled in a step, every line is off."""
    lines = Lines(tmp_path, "green", "beeper")
    device = lines.device()
    device._sleep = lambda _: asyncio.Event().wait()
    task = asyncio.ensure_future(device.show(ACCEPT))
    while lines.on != "green beeper":
        await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])

    assert (task.cancelled(), lines.on) == (True, "")


async def test_a_broken_line_does_not_leave_the_others_on(tmp_path: Path) -> None:
    """The cause is said and what works is off; no file is made where there is none."""
    lines = Lines(tmp_path, "beeper", "green")
    lines.paths["beeper"].unlink()

    with pytest.raises(FeedbackError, match=FeedbackCause.MISSING):
        await lines.device().show(ACCEPT)

    assert lines.paths["green"].read_text() == "0"
    assert not lines.paths["beeper"].exists()


async def test_a_line_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that does not come back costs one thread, not one for each announcement."""
    monkeypatch.setattr("drivers.feedback.line_file.WRITING_LIMIT_S", 0.0)
    device = Lines(tmp_path, "green").device()
    device._writing = asyncio.get_running_loop().create_future()

    with pytest.raises(FeedbackError, match=FeedbackCause.TIMEOUT):
        await device.show(ACCEPT)
    await device.close()

    assert (tmp_path / "green").read_text() == "?"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"port": ""}, "port"),
        ({"baud": 299}, "baud"),
        ({"on_ms": 49}, "on_ms"),
        ({"on_ms": 10_001}, "on_ms"),
        ({"off": "a"}, "off"),
        ({"commands": {Feedback.ACCEPT: ""}}, "commands.accept"),
        ({"commands": {Feedback.ACCEPT: "zz"}}, "commands.accept"),
        ({"commands": {Feedback.ACCEPT: "00" * 65}}, "commands.accept"),
    ],
)
def test_settings_of_a_serial_signal_are_judged(options: dict[str, Any], key: str) -> None:
    """The error names the key and what was expected."""
    with pytest.raises(ValueError, match=f"^{key}: expected "):
        SerialSignalSettings(**{"port": "/dev/tower", **options})


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"lines": {}}, "lines"),
        ({"lines": {str(number): "x" for number in range(9)}}, "lines"),
        ({"lines": {"green": ""}}, "lines.green"),
        ({"on": ""}, "on"),
        ({"off": "0" * 17}, "off"),
        ({"patterns": {Feedback.ACCEPT: (Step(on=("red",), ms=10),)}}, "patterns.accept"),
        ({"patterns": {Feedback.ACCEPT: (Step(ms=9),)}}, "patterns.accept"),
        ({"patterns": {Feedback.ACCEPT: (Step(ms=9_000),) * 2}}, "patterns.accept"),
        ({"patterns": {Feedback.ACCEPT: (Step(ms=10),) * 33}}, "patterns.accept"),
    ],
)
def test_settings_of_lines_are_judged(options: dict[str, Any], key: str) -> None:
    """The error names the key and what was expected."""
    with pytest.raises(ValueError, match=f"^{key}: expected "):
        LineFileSettings(**{"lines": {"green": "/sys/class/leds/green/brightness"}, **options})


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"folder": ""}, "folder"),
        ({"command": ()}, "command"),
        ({"command": ("",)}, "command"),
        ({"limit_s": 0}, "limit_s"),
    ],
)
def test_settings_of_a_voice_are_judged(options: dict[str, Any], key: str) -> None:
    """The error names the key and what was expected."""
    with pytest.raises(ValueError, match=f"^{key}: expected "):
        VoiceSettings(**{"folder": "/usr/share/clips", **options})


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"port": ""}, "port"),
        ({"baud": 1}, "baud"),
        ({"tcp_port": 0}, "tcp_port"),
        ({"columns": 15}, "columns"),
        ({"dots": 2_000}, "dots"),
        ({"fonts": ("x",) * 5}, "fonts"),
    ],
)
def test_settings_of_a_ticket_printer_are_judged(options: dict[str, Any], key: str) -> None:
    """The error names the key and what was expected."""
    with pytest.raises(ValueError, match=f"^{key}: expected "):
        TicketSettings(**{"port": "/dev/usb/lp0", **options})


@pytest.mark.parametrize(
    ("type_name", "options"),
    [
        ("line-file", {"lines": {"green": "x"}}),
        ("serial-signal", {"port": "x"}),
        ("ticket", {"port": "x"}),
        ("voice", {"folder": "x"}),
    ],
)
def test_every_type_is_built_by_its_family(type_name: str, options: dict[str, Any]) -> None:
    """The table names what exists, and what it builds bears the configuration's name."""
    family = registry.load(type_name)

    device: FeedbackDevice = family.build("mine", settings=family.settings_type(**options))

    assert (device.name, device.limit_s > 0) == ("mine", True)
    assert type_name in registry.FEEDBACK_TYPES
    assert len(registry.FEEDBACK_TYPES) == 4


def test_an_unknown_type_is_answered_with_those_known() -> None:
    """The error helps whoever wrote the configuration."""
    with pytest.raises(UnknownFeedbackError, match="'lamp'; known: line-file, serial-signal, ticket, voice"):
        registry.load("lamp")


def test_a_table_that_names_no_family_is_a_bug() -> None:
    """Only a `FeedbackFamily` is one."""
    with pytest.raises(TypeError, match="is not a FeedbackFamily"):
        registry.load("x", table={"x": "drivers.feedback.registry:load"})
