"""Every start verifies all of it again: what is corrupt, replaced or put there is left out and named."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge import gm
from edge.ehc_code import code_text
from edge.errors import TrustError
from edge.trust import Problem
from edge.trust_recheck import Rechecked
from edge.trust_rules import born, take
from edge.trust_state import kept_of, write_state
from edge.verdict import Interval, Reason
from edge.verify import examine
from tests.support import authority
from tests.support.authority import BEGIN_MS, KEYS, key
from tests.support.cards import Never, static_card
from tests.support.trust_box import FIRST, NEW, OLD, SECOND, TERMS, files, load, path_of, store
from tests.support.trust_node import after, taken, terms
from tests.support.vectors import document


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A node that holds the first set."""
    store(tmp_path).save(OLD)
    return tmp_path


def test_documents_that_were_put_into_the_cache_are_not_looked_at(home: Path) -> None:
    """A newer list, rightly signed, comes through the rules or not at all."""
    put = authority.issuers(9)
    (home / "cache" / gm.sm3(put).hex()).write_bytes(put)

    assert load(home) == Rechecked(held=OLD)


def test_older_issuers_replayed_after_the_cache_was_deleted_are_refused(home: Path) -> None:
    """Floors and tombstones lie outside of it."""
    store(home).save(NEW)
    shutil.rmtree(home / "cache")

    left = load(home)

    assert left.problems == tuple(
        Problem(file=name, rule=rule)
        for name, rule in (
            ("root 1", "missing"),
            ("issuers", "no_root"),
            ("status", "no_root"),
            ("roster", "no_root"),
        )
    )
    assert (left.held.floors, left.held.withdrawn, left.held.current_ms) == (NEW.floors, NEW.withdrawn, NEW.current_ms)
    held = after(born(NEW.roots[0], held=left.held).held, SECOND[0], terms=TERMS)
    for old in (FIRST[0], FIRST[1]):
        with pytest.raises(TrustError, match="rollback"):
            take(held, old, terms=TERMS)
    assert after(held, *SECOND[1:], terms=TERMS) == NEW


def test_a_root_that_is_lost_takes_what_rests_on_it_along(home: Path) -> None:
    """Without root 2 nothing verifies under the last root; once it is fetched again, everything can be."""
    store(home).save(NEW)
    path_of(home, gm.sm3(NEW.roots[1])).unlink()

    left = load(home)

    assert left.problems[0] == Problem(file="root 2", rule="missing")
    assert left.held.trust.root is None
    assert left.held.have == {"root": 1}
    assert not left.held.documents
    assert after(left.held, *SECOND, terms=TERMS) == NEW


@pytest.mark.parametrize("number", range(2))
def test_a_chain_that_is_not_a_chain_is_left_out(home: Path, number: int) -> None:
    """Another root in the place of the born one or the next, with a state that names it: the rules refuse it."""
    strangers = [authority.root(issued_at_ms=1), authority.root(2, by=["root-a"])]
    roots = list(NEW.roots)
    roots[number] = strangers[number]
    (home / "cache" / gm.sm3(roots[number]).hex()).write_bytes(roots[number])
    (home / "state").write_bytes(write_state(replace(kept_of(NEW), roots=tuple(map(gm.sm3, roots)))))

    left = load(home)

    rule = "threshold" if number else "born"
    assert Problem(file=f"root {number + 1}", rule=rule) in left.problems
    assert len(left.held.chain) == number


def test_keys_that_are_not_allowed_any_more_are_not_relied_on(tmp_path: Path) -> None:
    """A node that allowed published keys and is told not to has no root."""
    held = born(document("root1"), allow_test_keys=True).held
    held = taken(held, document("issuers7"), allow_test_keys=True).held
    store(tmp_path).save(held)

    assert store(tmp_path).load(terms=terms(allow_test_keys=True)).held == held
    left = store(tmp_path).load(terms=terms())

    assert left.problems == (Problem(file="root 1", rule="test_key"), Problem(file="issuers", rule="no_root"))


