"""The sealed roster: the vector, what is refused, and that nothing of a person shows."""

import base64
import contextlib
import json
import mmap
import tracemalloc
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import gm, trust
from edge.errors import DecryptError, TrustError
from edge.roster import (
    ROSTER_BYTES_MAX,
    Person,
    PersonState,
    Roster,
    RosterManifest,
    birth_carrier,
    build_roster,
    card_carrier,
    id_carrier,
    index_carrier,
    open_roster,
)
from sync import cbor
from tests.support.vectors import document, key, load

KEYS = bytes(range(32))
INDEX = "A" * 64
PERSON = Person(
    name="张小雨",
    sex=2,
    birth=date(2017, 12, 25),
    id_no="11010020171225006X",
    tags=("chronic",),
    doses=({"vaccine": "0201", "n": 1, "day": "2026-10-01"},),
)


def manifest_of_vectors() -> RosterManifest:
    data = json.dumps(load("roster")["manifest"]).encode()
    return trust.open_roster_manifest(data, root=trust.open_root(document("root1")), node="370881-0042")


def manifest_for(blob: bytes, *, count: int) -> RosterManifest:
    return RosterManifest(
        version=1,
        issued_at_ms=0,
        expires_at_ms=2000,
        node="370881-0042",
        lease_until_ms=1000,
        count=count,
        sm3=gm.sm3(blob),
        length=len(blob),
        wrapped_key=b"wrapped",
    )


def opened(blob: bytes, *, count: int, keys: bytes = KEYS) -> Roster:
    return open_roster(manifest_for(blob, count=count), blob, decrypt=lambda _: keys)


def test_roster_of_the_vectors_names_its_people() -> None:
    """Every carrier of the vector is found with what another implementation sealed."""
    roster = open_roster(
        manifest_of_vectors(),
        base64.b64decode(load("roster")["blob"]),
        decrypt=key("node_encryption").decrypt,
    )

    for entry in load("roster")["people"]:
        plain = entry["plain"]
        assert roster.find(entry["carrier"]) == Person(
            name=plain["name"],
            sex=plain["sex"],
            birth=date.fromisoformat(plain["birth"]),
            id_no=plain.get("id_no"),
            state=PersonState(plain["state"]),
            tags=tuple(plain["tags"]),
            doses=tuple(plain["doses"]),
            aliases=tuple(plain["aliases"]),
        )
    assert roster.find(index_carrier("C" * 64)) is None
    assert roster.find("card:3ABD8ED61BCBC7EA") is None
    assert roster.lease_end_ms == 1797991200000


def test_carrier_strings_are_the_contracts() -> None:
    """What the city hashes is what the node hashes."""
    assert card_carrier(bytes.fromhex("3abd8ed61bcbc7ea")) == "card:3abd8ed61bcbc7ea"
    assert index_carrier(INDEX) == "index:" + INDEX
    assert id_carrier("11010020171225006X") == "id:11010020171225006X"
    assert birth_carrier("M370012345") == "birth:M370012345"


def test_what_the_city_builds_the_node_reads() -> None:
    """All members of a person survive, under every carrier."""
    by_id, by_index = id_carrier("11010020171225006X"), index_carrier(INDEX)
    people = {
        by_id: replace(PERSON, aliases=(by_index,)),
        by_index: replace(PERSON, state=PersonState.LOST, id_no=None, tags=(), doses=(), aliases=(by_id,)),
    }

    roster = opened(build_roster(people.items(), keys=KEYS), count=2)

    assert {carrier: roster.find(carrier) for carrier in people} == people
    assert roster.lease_end_ms == 1000


def test_a_lapsed_manifest_ends_the_lease() -> None:
    """The lease ends with the manifest if that ends first."""
    blob = build_roster([], keys=KEYS)
    manifest = replace(manifest_for(blob, count=0), lease_until_ms=3000)

    roster = open_roster(manifest, blob, decrypt=lambda _: KEYS)

    assert roster.lease_end_ms == 2000
    assert roster.manifest.destroyed_from_ms == 2000 + 60 * 86_400_000
    assert roster.find(index_carrier(INDEX)) is None


@given(numbers=st.sets(st.integers(0, 2**64 - 1), max_size=30), other=st.integers(0, 2**64 - 1))
def test_exactly_those_put_in_are_found(numbers: set[int], other: int) -> None:
    """Of any number of people each is found under the own carrier, and nobody else."""
    carriers = {card_carrier(number.to_bytes(8)): replace(PERSON, name=f"甲{number}") for number in numbers}
    roster = opened(build_roster(carriers.items(), keys=KEYS), count=len(carriers))

    assert {carrier: roster.find(carrier) for carrier in carriers} == carriers
    assert (roster.find(card_carrier(other.to_bytes(8))) is not None) == (other in numbers)


