"""The five steps: whoever is told "saved" has a record, and nothing that is read ends in a traceback."""

import asyncio
import logging
import re
from pathlib import Path

import pytest

import edge.intake
from drivers.reader import Feedback
from edge.acts import ACTS_MAX
from edge.intake import OTHER_CODES_BURST_MAX
from edge.rubbish import BURST_MAX
from edge.transaction import Kind, Step
from edge.verdict import Carrier, Reason
from edge.verify import Examination
from tests.support.intake_desk import NODE, IntakeDesk
from tests.support.trust_folder import context, text_of

SHOWN = text_of("holder presentation, fresh")
ID_NO = "11010020171225006X"


@pytest.fixture
def desk(tmp_path: Path) -> IntakeDesk:
    """A node in the vectors' first context."""
    return IntakeDesk(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason", "feedback"),
    [
        (text_of("static"), Reason.VALID, Feedback.ACCEPT),
        (ID_NO, Reason.PENDING_CITY, Feedback.PENDING),
        (text_of("revoked"), Reason.REVOKED, Feedback.REFUSE),
        ("rubbish", Reason.MALFORMED, Feedback.RETRY),
    ],
)
async def test_every_reading_becomes_a_record_before_the_lamp_shines(
    desk: IntakeDesk, text: str, reason: Reason, feedback: Feedback
) -> None:
    """A refused card is recorded, too; and the person is told after the commit."""
    assert await desk.show(text) == reason

    assert desk.lamp.told == [(feedback, 1)]
    assert [record.verdict.reason for record in desk.records() if record.verdict] == [reason]
    assert [entry.seq for entry in desk.day_view] == [1]


async def test_a_record_says_where_when_and_by_whom(desk: IntakeDesk) -> None:
    """Everything the configuration and the clock know stands in it."""
    await desk.show(text_of("static"))

    (record,) = desk.records()
    assert (record.kind, record.step, record.org, record.dept, record.operator) == (
        Kind.USE,
        Step.CONSULT,
        "o",
        None,
        "d01",
    )
    assert (record.terminal.node, record.terminal.reader) == (NODE, "scanner-1")
    assert record.at.boot == desk.boot.boot_id
    assert (record.at.lo_ms, record.at.hi_ms) == (context()["lo_ms"], context()["hi_ms"])


async def test_the_code_is_kept_only_where_the_city_must_judge_it_again(desk: IntakeDesk) -> None:
    """Presentations and pending carriers; never payment codes, never what was decided here (contracts 5.1)."""
    for at_s, text in enumerate(
        [SHOWN, ID_NO, text_of("static"), text_of("WeChat payment"), text_of("insurance code")]
    ):
        await desk.show(text, at_s=at_s)

    assert [record.code for record in desk.records()] == [SHOWN.encode(), ID_NO.encode(), None, None, None]


async def test_a_legacy_card_is_counted_as_its_own_kind(desk: IntakeDesk) -> None:
    """The statistics ask for them."""
    await desk.show("K123456")

    assert [record.kind for record in desk.records()] == [Kind.LEGACY_CARD]


async def test_the_same_code_on_the_same_reader_is_the_same_act(desk: IntakeDesk) -> None:
    """No second record within five seconds, and the same answer."""
    first = await desk.show(SHOWN, at_s=0)
    again = await desk.show(SHOWN, at_s=5)

    assert first == again == Reason.VALID
    assert desk.lamp.told == [(Feedback.ACCEPT, 1), (Feedback.ACCEPT, 1)]
    assert len(desk.records()) == len(list(desk.day_view)) == 1


async def test_another_code_in_between_changes_nothing(desk: IntakeDesk) -> None:
    """The act is the code's, not the last one's."""
    await desk.show(SHOWN, at_s=0)
    await desk.show(ID_NO, at_s=1)
    await desk.show(SHOWN, at_s=2)

    assert len(desk.records()) == 2


async def test_later_it_is_another_act(desk: IntakeDesk) -> None:
    """A presentation that comes again after that is a replay."""
    await desk.show(SHOWN, at_s=0)

    assert await desk.show(SHOWN, at_s=5.001) == Reason.REPLAYED
    assert len(desk.records()) == 2


async def test_a_code_that_stays_before_the_scanner_is_judged_anew(desk: IntakeDesk) -> None:
    """The window counts from the act: nothing can be hidden by showing a code without a pause."""
    await desk.show(SHOWN, at_s=0)
    await desk.show(SHOWN, at_s=4)

    assert await desk.show(SHOWN, at_s=5.001) == Reason.REPLAYED


async def test_another_reader_is_another_act(desk: IntakeDesk) -> None:
    """Two readers, two acts."""
    await desk.show(SHOWN, reader="scanner-1")

    assert await desk.show(SHOWN, reader="scanner-2") == Reason.REPLAYED


