"""Rules of the trust set: the documents of the vectors, and each rule broken once in a document rightly signed."""

import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import dsse, gm, trust
from edge.errors import TrustError
from edge.test_keys import TEST_KEYIDS
from edge.trust_documents import IssuerEntry, entries_by_kid
from tests.support.vectors import document, key, load

ISSUER = "02831f2a01ba15e902629902d427997a3ab79039741fb24e90e41dc40407d051ec"
ROOT_KEYS = (0, 2)


def root(name: str = "root1") -> trust.Root:
    return trust.open_root(document(name))


def payload(name: str) -> dict[str, Any]:
    members = json.loads(base64.b64decode(load("trust")[name]["payload"]))
    assert isinstance(members, dict)
    return members


def signed(role: str, members: dict[str, Any]) -> bytes:
    """A document of the role's own key; what is wrong with it is wrong inside."""
    keys = [key("root", index) for index in ROOT_KEYS] if role == "root" else [key(f"{role}_role")]
    return dsse.sign(json.dumps(members).encode(), role=role, keys=keys)


def opener(role: str) -> Callable[[bytes], object]:
    return {
        "root": trust.open_root,
        "issuers": lambda data: trust.open_issuers(data, root=root()),
        "status": lambda data: trust.open_status(data, root=root()),
        "roster": lambda data: trust.open_roster_manifest(data, root=root(), node="370881-0042"),
    }[role]


def rule_of(role: str, data: bytes) -> str:
    with pytest.raises(TrustError) as caught:
        opener(role)(data)
    return caught.value.rule


def test_root_of_the_vectors_is_trusted_as_born() -> None:
    """A root that meets its own threshold says who signs what."""
    held = root()

    assert (held.version, held.city) == (1, "370800")
    assert (held.issued_at_ms, held.expires_at_ms) == (1763863200000, 1921543200000)
    assert held.keys[key("issuers_role").public.keyid] == key("issuers_role").public
    assert held.roles["root"] == trust.Role(
        keyids=frozenset(key("root", index).public.keyid for index in range(3)), threshold=2
    )
    assert held.city_encryption_key == key("city_encryption").public
    assert held.receipt_keyids == {key("receipt").public.keyid}
    assert held.payload_sm3 == gm.sm3(base64.b64decode(load("trust")["root1"]["payload"]))


@pytest.mark.parametrize("name", ["root1", "root1_expired", "root1_other_city", "root2", "root3_skips_2"])
def test_roots_with_their_own_threshold_open(name: str) -> None:
    """Expiry, city and version are no reason to refuse a root that a node is born with."""
    assert trust.open_root(document(name)).version >= 1


@pytest.mark.parametrize(
    ("name", "role", "rule"),
    [
        ("root1_signed_twice_by_one_key", "root", "threshold"),
        ("root2_one_signature", "root", "threshold"),
        ("root1_key_twice", "root", "key_twice"),
        ("issuers8_wrong_role", "issuers", "threshold"),
        ("issuers8_unknown_key", "issuers", "threshold"),
        ("issuers8_critical", "issuers", "critical"),
        ("issuers8_key_twice", "issuers", "key_twice"),
        ("issuers8_as_status", "status", "threshold"),
        ("issuers8_as_status", "issuers", "type"),
        ("issuers7", "status", "type"),
        ("issuers7", "root", "type"),
        ("status31", "issuers", "type"),
        ("time", "status", "type"),
    ],
)
def test_documents_the_vectors_name_wrong_are_refused(name: str, role: str, rule: str) -> None:
    """Each of them breaks one rule and is refused by it."""
    assert rule_of(role, document(name)) == rule


def test_next_root_needs_the_threshold_of_both() -> None:
    """Root 2 signed by enough keys of root 1 follows it, even if root 1 has expired."""
    assert trust.next_root(root(), document("root2")).version == 2
    assert trust.next_root(root("root1_expired"), document("root2")).version == 2


@pytest.mark.parametrize(
    ("name", "rule"), [("root3_skips_2", "version"), ("root1", "version"), ("root2_one_signature", "threshold")]
)
def test_next_root_steps_by_one(name: str, rule: str) -> None:
    """A root that skips one, is no newer, or has too few signatures does not follow."""
    with pytest.raises(TrustError, match=rule):
        trust.next_root(root(), document(name))


