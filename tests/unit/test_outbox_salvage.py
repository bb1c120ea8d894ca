"""What is left of a damaged outbox is found, delivered behind an audit, and what is not is counted (fault 10)."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.ledger import EpochReason, Settlement
from sync.message import Rejection
from sync.outbox import Outbox
from sync.pruning import Keep
from sync.store import PAGE_BYTES
from tests.support.outbox_box import fill, message, note, opened

COUNT = 60
AUDIT = 1000


def is_new(outbox: Outbox) -> bool:
    return outbox.started_anew is not None


async def ids(outbox: Outbox) -> list[int]:
    return [int.from_bytes(record.message_id, "big") for record in await outbox.records(0, count_max=1000)]


def leaf_of(path: Path, number: int) -> int:
    """The page on which the body of a message lies."""
    return path.read_bytes().index(message(number).body) // PAGE_BYTES


def zero(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES))


def cut(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.truncate(page * PAGE_BYTES)


def _last_page(path: Path) -> None:
    zero(path, leaf_of(path, COUNT))


def _first_page(path: Path) -> None:
    zero(path, 0)


def _first_page_and_two_leaves(path: Path) -> None:
    zero(path, leaf_of(path, 10))
    zero(path, leaf_of(path, 30))
    zero(path, 0)


def _truncation(path: Path) -> None:
    cut(path, leaf_of(path, 50))


@pytest.mark.parametrize(
    ("harm", "lost_max"),
    [(_last_page, 6), (_first_page, 0), (_first_page_and_two_leaves, 12), (_truncation, 20)],
)
async def test_what_can_be_read_waits_behind_the_audit(
    tmp_path: Path, harm: Callable[[Path], None], lost_max: int
) -> None:
    """The file is set aside, its sound records follow the audit in old order, also when the power goes in between."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=COUNT)
    harm(tmp_path / "outbox.db")

    async with opened(tmp_path) as outbox:
        counts = outbox.counts()
        saved = counts.waiting
        assert outbox.set_aside is not None
        assert COUNT - lost_max <= saved <= COUNT
        assert (counts.lost > 0) == (saved < COUNT)
        assert len(await outbox.notes(b"day/")) >= saved - 3  # a page may end between a record and its note
        assert outbox.started_anew is not None
        assert outbox.started_anew.reason is EpochReason.NEW_STORE
        assert outbox.snapshot().next_seq == 1
        assert counts.oldest_waiting_id is not None
        await outbox.prune(Keep(lo_ms=1, hi_ms=1, keep_ms=0, bytes_max=1))
        assert outbox.counts() == counts

    async with opened(tmp_path) as outbox:
        assert outbox.counts() == counts
        assert outbox.started_anew is not None
        assert await outbox.append(message(AUDIT)) == 1
        assert is_new(outbox) is False
        assert await outbox.append(message(AUDIT + 1)) == saved + 2
        found = await ids(outbox)
        assert (found[0], found[-1]) == (AUDIT, AUDIT + 1)
        assert found[1:-1] == sorted(found[1:-1])
        assert len(found) == saved + 2
        assert await outbox.head(saved + 2) is not None

    async with opened(tmp_path) as outbox:
        assert await ids(outbox) == found
        assert outbox.counts().lost == counts.lost


