"""What the city sends down: taken at the node's own pace, and what is missing is asked for until it is there."""

import random
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge import city_documents, gm
from edge.status_list import CardState
from edge.trust_documents import ROLES
from edge.trust_held import Buffer
from edge.trust_keeper import Offer
from edge.trust_store import TrustStore
from sync import blobs, topics
from sync.asking import Ask, BlobPiece, Fetch, OrderKind, Result
from sync.downlink import ASK_EVERY_S
from sync.wire import FrameType, encode_unsigned_frame
from tests.support import authority
from tests.support.asking_city import LinkedBox
from tests.support.authority import BEGIN_MS, KEYS, NODE, Shelf
from tests.support.keeper_box import DAY_MS
from tests.support.trust_node import CARRIER, SOMEBODY, cards
from tests.support.waiting import until

NEXT = {**KEYS, "issuers": ("issuers-b",), "status": ("status-b",), "roster": ("roster-b",)}
FIRST_CARDS, SECOND_CARDS = cards(CardState.REVOKED), cards(CardState.REVOKED, CardState.SUSPENDED, size=12)


@pytest.fixture
async def node(tmp_path: Path) -> LinkedBox:
    """A node that has nothing but its root, and a city that has everything, with an empty list and a large roster."""
    linked = LinkedBox(tmp_path / "home")
    await linked.box.born()
    shelf = linked.box.shelf
    lists, hashed = {"cards": shelf.packed(FIRST_CARDS, 1)}, {"codes": shelf.hashed([], 1)}
    people = {f"index:{number:048X}": SOMEBODY for number in range(400)} | {CARRIER: SOMEBODY}
    linked.city.documents = {
        "issuers": (1, authority.issuers(1)),
        "status": (1, authority.status(1, lists=lists, hashed=hashed)),
        "roster": (1, authority.roster(1, shelf=shelf, people=people)),
    }
    return linked


def second_status(node: LinkedBox) -> tuple[int, bytes]:
    """The next status document, whose list can be had by a delta."""
    shelf = node.box.shelf
    lists = {"cards": shelf.packed(SECOND_CARDS, 2, since={1: FIRST_CARDS})}
    return 2, authority.status(2, lists=lists, hashed={"codes": shelf.hashed([], 1)})


async def test_a_node_with_nothing_but_its_root_gets_everything(node: LinkedBox) -> None:
    """Retained documents, the roster that the signed time names, and every list, in pieces; nothing to report."""
    async with node.linked():
        node.retain("root", "issuers", "status")
        await node.has(root=1, issuers=1, status=1, roster=1)

    held = node.box.keeper.held
    assert held.lists == {"cards": 1, "codes": 1}
    assert held.trust.roster is not None
    assert held.trust.roster.find(CARRIER) == SOMEBODY
    assert node.box.keeper.problems == ()
    assert not list((node.box.home / "fetching").iterdir())
    assert any(ask.fetch is not None and ask.fetch.offset for ask in node.city.asks)


async def test_what_the_signed_time_names_is_asked_for(node: LinkedBox) -> None:
    """Nothing is retained, nothing is pushed: the answer to the first question says what there is."""
    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)

    assert (node.city.asks[0].time, dict(node.city.asks[0].docs)) == (True, {})
    for role in ("issuers", "status", "roster"):
        assert node.city.asked(role)[0] == 1


async def test_what_is_held_is_not_asked_for_again(node: LinkedBox) -> None:
    """Until there is something newer, a quarter of an hour brings one question, for the time alone."""
    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)
        await until(lambda: node.documents.wants() == {})
        asks, begin_s, node.pass_s = len(node.city.asks), node.now_s, 50
        await until(lambda: node.now_s > begin_s + 3 * ASK_EVERY_S)

    later = node.city.asks[asks:]
    assert 2 <= len(later) <= 4
    assert all(ask.time and not ask.docs and ask.fetch is None for ask in later)


