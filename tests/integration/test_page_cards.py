"""The page in a real browser: what a chip card says beside its result, a SAM that expires, and why a reader is lost."""

import pytest
import pytest_asyncio

from edge.verdict import Carrier, Reason
from tests.support.browser import SIZES, chromium
from tests.support.desk import WORDS, new_desk
from tests.support.node_view import SAM_EXPIRING, row

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def desk(browser):
    async with new_desk(browser, size=SIZES[-1]) as made:
        yield made


async def test_a_health_card_brings_its_notes(desk):
    """The desk sees that there are allergies and that something was not read, in words; not which."""
    desk.node.rows.insert(
        0, row(carrier=Carrier.RHC, reason=Reason.PENDING_CITY, name="王**", seq=99, notes=["allergy", "partly_read"])
    )
    await desk.open()

    await desk.shows(WORDS["carrier"]["rhc"], within="#result")
    notes = await desk.tab.locator("#result .notes li").all_inner_texts()
    assert notes == [WORDS["note"]["allergy"], WORDS["note"]["partly_read"]]
    assert desk.complaints == []


async def test_a_result_without_notes_has_no_room_for_them(desk):
    """A code has none."""
    await desk.open()

    await desk.tab.wait_for_selector("#result .who")
    assert await desk.tab.locator("#result .notes").count() == 0


async def test_a_sam_that_expires_is_said_on_the_bar(desk):
    """Amber, and a tap says which day; the readers themselves work."""
    desk.node.state["sams"] = [SAM_EXPIRING, {"number": "AA", "state": "ok"}]
    await desk.open()

    chip = desk.tab.locator(".chip:nth-child(1)")
    await chip.click()

    assert "is-warn" in await chip.get_attribute("class")
    assert WORDS["page"]["sam_expiring"] in await chip.inner_text()
    await desk.shows("2026-12-05", within="#help")
    assert "12" in await desk.tab.locator("#help").inner_text()


@pytest.mark.parametrize("cause", ["permission", "busy", "no_service"])
async def test_a_lost_reader_says_what_brings_it_back(desk, cause):
    """A port that another program holds is not mended by its cable."""
    desk.node.state["readers"] = [{"name": "card-1", "state": "lost", "cause": cause, "since_ms": 0}]
    await desk.open()

    await desk.tab.wait_for_selector("#stop:not([hidden])")

    card = "".join((await desk.tab.locator("#stop").inner_text()).split())
    assert "".join(WORDS["lost"][cause].split()) in card
    assert "".join(WORDS["page"]["help_readers_bad"].split()) not in card


async def test_two_lost_readers_are_told_apart(desk):
    """Each by its name, with what brings it back."""
    desk.node.state["readers"] = [
        {"name": "scanner-1", "state": "lost", "cause": "unplugged", "since_ms": 0},
        {"name": "id-1", "state": "lost", "cause": "io", "trouble": "sam_not_authorised", "since_ms": 0},
    ]
    await desk.open()

    await desk.tab.wait_for_selector("#stop:not([hidden])")

    card = "".join((await desk.tab.locator("#stop").inner_text()).split())
    for name, words in (("scanner-1", WORDS["lost"]["unplugged"]), ("id-1", WORDS["trouble"]["sam_not_authorised"])):
        assert name + "".join(words.split()) in card
