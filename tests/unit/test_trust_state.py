"""The state outside the cache: what it names comes back, and not one byte of a damaged one is believed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import gm
from edge.errors import TrustError
from edge.trust import Problem
from edge.trust_held import DOCUMENT_ROLES, Floor, Held
from edge.trust_recheck import Rechecked
from edge.trust_state import Kept, kept_of, read_state, write_state
from edge.trust_store import TrustStore
from tests.support import authority
from tests.support.trust_node import node, terms

SM3S = st.binary(min_size=32, max_size=32)
FLOORS = st.builds(Floor, version=st.integers(1, 2**53 - 1), payload_sm3=SM3S)


def store(home: Path) -> TrustStore:
    return TrustStore(home / "cache", state_file=home / "state")


def load(home: Path) -> Rechecked:
    return store(home).load(terms=terms())


def files(home: Path) -> set[str]:
    return {path.name for path in (home / "cache").iterdir()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A node that holds something."""
    store(tmp_path).save(node(authority.issuers(1, withdrawn=["issuer-b"])))
    return tmp_path


def test_any_flipped_byte_is_noticed(home: Path) -> None:
    """Nothing of a damaged state is believed; where both are, the node starts with nothing, and says so."""
    text = (home / "state").read_bytes()
    whole = load(home).held

    for place in range(0, len(text), 7):
        (home / "state").write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
        assert load(home) == Rechecked(held=whole, problems=(Problem(file="state", rule="damaged"),))
    (home / "state.1").write_bytes(text[: len(text) // 2])
    problems = (Problem(file="state", rule="damaged"), Problem(file="state.1", rule="damaged"))
    assert load(home) == Rechecked(held=Held(), problems=problems)
    (home / "state").unlink()
    problems = (Problem(file="state", rule="missing"), Problem(file="state.1", rule="damaged"))
    assert load(home) == Rechecked(held=Held(), problems=problems)


def test_a_state_that_is_lost_is_told_from_a_first_start(home: Path) -> None:
    """A cache without it means that the floors are gone."""
    (home / "state").unlink()
    (home / "state.1").unlink()
    before = files(home)

    assert load(home) == Rechecked(held=Held(), problems=(Problem(file="state", rule="missing"),))
    assert files(home) == before


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (Path.mkdir, "unreadable"),
        (os.mkfifo, "unreadable"),
        (lambda path: path.write_bytes(bytes(4 * 1024 * 1024 + 1)), "size"),
        (lambda path: path.write_bytes(b""), "damaged"),
    ],
)
def test_something_else_in_its_place_stops_nothing(tmp_path: Path, make: Callable[[Path], object], rule: str) -> None:
    """A folder, a pipe, a file too long or empty: the node starts with nothing, and says so."""
    make(tmp_path / "state")

    assert load(tmp_path).problems == (Problem(file="state", rule=rule),)


def test_a_state_of_a_node_that_never_had_a_root(tmp_path: Path) -> None:
    """Nothing held can be saved, and is held again."""
    store(tmp_path).save(Held())

    assert load(tmp_path) == Rechecked(held=Held())
    assert kept_of(Held()) == Kept()


@given(
    kept=st.builds(
        Kept,
        born_sm3=st.none() | SM3S,
        roots=st.lists(SM3S, max_size=3, unique=True).map(tuple),
        documents=st.dictionaries(st.sampled_from(DOCUMENT_ROLES), SM3S),
        floors=st.dictionaries(st.sampled_from([*DOCUMENT_ROLES, "root", "config"]), FLOORS),
        withdrawn=st.frozensets(st.binary(min_size=33, max_size=33), max_size=3),
        current_ms=st.none() | st.integers(0, 2**53 - 1),
    )
)
def test_whatever_is_kept_comes_back(kept: Kept) -> None:
    """Writing and reading a state changes nothing."""
    assert read_state(write_state(kept)) == kept


@given(text=st.binary(max_size=200))
def test_any_other_text_is_damaged(text: bytes) -> None:
    """Garbage, with or without a checksum that holds, raises nothing but the documented error."""
    for garbage in (text, b"ehc-trust-1 " + gm.sm3(text).hex().encode() + b"\n" + text):
        with pytest.raises(TrustError, match="damaged"):
            read_state(garbage)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"roots": [], "documents": {"time": {"sm3": "' + b"00" * 32 + b'"}}, "floors": {}, "withdrawn": []}',
        b'{"roots": ["00"], "documents": {}, "floors": {}, "withdrawn": []}',
        b'{"roots": [], "documents": {}, "floors": {"root": {"version": 0}}, "withdrawn": []}',
    ],
)
def test_a_state_that_another_program_wrote_is_damaged(body: bytes) -> None:
    """Its checksum holds, and its members are not ours."""
    with pytest.raises(TrustError, match="damaged"):
        read_state(b"ehc-trust-1 " + gm.sm3(body).hex().encode() + b"\n" + body)