def test_next_root_must_meet_its_own_threshold_too() -> None:
    """Keys of root 1 cannot install a root whose own keys did not sign it."""
    members = payload("root2")
    stranger = key("holder").public
    members["keys"][stranger.keyid.hex()] = stranger.compressed.hex()
    members["roles"]["root"] = {"keyids": [stranger.keyid.hex()], "threshold": 1}

    with pytest.raises(TrustError, match="threshold"):
        trust.next_root(root(), signed("root", members))


def test_issuers_of_the_vectors_are_read() -> None:
    """All entries are there under their kids, with scope, days and state."""
    issuers = trust.open_issuers(document("issuers7"), root=root())

    assert issuers.version == 7
    assert issuers.staleness == trust.Staleness(fresh_s=86400, aging_s=259200, stale_s=1209600)
    assert sum(map(len, issuers.by_kid.values())) == 11
    assert issuers.by_kid[key("issuer").public.kid] == (
        trust.IssuerEntry(
            key=key("issuer").public,
            org="370800H0001",
            regions=("3708",),
            kinds=frozenset({"static", "holder"}),
            not_before=1000,
            not_after=5500,
            status_list="cards-a",
            state=trust.IssuerState.ACTIVE,
        ),
    )
    assert issuers.by_kid[key("issuer_withdrawn").public.kid][0].state is trust.IssuerState.WITHDRAWN


@pytest.mark.parametrize("name", ["issuers6", "issuers7_lapsed", "issuers7_other_bytes"])
def test_issuers_are_not_judged_by_version_or_age_here(name: str) -> None:
    """Older, expired and re-made lists open: floors and the ladder are somebody else's."""
    assert trust.open_issuers(document(name), root=root()).by_kid


def test_status_of_the_vectors_is_read() -> None:
    """Lists, deltas and hashed lists come out as the document names them."""
    status = trust.open_status(document("status31"), root=root())
    info = status.lists["cards-a"]

    assert (status.version, status.issuers_version) == (31, 7)
    assert (info.version, info.size, info.revoked, info.suspended) == (31, 4096, 4, 1)
    assert (info.deltas[0].from_version, info.deltas[0].to_version, info.deltas[0].blob.length) == (30, 31, 13)
    assert (status.hashed["national"].count, status.hashed["national"].version) == (3, 4)


def test_lists_of_the_vectors_open() -> None:
    """Snapshot and hashed list fit what the status document says of them."""
    vectors = load("status_list")
    status = trust.open_status(document("status31"), root=root())

    cards = trust.open_list(base64.b64decode(vectors["snapshot31"]), info=status.lists["cards-a"])
    hashed = trust.open_hashed(base64.b64decode(vectors["hashed"]["blob"]), info=status.hashed["national"])

    assert cards.state(1000) == "suspended"
    assert hashed.contains(bytes.fromhex(vectors["hashed"]["hits"][0]))


def status_with(*, packed: dict[str, int] | None = None, hashed: dict[str, Any] | None = None) -> trust.Status:
    members = payload("status31")
    members["lists"]["cards-a"] |= packed or {}
    members["hashed"]["national"] |= hashed or {}
    return trust.open_status(signed("status", members), root=root())


def test_list_that_is_not_the_one_named_is_refused() -> None:
    """Other bytes, and counts that do not fit, refuse a list."""
    blob = base64.b64decode(load("status_list")["snapshot31"])

    with pytest.raises(TrustError, match="blob"):
        trust.open_list(blob + b"\0", info=status_with().lists["cards-a"])
    with pytest.raises(TrustError, match="blob"):
        trust.open_list(blob[:-1] + b"\0", info=status_with().lists["cards-a"])
    for counts in ({"revoked": 5}, {"suspended": 0}):
        with pytest.raises(TrustError, match="list_counts"):
            trust.open_list(blob, info=status_with(packed=counts).lists["cards-a"])
    with pytest.raises(TrustError, match="inflate"):
        trust.open_list(blob, info=status_with(packed={"size": 4100}).lists["cards-a"])


def test_hashed_list_that_is_not_the_one_named_is_refused() -> None:
    """Other bytes, another count or two different SM3 refuse a hashed list."""
    blob = base64.b64decode(load("status_list")["hashed"]["blob"])

    with pytest.raises(TrustError, match="blob"):
        trust.open_hashed(blob[:-6], info=status_with().hashed["national"])
    with pytest.raises(TrustError, match="list_counts"):
        trust.open_hashed(blob, info=status_with(hashed={"count": 2}).hashed["national"])
    with pytest.raises(TrustError, match="list_sm3"):
        trust.open_hashed(blob, info=status_with(hashed={"sm3": "00" * 32}).hashed["national"])