async def test_newer_documents_come_by_themselves(node: LinkedBox) -> None:
    """The next signed time names them, and the list comes as a delta."""
    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)
        node.city.documents["issuers"] = 2, authority.issuers(2)
        node.city.documents["status"] = second_status(node)
        await until(lambda: node.documents.wants() == {})
        node.pass_s = 50
        await node.has(root=1, issuers=2, status=2, roster=1)

    delta = node.box.keeper.trust.status
    assert delta is not None
    fetched = {ask.fetch.sm3 for ask in node.city.asks if ask.fetch}
    assert delta.lists["cards"].deltas[0].blob.sm3 in fetched
    assert delta.lists["cards"].snapshot.sm3 not in fetched
    assert node.box.keeper.held.lists["cards"] == 2


async def test_a_status_document_may_ask_for_newer_issuers(node: LinkedBox) -> None:
    """Its minimum starts a fetch, and blocks nothing (contracts 3.3)."""
    node.city.says_versions = False
    node.city.documents["status"] = 1, authority.status(1, issuers_version=3)
    node.city.documents["issuers"] = 3, authority.issuers(3)
    async with node.linked():
        node.retain("status")
        await node.has(root=1, issuers=3, status=1)

    assert set(node.city.asked("issuers")) == {3}


# -- time ----------------------------------------------------------------------------------------------------------


async def test_a_signed_time_moves_the_clock_and_the_age_once(node: LinkedBox) -> None:
    """The same answer again, an hour later, changes neither: one nonce, one answer (contracts 3.4)."""
    box = node.box
    node.city.time_ms = BEGIN_MS + DAY_MS
    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)
        await until(lambda: box.keeper.age_since_ms == BEGIN_MS + DAY_MS and box.time.is_anchored)
        before = box.keeper.age_since_ms
        box.wait(3_600_000)
        lo_ms, hi_ms = box.time.now().lo_ms, box.time.now().hi_ms
        node.city.is_silent = True
        node.send(node.city.times[-1])
        await until(lambda: box.problems().get("time") == "nonce")
        now = box.time.now()

    assert (now.lo_ms, now.hi_ms) == (lo_ms, hi_ms)
    assert lo_ms < BEGIN_MS + DAY_MS + 3_600_000 <= hi_ms  # type: ignore[operator]
    assert box.keeper.age_since_ms == before


@pytest.mark.parametrize("spoil", ["other node", "other nonce", "other key", "after trust"])
async def test_a_time_that_is_not_ours_moves_nothing(node: LinkedBox, spoil: str) -> None:
    """Another node's, an answer to nothing, a stolen issuers key, a date beyond the issuers' expiry."""
    box = node.box
    await box.takes(authority.issuers(1))
    node.city.is_silent = True
    async with node.linked():
        await until(lambda: bool(node.downlink.time_nonces()))
        nonce = next(iter(node.downlink.time_nonces()))
        match spoil:
            case "other node":
                document, rule = authority.time(BEGIN_MS + DAY_MS, nonce=nonce, node="other"), "node"
            case "other nonce":
                document, rule = authority.time(BEGIN_MS + DAY_MS, nonce=bytes(16)), "nonce"
            case "other key":
                document, rule = authority.time(BEGIN_MS + DAY_MS, nonce=nonce, by=["issuers-a"]), "threshold"
            case _:
                document, rule = authority.time(BEGIN_MS + 366 * DAY_MS, nonce=nonce), "time_after_trust"
        node.send(document)
        await until(lambda: "time" in box.problems())

        assert box.problems() == {"time": rule}
        assert box.time.now().lo_ms == BEGIN_MS
        assert not box.time.is_anchored


# -- roots ---------------------------------------------------------------------------------------------------------


async def test_missing_roots_are_asked_for_and_taken_in_their_order(node: LinkedBox) -> None:
    """A node that slept through two rotations: the retained root is the fourth, its documents are signed under it."""
    chain = [authority.root(number, keys=KEYS if number < 3 else NEXT) for number in (2, 3, 4)]
    node.city.roots += chain
    node.city.documents = {"issuers": (1, authority.issuers(1, by=["issuers-b"]))}
    async with node.linked():
        node.retain("root", "issuers")
        await node.has(root=4, issuers=1)

    assert node.city.asked("root")[0] == 2
    assert [root.version for root in node.box.keeper.held.chain] == [1, 2, 3, 4]
    assert node.box.keeper.problems == ()


