"""The chain of roots, and what stays of what a replaced root vouched for (contracts 3.1)."""

import json
from dataclasses import replace

import pytest

from edge.errors import TrustError
from edge.trust_held import Held, RootMissingError
from edge.trust_rules import aged, born, proven_past_ms, take
from tests.support import authority
from tests.support.authority import BEGIN_MS, DAY_MS, KEYS, STALE_S, Shelf
from tests.support.trust_node import CARRIER, SOMEBODY, after, cards, current, node, rule_of, taken, terms
from tests.support.vectors import document


def test_nothing_is_taken_without_a_root() -> None:
    """A node that was never born takes no document, not even a root."""
    for offered in (authority.root(), authority.issuers(1), authority.status(1)):
        assert rule_of(Held(), offered) == "no_root"


def test_a_node_is_born_once() -> None:
    """The same root again changes nothing; another one is refused, whatever was lost in between."""
    held = node()
    other = authority.root(issued_at_ms=BEGIN_MS + 1)

    assert born(authority.root(), held=held).held is held
    for known in (held, replace(held, roots=(), chain=())):
        with pytest.raises(TrustError, match="born"):
            born(other, held=known)


def test_the_born_root_raises_the_floor_of_the_clock() -> None:
    """It was issued before now."""
    assert born(authority.root()).raise_floor_ms == BEGIN_MS


def test_root_n_to_n_plus_2_goes_step_by_step() -> None:
    """Root 3 is refused and root 2 asked for; then both are taken, and each says its date."""
    held = node()
    second = authority.root(2, issued_at_ms=BEGIN_MS + 2)
    third = authority.root(3, issued_at_ms=BEGIN_MS + 3)

    with pytest.raises(RootMissingError, match="version") as caught:
        take(held, third, terms=terms())
    assert caught.value.wanted == 2

    for offered, version in ((second, 2), (third, 3)):
        step = taken(held, offered)
        held = step.held
        assert (step.raise_floor_ms, step.reset_floor_ms) == (BEGIN_MS + version, None)
        assert held.have == {"root": version}
    assert held.roots == (authority_root_bytes(held.roots[0]), second, third)
    assert taken(held, second).held is held


def test_an_older_root_is_refused() -> None:
    """One that comes before the born root, and another of a version of the chain."""
    held = born(authority.root(4)).held

    assert rule_of(held, authority.root(3)) == "rollback"
    assert rule_of(held, authority.root(4, issued_at_ms=BEGIN_MS + 1)) == "other_bytes"


def test_both_thresholds_are_needed() -> None:
    """Root 2 with other root keys needs two of the old and two of the new; one of either is too few."""
    keys = {**KEYS, "root": ("root-d", "root-e")}

    for by in (["root-a", "root-b"], ["root-d", "root-e"], ["root-a", "root-d", "root-e"], ["root-a", "root-d"]):
        assert rule_of(node(), authority.root(2, keys=keys, by=by)) == "threshold"
    by = ["root-a", "root-b", "root-d", "root-e"]
    assert taken(node(), authority.root(2, keys=keys, by=by)).held.have == {"root": 2}


def test_an_expired_root_lets_the_next_one_in() -> None:
    """What the box slept through cannot lock it out."""
    held = born(authority.root(expires_at_ms=BEGIN_MS)).held

    assert taken(held, authority.root(2), lo_ms=BEGIN_MS + DAY_MS).held.have == {"root": 2}
    expired = born(document("root1_expired"), allow_test_keys=True).held
    assert taken(expired, document("root2"), allow_test_keys=True).held.have == {"root": 2}


def test_a_root_of_another_city_is_refused() -> None:
    """Rightly signed, and still not this node's."""
    assert rule_of(node(), authority.root(2, city="370200")) == "city"


def test_the_chain_ends_somewhere() -> None:
    """What a thousand rotations do not reach bounds what a restart costs."""
    held = node()

    full = replace(held, roots=held.roots * 1000, chain=held.chain * 1000)

    assert rule_of(full, authority.root(2)) == "size"


def test_a_root_that_adds_a_key_resets_nothing() -> None:
    """Floors, documents, the clock and the age stay: no former key has gone."""
    held = current(node(authority.issuers(3), authority.status(5)))
    keys = {role: (*names, f"{role}-x") for role, names in KEYS.items()}

    step = taken(held, authority.root(2, keys=keys, issued_at_ms=BEGIN_MS + 9))

    assert step.reset_floor_ms is None
    assert step.raise_floor_ms == BEGIN_MS + 9
    assert step.held.floors == {**held.floors, "root": step.held.floors["root"]}
    assert step.held.former == {}
    assert step.held.current_ms == held.current_ms
    assert rule_of(step.held, authority.issuers(2, by=["issuers-x"])) == "rollback"


