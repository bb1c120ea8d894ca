"""Packed and hashed lists: the vectors, bounds, and rubbish."""

import base64
import mmap
import random
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import trust
from edge.errors import TrustError
from edge.gm import hmac_sm3, sm3
from edge.status_list import (
    LIST_CARDS_MAX,
    PREFIX_BYTES,
    CardState,
    HashedList,
    StatusList,
    check_list,
    check_order,
    inflate,
    pack_hashed,
    pack_list,
    pack_snapshot,
    unpack_snapshot,
)
from tests.support.vectors import document, load

STATES = (CardState.VALID, CardState.REVOKED, CardState.SUSPENDED, CardState.NOT_COVERED)


def snapshot(version: int) -> StatusList:
    vectors = load("status_list")
    return unpack_snapshot(
        base64.b64decode(vectors[f"snapshot{version}"]),
        size=vectors["size"],
        sm3=bytes.fromhex(vectors[f"packed{version}_sm3"]),
    )


@pytest.mark.parametrize("version", [30, 31])
def test_snapshots_of_the_vectors_say_what_they_should(version: int) -> None:
    """Every index of both snapshots has the state another implementation gave it."""
    named = {int(index): STATES[state] for index, state in load("status_list")[f"v{version}"].items()}

    status_list = snapshot(version)

    assert {index: status_list.state(index) for index in range(4096)} == dict.fromkeys(range(4096), STATES[0]) | named
    counts = [list(named.values()).count(state) for state in (CardState.REVOKED, CardState.SUSPENDED)]
    assert status_list.counts() == tuple(counts)


def test_packing_is_least_significant_first() -> None:
    """The packed bytes are those of the vectors."""
    first = bytes.fromhex(load("status_list")["first_bytes30"])

    assert snapshot(30).packed[: len(first)] == first


def test_packing_gives_the_vectors_back() -> None:
    """A list packed here is the list another implementation packed."""
    vectors = load("status_list")
    states = {int(index): STATES[state] for index, state in vectors["v31"].items()}

    packed = pack_list(states, size=vectors["size"])

    assert packed == snapshot(31)
    assert unpack_snapshot(pack_snapshot(packed), size=4096, sm3=sm3(packed.packed)) == packed


def test_beyond_the_end_nothing_is_said() -> None:
    """An index at or above the size is not covered, though its byte may be there."""
    status_list = StatusList(5, bytes((0b01_01_01_01, 0b01_01_01_01)))

    assert status_list.state(4) is CardState.REVOKED
    assert status_list.state(5) is CardState.NOT_COVERED
    assert status_list.state(2**32 - 1) is CardState.NOT_COVERED
    assert status_list.counts() == (5, 0)


@given(states=st.lists(st.sampled_from(STATES), max_size=200))
def test_any_states_survive_packing(states: list[CardState]) -> None:
    """What is packed is read back, counted right, whatever the length."""
    packed = pack_list(dict(enumerate(states)), size=len(states))

    status_list = unpack_snapshot(pack_snapshot(packed), size=len(states), sm3=sm3(packed.packed))

    assert [status_list.state(index) for index in range(len(states))] == states
    assert status_list.counts() == (states.count(CardState.REVOKED), states.count(CardState.SUSPENDED))


def test_large_lists_are_counted_whole() -> None:
    """Counting does not stop at the first chunk."""
    packed = pack_list({7: CardState.REVOKED, 99_998: CardState.REVOKED, 99_999: CardState.SUSPENDED}, size=100_000)

    assert packed.counts() == (2, 1)


def test_a_mapped_file_is_read_like_bytes(tmp_path: Path) -> None:
    """Both kinds of list read a buffer that lies in a file."""
    hashed = load("status_list")["hashed"]
    file = tmp_path / "blob"
    file.write_bytes(base64.b64decode(hashed["blob"]))
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        assert HashedList(bytes.fromhex(hashed["key"]), view).contains(bytes.fromhex(hashed["hits"][0]))
        assert StatusList(8, view).state(0) is STATES[view[0] & 3]
        assert StatusList(72, view).counts() == StatusList(72, bytes(view)).counts()


def test_every_byte_value_survives_packing(tmp_path: Path) -> None:
    """Packed bytes 00 to FF come back from a snapshot and from a mapped file, each card with its own two bits."""
    every = StatusList(1024, bytes(range(256)))
    states = [STATES[byte >> shift & 3] for byte in range(256) for shift in (0, 2, 4, 6)]

    assert [every.state(index) for index in range(1024)] == states
    assert pack_list(dict(enumerate(states)), size=1024) == every
    assert unpack_snapshot(pack_snapshot(every), size=1024, sm3=sm3(every.packed)) == every
    file = tmp_path / "list"
    file.write_bytes(every.packed)
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        kept = StatusList(1024, view)
        assert kept == every
        assert [kept.state(index) for index in range(1024)] == states
        assert unpack_snapshot(pack_snapshot(kept), size=1024, sm3=sm3(view)) == every