def set_in(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """A change of one member, by the way to it."""

    def change(members: dict[str, Any]) -> None:
        *way, last = path.split("/")
        place: Any = members
        for step in way:
            place = place[int(step) if isinstance(place, list) else step]
        place[int(last) if isinstance(place, list) else last] = value

    return change


OTHER_KEYID = key("holder").public.keyid.hex()


@pytest.mark.parametrize(
    ("role", "change", "rule"),
    [
        ("root", set_in("version", 0), "member"),
        ("root", set_in("issued_at", -1), "member"),
        ("root", set_in("city", "3708"), "member"),
        ("root", set_in("city", "37080x"), "member"),
        ("root", set_in("city", "३७०८००"), "member"),
        ("root", set_in("keys", {}), "keyid"),
        ("root", set_in(f"keys/{OTHER_KEYID}", ISSUER), "keyid"),
        ("root", set_in(f"keys/{OTHER_KEYID}", "02" + "ff" * 32), "key"),
        ("root", set_in(f"keys/{OTHER_KEYID}", "02"), "member"),
        ("root", set_in("keys", {f"{n:016x}": f"02{n:064x}" for n in range(257)}), "size"),
        ("root", set_in("city_encryption_key", "04" + "00" * 32), "key"),
        ("root", set_in("receipt_keyids", [OTHER_KEYID]), "keyid"),
        ("root", set_in("roles/time/keyids", [OTHER_KEYID]), "keyid"),
        ("root", set_in("roles/time/keyids", ["c3a9233ad6d46c91"] * 2), "key_twice"),
        ("root", set_in("roles/root/threshold", 0), "member"),
        ("root", set_in("roles/root/threshold", 3), "threshold"),
        ("root", set_in("roles", {}), "threshold"),
        ("root", set_in("critical", ["colour"]), "critical"),
        ("root", set_in("critical", "city"), "member"),
        ("issuers", set_in("staleness/fresh_s", True), "member"),
        ("issuers", set_in("issuers", {}), "member"),
        ("issuers", set_in("issuers/0/state", "sleeping"), "state"),
        ("issuers", set_in("issuers/0/scope/regions", ["370"]), "member"),
        ("issuers", set_in("issuers/0/key", ISSUER[:-2]), "member"),
        ("issuers", set_in("issuers/0/not_before", None), "member"),
        ("status", set_in("lists/cards-a/sm3", "00"), "member"),
        ("status", set_in("lists/cards-a/snapshot", None), "member"),
        ("status", set_in("lists/bad\nname", {}), "member"),
        ("status", set_in("hashed/national/key", "00" * 15), "member"),
        ("status", set_in("issuers", 7), "member"),
    ],
)
def test_a_broken_rule_refuses_a_document_rightly_signed(
    role: str, change: Callable[[dict[str, Any]], None], rule: str
) -> None:
    """A signature does not excuse what is inside."""
    members = payload({"root": "root1", "issuers": "issuers7", "status": "status31"}[role])
    change(members)

    assert rule_of(role, signed(role, members)) == rule


@pytest.mark.parametrize("name", ["root1", "issuers7", "status31"])
def test_unknown_members_are_ignored_and_known_ones_may_be_critical(name: str) -> None:
    """A newer city can say more; only what it calls critical must be known."""
    members = payload(name)
    role = name.rstrip("0123456789")
    members |= {"colour": {"any": ["thing"]}, "critical": sorted(members)}

    assert opener(role)(signed(role, members))


def test_roles_a_node_does_not_know_are_ignored() -> None:
    """A root may name roles of later versions, whatever they look like inside."""
    members = payload("root1")
    members["roles"]["moon"] = {"keyids": [OTHER_KEYID], "threshold": 9}

    assert "moon" not in trust.open_root(signed("root", members)).roles


def test_role_without_keys_signs_nothing() -> None:
    """A document of a role that the root does not name is refused."""
    members = payload("root1")
    del members["roles"]["status"]
    held = trust.open_root(signed("root", members))

    with pytest.raises(TrustError, match="threshold"):
        trust.open_status(document("status31"), root=held)


def test_documents_end_at_their_size_limits() -> None:
    """1 MiB for a document, 64 KiB for a roster manifest, judged before parsing."""
    long = b" " * (1024 * 1024)

    for role in ("root", "issuers", "status"):
        assert rule_of(role, long) == "json"
        assert rule_of(role, long + b" ") == "size"
    assert rule_of("roster", long[: 64 * 1024]) == "json"
    assert rule_of("roster", long[: 64 * 1024 + 1]) == "size"


def test_manifest_of_the_vectors_is_for_its_node_only() -> None:
    """The roster's manifest opens for the node it names and for no other."""
    data = json.dumps(load("roster")["manifest"]).encode()

    manifest = trust.open_roster_manifest(data, root=root(), node="370881-0042")

    assert (manifest.version, manifest.count, manifest.length) == (3, 4, 539)
    assert "wrapped_key" not in repr(manifest)
    with pytest.raises(TrustError, match="node"):
        trust.open_roster_manifest(data, root=root(), node="370881-0043")


class KeyOfOneKid:
    """Stands for keys whose first four bytes of SM3 are the same: a real pair takes 2**16 tries, five take 2**26."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.kid = b"same"


def entries(count: int) -> list[IssuerEntry]:
    return [
        IssuerEntry(
            key=KeyOfOneKid(number),  # type: ignore[arg-type]
            org="org",
            regions=("37",),
            kinds=frozenset({"static"}),
            not_before=0,
            not_after=1,
            status_list="a",
            state=trust.IssuerState.ACTIVE,
        )
        for number in range(count)
    ]


def test_at_most_four_keys_share_a_kid() -> None:
    """Four keys under one kid are all kept, a fifth refuses the document."""
    assert len(entries_by_kid(entries(4))[b"same"]) == 4
    with pytest.raises(TrustError, match="kid"):
        entries_by_kid(entries(5))


@pytest.mark.parametrize(
    ("city", "regions", "is_in"),
    [
        ("370800", ("3708",), True),
        ("370800", ("370881",), True),
        ("370800", ("37",), True),
        ("370800", ("3702", "11"), False),
        ("370800", ("3709",), False),
        ("370800", (), False),
        ("370881", ("3708",), True),
        ("370881", ("370882",), False),
        ("370000", ("3702",), True),
        ("110000", ("11",), True),
        ("370200", ("3708",), False),
    ],
)
def test_regions_are_prefixes_one_way_or_the_other(city: str, regions: tuple[str, ...], is_in: bool) -> None:
    """A county's key serves its city's nodes and a province's key all its cities, never a neighbour."""
    assert trust.is_in_region(city, regions=regions) is is_in


def test_published_test_keys_are_known() -> None:
    """The keys of the vectors are found in a root and in an issuer list; keys nobody knows are not."""
    known = {
        bytes.fromhex(one["keyid"])
        for entry in load("keys").values()
        for one in (entry if isinstance(entry, list) else [entry] if isinstance(entry, dict) else [])
    }
    issuers = trust.open_issuers(document("issuers7"), root=root())

    assert known == TEST_KEYIDS
    assert trust.uses_test_keys(root(), test_keyids=TEST_KEYIDS)
    assert trust.uses_test_keys(issuers, test_keyids=TEST_KEYIDS)
    assert not trust.uses_test_keys(root(), test_keyids=frozenset())
    assert trust.uses_test_keys(root(), test_keyids=frozenset({key("city_encryption").public.keyid}))


def test_an_empty_trust_set_holds_nothing() -> None:
    """A node without documents relies on none."""
    empty = trust.TrustSet()

    assert (empty.root, empty.issuers, empty.status, empty.roster) == (None, None, None, None)
    assert not empty.lists
    assert not empty.hashed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(data=st.data(), role=st.sampled_from(["root", "issuers", "status"]), value=JSON)
def test_any_payload_raises_nothing_but_the_documented_error(data: st.DataObject, role: str, value: object) -> None:
    """Whatever a rightly signed payload holds in place of any member, it is read or refused with `TrustError`."""
    members = payload({"root": "root1", "issuers": "issuers7", "status": "status31"}[role])
    place: Any = members
    while True:
        step = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if isinstance(place[step], dict | list) and place[step] and data.draw(st.booleans()):
            place = place[step]
            continue
        place[step] = value
        break

    with contextlib.suppress(TrustError):
        opener(role)(signed(role, members))