@pytest.mark.parametrize("role", ["issuers", "status", "roster"])
def test_a_root_that_replaces_all_keys_of_a_role_resets_its_floor(role: str) -> None:
    """Versions that a thief drove up do not bind the city for ever; other roles keep their floors."""
    shelf = Shelf()
    offer = {
        "issuers": authority.issuers,
        "status": authority.status,
        "roster": lambda v, **k: authority.roster(v, shelf=shelf, **k),
    }
    held = node(authority.issuers(7), authority.status(7), offer["roster"](7), shelf=shelf)

    new = taken(held, authority.root(2, keys={**KEYS, role: ("fresh",)})).held

    assert held.floors.keys() - new.floors.keys() == {role}
    assert new.former == {role: BEGIN_MS}
    assert role not in new.have
    for other in {"issuers", "status", "roster"} - {role}:
        assert rule_of(new, offer[other](6), shelf=shelf) == "rollback"
    assert taken(new, offer[role](1, by=["fresh"]), shelf=shelf).held.have[role] == 1


def test_a_floor_stays_while_one_former_key_remains() -> None:
    """A role of two keys that loses one keeps its versions: the other may have signed them all."""
    keys = {**KEYS, "issuers": ("issuers-a", "issuers-b")}
    held = after(born(authority.root(keys=keys)).held, authority.issuers(7), terms=terms())

    new = taken(held, authority.root(2, keys={**KEYS, "issuers": ("issuers-b", "issuers-c")})).held

    assert new.floors["issuers"] == held.floors["issuers"]
    assert new.former == {"issuers": BEGIN_MS}
    assert rule_of(new, authority.issuers(6, by=["issuers-b"])) == "rollback"
    assert rule_of(new, authority.issuers(7, by=["issuers-b"], note="other")) == "other_bytes"
    assert taken(new, authority.issuers(7, by=["issuers-b"])).held.former == {}


@pytest.mark.parametrize("role", ["time", "status", "receipt"])
def test_a_root_that_drops_a_key_that_vouched_for_times_resets_the_clock(role: str) -> None:
    """What a stolen key said of the time goes with it: anchor, floor and age."""
    held = current(node(authority.issuers(3), authority.status(5)))

    step = taken(held, authority.root(2, keys={**KEYS, role: ("fresh",)}, issued_at_ms=BEGIN_MS + 9))

    assert (step.reset_floor_ms, step.raise_floor_ms) == (BEGIN_MS + 9, None)
    assert step.held.current_ms is None
    assert step.held.claim is None


@pytest.mark.parametrize("role", ["root", "issuers", "roster"])
def test_other_keys_leave_the_clock_alone(role: str) -> None:
    """Nothing else lowers the floor."""
    held = current(node(authority.issuers(3), authority.status(5)))
    keys = {**KEYS, role: ("fresh", "fresher")}

    step = taken(held, authority.root(2, keys=keys, by=["root-a", "root-b", "fresh", "fresher"]))

    assert step.reset_floor_ms is None
    assert step.held.current_ms == held.current_ms


def test_a_role_that_a_root_leaves_out_signs_nothing() -> None:
    """Its documents stay in use for their time; a later root may name it again."""
    held = node(authority.issuers(3))
    keys = {role: names for role, names in KEYS.items() if role != "issuers"}

    new = taken(held, authority.root(2, keys=keys)).held

    assert new.former == {"issuers": BEGIN_MS}
    assert rule_of(new, authority.issuers(4)) == "threshold"
    again = taken(new, authority.root(3)).held
    assert again.former == {}
    assert again.have["issuers"] == 3


def test_what_was_held_before_counts_from_the_first_root_that_replaced_it() -> None:
    """A second rotation does not lengthen the stay of a document."""
    held = node(authority.issuers(3))
    keys = {**KEYS, "issuers": ("issuers-b",)}

    held = taken(held, authority.root(2, keys=keys, issued_at_ms=BEGIN_MS + 5)).held
    held = taken(held, authority.root(3, keys=keys, issued_at_ms=BEGIN_MS + 6)).held

    assert held.former == {"issuers": BEGIN_MS + 5}


