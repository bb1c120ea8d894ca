"""What is stored: a sealed record with its notes in one commit, under a key that was stored before."""

import asyncio
from dataclasses import replace

import pytest

from edge.day_view import DayEntry, entry_of, placed
from edge.gm import PublicKey, random_bytes
from edge.ledger import DAY_PREFIX, REPLAY_PREFIX, Ledger, NotSavedError
from edge.machine_key import derive
from edge.seal import DATA_KEY_LIFE_NS, Sealer, body_key_id, open_body
from edge.transaction import Kind, Moment, Step, Terminal, Transaction, from_cbor
from edge.verdict import Carrier, Evidence, Interval, Reason, Subject, Verdict
from edge.verify import ReplayEntry
from sync.message import Note
from tests.support import vectors
from tests.support.memory_store import MemoryStore

NODE = "n-1"
NOW = Interval(lo_ms=1_795_399_200_000, hi_ms=None)
DAY_MS = 86_400_000
CITY = vectors.key("city_encryption")
REPLAY = ReplayEntry(key=b"k" * 47, expires_after_ms=1_795_399_290_000)


def _verdict() -> Verdict:
    subject = Subject(kind=Carrier.ID_NUMBER, id_no="11010020171225006X", name="王小宝")
    return Verdict(reason=Reason.ROSTER_MATCH_CODE_UNVERIFIED, subject=subject, evidence=Evidence())


def _transaction(number: int = 1, *, code: bytes | None = None) -> Transaction:
    return Transaction(
        id=bytes([number]) * 16,
        kind=Kind.USE,
        step=Step.REGISTER,
        at=Moment(boot=bytes(16), boottime_ms=5, lo_ms=NOW.lo_ms, hi_ms=None, wall_ms=7),
        terminal=Terminal(node=NODE, reader="scanner-1"),
        verdict=_verdict(),
        code=code,
    )


