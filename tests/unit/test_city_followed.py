"""What a node makes of a city that publishes, revokes and rotates: its own rules, fed with the city's answers."""

import random
from pathlib import Path

import pytest

from city.allowance import Allowance
from city.asks import AskDesk
from city.shelf import Shelf
from edge import trust_rules
from edge.roster import id_carrier
from edge.status_list import CardState
from edge.trust_rules import Held, Missing, Terms
from sync import topics, wire
from sync.asking import PIECE_BYTES_MAX, Ask, BlobPiece, Fetch
from tests.support.city_cli import ID_NO, NODE, ROSTER, City

NOW_MS = 1795399200000
NONCE = bytes(16)


class Follower:
    """A node that asks the city for whatever is newer, and takes it by its own rules.

    Attributes:
        held: What it holds.
        fetched: SM3 of every blob it had to fetch.
    """

    def __init__(self, city: City) -> None:
        self._city = city
        self._key = city.node_key("node.key")
        self._decrypt = city.node_key("node-encryption.key").decrypt
        self._blobs: dict[bytes, bytes] = {}
        self.held = trust_rules.born((city.folder / "nodes" / NODE / "root.1.json").read_bytes()).held
        self.fetched: list[bytes] = []

    def follow(self) -> Held:
        """Ask for everything behind what is held, and take it."""
        have = self.held.have
        for document in self._ask(
            docs={role: have.get(role, 0) + 1 for role in ("root", "issuers", "status", "roster")}
        ):
            self._take(document)
        for document in self._ask(time=True):
            self._take(document)
        return self.held

    def _take(self, document: bytes) -> None:
        terms = Terms(
            node=NODE,
            blob=lambda wanted: self._blobs.get(wanted.sm3),
            nonces={NONCE},
            decrypt_roster=self._decrypt,
        )
        step = trust_rules.take(self.held, document, terms=terms)
        if isinstance(step, Missing):
            for blob in step.blobs:
                pieces = self._ask(fetch=Fetch(sm3=blob.sm3, offset=0, length=PIECE_BYTES_MAX))
                found = [BlobPiece.from_payload(wire.decode_frame(piece).payload).data for piece in pieces]
                self._blobs[blob.sm3] = b"".join(found)
                self.fetched.append(blob.sm3)
            step = trust_rules.take(self.held, document, terms=terms)
        assert not isinstance(step, Missing)
        self.held = step.held

    def _ask(
        self, *, time: bool = False, docs: dict[str, int] | None = None, fetch: Fetch | None = None
    ) -> list[bytes]:
        home = self._city.home
        desk = AskDesk(
            shelf=Shelf(home.published),
            node_keys=lambda _: [self._key.public],
            time_key=home.keys.role("time"),
            allowance=Allowance(2**26),
        )
        ask = Ask(node=NODE, nonce=NONCE, time=time, docs=docs or {}, fetch=fetch)
        frame = wire.encode_frame(
            wire.FrameType.ASK, ask.to_payload(), sign=self._key.sign, keyid=self._key.public.keyid
        )
        answers = desk.handle(frame, topic=topics.up(NODE, leaf="ask"), now_ms=lambda: NOW_MS, now_s=0)
        return [notice.document for notice in answers.notices]


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> City:
    monkeypatch.setattr("city.commands.now_ms", lambda: NOW_MS)
    monkeypatch.setattr("city.document_commands.now_ms", lambda: NOW_MS)
    return City.founded(tmp_path / "city", capsys)


def test_a_node_follows_a_city_by_deltas(city: City, rng: random.Random) -> None:
    """From the second time on it fetches no snapshot of that list, and always holds what the city says of each card."""
    refs = [city("card", "issue")["ref"] for _ in range(4)]
    city("publish")
    node = Follower(city)
    node.follow()
    node.fetched.clear()
    for _ in range(6):
        for _ in range(rng.randint(1, 3)):
            city("card", rng.choice(["suspend", "revoke", "reinstate"]), rng.choice(refs))
        city("publish")
        status_list = node.follow().trust.lists["cards-1"]

        wanted = [CardState(row["state"]) for row in city("card", "list")["cards"]]
        assert [status_list.state(index) for index in range(4)] == wanted
        status = node.held.trust.status
        assert status is not None
        assert status.lists["cards-1"].snapshot.sm3 not in node.fetched
        assert node.held.claim is None
        assert node.held.current_ms == NOW_MS


def test_a_node_that_was_away_follows_every_root(city: City) -> None:
    """It takes root after root whatever was replaced meanwhile, and then all that was signed anew under the last."""
    node = Follower(city)
    node.follow()
    city("root", "rotate", "--replace", "root", "--replace", "status")
    city("root", "rotate", "--replace", "issuers", "--replace", "roster")
    city("root", "rotate", "--replace", "time", "--replace", "receipt")
    city("roster", "import", str(ROSTER), "--node", NODE)
    city("publish")
    held = node.follow()

    assert held.have == {"root": 4, "issuers": 2, "status": 2, "roster": 2}
    assert held.former == {}
    assert held.trust.roster is not None
    assert held.trust.roster.find(id_carrier(ID_NO)) is not None


def test_what_was_signed_under_the_former_root_serves_until_the_next_publish(city: City) -> None:
    """Between a rotation and the next publish a node keeps what it holds, and takes it anew afterwards."""
    node = Follower(city)
    node.follow()
    city("root", "rotate", "--replace", "issuers")
    for document in node._ask(docs={"root": 2}):
        node._take(document)
    assert list(node.held.former) == ["issuers"]
    assert node.held.trust.issuers is not None

    city("publish")
    assert node.follow().former == {}
