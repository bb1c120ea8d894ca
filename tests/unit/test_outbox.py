"""The outbox keeps what it said it stored, in order, chained, and gives it back checked."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from sync import chain
from sync.errors import StoreBusyError, StoreError
from sync.ledger import EpochChange, EpochReason, NewEpoch, Settlement
from sync.message import Note, OutboxMessage, Rejection, WrappedKey
from sync.outbox import Outbox
from sync.pruning import Keep
from tests.support.outbox_box import KEY, fill, message, note, opened
from tests.support.small_city import NODE, sm3

FRAME = 128 * 1024


def head_of(numbers: list[int], *, epoch: int = 1) -> bytes:
    """h(n) over these messages, computed apart from the outbox."""
    head = chain.start(NODE, epoch, hash=sm3)
    for seq, number in enumerate(numbers, start=1):
        each = message(number)
        head = chain.link(head, seq=seq, message_id=each.message_id, digest=sm3(each.body), hash=sm3)
    return head


async def settle(outbox: Outbox, acked: int, *, inc: int = 7) -> None:
    head = await outbox.head(acked)
    assert head is not None
    await outbox.settle(Settlement(epoch=outbox.snapshot().epoch, acked=acked, head=head, inc=inc))


def new_epoch(outbox: Outbox, *, with_settled: bool = False, damaged: frozenset[int] = frozenset()) -> NewEpoch:
    ledger = outbox.snapshot()
    change = EpochChange(
        former=ledger.epoch,
        epoch=ledger.highest_epoch + 1,
        last_seq=ledger.next_seq - 1,
        acked=ledger.acked,
        head=ledger.head,
        missing=(),
        reason=EpochReason.CITY_AHEAD,
    )
    return NewEpoch(change=change, inc=9, with_settled=with_settled, damaged=damaged)


def damage(path: Path, n: int, *, column: str = "body") -> None:
    """Flip a byte of one record as a failing disk would, while nobody has the file open."""
    with sqlite3.connect(path) as connection:
        ((value,),) = connection.execute(f"SELECT {column} FROM entry WHERE k = ?", (16 * n,)).fetchall()
        flipped = bytes([value[0] ^ 1]) + value[1:]
        connection.execute(f"UPDATE entry SET {column} = ? WHERE k = ?", (flipped, 16 * n))
    connection.close()


async def ids(outbox: Outbox, after_seq: int = 0) -> list[int]:
    records = await outbox.records(after_seq, count_max=1000)
    return [int.from_bytes(record.message_id, "big") for record in records]


async def test_seqs_count_from_one_without_gaps(tmp_path: Path) -> None:
    """Each append returns the next seq of the epoch."""
    async with opened(tmp_path) as outbox:
        assert [await outbox.append(message(number)) for number in (5, 6, 7)] == [1, 2, 3]
        assert outbox.counts().waiting == 3


async def test_records_survive_closing_and_opening(tmp_path: Path) -> None:
    """What was stored is there after the file was opened again, and the numbers go on."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=5)
        store = outbox.snapshot().store

    async with opened(tmp_path) as outbox:
        assert await ids(outbox) == [1, 2, 3, 4, 5]
        assert await outbox.append(message(6)) == 6
        assert outbox.snapshot().store == store
        assert outbox.snapshot().epoch == 1
        assert outbox.started_anew is None
        assert outbox.counts().oldest_waiting_id == message(1).message_id


async def test_the_chain_is_that_of_the_contract(tmp_path: Path) -> None:
    """h(n) is folded over seq, id and digest of every record from the start of the epoch."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=7)

        assert await outbox.head(0) == chain.start(NODE, 1, hash=sm3)
        assert await outbox.head(7) == head_of([1, 2, 3, 4, 5, 6, 7])
        assert await outbox.head(3) == head_of([1, 2, 3])
        assert await outbox.head(8) is None


async def test_a_long_chain_is_folded_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head far from any known one is computed in several turns of the thread."""
    monkeypatch.setattr("sync.along.FOLD_MAX", 3)
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=10)

        assert await outbox.head(10) == head_of(list(range(1, 11)))


async def test_appends_of_one_moment_are_committed_together(tmp_path: Path) -> None:
    """A hundred appends asked for at once are one transaction, and each gets its own seq."""
    async with opened(tmp_path) as outbox:
        wal = tmp_path / "outbox.db-wal"
        before = wal.stat().st_size
        seqs = await asyncio.gather(*(outbox.append(message(number)) for number in range(100)))
        written = wal.stat().st_size - before

        assert sorted(seqs) == list(range(1, 101))
        assert written < 100 * 600  # one by one would be 100 * 2.7 KB


