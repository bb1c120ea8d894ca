"""What may go: settled records past their days, notes past their time, keys that nothing uses. In small steps.

Each step is one short transaction, so that a scan never waits long behind it. Unsettled records are never pruned;
damaged ones stay as long as their neighbours.
"""

import dataclasses
from dataclasses import dataclass
from typing import Final

from sync.along import Along
from sync.rows import Rows

STEP: Final = 500
"""Records looked at in one step."""
AGE_STEP_MS: Final = 3_600_000
QUARANTINE_MAX: Final = 10_000

_KEYS_KEPT_LONGER: Final = 8
"""Keys made before the oldest record's: one sealed before a change of key may have been stored after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long and how much.

    Attributes:
        lo_ms: Lower end of the time interval now, Unix milliseconds.
        hi_ms: Upper end; while it is None nothing that is settled now begins to age.
        keep_ms: Settled records stay so long.
        bytes_max: Settled records go earlier while the file uses more than this.
    """

    lo_ms: int
    keep_ms: int
    bytes_max: int
    hi_ms: int | None = None


def prune_records(rows: Rows, along: Along, *, keep: Keep) -> bool:
    """Drop up to `STEP` settled records that are old enough, or the oldest where space is short.

    Returns:
        Whether there may be more.
    """
    state = rows.state
    if keep.hi_ms is not None:
        _note_age(rows, hi_ms=keep.hi_ms)
    first = state.mark.held_n
    if state.saved:  # it has no seq yet, and is not settled
        return False
    stop = min(_limit_n(rows, keep=keep), _first_unsettled_n(rows), first + STEP)
    if stop <= first:
        return False
    base = max(state.mark.base, state.runs.highest_seq_below(stop, next_n=state.next_n))
    point = along.fold(base)
    if point is None:
        # A digest below the mark is damaged: the chain can be told again only from the mark on.
        point = (state.mark.acked, state.mark.head)
    if point[0] < base:
        return True
    rows.database.execute(
        "DELETE FROM entry WHERE k >= ? AND k < ? AND (k & 15 = 0 OR ref < ?)", (16 * first, 16 * stop, keep.lo_ms)
    )
    rows.replace_mark(dataclasses.replace(state.mark, held_n=stop, base=point[0], base_head=point[1]))
    return True


def prune_notes(rows: Rows, *, lo_ms: int, from_n: int) -> int | None:
    """Drop the notes past their time among `STEP` records.

    Returns:
        Where to go on, None at the end.
    """
    state = rows.state
    first = max(from_n, state.mark.noted_n)
    stop = min(first + STEP, state.next_n)
    span = (16 * first, 16 * stop)
    rows.database.execute("DELETE FROM entry WHERE k >= ? AND k < ? AND k & 15 <> 0 AND ref < ?", (*span, lo_ms))
    if first == state.mark.noted_n:
        left = rows.database.execute("SELECT min(k) FROM entry WHERE k >= ? AND k < ? AND k & 15 <> 0", span)[0][0]
        noted_n = stop if left is None else left // 16
        if noted_n != first:
            rows.replace_mark(dataclasses.replace(state.mark, noted_n=noted_n))
    return stop if stop < state.next_n else None


def prune_rest(rows: Rows) -> None:
    """Drop keys that no record uses and the oldest entries of an overlong quarantine."""
    state = rows.state
    query = rows.database.execute
    found = query("SELECT ref FROM entry WHERE k >= ? AND k & 15 = 0 ORDER BY k LIMIT 1", (16 * state.mark.held_n,))
    newest = max(state.keys, default=0)
    unused = {n for n in state.keys if n < (found[0][0] if found else newest) - _KEYS_KEPT_LONGER}
    for n in unused:
        query("DELETE FROM wrapped_key WHERE n = ?", (n,))
    keys = {n: key for n, key in state.keys.items() if n not in unused}
    surplus = max(0, state.quarantined - QUARANTINE_MAX)
    if surplus:
        query(
            "DELETE FROM quarantine WHERE n < ? AND code <> 'lost' AND (epoch, seq) IN"
            " (SELECT epoch, seq FROM quarantine ORDER BY epoch, seq LIMIT ?)",
            (state.mark.held_n, surplus),
        )
    rows.state = dataclasses.replace(rows.state, keys=keys, quarantined=rows.count_quarantined())


def _note_age(rows: Rows, *, hi_ms: int) -> None:
    """Once an hour, remember below which record all is settled, and until when at the latest that came about."""
    ((latest_ms,),) = rows.database.execute("SELECT max(at_ms) FROM age")
    if latest_ms is None or not latest_ms <= hi_ms < latest_ms + AGE_STEP_MS:
        rows.database.execute("DELETE FROM age WHERE at_ms > ?", (hi_ms,))  # the interval became narrower
        rows.database.execute("INSERT OR REPLACE INTO age VALUES (?, ?)", (hi_ms, _first_unsettled_n(rows)))


def _first_unsettled_n(rows: Rows) -> int:
    """Everything below it is settled."""
    state = rows.state
    unsettled = state.runs.spans(after_seq=state.mark.acked, next_n=state.next_n)
    return min((span[0] for _, span in unsettled), default=state.next_n)


def _limit_n(rows: Rows, *, keep: Keep) -> int:
    """The first record that must stay by age; everything settled may go where space is short."""
    if rows.database.used_bytes() > keep.bytes_max:
        return rows.state.next_n
    old_ms = keep.lo_ms - keep.keep_ms
    ((limit_n,),) = rows.database.execute("SELECT max(n) FROM age WHERE at_ms <= ?", (old_ms,))
    if limit_n is not None:
        rows.database.execute("DELETE FROM age WHERE at_ms <= ? AND n < ?", (old_ms, limit_n))
    return limit_n or 0
