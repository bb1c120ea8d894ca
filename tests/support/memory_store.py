"""An outbox without a disk, for tests of what stands above it: same promises, and faults on demand."""

import asyncio
from collections.abc import Sequence

from sync.errors import StoreError
from sync.ledger import OutboxCounts, Record
from sync.message import Note, OutboxMessage, WrappedKey


class MemoryStore:
    """Keeps what it is given, in the order of commits."""

    def __init__(self) -> None:
        self.messages: list[OutboxMessage] = []
        self.keys: list[WrappedKey] = []
        self.kept: dict[bytes, Note] = {}
        self.is_broken = False
        self.acked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def append(self, message: OutboxMessage, notes: Sequence[Note] = ()) -> int:
        """Commit at once, or after the gate opens; refuse when broken or when the key was not there before."""
        await self.gate.wait()
        self._fail()
        if message.key_id not in {key.key_id for key in self.keys}:
            raise AssertionError("a message came before its key")
        self.messages.append(message)
        self.kept |= {note.key: note for note in notes}
        return len(self.messages)

    async def add_key(self, key: WrappedKey) -> None:
        """Keep a key."""
        self._fail()
        self.keys.append(key)

    async def notes(self, prefix: bytes) -> list[Note]:
        """Return the notes whose keys begin so."""
        self._fail()
        return [note for key, note in sorted(self.kept.items()) if key.startswith(prefix)]

    async def records(self, after_seq: int = 0, *, count_max: int) -> list[Record]:
        """So many records behind a seq."""
        self._fail()
        keys = {key.key_id: key for key in self.keys}
        found = enumerate(self.messages[after_seq : after_seq + count_max], start=after_seq + 1)
        return [
            Record(seq=seq, message_id=sent.message_id, digest=b"", body=sent.body, key=keys[sent.key_id])
            for seq, sent in found
        ]

    def counts(self) -> OutboxCounts:
        """Where the ledger stands; `acked` of it was delivered."""
        stored = len(self.messages)
        return OutboxCounts(
            epoch=1,
            next_seq=stored + 1,
            acked=self.acked,
            waiting=stored - self.acked,
            settled=self.acked,
            quarantined=0,
            oldest_waiting_id=self.messages[0].message_id if stored else None,
        )

    def _fail(self) -> None:
        if self.is_broken:
            raise StoreError("no space left")