class _Box:
    """A ledger on a memory store, with its clock at hand."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.recipient: PublicKey | None = CITY.public
        self.now_b_ns = 0
        self.ledger = self.restarted()

    def restarted(self, secret: bytes = b"box", *, first: Transaction | None = None) -> Ledger:
        return Ledger(
            store=self.store,
            sealer=Sealer(NODE, random_bytes=random_bytes),
            machine_key=derive(secret, random_bytes=random_bytes),
            recipient=lambda: self.recipient,
            now_b_ns=lambda: self.now_b_ns,
            day_view_days=2,
            first=first,
        )

    async def record(self, transaction: Transaction, *, replay: ReplayEntry | None = None) -> int:
        entry = entry_of(transaction, verdict=_verdict())
        return await self.ledger.record(transaction, now=NOW, entry=entry, replay=replay)

    def opened(self, at: int) -> Transaction:
        message = self.store.messages[at]
        wrapped = next(key for key in self.store.keys if key.key_id == body_key_id(message.body))
        secret = CITY.decrypt(wrapped.wrapped)
        return from_cbor(open_body(message.body, secret=secret, node=NODE, message_id=message.message_id))


async def test_the_city_opens_exactly_what_was_recorded() -> None:
    """With its private key and the wrapped key that was stored first."""
    box = _Box()

    seq = await box.record(_transaction())

    assert seq == 1
    assert box.opened(0) == _transaction()
    assert box.store.messages[0].key_id == box.store.keys[0].key_id


async def test_what_must_come_first_comes_first_and_once() -> None:
    """The audit of a new epoch precedes every record, also when the first try fails."""
    box = _Box()
    audit = replace(_transaction(9), kind=Kind.AUDIT)
    box.ledger = box.restarted(first=audit)
    box.store.is_broken = True
    with pytest.raises(NotSavedError):
        await box.record(_transaction(1))
    box.store.is_broken = False

    await asyncio.gather(box.record(_transaction(1)), box.record(_transaction(2)))

    assert [message.message_id[0] for message in box.store.messages] == [9, 1, 2]


async def test_the_first_record_of_an_epoch_waits_for_no_scan() -> None:
    """It is stored at the start, once; later records follow it."""
    box = _Box()
    box.ledger = box.restarted(first=replace(_transaction(9), kind=Kind.AUDIT))

    await box.ledger.begin()
    await box.ledger.begin()
    await box.record(_transaction(1))

    assert [message.message_id[0] for message in box.store.messages] == [9, 1]


async def test_records_of_a_day_share_a_key_and_the_next_day_has_another() -> None:
    """One a boot and one a day."""
    box = _Box()

    await box.record(_transaction(1))
    await box.record(_transaction(2))
    box.now_b_ns = DATA_KEY_LIFE_NS
    await box.record(_transaction(3))

    ids = [message.key_id for message in box.store.messages]
    assert ids[0] == ids[1] != ids[2]
    assert len(box.store.keys) == 2


async def test_two_readers_at_once_make_one_key() -> None:
    """The first record of a boot may be two."""
    box = _Box()

    await asyncio.gather(box.record(_transaction(1)), box.record(_transaction(2)))

    assert len(box.store.keys) == 1


async def test_nothing_personal_is_readable_in_the_store() -> None:
    """Neither in the record nor in a note, nor in the name of one."""
    box = _Box()

    await box.record(_transaction(), replay=REPLAY)

    bodies = [box.store.messages[0].body] + [note.key + note.body for note in box.store.kept.values()]
    for secret in (b"11010020171225006X", "王".encode(), REPLAY.key[:16]):
        assert all(secret not in body for body in bodies)


async def test_the_day_view_survives_a_restart_on_this_box_only() -> None:
    """The line is masked even there."""
    box = _Box()
    await box.record(_transaction(2))
    await box.record(_transaction(1))

    entries = await box.restarted().day_entries()

    assert [entry.id[0] for entry in entries] == [1, 2]
    assert (entries[0].reason, entries[0].reader) == (Reason.ROSTER_MATCH_CODE_UNVERIFIED, "scanner-1")
    assert entries[0].name not in (None, "王小宝")
    assert await box.restarted(b"another box").day_entries() == []


async def test_after_a_restart_every_line_finds_its_place() -> None:
    """Settled or waiting: where a record stands is looked up, so that later receipts and restores count for it."""
    box = _Box()
    await box.record(_transaction(1))
    await box.record(_transaction(2))
    box.store.acked = 1

    entries = await box.restarted().day_entries()

    assert [(entry.seq, entry.is_of_former_epoch) for entry in entries] == [(1, False), (2, False)]


async def test_a_line_without_a_place_is_claimed_only_if_none_is_missing() -> None:
    """A line too many "saved" is harmless, one too many "sent" is a lie."""
    entry = entry_of(_transaction(), verdict=_verdict())

    assert placed(entry, seqs={}, is_all=True, epoch=2).is_of_former_epoch
    assert not placed(entry, seqs={}, is_all=False, epoch=2).is_of_former_epoch


async def test_replay_keys_survive_a_restart() -> None:
    """A presentation cannot be shown again after a power cut."""
    box = _Box()

    await box.record(_transaction(), replay=REPLAY)

    assert await box.restarted().replay_entries() == [REPLAY]


async def test_notes_say_how_long_they_are_kept() -> None:
    """The day view so many days, a replay key until it proves nothing."""
    box = _Box()

    await box.record(_transaction(), replay=REPLAY)

    kept = {note.key.split(b"/")[0]: note.expires_at_ms for note in box.store.kept.values()}
    assert kept == {b"day": NOW.lo_ms + 2 * DAY_MS, b"replay": REPLAY.expires_after_ms}


async def test_damaged_notes_are_passed_over() -> None:
    """A line less on the screen, never a daemon that does not start."""
    box = _Box()
    key = derive(b"box", random_bytes=random_bytes)
    for prefix in (DAY_PREFIX, REPLAY_PREFIX):
        for number, plain in enumerate((b"", b"\xa0", b"\x01")):
            name = prefix + bytes([number])
            box.store.kept[name] = Note(key=name, expires_at_ms=0, body=key.seal(plain, name=name))
        box.store.kept[prefix + b"x"] = Note(key=prefix + b"x", expires_at_ms=0, body=b"torn")

    assert await box.ledger.day_entries() == []
    assert await box.ledger.replay_entries() == []


async def test_without_a_city_key_nothing_is_stored() -> None:
    """There is nobody to seal for."""
    box = _Box()
    box.recipient = None

    with pytest.raises(NotSavedError) as caught:
        await box.record(_transaction())

    assert caught.value.cause == "no_city_key"
    assert box.store.messages == []


async def test_a_broken_store_is_said_and_mends() -> None:
    """The same ledger stores again as soon as the disk does."""
    box = _Box()
    box.store.is_broken = True

    with pytest.raises(NotSavedError) as caught:
        await box.record(_transaction())
    box.store.is_broken = False

    assert caught.value.cause == "store"
    assert await box.record(_transaction()) == 1


async def test_a_record_that_is_too_large_is_refused() -> None:
    """At intake, so nobody is told it was saved."""
    box = _Box()

    with pytest.raises(NotSavedError) as caught:
        await box.record(_transaction(code=random_bytes(20_000)))

    assert caught.value.cause == "too_large"
    assert box.store.kept == {}


def test_a_line_without_a_name_has_none() -> None:
    """A card that names nobody."""
    verdict = replace(_verdict(), subject=Subject(kind=Carrier.UNKNOWN))

    entry = entry_of(replace(_transaction(), terminal=Terminal(node=NODE)), verdict=verdict)

    assert entry == DayEntry(
        id=bytes([1]) * 16, at_ms=7, reader="", carrier=Carrier.UNKNOWN, reason=Reason.ROSTER_MATCH_CODE_UNVERIFIED
    )
