"""What the kernel says of time: the only place that reads a clock for a record or a verdict.

`now_b` = CLOCK_MONOTONIC_RAW + (CLOCK_BOOTTIME - CLOCK_MONOTONIC): it runs through sleep, and NTP slews neither part
(contracts 4). The wall clock is only shown: NTP, an RTC or a modem may have set it, and nothing is concluded from it.
"""

import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
_READINGS_MAX = 5
_APART_NS_MAX = 1_000_000  # a millisecond is what times are counted in; undisturbed, the readings are some 100 ns apart


class Boot:
    """This boot of the box: its id and its clocks.

    Args:
        boot_id_file: Where the kernel tells the id.
        read_ns: Reads one of the kernel's clocks, in nanoseconds.

    Attributes:
        boot_id: 16 bytes, new with each boot.
    """

    def __init__(
        self, *, boot_id_file: Path = _BOOT_ID_FILE, read_ns: Callable[[int], int] = time.clock_gettime_ns
    ) -> None:
        self.boot_id = UUID(boot_id_file.read_text(encoding="ascii").strip()).bytes
        self._read_ns = read_ns

    def now_b_ns(self) -> int:
        """Return the box's own clock: nanoseconds since boot, slewed by nobody.

        Three clocks make it. Had the program to wait between two readings, the sum would be wrong by that time, and so
        would be an anchor, for as long as it holds: they are read again until they lie close together.
        """
        tightest = self._reading()
        for _ in range(_READINGS_MAX - 1):
            if tightest[0] <= _APART_NS_MAX:
                break
            tightest = min(tightest, self._reading())
        return tightest[1]

    def boottime_ms(self) -> int:
        """Return milliseconds since boot, sleep included."""
        return self._read_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def wall_ms(self) -> int:
        """Return the shown clock in Unix milliseconds; advisory, never for a verdict."""
        return time.time_ns() // 1_000_000

    def _reading(self) -> tuple[int, int]:
        """How far apart the clocks were read, and the box's own clock."""
        first_ns = self._read_ns(time.CLOCK_MONOTONIC)
        asleep_ns = self._read_ns(time.CLOCK_BOOTTIME) - first_ns
        now_b_ns = self._read_ns(time.CLOCK_MONOTONIC_RAW) + asleep_ns
        return self._read_ns(time.CLOCK_MONOTONIC) - first_ns, now_b_ns