async def test_after_a_new_root_the_other_documents_are_asked_for_again(node: LinkedBox) -> None:
    """What was refused before it came, or was signed by keys that it replaced, comes under the new keys."""
    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)
        node.city.says_versions = False
        node.city.roots.append(authority.root(2, keys=NEXT))
        node.city.documents = {
            "issuers": (1, authority.issuers(1, by=["issuers-b"])),
            "status": (1, authority.status(1, by=["status-b"])),
            "roster": (1, authority.roster(1, shelf=node.box.shelf, by=["roster-b"])),
        }
        node.retain("issuers", "status")
        await until(lambda: node.box.problems() == {"issuers": "threshold", "status": "threshold"})
        asks = len(node.city.asks)
        node.retain("root")
        await node.has(root=2, issuers=1, status=1, roster=1)

    assert dict(node.city.asks[asks].docs) == {"root": 3, "issuers": 1, "status": 1, "roster": 1}
    assert node.box.keeper.held.former == {}
    assert node.box.keeper.problems == ()


async def test_a_retained_document_of_a_replaced_root_changes_nothing(node: LinkedBox) -> None:
    """The broker still has the old one, or somebody puts it back: the one under the new root stays."""
    old = dict(node.city.documents)
    node.city.roots.append(authority.root(2, keys=NEXT))
    node.city.documents["issuers"] = 1, authority.issuers(1, by=["issuers-b"], active=["issuer-b"])
    node.city.documents.pop("status")
    node.city.documents.pop("roster")
    async with node.linked():
        node.retain("root")
        await node.has(root=2, issuers=1)
        node.city.is_silent = True
        node.pass_s = 50
        await node.questions(1)
        await node.settled()
        held = node.box.keeper.held
        node.city.documents = old
        node.retain("issuers", "status")
        await until(lambda: {"issuers", "status"} <= node.box.problems().keys())

    assert node.box.keeper.trust == held.trust
    assert node.box.problems() == {"issuers": "threshold", "status": "threshold"}


async def test_a_deleted_cache_is_rebuilt_from_the_city_alone(node: LinkedBox) -> None:
    """The node knows its first root by its SM3, asks for the chain, and older documents do not come back."""
    node.city.roots += [authority.root(2), authority.root(3)]
    former = dict(node.city.documents)
    async with node.linked():
        node.retain("root")
        await node.has(root=3, issuers=1, status=1, roster=1)
        node.city.documents["issuers"] = 2, authority.issuers(2)
        node.retain("issuers")
        await node.has(root=3, issuers=2, status=1, roster=1)
    shutil.rmtree(node.box.home / "cache")
    node.box.switch_on()
    node.restart()
    assert node.box.keeper.is_empty
    assert node.documents.wants() == {"root": 1}
    new = dict(node.city.documents)
    node.city.documents = former  # a broker that replays what it once had

    async with node.linked():
        node.retain("root", "issuers")
        await node.has(root=3, status=1, roster=1)
        await until(lambda: node.box.problems().get("issuers") == "rollback")
        node.city.documents = new
        node.pass_s = 50
        await node.has(root=3, issuers=2, status=1, roster=1)


async def test_a_node_that_was_never_given_a_root_takes_none_from_the_city(tmp_path: Path) -> None:
    """Whoever runs the broker could name any city: it asks for nothing, and the operator reads why."""
    node = LinkedBox(tmp_path / "home")
    async with node.linked():
        node.retain("root")
        await node.questions(3)
        await until(lambda: bool(node.box.problems()))

    assert node.box.keeper.is_empty
    assert node.documents.wants() == {}
    assert node.box.problems()["root"] == "no_root"
    assert all(not ask.docs for ask in node.city.asks)


# -- blobs ---------------------------------------------------------------------------------------------------------


