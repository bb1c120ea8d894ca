"""The rules of taking trust documents: every document of the vectors, rosters and times (contracts 3)."""

import base64
import json
from typing import Any

import pytest

from edge import gm
from edge.errors import TrustError
from edge.trust_documents import Blob
from edge.trust_held import Floor, Held, Missing, Step
from edge.trust_rules import Terms, aged, born, forget_roster, take
from tests.support import authority
from tests.support.authority import BEGIN_MS, DAY_MS, KEYS, Shelf
from tests.support.trust_node import CARRIER, NONCE, SOMEBODY, after, current, node, rule_of, taken, terms
from tests.support.vectors import document, load
from tests.support.vectors import key as vector_key

VECTORS = load("trust")


def vector_blob(wanted: Blob) -> bytes | None:
    lists = load("status_list")
    blobs = [
        value for name, value in lists.items() if name.startswith(("snapshot", "delta")) and isinstance(value, str)
    ]
    return {gm.sm3(blob): blob for blob in map(base64.b64decode, [*blobs, lists["hashed"]["blob"]])}.get(wanted.sm3)


VECTOR_TERMS = Terms(
    node=VECTORS["node"],
    lo_ms=VECTORS["now_ms"],
    blob=vector_blob,
    nonces={bytes.fromhex(VECTORS["nonce"])},
    allow_test_keys=True,
)


def vector_node(*names: str) -> Held:
    held = born(document("root1"), allow_test_keys=True).held
    return after(held, *map(document, names or ("issuers7", "status31")), terms=VECTOR_TERMS)


REFUSED = {
    "root2_one_signature": "threshold",
    "root3_skips_2": "version",
    "root1_signed_twice_by_one_key": "threshold",
    "root1_expired": "other_bytes",
    "root1_other_city": "other_bytes",
    "root1_key_twice": "key_twice",
    "issuers6": "rollback",
    "issuers7_other_bytes": "other_bytes",
    "issuers7_lapsed": "other_bytes",
    "issuers8_wrong_role": "threshold",
    "issuers8_unknown_key": "threshold",
    "issuers8_critical": "critical",
    "issuers8_key_twice": "key_twice",
    "issuers8_as_status": "threshold",
    "status30": "rollback",
    "status31_expired": "other_bytes",
    "status31_2d": "other_bytes",
    "status31_10d": "other_bytes",
    "status31_20d": "other_bytes",
    "time_other_node": "node",
    "time_old_nonce": "nonce",
    "time_after_issuers": "time_after_trust",
}
TAKEN = {"root1", "root2", "issuers7", "status31", "time"}


def test_every_document_of_the_vectors_is_judged_below() -> None:
    """No document of trust.json is passed over."""
    assert REFUSED.keys() | TAKEN == {name for name, value in VECTORS.items() if isinstance(value, dict)}


@pytest.mark.parametrize(("name", "rule"), REFUSED.items())
def test_a_document_that_the_vectors_name_wrong_is_refused(name: str, rule: str) -> None:
    """A node that holds root 1, issuers 7 and status 31 refuses it by its rule, and holds what it held."""
    held = vector_node()

    with pytest.raises(TrustError) as caught:
        take(held, document(name), terms=VECTOR_TERMS)

    assert caught.value.rule == rule
    assert held == vector_node()


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_a_document_that_the_vectors_name_good_is_taken(name: str) -> None:
    """The same node takes what is right; what it holds already changes nothing."""
    held = vector_node()

    step = take(held, document(name), terms=VECTOR_TERMS)

    assert isinstance(step, Step)
    assert (step.held is held) is (name in {"root1", "issuers7", "status31"})


def test_a_document_of_one_role_is_refused_as_another() -> None:
    """Neither its topic nor its file name makes an issuer list a status document."""
    held = vector_node()

    for role in ("root", "status", "roster", "time"):
        with pytest.raises(TrustError, match="type"):
            take(held, document("issuers7"), terms=VECTOR_TERMS, role=role)
    with pytest.raises(TrustError, match="type"):
        take(held, document("issuers8_as_status"), terms=VECTOR_TERMS, role="issuers")
    with pytest.raises(TrustError, match="type"):
        take(held, authority.signed("config", {}, by=["root-a"]), terms=VECTOR_TERMS)
    with pytest.raises(TrustError, match="type"):
        take(held, authority.signed("weather", {}, by=["root-a"]), terms=VECTOR_TERMS)


def test_test_keys_are_refused_unless_allowed() -> None:
    """A real node trusts no root and no issuer list with a key whose private half is published."""
    with pytest.raises(TrustError, match="test_key"):
        born(document("root1"))
    leaked = vector_key("root", 0)
    keys = {**KEYS, "issuers": ("issuers-a",)}
    members = json.loads(base64.b64decode(json.loads(authority.root(2, keys=keys))["payload"]))
    members["keys"][leaked.public.keyid.hex()] = leaked.public.compressed.hex()
    assert rule_of(node(), authority.signed("root", members, by=["root-a", "root-b"])) == "test_key"

    members = json.loads(base64.b64decode(VECTORS["issuers7"]["payload"]))
    assert rule_of(node(), authority.signed("issuers", members, by=["issuers-a"])) == "test_key"


