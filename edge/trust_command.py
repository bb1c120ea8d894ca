"""`ehc-edge trust show|import`: through the running daemon or, where none runs, on its files under the same lock."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from edge import control, node_keys
from edge.boot import Boot
from edge.errors import ConfigError, UnreachableError
from edge.settings import Settings
from edge.timekeeper import Timekeeper
from edge.trust_import import import_folder
from edge.trust_keeper import TrustKeeper
from edge.trust_opening import open_trust
from edge.trust_report import import_report, trust_report
from sync.errors import StoreBusyError, StoreError
from sync.file_lock import FileLock

OUTBOX_FILE: Final = "outbox.db"  # whose lock says that a daemon runs
IMPORT_WAIT_S: Final = 120.0  # a province's lists from a slow stick

_T = TypeVar("_T")


def show(configured: Settings) -> dict[str, Any]:
    """Return all that is held.

    Raises:
        StoreBusyError: A daemon runs whose socket does not answer.
        ConfigError: The data folder cannot be made or locked, or is another account's.
    """
    try:
        return dict(control.get("/api/v1/trust", socket_path=configured.control.socket))
    except UnreachableError:
        return _alone(configured, work=_show)


def take(folder: Path, *, configured: Settings) -> dict[str, Any]:
    """Take the documents of a folder.

    Raises:
        StoreBusyError: A daemon runs whose socket does not answer.
        ConfigError: The data folder cannot be made or locked, or is another account's.
    """

    def work(keeper: TrustKeeper, _time: Timekeeper) -> dict[str, Any]:
        return import_report(asyncio.run(import_folder(folder, keeper=keeper)))

    try:
        value, socket_path = {"dir": str(folder)}, configured.control.socket
        return dict(control.post("/api/v1/trust/import", socket_path=socket_path, value=value, wait_s=IMPORT_WAIT_S))
    except UnreachableError:
        return _alone(configured, work=work)


def _show(keeper: TrustKeeper, time: Timekeeper) -> dict[str, Any]:
    return trust_report(keeper.held, now=time.now(), problems=keeper.problems)


def _alone(configured: Settings, *, work: Callable[[TrustKeeper, Timekeeper], _T]) -> _T:
    """Do it on the files, with the daemon kept out."""
    lock = _locked(configured.node.data_dir)
    try:
        keys = node_keys.load(configured.node.key_dir, allow_test_keys=configured.node.allow_test_keys)
        keeper, time = open_trust(configured, boot=Boot(), keys=keys)
        done = work(keeper, time)
        time.save()
        return done
    finally:
        lock.release()


def _locked(folder: Path) -> FileLock:
    """The data folder, made if it is missing, with its lock taken."""
    where = f"node.data_dir ({folder})"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_ours = folder.stat().st_uid == os.geteuid()
    except OSError as error:
        raise ConfigError(where, expected="a folder that is there or can be made") from error
    if not is_ours:  # the daemon could not read what another account wrote into it, and would begin without floors
        expected = "a folder of the account that runs this; the daemon's: sudo -u ehc-edge ehc-edge trust"
        raise ConfigError(where, expected=expected)
    lock = FileLock(folder / OUTBOX_FILE)
    try:
        lock.acquire()
    except StoreBusyError:
        raise
    except StoreError as error:
        raise ConfigError(where, expected="a folder that this account can write") from error
    return lock
