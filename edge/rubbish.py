"""How much of what makes no sense is recorded: a scan that nobody could read, yes; a line full of noise, no.

Pure, told the time. A loose cable or a wrong baud rate turns into endless "codes" that no table knows. Each is
answered; but beyond what a person with a bad printout could show, they are counted and not recorded: they would push
the real records of a season out of a small disk, and cost the traffic of a 4G card.
"""

BURST_MAX = 20
"""Unreadable scans in a row that are recorded: more than anybody shows at one desk before asking for help."""

REFILL_NS = 30_000_000_000
"""After so long one more is recorded: 2,880 a day and reader at most, 0.3 MB on the disk."""


class RubbishLimit:
    """A bucket for each reader."""

    def __init__(self, *, burst_max: int = BURST_MAX, refill_ns: int = REFILL_NS) -> None:
        self._burst_max = burst_max
        self._refill_ns = refill_ns
        self._buckets: dict[str, tuple[int, int]] = {}  # reader: how many are left, and since when the next is due
        self._refused: dict[str, int] = {}

    def refused_count(self, reader: str) -> int:
        """How many of a reader were not recorded since the start."""
        return self._refused.get(reader, 0)

    def admits(self, reader: str, *, now_ns: int) -> bool:
        """Take one from the reader's bucket; False: it is empty.

        Args:
            reader: Its name; there are as many as the configuration has.
            now_ns: Monotonic.
        """
        left, since_ns = self._buckets.get(reader, (self._burst_max, now_ns))
        refills = max(0, now_ns - since_ns) // self._refill_ns
        left = min(self._burst_max, left + refills)
        since_ns = now_ns if left == self._burst_max else since_ns + refills * self._refill_ns
        is_admitted = left > 0
        self._buckets[reader] = (left - is_admitted, since_ns)
        if not is_admitted:
            self._refused[reader] = self.refused_count(reader) + 1
        return is_admitted
