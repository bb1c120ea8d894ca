"""What the kernel says of time: the only place that reads a clock for a record or a verdict.

`now_b` = CLOCK_MONOTONIC_RAW + (CLOCK_BOOTTIME - CLOCK_MONOTONIC): it runs through sleep, and NTP slews neither part
(contracts 4). The wall clock is only shown.
"""

import time
from pathlib import Path
from uuid import UUID

_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class Boot:
    """This boot of the box: its id and its clocks.

    Attributes:
        boot_id: 16 bytes, new with each boot.
    """

    def __init__(self, *, boot_id_file: Path = _BOOT_ID_FILE) -> None:
        self.boot_id = UUID(boot_id_file.read_text(encoding="ascii").strip()).bytes

    def now_b_ns(self) -> int:
        """Return the box's own clock: nanoseconds since boot, slewed by nobody."""
        asleep = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) + asleep

    def boottime_ms(self) -> int:
        """Return milliseconds since boot, sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def wall_ms(self) -> int:
        """Return the shown clock in Unix milliseconds; advisory, never for a verdict."""
        return time.time_ns() // 1_000_000