async def test_a_second_opener_is_refused(tmp_path: Path) -> None:
    """Two daemons never share one outbox."""
    async with opened(tmp_path):
        with pytest.raises(StoreBusyError):
            async with opened(tmp_path):
                pass

    async with opened(tmp_path) as outbox:
        assert await outbox.append(message(1)) == 1


async def test_a_message_under_an_unknown_key_is_not_stored(tmp_path: Path) -> None:
    """Without its wrapped key the city could never open it."""
    async with opened(tmp_path) as outbox:
        with pytest.raises(StoreError):
            await outbox.append(message(1, key_id=b"unknown!"))
        assert outbox.counts().waiting == 0


@pytest.mark.parametrize(
    ("bad", "notes"),
    [
        (OutboxMessage(message_id=b"short", body=b"x", key_id=KEY.key_id), []),
        (OutboxMessage(message_id=bytes(16), body=b"", key_id=KEY.key_id), []),
        (OutboxMessage(message_id=bytes(16), body=bytes(16385), key_id=KEY.key_id), []),
        (message(1), [note(number) for number in range(16)]),
        (message(1), [Note(key=b"", expires_at_ms=1, body=b"")]),
        (message(1), [Note(key=b"k", expires_at_ms=1, body=bytes(4097))]),
    ],
)
async def test_out_of_bounds_is_a_bug_of_the_caller(tmp_path: Path, bad: OutboxMessage, notes: list[Note]) -> None:
    """Sizes that intake should have refused raise ValueError and store nothing."""
    async with opened(tmp_path) as outbox:
        with pytest.raises(ValueError, match=r"bounds|notes"):
            await outbox.append(bad, notes)
        assert outbox.counts().waiting == 0


async def test_a_malformed_key_is_a_bug_of_the_caller(tmp_path: Path) -> None:
    """A wrapped key has an id and a recipient of eight bytes."""
    async with opened(tmp_path) as outbox:
        with pytest.raises(ValueError, match="key"):
            await outbox.add_key(WrappedKey(key_id=b"short", recipient=b"city-key", wrapped=b"w"))


async def test_notes_are_found_by_prefix_and_the_last_of_a_key_counts(tmp_path: Path) -> None:
    """Notes are there as soon as their record is; one with the same key replaces the former."""
    async with opened(tmp_path) as outbox:
        await outbox.append(message(1), [Note(key=b"day/1", expires_at_ms=5, body=b"old"), note(9)])
        await outbox.append(message(2), [Note(key=b"replay/1", expires_at_ms=5, body=b"r")])
        await outbox.append(message(3), [Note(key=b"day/1", expires_at_ms=6, body=b"new")])

    async with opened(tmp_path) as outbox:
        assert [each.key for each in await outbox.notes(b"replay/")] == [b"replay/1"]
        assert await outbox.notes(b"day/1") == [Note(key=b"day/1", expires_at_ms=6, body=b"new")]
        assert len(await outbox.notes(b"")) == 3


