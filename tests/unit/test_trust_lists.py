"""Status documents and their lists: all of it changes together, or nothing (contracts 3.3)."""

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from edge import gm
from edge.status_list import CardState, StatusList, pack_list
from edge.trust_documents import Blob, Delta
from edge.trust_held import Missing
from edge.trust_lists import DELTAS_MAX, LISTS_MAX, _wanted, _Way, cheapest_chain
from edge.trust_rules import take
from sync.blobs import PARTS_MAX
from tests.support import authority
from tests.support.authority import BEGIN_MS, DAY_MS, KEYS, Shelf
from tests.support.trust_node import cards, node, rule_of, taken, terms


def test_what_is_missing_is_named_and_nothing_changes() -> None:
    """Without its snapshots a status document is not taken; with them all of it is."""
    shelf = Shelf()
    offered = authority.status(
        4, lists={"cards": shelf.packed(cards(CardState.REVOKED), 4)}, hashed={"opaque": shelf.hashed([b"x"], 1)}
    )
    held = node()

    answer = take(held, offered, terms=terms())
    assert isinstance(answer, Missing)
    assert {blob.sm3 for blob in answer.blobs} == shelf.blobs.keys()
    assert {blob.length for blob in answer.blobs} == set(map(len, shelf.blobs.values()))

    step = taken(held, offered, shelf=shelf)
    assert step.raise_floor_ms == BEGIN_MS
    assert step.held.floors["status"].version == 4
    assert step.held.lists == {"cards": 4, "opaque": 1}
    assert step.held.trust.lists["cards"].state(0) is CardState.REVOKED
    assert step.held.trust.hashed["opaque"].contains(b"x")
    assert set(step.held.blobs) == {
        gm.sm3(step.held.trust.lists["cards"].packed),
        gm.sm3(step.held.trust.hashed["opaque"].prefixes),
    }
    assert node().lists == {}


def test_a_chain_of_deltas_is_preferred_where_it_is_cheaper() -> None:
    """Held version 1: two deltas are asked for, not the snapshot; with them the list is that of the city."""
    shelf, first, second, third = Shelf(), *big_lists()
    held = node(authority.status(1, lists={"cards": shelf.packed(first, 1)}), shelf=shelf)
    info = shelf.packed(third, 3, since={2: second})
    info["deltas"] += shelf.packed(second, 2, since={1: first})["deltas"]
    offered = authority.status(3, lists={"cards": info})

    answer = take(held, offered, terms=terms())
    assert isinstance(answer, Missing)
    assert [blob.sm3.hex() for blob in answer.blobs] == [info["deltas"][1]["sm3"], info["deltas"][0]["sm3"]]

    deltas = Shelf(blobs={blob.sm3: shelf.blobs[blob.sm3] for blob in answer.blobs})
    half = Shelf(blobs={answer.blobs[0].sm3: shelf.blobs[answer.blobs[0].sm3]})
    assert take(held, offered, terms=terms(shelf=half)) == Missing(blobs=answer.blobs[1:])
    new = taken(held, offered, shelf=deltas).held
    assert new.trust.lists["cards"] == third
    assert set(new.blobs) == {gm.sm3(third.packed)}


def test_a_snapshot_that_is_there_saves_the_deltas() -> None:
    """What lies at hand is not fetched another way."""
    shelf, first, second, _ = Shelf(), *big_lists()
    held = node(authority.status(1, lists={"cards": shelf.packed(first, 1)}), shelf=shelf)
    info = shelf.packed(second, 2, since={1: first})
    del shelf.blobs[bytes.fromhex(info["deltas"][0]["sm3"])]

    assert taken(held, authority.status(2, lists={"cards": info}), shelf=shelf).held.trust.lists["cards"] == second