def test_after_a_lost_cache_the_way_back_resets_nothing() -> None:
    """Roots that were taken before rebuild the chain; neither clock nor floors move, and nothing verifies until
    it is whole.
    """
    keys = {**KEYS, "time": ("time-b",), "issuers": ("issuers-b",)}
    second = authority.root(2, keys=keys)
    held = after(node(authority.issuers(3)), second, authority.issuers(4, by=["issuers-b"]), terms=terms())
    held = replace(held, current_ms=BEGIN_MS)
    lost = Held(born_sm3=held.born_sm3, floors=held.floors, withdrawn=held.withdrawn, current_ms=held.current_ms)

    step = born(held.roots[0], held=lost)
    assert (step.raise_floor_ms, step.reset_floor_ms) == (None, None)
    assert step.held.trust.root is None
    assert rule_of(step.held, authority.issuers(9)) == "no_root"
    assert proven_past_ms(step.held) is None
    assert rule_of(step.held, authority.root(2)) == "other_bytes"

    step = taken(step.held, second)
    assert (step.raise_floor_ms, step.reset_floor_ms) == (None, None)
    assert step.held.floors == held.floors
    assert step.held.current_ms == BEGIN_MS
    assert rule_of(step.held, authority.issuers(3, by=["issuers-b"])) == "rollback"
    assert taken(step.held, authority.issuers(5, by=["issuers-b"])).held.have == {"root": 2, "issuers": 5}


def test_the_past_that_documents_prove_needs_a_key_that_is_still_trusted() -> None:
    """A status document of a replaced key must not raise the floor again at the next start."""
    late = authority.status(1, issued_at_ms=BEGIN_MS + 9 * DAY_MS)
    held = node(late)

    assert proven_past_ms(node()) == BEGIN_MS
    assert proven_past_ms(held) == BEGIN_MS + 9 * DAY_MS
    replaced = taken(held, authority.root(2, keys={**KEYS, "status": ("status-b",)}, issued_at_ms=BEGIN_MS + 1))
    assert replaced.held.trust.status is not None
    assert proven_past_ms(replaced.held) == BEGIN_MS + 1


def authority_root_bytes(held_root: bytes) -> bytes:
    """SM2 signatures are never twice the same: the payload is what two documents have in common."""
    assert json.loads(held_root)["payload"] == json.loads(authority.root())["payload"]
    return held_root


@pytest.mark.parametrize("role", ["issuers", "status", "roster"])
def test_document_of_a_replaced_root_goes_after_its_time_by_lo(role: str) -> None:
    """In use to the last millisecond, gone after it; its floor and everything else stay."""
    shelf = Shelf()
    listed = {"cards": shelf.packed(cards(), 1)}
    documents = [
        authority.issuers(1),
        authority.status(1, lists=listed),
        authority.roster(
            1,
            shelf=shelf,
            people={CARRIER: SOMEBODY},
            lease_until_ms=BEGIN_MS + 900 * DAY_MS,
            expires_at_ms=BEGIN_MS + 900 * DAY_MS,
        ),
    ]
    held = node(*documents, shelf=shelf)
    held = taken(held, authority.root(2, keys={**KEYS, role: ("fresh",)})).held
    last_ms = BEGIN_MS + STALE_S * 1000

    assert aged(held, lo_ms=last_ms) is held
    left = aged(held, lo_ms=last_ms + 1)

    assert left.documents.keys() == held.documents.keys() - {role}
    assert getattr(left.trust, role) is None
    assert left.former == {}
    assert left.floors == held.floors
    assert (not left.trust.lists) is (role == "status")
    assert len(left.blobs) == 2 - (role != "issuers")


def test_the_new_city_key_ends_the_stay() -> None:
    """The same payload signed anew is enough: then it is a document like any other."""
    held = taken(node(authority.issuers(1)), authority.root(2, keys={**KEYS, "issuers": ("issuers-b",)})).held

    assert held.trust.issuers is not None
    held = taken(held, authority.issuers(1, by=["issuers-b"])).held

    assert held.former == {}
    assert aged(held, lo_ms=BEGIN_MS + 400 * DAY_MS) is held


def test_stale_s_is_that_of_the_held_issuers() -> None:
    """A city that says a day means a day; without a list two weeks are meant."""
    keys = {**KEYS, "status": ("status-b",)}
    short = after(
        node(authority.issuers(1, stale_s=86_400), authority.status(1)), authority.root(2, keys=keys), terms=terms()
    )
    none = after(node(authority.status(1)), authority.root(2, keys=keys), terms=terms())

    assert aged(short, lo_ms=BEGIN_MS + DAY_MS).trust.status is not None
    assert aged(short, lo_ms=BEGIN_MS + DAY_MS + 1).trust.status is None
    assert aged(none, lo_ms=BEGIN_MS + STALE_S * 1000).trust.status is not None
    assert aged(none, lo_ms=BEGIN_MS + STALE_S * 1000 + 1).trust.status is None
