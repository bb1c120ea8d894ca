"""What fails fails alone, is told, and leaves the outbox usable."""

import asyncio
import itertools
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sync import writer
from sync.errors import StoreDamagedError, StoreError
from sync.ledger import Settlement
from sync.store import Database
from tests.support.outbox_box import fill, message, opened

QUICK_NS = {"quick disk": 10**18, "slow disk": 0}
POISON = message(13).message_id


@pytest.fixture(params=QUICK_NS, autouse=True)
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every failure is met twice: by the event loop that commits itself, and by the thread."""
    monkeypatch.setattr(writer, "QUICK_NS", QUICK_NS[request.param])
    return str(request.param)


def is_poison(sql: str, values: Any) -> bool:
    """Whether a statement would store the message that always fails."""
    return "INSERT INTO entry" in sql and POISON in [item for row in values for item in _cells(row)]


def _cells(row: Any) -> list[Any]:
    return list(row) if isinstance(row, tuple) else [row]


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message cannot be stored, whatever is tried."""
    execute, execute_many = Database.execute, Database.execute_many

    def failing(self: Database, sql: str, values: Any = ()) -> Any:
        if is_poison(sql, values):
            raise StoreError("SQLITE_POISON")
        return execute(self, sql, values)

    def failing_many(self: Database, sql: str, rows: Any) -> None:
        if is_poison(sql, rows):
            raise StoreError("SQLITE_POISON")
        execute_many(self, sql, rows)

    monkeypatch.setattr(Database, "execute", failing)
    monkeypatch.setattr(Database, "execute_many", failing_many)


async def stored(outbox: Any) -> list[int]:
    return [int.from_bytes(record.message_id, "big") for record in await outbox.records(0, count_max=1000)]


@pytest.mark.usefixtures("poisoned")
async def test_one_that_fails_does_not_fail_its_neighbours(tmp_path: Path) -> None:
    """Of a group committed together only the poisonous one is not stored; nobody is told a wrong seq."""
    async with opened(tmp_path) as outbox:
        results = await asyncio.gather(
            *(outbox.append(message(number)) for number in range(10, 16)), return_exceptions=True
        )

        assert [type(result) for result in results].count(StoreError) == 1
        assert isinstance(results[3], StoreError)
        assert await stored(outbox) == [10, 11, 12, 14, 15]
        assert [result for result in results if isinstance(result, int)] == [1, 2, 3, 4, 5]


async def test_a_failing_disk_is_told_to_all_and_recovers_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no commit works everybody hears "not stored"; afterwards everything goes on from what was stored before."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=3)

        def full(_self: Database, _sql: str, _values: Any = ()) -> Any:
            raise StoreError("SQLITE_FULL")

        with monkeypatch.context() as broken:
            broken.setattr(Database, "execute", full)
            broken.setattr(Database, "execute_many", full)
            results = await asyncio.gather(
                *(outbox.append(message(number)) for number in range(20, 30)), return_exceptions=True
            )
            assert all(isinstance(result, StoreError) for result in results)
            with pytest.raises(StoreError):
                await outbox.head(1)

        assert await outbox.append(message(4)) == 4
        assert await stored(outbox) == [1, 2, 3, 4]


async def test_a_commit_that_fails_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two records and a settlement in one group: all are told, none is stored, the mark stands."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=3)
        head = await outbox.head(3)
        assert head is not None
        settlement = Settlement(epoch=1, acked=3, head=head, inc=1)

        with monkeypatch.context() as broken:
            broken.setattr(Database, "open", lambda _self: (_ for _ in ()).throw(StoreError("SQLITE_IOERR")))
            broken.setattr(Database, "transaction", lambda _self: (_ for _ in ()).throw(StoreError("SQLITE_IOERR")))
            results = await asyncio.gather(outbox.settle(settlement), outbox.settle(settlement), return_exceptions=True)
            assert all(isinstance(result, StoreError) for result in results)

        assert outbox.counts().acked == 0
        await outbox.settle(settlement)
        assert outbox.counts().acked == 3


async def test_too_much_waiting_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue to the disk is bounded: what comes on top is not stored, and is told so at once."""
    monkeypatch.setattr(writer, "WAITING_MAX", 4)
    async with opened(tmp_path) as outbox:
        results = await asyncio.gather(*(outbox.append(message(n)) for n in range(6)), return_exceptions=True)

        assert [isinstance(result, StoreError) for result in results] == [False] * 4 + [True] * 2
        assert await outbox.append(message(9)) == 5


async def test_large_groups_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction takes in no more than its bound; the rest follows in the next one."""
    monkeypatch.setattr(writer, "GROUP_MAX", 3)
    async with opened(tmp_path) as outbox:

        async def one_by_one(first: int) -> None:
            for number in range(first, first + 5):
                await outbox.append(message(number))

        await asyncio.gather(*(one_by_one(10 * task) for task in range(5)))

        assert outbox.counts().waiting == 25