def test_a_roster_is_taken_with_its_blob() -> None:
    """First the blob is asked for; then its people are found."""
    shelf = Shelf()
    offered = authority.roster(2, shelf=shelf, people={CARRIER: SOMEBODY})

    answer = take(node(), offered, terms=terms())
    assert isinstance(answer, Missing)
    assert [blob.sm3 for blob in answer.blobs] == list(shelf.blobs)

    held = taken(node(), offered, shelf=shelf).held
    assert held.trust.roster is not None
    assert held.trust.roster.find(CARRIER) == SOMEBODY
    assert held.have == {"root": 1, "roster": 2}
    assert taken(held, offered).held is held


def test_a_longer_lease_of_the_same_people_needs_no_blob() -> None:
    """What is held serves again."""
    shelf = Shelf()
    held = node(authority.roster(2, shelf=shelf, people={}), shelf=shelf)

    assert taken(held, authority.roster(3, shelf=Shelf(), people={})).held.have["roster"] == 3


@pytest.mark.parametrize(
    ("offer", "rule"),
    [
        ({"node": "370881-0043"}, "node"),
        ({"by": ["issuers-a"]}, "threshold"),
        ({"changes": {"version": 1}}, "rollback"),
        ({"changes": {"version": 2}}, "other_bytes"),
        ({"changes": {"count": 5}}, "roster_records"),
        ({"changes": {"length": 2**40}}, "roster_size"),
        ({"lease_until_ms": BEGIN_MS - 60 * DAY_MS}, "lease"),
        ({"expires_at_ms": BEGIN_MS - 60 * DAY_MS}, "lease"),
    ],
)
def test_another_roster_is_refused(offer: dict[str, Any], rule: str) -> None:
    """Another node's, an older one, one that its blob belies, one that would be destroyed at once."""
    shelf = Shelf()
    held = node(authority.roster(2, shelf=shelf), shelf=shelf)

    assert rule_of(held, authority.roster(3, shelf=shelf, **offer), shelf=shelf) == rule


def test_a_node_without_a_key_takes_no_roster() -> None:
    """It could not read it."""
    shelf = Shelf()

    assert rule_of(node(), authority.roster(1, shelf=shelf), shelf=shelf, decrypt_roster=None) == "roster_key"


def test_a_roster_is_destroyed_60_days_after_its_lease_by_lo() -> None:
    """Whichever of lease and expiry comes first; blob and keys go, the floor stays, and it cannot come back."""
    shelf = Shelf()
    offered = authority.roster(
        2,
        shelf=shelf,
        people={CARRIER: SOMEBODY},
        lease_until_ms=BEGIN_MS + 40 * DAY_MS,
        expires_at_ms=BEGIN_MS + 30 * DAY_MS,
    )
    held = node(offered, shelf=shelf)

    assert aged(held, lo_ms=BEGIN_MS + 90 * DAY_MS - 1) is held
    left = aged(held, lo_ms=BEGIN_MS + 90 * DAY_MS)

    assert (left.trust.roster, left.documents, left.blobs) == (None, {}, {})
    assert left.floors["roster"].version == 2
    assert rule_of(left, offered, shelf=shelf) == "other_bytes"


def test_a_roster_that_was_ordered_forgotten_comes_back_only_newer() -> None:
    """A broker that replays the manifest brings nothing back; a new one of the city does."""
    shelf = Shelf()
    offered = authority.roster(2, shelf=shelf)
    left = forget_roster(node(offered, shelf=shelf))

    assert left.trust.roster is None
    assert rule_of(left, offered, shelf=shelf) == "other_bytes"
    assert taken(left, authority.roster(3, shelf=shelf), shelf=shelf).held.have["roster"] == 3
    assert forget_roster(node()).floors == node().floors


@pytest.mark.parametrize(
    ("offer", "rule"),
    [
        ({"node": "370881-0043"}, "node"),
        ({"nonce": bytes(16)}, "nonce"),
        ({"by": ["status-a"]}, "threshold"),
    ],
)
def test_a_time_that_is_not_an_answer_to_me_is_refused(offer: dict[str, Any], rule: str) -> None:
    """Another node's, an old nonce's, another role's."""
    assert rule_of(node(), authority.time(BEGIN_MS, **{"nonce": NONCE, **offer})) == rule


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"issued_at": None},
        {"expires_at": "soon"},
        {"nonce": "00" * 15},
        {"time": -1},
        {"time": True},
        {"status": {}},
        {"issuers": 3},
        {"roster": {"version": "3"}},
    ],
)
def test_a_time_that_is_none_is_refused(change: dict[str, Any]) -> None:
    """Rightly signed, and not what contracts 3.4 describes."""
    members = json.loads(base64.b64decode(json.loads(authority.time(BEGIN_MS, nonce=NONCE))["payload"]))

    assert rule_of(node(), authority.signed("time", members | change, by=["time-a"])) == "member"


