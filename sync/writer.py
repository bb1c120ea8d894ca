"""Who writes the outbox file: everything that waits goes into one transaction, then all are told.

Whoever asks gets a future. It is resolved only after the commit is synced, or with an error after nothing was stored.
One operation that fails does not fail its neighbours: the group is rolled back and each runs alone. After a failure the
file is opened anew by the next operation, so a disk that was full for a while needs nobody's help.

The file has one owner at a time. It is a thread of its own, so that a slow card never stalls the desk; but while that
thread has nothing to do and commits have been quick, records are committed at once in the event loop: handing them over
and back would take longer than a good disk does. A bug ends the thread; all that wait are told, so is whoever comes
later, and `ended` raises it: after a bug nothing is stored.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sync.errors import StoreError
from sync.ledger import State
from sync.rows import EntryRow, Rows

GROUP_MAX: Final = 512
"""Operations after which a transaction takes no more in: some 10 ms of work."""
WAITING_MAX: Final = 4096
"""Operations in the queue; with more than that the disk has stopped answering."""
QUICK_NS: Final = 2_000_000
"""Commits that usually take less (here: 2 ms, three signature checks) may be done in the event loop."""
_USUAL_OF: Final = 8
"""The usual time is smoothed over so many commits: after one that took 100 ms, the next thirty go to the thread."""
_FAILURES_MAX: Final = 2
"""Operations that fail alone, one after the other, before the rest of their group is not tried any more."""

T = TypeVar("T")


@dataclass(slots=True, eq=False)  # not frozen: made for every scan, and a frozen one costs twice as much
class _Append:
    """A record and its notes."""

    group: Sequence[EntryRow]
    future: asyncio.Future[Any]


@dataclass(slots=True, eq=False)
class _Call:
    """Anything else; a write runs inside the group's transaction, a read behind it."""

    work: Callable[[], Any]
    is_write: bool
    future: asyncio.Future[Any]


_Operation = _Append | _Call
_Outcome = tuple[asyncio.Future[Any], Any, StoreError | None]


