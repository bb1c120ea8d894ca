"""Deltas of packed lists: the vectors, chains that must end in the fresh snapshot, and rubbish."""

import base64
import itertools
import random
import tracemalloc
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import trust
from edge.errors import TrustError
from edge.gm import sm3
from edge.status_delta import VARINT_BYTES_MAX, apply_delta, make_delta
from edge.status_list import (
    LIST_CARDS_MAX,
    CardState,
    StatusList,
    check_list,
    pack_list,
    pack_snapshot,
    packed_bytes,
    unpack_snapshot,
)
from tests.support.vectors import document, load

STATES = (CardState.VALID, CardState.REVOKED, CardState.SUSPENDED, CardState.NOT_COVERED)
SIZE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a status document would say of a list."""

    size: int
    sm3: bytes
    revoked: int
    suspended: int


def facts_of(status_list: StatusList) -> Facts:
    revoked, suspended = status_list.counts()
    return Facts(size=status_list.size, sm3=sm3(status_list.packed), revoked=revoked, suspended=suspended)


def of_vectors(version: int) -> StatusList:
    vectors = load("status_list")
    return unpack_snapshot(
        base64.b64decode(vectors[f"snapshot{version}"]),
        size=vectors["size"],
        sm3=bytes.fromhex(vectors[f"packed{version}_sm3"]),
    )


def delta_of_vectors() -> bytes:
    return base64.b64decode(load("status_list")["delta_30_31"])


def varint(value: int, *, length: int = 0) -> bytes:
    """LEB128 of `value`, padded to `length` bytes."""
    octets = bytearray()
    while value >= 0x80 or len(octets) + 1 < length:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*octets, value))


def delta(*entries: tuple[int, int]) -> bytes:
    """The blob of pairs of gap and state."""
    return zlib.compress(b"".join(varint(gap << 2 | state) for gap, state in entries))


def states_of(status_list: StatusList) -> list[CardState]:
    return [status_list.state(index) for index in range(status_list.size)]


def test_delta_of_the_vectors_leads_from_30_to_31() -> None:
    """Snapshot 30 and another implementation's delta are snapshot 31, as its status document signs it."""
    info = trust.open_status(document("status31"), root=trust.open_root(document("root1"))).lists["cards-a"]

    result = apply_delta(of_vectors(30), delta_of_vectors(), size=info.size)

    check_list(result, info)
    assert result == of_vectors(31)


def test_delta_made_here_is_the_one_of_the_vectors() -> None:
    """The varints from 30 to 31 are those another implementation wrote, a reinstated card among them."""
    assert zlib.decompress(make_delta(of_vectors(30), of_vectors(31))) == zlib.decompress(delta_of_vectors())
    assert of_vectors(30).state(78) is CardState.SUSPENDED
    assert of_vectors(31).state(78) is CardState.VALID


