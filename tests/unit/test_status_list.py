"""Packed and hashed lists: the vectors, bounds, and rubbish."""

import base64
import mmap
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import TrustError
from edge.gm import sm3
from edge.status_list import (
    LIST_CARDS_MAX,
    CardState,
    HashedList,
    StatusList,
    inflate,
    pack_hashed,
    pack_list,
    pack_snapshot,
    unpack_snapshot,
)
from tests.support.vectors import load

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
