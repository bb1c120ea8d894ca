"""What the daemon does beside its work: drops old records every hour, and keeps systemd told."""

import asyncio
import logging

from edge.fault import describe
from edge.health import Health
from edge.notify import Notifier
from edge.settings import StorageSettings
from edge.timekeeper import Timekeeper
from sync.errors import StoreError
from sync.outbox import Outbox
from sync.pruning import Keep

PRUNE_S = 3_600.0
STATUS_S = 5.0  # how often the line of `systemctl status` is brought up to date
WRITER_WAIT_S = 10.0  # an SD card may take seconds for one sync; a writer that is silent longer hangs

_DAY_MS = 86_400_000
_MIB = 1_048_576

_log = logging.getLogger(__name__)


async def prune(storage: StorageSettings, *, outbox: Outbox, timekeeper: Timekeeper) -> None:
    """Drop what may go, now and every hour."""
    while True:
        now = timekeeper.now()
        keep = Keep(
            lo_ms=now.lo_ms,
            hi_ms=now.hi_ms,
            keep_ms=storage.keep_days * _DAY_MS,
            bytes_max=storage.size_mib_max * _MIB,
        )
        try:
            await outbox.prune(keep)
        except StoreError as error:  # the disk mends or it does not: intake says so, and the next hour tries again
            _log.warning("nothing pruned: %s", describe(error))
        await asyncio.sleep(PRUNE_S)


async def keep_told(notifier: Notifier, *, outbox: Outbox, health: Health) -> None:
    """Keep systemd's line up to date, and feed its watchdog while the loop and the writer live."""
    interval_s = min(notifier.watchdog_interval_s or STATUS_S, STATUS_S)
    told = ""
    while True:
        await asyncio.sleep(interval_s)
        line = health.line()
        if line != told:
            notifier.status(line)
            told = line
        if notifier.watchdog_interval_s is not None and await is_writer_alive(outbox):
            notifier.alive()


async def is_writer_alive(outbox: Outbox) -> bool:
    """Ask the outbox's thread for something small; a disk that fails is an answer, too."""
    try:
        async with asyncio.timeout(WRITER_WAIT_S):
            await outbox.head(outbox.counts().acked)
    except TimeoutError:
        _log.error("the outbox does not answer")
        return False
    except StoreError:
        return outbox.is_alive
    return True