def flipped(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


SPOILS: dict[str, Callable[[Path], object]] = {
    "blob": flipped,
    "missing": Path.unlink,
    "size": lambda path: os.truncate(path, path.stat().st_size + 1),
    "unreadable": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("rule", SPOILS)
@pytest.mark.parametrize("name", ["cards", "opaque", "roster"])
def test_a_list_that_is_corrupt_on_disk_is_left_out(home: Path, name: str, rule: str) -> None:
    """The others serve on; what is left out is named, and offering its document again mends it."""
    status = OLD.trust.status
    assert status is not None
    assert OLD.trust.roster is not None
    sm3s = {
        "cards": status.lists["cards"].sm3,
        "opaque": status.hashed["opaque"].sm3,
        "roster": OLD.trust.roster.manifest.sm3,
    }
    SPOILS[rule](path_of(home, sm3s[name]))

    left = load(home)

    assert left.problems == (Problem(file=name, rule=rule),)
    assert left.held.blobs.keys() == OLD.blobs.keys() - {sm3s[name]}
    assert left.held.floors == OLD.floors
    if rule != "unreadable":  # a pipe is replaced, too, but only under another name's bytes can it be looked for
        mended = after(left.held, *FIRST[1:], terms=TERMS)
        assert mended == OLD
        store(home).save(mended)
        assert load(home) == Rechecked(held=OLD)


def test_a_card_of_a_corrupt_list_gets_status_missing(home: Path) -> None:
    """Missing data are never "not revoked" and never "revoked"."""
    card = code_text(static_card(issuer=key("issuer-a"), index=0))
    now = Interval(lo_ms=BEGIN_MS, hi_ms=BEGIN_MS + 400)
    whole = examine(card, trust=load(home).held.trust, now=now, replay=Never())
    flipped(path_of(home, gm.sm3(OLD.trust.lists["cards"].packed)))

    left = examine(card, trust=load(home).held.trust, now=now, replay=Never())

    assert (whole.verdict.reason, left.verdict.reason) == (Reason.REVOKED, Reason.STATUS_MISSING)


@pytest.mark.parametrize("role", ["issuers", "status", "roster"])
def test_a_document_that_is_corrupt_on_disk_is_left_out(home: Path, role: str) -> None:
    """Its floor stands, and the same document mends it."""
    flipped(path_of(home, gm.sm3(OLD.documents[role])))

    left = load(home)

    assert left.problems == (Problem(file=role, rule="blob"),)
    assert left.held.documents.keys() == OLD.documents.keys() - {role}
    assert after(left.held, *FIRST, terms=TERMS) == OLD


def test_a_document_that_its_floor_does_not_fit_is_left_out(home: Path) -> None:
    """A state that names another document than the one it stands for is not followed."""
    other = authority.issuers(1, note="other")
    (home / "cache" / gm.sm3(other).hex()).write_bytes(other)
    kept = kept_of(OLD)
    (home / "state").write_bytes(write_state(replace(kept, documents={**kept.documents, "issuers": gm.sm3(other)})))

    assert load(home).problems == (Problem(file="issuers", rule="other_bytes"),)


def test_a_document_that_no_root_vouches_for_is_left_out(home: Path) -> None:
    """Not even one without a floor."""
    other = authority.issuers(1, by=["somebody"])
    (home / "cache" / gm.sm3(other).hex()).write_bytes(other)
    kept = kept_of(OLD)
    floors = {role: floor for role, floor in kept.floors.items() if role != "issuers"}
    documents = {**kept.documents, "issuers": gm.sm3(other)}
    (home / "state").write_bytes(write_state(replace(kept, documents=documents, floors=floors)))

    assert load(home).problems == (Problem(file="issuers", rule="threshold"),)


def test_the_roster_of_another_node_or_key_is_left_out(home: Path) -> None:
    """A box that was renamed, or lost its key, has no roster; nothing of it is removed before it is replaced."""
    before = files(home)

    for changes, rule in (({"node": "370881-0043"}, "node"), ({"decrypt_roster": None}, "roster_key")):
        left = store(home).load(terms=terms(**changes))
        assert left.problems == (Problem(file="roster", rule=rule),)
        assert left.held.trust.roster is None
    assert files(home) == before


@pytest.mark.parametrize("role", ["issuers", "status", "roster"])
def test_documents_of_a_replaced_root_are_held_again_with_their_time(home: Path, role: str) -> None:
    """After two rotations and a restart it is still the first of them that their time counts from."""
    keys = {**KEYS, role: ("fresh",)}
    held = OLD
    for version in (2, 3):
        held = taken(held, authority.root(version, keys=keys, issued_at_ms=BEGIN_MS + version)).held
    store(home).save(held)

    left = load(home)

    assert left == Rechecked(held=held)
    assert left.held.former == {role: BEGIN_MS + 2}


def test_a_tombstone_that_is_no_key_stops_nothing(home: Path) -> None:
    """Only another program writes such a state; the issuers are left out, for nobody knows what it withdrew."""
    (home / "state").write_bytes(write_state(replace(kept_of(OLD), withdrawn=frozenset({bytes(33)}))))

    left = load(home)

    assert left.problems == (Problem(file="issuers", rule="key"),)
    assert left.held.trust.issuers is None
    assert left.held.trust.status is not None
