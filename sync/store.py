"""The outbox's SQLite file: lock, pragmas, migrations, transactions. The one door to sqlite3 for the outbox.

One connection, used by one thread at a time. `locking_mode=EXCLUSIVE` because SQLite before 3.51.3 can corrupt a WAL
with two connections; `synchronous=FULL` because NORMAL lost acknowledged rows in simulated power cuts; small pages
because a commit writes whole pages and flash wears. After a failed commit the connection is closed and opened again:
what SQLite then finds on disk is the truth.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from sync.errors import StoreBusyError, StoreDamagedError, StoreError
from sync.file_lock import FileLock

APPLICATION_ID: Final = 0x45484342
"""`EHCB`, in the file's header."""

PAGE_BYTES: Final = 2048
_CHECKPOINT_PAGES: Final = 1000
_WAL_BYTES_MAX: Final = 4 * 1024 * 1024
_CACHE_KIB: Final = 2048
_DAMAGED_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

PRAGMAS: Final = (
    "locking_mode = EXCLUSIVE",
    f"page_size = {PAGE_BYTES}",
    "journal_mode = WAL",
    "synchronous = FULL",
    f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    f"journal_size_limit = {_WAL_BYTES_MAX}",
    f"cache_size = -{_CACHE_KIB}",
    "cache_spill = OFF",
    "temp_store = MEMORY",
    "trusted_schema = OFF",
)
"""How the file is opened; a benchmark opens its own the same way."""

# SQLite's file header (sqlite.org/fileformat 1.3).
_WAL_FORMAT: Final = slice(18, 20)
_VALID_FOR: Final = slice(92, 96)

Row = tuple[Any, ...]


class Database:
    """The open file. Its methods are for whoever owns it at the moment (`sync.writer`).

    Args:
        path: The file; `PATH.lock` beside it holds the lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path)
        self._connection: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection; `open` makes one."""
        return self._connection is not None

    def open(self) -> None:
        """Take the lock, open or create the file, bring the schema up to date.

        Raises:
            StoreBusyError: Another process has it.
            StoreDamagedError: It is no SQLite file any more.
            StoreError: It cannot be opened, is another program's, or a newer version made it.
        """
        self._lock.acquire()
        try:
            # Statements are few and all cached: no text is parsed twice.
            self._connection = sqlite3.connect(
                self._path, isolation_level=None, timeout=0, cached_statements=64, check_same_thread=False
            )
            self._connection.text_factory = bytes  # text that is damaged must not fail the row it stands in
            self._set_up(self._connection)
        except sqlite3.Error as exc:
            self.disconnect()
            raise _translate(exc) from exc
        except StoreError:
            self.disconnect()
            raise

    def open_wreck(self) -> None:
        """Open a damaged file that was set aside, without lock and checks, to read what can be read.

        Where the first page is gone it gets a sound one, for all our files begin alike; it is kept as `PATH.page1`.

        Raises:
            StoreError: It cannot be opened.
        """
        try:
            self._look_into_wreck()
        except StoreError:
            self.disconnect()
            self._lend_first_page()
            self._look_into_wreck()

    def disconnect(self) -> None:
        """Drop the connection and keep the lock: the next `open` starts from what is on disk."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        """Checkpoint, close the file, release the lock."""
        self.disconnect()
        self._lock.release()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and return all its rows.

        Raises:
            StoreDamagedError: A page it needed is damaged.
            StoreError: It failed; outside a transaction nothing was changed.
        """
        try:
            return self._connected().execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            raise _translate(exc) from exc

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for every row.

        Raises:
            StoreError: It failed: roll back.
        """
        try:
            self._connected().executemany(sql, rows)
        except sqlite3.Error as exc:
            raise _translate(exc) from exc

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; committed and synced when the block is left.

        Raises:
            StoreError: The commit failed: nothing was stored.
        """
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            with contextlib.suppress(StoreError, sqlite3.Error):
                if self._connected().in_transaction:
                    self.execute("ROLLBACK")
            raise

    def used_bytes(self) -> int:
        """Bytes of the pages in use."""
        ((pages,),) = self.execute("PRAGMA page_count")
        ((free,),) = self.execute("PRAGMA freelist_count")
        return int((pages - free) * PAGE_BYTES)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError("not open")
        return self._connection

    def _look_into_wreck(self) -> None:
        try:
            self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
            self._connection.text_factory = bytes
        except sqlite3.Error as exc:
            raise _translate(exc) from exc
        # writable_schema lets SQLite open a file that was cut short.
        for pragma in ("locking_mode = EXCLUSIVE", "writable_schema = ON", "query_only = ON"):
            self.execute(f"PRAGMA {pragma}")
        if not self.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", ("entry",)):
            raise StoreError("no tables")

    def _lend_first_page(self) -> None:
        try:
            with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
                model.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                _migrate(model, version=0)
                page = bytearray(model.serialize()[:PAGE_BYTES])
            page[_WAL_FORMAT] = b"\x02\x02"
            page[_VALID_FOR] = b"\xff" * 4  # unlike the change counter: then the size of the file counts
            with self._path.open("r+b") as file:
                self._path.with_name(self._path.name + ".page1").write_bytes(file.read(PAGE_BYTES))
                file.seek(0)
                file.write(page)
        except (sqlite3.Error, OSError) as exc:
            raise StoreError("first page") from exc

    def _set_up(self, connection: sqlite3.Connection) -> None:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        ((application_id,),) = connection.execute("PRAGMA application_id").fetchall()
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
        ((objects,),) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        if application_id != APPLICATION_ID and (application_id or objects):
            raise StoreError("the file is another program's")
        _migrate(connection, version=version)


def _migrate(connection: sqlite3.Connection, *, version: int) -> None:
    """Apply the numbered files above `version`, each in a transaction of its own."""
    files = sorted(
        (entry for entry in (resources.files("sync") / "schema").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    if version > len(files):
        raise StoreError("a newer version made the file")
    for number, entry in enumerate(files[version:], start=version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{entry.read_text(encoding='utf-8')}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT;"
        )


def _translate(error: sqlite3.Error) -> StoreError:
    """Our error for one of sqlite3's. It holds SQLite's name of the error, never a value."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code & 0xFF in _DAMAGED_CODES:
        return StoreDamagedError(name)
    if code & 0xFF == sqlite3.SQLITE_BUSY:
        return StoreBusyError(name)
    return StoreError(name)
