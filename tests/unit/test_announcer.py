"""What the person is told, on the reader and on paper."""

import pytest

from drivers.feedback.announcement import Announcement
from drivers.reader import Feedback
from edge.announcer import Announcer
from edge.day_view import DayEntry
from edge.messages import Language, load
from edge.ticket import ticket_lines
from edge.verdict import Carrier, Reason

ENTRY = DayEntry(
    id=bytes(16), at_ms=1_795_399_265_000, reader="card-1", carrier=Carrier.RHC, reason=Reason.PENDING_CITY,
    name="王**", seq=42, epoch=1,
)  # fmt: skip


class _Desk:
    def __init__(self) -> None:
        self.announced: list[Announcement] = []

    def announce(self, announcement: Announcement) -> None:
        self.announced.append(announcement)


class _Lamp:
    def __init__(self) -> None:
        self.told: list[Feedback] = []

    async def signal(self, feedback: Feedback) -> None:
        self.told.append(feedback)


@pytest.mark.parametrize("entry", [ENTRY, None])
async def test_reader_and_devices_are_told_the_same(entry: DayEntry | None) -> None:
    """Noise has no line, and so no ticket."""
    desk, lamp = _Desk(), _Lamp()
    announcer = Announcer(lamp, desk=desk, ticket=lambda entry: (entry.carrier.value,))

    await announcer.signal(Feedback.PENDING, entry=entry)

    assert lamp.told == [Feedback.PENDING]
    assert desk.announced == [Announcement(feedback=Feedback.PENDING, ticket=() if entry is None else ("rhc",))]


def test_a_ticket_says_what_a_screen_may_say() -> None:
    """Outcome, number, masked name, carrier, time, and that the city's word decides."""
    lines = ticket_lines(ENTRY, messages=load(Language.ZH))

    assert lines == (
        "已受理，待市级核验",
        "第 0042 号",
        "王**",
        "居民健康卡",
        "2026-11-23 10:01:05",
        "已受理，结果以市级核验为准",
    )


def test_an_accepted_card_without_name_has_a_shorter_ticket() -> None:
    """What is not known is left out."""
    entry = DayEntry(id=bytes(16), at_ms=0, reader="s", carrier=Carrier.EHC1, reason=Reason.VALID)

    assert ticket_lines(entry, messages=load(Language.EN)) == (
        "accepted", "health card (signed code)", "1970-01-01 08:00:00",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "is_saved"),
    [(Reason.REVOKED, True), (Reason.MALFORMED, True), (Reason.VALID, False)],
)
def test_no_paper_where_there_is_nothing_to_take_along(reason: Reason, is_saved: bool) -> None:
    """A refusal, a second try, and what is not saved."""
    entry = DayEntry(id=bytes(16), at_ms=0, reader="s", carrier=Carrier.EHC1, reason=reason, is_saved=is_saved)

    assert ticket_lines(entry, messages=load(Language.EN)) == ()