async def test_a_slow_disk_is_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are committed in the event loop while commits have been quick; one slow one and it is the thread's."""
    monkeypatch.setattr(writer, "QUICK_NS", 2_000_000)
    clock = itertools.count(0, 1_000_000)
    committers: list[str] = []
    execute = Database.execute

    def seen(self: Database, sql: str, values: Any = ()) -> Any:
        if sql.startswith("INSERT INTO entry"):
            committers.append(threading.current_thread().name)
        return execute(self, sql, values)

    monkeypatch.setattr(Database, "execute", seen)
    async with opened(tmp_path, now_ns=lambda: next(clock)) as outbox:
        await fill(outbox, count=3)
        await asyncio.gather(outbox.append(message(4)), outbox.records())
        assert committers == ["MainThread"] * 3 + ["outbox"], "a read goes to the thread, with what waits beside it"
        clock = itertools.count(0, 40_000_000)  # one commit took 40 ms
        await outbox.append(message(5))
        clock = itertools.count(0, 1_000_000)
        await fill(outbox, first=6, count=20)

    assert committers[4:] == ["MainThread"] + ["outbox"] * 13 + ["MainThread"] * 7


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_in_the_thread_is_told_to_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the thread; whoever waits or comes later hears that nothing is stored any more, and `ended` raises it."""
    async with opened(tmp_path) as outbox:
        ended = asyncio.create_task(outbox.ended())
        await asyncio.sleep(0)
        assert [outbox.is_alive, ended.done()] == [True, False]

        def bug(_self: Database, _sql: str, _values: Any = ()) -> Any:
            raise TypeError("a bug")

        monkeypatch.setattr(Database, "execute", bug)
        with pytest.raises(StoreError):
            await outbox.append(message(1))
        with pytest.raises(TypeError, match="a bug"):
            await ended
        assert [outbox.is_alive] == [False]
        with pytest.raises(StoreError):
            await outbox.append(message(2))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_nothing_hangs_that_was_asked_for_while_the_thread_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is gathered or queued after the bug and before the loop hears of it fails too, whoever ends the thread."""
    async with opened(tmp_path) as outbox:

        def bug(_self: Database, _sql: str, _values: Any = ()) -> Any:
            raise TypeError("a bug")

        monkeypatch.setattr(Database, "execute", bug)
        first = asyncio.create_task(outbox.append(message(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # the thread dies now; in each turn of the loop something more is asked for
        later = []
        for number in range(2, 200):
            later.append(asyncio.create_task(outbox.append(message(number))))
            if number % 20 == 0:
                time.sleep(0.001)  # the loop must not hear of it in between
            await asyncio.sleep(0)

        async with asyncio.timeout(10):
            results = await asyncio.gather(first, *later, return_exceptions=True)

        assert all(isinstance(result, StoreError) for result in results)


async def test_an_orderly_end_is_no_bug(tmp_path: Path) -> None:
    """After closing, `ended` returns."""
    async with opened(tmp_path) as outbox:
        pass

    await outbox.ended()


async def test_records_on_a_damaged_page_are_set_aside_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a query meets a page it cannot read, the records are read one by one and only the unreadable are missed."""
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=6)
        execute = Database.execute

        def damaged(self: Database, sql: str, values: Any = ()) -> Any:
            if "BETWEEN" in sql and values[0] <= 16 * 4 <= values[1]:
                raise StoreDamagedError("SQLITE_CORRUPT")
            return execute(self, sql, values)

        monkeypatch.setattr(Database, "execute", damaged)
        stretch = await outbox.stretch(0, count_max=100, bytes_max=10_000)

        assert stretch is not None
        assert (stretch.last, stretch.is_cut_short) == (3, True)
        assert await outbox.damaged(with_settled=True) == {4}
        assert await outbox.head(3) is not None
        assert await outbox.head(5) is None


async def test_an_epoch_number_that_cannot_be_written_opens_no_epoch(tmp_path: Path) -> None:
    """The file outside comes first: if it fails, the outbox does not open."""
    (tmp_path / "outbox.db.epoch.new").mkdir()

    with pytest.raises(StoreError, match="epoch file"):
        async with opened(tmp_path):
            pass


async def test_an_epoch_number_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A folder in its place is a fault of the box."""
    (tmp_path / "outbox.db.epoch").mkdir()

    with pytest.raises(StoreError, match="epoch file"):
        async with opened(tmp_path):
            pass


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The outbox makes no folders."""
    with pytest.raises(StoreError, match="lock file"):
        async with opened(tmp_path / "nowhere"):
            pass


async def test_too_many_damaged_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that destroys one file after the other does not fill up with them."""
    monkeypatch.setattr("sync.outbox._ASIDE_MAX", 2)
    (tmp_path / "outbox.db.damaged-1").touch()
    (tmp_path / "outbox.db").write_bytes(b"no database" * 100)

    with pytest.raises(StoreError, match="too many"):
        async with opened(tmp_path):
            pass