def test_a_mapped_blob_is_read_where_it_lies(tmp_path: Path) -> None:
    """A blob in a mapped file is checked and asked without a copy: what is kept and taken is a few bytes a record."""
    lookup = gm.hmac_sm3(KEYS[:16], index_carrier(INDEX).encode())[:16]
    other = bytes(300)  # never opened
    lookups = sorted({number.to_bytes(2) * 8 for number in range(5_000)})
    rows = [record(each, other) for each in lookups if each < lookup]
    rows.append(build_roster([(index_carrier(INDEX), PERSON)], keys=KEYS))
    rows += [record(each, other) for each in lookups if each > lookup]
    blob = b"".join(rows)
    manifest = manifest_for(blob, count=len(rows))
    file = tmp_path / "blob"
    file.write_bytes(blob)

    with (
        file.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        tracemalloc.start()
        try:
            roster = open_roster(manifest, view, decrypt=lambda _: KEYS)
            found = roster.find(index_carrier(INDEX))
            stranger = roster.find(index_carrier("B" * 64))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        del roster

    assert found == PERSON
    assert stranger is None
    assert peak < len(blob) // 10


def test_nothing_of_a_person_shows() -> None:
    """Neither a person's nor a roster's repr holds names, numbers, rows or keys."""
    roster = opened(build_roster([(id_carrier("11010020171225006X"), PERSON)], keys=KEYS), count=1)

    for text in (repr(PERSON), repr(roster), str(PERSON)):
        assert "张" not in text
        assert "1101" not in text
        assert "2017" not in text
        assert repr(KEYS[:16]) not in text


def record(lookup: bytes, row: bytes, *, length: int | None = None) -> bytes:
    return lookup + (len(row) if length is None else length).to_bytes(2) + row


LOW, HIGH, ROW = b"a" * 16, b"b" * 16, bytes(29)


@pytest.mark.parametrize(
    ("blob", "count"),
    [
        (record(HIGH, ROW) + record(LOW, ROW), 2),
        (record(LOW, ROW) + record(LOW, ROW), 2),
        (record(LOW, ROW) + record(HIGH, ROW), 1),
        (record(LOW, ROW), 2),
        (record(LOW, ROW)[:-1], 1),
        (record(LOW, ROW) + b"a", 1),
        (record(LOW, ROW[:-1]), 1),
        (record(LOW, ROW, length=0xFFFF), 1),
        (LOW, 1),
    ],
    ids=["descending", "twice", "more", "fewer", "cut", "trailing", "short row", "overlong row", "no row"],
)
def test_records_out_of_order_or_shape_are_refused(blob: bytes, count: int) -> None:
    """Records ascend by lookup, none twice, as many as signed, and fill the blob."""
    with pytest.raises(TrustError, match="roster_records"):
        opened(blob, count=count)


def test_blob_that_is_not_the_one_named_is_refused() -> None:
    """Length and SM3 must be the manifest's, and no roster is beyond the limit."""
    blob = build_roster([(index_carrier(INDEX), PERSON)], keys=KEYS)
    manifest = manifest_for(blob, count=1)

    for changed, rule in (
        (replace(manifest, length=len(blob) + 1), "roster_size"),
        (replace(manifest, length=ROSTER_BYTES_MAX + 1), "roster_size"),
        (replace(manifest, sm3=bytes(32)), "roster_sm3"),
    ):
        with pytest.raises(TrustError, match=rule):
            open_roster(changed, blob, decrypt=lambda _: KEYS)


def refuse(_: bytes) -> bytes:
    raise DecryptError("not for this key")


def test_roster_for_another_key_is_refused() -> None:
    """A wrapped key that does not open, or opens to something else, refuses the roster."""
    blob = build_roster([], keys=KEYS)

    for decrypt in (refuse, lambda _: KEYS[:16]):
        with pytest.raises(TrustError, match="roster_key"):
            open_roster(manifest_for(blob, count=0), blob, decrypt=decrypt)


def test_row_under_another_key_says_nothing() -> None:
    """A row that is there but does not open is an error, not a stranger."""
    blob = build_roster([(index_carrier(INDEX), PERSON)], keys=KEYS)

    with pytest.raises(TrustError, match="roster_row"):
        opened(blob, count=1, keys=KEYS[:16] + bytes(16)).find(index_carrier(INDEX))


def sealed(plain: bytes) -> Roster:
    """A roster of one row with whatever plain text a city put there."""
    lookup = gm.hmac_sm3(KEYS[:16], index_carrier(INDEX).encode())[:16]
    row = bytes(12) + gm.sm4_gcm_seal(KEYS[16:], nonce=bytes(12), plaintext=plain, associated=lookup)
    return opened(record(lookup, row), count=1)


PLAIN = {"name": "李娜", "sex": 2, "birth": "1990-02-03", "state": "active", "tags": [], "doses": [], "aliases": []}


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"sex": 3},
        {"sex": True},
        {"birth": "19900203"},
        {"birth": "1990-W05-6"},
        {"birth": "1990-02-30"},
        {"state": "sleeping"},
        {"id_no": 1},
        {"tags": [1]},
        {"doses": [1]},
        {"aliases": 1},
    ],
)
def test_rows_with_wrong_members_say_nothing(change: dict[str, Any]) -> None:
    """A row whose members are of another kind is an error of the city's, never half a person."""
    assert sealed(cbor.encode(PLAIN)).find(index_carrier(INDEX)) is not None
    with pytest.raises(TrustError, match="roster_row"):
        sealed(cbor.encode(PLAIN | change)).find(index_carrier(INDEX))


