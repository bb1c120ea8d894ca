"""The page in a real browser against strangers: without a session, from other sites, and with hostile content."""

import pytest
import pytest_asyncio

from tests.support.browser import SIZES, chromium
from tests.support.desk import DESK, LOGIN, UNANSWERED, new_desk
from tests.support.node_view import row

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def desk(browser):
    async with new_desk(browser, size=SIZES[-1]) as made:
        yield made


async def test_stranger_is_told_how_to_log_in_and_sees_nothing_else(desk):
    """Without a session the page says how to get one and shows nothing of the node; once there is one it goes on."""
    await desk.tab.goto(f"http://127.0.0.1:{desk.port}/")
    await desk.tab.wait_for_selector(LOGIN)

    seen = await desk.tab.locator("body").inner_text()
    assert "ehc-edge status --link" in seen
    assert desk.node.state["node"] not in seen
    assert not await desk.tab.locator("#used").is_visible()

    other_tab = await desk.tab.context.new_page()
    await other_tab.goto(desk.link())
    await desk.tab.wait_for_selector(DESK)
    assert [text for text in desk.complaints if not text.startswith(UNANSWERED)] == []


async def test_used_link_says_so(desk):
    """Who opens a link a second time, without a session, is told to get another."""
    link = desk.link()
    desk.access.redeem(link.partition("code=")[2])

    await desk.tab.goto(link)

    await desk.tab.wait_for_selector(LOGIN)
    await desk.tab.locator("#used").wait_for(state="visible")


async def test_session_is_out_of_reach_of_scripts(desk):
    """The cookie is not to be read by the page, and the code does not stay in the address."""
    await desk.open()

    assert await desk.tab.evaluate("document.cookie") == ""
    assert desk.tab.url == f"http://127.0.0.1:{desk.port}/"


async def test_what_looks_like_html_is_shown_as_text(desk):
    """A name from outside that looks like HTML is text on the page."""
    hostile = "<img src=x onerror=alert(1)>"
    desk.node.rows = [row(name=hostile)]
    desk.node.state["node"] = hostile
    await desk.open()

    assert await desk.tab.locator("#result .name").inner_text() == hostile
    assert await desk.tab.locator("img").count() == 0
    assert desk.complaints == []


async def test_policy_stops_foreign_code(desk):
    """Even with a script put into the page, the browser runs nothing that the box did not serve as a file."""
    await desk.open()

    await desk.tab.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.hit = 1";
          document.body.append(script);
        }"""
    )

    assert await desk.tab.evaluate("window.hit") is None
    assert any("Content Security Policy" in text for text in desk.complaints)


async def test_foreign_page_in_the_same_browser_gets_nothing(desk):
    """A page of another site, open beside a session, can neither read, nor make the box act, nor frame it."""
    await desk.open()
    box = f"http://127.0.0.1:{desk.port}"
    foreign = await desk.tab.context.new_page()
    await foreign.route(
        "http://evil.example/**", lambda route: route.fulfill(body="<p>hello", content_type="text/html")
    )
    await foreign.goto("http://evil.example/")

    read = await foreign.evaluate(
        """async (box) => {
          const found = [];
          const tries = [
            ["/api/v1/status", {credentials: "include"}],
            ["/api/v1/status", {credentials: "include", mode: "no-cors"}],
            ["/api/v1/verify", {method: "POST", credentials: "include", mode: "no-cors", body: '{"text": "X"}'}],
            ["/api/v1/verify", {method: "POST", credentials: "include", body: '{"text": "X"}',
              headers: {"Content-Type": "application/json"}}],
          ];
          for (const [path, how] of tries) {
            try { found.push(await (await fetch(box + path, how)).text()); } catch (error) { found.push(""); }
          }
          const frame = document.createElement("iframe");
          const loaded = new Promise((done) => { frame.onload = frame.onerror = done; });
          frame.src = box + "/";
          document.body.append(frame);
          await Promise.race([loaded, new Promise((done) => setTimeout(done, 2000))]);
          try { found.push(frame.contentDocument.body.textContent); } catch (error) { found.push(""); }
          return found;
        }""",
        box,
    )

    assert read == [""] * 5
    assert desk.node.examined == []
    frames = [frame for frame in foreign.frames if frame != foreign.main_frame]
    assert [await frame.locator("#desk").count() for frame in frames] == [0] * len(frames)
