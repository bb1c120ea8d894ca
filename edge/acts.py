"""What each reader brought a short while ago: the same thing again is the same act, not another (contracts 1).

Pure, told the time. Of what was read only a digest is kept.
"""

from dataclasses import dataclass

from drivers.reading import Reading
from edge.day_view import DayEntry
from edge.rubbish import RubbishLimit

ACTS_MAX = 64  # codes a reader can bring within the longest window of 60 s, with room; older ones are just new acts


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act.

    Attributes:
        at_ns: When, monotonic.
        entry: The line that the screens showed of it.
        returns: How often the same may come again and be recorded.
    """

    at_ns: int
    entry: DayEntry
    returns: RubbishLimit


class Acts:
    """What each reader brought within the last seconds, by digest."""

    def __init__(self, *, window_ns: int) -> None:
        self._window_ns = window_ns
        self._by_reader: dict[str, dict[bytes, Act]] = {}

    def earlier(self, reading: Reading, *, digest: bytes) -> DayEntry | None:
        """Return the line of the act this reading repeats.

        The window counts from the act, whatever is read meanwhile: a code that stays before the scanner is judged anew,
        or a revocation could be hidden by showing it without a pause.
        """
        act = self.last(reading, digest=digest)
        return None if act is None or reading.read_at_monotonic_ns - act.at_ns > self._window_ns else act.entry

    def last(self, reading: Reading, *, digest: bytes) -> Act | None:
        """Return the last act with the same, however long ago."""
        return self._by_reader.get(reading.reader, {}).get(digest)

    def remember(self, reading: Reading, *, digest: bytes, entry: DayEntry) -> None:
        """Keep an act; one that was not saved must be done again."""
        if not entry.is_saved or not self._window_ns:
            return
        acts = self._by_reader.setdefault(reading.reader, {})
        last = acts.pop(digest, None)
        returns = RubbishLimit() if last is None else last.returns
        acts[digest] = Act(at_ns=reading.read_at_monotonic_ns, entry=entry, returns=returns)
        while len(acts) > ACTS_MAX:
            del acts[next(iter(acts))]
