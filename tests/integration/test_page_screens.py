"""The page in a real browser on every screen it must work on: fits, is readable, can be tapped."""

import pytest

from edge.verdict import Carrier, Reason
from tests.support.browser import SIZES, chromium
from tests.support.desk import LOGIN, LOST, LOUD, new_desk
from tests.support.node_view import READERS_LOST, SAM_EXPIRING, STORE_DAMAGED, row


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_fits_the_screen_and_is_readable(size):
    """On every screen and in every state nothing sticks out sideways, text is large and clear, targets are large."""
    found = {}
    async with chromium() as browser, new_desk(browser, size=size) as desk:
        await desk.tab.goto(desk.link("0" * 32))
        await desk.tab.wait_for_selector(LOGIN)
        found["login"] = await desk.tab.evaluate(MEASURE)
        command_lines = await desk.tab.evaluate(COMMAND_LINES)

        await desk.open()
        await desk.tab.locator(".chip:nth-child(2)").click()
        found["ordinary"] = await desk.tab.evaluate(MEASURE)

        desk.node.state |= {"trust": LOUD, "store": STORE_DAMAGED | {"writable": False}, "uplink": {"state": "offline"}}
        desk.node.rows.insert(0, row(carrier=Carrier.NATIONAL_DYNAMIC, reason=Reason.STATUS_NOT_COVERED, name="欧阳**"))
        await desk.open()
        found["loud"] = await desk.tab.evaluate(MEASURE)

        notes = ["allergy", "warning", "expired", "partly_read"]
        desk.node.rows.insert(0, row(carrier=Carrier.RHC, reason=Reason.PENDING_CITY, name="王**", notes=notes))
        desk.node.state["sams"] = [SAM_EXPIRING]
        await desk.open()
        await desk.tab.locator(".chip:nth-child(1)").click()
        found["health card"] = await desk.tab.evaluate(MEASURE)

        desk.node.state |= {"readers": READERS_LOST, "queue": {"waiting": 12345, "quarantined": 678}}
        await desk.open()
        found["no reader"] = await desk.tab.evaluate(MEASURE)

        await desk.stop_box()
        await desk.tab.wait_for_selector(LOST)
        found["lost"] = await desk.tab.evaluate(MEASURE)

    assert command_lines == 1
    assert found == {state: {"sideways": 0, "small": [], "faint": [], "tight": []} for state in found}


COMMAND_LINES = """() => {
  const range = document.createRange();
  range.selectNodeContents(document.querySelector("#login code .clause"));
  return new Set(Array.from(range.getClientRects(), (box) => Math.round(box.top))).size;
}"""

MEASURE = """() => {
  const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : Math.pow((value + 0.055) / 1.055, 2.4);
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const numbers = (text) => text.match(/[0-9.]+/g).map(Number);
  const isClear = (c) => c.length > 3 && c[3] === 0;
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (!isClear(colour)) return colour;
    }
    return [255, 255, 255];
  };
  const small = [], faint = [], tight = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const style = getComputedStyle(element);
    if (!walker.currentNode.data.trim() || !element.getClientRects().length || style.visibility === "hidden") continue;
    const [one, two] = [light(numbers(style.color)), light(ground(element))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (parseFloat(style.fontSize) < 18) small.push(element.textContent);
    if (ratio < 4.5) faint.push([element.textContent, style.color, ratio]);
  }
  for (const button of document.querySelectorAll("button")) {
    const box = button.getBoundingClientRect();
    if (box.width && (box.height < 44 || box.width < 44)) tight.push(button.textContent);
  }
  return {sideways: document.documentElement.scrollWidth - innerWidth, small, faint, tight};
}"""