def test_a_row_may_lack_tags_and_have_members_of_tomorrow() -> None:
    """Tags stand only where the city configures them; what a node does not know it leaves alone."""
    plain = {name: value for name, value in PLAIN.items() if name != "tags"} | {"tomorrow": [1, {"a": b"b"}]}

    found = sealed(cbor.encode(plain)).find(index_carrier(INDEX))

    assert found is not None
    assert (found.name, found.tags) == ("李娜", ())


@given(plain=st.binary(min_size=1, max_size=60))
def test_any_row_raises_nothing_but_the_documented_error(plain: bytes) -> None:
    """Rubbish under a good tag, and a map that lacks members, raise `TrustError`."""
    for content in (plain, cbor.encode({"name": plain}), cbor.encode([plain])):
        with pytest.raises(TrustError, match="roster_row"):
            sealed(content).find(index_carrier(INDEX))


@given(blob=st.binary(max_size=200), count=st.integers(0, 5))
def test_any_blob_raises_nothing_but_the_documented_error(blob: bytes, count: int) -> None:
    """Rubbish in place of records is refused, unless it is empty and says so."""
    if not blob and not count:
        opened(blob, count=count)
        return
    with pytest.raises(TrustError, match="roster_records"):
        opened(blob, count=count)


@given(data=st.data())
def test_a_changed_blob_never_names_another(data: st.DataObject) -> None:
    """Whatever is changed in a blob, a carrier leads to its own person, to nobody, or to an error."""
    people = {card_carrier(bytes([number] * 8)): replace(PERSON, name=f"甲{number}") for number in range(5)}
    blob = bytearray(build_roster(people.items(), keys=KEYS))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(blob) - 1))
        width = data.draw(st.sampled_from([0, 1, 2, 16, 60]))
        blob[at : at + width] = data.draw(st.binary(max_size=2)) or blob[:width]

    try:
        roster = opened(bytes(blob), count=len(people))
    except TrustError:
        return
    for carrier, person in people.items():
        with contextlib.suppress(TrustError):
            assert roster.find(carrier) in (person, None)


@given(carrier=st.text())
def test_any_carrier_may_be_asked_for(carrier: str) -> None:
    """Looking for any text finds nobody and raises nothing."""
    assert opened(build_roster([], keys=KEYS), count=0).find(carrier) is None


def test_lone_surrogates_may_be_asked_for() -> None:
    """Text that has no UTF-8 finds nobody."""
    assert opened(build_roster([], keys=KEYS), count=0).find("index:\ud800") is None


def test_what_does_not_fit_is_not_built() -> None:
    """A carrier twice, a person beyond a row's length, or an alias that leads nowhere is told to the city at once."""
    with pytest.raises(ValueError, match="alias"):
        build_roster([(index_carrier(INDEX), replace(PERSON, aliases=("birth:M370012345",)))], keys=KEYS)
    for people in (
        [(index_carrier(INDEX), PERSON)] * 2,
        [(index_carrier(INDEX), replace(PERSON, tags=("x" * 66_000,)))],
    ):
        with pytest.raises(ValueError, match="twice"):
            build_roster(people, keys=KEYS)
