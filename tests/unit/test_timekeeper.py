"""The node's clock: fed by receipts and documents, saved every ten minutes, loud about lies, once."""

import asyncio
import errno
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from edge import clock_file
from edge.boot import Boot
from edge.clock import BUILD_DATE_MS, ClockAlarm, Mark, SavedFloor, start
from edge.timekeeper import SAVE_S, Timekeeper, resume
from edge.verdict import Interval
from tests.support.set_boot import SetBoot

T = 1_795_399_200_000
MS = 1_000_000


def _timekeeper(boot: SetBoot, *, expires_ms: int | None = None) -> Timekeeper:
    return Timekeeper(boot=boot, state=start(), trust_expires_ms=lambda: expires_ms)


def _resumed(path: Path, boot: SetBoot) -> Timekeeper:
    return resume(path, boot=boot, trust_expires_ms=lambda: None)


def _saved(path: Path) -> SavedFloor | None:
    return clock_file.read(path, report=lambda _: None)


def test_a_receipt_anchors_the_clock() -> None:
    """From then on the time has an upper end."""
    boot = SetBoot()
    keeper = _timekeeper(boot)
    assert not keeper.is_anchored

    boot.b_ns = 300 * MS
    keeper.hear(T, 100 * MS, 300 * MS)

    assert keeper.is_anchored
    assert keeper.now() == Interval(lo_ms=T, hi_ms=T + 201)


def test_a_document_raises_the_floor() -> None:
    """Its time has passed."""
    keeper = _timekeeper(SetBoot())

    keeper.raise_floor(T)

    assert keeper.now() == Interval(lo_ms=T, hi_ms=None)
    assert keeper.alarm is None


def test_a_lie_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A receipt from beyond the held lists is no clock; the log is not filled with it."""
    keeper = _timekeeper(SetBoot(), expires_ms=T)
    caplog.set_level(logging.DEBUG)

    keeper.hear(T + 1, 0, 0)
    keeper.hear(T + 1, 0, 0)

    assert keeper.alarm is ClockAlarm.ANSWER_AFTER_TRUST
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.DEBUG]
    assert not keeper.is_anchored


def test_a_moment_holds_the_interval_of_the_verdict() -> None:
    """And what the box's clocks said."""
    boot = SetBoot(wall_ms=5)
    boot.b_ns = 7 * MS

    at = _timekeeper(boot).moment(Interval(lo_ms=1, hi_ms=2))

    assert (at.boot, at.boottime_ms, at.lo_ms, at.hi_ms, at.wall_ms) == (boot.boot_id, 7, 1, 2, 5)


def test_what_is_saved_is_there_at_the_next_start(tmp_path: Path) -> None:
    """Lo with its place in the boot; the same boot goes on from there, the next one begins with it."""
    path, boot = tmp_path / "clock", SetBoot()
    keeper = _resumed(path, boot)
    boot.b_ns = 1_000 * MS
    keeper.hear(T, 900 * MS, 1_000 * MS)
    boot.b_ns = 2_000_000 * MS

    assert keeper.save()

    lo_ms = T + 1_999_000 * 9998 // 10_000
    assert _saved(path) == SavedFloor(floor=Mark(time_ms=lo_ms, at_b_ns=boot.b_ns), boot_id=boot.boot_id)
    again = _resumed(path, boot)
    assert (again.now(), again.alarm) == (Interval(lo_ms=lo_ms, hi_ms=None), None)
    rebooted = SetBoot()
    rebooted.boot_id = b"C" * 16
    rebooted.b_ns = 10_000 * MS
    assert _resumed(path, rebooted).now() == Interval(lo_ms=lo_ms + 9_998, hi_ms=None)


def test_a_first_start_knows_the_build_date(tmp_path: Path) -> None:
    """No file is no alarm."""
    boot = SetBoot()
    boot.b_ns = 3_600_000 * MS

    keeper = _resumed(tmp_path / "clock", boot)

    assert (keeper.now(), keeper.alarm) == (Interval(lo_ms=BUILD_DATE_MS, hi_ms=None), None)


def test_a_damaged_file_is_an_alarm_and_no_floor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The box starts all the same, the operator is told, and the next save mends it."""
    path = tmp_path / "clock"
    path.write_bytes(b"1 4070908800000 0 " + b"00" * 16 + b" 00\n")

    keeper = _resumed(path, SetBoot())

    assert (keeper.now().lo_ms, keeper.alarm) == (BUILD_DATE_MS, ClockAlarm.SAVED_FLOOR_DAMAGED)
    assert [record.message for record in caplog.records] == ["clock: saved_floor_damaged"]
    keeper.save()
    assert _resumed(path, SetBoot()).alarm is None


def test_a_timekeeper_without_a_file_saves_nothing() -> None:
    """And says so."""
    assert not _timekeeper(SetBoot()).save()


async def test_the_floor_is_saved_every_ten_minutes(tmp_path: Path) -> None:
    """At each waking, lo as it is then, whatever was proven in between."""
    path, boot = tmp_path / "clock", SetBoot()
    keeper = _resumed(path, boot)
    found: list[SavedFloor | None] = []

    async def sleep(seconds: float) -> None:
        assert seconds == SAVE_S == 600
        found.append(_saved(path))
        if len(found) == 3:
            raise asyncio.CancelledError
        boot.b_ns += 600_000 * MS
        keeper.raise_floor(T + len(found))

    with pytest.raises(asyncio.CancelledError):
        await keeper.run(sleep=sleep)

    assert found == [
        None,
        SavedFloor(floor=Mark(time_ms=T + 1, at_b_ns=600_000 * MS), boot_id=boot.boot_id),
        SavedFloor(floor=Mark(time_ms=T + 1 + 599_880, at_b_ns=1_200_000 * MS), boot_id=boot.boot_id),
    ]


def test_a_full_disk_is_said_once_and_mends_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The former floor stays, the node goes on, and the next save that finds room is quiet."""
    path = tmp_path / "clock"
    keeper = _resumed(path, SetBoot())
    keeper.save()
    keeper.raise_floor(T)
    caplog.set_level(logging.DEBUG)

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        assert [keeper.save(), keeper.save()] == [False, False]
        kept = _saved(path)
    assert keeper.save()

    assert kept is not None
    assert kept.floor.time_ms == BUILD_DATE_MS
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.DEBUG]
    assert caplog.records[0].message == "clock: not saved: No space left on device"