class Writer:
    """The thread and its queue.

    Args:
        rows: The tables. They are the thread's while it has anything to do (`_waiting`), the event loop's otherwise.
        on_done: Called in the event loop with the committed state after every group, before its futures are resolved.
        now_ns: A monotonic clock.
    """

    def __init__(self, rows: Rows, *, on_done: Callable[[State], None], now_ns: Callable[[], int]) -> None:
        self._rows = rows
        self._on_done = on_done
        self._now_ns = now_ns
        self._usual_ns = QUICK_NS
        self._queue: queue.SimpleQueue[list[_Operation] | None] = queue.SimpleQueue()
        self._gathered: list[_Operation] = []
        self._waiting = 0
        self._is_stopped = False
        self._bug: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # Not a daemon: the interpreter waits for a commit that has begun.
        self._thread = threading.Thread(target=self._run, name="outbox")

    async def start(self) -> None:
        """Start the thread and open the file in it.

        Raises:
            StoreError: It cannot be opened; the thread is gone again.
        """
        self._thread.start()
        try:
            await self.read(lambda: None)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Finish what waits, close the file, end the thread."""
        self._is_stopped = True
        self._hand_over()
        self._queue.put(None)
        await self._ended
        self._thread.join()  # it has nothing left to do

    @property
    def is_alive(self) -> bool:
        """Whether it stores anything."""
        return not self._is_stopped

    async def ended(self) -> None:
        """Wait until the thread has ended.

        Raises:
            BaseException: The bug it ended of.
        """
        await asyncio.wait([self._ended])  # unlike awaiting it, this leaves the future alone when it is cancelled
        if self._bug is not None:
            raise self._bug

    def append(self, group: Sequence[EntryRow]) -> asyncio.Future[int]:
        """Store a record and its notes; the seq it got."""
        future: asyncio.Future[int] = self._future()
        self._gather(_Append(group, future))
        return future

    def write(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run something inside a transaction."""
        future: asyncio.Future[T] = self._future()
        self._gather(_Call(work, is_write=True, future=future))
        return future

    def read(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run something that changes nothing; it sees everything asked for before it."""
        future: asyncio.Future[T] = self._future()
        self._gather(_Call(work, is_write=False, future=future))
        return future

    def _future(self) -> asyncio.Future[Any]:
        if self._is_stopped:
            raise StoreError("closed")
        if self._waiting >= WAITING_MAX:
            raise StoreError("too much waits for the disk")
        self._waiting += 1
        return self._loop.create_future()

    def _gather(self, operation: _Operation) -> None:
        """Collect what one turn of the event loop asks for: it goes over together and becomes one commit."""
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(operation)

    def _hand_over(self) -> None:
        if not self._gathered:
            return
        if self._may_commit_here():
            self._commit_here()
        else:
            self._queue.put(self._gathered)
            self._gathered = []

    def _may_commit_here(self) -> bool:
        """Whether the thread has nothing to do, the file is open, and it will not take long."""
        return (
            self._waiting == len(self._gathered) <= GROUP_MAX
            and self._usual_ns < QUICK_NS
            and self._rows.database.is_open
            and all(type(operation) is _Append for operation in self._gathered)
        )

    def _commit_here(self) -> None:
        try:
            outcomes = self._write(self._gathered)
        except BaseException as exc:
            self._bug = exc
            self._is_stopped = True
            self._queue.put(None)  # the thread closes the file and tells those who wait
            raise
        self._gathered = []
        self._resolve(outcomes, self._rows.state)

    def _resolve(self, outcomes: Sequence[_Outcome], state: State | None) -> None:
        """In the event loop: hand out what the thread did. Whoever was cancelled meanwhile is not asked."""
        self._waiting -= len(outcomes)
        if state is not None:
            self._on_done(state)
        for future, value, error in outcomes:
            if future.done():
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    # -- the thread; `_write` and below is for whoever owns the file -----------------------------------------------

    def _run(self) -> None:
        taken: list[_Operation] = []
        is_last = False
        try:
            while not is_last:
                taken, is_last = self._take()
                outcomes = self._execute(taken)
                taken = []
                self._tell(outcomes)
        except BaseException as exc:
            self._bug = exc
            raise
        finally:
            try:
                self._rows.database.close()
            finally:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                    self._loop.call_soon_threadsafe(self._end, taken)

    def _end(self, taken: Sequence[_Operation]) -> None:
        """In the event loop: nothing is taken any more; what was on its way is told so."""
        self._is_stopped = True
        rest = [*taken, *self._take_rest(), *self._gathered]
        self._gathered = []
        self._resolve([(operation.future, None, StoreError("closed")) for operation in rest], None)
        self._ended.set_result(None)

    def _take(self) -> tuple[list[_Operation], bool]:
        """Everything that waits, at least one; whether the end was asked for."""
        taken: list[_Operation] = []
        while True:
            gathered = self._queue.get()
            if gathered is None:
                return taken, True
            taken += gathered
            if self._queue.empty() or len(taken) >= GROUP_MAX:
                return taken, False

    def _take_rest(self) -> list[_Operation]:
        rest: list[_Operation] = []
        while not self._queue.empty():
            rest += self._queue.get() or ()
        return rest

    def _tell(self, outcomes: Sequence[_Outcome]) -> None:
        state = self._rows.state if self._rows.is_loaded else None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._resolve, outcomes, state)

    def _execute(self, operations: Sequence[_Operation]) -> list[_Outcome]:
        if not self._rows.database.is_open:
            try:
                self._rows.database.open()
                self._rows.load()
            except StoreError as exc:
                self._rows.database.disconnect()
                return [(operation.future, None, exc) for operation in operations]
        writes: list[_Operation] = []
        reads: list[_Call] = []
        for operation in operations:
            if isinstance(operation, _Call) and not operation.is_write:
                reads.append(operation)
            else:
                writes.append(operation)
        outcomes = self._write(writes) if writes else []
        outcomes.extend(self._read(operation) for operation in reads)
        return outcomes

    def _write(self, operations: Sequence[_Operation]) -> list[_Outcome]:
        """Run them together; if that fails, each alone."""
        try:
            values = self._commit(operations)
        except StoreError as exc:
            if len(operations) == 1:
                # What is on disk is the truth: the next operation reads it again.
                self._rows.database.disconnect()
                return [(operations[0].future, None, exc)]
        else:
            return [(operation.future, value, None) for operation, value in zip(operations, values, strict=True)]
        return self._write_singly(operations)

    def _write_singly(self, operations: Sequence[_Operation]) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        failures = 0
        for operation in operations:
            if failures < _FAILURES_MAX:
                outcome = self._execute([operation])[0]
                failures = failures + 1 if outcome[2] else 0
            else:
                outcome = (operation.future, None, StoreError("not tried: the disk fails"))
            outcomes.append(outcome)
        return outcomes

    def _commit(self, operations: Sequence[_Operation]) -> list[Any]:
        """One transaction; what each operation returned."""
        former = self._rows.state
        begun_ns = self._now_ns()
        try:
            if len(operations) == 1 and isinstance(operations[0], _Append) and not former.saved:
                return self._rows.append([operations[0].group])
            with self._rows.database.transaction():
                return self._apply(operations)
        except StoreError:
            self._rows.state = former
            raise
        finally:
            self._usual_ns += (self._now_ns() - begun_ns - self._usual_ns) // _USUAL_OF

    def _apply(self, operations: Sequence[_Operation]) -> list[Any]:
        """Appends in a row become one statement."""
        values: list[Any] = []
        groups: list[Sequence[EntryRow]] = []
        for operation in operations:
            if isinstance(operation, _Append):
                groups.append(operation.group)
                continue
            if groups:
                values += self._rows.append(groups)
                groups = []
            values.append(operation.work())
        if groups:
            values += self._rows.append(groups)
        return values

    def _read(self, operation: _Call) -> _Outcome:
        try:
            return operation.future, operation.work(), None
        except StoreError as exc:
            return operation.future, None, exc