def test_no_more_deltas_are_asked_for_than_can_be_fetched_together() -> None:
    """As many lists as may be, far behind: snapshots take the place of the longest chains, and all of it arrives."""
    shelf, chains = Shelf(), [7, 1, 6, 5, 2, 6, 7, 4, 3, *([0] * (LISTS_MAX - 9))]
    first, last = {}, {}
    for number, length in enumerate(chains):
        steps = [noisy(number, step) for step in range(length + 1)]
        first[f"list-{number}"] = shelf.packed(steps[0], 1)
        infos = [shelf.packed(new, at, since={at - 1: old}) for at, (old, new) in enumerate(pairwise(steps), start=2)]
        deltas = [delta for info in infos for delta in info["deltas"]]
        newest = infos[-1] if infos else shelf.packed(noisy(number + 100, 0), 2)  # whose delta is not there
        last[f"list-{number}"] = {**newest, "deltas": deltas}
    held = node(authority.status(1, lists=first), shelf=shelf)
    offered = authority.status(2, lists=last)

    answer = take(held, offered, terms=terms())

    assert isinstance(answer, Missing)
    fetched = {one.sm3 for one in answer.blobs}
    by_snapshot = {name for name, info in last.items() if bytes.fromhex(info["snapshot"]["sm3"]) in fetched}
    assert last.keys() - by_snapshot == {f"list-{number}" for number in (1, 4, 8, 7, 3, 2, 5)}
    assert len(answer.blobs) == 1 + 2 + 3 + 4 + 5 + 6 + 6 + len(by_snapshot)
    assert len(answer.blobs) < PARTS_MAX  # a roster may be fetched beside them
    new = taken(held, offered, shelf=Shelf(blobs={sm3: shelf.blobs[sm3] for sm3 in fetched})).held
    assert new.lists == {name: info["version"] for name, info in last.items()}


def test_one_long_chain_is_replaced_by_its_snapshot() -> None:
    """More deltas than can be fetched together are no way, however few bytes they are."""
    for length, is_snapshot in ((DELTAS_MAX, False), (DELTAS_MAX + 1, True)):
        ways = [_Way(snapshot=Blob(sm3=b"s", length=10**6), deltas=tuple(small(number) for number in range(length)))]
        assert (_wanted(ways) == (ways[0].snapshot,)) is is_snapshot


@pytest.mark.parametrize("hashed", [0, 1, LISTS_MAX])
def test_a_document_may_name_only_so_many_lists(hashed: int) -> None:
    """Packed and hashed together: all of them must come before any of it counts."""
    shelf = Shelf()
    one, other = shelf.packed(cards(), 1), shelf.hashed([b"x"], 1)
    lists = {f"list-{number}": one for number in range(LISTS_MAX - hashed)}
    opaque = {f"hashed-{number}": other for number in range(hashed)}

    assert len(taken(node(), authority.status(1, lists=lists, hashed=opaque), shelf=shelf).held.lists) == LISTS_MAX
    more = authority.status(1, lists={**lists, "more": one}, hashed=opaque)
    assert rule_of(node(), more, shelf=shelf) == "lists"


def test_a_delta_that_leads_elsewhere_asks_for_the_snapshot() -> None:
    """A delta to another base gives what the city did not sign: it is not used, whatever it says."""
    shelf, first, second, third = Shelf(), *big_lists()
    held = node(authority.status(1, lists={"cards": shelf.packed(first, 1)}), shelf=shelf)
    info = shelf.packed(third, 3, since={1: second})
    offered = authority.status(3, lists={"cards": info})
    snapshot = bytes.fromhex(info["snapshot"]["sm3"])
    without = Shelf(blobs={sm3: blob for sm3, blob in shelf.blobs.items() if sm3 != snapshot})

    answer = take(held, offered, terms=terms(shelf=without))
    assert isinstance(answer, Missing)
    assert [blob.sm3 for blob in answer.blobs] == [snapshot]
    assert taken(held, offered, shelf=shelf).held.trust.lists["cards"] == third


def test_bytes_that_are_others_count_as_missing() -> None:
    """A blob store that gives wrong bytes does not poison a good document."""
    shelf = Shelf()
    offered = authority.status(1, lists={"cards": shelf.packed(cards(), 1)})

    for wrong in (b"", b"other"):
        assert isinstance(take(node(), offered, terms=terms(blob=lambda _, wrong=wrong: wrong)), Missing)


