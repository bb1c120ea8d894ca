"""Two sets of trust documents, one after the other, and the box that keeps them."""

from dataclasses import replace
from pathlib import Path

from edge.status_list import CardState
from edge.trust_recheck import Rechecked
from edge.trust_rules import born
from edge.trust_store import TrustStore
from tests.support import authority
from tests.support.authority import BEGIN_MS, KEYS, Shelf
from tests.support.trust_node import CARRIER, SOMEBODY, after, cards, terms

SHELF = Shelf()
TERMS = terms(shelf=SHELF)
FIRST_CARDS, SECOND_CARDS = cards(CardState.REVOKED), cards(CardState.REVOKED, CardState.SUSPENDED, size=12)
FIRST_LISTS = {"cards": SHELF.packed(FIRST_CARDS, 1), "other": SHELF.packed(cards(size=5), 1)}
SECOND_LISTS = {"cards": SHELF.packed(SECOND_CARDS, 2, since={1: FIRST_CARDS}), "other": FIRST_LISTS["other"]}
FIRST = (
    authority.issuers(1, withdrawn=["issuer-b"]),
    authority.status(1, lists=FIRST_LISTS, hashed={"opaque": SHELF.hashed([b"x"], 1)}),
    authority.roster(1, shelf=SHELF, people={CARRIER: SOMEBODY}),
)
SECOND = (
    authority.root(2, keys={**KEYS, "roster": ("roster-b",)}),
    authority.issuers(2, withdrawn=["issuer-c"]),
    authority.status(2, lists=SECOND_LISTS, hashed={"opaque": SHELF.hashed([b"x", b"y"], 2)}),
    authority.roster(1, shelf=SHELF, by=["roster-b"]),
)
OLD = replace(after(born(authority.root()).held, *FIRST, terms=TERMS), current_ms=BEGIN_MS + 5)
NEW = after(OLD, *SECOND, terms=TERMS)


def store(home: Path) -> TrustStore:
    """The store of a box, as the program makes it at each start."""
    return TrustStore(home / "cache", state_file=home / "state")


def load(home: Path) -> Rechecked:
    """What a start finds."""
    return store(home).load(terms=TERMS)


def files(home: Path) -> set[str]:
    """Names in the cache."""
    return {path.name for path in (home / "cache").iterdir()}


def path_of(home: Path, sm3: bytes) -> Path:
    """A file of the cache, which must be there."""
    path = home / "cache" / sm3.hex()
    assert path.exists()
    return path
