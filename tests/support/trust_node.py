"""A node of the test city (`tests.support.authority`) that takes documents, and what it says of them."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from edge.errors import TrustError
from edge.roster import Person, id_carrier
from edge.status_list import CardState, StatusList, pack_list
from edge.trust_held import Held, Step
from edge.trust_rules import Terms, born, take
from tests.support import authority
from tests.support.authority import BEGIN_MS, NODE, Shelf, decrypt_roster

NONCE = bytes(range(16))
SOMEBODY = Person(name="测试", sex=1, birth=date(1990, 1, 1))
CARRIER = id_carrier("110101199001011237")


def after(held: Held, *documents: bytes, terms: Terms) -> Held:
    """What is held after taking all of them."""
    for one in documents:
        step = take(held, one, terms=terms)
        assert isinstance(step, Step)
        held = step.held
    return held


def terms(**changes: Any) -> Terms:
    """What a document is judged by; `shelf` gives its blobs."""
    shelf: Shelf = changes.pop("shelf", None) or Shelf()
    members: dict[str, Any] = {
        "node": NODE,
        "lo_ms": BEGIN_MS,
        "blob": shelf.give,
        "nonces": {NONCE},
        "decrypt_roster": decrypt_roster,
    }
    return Terms(**members | changes)


def node(*documents: bytes, shelf: Shelf | None = None) -> Held:
    """A node of the test city that took these."""
    return after(born(authority.root()).held, *documents, terms=terms(shelf=shelf))


def rule_of(held: Held, offered: bytes, *, role: str | None = None, **changes: Any) -> str:
    """The rule by which a document is refused, which changes nothing."""
    before = replace(held)
    with pytest.raises(TrustError) as caught:
        take(held, offered, terms=terms(**changes), role=role)
    assert held == before
    return caught.value.rule


def taken(held: Held, offered: bytes, **changes: Any) -> Step:
    """What taking a document brings."""
    step = take(held, offered, terms=terms(**changes))
    assert isinstance(step, Step)
    return step


def cards(*states: CardState, size: int = 8) -> StatusList:
    """A list whose first cards have these states."""
    return pack_list(dict(enumerate(states)), size=size)


def current(held: Held) -> Held:
    """The same after a signed time to which it was current."""
    versions = {"status_version": held.version_of("status"), "issuers_version": held.version_of("issuers")}
    step = taken(held, authority.time(BEGIN_MS + 60_000, nonce=NONCE, **versions))
    assert step.held.current_ms == BEGIN_MS + 60_000
    return step.held
