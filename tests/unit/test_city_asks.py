"""What a city answers to what a node asks for: taken as the node takes it, with the documents of a real city."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from city.allowance import HOUR_S, Allowance
from city.asks import PIECES_MAX, ROOTS_MAX, Answers, AskDesk
from city.frames import DroppedError
from city.home import Home
from city.notices import Noticeboard
from city.shelf import DOCUMENT_BYTES_MAX, Shelf
from edge import trust
from edge.gm import generate, random_bytes, sm3
from edge.trust import Root
from sync import topics, wire
from sync.asking import PIECE_BYTES_MAX, Ask, BlobPiece, Fetch
from sync.errors import WireError
from tests.support.city_cli import ID_NO, NODE, City

OTHER = "370881-0043"
NOW_MS = 1795399200000
ASK = topics.up(NODE, leaf="ask")
DOC = topics.down(NODE, leaf="doc")
BLOB = topics.down(NODE, leaf="blob")
NONCE = bytes(range(16))


class Asking:
    """A city, one of its nodes, and what the node is answered."""

    def __init__(self, city: City, *, bytes_per_hour: int = 2**26) -> None:
        self.city = city
        self.home: Home = city.home
        self.key = city.node_key("node.key")
        self.published = city.folder / "published"
        self.bytes_per_hour = bytes_per_hour
        self.desk = self.new_desk()

    def new_desk(self) -> AskDesk:
        keys = {node.name: [node.signing] for node in self.home.nodes()}
        return AskDesk(
            shelf=Shelf(self.published),
            node_keys=lambda node: keys.get(node, []),
            time_key=self.home.keys.role("time"),
            allowance=Allowance(self.bytes_per_hour),
        )

    def __call__(
        self,
        *,
        time: bool = False,
        docs: Mapping[str, int] | None = None,
        fetch: Fetch | None = None,
        now_s: float = 0.0,
        is_cloned: bool = False,
    ) -> Answers:
        ask = Ask(node=NODE, nonce=NONCE, time=time, docs=docs or {}, fetch=fetch)
        return self.send(self.frame(ask.to_payload()), now_s=now_s, is_cloned=is_cloned)

    def send(self, frame: bytes, *, topic: str = ASK, now_s: float = 0.0, is_cloned: bool = False) -> Answers:
        return self.desk.handle(frame, topic=topic, now_ms=lambda: NOW_MS, now_s=now_s, is_cloned=is_cloned)

    def frame(self, payload: bytes) -> bytes:
        return wire.encode_frame(wire.FrameType.ASK, payload, sign=self.key.sign, keyid=self.key.public.keyid)

    def root(self) -> Root:
        root = self.home.root()
        assert root is not None
        return root

    def file(self, name: str) -> bytes:
        return (self.published / name).read_bytes()

    def put(self, blob: bytes, *, node: str | None = None) -> bytes:
        """Publish a blob; its name."""
        folder = self.published if node is None else self.published / "nodes" / node
        (folder / sm3(blob).hex()).write_bytes(blob)
        return sm3(blob)


@pytest.fixture
def asking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(City.founded(tmp_path / "city", capsys))


def documents(answers: Answers) -> list[bytes]:
    assert {(notice.topic, notice.retain) for notice in answers.notices} <= {(DOC, False)}
    return [notice.document for notice in answers.notices]


def pieces(answers: Answers) -> list[BlobPiece]:
    frames = [wire.decode_frame(notice.document) for notice in answers.notices]
    assert {notice.topic for notice in answers.notices} <= {BLOB}
    assert {(frame.type, frame.keyid, frame.signature) for frame in frames} <= {(wire.FrameType.BLOB, b"", b"")}
    return [BlobPiece.from_payload(frame.payload) for frame in frames]


def test_the_time_is_signed_for_one_node_and_nonce(asking: Asking) -> None:
    """The answer verifies under the root's time key and names node, nonce, time and what is published."""
    asking.city("publish")
    [document] = documents(asking(time=True))
    signed = trust.open_time(document, root=asking.root(), node=NODE)

    assert (signed.nonce, signed.time_ms) == (NONCE, NOW_MS)
    assert (signed.status_version, signed.issuers_version, signed.roster_version) == (2, 2, 2)


def test_the_time_comes_without_lists_too(asking: Asking) -> None:
    """A node that no roster is published for, or that may be two boxes, still learns the time."""
    cloned = trust.open_time(documents(asking(time=True, is_cloned=True))[0], root=asking.root(), node=NODE)
    (asking.published / "nodes" / NODE / "roster.json").unlink()
    without = trust.open_time(documents(asking(time=True))[0], root=asking.root(), node=NODE)

    assert (cloned.roster_version, without.roster_version) == (0, 0)