def test_a_list_that_did_not_change_is_kept() -> None:
    """Neither its snapshot nor a delta is needed again, packed or hashed; a new hash key takes effect."""
    shelf = Shelf()
    packed, hashed = shelf.packed(cards(CardState.REVOKED), 1), shelf.hashed([b"x"], 1)
    held = node(authority.status(1, lists={"cards": packed}, hashed={"opaque": hashed}), shelf=shelf)

    new = taken(held, authority.status(2, lists={"cards": packed}, hashed={"opaque": hashed})).held

    assert new.trust.lists["cards"].packed is held.trust.lists["cards"].packed
    assert new.trust.hashed["opaque"].prefixes is held.trust.hashed["opaque"].prefixes
    assert new.have == {"root": 1, "status": 2}


def test_a_list_may_grow_within_its_last_byte() -> None:
    """The same bytes cover one card more: the size is that of the new document."""
    shelf = Shelf()
    held = node(authority.status(1, lists={"cards": shelf.packed(cards(size=5), 1)}), shelf=shelf)

    new = taken(held, authority.status(2, lists={"cards": shelf.packed(cards(size=6), 2)})).held

    assert new.trust.lists["cards"].size == 6


def test_a_list_never_shrinks() -> None:
    """Revoked cards beyond the end would be covered no more; only a replaced root's size binds nobody."""
    shelf = Shelf()
    held = node(authority.status(1, lists={"cards": shelf.packed(cards(size=8), 1)}), shelf=shelf)
    smaller = {"cards": shelf.packed(cards(size=7), 2), "more": shelf.packed(cards(), 2)}

    assert rule_of(held, authority.status(2, lists=smaller), shelf=shelf) == "list_shrinks"
    rotated = taken(held, authority.root(2, keys={**KEYS, "status": ("status-b",)})).held
    assert taken(rotated, authority.status(2, lists=smaller, by=["status-b"]), shelf=shelf).held.lists == {
        "cards": 2,
        "more": 2,
    }


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"revoked": 3}, "list_counts"),
        ({"sm3": "00" * 32}, "list_sm3"),
        ({"size": 2**40}, "size"),
        ({"size": 9}, "inflate"),
        ({"snapshot": {"sm3": "00" * 32, "length": 2**40}}, "size"),
    ],
)
def test_a_document_that_its_own_snapshot_belies_is_refused(change: dict[str, Any], rule: str) -> None:
    """Size, counts and SM3 are all held against it, and nothing can ask for more memory than a box has."""
    shelf = Shelf()
    info = {**shelf.packed(cards(CardState.REVOKED), 1), **change}

    assert rule_of(node(), authority.status(1, lists={"cards": info}), shelf=shelf) == rule


def test_a_hashed_list_out_of_order_is_refused() -> None:
    """A look-up in it would miss what is there."""
    shelf = Shelf()
    blob = shelf.put(b"\2" * 6 + b"\1" * 6)
    info = {"version": 1, "key": "00" * 16, "count": 2, "sm3": blob["sm3"], "snapshot": blob}

    assert rule_of(node(), authority.status(1, hashed={"opaque": info}), shelf=shelf) == "list_order"


def test_status_cannot_be_downgraded() -> None:
    """An older document, or another of the same version, does not bring a revoked card back."""
    shelf = Shelf()
    old = authority.status(1, lists={"cards": shelf.packed(cards(), 1)})
    new = authority.status(2, lists={"cards": shelf.packed(cards(CardState.REVOKED), 2)})
    held = node(old, new, shelf=shelf)

    assert rule_of(held, old, shelf=shelf) == "rollback"
    assert rule_of(held, authority.status(2), shelf=shelf) == "other_bytes"
    assert held.trust.lists["cards"].state(0) is CardState.REVOKED


