"""What the city holds, opened with its own keys: for tests that compare record by record."""

import time
from pathlib import Path

from city.home import Home
from city.ingest_store import SqliteIngestStore
from city.opening import KeyRing, members_of


def codes_committed(home_path: Path, *, node: str) -> list[bytes]:
    """The codes of all records that carry one, in the order of their places."""
    home = Home(home_path)
    ring = KeyRing(home.keys.decryption())
    codes = []
    with SqliteIngestStore(home.ingest_db, now_ms=time.time_ns() // 1_000_000, readonly=True) as store:
        for placed in store.placed(node):
            record = placed.record
            wrapped = store.keys(node, key_id=record.key_id)
            opened = ring.open(record.body, node=node, message_id=record.message_id, wrapped=wrapped)
            members = members_of(opened) if opened is not None else None
            assert members is not None, f"record {placed.seq} does not open"
            if "code" in members:
                codes.append(members["code"])
    return codes
