"""The trust set and the clock of this node, opened as its configuration says: for the daemon and the command line."""

from collections.abc import Callable
from pathlib import Path

from edge import timekeeper
from edge.boot import Boot
from edge.node_keys import NodeKeys
from edge.settings import Settings
from edge.timekeeper import Timekeeper
from edge.trust_keeper import Conditions, TrustKeeper
from edge.trust_recheck import Rechecked
from edge.trust_store import TrustStore

FLOOR_FILE = "clock.floor"
TRUST_STATE_FILE = "trust.state"
TRUST_CACHE = "trust-cache"  # may be deleted: what must outlive it stands in the state file beside it

Decrypt = Callable[[bytes], bytes]


def open_trust(configured: Settings, *, boot: Boot, keys: NodeKeys) -> tuple[TrustKeeper, Timekeeper]:
    """Verify again what was held when the node went down; begin with the time that was proven then.

    Args:
        configured: The configuration; its data folder exists and is locked.
        boot: The kernel's clocks.
        keys: The node's.
    """

    def trust_expires_ms() -> int | None:
        issuers = keeper.trust.issuers
        return None if issuers is None else issuers.expires_at_ms

    folder = configured.node.data_dir
    decrypt = None if keys.encryption is None else keys.encryption.decrypt
    time = timekeeper.resume(folder / FLOOR_FILE, boot=boot, trust_expires_ms=trust_expires_ms)
    keeper = TrustKeeper.resume(_store(folder), conditions=_conditions(configured, decrypt=decrypt), timekeeper=time)
    return keeper, time


def read_trust(configured: Settings, *, decrypt_roster: Decrypt | None) -> Rechecked | None:
    """What the daemon holds now, for somebody who only looks; None: it never ran here.

    Args:
        configured: The configuration.
        decrypt_roster: The node's encryption key's; None: its roster stays closed.
    """
    store = _store(configured.node.data_dir)
    if not store.exists():
        return None
    return store.load(terms=_conditions(configured, decrypt=decrypt_roster).terms(lo_ms=0))


def _store(folder: Path) -> TrustStore:
    return TrustStore(folder / TRUST_CACHE, state_file=folder / TRUST_STATE_FILE)


def _conditions(configured: Settings, *, decrypt: Decrypt | None) -> Conditions:
    node = configured.node
    return Conditions(node=node.name, decrypt_roster=decrypt, allow_test_keys=node.allow_test_keys)