def test_a_fault_without_words_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By its kind."""
    keeper = _resumed(tmp_path / "clock", SetBoot())

    def fsync(_: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", fsync)

    assert not keeper.save()
    assert caplog.records[0].message == "clock: not saved: OSError"


def test_two_who_save_at_once_leave_the_newest_floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shutdown that meets the ten minutes' own writer waits for it, and its floor is the one that stays."""
    path, boot = tmp_path / "clock", SetBoot()
    keeper = _resumed(path, boot)
    writing, twice, go_on = threading.Event(), threading.Event(), threading.Event()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        (twice if writing.is_set() and not go_on.is_set() else writing).set()
        assert go_on.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    first = threading.Thread(target=keeper.save)
    first.start()
    assert writing.wait(10)
    keeper.raise_floor(T)
    second = threading.Thread(target=keeper.save)
    second.start()
    assert not twice.wait(0.1)
    go_on.set()
    first.join(10)
    second.join(10)

    saved = _saved(path)
    assert saved is not None
    assert saved.floor.time_ms == T


def test_a_root_with_other_keys_resets_the_file_too(tmp_path: Path) -> None:
    """The anchor is gone, the floor is the root's date, and a power cut does not bring the former one back."""
    path, boot = tmp_path / "clock", SetBoot()
    keeper = _resumed(path, boot)
    keeper.hear(T + 10_000, 0, 0)
    keeper.save()

    assert keeper.reset(T)

    assert (keeper.now(), keeper.is_anchored) == (Interval(lo_ms=T, hi_ms=None), False)
    assert _resumed(path, boot).now() == Interval(lo_ms=T, hi_ms=None)


class Kernel:
    """The kernel's clocks of a box that sleeps and is kept waiting, in nanoseconds.

    Attributes:
        raw, monotonic, boottime: What each of them shows.
        waits: How long the program has to wait before each reading; zero once they are used up.
    """

    def __init__(self, *waits: int) -> None:
        self.raw = self.monotonic = self.boottime = 1_000_000_000
        self.waits = list(waits)
        self.count = 0

    def pass_time(self, ns: int) -> None:
        self.raw += ns
        self.monotonic += ns
        self.boottime += ns

    def read_ns(self, clock_id: int) -> int:
        self.count += 1
        self.pass_time(self.waits.pop(0) if self.waits else 0)
        return {
            time.CLOCK_MONOTONIC_RAW: self.raw,
            time.CLOCK_MONOTONIC: self.monotonic,
            time.CLOCK_BOOTTIME: self.boottime,
        }[clock_id]


def test_the_boxes_clock_runs_through_sleep_and_is_not_slewed() -> None:
    """Eight hours of suspend count in whole, a second that NTP slips into the monotonic clock does not."""
    kernel = Kernel()
    boot = Boot(read_ns=kernel.read_ns)
    before = boot.now_b_ns()

    kernel.boottime += 8 * 3_600 * 10**9
    kernel.monotonic += 10**9
    kernel.boottime += 10**9

    assert boot.now_b_ns() - before == 8 * 3_600 * 10**9
    assert boot.boottime_ms() == kernel.boottime // MS


def test_clocks_read_far_apart_are_read_again() -> None:
    """A program kept waiting between two of them does not take that time for sleep."""
    kernel = Kernel(0, 500 * MS, 0, 0)

    assert Boot(read_ns=kernel.read_ns).now_b_ns() == kernel.raw
    assert kernel.count == 8


def test_a_box_that_is_always_kept_waiting_takes_the_tightest_reading() -> None:
    """It gives up after five; none is better than the one that lay closest together."""
    waits = [9, 9, 9, 9, 7, 7, 7, 7, 2, 2, 2, 2, 8, 8, 8, 8, 9, 9, 9, 9]
    kernel = Kernel(*(wait * MS for wait in waits))

    now_b_ns = Boot(read_ns=kernel.read_ns).now_b_ns()

    third_raw_ns = 10**9 + (4 * 9 + 4 * 7 + 3 * 2) * MS
    assert now_b_ns == third_raw_ns + 2 * MS  # the clocks were 2 ms apart where they are told apart
    assert kernel.count == 20


def test_the_kernels_clocks_are_read_in_their_units() -> None:
    """One boot id of 16 bytes; the box's own clock runs with the boot's."""
    boot = Boot()

    first, boottime_ms, second = boot.now_b_ns(), boot.boottime_ms(), boot.now_b_ns()

    assert len(boot.boot_id) == 16
    assert boot.boot_id == Boot().boot_id
    assert 0 < first <= second
    assert abs(first // MS - boottime_ms) < 0.01 * boottime_ms + 1_000
    assert boot.wall_ms() > 1_600_000_000_000