async def test_a_delta_that_does_not_fit_is_followed_by_the_snapshot(node: LinkedBox) -> None:
    """The city's idea of what the node holds was wrong: the list comes whole."""
    shelf = node.box.shelf
    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)
        wrong = shelf.packed(SECOND_CARDS, 2, since={1: cards(CardState.SUSPENDED)})
        node.city.documents["status"] = 2, authority.status(2, lists={"cards": wrong})
        node.retain("status")
        await node.has(root=1, issuers=1, status=2, roster=1)

    assert node.box.keeper.trust.lists["cards"].packed == SECOND_CARDS.packed


async def test_a_newer_document_takes_the_place_of_one_that_waits(node: LinkedBox) -> None:
    """Its blobs are not waited for any more, and nobody is told of it."""
    shelf = node.box.shelf
    lost = authority.status(1, lists={"cards": shelf.packed(FIRST_CARDS, 1)})
    node.city.documents["status"] = 1, lost
    blobs, node.city.blobs = node.city.blobs, {}
    async with node.linked():
        node.retain("status")
        await until(lambda: any(ask.fetch for ask in node.city.asks))
        node.city.documents["status"] = 2, authority.status(2)
        node.city.blobs = blobs
        node.city.documents.pop("roster")
        node.retain("status")
        await until(lambda: node.box.keeper.held.have.get("status") == 2)
        asks = len(node.city.asks)
        node.pass_s = 50
        await node.questions(2)

    assert not any(ask.fetch for ask in node.city.asks[asks:])
    assert node.box.keeper.problems == ()


async def test_a_blob_that_cannot_be_read_back_is_fetched_again(
    node: LinkedBox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bad block under the fetched file: its document is asked for anew, and comes."""
    real, failed = city_documents._mapped, []

    def mapped(path: Path) -> Buffer:
        if not failed:
            failed.append(path)
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(city_documents, "_mapped", mapped)
    async with node.linked():
        node.pass_s = 5
        await node.has(root=1, issuers=1, status=1, roster=1)

    assert failed
    assert "cannot be read: OSError" in caplog.text


async def test_more_blobs_than_are_fetched_at_once_still_come(node: LinkedBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is here makes room for the rest, however many lists a document names."""
    monkeypatch.setattr(blobs, "PARTS_MAX", 1)
    shelf = node.box.shelf
    lists = {f"cards-{number}": shelf.packed(cards(CardState.REVOKED, size=8 + number), 1) for number in range(4)}
    node.city.documents = {"status": (1, authority.status(1, lists=lists))}
    async with node.linked():
        node.retain("status")
        await node.has(root=1, status=1)

    assert len(node.box.keeper.held.lists) == 4


async def test_a_replayed_document_does_not_displace_the_newer_one_on_its_way(node: LinkedBox) -> None:
    """Roster 1 held, 3 on its way: neither an old 2 nor the 1 again stops it."""
    shelf = node.box.shelf
    first, former = node.city.documents["roster"][1], set(shelf.blobs)
    people = {f"index:{number:048X}": SOMEBODY for number in range(300)}
    second, third = (authority.roster(number, shelf=shelf, people=people) for number in (2, 3))
    withheld = {sm3: shelf.blobs.pop(sm3) for sm3 in set(shelf.blobs) - former}
    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)
        for document in (third, second, first):
            node.send(document)
            await node.settled()
        shelf.blobs.update(withheld)
        await node.has(root=1, issuers=1, status=1, roster=3)

    assert node.box.keeper.problems == ()


async def test_a_document_that_comes_again_while_it_waits_keeps_what_was_fetched(node: LinkedBox) -> None:
    """A reconnection brings the retained one anew: only what is still missing is asked for."""
    shelf = node.box.shelf
    lists = {name: shelf.packed(cards(size=size), 1) for name, size in (("here", 21), ("late", 80))}
    here, late = (bytes.fromhex(lists[name]["snapshot"]["sm3"]) for name in ("here", "late"))
    withheld = shelf.blobs.pop(late)
    node.city.documents = {"status": (1, authority.status(1, lists=lists))}
    async with node.linked():
        node.retain("status")
        await until(lambda: here in node.documents._fetched)
        node.retain("status")
        await node.settled()
        shelf.blobs[late] = withheld
        await node.has(root=1, status=1)

    assert [ask.fetch.sm3 for ask in node.city.asks if ask.fetch].count(here) == 1
    assert not list((node.box.home / "fetching").iterdir())


