"""The page in a browser tab of its own, served by a box whose state the test holds."""

import json
import secrets
from contextlib import AsyncExitStack, asynccontextmanager

from edge.api import static
from edge.api.access import Access
from edge.api.server import ApiSettings, start
from tests.support.node_view import NOW_MS, FakeNode

WORDS = json.loads(static.load()["/texts.zh.json"].body)
DESK, LOGIN, LOST = "#desk:not([hidden])", "#login:not([hidden])", "#lost:not([hidden])"
UNANSWERED = "Failed to load resource"
"""What Chromium itself says of an answer that is an error, whatever the page makes of it."""

ALL_ANSWERED = """async () => {
  for (let round = 0; round < 3; round += 1) await (await fetch("/healthz")).text();
}"""
"""Once the box has answered these in turn, it has answered what the page had asked, and asked upon that, before."""

LOUD = {"empty": True, "test_keys": True, "problems": [{"file": "root.1.json", "rule": "threshold"}]}


class Desk:
    """A served page in a tab of its own.

    Attributes:
        complaints: All that the browser complained about.
        asked: Each request of the page, as path and query.
    """

    def __init__(self, *, node, access, tab):
        self.node = node
        self.access = access
        self.tab = tab
        self.complaints = []
        self.asked = []
        self.port = 0
        self._served = AsyncExitStack()
        tab.on("console", lambda message: self._note(message.type, message.text))
        tab.on("request", lambda request: self.asked.append(request.url.partition(f":{self.port}")[2]))
        tab.on("pageerror", lambda error: self._note("error", str(error)))

    async def start_box(self):
        """Serve, on the same port as before."""
        served = start(settings=ApiSettings(port=self.port), view=self.node, access=self.access, socket_path=None)
        self.port = (await self._served.enter_async_context(served)).port

    async def stop_box(self):
        """Stop serving, as a daemon that died."""
        await self._served.aclose()

    def link(self, code=None):
        """A login link, by default a good one."""
        return f"http://127.0.0.1:{self.port}/login?code={code or self.access.mint_link()}"

    async def open(self):
        """Log in and wait for the page."""
        await self.tab.goto(self.link())
        await self.tab.wait_for_selector(DESK)

    async def open_with_stopped_clock(self):
        """Log in and stop the page's clock: time passes in `pass_time` only."""
        await self.tab.clock.install(time=NOW_MS / 1000)
        await self.open()
        await self.tab.clock.pause_at(NOW_MS / 1000 + 60)
        await self.tab.wait_for_load_state("networkidle")

    async def pass_time(self, ms):
        """Let this time pass for the page, a tenth of a second at once, and whatever it asks then be answered."""
        for _ in range(ms // 100):
            await self.tab.clock.run_for(100)
            await self.tab.evaluate(ALL_ANSWERED)

    async def set_hidden(self, is_hidden):
        """Put the page behind another, or in front again, as far as it can tell."""
        await self.tab.evaluate(
            """(isHidden) => {
              Object.defineProperty(document, "hidden", {configurable: true, get: () => isHidden});
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            is_hidden,
        )

    async def shows(self, words, *, within="body"):
        """Wait until these words are to be seen."""
        await self.tab.locator(within).get_by_text(words).first.wait_for(state="visible")

    def _note(self, kind, text):
        if kind in {"error", "warning"}:
            self.complaints.append(text)


@asynccontextmanager
async def new_desk(browser, *, size):
    """A box and a logged-out tab of this size."""
    access = Access(token="t" * 64, monotonic_s=lambda: 0.0, random_bytes=secrets.token_bytes)
    context = await browser.new_context(viewport={"width": size[0], "height": size[1]})
    made = Desk(node=FakeNode(), access=access, tab=await context.new_page())
    await made.start_box()
    try:
        yield made
    finally:
        await context.close()
        await made.stop_box()
