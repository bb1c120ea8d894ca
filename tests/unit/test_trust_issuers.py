"""Lists of issuer keys: versions only rise, and what was withdrawn once stays withdrawn (contracts 3.2, 3.6)."""

from dataclasses import replace

import pytest

from edge.trust import IssuerState
from edge.trust_held import Held
from edge.trust_rules import TOMBSTONES_MAX, born, with_tombstones
from edge.trust_state import STATE_BYTES_MAX, Kept, read_state, write_state
from tests.support import authority
from tests.support.authority import KEYS, key
from tests.support.trust_node import node, rule_of, taken


def test_versions_only_rise() -> None:
    """A lower one is refused, an equal one only with the same payload, whoever signed it."""
    held = node(authority.issuers(7))

    assert rule_of(held, authority.issuers(6)) == "rollback"
    assert rule_of(held, authority.issuers(7, note="other bytes")) == "other_bytes"
    assert taken(held, authority.issuers(7)).held.floors == held.floors
    assert taken(held, held.documents["issuers"]).held is held
    assert taken(held, authority.issuers(9)).held.have == {"root": 1, "issuers": 9}


def test_older_issuers_are_refused_after_the_cache_was_deleted() -> None:
    """Floors alone are enough to refuse what is replayed."""
    held = node(authority.issuers(7))
    lost = Held(born_sm3=held.born_sm3, floors=held.floors)

    lost = born(held.roots[0], held=lost).held

    assert lost.trust.issuers is None
    assert rule_of(lost, authority.issuers(6)) == "rollback"
    assert rule_of(lost, authority.issuers(7, note="other bytes")) == "other_bytes"
    assert taken(lost, held.documents["issuers"]).held == held


def test_a_key_once_withdrawn_stays_withdrawn() -> None:
    """A later list may call it active, or forget it: its cards are refused all the same."""
    held = node(authority.issuers(1, active=["issuer-a"], withdrawn=["issuer-b"]))

    for version, listed in ((2, ["issuer-a", "issuer-b"]), (3, ["issuer-a"]), (4, ["issuer-b"])):
        held = taken(held, authority.issuers(version, active=listed)).held
        assert state_of(held, "issuer-b") is IssuerState.WITHDRAWN
    assert state_of(held, "issuer-a") is None
    assert held.withdrawn == {key("issuer-b").public.compressed}


def test_tombstones_outlive_the_cache_and_the_floor() -> None:
    """Neither a deleted cache nor a new issuers key brings a withdrawn key back."""
    held = node(authority.issuers(5, active=[], withdrawn=["issuer-b"]))
    lost = born(held.roots[0], held=Held(born_sm3=held.born_sm3, floors=held.floors, withdrawn=held.withdrawn)).held

    lost = taken(lost, authority.root(2, keys={**KEYS, "issuers": ("issuers-b",)})).held
    lost = taken(lost, authority.issuers(1, active=["issuer-b"], by=["issuers-b"])).held

    assert state_of(lost, "issuer-b") is IssuerState.WITHDRAWN


def test_a_refused_list_withdraws_nothing() -> None:
    """What is not taken leaves no tombstone."""
    held = node(authority.issuers(5))

    assert rule_of(held, authority.issuers(4, active=[], withdrawn=["issuer-a"])) == "rollback"
    assert held.withdrawn == frozenset()


def test_a_thief_who_withdraws_many_keys_does_not_make_withdrawal_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the newest list withdraws is remembered first, then what it names otherwise, then as many as fit."""
    monkeypatch.setattr("edge.trust_rules.TOMBSTONES_MAX", 3)
    held = node(authority.issuers(1, active=[], withdrawn=["issuer-a", "fake-1", "fake-2", "fake-3"]))
    assert len(held.withdrawn) == 3
    assert all(state_of(held, name) is IssuerState.WITHDRAWN for name in ("issuer-a", "fake-1", "fake-2", "fake-3"))
    held = node(authority.issuers(1, active=[], withdrawn=["issuer-a", "fake-1", "fake-2"]))

    held = taken(held, authority.issuers(2, active=["issuer-a"], withdrawn=["issuer-b"])).held

    known = {key(name).public.compressed for name in ("issuer-a", "issuer-b")}
    assert len(held.withdrawn) == 3
    assert held.withdrawn > known
    for version in (3, 4):
        assert state_of(held, "issuer-a") is state_of(held, "issuer-b") is IssuerState.WITHDRAWN
        held = taken(held, authority.issuers(version, active=["issuer-a", "issuer-b"])).held
    assert held.withdrawn > known


def test_as_many_tombstones_as_may_be_fit_into_the_state() -> None:
    """What is taken can be stored and read again."""
    many = Kept(withdrawn=frozenset(number.to_bytes(33, "big") for number in range(TOMBSTONES_MAX)))

    assert len(write_state(many)) < STATE_BYTES_MAX / 4
    assert read_state(write_state(many)) == many


def test_a_tombstone_stands_beside_listed_keys_of_its_kid() -> None:
    """Keys that share a kid are all tried, the listed ones first."""
    issuers = node(authority.issuers(1)).trust.issuers
    assert issuers is not None
    (entry,) = issuers.by_kid[key("issuer-a").public.kid]
    twins = replace(issuers, by_kid={key("issuer-b").public.kid: (entry,)})

    marked = with_tombstones(twins, withdrawn=frozenset({key("issuer-b").public.compressed}))

    assert [one.state for one in marked.by_kid[key("issuer-b").public.kid]] == [
        IssuerState.ACTIVE,
        IssuerState.WITHDRAWN,
    ]


def state_of(held: Held, issuer: str) -> IssuerState | None:
    assert held.trust.issuers is not None
    entries = held.trust.issuers.by_kid.get(key(issuer).public.kid, ())
    return next((entry.state for entry in entries if entry.key == key(issuer).public), None)