async def test_a_document_whose_lists_turn_out_wrong_waits_no_longer(node: LinkedBox) -> None:
    """Signed counts that its list does not have: refused once the list is there, and nothing of it stays."""
    wrong = {**node.box.shelf.packed(FIRST_CARDS, 2), "revoked": 3}
    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)
        node.send(authority.status(2, lists={"other": wrong}))
        await until(lambda: node.box.problems().get("status") == "list_counts")
        await node.settled()
        await until(lambda: not list((node.box.home / "fetching").iterdir()))

    assert node.documents._waiting == {}
    assert node.box.keeper.held.have["status"] == 1


async def test_what_waits_under_a_replaced_root_keeps_nothing_newer_away(node: LinkedBox) -> None:
    """A stolen key drove versions up, and a document waits for blobs that nobody has: the next root ends it."""
    shelf = node.box.shelf
    stolen = authority.status(900, lists={"cards": Shelf().packed(cards(size=40), 900)})
    node.city.documents = {"status": (900, stolen)}
    async with node.linked():
        node.retain("status")
        await until(lambda: any(ask.fetch for ask in node.city.asks))
        node.city.roots.append(authority.root(2, keys=NEXT))
        lists = {"cards": shelf.packed(FIRST_CARDS, 1)}
        node.city.documents = {"status": (1, authority.status(1, lists=lists, by=["status-b"]))}
        node.retain("root", "status")
        await node.has(root=2, status=1)