def test_roots_come_each_and_in_order(asking: Asking) -> None:
    """From the version asked for on, every root of the chain, so that a node can take them one by one."""
    for _ in range(3):
        asking.city("root", "rotate")

    assert documents(asking(docs={"root": 2})) == [asking.file(f"root.{number}.json") for number in (2, 3, 4)]
    assert documents(asking(docs={"root": 0}))[0] == asking.file("root.1.json")
    assert documents(asking(docs={"root": 5})) == []
    (asking.published / "root.3.json").unlink()
    assert len(documents(asking(docs={"root": 2}))) == 2


def test_a_long_chain_comes_in_parts(asking: Asking) -> None:
    """One ask brings no more than so many roots; the next ask goes on behind them."""
    for number in range(2, ROOTS_MAX + 4):
        (asking.published / f"root.{number}.json").write_text(str(number))

    assert documents(asking(docs={"root": 2}))[-1] == str(ROOTS_MAX + 1).encode()
    assert documents(asking(docs={"root": ROOTS_MAX + 2}))[-1] == str(ROOTS_MAX + 3).encode()


def test_documents_come_from_the_version_that_helps(asking: Asking) -> None:
    """The present document of each role, if it is as new as was asked for; together in the order of belief."""
    asking.city("publish")
    roster = f"nodes/{NODE}/roster.json"

    assert documents(asking(docs={"status": 2, "roster": 1, "issuers": 2, "root": 1})) == [
        asking.file(name) for name in ("root.1.json", "issuers.json", "status.json", roster)
    ]
    assert documents(asking(docs={"status": 3, "issuers": 3, "roster": 3})) == []
    assert documents(asking(docs={"config": 1, "time": 1, "enrol": 1, "nonsense": 0})) == []


def test_a_roster_is_its_nodes_alone(asking: Asking) -> None:
    """A node that may be two boxes gets neither manifest nor blob; nobody gets another node's blob."""
    asking.city("node", "add", OTHER)
    own, foreign, common = (
        asking.put(name.encode(), node=node) for name, node in (("a", NODE), ("b", None), ("c", None))
    )
    (asking.published / "nodes" / OTHER).mkdir()
    foreign = asking.put(b"foreign", node=OTHER)

    def served(name: bytes, *, is_cloned: bool = False) -> int:
        return len(pieces(asking(fetch=Fetch(sm3=name, offset=0, length=9), is_cloned=is_cloned)))

    assert [served(own), served(foreign), served(common)] == [1, 0, 1]
    assert [served(own, is_cloned=True), served(common, is_cloned=True)] == [0, 1]
    assert documents(asking(docs={"roster": 0}, is_cloned=True)) == []


@pytest.mark.parametrize(
    ("offset", "length", "sizes"),
    [
        (0, PIECE_BYTES_MAX, [PIECE_BYTES_MAX]),
        (1, 10, [10]),
        (PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1, [PIECE_BYTES_MAX, 1]),
        (3 * PIECE_BYTES_MAX, 2**40, [7]),
        (3 * PIECE_BYTES_MAX + 7, 1, []),
        (2**62, 1, []),
    ],
)
def test_a_blob_comes_in_pieces(asking: Asking, offset: int, length: int, sizes: list[int]) -> None:
    """Pieces begin at the offset asked for, are no longer than they may be, and end with the blob."""
    blob = random_bytes(3 * PIECE_BYTES_MAX + 7)
    found = pieces(asking(fetch=Fetch(sm3=asking.put(blob), offset=offset, length=length)))

    assert [len(piece.data) for piece in found] == sizes
    assert b"".join(piece.data for piece in found) == blob[offset : offset + length]
    assert {(piece.node, piece.sm3, piece.total) for piece in found} <= {(NODE, sm3(blob), len(blob))}


def test_one_ask_brings_no_more_than_a_turn(asking: Asking) -> None:
    """However much is asked for at once, other nodes wait for a quarter of a MiB at most."""
    name = asking.put(bytes((PIECES_MAX + 1) * PIECE_BYTES_MAX))

    assert len(pieces(asking(fetch=Fetch(sm3=name, offset=0, length=2**40)))) == PIECES_MAX


