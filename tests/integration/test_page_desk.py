"""The page in a real browser: what it shows of a box that works, fails and comes back."""

import pytest
import pytest_asyncio

from edge.verdict import Reason
from tests.support.browser import SIZES, chromium
from tests.support.desk import DESK, LOST, LOUD, UNANSWERED, WORDS, new_desk
from tests.support.node_view import READERS_LOST, STORE_DAMAGED, row

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def desk(browser):
    async with new_desk(browser, size=SIZES[-1]) as made:
        yield made


async def test_page_shows_an_ordinary_morning_without_a_complaint(desk):
    """Bar, prompt, last result and list are there, and the browser has nothing to complain about: no policy broken."""
    await desk.open()

    await desk.shows("请扫码或刷卡")
    chips = await desk.tab.locator(".chip").all_inner_texts()
    rows = await desk.tab.locator(".row").all_inner_texts()
    assert ["".join(chip.split()) for chip in chips] == [
        "读卡器就绪",
        "网络已连接",
        "待上传0",
        "名单与公钥2小时前",
        "时间已校准",
    ]
    assert len(rows) == len(desk.node.rows)
    for shown, given in zip(rows, desk.node.rows, strict=True):
        assert WORDS["outcome"][given["outcome"]] in shown
        assert WORDS["carrier"][given["carrier"]] in shown
        assert WORDS["delivery"][given["delivery"]] in shown
        assert given.get("name", "") in shown
    assert "10:01:05" in rows[0]
    assert WORDS["named"]["wechat_pay"] in rows[1]
    assert desk.complaints == []


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (Reason.VALID, "通过"),
        (Reason.PENDING_CITY, "已受理，待市级核验"),
        (Reason.PRESENTATION_STALE, "请核对"),
        (Reason.SUSPENDED, "不通过"),
    ],
)
async def test_new_result_has_its_own_word_shape_and_colour(desk, reason, word):
    """A scan appears by itself, each of the four results with a word, a shape and a colour of its own."""
    desk.node.rows = []
    await desk.open()
    await desk.shows(WORDS["page"]["recent_none"])

    desk.node.rows = [row(reason=reason, name="张*")]
    await desk.tab.wait_for_selector("#result.is-new:not([hidden])")

    result = desk.tab.locator("#result")
    outcome = desk.node.rows[0]["outcome"]
    assert await result.locator(".word").inner_text() == word
    assert "".join((await result.locator(".why").inner_text()).split()) == WORDS["reason"][reason]
    assert await result.locator(".head use").get_attribute("href") == f"#shape-{outcome}"
    assert await result.locator(".name").inner_text() == "张*"
    assert f"is-{outcome}" in await result.get_attribute("class")


async def test_shapes_and_colours_tell_results_apart(desk):
    """No two results look alike: shapes all differ, and pending differs from accepted by more than colour."""
    await desk.open()

    shapes = await desk.tab.evaluate(
        "(names) => names.map((name) => document.getElementById('shape-' + name).innerHTML)",
        ["ACCEPT", "ACCEPT_PENDING", "RETRY", "REFUSE"],
    )

    assert len(set(shapes)) == 4


async def test_delivery_is_followed(desk):
    """A record goes from saved to delivered on the page when it does in the box; a returned one is said to be."""
    desk.node.rows = [row(delivery="saved")]
    await desk.open()
    await desk.shows("已保存 · 待上传", within="#result")

    desk.node.rows = [row(delivery="sent")]
    await desk.shows("已送达", within="#result")
    desk.node.rows = [row(delivery="returned")]
    await desk.shows("被退回", within="#result")
    shown = desk.tab.locator("#result .is-returned use, .row .is-returned use")
    assert [await each.get_attribute("href") for each in await shown.all()] == ["#shape-returned"] * 2


async def test_returned_records_are_counted_in_the_bar(desk):
    """Records that the city returned stand in the bar with their number, apart from those that wait."""
    desk.node.state["queue"] = {"waiting": 128, "quarantined": 2}
    await desk.open()

    chip = desk.tab.locator(".chip:nth-child(3)")
    assert "".join((await chip.inner_text()).split()) == "待上传128·被退回2"
    await chip.click()
    await desk.shows(WORDS["page"]["help_returned"], within="#help")


async def test_new_scan_replaces_the_last_patient_in_half_a_second(desk):
    """Whenever a scan comes, the result before it is gone within half a second of the page's time."""
    await desk.open_with_stopped_clock()

    for number, name in enumerate(("钱*", "吴**", "郑*", "冯**", "褚*", "卫**")):
        desk.node.rows.insert(0, row(name=name, seq=100 + number))
        await desk.pass_time(500)
        assert await desk.tab.locator("#result .name").inner_text() == name
        assert name in await desk.tab.locator(".row").first.inner_text()


