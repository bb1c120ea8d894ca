"""Faults to plant in the node, one at a time: a simulation that finds none of them would prove nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from edge import clock, ehc_code, trust, trust_recheck, trust_rules, verify
from edge.trust_held import Floor
from tests.simulation.box import Box
from tests.simulation.cards import DAY_MS

Plant = Callable[[pytest.MonkeyPatch], None]


def _drift_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clock, "DRIFT_PPM", 0)


def _round_trip_is_ignored(patch: pytest.MonkeyPatch) -> None:
    hear = clock.hear

    def at_once(state: clock.ClockState, *, answer: clock.Answer, **others: Any) -> Any:
        return hear(state, answer=replace(answer, sent_b_ns=answer.heard_b_ns), **others)

    patch.setattr(clock, "hear", at_once)


def _saved_floor_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    start = clock.start
    patch.setattr(clock, "start", lambda **given: start(now_b_ns=given["now_b_ns"]))


def _shown_clock_raises_the_floor(patch: pytest.MonkeyPatch) -> None:
    advance = Box.advance

    def poisoned(box: Box, at_ms: int, **others: Any) -> None:
        advance(box, at_ms, **others)
        box.clock, _ = clock.raise_floor(box.clock, time_ms=box.wall_ms, now_b_ns=box.b)

    patch.setattr(Box, "advance", poisoned)


def _replay_cache_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Box, "remembered", lambda _: [])


def _age_counts_from_receipts(patch: pytest.MonkeyPatch) -> None:
    take_receipt = Box.take_receipt

    def counted(box: Box, nonce: bytes, time_ms: int) -> None:
        take_receipt(box, nonce, time_ms)
        box.held = replace(box.held, current_ms=time_ms)

    patch.setattr(Box, "take_receipt", counted)


def _version_floors_are_dropped(patch: pytest.MonkeyPatch) -> None:
    def as_it_comes(_held: object, document: bytes, *, role: str, version: int) -> Floor:
        return Floor(version=version, payload_sm3=trust.payload_sm3(document))

    patch.setattr(trust_rules, "_above_floor", as_it_comes)


def _tombstones_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    for module in (trust_rules, trust_recheck):
        patch.setattr(module, "with_tombstones", lambda issuers, **_: issuers)


def _any_nonce_is_answered(patch: pytest.MonkeyPatch) -> None:
    terms = Box.terms
    patch.setattr(Box, "terms", lambda box, *blob: replace(terms(box, *blob), nonces=_Everything()))


class _Everything:
    def __contains__(self, _one: object) -> bool:
        return True


def _cards_last_a_day_longer(patch: pytest.MonkeyPatch) -> None:
    parse = ehc_code.parse

    def longer(text: str) -> ehc_code.EhcCode:
        code = parse(text)
        return replace(code, expiry_day=code.expiry_day + 1)

    patch.setattr(verify, "parse", longer)


def _presentations_never_grow_old(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verify, "PRESENTATION_WINDOW_MS", DAY_MS)


FAULTS: Final[Mapping[str, tuple[Plant, frozenset[str]]]] = {
    "drift is ignored": (_drift_is_ignored, frozenset({"lo above the truth"})),
    "the round trip is ignored": (_round_trip_is_ignored, frozenset({"hi below the truth"})),
    "the saved floor is forgotten": (_saved_floor_is_forgotten, frozenset({"below its saved floor"})),
    "the shown clock raises the floor": (
        _shown_clock_raises_the_floor,
        frozenset({"lo above the truth", "R1 EXPIRED"}),
    ),
    "the replay cache is forgotten at a restart": (_replay_cache_is_forgotten, frozenset({"A8 replayed"})),
    "age counts from receipts": (_age_counts_from_receipts, frozenset({"A9 rung"})),
    "version floors are dropped": (_version_floors_are_dropped, frozenset({"version floor went down", "A3 status"})),
    "tombstones are forgotten": (_tombstones_are_forgotten, frozenset({"A2 withdrawn"})),
    "any nonce is answered": (_any_nonce_is_answered, frozenset({"forged time"})),
    "cards last a day longer": (_cards_last_a_day_longer, frozenset({"A4 expired"})),
    "presentations never grow old": (_presentations_never_grow_old, frozenset({"A7 not shown now"})),
}
"""What is planted, and what the judge must find."""