def test_a_real_list_and_roster_are_fetched_whole(asking: Asking) -> None:
    """What status and manifest name is there for the node, and has the SM3 they name."""
    asking.city("card", "revoke", asking.city("card", "issue", "--id-no", ID_NO)["ref"])
    asking.city("publish")
    status = trust.open_status(asking.file("status.json"), root=asking.root())
    info = status.lists["cards-1"]
    named = [info.snapshot, *(delta.blob for delta in info.deltas), *(each.snapshot for each in status.hashed.values())]

    for blob in named:
        found = pieces(asking(fetch=Fetch(sm3=blob.sm3, offset=0, length=max(1, blob.length))))
        assert b"".join(piece.data for piece in found) == asking.file(blob.sm3.hex())
        assert len(found) == (blob.length > 0)


def test_a_node_has_so_many_bytes_an_hour(asking: Asking) -> None:
    """What is beyond the allowance is not sent, the time is; with the hour it comes back."""
    name = asking.put(bytes(PIECE_BYTES_MAX))
    fetch = Fetch(sm3=name, offset=0, length=PIECE_BYTES_MAX)
    asking.bytes_per_hour = 3 * PIECE_BYTES_MAX
    asking.desk = asking.new_desk()

    assert [len(asking(fetch=fetch).notices) for _ in range(2)] == [1, 1]
    limited = asking(fetch=fetch, time=True)
    assert limited.is_limited
    assert len(documents(limited)) == 1
    assert len(asking(fetch=fetch, now_s=HOUR_S).notices) == 1


@pytest.mark.parametrize("rule", ["topic", "type", "signer", "signature", "node"])
def test_a_frame_that_breaks_a_rule_gets_no_answer(asking: Asking, rule: str) -> None:
    """Another's frame, one on another topic, one that was changed: each is dropped by its rule."""
    asking.city("node", "add", OTHER)
    asking.desk = asking.new_desk()
    ask = Ask(node=NODE, nonce=NONCE, time=True)
    frame, topic = asking.frame(ask.to_payload()), ASK
    match rule:
        case "topic":
            topic = DOC
        case "type":
            topic = topics.up(NODE, leaf="hello")
        case "signer":
            topic = topics.up(OTHER, leaf="ask")
        case "signature":
            frame = frame[:-1] + bytes([frame[-1] ^ 1])
        case _:
            frame = asking.frame(Ask(node=OTHER, nonce=NONCE, time=True).to_payload())

    with pytest.raises(DroppedError, match=rule):
        asking.send(frame, topic=topic)


def test_a_payload_that_is_no_ask_is_refused(asking: Asking) -> None:
    """A signed frame without a nonce, and bytes that are no frame, are refused."""
    with pytest.raises(WireError):
        asking.send(asking.frame(b"\xa0"))
    with pytest.raises(WireError):
        asking.send(b"rubbish")


def test_a_stranger_is_not_answered(asking: Asking) -> None:
    """A key that this city never gave out signs for nobody."""
    asking.key = generate()
    with pytest.raises(DroppedError, match="signer"):
        asking(time=True)


def test_a_replaced_document_is_read_again(asking: Asking) -> None:
    """What is published while the city runs is what the next ask gets."""
    before = documents(asking(docs={"status": 1}))
    asking.city("publish")

    assert before != documents(asking(docs={"status": 1})) == [asking.file("status.json")]


def test_a_board_reads_only_documents(tmp_path: Path) -> None:
    """Missing, oversized and foreign files are passed over; the last root is the one that is published."""
    folder = tmp_path / "published"
    for node in ("370881-0042", "370881-0043", "all"):
        (folder / "nodes" / node).mkdir(parents=True)
    (folder / "nodes" / "370881-0042" / "roster.json").write_text("[]")
    (folder / "nodes" / "370881-0043" / "roster.json").write_text('{"payload": "eyJ2ZXJzaW9uIjogIjEifQ=="}')
    (folder / "nodes" / "all" / "roster.json").write_text("{}")
    for number in ("1", "10", "9", "x"):
        (folder / f"root.{number}.json").write_text(number)
    (folder / "status.json").write_bytes(bytes(DOCUMENT_BYTES_MAX + 1))
    board = Noticeboard(Shelf(folder))

    notices = list(board.changes(withheld={}))

    assert (notices[0].topic, notices[0].document, notices[0].retain) == ("ehc/1/all/doc/root", b"10", True)
    assert [notice.topic for notice in notices[1:]] == ["ehc/1/370881-0042/down/doc", "ehc/1/370881-0043/down/doc"]
    assert board.roster_for("370881-0042", held=0) is None
    assert list(board.changes(withheld={})) == []
    board.forget()
    assert len(list(board.changes(withheld={"370881-0042": 1}))) == 2
    assert Shelf(folder).document("roster") is None