async def test_page_asks_little_of_a_quiet_box(desk):
    """While nothing happens, the page asks for one row a few times a second and for all of it every two seconds."""
    await desk.open_with_stopped_clock()
    desk.asked.clear()

    await desk.pass_time(20_000)

    assert 35 <= desk.asked.count("/api/v1/recent?limit=1") <= 50
    assert 8 <= desk.asked.count("/api/v1/status") <= 10
    assert desk.asked.count("/api/v1/recent?limit=30") == desk.asked.count("/api/v1/status")


async def test_hidden_page_rests_and_catches_up(desk):
    """A page that nobody sees asks nothing; seen again, it shows at once what has happened."""
    await desk.open_with_stopped_clock()
    await desk.set_hidden(True)
    desk.asked.clear()

    await desk.pass_time(5_000)
    resting = [path for path in desk.asked if path != "/healthz"]
    desk.node.rows.insert(0, row(name="钱*", seq=100))
    await desk.set_hidden(False)

    assert resting == []
    await desk.shows("钱*", within="#result")


@pytest.mark.parametrize(
    ("readers", "what", "mend"),
    [
        (READERS_LOST, "读卡器已断开", "help_readers_bad"),
        ([{"name": "s1", "state": "opening"}], "读卡器正在打开", "help_readers_warn"),
        ([], "没有配置读卡器", "help_readers_warn"),
    ],
)
async def test_no_scan_is_asked_for_without_a_reader(desk, readers, what, mend):
    """Without a reader a card says what, what to do now and how to mend it, and the last result is past."""
    await desk.open()
    await desk.tab.wait_for_selector("#result.is-new")

    desk.node.state["readers"] = readers
    await desk.tab.wait_for_selector("#stop:not([hidden])")

    card = "".join((await desk.tab.locator("#stop").inner_text()).split())
    for words in (what, "E-R01", WORDS["page"]["stop_now_do"], WORDS["page"][mend]):
        assert "".join(words.split()) in card
    assert not await desk.tab.get_by_text("请扫码或刷卡").is_visible()
    classes = (await desk.tab.locator("#result").get_attribute("class")).split()
    assert "is-past" in classes
    assert "is-new" not in classes
    await desk.shows("上一位", within="#result")
    assert not await desk.tab.locator("#result .do").is_visible()


async def test_scan_is_asked_for_again_once_a_reader_is_back(desk):
    """A reader that is plugged in again brings the prompt back by itself; one of two that works keeps it."""
    desk.node.state["readers"] = READERS_LOST
    await desk.open()
    await desk.tab.wait_for_selector("#stop:not([hidden])")

    desk.node.state["readers"] = [*READERS_LOST, {"name": "scanner-2", "state": "ready"}]

    await desk.tab.locator("#stop").wait_for(state="hidden")
    await desk.shows("请扫码或刷卡")
    assert "is-past" not in await desk.tab.locator("#result").get_attribute("class")


async def test_damaged_database_is_shouted(desk):
    """A database that was damaged is shouted with its code and the number of records that could not be read."""
    desk.node.state["store"] = STORE_DAMAGED
    await desk.open()

    banner = desk.tab.locator(".banner-damaged[role=alert]")
    shown = "".join((await banner.inner_text()).split())
    assert "数据库曾损坏，已尽力恢复，请联系运维（E-S02）" in shown
    assert "有3条记录没能读出" in shown

    desk.node.state["store"] = {"writable": True, "damaged": True}
    await desk.tab.get_by_text("没能读出").wait_for(state="detached")
    assert await banner.count() == 1
    desk.node.state["store"] = {"writable": True, "damaged": False, "set_aside": 0}
    await banner.wait_for(state="detached")
    assert desk.complaints == []


async def test_unsaved_scan_looks_like_no_result(desk):
    """What could not be stored is shown as not saved, in no result's shape or word."""
    desk.node.rows = [row(reason=Reason.VALID, delivery="unsaved", seq=None)]
    await desk.open()

    result = desk.tab.locator("#result")
    assert await result.locator(".word").inner_text() == WORDS["delivery"]["unsaved"]
    assert await result.locator(".head use").get_attribute("href") == "#shape-unsaved"
    assert "is-ACCEPT" not in await result.get_attribute("class")
    assert await desk.tab.get_by_text("通过", exact=True).count() == 0


async def test_old_result_steps_back(desk):
    """A result of some time ago no longer stands out."""
    desk.node.rows = [row(ago_s=21)]
    await desk.open()

    assert "is-new" not in await desk.tab.locator("#result").get_attribute("class")
    await desk.shows("上一位", within="#result")