async def test_noise_that_looks_like_another_code_is_not_recorded_without_end(desk: IntakeDesk) -> None:
    """Random digits make payment codes; a line of people with real ones is recorded, and old cards are all counted."""
    codes = [f"13{number:016d}" for number in range(OTHER_CODES_BURST_MAX + 5)]

    shown = [await desk.show(code) for code in codes]

    assert shown == [Reason.NOT_A_HEALTH_CARD] * OTHER_CODES_BURST_MAX + [None] * 5
    assert desk.intake.noise_count("scanner-1") == 5
    assert await desk.show("K123456") is Reason.NOT_A_HEALTH_CARD


async def test_same_act_can_be_switched_off(tmp_path: Path) -> None:
    """A window of 0 s makes each reading an act."""
    desk = IntakeDesk(tmp_path, same_act_s=0)

    await desk.show(ID_NO)
    await desk.show(ID_NO)

    assert len(desk.records()) == 2


async def test_what_a_reader_brings_does_not_grow_memory(desk: IntakeDesk) -> None:
    """Of many codes only the newest are remembered as acts."""
    for number in range(ACTS_MAX + 1):
        await desk.show(f"K{number:06d}")

    await desk.show(f"K{ACTS_MAX:06d}")
    assert len(desk.records()) == ACTS_MAX + 1
    await desk.show("K000000")
    assert len(desk.records()) == ACTS_MAX + 2


async def test_noise_is_answered_and_not_recorded_without_end(desk: IntakeDesk) -> None:
    """What no table knows is recorded as often as a person could show it; the rest is counted, and cards still work."""
    shown = [await desk.show(f"noise {number}", at_s=number / 100) for number in range(BURST_MAX + 30)]

    assert shown == [Reason.MALFORMED] * BURST_MAX + [None] * 30
    assert len(desk.records()) == len(list(desk.day_view)) == BURST_MAX
    assert desk.lamp.told[-1] == (Feedback.RETRY, BURST_MAX)
    assert (desk.intake.noise_count("scanner-1"), desk.intake.noise_count("scanner-2")) == (30, 0)
    assert await desk.show(text_of("static"), at_s=1) is Reason.VALID


async def test_two_readers_at_the_same_moment_accept_a_presentation_once(desk: IntakeDesk) -> None:
    """The second sees it on its way into the store."""
    desk.store.gate.clear()
    first = asyncio.ensure_future(desk.show(SHOWN, reader="scanner-1"))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(desk.show(SHOWN, reader="scanner-2"))
    await asyncio.sleep(0)
    desk.store.gate.set()

    assert [await first, await second] == [Reason.VALID, Reason.REPLAYED]


async def test_not_saved_is_told_and_may_be_tried_again(desk: IntakeDesk, caplog: pytest.LogCaptureFixture) -> None:
    """A presentation that could not be stored is no replay when it is shown again (faults 9)."""
    desk.store.is_broken = True
    await desk.show(SHOWN, at_s=0)
    await desk.show(ID_NO, at_s=1)

    assert desk.lamp.told == [(Feedback.NOT_SAVED, 0), (Feedback.NOT_SAVED, 0)]
    assert [(entry.is_saved, entry.seq) for entry in desk.day_view] == [(False, None), (False, None)]
    assert desk.intake.not_saved_cause == "store"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]

    desk.store.is_broken = False
    assert await desk.show(SHOWN, at_s=2) == Reason.VALID
    assert desk.intake.not_saved_cause is None


async def test_a_full_replay_cache_makes_a_presentation_unsure(tmp_path: Path) -> None:
    """Nothing is evicted; the city decides."""
    desk = IntakeDesk(tmp_path, replay_max=0)

    assert await desk.show(SHOWN) == Reason.CLOCK_UNSURE


async def test_a_fault_in_the_verifier_is_internal_and_says_nothing_of_the_code(
    desk: IntakeDesk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is served, the city decides, and the log holds the place but not the text (contracts 4)."""

    def broken(text: str, **_: object) -> Examination:
        raise ValueError(text)

    monkeypatch.setattr(edge.intake, "examine", broken)

    assert await desk.show(ID_NO) == Reason.INTERNAL

    assert desk.verifier.internal_count == 1
    assert desk.records()[0].code == ID_NO.encode()
    assert re.search(r"ValueError in test_intake.py:[0-9]+ broken", caplog.text)
    assert ID_NO not in caplog.text


async def test_a_lost_task_leaves_the_presentation_free(desk: IntakeDesk) -> None:
    """Cancelled before the commit, it may be shown again."""
    desk.store.gate.clear()
    task = asyncio.ensure_future(desk.show(SHOWN))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    desk.store.gate.set()

    assert await desk.show(SHOWN) == Reason.VALID


async def test_the_page_sees_a_name_only_masked(desk: IntakeDesk) -> None:
    """The line of a card that names its holder."""
    await desk.show(text_of("static with person"))

    (entry,) = desk.day_view
    assert entry.name is not None
    assert entry.name != "张伟"
    assert entry.carrier is Carrier.EHC1