def test_the_list_a_delta_starts_from_stays_as_it_is() -> None:
    """A delta works on a copy, whether it succeeds or not."""
    before = of_vectors(30)

    apply_delta(before, delta_of_vectors(), size=5000)
    with pytest.raises(TrustError, match="delta_index"):
        apply_delta(before, delta((5, 0), (5000, 1)), size=4096)

    assert before == of_vectors(30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Versions of one list and the deltas between each and the next."""

    versions: list[StatusList]
    deltas: list[bytes]


def chain(steps: Iterable[tuple[int, dict[int, CardState]]]) -> Chain:
    """A list that starts empty; each step grows it and changes some of its cards (indices count modulo its size)."""
    states: list[CardState] = []
    versions = [StatusList(0, b"")]
    for growth, changes in steps:
        states += [CardState.VALID] * growth
        for index, state in changes.items():
            if states:
                states[index % len(states)] = state
        versions.append(pack_list(dict(enumerate(states)), size=len(states)))
    return Chain(versions=versions, deltas=[make_delta(*pair) for pair in itertools.pairwise(versions)])


STEPS = st.lists(
    st.tuples(st.integers(0, 300), st.dictionaries(st.integers(0, 2000), st.sampled_from(STATES), max_size=30)),
    min_size=1,
    max_size=8,
)


@given(steps=STEPS)
def test_a_snapshot_and_deltas_are_the_fresh_snapshot(steps: list[tuple[int, dict[int, CardState]]]) -> None:
    """From any version the deltas lead to the newest, byte for byte, whatever was revoked, reinstated or added."""
    made = chain(steps)
    newest = unpack_snapshot(
        pack_snapshot(made.versions[-1]), size=made.versions[-1].size, sm3=sm3(made.versions[-1].packed)
    )

    for start, status_list in enumerate(made.versions):
        result = status_list
        for version, blob in zip(made.versions[start + 1 :], made.deltas[start:], strict=True):
            result = apply_delta(result, blob, size=version.size)
            check_list(result, facts_of(version))
        assert result == newest


@given(steps=STEPS)
def test_a_delta_over_several_versions_is_their_chain(steps: list[tuple[int, dict[int, CardState]]]) -> None:
    """One delta may span any number of versions."""
    first, *_, last = versions = chain(steps).versions

    assert len(versions) > 1
    assert apply_delta(first, make_delta(first, last), size=last.size) == last


def test_reinstated_cards_are_valid_again() -> None:
    """A card revoked in one version and given back in the next is valid, as in a snapshot made afresh."""
    first = pack_list({3: CardState.REVOKED, 4: CardState.SUSPENDED}, size=SIZE)
    second = pack_list({4: CardState.REVOKED}, size=SIZE)

    result = apply_delta(first, make_delta(first, second), size=SIZE)

    assert (result.state(3), result.state(4)) == (CardState.VALID, CardState.REVOKED)
    check_list(result, facts_of(second))


@given(steps=STEPS)
def test_a_delta_applied_twice_changes_nothing_more(steps: list[tuple[int, dict[int, CardState]]]) -> None:
    """Entries state what a card is, not how it changed: a second time gives the same list, and the check holds."""
    made = chain(steps)

    for before, after, blob in zip(made.versions[:-1], made.versions[1:], made.deltas, strict=True):
        twice = apply_delta(apply_delta(before, blob, size=after.size), blob, size=after.size)
        check_list(twice, facts_of(after))
        assert twice == after


def three_versions() -> Chain:
    """Card 5 is revoked, then given back: the order of its deltas shows."""
    return chain([(SIZE, {7: CardState.SUSPENDED}), (0, {5: CardState.REVOKED}), (0, {5: CardState.VALID})])


def test_deltas_out_of_order_are_caught_by_the_check() -> None:
    """The later delta before the earlier one gives another list, which size, SM3 and counts refuse."""
    made = three_versions()
    _, first, second, third = made.versions
    _, to_second, to_third = made.deltas

    wrong = apply_delta(apply_delta(first, to_third, size=SIZE), to_second, size=SIZE)

    assert wrong == second  # an old state has come back
    with pytest.raises(TrustError, match="list_sm3"):
        check_list(wrong, facts_of(third))


def test_a_delta_on_an_older_base_is_caught_by_the_check() -> None:
    """A delta that skips one leaves out its changes, which size, SM3 and counts refuse."""
    made = chain([(SIZE, {}), (0, {5: CardState.REVOKED}), (0, {6: CardState.REVOKED})])
    _, first, _, third = made.versions

    wrong = apply_delta(first, made.deltas[2], size=SIZE)

    with pytest.raises(TrustError, match="list_sm3"):
        check_list(wrong, facts_of(third))


def test_a_delta_without_its_base_is_caught_by_the_check() -> None:
    """Applied to nothing, a delta gives only what it names: that is never the version it leads to."""
    made = three_versions()

    wrong = apply_delta(StatusList(0, b""), made.deltas[1], size=SIZE)

    assert wrong.counts() == (1, 0)
    with pytest.raises(TrustError, match="list_sm3"):
        check_list(wrong, facts_of(made.versions[2]))


def test_every_byte_value_survives_a_delta() -> None:
    """A list of all bytes 00 to FF is reached from an empty one, and left again."""
    every = StatusList(1024, bytes(range(256)))
    blank = StatusList(1024, bytes(256))

    assert apply_delta(blank, make_delta(blank, every), size=1024) == every
    assert apply_delta(every, make_delta(every, blank), size=1024) == blank
    for start in range(256):
        turned = StatusList(1024, bytes((start + place) % 256 for place in range(256)))
        assert apply_delta(every, make_delta(every, turned), size=1024) == turned


@pytest.mark.parametrize("old_size", range(1, 9))
def test_a_list_grows_with_cards_that_are_valid(old_size: int) -> None:
    """New cards have state 0, those in the old last byte too, whatever stood behind the old end."""
    old = StatusList(old_size, b"\xff" * packed_bytes(old_size))

    result = apply_delta(old, delta(), size=21)

    assert states_of(result) == [CardState.NOT_COVERED] * old_size + [CardState.VALID] * (21 - old_size)
    assert result.counts() == (0, 0)
    check_list(result, facts_of(pack_list(dict.fromkeys(range(old_size), CardState.NOT_COVERED), size=21)))
    assert apply_delta(old, make_delta(old, result), size=21) == result


def test_a_list_that_does_not_grow_keeps_its_bytes() -> None:
    """Without growth, a delta that names nothing leaves every byte, those behind the last card too."""
    old = StatusList(5, b"\xff\xff")

    assert apply_delta(old, delta(), size=5) == old
    assert zlib.decompress(make_delta(old, StatusList(5, b"\xff\x03"))) == b""


@pytest.mark.parametrize("size", [SIZE - 1, 0, -1, LIST_CARDS_MAX + 1])
def test_a_list_never_shrinks_nor_outgrows_any_list(size: int) -> None:
    """A smaller size, and one beyond the limit, are refused before anything is inflated."""
    with pytest.raises(TrustError, match="list_size"):
        apply_delta(StatusList(SIZE, bytes(SIZE // 4)), delta(), size=size)


def test_the_first_entry_may_be_card_0_and_the_last_the_last() -> None:
    """A first gap of 0 is index 0; later ones step to the last card."""
    result = apply_delta(StatusList(SIZE, bytes(SIZE // 4)), delta((0, 1), (1, 2), (SIZE - 2, 3)), size=SIZE)

    assert {index: state for index, state in enumerate(states_of(result)) if state is not CardState.VALID} == {
        0: CardState.REVOKED,
        1: CardState.SUSPENDED,
        SIZE - 1: CardState.NOT_COVERED,
    }


def test_a_padded_varint_is_read() -> None:
    """LEB128 may be longer than it must, up to what any index needs."""
    entry = varint(9 << 2 | 1, length=VARINT_BYTES_MAX)

    result = apply_delta(StatusList(SIZE, bytes(SIZE // 4)), zlib.compress(entry), size=SIZE)

    assert len(entry) == VARINT_BYTES_MAX
    assert result.state(9) is CardState.REVOKED


GOOD = delta((5, 1), (1, 2))


@pytest.mark.parametrize(
    ("blob", "rule"),
    [
        (delta((SIZE, 1)), "delta_index"),
        (delta((SIZE - 1, 1), (1, 1)), "delta_index"),
        (delta((2**32 - 1, 1)), "delta_index"),
        (delta((5, 1), (0, 1)), "delta_order"),
        (delta((0, 1), (0, 1)), "delta_order"),
        (zlib.compress(b"\x80"), "delta_varint"),
        (zlib.compress(varint(5 << 2) + varint(2**20)[:-1]), "delta_varint"),
        (zlib.compress(varint(5 << 2, length=VARINT_BYTES_MAX + 1)), "delta_varint"),
        (zlib.compress(b"\xff" * 100), "delta_varint"),
        (GOOD + b"\0", "inflate"),
        (GOOD + GOOD, "inflate"),
        (GOOD + bytes(100_000), "inflate"),
        (GOOD[:-1], "inflate"),
        (GOOD[:-5], "inflate"),
        (b"", "inflate"),
        (b"rubbish", "inflate"),
        (zlib.compress(bytes(SIZE * 10 + 1)), "inflate"),
    ],
    ids=[
        "first beyond",
        "later beyond",
        "far beyond",
        "gap 0",
        "gap 0 after card 0",
        "cut short",
        "later one cut short",
        "over-long",
        "endless",
        "trailing byte",
        "two streams",
        "many trailing bytes",
        "cut in the checksum",
        "cut before it",
        "empty",
        "rubbish",
        "longer than 10 bytes a card",
    ],
)
def test_malformed_deltas_are_refused(blob: bytes, rule: str) -> None:
    """Each malformed form has its rule."""
    assert apply_delta(StatusList(SIZE, bytes(SIZE // 4)), GOOD, size=SIZE).counts() == (1, 1)
    with pytest.raises(TrustError) as refused:
        apply_delta(StatusList(SIZE, bytes(SIZE // 4)), blob, size=SIZE)
    assert refused.value.rule == rule


@pytest.mark.parametrize("content", [b"\0", b"\x01\x05", b"\x80\x80\x00", b"\xff"])
def test_a_bomb_never_lies_in_memory(content: bytes) -> None:
    """A blob that inflates to 50 MB is refused in little more memory than the list itself takes."""
    bomb = zlib.compress(content * (50_000_000 // len(content)))
    status_list = StatusList(SIZE, bytes(SIZE // 4))

    tracemalloc.start()
    try:
        with pytest.raises(TrustError):
            apply_delta(status_list, bomb, size=SIZE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 256 * 1024


def test_large_deltas_are_read_piece_by_piece(rng: random.Random) -> None:
    """A delta that changes nearly every card of a large list leads to it, wherever its pieces are cut."""
    size = 100_003
    old, new = (pack_list(dict(enumerate(rng.choices(STATES, k=size))), size=size) for _ in range(2))

    blob = make_delta(old, new)

    assert len(blob) > 16 * 1024
    assert apply_delta(old, memoryview(blob), size=size) == new
    assert apply_delta(StatusList(size, memoryview(old.packed)), blob, size=size) == new
    assert make_delta(StatusList(size, memoryview(old.packed)), StatusList(size, memoryview(new.packed))) == blob


def test_gaps_of_every_length_are_written_and_read() -> None:
    """Cards far apart take varints of one to four bytes, up to the last card of the largest list."""
    old = StatusList(LIST_CARDS_MAX, bytes(packed_bytes(LIST_CARDS_MAX)))
    entries = ((31, 1), (1 << 11, 2), (1 << 18, 3), (LIST_CARDS_MAX - 1 - 31 - (1 << 11) - (1 << 18), 1))

    new = apply_delta(old, delta(*entries), size=LIST_CARDS_MAX)

    assert new.state(LIST_CARDS_MAX - 1) is CardState.REVOKED
    assert new.counts() == (2, 1)
    assert zlib.decompress(make_delta(old, new)) == zlib.decompress(delta(*entries))


@given(blob=st.binary(max_size=100), varints=st.binary(max_size=200), size=st.integers(0, 2000))
def test_any_delta_raises_nothing_but_the_documented_error(blob: bytes, varints: bytes, size: int) -> None:
    """Rubbish, and rubbish under a good checksum, give a list of the size asked for or `TrustError`."""
    for each in (blob, zlib.compress(varints)):
        try:
            result = apply_delta(pack_list({3: CardState.REVOKED}, size=10), each, size=size)
        except TrustError:
            continue
        assert result.size == size
        assert len(result.packed) == packed_bytes(size)


def test_any_cut_of_a_delta_is_refused() -> None:
    """No prefix of a delta leads anywhere."""
    blob = delta_of_vectors()

    for end in range(len(blob)):
        with pytest.raises(TrustError, match="inflate"):
            apply_delta(of_vectors(30), blob[:end], size=4096)


def test_a_city_that_shrinks_a_list_is_told() -> None:
    """A delta to a smaller list is not made."""
    with pytest.raises(ValueError, match="shrinks"):
        make_delta(of_vectors(30), pack_list({}, size=4095))