def test_a_status_that_is_not_newer_raises_no_floor_of_the_clock() -> None:
    """The same document offered again to mend a list says nothing new of the time."""
    shelf = Shelf()
    offered = authority.status(1, lists={"cards": shelf.packed(cards(), 1)})
    held = node(offered, shelf=shelf)
    broken = replace(held, trust=replace(held.trust, lists={}), blobs={})

    assert isinstance(take(broken, offered, terms=terms()), Missing)
    step = taken(broken, offered, shelf=shelf)

    assert step.raise_floor_ms is None
    assert step.held == held
    assert taken(held, offered).held is held


def test_issuers_version_of_a_status_only_starts_a_fetch() -> None:
    """It blocks nothing and raises no floor."""
    held = node(authority.issuers(3))

    assert taken(held, authority.status(1, issuers_version=3)).newer == frozenset()
    step = taken(held, authority.status(1, issuers_version=4))
    assert step.newer == {"issuers"}
    assert step.held.floors["issuers"].version == 3


def test_an_expired_status_is_taken() -> None:
    """Expiry weakens verdicts; a newer document is better than none."""
    assert taken(node(), authority.status(1), lo_ms=BEGIN_MS + 900 * DAY_MS).held.have["status"] == 1


def noisy(number: int, step: int) -> StatusList:
    """One of many lists, after some steps; none packs well, so every delta is cheaper than the snapshot."""
    drawn, states = random.Random(number), list(CardState)
    noise = {index: drawn.choice(states) for index in range(2048, 4096)}
    return pack_list(noise | {8 * number + index: CardState.REVOKED for index in range(step)}, size=4096)


def small(number: int) -> Blob:
    return Blob(sm3=number.to_bytes(32, "big"), length=1)


def big_lists() -> tuple[StatusList, StatusList, StatusList]:
    """Three versions of a list that does not pack well."""
    states = list(CardState)
    first = {index: states[gm.sm3(index.to_bytes(4, "big"))[0] & 3] for index in range(4096)}
    second = first | {7: CardState.REVOKED, 4000: CardState.SUSPENDED}
    third = second | {8: CardState.VALID, 7: CardState.VALID}
    return pack_list(first, size=4096), pack_list(second, size=4096), pack_list(third, size=5000)


def deltas(*steps: tuple[int, int, int]) -> tuple[Delta, ...]:
    return tuple(
        Delta(from_version=start, to_version=end, blob=Blob(sm3=bytes(32), length=length))
        for start, end, length in steps
    )


@pytest.mark.parametrize(
    ("steps", "way"),
    [
        ([], []),
        ([(1, 3, 9)], [(1, 3)]),
        ([(2, 3, 1), (1, 2, 1), (1, 3, 3)], [(1, 2), (2, 3)]),
        ([(2, 3, 2), (1, 2, 2), (1, 3, 3)], [(1, 3)]),
        ([(1, 2, 5), (1, 2, 4), (2, 3, 1)], [(1, 2), (2, 3)]),
        ([(2, 3, 1)], []),
        ([(1, 2, 1)], []),
        ([(1, 2, 1), (2, 2, 1), (2, 1, 1), (2, 4, 1)], []),
        ([(version, version + 1, 1) for version in range(-62, 3)], [(1, 2), (2, 3)]),
    ],
)
def test_the_cheapest_way_through_the_deltas_is_found(steps: list[Any], way: list[Any]) -> None:
    """From 1 to 3 in the fewest bytes; deltas that lead nowhere, back or beyond are passed over."""
    chain = cheapest_chain(deltas(*steps), start=1, end=3)

    assert [(delta.from_version, delta.to_version) for delta in chain] == way
    assert sum(delta.blob.length for delta in chain) == sum(
        min(length for start, end, length in steps if (start, end) == step) for step in way
    )


def test_a_long_way_through_the_deltas_is_none() -> None:
    """Each step copies the list: 64 are taken, one more and a snapshot is nearer."""
    steps = deltas(*((version, version + 1, 1) for version in range(65)))

    assert len(cheapest_chain(steps, start=1, end=65)) == 64
    assert cheapest_chain(steps, start=0, end=65) == ()
    assert cheapest_chain(steps, start=5, end=5) == ()
