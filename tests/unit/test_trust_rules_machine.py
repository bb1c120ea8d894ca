"""No sequence of documents lowers a version or makes a node accept what the rules refuse.

A model of the contract, which knows documents only by what they say and who signed them, foretells every answer: taken,
missing a blob, or refused by which rule. Documents are real and really signed; time passes, the box restarts, with its
cache or without it.
"""

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge import gm
from edge.errors import TrustError
from edge.status_list import CardState, pack_list
from edge.trust import IssuerState
from edge.trust_documents import Blob
from edge.trust_held import Held, Missing, RootMissingError
from edge.trust_recheck import recheck
from edge.trust_rules import aged, born, take
from edge.trust_state import kept_of, read_state, write_state
from tests.support import authority
from tests.support.authority import BEGIN_MS, DAY_MS, KEYS, STALE_S, Shelf, key
from tests.support.trust_node import NONCE, terms

SHELF = Shelf()
SIZE = 8
ISSUERS = ("issuer-a", "issuer-b", "issuer-c")
SEALED = "destroyed"
ROTATED = ("issuers", "status", "roster", "time", "receipt", "root")

versions = st.integers(1, 4)
letters = st.sampled_from("aabc")  # a signs at first, so that more is taken than refused
some_issuers = st.sets(st.sampled_from(ISSUERS), max_size=2).map(frozenset)
some_cards = st.sets(st.integers(0, SIZE - 1), max_size=2).map(frozenset)


@functools.cache
def issuers(version: int, withdrawn: frozenset[str], letter: str) -> bytes:
    active = [name for name in ISSUERS[:2] if name not in withdrawn]
    return authority.issuers(version, active=active, withdrawn=sorted(withdrawn), by=[f"issuers-{letter}"])


@functools.cache
def status(version: int, revoked: frozenset[int], letter: str) -> bytes:
    cards = pack_list(dict.fromkeys(revoked, CardState.REVOKED), size=SIZE)
    return authority.status(version, lists={"cards": SHELF.packed(cards, version)}, by=[f"status-{letter}"])


@functools.cache
def roster(version: int, variant: bool, letter: str) -> bytes:
    lease_until_ms = BEGIN_MS + (40 if variant else 30) * DAY_MS
    return authority.roster(version, shelf=SHELF, lease_until_ms=lease_until_ms, by=[f"roster-{letter}"])


