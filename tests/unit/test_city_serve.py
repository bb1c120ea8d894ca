"""The city's end of a broker, over a link that the test plays: what is subscribed, answered and published, and when."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from city.__main__ import main
from city.home import Home
from city.ingest_store import SqliteIngestStore
from city.serve import POLL_S, Server
from city.store import CityStoreError
from edge.gm import private_key
from sync import topics, wire
from tests.support import vectors
from tests.support.city_box import Box
from tests.support.city_stage import NOW_MS, Stage, play

NODE = "370881-0042"
BATCH = topics.up(NODE, leaf="batch")
HELLO = topics.up(NODE, leaf="hello")
ROSTER = topics.down(NODE, leaf="doc")
RECEIPT = topics.down(NODE, leaf="receipt")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    assert main(["init", "--home", str(tmp_path / "city"), "--node", NODE]) == 0
    return Home(tmp_path / "city")


@pytest.fixture
def box(home: Home) -> Box:
    key = private_key(bytes.fromhex((home.path / "nodes" / NODE / "node.key").read_text()))
    return Box(node=NODE, key=key, city=home.keys.encryption().public)


def test_a_link_begins_with_subscription_documents_and_a_ready_line(home: Home) -> None:
    """Every new link subscribes the shared topic and publishes all documents before it says ready."""

    async def script(stage: Stage) -> None:
        link = await stage.link()
        published = [await link.next() for _ in range(4)]
        await stage.waits.get()

        assert link.subscribed == ["$share/ingest/ehc/1/+/up/#"]
        assert [(topic, retain) for topic, _, retain in published] == [
            ("ehc/1/all/doc/root", True),
            ("ehc/1/all/doc/issuers", True),
            ("ehc/1/all/doc/status", True),
            (ROSTER, False),
        ]
        assert published[2][1] == (home.published / "status.json").read_bytes()

    stage = play(home, script=script)
    assert ["ready" in line for line in stage.lines] == [True]


def test_a_batch_is_committed_and_answered(home: Home, box: Box) -> None:
    """A frame that comes over the link is answered on the node's receipt topic."""
    box.fill(3)

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(4)
        link.coming.put_nowait((BATCH, box.batch_frame(1, 3)))
        topic, data, retain = await link.next()

        assert (topic, retain) == (RECEIPT, False)
        assert wire.parse_receipt(wire.decode_frame(data).payload).acked == 3

    play(home, script=script)


def test_a_hello_with_an_old_roster_brings_the_new_one(home: Home, box: Box) -> None:
    """After its receipt a node gets its roster again if it holds an older version, and not if it holds this one."""

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(4)
        link.coming.put_nowait((HELLO, box.hello_frame(boottime_ms=1)))
        assert await link.topics(2) == [RECEIPT, ROSTER]
        link.coming.put_nowait((HELLO, box.hello_frame(boottime_ms=2, have={"roster": 1})))
        link.coming.put_nowait((BATCH, b"rubbish"))
        link.coming.put_nowait((HELLO, box.hello_frame(boottime_ms=3, have={"roster": 1})))
        assert await link.topics(2) == [RECEIPT, RECEIPT]

    play(home, script=script)


def test_a_clone_gets_receipts_and_no_roster(home: Home, box: Box) -> None:
    """Once two boxes live under one name an alarm is said, and neither gets the roster."""

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(4)
        for minute, boot in enumerate((b"a", b"b", b"a", b"b")):
            have = {"roster": 1} if minute < 3 else {}
            link.coming.put_nowait((HELLO, box.hello_frame(boot=boot * 16, boottime_ms=minute, have=have)))
        assert await link.topics(4) == [RECEIPT] * 4
        link.coming.put_nowait((HELLO, box.hello_frame(boot=b"b" * 16, boottime_ms=9)))
        assert await link.topics(1) == [RECEIPT]
        main(["publish", "--home", str(home.path)])
        await stage.pass_time()
        assert await link.topics(2) == ["ehc/1/all/doc/issuers", "ehc/1/all/doc/status"]
        await stage.waits.get()
        assert link.published.empty()

    stage = play(home, script=script)
    assert [line for line in stage.lines if "ALARM" in line] == [f"警告 ALARM {NODE}: clone"]


def test_what_is_published_reaches_the_link(home: Home) -> None:
    """The folder is looked at again and again; only what changed is published, and new nodes are known."""

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(4)
        main(["node", "add", "370881-0043", "--home", str(home.path)])
        main(["publish", "--home", str(home.path)])
        assert await stage.pass_time() == POLL_S
        assert await link.topics(4) == [
            "ehc/1/all/doc/issuers",
            "ehc/1/all/doc/status",
            ROSTER,
            "ehc/1/370881-0043/down/doc",
        ]
        await stage.pass_time()
        await stage.waits.get()
        assert link.published.empty()

    play(home, script=script)


