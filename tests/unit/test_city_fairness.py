"""One node that sends much does not slow the others: the order of answers over a link that the test plays."""

import functools
from pathlib import Path

import pytest

from city import serve
from city.__main__ import main
from city.home import Home
from city.turns import NODE_FRAMES_MAX, Turns
from edge.gm import private_key
from sync import topics, wire
from tests.support.city_box import Box
from tests.support.city_stage import PlayedLink, Stage, play

LOUD = "370881-0042"
QUIET = "370881-0043"
DOCUMENTS = 5  # root, issuers, status and two rosters


@pytest.fixture
def home(tmp_path: Path) -> Home:
    assert main(["init", "--home", str(tmp_path / "city"), "--node", LOUD, "--node", QUIET]) == 0
    return Home(tmp_path / "city")


def box(home: Home, name: str, *, records: int) -> Box:
    key = private_key(bytes.fromhex((home.path / "nodes" / name / "node.key").read_text()))
    made = Box(node=name, key=key, city=home.keys.encryption().public)
    made.fill(records)
    return made


def send(link: PlayedLink, sender: Box, *, count: int) -> None:
    for seq in range(1, count + 1):
        link.coming.put_nowait((topics.up(sender.node, leaf="batch"), sender.batch_frame(seq, seq)))


def test_a_quiet_node_does_not_wait_behind_a_loud_one(home: Home) -> None:
    """With a long line of one node's batches before it, the other's is answered second."""
    loud, quiet = box(home, LOUD, records=8), box(home, QUIET, records=1)

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(DOCUMENTS)
        send(link, loud, count=8)
        send(link, quiet, count=1)

        answered = [topic.split("/")[2] for topic in await link.topics(9)]
        assert answered == [LOUD, QUIET, *[LOUD] * 7]

    play(home, script=script)


def test_what_waits_of_one_node_is_bounded(home: Home) -> None:
    """Beyond the bound its newest frames are dropped and spoken of; the other node's are all answered."""
    loud, quiet = box(home, LOUD, records=NODE_FRAMES_MAX + 4), box(home, QUIET, records=2)

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(DOCUMENTS)
        send(link, loud, count=NODE_FRAMES_MAX + 4)
        send(link, quiet, count=2)
        answered = await link.topics(NODE_FRAMES_MAX + 2)
        assert answered.count(topics.down(QUIET, leaf="receipt")) == 2
        while not any("busy" in line for line in stage.lines):
            await stage.pass_time()

    [line] = [line for line in play(home, script=script).lines if "busy" in line]
    assert f"from {LOUD}: busy 4 (" in line


def test_with_no_room_the_broker_keeps_the_rest(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """While too much waits nothing is read, and nothing is lost by it."""
    monkeypatch.setattr(serve, "Turns", functools.partial(Turns, bytes_max=1))
    loud = box(home, LOUD, records=20)

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(DOCUMENTS)
        send(link, loud, count=20)
        for acked in range(1, 21):
            _, data, _ = await link.next()
            assert wire.parse_receipt(wire.decode_frame(data).payload).acked == acked

    play(home, script=script)


def test_strangers_and_giants_take_no_room(home: Home) -> None:
    """A frame longer than any is dropped unread, and all names that this city does not know share one turn."""
    quiet = box(home, QUIET, records=1)

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(DOCUMENTS)
        link.coming.put_nowait((topics.up(LOUD, leaf="batch"), bytes(wire.FRAME_BYTES_MAX + 1)))
        for number in range(NODE_FRAMES_MAX + 5):
            link.coming.put_nowait((f"ehc/1/stranger-{number}/up/hello", quiet.hello_frame()))
        send(link, quiet, count=1)
        assert await link.topics(1) == [topics.down(QUIET, leaf="receipt")]
        while sum("dropped" in line for line in stage.lines) < NODE_FRAMES_MAX + 6:
            await stage.pass_time()

    lines = play(home, script=script).lines
    assert sum("signer 1" in line for line in lines) == NODE_FRAMES_MAX
    assert sum("busy 1" in line for line in lines) == 5
    assert sum(f"{LOUD}: form 1" in line for line in lines) == 1