def test_a_time_beyond_the_expiry_of_the_held_issuers_is_refused() -> None:
    """Exactly then it is still taken; without issuers there is nothing to hold it against."""
    end_ms = BEGIN_MS + 365 * DAY_MS
    held = node(authority.issuers(1))

    assert rule_of(held, authority.time(end_ms + 1, nonce=NONCE)) == "time_after_trust"
    assert taken(held, authority.time(end_ms, nonce=NONCE)).time is not None
    assert taken(node(), authority.time(end_ms + 1, nonce=NONCE)).time is not None


def test_a_time_has_no_floor() -> None:
    """Its version is always the same."""
    step = taken(node(), authority.time(BEGIN_MS, nonce=NONCE))

    assert step.held.floors == node().floors
    assert (step.raise_floor_ms, step.reset_floor_ms) == (None, None)
    assert step.time is not None
    assert (step.time.time_ms, step.time.nonce) == (BEGIN_MS, NONCE)


def test_age_counts_from_a_time_to_which_everything_is_current() -> None:
    """Status and issuers must not be older than it says; the roster does not matter."""
    held = node(authority.issuers(3), authority.status(5))

    def told(status_version: int, issuers_version: int, roster_version: int | None = None) -> Step:
        return taken(
            held,
            authority.time(
                BEGIN_MS + 7,
                nonce=NONCE,
                status_version=status_version,
                issuers_version=issuers_version,
                roster_version=roster_version,
            ),
        )

    assert (told(5, 3).held.current_ms, told(5, 3).newer) == (BEGIN_MS + 7, frozenset())
    assert (told(4, 2).held.current_ms, told(4, 2).newer) == (BEGIN_MS + 7, frozenset())
    assert (told(6, 3).held.current_ms, told(6, 3).newer) == (BEGIN_MS, {"status"})
    assert (told(5, 4).held.current_ms, told(5, 4).newer) == (BEGIN_MS, {"issuers"})
    assert (told(5, 3, 1).held.current_ms, told(5, 3, 1).newer) == (BEGIN_MS + 7, {"roster"})


def test_a_time_counts_as_soon_as_what_it_names_has_come() -> None:
    """The fetch that it started is what makes the node current as of then."""
    held = node(authority.issuers(3), authority.status(5))
    held = taken(held, authority.time(BEGIN_MS + 7, nonce=NONCE, status_version=6, issuers_version=4)).held

    held = taken(held, authority.status(6)).held
    assert held.current_ms == BEGIN_MS  # of the status held when it first heard of newer documents
    held = taken(held, authority.issuers(4)).held

    assert held.current_ms == BEGIN_MS + 7
    assert held.claim is None


def test_age_never_counts_from_an_earlier_time() -> None:
    """A time that says less than the one before takes nothing back."""
    held = current(node(authority.issuers(3), authority.status(5)))

    earlier = taken(held, authority.time(BEGIN_MS, nonce=NONCE, status_version=5, issuers_version=3)).held

    assert earlier.current_ms == held.current_ms


def test_documents_of_a_replaced_root_are_current_to_nothing() -> None:
    """Their versions may be a thief's: a time names them newer until one comes under the new key."""
    held = node(authority.issuers(3), authority.status(5))
    held = taken(held, authority.root(2, keys={**KEYS, "status": ("status-b",)})).held

    step = taken(held, authority.time(BEGIN_MS + 7, nonce=NONCE, status_version=1, issuers_version=3))

    assert (step.newer, step.held.current_ms) == ({"status"}, BEGIN_MS)
    step = taken(step.held, authority.status(1, by=["status-b"]))
    assert step.held.current_ms == BEGIN_MS + 7


def test_a_document_above_the_time_is_taken_and_only_its_date_is_told() -> None:
    """Whether a date may raise the floor is the clock's to say: one above hi raises nothing there."""
    late_ms = BEGIN_MS + 9 * DAY_MS

    step = taken(node(), authority.status(1, issued_at_ms=late_ms))

    assert step.raise_floor_ms == late_ms
    assert step.held.floors["status"].version == 1


def test_size_limits_are_judged_before_anything_is_parsed() -> None:
    """1 MiB for a document, 64 KiB for a roster's manifest."""
    long = b" " * (1024 * 1024 + 1)

    for role in ("root", "issuers", "status", "time"):
        assert rule_of(node(), long, role=role) == "size"
    assert rule_of(node(), b" " * (64 * 1024 + 1), role="roster") == "size"
    assert rule_of(node(), long) == "size"
    assert rule_of(node(), b"{}") == "envelope"


def test_what_is_held_shows_no_content() -> None:
    """A log line or a traceback with it names versions, not documents."""
    held = node(authority.issuers(1))

    assert "payloadType" not in repr(held)
    assert held.floors["issuers"] == Floor(version=1, payload_sm3=held.floors["issuers"].payload_sm3)