class Trust(RuleBasedStateMachine):
    """A node and a model of it.

    Model:
        keys: Who signs, by role, under the last root.
        floors: Version and what was said, by role.
        used: The same of the document in use, by role.
        former: Since when (ms) the last root does not vouch for the one in use.
        withdrawn: Issuers.
        current_ms, claim: Where age counts from, and a time that may come to count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: Held = Held()
        self.lo_ms = BEGIN_MS
        self.keys: dict[str, tuple[str, ...]] = dict(KEYS)
        self.root_version = 1
        self.roots = [authority.root()]
        self.floors: dict[str, tuple[int, object]] = {}
        self.used: dict[str, tuple[int, object]] = {}
        self.former: dict[str, int] = {}
        self.withdrawn: set[str] = set()
        self.current_ms: int | None = None
        self.claim: tuple[int, int, int] | None = None

    @initialize()
    def is_born(self) -> None:
        self.held = born(self.roots[0]).held

    @rule(version=versions, withdrawn=some_issuers, letter=letters)
    def offer_issuers(self, version: int, withdrawn: frozenset[str], letter: str) -> None:
        answer = self._offer(issuers(version, withdrawn, letter))
        assert answer == self._foretold("issuers", version, withdrawn, letter)
        if answer == "taken":
            self.withdrawn |= withdrawn
            self._use("issuers", version, withdrawn)

    @rule(version=versions, revoked=some_cards, letter=letters, is_there=st.booleans())
    def offer_status(self, version: int, revoked: frozenset[int], letter: str, is_there: bool) -> None:
        document = status(version, revoked, letter)
        answer = self._offer(document, blob=SHELF.give if is_there else lambda _: None)
        foretold = self._foretold("status", version, revoked, letter)
        is_known = is_there or self.used.get("status", (0, None))[1] == revoked
        assert answer == ("missing" if foretold == "taken" and not is_known else foretold)
        if answer == "taken":
            self._use("status", version, revoked)

    @rule(version=versions, variant=st.booleans(), letter=letters)
    def offer_roster(self, version: int, variant: bool, letter: str) -> None:
        answer = self._offer(roster(version, variant, letter))
        foretold = self._foretold("roster", version, (version, variant, letter), letter)
        # A key is wrapped anew each time: two rosters of one version are the same only if they are one document.
        if foretold == "taken" and self._is_over(variant):
            foretold = "lease"
        assert answer == foretold
        if answer == "taken":
            self._use("roster", version, (version, variant, letter))

    @rule(ahead_ms=st.integers(0, 1000), status_version=versions, issuers_version=versions, letter=letters)
    def offer_time(self, ahead_ms: int, status_version: int, issuers_version: int, letter: str) -> None:
        time_ms = self.lo_ms + ahead_ms
        document = authority.time(
            time_ms,
            nonce=NONCE,
            status_version=status_version,
            issuers_version=issuers_version,
            by=[f"time-{letter}"],
        )
        answer = self._offer(document)
        is_late = "issuers" in self.used and time_ms > BEGIN_MS + 365 * DAY_MS
        foretold = "threshold" if f"time-{letter}" not in self.keys["time"] else "taken"
        assert answer == ("time_after_trust" if foretold == "taken" and is_late else foretold)
        if answer == "taken":
            self.claim = (time_ms, status_version, issuers_version)
            status = self.held.trust.status
            if self.current_ms is None and status is not None:
                self.current_ms = status.issued_at_ms
            self._settle()

    @rule(role=st.sampled_from(ROTATED), letter=letters, adds=st.booleans())
    def rotate(self, role: str, letter: str, adds: bool) -> None:
        before = self.keys
        fresh = (f"{role}-{letter}", f"{role}-x") if role == "root" else (f"{role}-{letter}",)
        after = {**before, role: tuple(sorted({*before[role], *fresh})) if adds else fresh}
        document = self._root(after, before=before, version=self.root_version + 1)
        assert self._offer(document) == "taken"
        self.root_version += 1
        self.roots.append(document)
        self.keys = after
        for one in ("issuers", "status", "roster"):
            if not set(before[one]) & set(after[one]):
                self.floors.pop(one, None)
            if one in self.used and self._signer(one) in after[one]:
                self.former.pop(one, None)
            elif one in self.used:
                self.former.setdefault(one, self.lo_ms)
        if any(set(before[one]) - set(after[one]) for one in ("time", "status", "receipt")):
            self.current_ms = self.claim = None

    @rule(role=st.sampled_from(ROTATED), letter=letters)
    def offer_root_that_skips_one(self, role: str, letter: str) -> None:
        before = self.held
        document = self._root(self.keys, before=self.keys, version=self.root_version + 2)
        with pytest.raises(RootMissingError) as caught:
            take(self.held, document, terms=terms())
        assert caught.value.wanted == self.root_version + 1
        assert self.held is before

    @rule(data=st.data())
    def offer_root_again(self, data: st.DataObject) -> None:
        before = self.held
        assert self._offer(data.draw(st.sampled_from(self.roots))) == "taken"
        assert self.held is before

    @rule(days=st.sampled_from([1, 7, 15, 60, 200]))
    def time_passes(self, days: int) -> None:
        self.lo_ms += days * DAY_MS
        self.held = aged(self.held, lo_ms=self.lo_ms)
        for role in [role for role, since_ms in self.former.items() if self.lo_ms > since_ms + STALE_S * 1000]:
            del self.former[role], self.used[role]
        if "roster" in self.used and self._is_over(self.used["roster"][1][1]):  # type: ignore[index]
            del self.used["roster"]
            self.former.pop("roster", None)
            if "roster" in self.floors:
                self.floors["roster"] = self.floors["roster"][0], SEALED

    @rule()
    def restart(self) -> None:
        documents = (*self.held.roots, *self.held.documents.values())
        cache = {gm.sm3(document): document for document in documents} | dict(self.held.blobs)
        checked = recheck(self._state(), read=lambda sm3, _: cache[sm3], terms=terms())
        assert checked.problems == ()
        assert checked.held == replace(self.held, claim=None)
        self.held = checked.held
        self.claim = None

    @precondition(lambda self: self.held.documents)
    @rule()
    def restart_without_cache(self) -> None:
        def gone(_sm3: bytes, _bytes_max: int) -> bytes:
            raise TrustError("missing")

        checked = recheck(self._state(), read=gone, terms=terms())
        assert len(checked.problems) == 1 + len(self.held.documents)
        step = born(self.roots[0], held=checked.held)
        for document in self.roots[1:]:
            assert (step.raise_floor_ms, step.reset_floor_ms) == (None, None)
            answer = take(step.held, document, terms=terms())
            assert not isinstance(answer, Missing)
            step = answer
        self.held = step.held
        self.used, self.former, self.claim = {}, {}, None

    @invariant()
    def floors_are_as_foretold(self) -> None:
        if self.held.chain:
            assert {role: floor.version for role, floor in self.held.floors.items()} == {
                "root": self.root_version,
                **{role: version for role, (version, _) in self.floors.items()},
            }

    @invariant()
    def what_is_used_is_as_foretold(self) -> None:
        trust = self.held.trust
        found = {role: getattr(trust, role) for role in ("issuers", "status", "roster")}
        assert {role for role, one in found.items() if one is not None} == self.used.keys()
        assert self.held.documents.keys() == self.used.keys()
        assert self.held.former == self.former
        assert self.held.current_ms == self.current_ms
        if self.held.chain:
            fine = {role: version for role, (version, _) in self.used.items() if role not in self.former}
            assert self.held.have == {"root": self.root_version, **fine}

    @invariant()
    def revoked_cards_are_revoked(self) -> None:
        for cards in self.held.trust.lists.values():
            found = {index for index in range(SIZE) if cards.state(index) is CardState.REVOKED}
            assert found == self.used["status"][1]

    @invariant()
    def withdrawn_issuers_are_withdrawn(self) -> None:
        assert self.held.withdrawn == {key(name).public.compressed for name in self.withdrawn}
        if self.held.trust.issuers is not None:
            states = {
                entry.key: entry.state for entries in self.held.trust.issuers.by_kid.values() for entry in entries
            }
            for name in self.withdrawn:
                assert states[key(name).public] is IssuerState.WITHDRAWN

    def _offer(self, document: bytes, blob: Callable[[Blob], bytes | None] = SHELF.give) -> str:
        before = self.held
        try:
            answer = take(self.held, document, terms=replace(terms(blob=blob), lo_ms=self.lo_ms))
        except TrustError as error:
            assert self.held == before
            return error.rule
        if isinstance(answer, Missing):
            return "missing"
        self.held = answer.held
        return "taken"

    def _foretold(self, role: str, version: int, said: object, letter: str) -> str:
        if f"{role}-{letter}" not in self.keys[role]:
            return "threshold"
        floor = self.floors.get(role, (0, None))
        if version < floor[0]:
            return "rollback"
        # A roster document is signed anew by another key, and its key wrapped anew: never the same payload.
        return "other_bytes" if version == floor[0] and said != floor[1] else "taken"

    def _use(self, role: str, version: int, said: object) -> None:
        self.floors[role] = self.used[role] = version, said
        self.former.pop(role, None)
        self._settle()

    def _settle(self) -> None:
        def used(role: str) -> int:
            return 0 if role in self.former else self.used.get(role, (0, None))[0]

        if self.claim is not None and self.claim[1] <= used("status") and self.claim[2] <= used("issuers"):
            self.current_ms = max(self.claim[0], self.current_ms or 0)
            self.claim = None

    def _signer(self, role: str) -> str:
        """Who signed the document in use: asked of the document, for two keys may have signed the same."""
        document = self.held.documents[role]
        return next(
            f"{role}-{letter}" for letter in "abc" if key(f"{role}-{letter}").public.keyid.hex().encode() in document
        )

    def _is_over(self, variant: object) -> bool:
        return self.lo_ms >= BEGIN_MS + ((40 if variant else 30) + 60) * DAY_MS

    def _root(self, keys: dict[str, tuple[str, ...]], *, before: dict[str, tuple[str, ...]], version: int) -> bytes:
        by = sorted({*before["root"], *keys["root"]})
        return authority.root(version, keys=keys, by=by, issued_at_ms=self.lo_ms)

    def _state(self):
        return read_state(write_state(kept_of(self.held)))


TestTrust = Trust.TestCase
TestTrust.settings = settings(settings.default, max_examples=settings.default.max_examples // 4, stateful_step_count=40)