async def test_a_rejection_is_remembered_across_files(tmp_path: Path) -> None:
    """Whoever asks hears that a record came back, also from the new file; so does one that asks before a restart."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=COUNT)
        head = await outbox.head(5)
        assert head is not None
        rejected = (Rejection(seq=3, code="refused", text="no"),)
        await outbox.settle(Settlement(epoch=1, acked=5, head=head, inc=1, rejected=rejected, rejected_seen=5))
        assert outbox.is_quarantined(message(3).message_id)
        assert not outbox.is_quarantined(message(4).message_id)
    zero(tmp_path / "outbox.db", leaf_of(tmp_path / "outbox.db", COUNT))

    async with opened(tmp_path) as outbox:
        assert outbox.set_aside is not None
        assert outbox.is_quarantined(message(3).message_id)
        assert outbox.counts().quarantined == 1


async def test_a_file_with_nothing_left_is_told_as_a_loss(tmp_path: Path) -> None:
    """Where not one row can be read, at least one record counts as lost."""
    (tmp_path / "outbox.db").write_bytes(b"not a database, but long enough to be taken for one" * 1000)

    async with opened(tmp_path) as outbox:
        assert outbox.counts().waiting == 0
        assert outbox.counts().lost == 1
        assert await outbox.append(message(1)) == 1


@pytest.mark.parametrize("column", ["name", "ref", "digest", "body"])
async def test_a_row_of_another_shape_is_a_damaged_record(tmp_path: Path, column: str) -> None:
    """A value of a wrong type, or text that does not decode, costs that record and no other."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=5)
    path = tmp_path / "outbox.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE name = 'entry'")
    connection.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE entry SET {column} = CAST(x'ff41' AS TEXT) WHERE k IN (48, 49)")
    connection.close()

    async with opened(tmp_path) as outbox:
        assert await outbox.damaged(with_settled=True) == {3}
        assert await ids(outbox) == [1, 2]
        assert len(await outbox.notes(b"day/")) >= 4
        assert outbox.set_aside is None
        assert await outbox.append(message(6)) == 6


async def test_notes_on_a_damaged_page_do_not_hide_the_others(tmp_path: Path) -> None:
    """The day view opens with what can be read."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=COUNT)
    zero(tmp_path / "outbox.db", leaf_of(tmp_path / "outbox.db", 20))

    async with opened(tmp_path) as outbox:
        keys = {each.key for each in await outbox.notes(b"day/")}
        assert outbox.set_aside is None
        assert COUNT - 6 <= len(keys) < COUNT
        assert note(1).key in keys


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE mark SET epoch = 99999999999",
        "UPDATE mark SET head = x'00'",
        "DELETE FROM run",
        "UPDATE run SET first_seq = 2",
        "UPDATE run SET count = 2",
        "UPDATE entry SET k = 16 * 4000000000 WHERE k = (SELECT max(k) FROM entry WHERE k % 16 = 0)",
    ],
)
async def test_numbers_that_cannot_be_are_damage(tmp_path: Path, sql: str) -> None:
    """A mark, a numbering or a row number that contradicts the rest: the records are taken over into a new file."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=5)
    with sqlite3.connect(tmp_path / "outbox.db") as connection:
        connection.execute(sql)
    connection.close()

    async with opened(tmp_path) as outbox:
        assert outbox.set_aside is not None
        assert outbox.counts().waiting >= 4
        assert outbox.counts().waiting + outbox.counts().lost == 5
        assert outbox.snapshot().epoch == 2


async def test_a_new_file_stays_new_until_its_first_record(tmp_path: Path) -> None:
    """What the audit has to say survives a restart before it was stored."""
    async with opened(tmp_path):
        pass
    (tmp_path / "outbox.db").unlink()

    for _ in range(2):
        async with opened(tmp_path) as outbox:
            assert outbox.started_anew is not None
            assert outbox.started_anew.former == 1
    async with opened(tmp_path) as outbox:
        await outbox.append(message(1))
        assert outbox.started_anew is None


async def test_nothing_ages_while_the_upper_end_is_unknown(tmp_path: Path) -> None:
    """Records age from the latest time at which they may have been settled; a clock without that ages nothing."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=3)
        head = await outbox.head(3)
        assert head is not None
        await outbox.settle(Settlement(epoch=1, acked=3, head=head, inc=1))
        for lo_ms in (1_000, 10**12):
            await outbox.prune(Keep(lo_ms=lo_ms, keep_ms=0, bytes_max=10**9))
        assert outbox.counts().settled == 3

        await outbox.prune(Keep(lo_ms=10**12, hi_ms=10**12 + 500, keep_ms=0, bytes_max=10**9))
        assert outbox.counts().settled == 3
        await outbox.prune(Keep(lo_ms=10**12 + 500, keep_ms=0, bytes_max=10**9))
        assert outbox.counts().settled == 0