async def test_banners_shout_and_go(desk):
    """Test keys, missing trust and a store that cannot write are shouted, and no longer once they are mended."""
    good = desk.node.state["trust"]
    desk.node.state["trust"] = LOUD
    desk.node.state["store"] = {"writable": False}
    await desk.open()

    banners = desk.tab.locator(".banner[role=alert]")
    shown = " ".join(await banners.all_inner_texts())
    assert await banners.count() == 3
    for name in ("store", "test_keys", "trust"):
        assert WORDS["page"][f"banner_{name}"] in "".join(shown.split())
    assert WORDS["page"]["trust_none"] in await desk.tab.locator(".chip:nth-child(4)").inner_text()

    desk.node.state["trust"] = good
    desk.node.state["store"] = {"writable": True}
    await banners.first.wait_for(state="detached")
    assert await banners.count() == 0
    assert desk.complaints == []


@pytest.mark.parametrize(
    ("changes", "chip", "value", "advice"),
    [
        ({"readers": [{"name": "s1", "state": "lost"}]}, 1, "已断开", "help_readers_bad"),
        ({"readers": []}, 1, "未配置", "help_readers_warn"),
        (
            {"readers": [{"name": "a", "state": "ready"}, {"name": "b", "state": "opening"}]},
            1,
            "1/2",
            "help_readers_warn",
        ),
        ({"uplink": {"state": "offline", "next_try_ms": 1_795_399_300_000}}, 2, "无网络", "help_network_offline"),
        ({"uplink": {"state": "refused"}}, 2, "被拒绝", "help_network_refused"),
        ({"queue": {"waiting": 128, "quarantined": 2, "oldest_ms": 1_795_300_000_000}}, 3, "128", "help_queue"),
        (
            {"trust": {"empty": False, "test_keys": False, "rung": "OLD", "age_s": 1_300_000}},
            4,
            "15天",
            "help_trust_old",
        ),
        ({"trust": {"empty": False, "test_keys": False}}, 4, "有", "help_trust_old"),
        ({"clock": {"anchored": False, "lo_ms": 1_795_000_000_000}}, 5, "未校准", "help_clock_bad"),
        (
            {"clock": {"anchored": False, "lo_ms": 1_795_000_000_000, "alarm": "answers_disagree"}},
            5,
            "未校准",
            "help_clock_alarm",
        ),
    ],
)
async def test_tap_on_the_bar_says_what_to_do(desk, changes, chip, value, advice):
    """What is not well shows in the bar by word and shape; a tap on it says what mends it, a second tap closes that."""
    desk.node.state.update(changes)
    await desk.open()

    button = desk.tab.locator(f".chip:nth-child({chip})")
    assert value in "".join((await button.inner_text()).split())
    assert await button.locator("use").get_attribute("href") in {"#shape-RETRY", "#shape-REFUSE"}
    await button.click()
    await desk.shows(WORDS["page"][advice], within="#help")
    assert await button.get_attribute("aria-expanded") == "true"

    await button.click()
    await desk.tab.locator("#help").wait_for(state="hidden")
    assert desk.complaints == []


async def test_lost_box_is_said_and_found_again(desk):
    """When the box dies the page says so and keeps trying; when it is back the page goes on by itself."""
    await desk.open()

    await desk.stop_box()
    await desk.tab.wait_for_selector(LOST)
    await desk.shows("与盒子失去连接")
    await desk.shows("E-B01", within="#stop")
    assert not await desk.tab.get_by_text("请扫码或刷卡").is_visible()
    assert "is-past" in await desk.tab.locator("#result").get_attribute("class")
    desk.node.rows = [row(reason=Reason.EXPIRED)]
    await desk.start_box()
    await desk.tab.locator("#lost").wait_for(state="hidden")

    await desk.shows(WORDS["reason"]["EXPIRED"], within="#result")
    await desk.shows("请扫码或刷卡")
    assert [text for text in desk.complaints if not text.startswith(UNANSWERED)] == []


async def test_page_that_loaded_only_half_recovers(desk):
    """A page whose words did not arrive gets them as soon as the box answers."""
    await desk.tab.route("**/texts.zh.json", lambda route: route.abort())
    await desk.tab.goto(desk.link())
    await desk.tab.wait_for_selector(LOST, state="attached")

    await desk.tab.unroute("**/texts.zh.json")

    await desk.tab.wait_for_selector(DESK)
    await desk.shows("请扫码或刷卡")


async def test_english_on_request(desk):
    """The page speaks English when asked to."""
    await desk.open()

    await desk.tab.goto(f"http://127.0.0.1:{desk.port}/?lang=en")

    await desk.shows("Scan a code or tap a card")
    assert await desk.tab.evaluate("document.documentElement.lang") == "en"