async def test_a_fetched_blob_that_was_emptied_is_fetched_again(
    node: LinkedBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the disk between fetching and reading ends no program."""
    real, emptied = city_documents._mapped, []

    def mapped(path: Path) -> object:
        if not emptied:
            emptied.append(path)
            path.write_bytes(b"")
        return real(path)

    monkeypatch.setattr(city_documents, "_mapped", mapped)
    async with node.linked():
        node.pass_s = 5
        await node.has(root=1, issuers=1, status=1, roster=1)

    assert emptied


# -- orders --------------------------------------------------------------------------------------------------------


async def test_orders_are_obeyed_and_answered(node: LinkedBox) -> None:
    """Fetch asks for every role, hello says hello, forget_roster destroys the roster; each is answered once."""
    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)
        await until(lambda: node.box.time.is_anchored)
        asks = len(node.city.asks)
        orders = [node.order(kind, number=number) for number, kind in enumerate(OrderKind)]
        await until(lambda: len(node.city.results) == 3)
        await until(lambda: "roster" not in node.box.keeper.held.have)
        await node.questions(1)
        node.order(OrderKind.HELLO, number=1)
        await until(lambda: len(node.city.results) == 4)

    results = {result.id: result for result in node.city.results}
    assert results == {one: Result(node=NODE, id=one, ok=True) for one in orders}
    assert node.hellos == 1
    assert {"root": 2, "issuers": 2, "status": 2, "roster": 2} in [dict(ask.docs) for ask in node.city.asks[asks:]]


async def test_an_order_that_fails_is_answered_as_failed(node: LinkedBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The city must not believe that the roster is destroyed."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with node.linked():
        await node.has(root=1, issuers=1, status=1, roster=1)
        await until(lambda: node.box.time.is_anchored)
        monkeypatch.setattr(TrustStore, "save", full)
        order = node.order(OrderKind.FORGET_ROSTER)
        await until(lambda: bool(node.city.results))

    assert node.city.results == [Result(node=NODE, id=order, ok=False, error="failed")]
    assert node.box.keeper.held.have["roster"] == 1


async def test_a_roster_on_its_way_is_forgotten_too(node: LinkedBox) -> None:
    """What was fetched of it is gone from the disk, and it does not arrive after the order was obeyed."""
    manifest = node.city.documents.pop("roster")[1]
    async with node.linked():
        await node.has(root=1, issuers=1, status=1)
        await until(lambda: node.box.time.is_anchored and node.documents.wants() == {})
        node.city.is_silent = True
        node.send(manifest)
        asks = len(node.city.asks)
        await until(lambda: any(ask.fetch for ask in node.city.asks[asks:]))
        blob = next(node.city.blobs[ask.fetch.sm3] for ask in node.city.asks[asks:] if ask.fetch)
        piece = BlobPiece(node=NODE, sm3=gm.sm3(blob), offset=0, total=len(blob), data=blob[:1000])
        frame = encode_unsigned_frame(FrameType.BLOB, piece.to_payload())
        node.downlink.take(topics.down(NODE, leaf="blob"), frame, now_s=node.now_s)
        fetching = node.box.home / "fetching"
        assert [path.stat().st_size for path in fetching.iterdir()] == [1000]
        node.order(OrderKind.FORGET_ROSTER)
        await until(lambda: bool(node.city.results))
        assert not any(fetching.iterdir())

    assert node.city.results[0].ok
    assert "roster" not in node.box.keeper.held.have


# -- hostile -------------------------------------------------------------------------------------------------------


async def test_what_is_no_document_is_told_and_nothing_ends(node: LinkedBox) -> None:
    """Noise that begins as JSON, another role than its topic's: both are named by what we know of them."""
    async with node.linked():
        node.send(b"{" + bytes(range(256)))
        node.downlink.take(topics.document("issuers"), node.city.documents["status"][1], now_s=0)
        await until(lambda: {"document", "issuers"} <= node.box.problems().keys())
        assert node.box.problems()["issuers"] == "type"
        await node.has(root=1, issuers=1, status=1, roster=1)


async def test_an_answer_that_was_given_up_meanwhile_moves_no_clock(
    node: LinkedBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its signature was checked its nonce was dropped: nobody knows any more when it was sent."""
    real = node.box.keeper.take

    async def slow(document: bytes, *, offer: Offer) -> object:
        answer = await real(document, offer=offer)
        for nonce in offer.nonces:
            node.downlink.answered(nonce)
        return answer

    monkeypatch.setattr(node.box.keeper, "take", slow)
    node.pass_s = 50
    async with node.linked():
        await node.questions(3)
        await node.settled()

    assert not node.box.time.is_anchored
    assert node.documents.wants() == {}


async def test_hostile_deliveries_end_nothing(node: LinkedBox, rng: random.Random) -> None:
    """Real documents and frames, cut, changed and on the wrong topics: the node goes on and gets what is good."""
    city = node.city
    good = [document for _, document in city.documents.values()] + [
        city.roots[0],
        authority.root(2, by=["root-a"]),
        authority.issuers(2, by=["status-a"]),
        authority.status(9, lists={"cards": Shelf().packed(cards(size=3), 9)}, by=["status-b"]),
        authority.roster(3, shelf=Shelf(), node="other"),
        authority.time(BEGIN_MS + 9 * DAY_MS, nonce=bytes(16)),
        *(piece for _, piece in city.answer("ask", _fetch(city.blobs).to_payload())),
    ]
    places = node.downlink.subscriptions
    async with node.linked():
        for _ in range(300):
            data = bytearray(rng.choice(good))
            match rng.randrange(4):
                case 0:
                    del data[rng.randrange(len(data)) :]
                case 1:
                    data[rng.randrange(len(data))] = rng.randrange(256)
                case 2:
                    data += bytes([rng.randrange(256)])
                case _:
                    pass
            node.downlink.take(rng.choice(places), bytes(data), now_s=node.now_s)
            if rng.random() < 0.1:
                await node.settled()
        await node.settled()
        node.retain("issuers", "status")
        await node.has(root=1, issuers=1, status=1, roster=1)

    assert node.box.keeper.held.lists == {"cards": 1, "codes": 1}
    assert {problem.file for problem in node.box.keeper.problems} <= {"document", "root", "issuers", "status", *ROLES}


def _fetch(blobs: Mapping[bytes, bytes]) -> Ask:
    sm3 = next(sm3 for sm3, blob in blobs.items() if blob)
    return Ask(node=NODE, nonce=bytes(16), fetch=Fetch(sm3=sm3, offset=0, length=100))
