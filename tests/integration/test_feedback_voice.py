"""The voice, with real programs: played to the end, cut by a newer outcome, and silent without a clip."""

import asyncio
import logging
import os
import signal
import stat
from pathlib import Path

import pytest

from drivers.errors import FeedbackError
from drivers.feedback.announcement import Announcement
from drivers.feedback.desk import DeviceState, FeedbackDesk
from drivers.feedback.device import FeedbackCause
from drivers.feedback.voice import Voice, VoiceSettings
from drivers.reader import Feedback
from tests.support.waiting import until

ACCEPT, REFUSE = (Announcement(feedback=feedback) for feedback in (Feedback.ACCEPT, Feedback.REFUSE))

# Writes down its own number and its child's, and plays for ever.
ENDLESS = """#!/bin/sh
sleep 1000 &
echo "$$ $!" >"$1.playing.new"
mv "$1.playing.new" "$1.playing"
wait
"""


def voice(folder: Path, *command: str, clips: tuple[Feedback, ...] = tuple(Feedback), limit_s: int = 10) -> Voice:
    for feedback in clips:
        (folder / f"{feedback}.wav").write_bytes(b"RIFF")
    return Voice("voice", settings=VoiceSettings(folder=str(folder), command=command, limit_s=limit_s))


def program(folder: Path, text: str) -> str:
    fresh = folder / "player.new"
    fresh.write_text(text)
    fresh.chmod(stat.S_IRWXU)
    return str(fresh.rename(folder / "player"))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def playing(folder: Path, feedback: Feedback) -> list[int]:
    """Wait until a clip is played, and return the processes that do it."""
    path = folder / f"{feedback}.wav.playing"
    await until(path.exists)
    return [int(word) for word in path.read_text().split()]


async def test_a_newer_outcome_silences_the_older_one(tmp_path: Path) -> None:
    """The player is killed, with what it started, and the newer clip plays; so is that one at the end."""
    desk = FeedbackDesk([voice(tmp_path, program(tmp_path, ENDLESS))])
    task = asyncio.create_task(desk.run())

    desk.announce(ACCEPT)
    first = await playing(tmp_path, Feedback.ACCEPT)
    assert all(map(is_alive, first))
    desk.announce(REFUSE)
    second = await playing(tmp_path, Feedback.REFUSE)
    await until(lambda: not any(map(is_alive, first)))
    task.cancel()
    await asyncio.wait([task])

    assert len({*first, *second}) == 4
    await until(lambda: not any(map(is_alive, second)))
    assert desk.statuses["voice"].state is DeviceState.OK


async def test_a_clip_that_does_not_end_is_cut(tmp_path: Path) -> None:
    """After the limit the player is killed and the device named."""
    device = voice(tmp_path, program(tmp_path, ENDLESS), limit_s=1)
    desk = FeedbackDesk([device])
    task = asyncio.create_task(desk.run())

    desk.announce(ACCEPT)
    pids = await playing(tmp_path, Feedback.ACCEPT)
    await until(lambda: desk.statuses["voice"].cause == FeedbackCause.TIMEOUT)
    task.cancel()
    await asyncio.wait([task])

    await until(lambda: not any(map(is_alive, pids)))


async def test_a_feedback_without_a_clip_is_silent_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No clip is no failure; the log names it once."""
    caplog.set_level(logging.INFO)
    device = voice(tmp_path, "false", clips=(Feedback.REFUSE,))

    for _ in range(3):
        await device.show(ACCEPT)

    assert caplog.messages == ["feedback voice: no clip for accept"]


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (("/nowhere/player",), FeedbackCause.MISSING),
        (("/",), FeedbackCause.PERMISSION),
        (("false",), FeedbackCause.IO),
    ],
)
async def test_a_player_that_fails_is_named(tmp_path: Path, command: tuple[str, ...], cause: FeedbackCause) -> None:
    """Not installed, not to be run, or ending with an error."""
    with pytest.raises(FeedbackError, match=cause):
        await voice(tmp_path, *command).show(ACCEPT)


async def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    """A file that is no program is an error of its own."""
    path = tmp_path / "text"
    path.write_text("no program")
    path.chmod(stat.S_IRWXU)

    with pytest.raises(FeedbackError, match=FeedbackCause.IO):
        await voice(tmp_path, str(path)).show(ACCEPT)


async def test_a_clip_is_one_argument(tmp_path: Path) -> None:
    """No shell reads the command: blanks and quotes in a path are a path."""
    folder = tmp_path / "a b; 'c'"
    folder.mkdir()

    await voice(folder, "test", "-f").show(ACCEPT)


async def test_a_player_that_dies_by_itself_is_named(tmp_path: Path) -> None:
    """Killed from outside, the next announcement plays again."""
    device = voice(tmp_path, program(tmp_path, ENDLESS))
    shown = asyncio.ensure_future(device.show(ACCEPT))
    pids = await playing(tmp_path, Feedback.ACCEPT)

    os.killpg(pids[0], signal.SIGKILL)

    with pytest.raises(FeedbackError, match=FeedbackCause.IO):
        await shown
