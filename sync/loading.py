"""Reading the small tables when the outbox opens: what contradicts itself is damage, before anything rests on it."""

import dataclasses
from typing import Final

from sync import chain
from sync.errors import StoreDamagedError
from sync.ledger import Mark
from sync.message import WrappedKey
from sync.runs import Run, Runs
from sync.salvage import read_key
from sync.store import Database

STORE_ID_BYTES: Final = 16
MARK_COLUMNS: Final = ", ".join(each.name for each in dataclasses.fields(Mark))
_NEWEST_ROWS: Final = 32
"""Two records with all their notes."""


def read_mark(database: Database) -> Mark | None:
    """The mark; None in a new file.

    Raises:
        StoreDamagedError: It cannot be one.
    """
    rows = database.execute(f"SELECT {MARK_COLUMNS} FROM mark")  # noqa: S608
    if not rows:
        return None
    mark = Mark(**dict(zip(MARK_COLUMNS.split(", "), rows[0], strict=True)))
    numbers = (mark.epoch, mark.acked, mark.base, mark.inc or 0, mark.rejected_seen, mark.held_n, mark.noted_n)
    octets = ((mark.store, STORE_ID_BYTES), (mark.head, chain.HEAD_BYTES), (mark.base_head, chain.HEAD_BYTES))
    is_sound = (
        all(_is_count(each) for each in numbers)
        and all(_is_octets(each, size=size) for each, size in octets)
        and mark.epoch <= chain.EPOCH_MAX + 1
        and mark.base <= mark.acked
    )
    if not is_sound:
        raise StoreDamagedError("mark")
    return mark


def read_runs(database: Database) -> Runs:
    """The numbering.

    Raises:
        StoreDamagedError: It has holes.
    """
    runs: list[Run] = []
    rows = database.execute("SELECT first_seq, first_n, count FROM run ORDER BY first_seq")
    next_seq = 1
    for place, (first_seq, first_n, count) in enumerate(rows, start=1):
        is_last = place == len(rows)
        if first_seq != next_seq or not isinstance(first_n, int) or first_n < 1:
            raise StoreDamagedError("run")
        if (count is not None) if is_last else not isinstance(count, int):
            raise StoreDamagedError("run")
        runs.append(Run(first_seq=first_seq, first_n=first_n, count=count))
        next_seq += count or 0
    if not runs:
        raise StoreDamagedError("run")
    return Runs(runs=tuple(runs))


def read_highest_n(database: Database, *, mark: Mark) -> int:
    """The highest record; where it stands far above the one before, its number is damaged."""
    ks = [k for (k,) in database.execute("SELECT k FROM entry ORDER BY k DESC LIMIT ?", (_NEWEST_ROWS,))]
    ns = sorted({k // 16 for k in ks}, reverse=True)
    if ns and ns[0] > max([mark.held_n, *(n + 1 for n in ns[1:2])]):
        raise StoreDamagedError("number")
    return ns[0] if ns else 0


def read_keys(database: Database) -> dict[int, WrappedKey]:
    """The keys; records under a damaged one cannot be sent."""
    rows = database.execute("SELECT n, key_id, recipient, wrapped FROM wrapped_key")
    keys = {row[0]: read_key(row[1:]) for row in rows}
    return {n: key for n, key in keys.items() if key is not None}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _is_octets(value: object, *, size: int) -> bool:
    return isinstance(value, bytes) and len(value) == size