def signed_list() -> trust.ListInfo:
    return trust.open_status(document("status31"), root=trust.open_root(document("root1"))).lists["cards-a"]


def test_a_list_is_held_against_what_is_signed() -> None:
    """Size, SM3 and counts each refuse a list that is not the one the status document names."""
    good, info = snapshot(31), signed_list()

    check_list(good, info)
    check_list(StatusList(good.size, memoryview(good.packed)), info)
    for wrong, said, rule in (
        (StatusList(4095, good.packed), info, "list_size"),
        (StatusList(4096, bytes(good.packed) + b"\0"), info, "list_size"),
        (StatusList(4096, good.packed[:-1]), info, "list_size"),
        (good, replace(info, size=4095), "list_size"),
        (snapshot(30), info, "list_sm3"),
        (good, replace(info, revoked=info.revoked + 1), "list_counts"),
        (good, replace(info, suspended=info.suspended - 1), "list_counts"),
    ):
        with pytest.raises(TrustError, match=rule):
            check_list(wrong, said)


def test_names_beyond_the_list_are_a_bug() -> None:
    """A city that packs an index its list does not have is told so."""
    with pytest.raises(ValueError, match="beyond"):
        pack_list({4: CardState.REVOKED}, size=4)


@pytest.mark.parametrize(
    ("blob", "size", "rule"),
    [
        (zlib.compress(bytes(1024)), 4097, "inflate"),
        (zlib.compress(bytes(1024)), 4092, "inflate"),
        (zlib.compress(bytes(1024)) + b"\0", 4096, "inflate"),
        (zlib.compress(bytes(1024))[:-1], 4096, "inflate"),
        (zlib.compress(bytes(100_000_000)), 4096, "inflate"),
        (b"rubbish", 4096, "inflate"),
        (b"", 0, "inflate"),
        (zlib.compress(bytes(1023) + b"\1"), 4096, "list_sm3"),
        (zlib.compress(bytes(1024)), LIST_CARDS_MAX + 1, "list_size"),
    ],
    ids=["longer", "shorter", "trailing", "cut", "bomb", "rubbish", "empty", "other bytes", "beyond any list"],
)
def test_snapshots_that_do_not_fit_are_refused(blob: bytes, size: int, rule: str) -> None:
    """Inflating is bounded by the size the signed document states, and the result must be exactly what it names."""
    with pytest.raises(TrustError, match=rule):
        unpack_snapshot(blob, size=size, sm3=sm3(bytes(1024)))


@given(blob=st.binary(max_size=200), size=st.integers(0, 100))
def test_any_blob_raises_nothing_but_the_documented_error(blob: bytes, size: int) -> None:
    """Rubbish in place of a snapshot is refused with `TrustError`."""
    with pytest.raises(TrustError):
        inflate(blob, bytes_exactly=size)


def test_hashed_list_of_the_vectors_knows_its_indices() -> None:
    """Hits are found and misses are not, as another implementation hashed them."""
    vectors = load("status_list")["hashed"]
    hashed = HashedList(bytes.fromhex(vectors["key"]), base64.b64decode(vectors["blob"]))

    assert all(hashed.contains(bytes.fromhex(index)) for index in vectors["hits"])
    assert not any(hashed.contains(bytes.fromhex(index)) for index in vectors["misses"])
    assert pack_hashed(map(bytes.fromhex, vectors["hits"]), key=hashed.key) == hashed.prefixes


@given(indices=st.sets(st.binary(min_size=24, max_size=32), max_size=40), other=st.binary(min_size=33, max_size=33))
def test_hashed_lists_hold_all_that_was_put_in(indices: set[bytes], other: bytes) -> None:
    """Every index packed is found, from the first to the last; another is not."""
    hashed = HashedList(bytes(16), pack_hashed(indices, key=bytes(16)))

    assert all(hashed.contains(index) for index in indices)
    assert not hashed.contains(other)


KEY = bytes(range(16))
ASKED = bytes(32)
PREFIX = hmac_sm3(KEY, ASKED)[:PREFIX_BYTES]
NUMBER = int.from_bytes(PREFIX)


def listed(prefixes: set[bytes]) -> HashedList:
    return HashedList(KEY, b"".join(sorted(prefixes)))


def octets(number: int) -> bytes:
    return number.to_bytes(PREFIX_BYTES)


UNEVEN = {
    "none": set[bytes](),
    "one below": {octets(NUMBER - 1)},
    "one above": {octets(NUMBER + 1)},
    "all at the bottom": {octets(number) for number in range(1000)},
    "all at the top": {octets(2**48 - 1 - number) for number in range(1000)},
    "most just below": {octets(NUMBER - 1 - number) for number in range(1000)},
    "most just above": {octets(NUMBER + 1 + number) for number in range(1000)},
    "bottom and just below": {octets(each) for number in range(500) for each in (number, NUMBER - 1 - number)},
    "top and just above": {octets(each) for number in range(500) for each in (2**48 - 1 - number, NUMBER + 1 + number)},
}


