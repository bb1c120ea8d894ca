"""A real Chromium for tests of the page; where there is none, the test is skipped and says what to install."""

from contextlib import asynccontextmanager
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = ((360, 740), (800, 1280), (1024, 600), (1366, 768))
"""Width and height of the screens that the page must work on."""


@asynccontextmanager
async def chromium():
    """A running browser, closed when the block is left."""
    playwright = pytest.importorskip("playwright.async_api", reason="needs playwright: pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium: apt-get install --no-install-recommends chromium fonts-wqy-microhei")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            yield browser
        finally:
            await browser.close()
