"""Which record has which seq, pure: n never changes, seq is n plus the offset of the unbroken run it lies in.

A new epoch renumbers everything unsettled. Rewriting a million rows for it would take minutes and wear the flash; a
handful of offsets does the same (contracts 5.4).
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

Span = tuple[int, int]
"""Records [first n, last n], both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Records numbered in a row.

    Attributes:
        first_seq: Seq of its first record.
        first_n: n of its first record.
        count: How many; None for the last run, which grows.
    """

    first_seq: int
    first_n: int
    count: int | None = None

    def shares(self, *, after_seq: int, before_n: int) -> Span | None:
        """The part of it with a seq above `after_seq` and an n below `before_n`."""
        first = self.first_n + max(0, after_seq + 1 - self.first_seq)
        last = before_n - 1 if self.count is None else min(before_n - 1, self.first_n + self.count - 1)
        return (first, last) if first <= last else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The numbering of one epoch.

    Attributes:
        runs: In order of seq; only the last one grows.
    """

    runs: tuple[Run, ...]

    def next_seq(self, *, next_n: int) -> int:
        """The seq that record `next_n` will get."""
        return self.seq_of(next_n)

    def seq_of(self, n: int) -> int:
        """The seq of a record of the growing run."""
        return n - self.runs[-1].first_n + self.runs[-1].first_seq

    def find_seq(self, n: int, *, next_n: int) -> int | None:
        """The seq of any record; None if it has none in this epoch."""
        for first_seq, (first, last) in self.spans(after_seq=0, next_n=next_n):
            if first <= n <= last:
                return first_seq + n - first
        return None

    def n_of(self, seq: int) -> int:
        """The record with that seq.

        Args:
            seq: 1 or more; beyond the last record it is the n that will get this seq.
        """
        run = next(run for run in reversed(self.runs) if run.first_seq <= seq)
        return seq - run.first_seq + run.first_n

    def spans(self, *, after_seq: int, next_n: int) -> Iterator[tuple[int, Span]]:
        """Everything with a seq above `after_seq`: (first seq, span) of each unbroken piece, in order of seq."""
        for run in self.runs:
            span = run.shares(after_seq=after_seq, before_n=next_n)
            if span is not None:
                yield run.first_seq + span[0] - run.first_n, span

    def highest_seq_below(self, n: int, *, next_n: int) -> int:
        """The highest seq among records below n; 0 if this epoch has none there."""
        highest = 0
        for run in self.runs:
            span = run.shares(after_seq=0, before_n=min(n, next_n))
            if span is not None:
                highest = max(highest, run.first_seq + span[1] - run.first_n)
        return highest


def first_epoch(*, saved: int = 0) -> Runs:
    """The numbering of a new file: seq = n, behind what was saved out of a damaged one."""
    return Runs(runs=(Run(first_seq=1, first_n=saved + 1),))


def renumber(
    former: Runs,
    *,
    acked: int,
    held_n: int,
    audit_n: int,
    with_settled: bool,
    left_out: Collection[int],
) -> Runs:
    """The numbering of a new epoch (contracts 5.4): the audit, perhaps the settled, then the unsettled, in old order.

    Args:
        former: The numbering until now.
        acked: Its mark.
        held_n: Lowest record not pruned.
        audit_n: The audit record: above every other.
        with_settled: Whether every settled record still held goes again (`inc` changed).
        left_out: Damaged records.
    """
    unsettled = [span for _, span in former.spans(after_seq=acked, next_n=audit_n)]
    spans = list(unsettled)
    if with_settled:
        present = [span for _, span in former.spans(after_seq=0, next_n=audit_n)]
        settled = _without(present, taken=unsettled)
        older = _without([(held_n, audit_n - 1)], taken=present)
        spans = [*older, *_above(settled, held_n=held_n), *unsettled]
    runs = [Run(first_seq=1, first_n=audit_n, count=1)]
    seq = 2
    for first, last in _joined(_without(spans, taken=[(n, n) for n in left_out])):
        runs.append(Run(first_seq=seq, first_n=first, count=last - first + 1))
        seq += last - first + 1
    runs.append(Run(first_seq=seq, first_n=audit_n + 1))
    return Runs(runs=tuple(runs))


def _without(spans: Iterable[Span], *, taken: Iterable[Span]) -> list[Span]:
    """The spans, in their order, with the taken records cut out."""
    rest = [span for span in spans if span[0] <= span[1]]
    for low, high in taken:
        rest = [
            piece
            for first, last in rest
            for piece in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if piece[0] <= piece[1]
        ]
    return rest


def _above(spans: Iterable[Span], *, held_n: int) -> list[Span]:
    """The parts of the spans that were not pruned."""
    return [(max(first, held_n), last) for first, last in spans if last >= held_n]


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Neighbours made one."""
    joined: list[Span] = []
    for first, last in spans:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
