"""Speaks fixed clips, recorded before: one file a feedback, played by a program of the system.

A name or a number is never spoken, so there is nothing to synthesise.
"""

import asyncio
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import FeedbackError
from drivers.feedback.announcement import Announcement
from drivers.feedback.device import DeviceKind, FeedbackCause, FeedbackFamily, expect
from drivers.reader import Feedback

LIMIT_S_MAX = 30
WORDS_MAX = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSettings:
    """Where the clips are and what plays them.

    Attributes:
        folder: Folder of ``accept.wav``, ``pending.wav`` and so on; a feedback without a clip is silent.
        command: The program and its arguments; the path of the clip is added. No shell reads it.
        limit_s: A clip that plays longer is cut, 1..30.

    Raises:
        ValueError: A value is out of range; the text names the setting and what was expected.
    """

    folder: str
    command: tuple[str, ...] = ("aplay", "-q")
    limit_s: int = 10

    def __post_init__(self) -> None:
        expect(bool(self.folder) and "\0" not in self.folder, "folder: expected the path of a folder")
        is_command = 1 <= len(self.command) <= WORDS_MAX and all(w and "\0" not in w for w in self.command)
        expect(is_command, f"command: expected a program and its arguments, 1..{WORDS_MAX} words")
        expect(1 <= self.limit_s <= LIMIT_S_MAX, f"limit_s: expected 1..{LIMIT_S_MAX}")


class Voice:
    """A `FeedbackDevice` that plays clips.

    Args:
        name: The device's name in the configuration.
        settings: Where the clips are.
    """

    kind = DeviceKind.SIGNAL

    def __init__(self, name: str, *, settings: VoiceSettings) -> None:
        self.name = name
        self._folder = Path(settings.folder)
        self._command = settings.command
        self._limit_s = settings.limit_s
        self._missed: set[Feedback] = set()

    @property
    def limit_s(self) -> float:
        """How long a clip may play."""
        return self._limit_s

    async def show(self, announcement: Announcement) -> None:
        """Play the clip of this feedback to its end; cancelled, the program is killed."""
        clip = self._folder / f"{announcement.feedback}.wav"
        if not await asyncio.to_thread(clip.is_file):
            self._miss(announcement.feedback)
            return
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, str(clip), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
            )
        except FileNotFoundError as exc:
            raise FeedbackError(FeedbackCause.MISSING) from exc
        except PermissionError as exc:
            raise FeedbackError(FeedbackCause.PERMISSION) from exc
        except OSError as exc:
            raise FeedbackError(FeedbackCause.IO) from exc
        if await _ended(process) != 0:
            raise FeedbackError(FeedbackCause.IO)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _miss(self, feedback: Feedback) -> None:
        if feedback not in self._missed:
            self._missed.add(feedback)
            _log.warning("feedback %s: no clip for %s", self.name, feedback)


async def _ended(process: Process) -> int:
    """Wait for the program, and leave none behind."""
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and whatever it started: a wrapper's player plays on
            await process.wait()


FAMILY = FeedbackFamily(settings_type=VoiceSettings, build=Voice)