async def test_a_cancelled_append_leaves_the_outbox_in_order(tmp_path: Path) -> None:
    """Whoever is cancelled may retry the same message; the others are not disturbed."""
    async with opened(tmp_path) as outbox:
        task = asyncio.create_task(outbox.append(message(1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        seq = await outbox.append(message(1))

        assert await ids(outbox) in ([1], [1, 1])
        assert seq == len(await ids(outbox))


async def test_a_stretch_ends_at_the_frame_size(tmp_path: Path) -> None:
    """Records go into a batch while their frame stays within its bytes; at least one always does."""
    async with opened(tmp_path) as outbox:
        for number in range(12):
            await outbox.append(message(number, size=16 * 1024))

        stretch = await outbox.stretch(0, count_max=500, bytes_max=FRAME)
        single = await outbox.stretch(0, count_max=500, bytes_max=10)

        assert stretch is not None
        assert len(stretch.items) == 7
        assert stretch.head == await outbox.head(7)
        assert stretch.deks == {KEY.key_id: (KEY.recipient, KEY.wrapped)}
        assert single is not None
        assert len(single.items) == 1


async def test_a_stretch_carries_only_the_keys_it_uses(tmp_path: Path) -> None:
    """Every sealing key of the items, and no other."""
    other = WrappedKey(key_id=b"key-id-2", recipient=b"city-key", wrapped=b"v" * 120)
    async with opened(tmp_path) as outbox:
        await outbox.add_key(other)
        await outbox.append(message(1))
        await outbox.append(message(2, key_id=other.key_id))

        first = await outbox.stretch(0, count_max=1, bytes_max=FRAME)
        both = await outbox.stretch(0, count_max=2, bytes_max=FRAME)

        assert first is not None
        assert both is not None
        assert set(first.deks) == {KEY.key_id}
        assert set(both.deks) == {KEY.key_id, other.key_id}


async def test_settling_moves_the_mark_and_quarantines_what_was_rejected(tmp_path: Path) -> None:
    """The mark, the city's inc and the rejections are durable together."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=5)
        head = await outbox.head(4)
        assert head is not None
        rejected = (Rejection(seq=2, code="unreadable", text="cannot open"), Rejection(seq=99, code="refused", text=""))
        await outbox.settle(
            Settlement(epoch=1, acked=4, head=head, inc=7, rejected=rejected, rejected_seen=4),
        )
        await outbox.settle(Settlement(epoch=2, acked=5, head=head, inc=8))

    async with opened(tmp_path) as outbox:
        ledger = outbox.snapshot()
        counts = outbox.counts()
        assert (ledger.acked, ledger.head, ledger.inc, ledger.rejected_seen) == (4, head, 7, 4)
        assert (counts.waiting, counts.settled, counts.quarantined) == (1, 4, 1)
        assert counts.oldest_waiting_id == message(5).message_id


async def test_the_mark_may_step_back(tmp_path: Path) -> None:
    """A restored city gets again what is still held."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=5)
        await settle(outbox, 5)
        await settle(outbox, 2)

        assert outbox.counts().waiting == 3
        stretch = await outbox.stretch(2, count_max=9, bytes_max=FRAME)
        assert stretch is not None
        assert stretch.last == 5


async def test_a_new_epoch_renumbers_what_is_unsettled(tmp_path: Path) -> None:
    """First the audit, then the unsettled in old order; the settled stay behind; nothing is rewritten."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=5)
        await settle(outbox, 2)
        await outbox.open_epoch(new_epoch(outbox), audit=message(100))
        await outbox.append(message(6))

        assert await ids(outbox) == [100, 3, 4, 5, 6]
        assert await outbox.head(5) == head_of([100, 3, 4, 5, 6], epoch=2)
        assert outbox.counts().waiting == 5
        assert outbox.counts().settled == 2
        assert outbox.snapshot().inc == 9

    async with opened(tmp_path) as outbox:
        assert await ids(outbox) == [100, 3, 4, 5, 6]
        assert outbox.snapshot().epoch == 2
        assert (tmp_path / "outbox.db.epoch").read_text() == "2\n"


async def test_a_new_epoch_for_a_new_city_takes_the_settled_along(tmp_path: Path) -> None:
    """If `inc` changed every settled record still held goes again, before the unsettled, also those of older epochs."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=3)
        await settle(outbox, 2)
        await outbox.open_epoch(new_epoch(outbox), audit=message(100))
        await settle(outbox, 1)
        await outbox.open_epoch(new_epoch(outbox, with_settled=True), audit=message(101))

        assert await ids(outbox) == [101, 1, 2, 100, 3]


async def test_a_damaged_record_ends_a_stretch_and_is_set_aside(tmp_path: Path) -> None:
    """A flipped byte is found before it is sent; a new epoch goes on without that record."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=5)
    damage(tmp_path / "outbox.db", 3)

    async with opened(tmp_path) as outbox:
        stretch = await outbox.stretch(0, count_max=9, bytes_max=FRAME)
        blocked = await outbox.stretch(2, count_max=9, bytes_max=FRAME)
        damaged = await outbox.damaged(with_settled=False)

        assert stretch is not None
        assert blocked is not None
        assert (stretch.last, stretch.is_cut_short) == (2, True)
        assert (blocked.items, blocked.is_cut_short) == ((), True)
        assert not await outbox.is_sendable(3)
        assert await outbox.is_sendable(4)
        assert damaged == {3}
        assert outbox.seqs_of(damaged) == ((3, 3),)

        await outbox.open_epoch(new_epoch(outbox, damaged=damaged), audit=message(100))

        assert await ids(outbox) == [100, 1, 2, 4, 5]
        assert outbox.counts().quarantined == 1

    async with opened(tmp_path) as outbox:
        assert await ids(outbox) == [100, 1, 2, 4, 5]


async def test_a_damaged_digest_below_the_mark_ends_the_fold(tmp_path: Path) -> None:
    """A head that cannot be told is None, not a wrong one."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=5)
    with sqlite3.connect(tmp_path / "outbox.db") as connection:
        connection.execute("UPDATE entry SET digest = NULL WHERE k = 32")
    connection.close()

    async with opened(tmp_path) as outbox:
        assert await outbox.head(1) is not None
        assert await outbox.head(4) is None
        assert await outbox.stretch(4, count_max=1, bytes_max=FRAME) is None


async def test_pruning_drops_only_what_is_settled_and_old(tmp_path: Path) -> None:
    """Settled records stay their time after settling; unsettled ones stay; the chain can still be told."""
    day = 86_400_000
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=6)
        keep = Keep(lo_ms=10 * day, hi_ms=10 * day, keep_ms=day, bytes_max=10**9)
        await settle(outbox, 4)
        await outbox.prune(keep)
        assert outbox.counts().settled == 4
        await fill(outbox, first=7, count=2)
        await settle(outbox, 6)

        await outbox.prune(Keep(lo_ms=11 * day, hi_ms=11 * day, keep_ms=day, bytes_max=10**9))

        assert outbox.counts().settled == 2
        assert outbox.snapshot().oldest == 5
        assert await outbox.head(3) is None
        assert await outbox.head(8) == head_of([1, 2, 3, 4, 5, 6, 7, 8])
        assert await outbox.stretch(2, count_max=1, bytes_max=FRAME) is None

    async with opened(tmp_path) as outbox:
        assert await ids(outbox, 4) == [5, 6, 7, 8]
        assert await outbox.append(message(9)) == 9


async def test_the_numbers_go_on_when_everything_was_pruned(tmp_path: Path) -> None:
    """An empty table does not begin again at one."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=3)
        await settle(outbox, 3)
        await outbox.prune(Keep(lo_ms=10_000, hi_ms=10_000, keep_ms=0, bytes_max=10**9))
        assert outbox.counts().settled == 0

    async with opened(tmp_path) as outbox:
        assert await outbox.append(message(4)) == 4
        assert await outbox.head(4) == head_of([1, 2, 3, 4])


async def test_settled_records_go_first_when_space_is_short(tmp_path: Path) -> None:
    """Above the allowed size the oldest settled records go before their time, unsettled ones never."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=50)
        await settle(outbox, 40)
        await outbox.prune(Keep(lo_ms=1, hi_ms=1, keep_ms=10**12, bytes_max=1))

        assert outbox.counts().settled == 0
        assert outbox.counts().waiting == 10


async def test_notes_go_when_their_time_is_over(tmp_path: Path) -> None:
    """A note is dropped once lo is above its expiry, also while its record waits; a live one outlives its record."""
    async with opened(tmp_path) as outbox:
        await outbox.append(message(1), [note(1, expires_at_ms=100), note(2, expires_at_ms=300)])
        await outbox.append(message(2), [note(3, expires_at_ms=100)])
        await outbox.prune(Keep(lo_ms=200, hi_ms=200, keep_ms=0, bytes_max=10**9))
        assert [each.key for each in await outbox.notes(b"day/")] == [note(2).key]

        await settle(outbox, 2)
        await outbox.prune(Keep(lo_ms=250 + 3_600_000, hi_ms=250 + 3_600_000, keep_ms=0, bytes_max=10**9))

        assert await outbox.notes(b"day/") == []
        assert outbox.counts().settled == 0


async def test_pruning_passes_a_damaged_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the chain cannot be told any more below the mark, it is told from the mark on."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=6)
        await settle(outbox, 5)
        head = outbox.snapshot().head
    with sqlite3.connect(tmp_path / "outbox.db") as connection:
        connection.execute("UPDATE entry SET digest = NULL WHERE k = 32")
    connection.close()
    monkeypatch.setattr("sync.pruning.STEP", 3)

    async with opened(tmp_path) as outbox:
        await outbox.prune(Keep(lo_ms=10_000, hi_ms=10_000, keep_ms=0, bytes_max=10**9))

        assert outbox.counts().settled == 0
        assert outbox.snapshot().head == head
        assert await outbox.head(6) == head_of([1, 2, 3, 4, 5, 6])


async def test_pruning_folds_a_long_chain_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step prunes nothing while the chain is not yet told up to where it ends."""
    monkeypatch.setattr("sync.along.FOLD_MAX", 2)
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=9)
        await settle(outbox, 8)
    async with opened(tmp_path) as outbox:
        await outbox.prune(Keep(lo_ms=10_000, hi_ms=10_000, keep_ms=0, bytes_max=10**9))

        assert outbox.counts().settled == 0
        assert await outbox.head(9) == head_of([1, 2, 3, 4, 5, 6, 7, 8, 9])


async def test_an_overlong_quarantine_loses_its_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of records no longer held only the newest rejections are kept."""
    monkeypatch.setattr("sync.pruning.QUARANTINE_MAX", 2)
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=4)
        head = await outbox.head(4)
        assert head is not None
        rejected = tuple(Rejection(seq=seq, code="refused", text="") for seq in (1, 2, 3, 4))
        await outbox.settle(Settlement(epoch=1, acked=4, head=head, inc=1, rejected=rejected, rejected_seen=4))
        await outbox.prune(Keep(lo_ms=10_000, hi_ms=10_000, keep_ms=0, bytes_max=10**9))

        assert outbox.counts().quarantined == 2


async def test_a_damaged_settled_record_is_left_behind_with_the_rest_of_its_epoch(tmp_path: Path) -> None:
    """When the settled go again, those of former epochs that are damaged are named and stay."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=3)
        await settle(outbox, 3)
        await outbox.open_epoch(new_epoch(outbox), audit=message(100))
    damage(tmp_path / "outbox.db", 2)

    async with opened(tmp_path) as outbox:
        damaged = await outbox.damaged(with_settled=True)
        assert damaged == {2}
        assert outbox.seqs_of(damaged) == ()
        await outbox.open_epoch(new_epoch(outbox, with_settled=True, damaged=damaged), audit=message(101))

        assert await ids(outbox) == [101, 1, 3, 100]
        assert await outbox.damaged(with_settled=True) == {2}


async def test_neighbouring_damage_is_one_range(tmp_path: Path) -> None:
    """The audit names stretches, not single records."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=6)

        assert outbox.seqs_of(frozenset({2, 3, 5})) == ((2, 3), (5, 5))


async def test_many_batches_leave_only_the_last_heads_in_memory(tmp_path: Path) -> None:
    """What is remembered of the chain is bounded."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=70)
        for seq in range(70):
            assert await outbox.stretch(seq, count_max=1, bytes_max=FRAME) is not None

        assert await outbox.head(70) == head_of(list(range(1, 71)))


async def test_keys_that_nothing_uses_are_dropped(tmp_path: Path) -> None:
    """Old wrapped keys go once the records under them are gone."""
    async with opened(tmp_path) as outbox:
        for number in range(20):
            key = WrappedKey(key_id=b"key-%04d" % number, recipient=b"city-key", wrapped=b"w")
            await outbox.add_key(key)
            await outbox.append(message(number, key_id=key.key_id))
        await settle(outbox, 20)
        await outbox.prune(Keep(lo_ms=10_000, hi_ms=10_000, keep_ms=0, bytes_max=10**9))

        with pytest.raises(StoreError):
            await outbox.append(message(1, key_id=b"key-0000"))
        assert await outbox.append(message(1, key_id=b"key-0019")) == 21


async def test_a_new_database_opens_a_new_epoch(tmp_path: Path) -> None:
    """A database made anew never uses an epoch again that the city may have seen."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=1)
    for path in tmp_path.glob("outbox.db*"):
        if path.suffix != ".epoch":
            path.unlink()

    async with opened(tmp_path) as outbox:
        assert outbox.snapshot().epoch == 2
        assert outbox.started_anew is not None
        assert outbox.started_anew.former == 1
        assert outbox.started_anew.reason is EpochReason.NEW_STORE


async def test_a_lost_epoch_file_is_written_again(tmp_path: Path) -> None:
    """The database knows its own epoch, too."""
    async with opened(tmp_path):
        pass
    (tmp_path / "outbox.db.epoch").write_text("rubbish")

    async with opened(tmp_path) as outbox:
        assert outbox.snapshot().highest_epoch == 1
    assert (tmp_path / "outbox.db.epoch").read_text() == "1\n"


async def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    """An unreadable file does not stop the node: it is kept beside, and a new epoch begins."""
    (tmp_path / "outbox.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    (tmp_path / "outbox.db.epoch").write_text("4\n")

    async with opened(tmp_path) as outbox:
        assert outbox.set_aside == tmp_path / "outbox.db.damaged-1"
        assert outbox.snapshot().epoch == 5
        assert await outbox.append(message(1)) == 1


async def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    """A database with another application id is refused and not changed."""
    path = tmp_path / "outbox.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()

    with pytest.raises(StoreError, match="another program"):
        async with opened(tmp_path):
            pass


async def test_a_newer_versions_file_is_left_alone(tmp_path: Path) -> None:
    """A schema from the future is refused."""
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "outbox.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()

    with pytest.raises(StoreError, match="newer"):
        async with opened(tmp_path):
            pass


async def test_after_closing_nothing_is_stored(tmp_path: Path) -> None:
    """An append that comes too late is told so."""
    async with opened(tmp_path) as outbox:
        pass
    with pytest.raises(StoreError):
        await outbox.append(message(1))