def test_dropped_frames_are_counted_aloud_once(home: Home) -> None:
    """An operator reads how many frames of which node were dropped, and reads it once."""

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(4)
        link.coming.put_nowait((BATCH, b"rubbish"))
        link.coming.put_nowait(("ehc/1/x/up/batch", b""))
        while sum("dropped so far" in line for line in stage.lines) < 2:
            await stage.pass_time()
        for _ in range(3):
            await stage.pass_time()

    stage = play(home, script=script)
    assert [line for line in stage.lines if "dropped so far" in line] == [
        f"已丢弃的报文 dropped so far from {NODE}: form 1 (格式有误 malformed)",
        "已丢弃的报文 dropped so far from x: form 1 (格式有误 malformed)",
    ]


def test_a_dropped_frame_is_said_with_its_node_and_why(home: Home, box: Box) -> None:
    """An operator reads whose key is unknown."""
    stranger = Box(node=NODE, key=vectors.key("node"), city=box.city)

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(4)
        link.coming.put_nowait((HELLO, stranger.hello_frame()))
        while not any("dropped so far" in line for line in stage.lines):
            await stage.pass_time()

    [line] = [line for line in play(home, script=script).lines if "dropped so far" in line]
    assert f"from {NODE}: signer 1 (签名密钥未登记" in line


def test_a_lost_link_is_made_again(home: Home) -> None:
    """The loss is said once, waits grow, and the next link gets every document again."""

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(4)
        await stage.waits.get()
        stage.lost = 2
        link.coming.put_nowait(None)
        waits = [await stage.pass_time() for _ in range(3)]
        again = await stage.link()
        assert len(await again.topics(4)) == 4
        await stage.waits.get()
        assert waits == [0.25, 0.5, 1.0]

    stage = play(home, script=script)
    assert [("closed" in line, "ready" in line) for line in stage.lines] == [
        (False, True),
        (True, False),
        (False, True),
    ]


def test_a_refused_publish_is_said_and_survived(home: Home) -> None:
    """A broker whose access list forbids a topic does not stop the city."""

    async def script(stage: Stage) -> None:
        stage.refuses = True
        link = await stage.link()
        await link.topics(4)
        await stage.waits.get()

    stage = play(home, script=script)
    assert sum("0x87" in line for line in stage.lines) >= 1


def test_a_damaged_nodes_file_keeps_the_former_nodes(home: Home, box: Box) -> None:
    """Nodes known before go on being served when a file of the folder breaks."""
    box.fill(1)

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(4)
        (home.nodes_folder / "x.json").write_text("{}")
        await stage.pass_time()
        link.coming.put_nowait((BATCH, box.batch_frame(1, 1)))
        assert await link.topics(1) == [RECEIPT]

    stage = play(home, script=script)
    assert [line for line in stage.lines if "x.json" in line]


def test_a_failing_store_ends_the_server(home: Home, box: Box) -> None:
    """Nothing is answered that could not be stored: the process ends instead."""

    async def script(stage: Stage) -> None:
        link = await stage.link()
        await link.topics(4)
        stage.store._database.query("DROP TABLE mark")
        link.coming.put_nowait((HELLO, box.hello_frame()))
        await asyncio.sleep(10)

    with pytest.raises(BaseExceptionGroup) as raised:
        play(home, script=script)
    assert raised.value.subgroup(CityStoreError) is not None


def test_serve_ends_well_when_told(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGTERM stops whatever is going on and the exit code is 0."""

    async def run(server: Server) -> None:
        server._say("running")
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    monkeypatch.setattr(Server, "run", run)

    assert main(["serve", "--home", str(home.path)]) == 0
    assert "running" in capsys.readouterr().out


def test_serve_exits_70_when_its_store_fails(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store that fails is said in one line; any other failure is a bug and keeps its trace."""
    errors: list[Exception] = [CityStoreError("x"), RuntimeError("bug")]

    async def run(_server: Server) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(Server, "run", run)

    assert main(["serve", "--home", str(home.path)]) == 70
    assert "database" in capsys.readouterr().err
    with pytest.raises(ExceptionGroup):
        main(["serve", "--home", str(home.path)])


def test_serve_exits_75_beside_another(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """One process serves a folder."""
    with SqliteIngestStore(home.ingest_db, now_ms=NOW_MS):
        assert main(["serve", "--home", str(home.path)]) == 75
    assert "in use" in capsys.readouterr().err