@pytest.mark.parametrize("name", UNEVEN)
def test_a_hashed_list_need_not_be_even(name: str) -> None:
    """Wherever its prefixes crowd, one that is there is found and one that is not is not."""
    prefixes = UNEVEN[name]

    assert not listed(prefixes).contains(ASKED)
    assert listed(prefixes | {PREFIX}).contains(ASKED)


@given(near=st.sets(st.integers(-400, 400).filter(bool), max_size=300), far=st.sets(st.integers(0, 2**48 - 1)))
def test_any_hashed_list_names_what_is_in_it(near: set[int], far: set[int]) -> None:
    """Prefixes next to the one asked for, and anywhere, change nothing."""
    prefixes = {octets(NUMBER + step) for step in near} | {octets(number) for number in far - {NUMBER}}

    assert not listed(prefixes).contains(ASKED)
    assert listed(prefixes | {PREFIX}).contains(ASKED)


def test_bytes_of_two_neighbours_are_no_hit() -> None:
    """The prefix asked for may stand across the end of one and the start of another: that names nobody."""
    across = {PREFIX[3:] + PREFIX[:3], PREFIX[3:] + b"\xff\xff\xff"}
    place = int.from_bytes(min(across))
    crowd = {octets(number) for number in (*range(place - 300, place), *range(place + 2**24, place + 2**24 + 300))}

    for others in (set[bytes](), crowd):
        assert PREFIX in listed(across | others).prefixes
        assert not listed(across | others).contains(ASKED)
        assert listed(across | others | {PREFIX}).contains(ASKED)


def test_bytes_of_two_neighbours_hide_no_hit() -> None:
    """Met first across two neighbours, a prefix that stands a little further on is still found."""
    index = (98_519).to_bytes(32)  # its prefix begins as its second half does, so the two neighbours lie just below it
    prefix = hmac_sm3(KEY, index)[:PREFIX_BYTES]
    across = {prefix[3:] + prefix[:3], prefix[3:] + b"\xff\xff\xff"}
    even = {octets(number * 2**48 // 2000) for number in range(2000)}

    blob = b"".join(sorted({*even, *across, prefix}))

    assert max(across) < prefix
    assert blob.find(prefix) % PREFIX_BYTES
    assert HashedList(KEY, blob).contains(index)
    assert not listed({*even, *across}).contains(index)


def test_large_hashed_lists_know_all_their_indices(rng: random.Random) -> None:
    """Of many indices every one packed is found, others are not, in bytes and in a view alike."""
    indices = {rng.randbytes(32) for _ in range(5_000)}
    blob = pack_hashed(indices, key=KEY)

    check_order(blob)
    for prefixes in (blob, memoryview(blob)):
        hashed = HashedList(KEY, prefixes)
        assert all(hashed.contains(index) for index in indices)
        assert not any(hashed.contains(rng.randbytes(24)) for _ in range(5_000))


def test_every_byte_value_survives_hashing() -> None:
    """Prefixes with bytes 00 to FF in every place are found by an index that has them."""
    wanted = {(place, value) for place in range(PREFIX_BYTES) for value in range(256)}
    indices, number = set[bytes](), 0
    while wanted:
        number += 1
        index = number.to_bytes(32)
        had = wanted & set(enumerate(hmac_sm3(KEY, index)[:PREFIX_BYTES]))
        indices |= {index} if had else set()
        wanted -= had

    hashed = HashedList(KEY, pack_hashed(indices, key=KEY))

    assert all(hashed.contains(index) for index in indices)
    assert not hashed.contains(bytes(31))


@pytest.mark.parametrize(
    ("prefixes", "is_ordered"),
    [
        (b"", True),
        (b"bbbbbb", True),
        (b"aaaaaabbbbbb", True),
        (b"aaaaaaaaaaaa", True),
        (b"bbbbbbaaaaaa", False),
        (b"aaaaabaaaaaa", False),
        (b"aaaaaacccccc" + b"bbbbbb", False),
        (b"\x7faaaaa\x80aaaaa", True),
        (b"\x80aaaaa\x7faaaaa", False),
        (b"aa\x80aaaaa\x7faaa", False),
    ],
)
def test_hashed_lists_ascend(prefixes: bytes, *, is_ordered: bool) -> None:
    """Out of order a look-up would miss what is there: such a list is refused."""
    for each in (prefixes, memoryview(prefixes)):
        if is_ordered:
            check_order(each)
        else:
            with pytest.raises(TrustError, match="list_order"):
                check_order(each)
