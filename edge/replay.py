"""Which presentations were seen (contracts 1, "Replay"): bounded, and nothing is evicted before its time.

The cache is told the time and never looks at a clock. It holds keys only; that they outlive a restart is the work of
whoever stores the notes beside the records and inserts them again at start.
"""

import heapq

from edge.examination import ReplayEntry

REPLAY_ENTRIES_MAX = 65_536  # contracts 1: bounded; when full a new presentation is CLOCK_UNSURE


class ReplayCache:
    """The presentations that were recorded and could still pass as fresh.

    Args:
        entries_max: How many it holds; a full cache takes no more until `expire` makes room.
    """

    def __init__(self, *, entries_max: int = REPLAY_ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._keys: set[bytes] = set()
        self._by_expiry: list[tuple[int, bytes]] = []  # a heap: presentations do not arrive in the order of their times

    def __len__(self) -> int:
        """How many presentations it holds."""
        return len(self._keys)

    @property
    def full(self) -> bool:
        """Whether a new presentation could not be remembered."""
        return len(self._keys) >= self._entries_max

    def seen(self, key: bytes) -> bool:
        """Whether this presentation was inserted and has not expired."""
        return key in self._keys

    def insert(self, entry: ReplayEntry) -> bool:
        """Remember a presentation, when its verdict is recorded.

        Returns:
            False if it was there already or the cache is full: then it is not remembered.
        """
        if self.full or entry.key in self._keys:
            return False
        self._keys.add(entry.key)
        heapq.heappush(self._by_expiry, (entry.expires_after_ms, entry.key))
        return True

    def expire(self, *, lo_ms: int) -> int:
        """Forget what the interval's lower end proves stale; only `lo` may do so (contracts 1).

        Returns:
            How many were forgotten.
        """
        before = len(self._by_expiry)
        while self._by_expiry and lo_ms > self._by_expiry[0][0]:
            self._keys.discard(heapq.heappop(self._by_expiry)[1])
        return before - len(self._by_expiry)
