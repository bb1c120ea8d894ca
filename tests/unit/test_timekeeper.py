"""The node's clock: fed by receipts and documents, loud about lies, once."""

import logging

import pytest

from edge.boot import Boot
from edge.clock import ClockAlarm, start
from edge.timekeeper import Timekeeper
from edge.verdict import Interval
from tests.support.set_boot import SetBoot

T = 1_795_399_200_000
MS = 1_000_000


def _timekeeper(boot: SetBoot, *, expires_ms: int | None = None) -> Timekeeper:
    return Timekeeper(boot=boot, state=start(), trust_expires_ms=lambda: expires_ms)


def test_a_receipt_anchors_the_clock() -> None:
    """From then on the time has an upper end."""
    boot = SetBoot()
    keeper = _timekeeper(boot)
    assert not keeper.is_anchored

    boot.b_ns = 300 * MS
    keeper.hear(T, 100 * MS, 300 * MS)

    assert keeper.is_anchored
    assert keeper.now() == Interval(lo_ms=T, hi_ms=T + 200)


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


def test_the_kernels_clocks_are_read_in_their_units() -> None:
    """One boot id of 16 bytes; the box's own clock runs with the boot's."""
    boot = Boot()

    first, boottime_ms, second = boot.now_b_ns(), boot.boottime_ms(), boot.now_b_ns()

    assert len(boot.boot_id) == 16
    assert boot.boot_id == Boot().boot_id
    assert 0 < first <= second
    assert abs(first // MS - boottime_ms) < 0.01 * boottime_ms + 1_000
    assert boot.wall_ms() > 1_600_000_000_000
