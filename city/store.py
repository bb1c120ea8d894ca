"""The one door to the city's SQLite: opens a file, keeps a second writer out, translates errors.

What is in a file is its owner's: `city.ingest_store` keeps what the nodes sent, `city.authority` the cards. Schemas are
the numbered files in ``city/schema``, of which none is ever edited.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from city.errors import CityError

BUSY_S = 10.0
"""How long a statement waits for another connection's lock: a reader's `check` of a large store takes seconds."""


_LOCK_POLL_S = 0.05


class CityStoreError(CityError):
    """A database of the city cannot be opened, read or written: nothing of this transaction was stored."""


class CityBusyError(CityError):
    """Another program writes this database; the process exits with 75."""


class Database:
    """One connection to one SQLite file: WAL, FULL, numbered schema files, errors translated.

    A lock file sees to it that one program writes at a time: SQLite before 3.51.3 can damage a WAL that two
    connections check-point. A reading one never does.

    Args:
        path: The file; made 0600 if it is not there.
        schema: Folder below ``city/schema`` with the numbered files.
        readonly: For commands that look while another program writes.
        wait_s: How long to wait for another writer to end.

    Raises:
        CityBusyError: Another program writes it.
        CityStoreError: It cannot be opened.
    """

    def __init__(self, path: Path, *, schema: str, readonly: bool = False, wait_s: float = BUSY_S) -> None:
        with ExitStack() as opened:
            try:
                if readonly:
                    uri = f"{path.absolute().as_uri()}?mode=ro"
                    self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S)
                else:
                    opened.callback(os.close, _lock(path.with_suffix(".lock"), wait_s=wait_s))
                    path.touch(mode=0o600)
                    # The owner hands the connection from thread to thread, one at a time.
                    self._connection = sqlite3.connect(
                        path, isolation_level=None, timeout=BUSY_S, check_same_thread=False
                    )
                opened.callback(self._connection.close)
                self._refuse_newer(path, schema=schema)
                if not readonly:
                    self._prepare(schema)
            except (sqlite3.Error, OSError) as exc:
                raise CityStoreError(f"{path.name}: cannot be opened") from exc
            self._opened = opened.pop_all()

    def _refuse_newer(self, path: Path, *, schema: str) -> None:
        """Before anything is read or changed: what a newer version wrote may mean something else."""
        if self._version() > max((number for number, _ in _scripts(schema)), default=0):
            raise CityStoreError(f"{path.name}: 由更新的版本写成 a newer version of this program made it")

    def _prepare(self, schema: str) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._migrate(schema)

    def _migrate(self, schema: str) -> None:
        have = self._version()
        for number, file in _scripts(schema):
            if number > have:
                script = file.read_text(encoding="utf-8")
                self._connection.executescript(f"BEGIN IMMEDIATE;{script};PRAGMA user_version = {number};COMMIT")

    def _version(self) -> int:
        [(version,)] = self._connection.execute("PRAGMA user_version").fetchall()
        return int(version)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._opened.close()

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement.

        Raises:
            CityStoreError: The file cannot be read or written.
        """
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as exc:
            raise CityStoreError("the database refused a statement") from exc

    def iterate(self, sql: str, *parameters: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement one by one, for results without a bound."""
        try:
            yield from self._connection.execute(sql, parameters)
        except sqlite3.Error as exc:
            raise CityStoreError("the database refused a statement") from exc

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """One statement for each row."""
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as exc:
            raise CityStoreError("the database refused a statement") from exc

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit (synced) when the block ends well, else leave no trace."""
        self.query("BEGIN IMMEDIATE")
        try:
            yield
            self.query("COMMIT")
        finally:
            if self._connection.in_transaction:
                self.query("ROLLBACK")


def _scripts(schema: str) -> list[tuple[int, Traversable]]:
    """The numbered files of a schema, in order."""
    folder = resources.files("city") / "schema" / schema
    files = (entry for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return sorted(((int(file.name.removesuffix(".sql")), file) for file in files), key=lambda numbered: numbered[0])


def _lock(path: Path, *, wait_s: float) -> int:
    """The descriptor of a lock file that nobody else holds; closing it gives the lock back."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end_s:
                os.close(descriptor)
                raise CityBusyError(f"{path.stem}: another program writes it") from None
            time.sleep(_LOCK_POLL_S)
        else:
            return descriptor
