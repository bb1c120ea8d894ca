"""The outbox under kill -9 and on a full disk."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.errors import StoreError
from sync.outbox import Outbox
from tests.support.outbox_box import message, note, opened

ROUNDS = [20, pytest.param(200, marks=[pytest.mark.campaign, pytest.mark.timeout(1800)])]
LINES_MAX = 40


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_what_was_told_stored_survives_kill_9(tmp_path: Path, rng: random.Random, rounds: int) -> None:
    """After every kill all that was told "stored" is there with its note, once, and the chain is unbroken."""
    told: list[int] = []
    first = 1
    for _ in range(rounds):
        numbers = await appended_until_killed(tmp_path, first=first, lines=rng.randint(1, LINES_MAX))
        told += numbers
        first = max(told) + 100
    async with opened(tmp_path) as outbox:
        records = await outbox.records(0, count_max=1_000_000)
        found = [int.from_bytes(record.message_id, "big") for record in records]
        noted = {each.key for each in await outbox.notes(b"day/")}

        assert set(told) <= set(found)
        assert len(set(found)) == len(found)
        assert [record.seq for record in records] == list(range(1, len(found) + 1))
        assert noted == {note(number).key for number in found}
        assert await outbox.head(len(found)) is not None


async def appended_until_killed(folder: Path, *, first: int, lines: int) -> list[int]:
    """Run the appending process, kill it after so many lines; every number it managed to print."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.appending", str(folder), str(first)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert process.stdout is not None
    printed = [int(await asyncio.wait_for(process.stdout.readline(), timeout=60)) for _ in range(lines)]
    process.kill()
    rest = await process.stdout.read()
    await process.wait()
    # a number may be cut by the kill: only whole lines were told
    return printed + [int(number) for number in rest.split(b"\n")[:-1]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small tmpfs needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("this machine does not let us mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


async def fill_up(outbox: Outbox) -> int:
    """Append until it fails; the number of the last message stored."""
    for number in range(1, 10_000):
        try:
            await outbox.append(message(number, size=2000), [note(number)])
        except StoreError:
            return number - 1
    pytest.fail("the disk is never full")


async def test_a_full_disk_is_told_and_recovers_by_itself(small_disk: Path) -> None:
    """On a full disk appends raise StoreError; when there is room again they work, and nothing stored is gone."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(500_000))
    async with opened(small_disk) as outbox:
        number = await fill_up(outbox)
        for _ in range(3):
            with pytest.raises(StoreError):
                await outbox.append(message(999_999, size=16_000))
        ballast.unlink()

        seq = await outbox.append(message(number + 1), [note(number + 1)])

        found = [int.from_bytes(record.message_id, "big") for record in await outbox.records(0, count_max=10_000)]
        assert found == list(range(1, number + 2))
        assert seq == number + 1
