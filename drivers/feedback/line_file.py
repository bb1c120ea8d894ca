"""Lamps and beepers on lines that the kernel shows as files: LEDs (``/sys/class/leds/NAME/brightness``), GPIO values.

What each feedback looks like is data: steps of lines that are on together for some milliseconds.
"""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from drivers.errors import FeedbackError
from drivers.feedback.announcement import Announcement
from drivers.feedback.device import DeviceKind, FeedbackCause, FeedbackFamily, expect
from drivers.reader import Feedback

LINES_MAX = 8
STEPS_MAX = 32
STEP_MS_MIN, STEP_MS_MAX = 10, 10_000
PATTERN_MS_MAX = 10_000  # a lamp that is on longer belongs to somebody else by then
WORD_CHARS_MAX = 16
WRITING_LIMIT_S = 3.0  # a line behind a slow bus takes milliseconds

_MS_PER_S = 1_000
_CAUSES = {
    errno.ENOENT: FeedbackCause.MISSING,
    errno.ENODEV: FeedbackCause.UNPLUGGED,
    errno.ENXIO: FeedbackCause.UNPLUGGED,
    errno.EACCES: FeedbackCause.PERMISSION,
    errno.EPERM: FeedbackCause.PERMISSION,
    errno.EROFS: FeedbackCause.PERMISSION,  # the service may write nothing there
    errno.EBUSY: FeedbackCause.BUSY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Lines that are on together, all others off.

    Attributes:
        on: Names of lines; none: a pause.
        ms: For how long, 10..10000.
    """

    on: tuple[str, ...] = ()
    ms: int


def _steps(*pairs: tuple[str, int]) -> tuple[Step, ...]:
    return tuple(Step(on=tuple(names.split()), ms=ms) for names, ms in pairs)


DEFAULT_PATTERNS: Mapping[Feedback, tuple[Step, ...]] = MappingProxyType(
    {
        # Four results that differ in colour, number and length: for those who do not see colours, and those who do
        # not hear. Green with one short beep; the same dotted; amber with two; red with one long.
        Feedback.ACCEPT: _steps(("green beeper", 150), ("green", 850)),
        Feedback.PENDING: _steps(
            ("green beeper", 150), ("", 150), ("green", 150), ("", 150), ("green", 150), ("", 150), ("green", 150)
        ),
        Feedback.CHECK: _steps(("amber beeper", 150), ("amber", 150), ("amber beeper", 150), ("amber", 550)),
        Feedback.RETRY: _steps(("amber beeper", 150), ("amber", 150), ("amber beeper", 150), ("amber", 550)),
        Feedback.REFUSE: _steps(("red beeper", 800), ("red", 700)),
        # Nothing was stored: unlike any result.
        Feedback.NOT_SAVED: _steps(*(("red beeper", 200), ("", 200)) * 4),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFileSettings:
    """Which lines there are and what is written to them.

    Attributes:
        lines: Path of the file of each line, 1..8 of them. The default patterns know green, amber, red and beeper; what
            is not there is left out.
        on: What is written to switch a line on, at most 16 characters.
        off: What is written to switch it off.
        patterns: Steps for each feedback, instead of the default ones; an empty list shows nothing.

    Raises:
        ValueError: A value is out of range; the text names the setting and what was expected.
    """

    lines: Mapping[str, str]
    on: str = "1"
    off: str = "0"
    patterns: Mapping[Feedback, tuple[Step, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expect(1 <= len(self.lines) <= LINES_MAX, f"lines: expected 1..{LINES_MAX} lines")
        for name, path in self.lines.items():
            expect(bool(path) and "\0" not in path, f"lines.{name}: expected the path of a file")
        for word, key in ((self.on, "on"), (self.off, "off")):
            expect(1 <= len(word.encode()) <= WORD_CHARS_MAX, f"{key}: expected 1..{WORD_CHARS_MAX} characters")
        for feedback, steps in self.patterns.items():
            expect(_is_pattern(steps), f"patterns.{feedback}: expected at most {STEPS_MAX} steps, 10 s together")
            is_known = all(set(step.on) <= set(self.lines) for step in steps)
            expect(is_known, f"patterns.{feedback}: expected names of lines")


class LineFile:
    """A `FeedbackDevice` for such lines.

    Args:
        name: The device's name in the configuration.
        settings: Which lines there are.
        sleep: Waits for so many seconds.
    """

    kind = DeviceKind.SIGNAL

    def __init__(
        self,
        name: str,
        *,
        settings: LineFileSettings,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._settings = settings
        self._patterns = {**DEFAULT_PATTERNS, **settings.patterns}
        self._sleep = sleep
        self._writing: asyncio.Future[OSError | None] | None = None
        self._is_lit = False

    @property
    def limit_s(self) -> float:
        """The longest pattern, and the time of writing."""
        return PATTERN_MS_MAX / _MS_PER_S + WRITING_LIMIT_S

    async def show(self, announcement: Announcement) -> None:
        """Play the pattern of this feedback; at its end every line is off."""
        steps = self._patterns[announcement.feedback]
        try:
            for step in steps:
                await self._switch(step.on)
                await self._sleep(step.ms / _MS_PER_S)
        finally:
            await self.close()

    async def close(self) -> None:
        """Switch every line off that may be on."""
        if self._is_lit:
            with suppress(FeedbackError):  # what is broken was said when it was switched on
                await self._switch(())

    async def _switch(self, on: Collection[str]) -> None:
        """Switch every line in a thread of its own; one that hangs is not joined by another."""
        if self._writing is not None:
            await self._written(self._writing)
        settings = self._settings
        words = {path: settings.on if name in on else settings.off for name, path in settings.lines.items()}
        self._is_lit = True
        self._writing = asyncio.get_running_loop().run_in_executor(None, _write_all, words)
        await self._written(self._writing)
        broken = self._writing.result()
        if broken is not None:
            raise FeedbackError(_CAUSES.get(broken.errno or 0, FeedbackCause.IO)) from broken
        self._is_lit = bool(on)

    async def _written(self, writing: asyncio.Future[OSError | None]) -> None:
        await asyncio.wait([writing], timeout=WRITING_LIMIT_S)  # cancelled, it leaves the thread to the next
        if not writing.done():
            raise FeedbackError(FeedbackCause.TIMEOUT)


def _is_pattern(steps: tuple[Step, ...]) -> bool:
    are_short = all(STEP_MS_MIN <= step.ms <= STEP_MS_MAX for step in steps)
    return are_short and len(steps) <= STEPS_MAX and sum(step.ms for step in steps) <= PATTERN_MS_MAX


def _write_all(words: Mapping[str, str]) -> OSError | None:
    """Write every line, those behind a broken one too, so that none stays on; return what was broken."""
    broken: OSError | None = None
    for path, word in words.items():
        try:
            _write(path, word=word)
        except OSError as error:
            broken = error
    return broken


def _write(path: str, *, word: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # never creates what is not there
    try:
        os.write(descriptor, word.encode())
    finally:
        os.close(descriptor)


FAMILY = FeedbackFamily(settings_type=LineFileSettings, build=LineFile)
