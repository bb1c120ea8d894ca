"""The register of SAM cards: what is in the box, and when it must be replaced."""

from datetime import UTC, date, datetime

import pytest

from edge.card_content import SamInfo, Unread, UnreadFile
from edge.sam_inventory import SAMS_MAX, SamInventory, SamPlace, SamState, end_ms
from edge.verdict import Interval

NUMBER = "37080000000000001234"
PLACE = SamPlace(number=NUMBER, place="接种室", purpose="接种", responsible="李四")


def at(text: str, *, width_ms: int | None = 1000) -> Interval:
    lo_ms = int(datetime.fromisoformat(text).timestamp() * 1000)
    return Interval(lo_ms=lo_ms, hi_ms=None if width_ms is None else lo_ms + width_ms)


def sam(until: date | None, *, number: str = NUMBER) -> SamInfo:
    return SamInfo(number=number, type="2", terminal_no="370801000001", valid_until=until)


def test_a_days_end_is_the_clinics() -> None:
    """A card good until a day is good until midnight in China."""
    assert end_ms(date(2026, 12, 31)) == datetime(2026, 12, 31, 16, tzinfo=UTC).timestamp() * 1000
    assert end_ms(date.max) > end_ms(date(9998, 12, 31))


@pytest.mark.parametrize(
    ("now", "state", "days_left"),
    [
        ("2026-11-01T00:00:00+08:00", SamState.OK, 59),
        ("2026-11-30T23:59:58+08:00", SamState.OK, 30),
        ("2026-12-01T00:00:00+08:00", SamState.EXPIRING, 29),
        ("2026-12-30T12:00:00+08:00", SamState.EXPIRING, 0),
        ("2026-12-31T00:00:00+08:00", SamState.EXPIRED, -1),
    ],
)
def test_it_is_said_thirty_days_before(now: str, state: SamState, days_left: int) -> None:
    """From 30 days before its last midnight on a SAM is expiring, after it expired."""
    inventory = SamInventory([PLACE])
    inventory.note(sam(date(2026, 12, 30)), reader="card-1")

    (entry,) = inventory.entries(now=at(now))

    assert (entry.state, entry.days_left) == (state, days_left)
    assert entry.registered == PLACE
    assert (entry.reader, entry.unread) == ("card-1", ())


def test_without_a_proven_time_it_is_not_called_expired() -> None:
    """Only the lower end proves that a day is over; with an unknown upper end the lower one warns."""
    inventory = SamInventory()
    inventory.note(sam(date(2026, 12, 30)), reader="card-1")

    wide = Interval(lo_ms=at("2026-01-01T00:00:00+08:00").lo_ms, hi_ms=at("2027-06-01T00:00:00+08:00").lo_ms)
    assert inventory.entries(now=wide)[0].state is SamState.EXPIRING
    unanchored = at("2026-12-15T00:00:00+08:00", width_ms=None)
    assert inventory.entries(now=unanchored)[0].state is SamState.EXPIRING


def test_the_register_stands_before_what_was_seen() -> None:
    """A registered SAM that nobody has seen is absent; one that is not registered is listed after it."""
    inventory = SamInventory([PLACE])
    inventory.note(sam(None, number="AA"), reader="card-1")

    entries = inventory.entries(now=at("2026-11-01T00:00:00+08:00"))

    assert [(entry.registered.number, entry.state) for entry in entries] == [
        (NUMBER, SamState.ABSENT),
        ("AA", SamState.UNKNOWN),
    ]
    assert (entries[0].days_left, entries[0].unread, entries[1].days_left) == (None, (), None)


def test_what_it_does_not_say_this_time_is_not_forgotten() -> None:
    """A SAM whose PIN was refused keeps the validity it told before, and says what it did not tell."""
    inventory = SamInventory()
    inventory.note(sam(date(2026, 12, 30)), reader="card-1")
    refused = UnreadFile(file="DF01/001A", cause=Unread.SAM_PIN)

    inventory.note(SamInfo(number=NUMBER, type="2", unread=(refused,)), reader="card-2")

    (entry,) = inventory.entries(now=at("2026-12-01T00:00:00+08:00"))
    assert (entry.state, entry.reader, entry.unread) == (SamState.EXPIRING, "card-2", (refused,))


def test_sams_that_come_and_go_do_not_grow_memory() -> None:
    """Of many only the newest are kept."""
    inventory = SamInventory()
    for number in range(SAMS_MAX + 5):
        inventory.note(sam(None, number=str(number)), reader=f"card-{number}")

    numbers = [entry.registered.number for entry in inventory.entries(now=at("2026-11-01T00:00:00+08:00"))]

    assert numbers == [str(number) for number in range(5, SAMS_MAX + 5)]


def test_a_slot_with_something_else_in_it_is_said() -> None:
    """Until a SAM is read there."""
    inventory = SamInventory()
    inventory.note_unreadable(reader="card-1")

    (entry,) = inventory.entries(now=at("2026-11-01T00:00:00+08:00"))
    assert (entry.state, entry.reader, entry.registered.number) == (SamState.UNREADABLE, "card-1", "")

    inventory.note(sam(None), reader="card-1")
    assert [entry.state for entry in inventory.entries(now=at("2026-11-01T00:00:00+08:00"))] == [SamState.UNKNOWN]


def test_a_sam_that_was_replaced_is_not_warned_of_any_more() -> None:
    """Another one in its slot, or something that is none: it is gone, and absent if the register knows it."""
    now = at("2026-12-20T00:00:00+08:00")
    inventory = SamInventory([PLACE])
    inventory.note(sam(date(2026, 12, 30)), reader="card-1")
    inventory.note(sam(date(2028, 12, 30), number="AA"), reader="card-1")

    replaced = [(entry.registered.number, entry.state) for entry in inventory.entries(now=now)]
    inventory.note_unreadable(reader="card-1")
    spoilt = [(entry.registered.number, entry.state) for entry in inventory.entries(now=now)]

    assert replaced == [(NUMBER, SamState.ABSENT), ("AA", SamState.OK)]
    assert spoilt == [(NUMBER, SamState.ABSENT), ("", SamState.UNREADABLE)]
