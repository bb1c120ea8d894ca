"""What counts as wrong, and the counting; nothing here calls the verifier's own rules.

Facts are the truth (true time, what the city knows of the card) and what the box had been told by then, followed in
plain values. A verdict is a **wrong accept** when

* A1 it is ACCEPT, or ACCEPT_PENDING for another reason than UNKNOWN_ISSUER, of a code that its issuer or its holder
  did not sign (contracts 1, steps 3 and 9; a box that does not know the key cannot tell: step 2);
* A2 the same of a key that any issuers document the box ever took withdrew, UNKNOWN_ISSUER included while it holds one
  (3.2: a tombstone, kept for ever);
* A3 it is ACCEPT while the status document the box holds, or a later one it ever took, says revoked, suspended or not
  given out; ACCEPT_PENDING of one that says revoked or suspended needs a list that is gone (STATUS_MISSING) or a key
  that is not known (3.3, 3.6: floors; 4: missing data are never "not revoked");
* A4 it is ACCEPT of a card that has ended in truth (1, "Validity"), unless it is VALID_STALE with CLOCK_UNSURE in
  `also`, the card's profile does not ask for trusted time, and its end lies more than 90 days above lo: that
  presumption the contract makes, and it is counted by itself (`presumed`);
* A5 it is ACCEPT of a card that has ended by a floor the box had on its disk (4: lo is saved as the floor);
* A6 it is ACCEPT of a card whose start lies ahead of hi (1: NOT_YET_VALID if start > hi); within [lo, hi] or with hi
  unknown the box cannot know (`early`);
* A7 it is ACCEPT of a presentation more than W = 90 s away from true time: 1, "Presentation time", leaves no room;
* A8 it is ACCEPT of a presentation that this box recorded before; ACCEPT_PENDING, too, as long as lo never lay above
  t + W (1, "Replay": kept until then, across restarts);
* A9 its rung is FRESH, AGING or STALE while the data are truly older than that since the last verified time they were
  current to (before the first: since the `issued_at` of the held status). Without hi it may say STALE whatever the
  age is, and FRESH or AGING never (3.6);
* A10 it is ACCEPT of a card out of its issuer's scope or region by the list the box holds (3.2).

It is a **wrong reject** when it is REFUSE or RETRY and the reason is not true:

* R1 EXPIRED before the end, NOT_YET_VALID from the start on;
* R2 REVOKED or SUSPENDED against what the list the box holds says;
* R3 PRESENTATION_STALE or _FUTURE within W of true time, _MISSING of one that was shown;
* R4 REPLAYED of a presentation this box has not recorded;
* R5 ISSUER_WITHDRAWN of a key that no document the box took withdrew; WRONG_SCOPE of a card the city stands by;
* R6 BAD_SIGNATURE, MALFORMED, UNSUPPORTED_VERSION, NOT_A_HEALTH_CARD of a code as its issuer and holder made it;
* R7 REVOKED_PROBABLE: no hashed list is published here.

INTERNAL is wrong both ways. A backdated card of a key that the box does not know to be stolen passes as any other
(contracts 8): counted as `backdated`.
"""

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from edge.ehc_code import EPOCH_S
from edge.status_list import CardState
from edge.verdict import Interval, Outcome, Reason, Rung, Verdict
from tests.simulation.cards import DAY_MS, Card, Issuer, Origin
from tests.simulation.world import AGING_S, FRESH_S, STALE_S

WINDOW_MS: Final = 90_000
PRESUMED_MS: Final = 90 * DAY_MS
_LIMITS_S: Final = {Rung.FRESH: FRESH_S, Rung.AGING: AGING_S, Rung.STALE: STALE_S}
_UNREADABLE: Final = (Reason.BAD_SIGNATURE, Reason.MALFORMED, Reason.UNSUPPORTED_VERSION, Reason.NOT_A_HEALTH_CARD)


class Make(enum.StrEnum):
    """How a code came to be."""

    GENUINE = "genuine"
    FORGED = "forged"  # somebody else's signature, or other bytes under it
    UNSHOWN = "unshown"  # a holder card without its presentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What a person shows.

    Attributes:
        text: What the scanner reads.
        shown_s: Time of the presentation, seconds since E; None: there is none.
    """

    text: str
    card: Card
    make: Make = Make.GENUINE
    shown_s: int | None = None

    @property
    def shown_ms(self) -> int:
        """Time of the presentation, Unix milliseconds."""
        assert self.shown_s is not None
        return (EPOCH_S + self.shown_s) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true, and what the box had been told.

    Attributes:
        at_ms: True time.
        now: The box's interval.
        proven_ms: The highest floor it had on its disk, since the clock was last reset or the file lost.
        holds_issuers: Whether it holds an issuers document.
        knows_issuer: Whether that names the key.
        withdrawn: Whether it ever took one that withdrew the key.
        in_scope: Whether the one it holds has the card in scope and region.
        state: What the status document it holds says, or a later one that it ever took; None: it holds no such list.
        is_recorded: Whether it has recorded this presentation before.
        highest_lo_ms: The highest lower end it has had since.
        age_since_ms: When its data were last verified to be current; None: it holds no status.
        is_good: Whether the city stands by it now, and it is shown in time and for the first time.
    """

    at_ms: int
    now: Interval
    proven_ms: int
    holds_issuers: bool
    knows_issuer: bool
    withdrawn: bool
    in_scope: bool
    state: CardState | None
    is_recorded: bool
    highest_lo_ms: int
    age_since_ms: int | None
    is_good: bool


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was counted.

    Attributes:
        wrong_accepts: By rule.
        wrong_rejects: By rule.
        broken: Other things that must never be: the interval without the truth, forged documents taken, and so on.
        reasons: How often each reason was given.
        forged: The same for forged codes.
        good: Honest, valid, timely showings, by network pattern.
        unsure: Of them ACCEPT_PENDING, by pattern.
        unsure_reasons: Why, by pattern and reason.
        allowed: What the contracts let pass: ``presumed``, ``early``, ``backdated``, ``not yet heard``.
        events: What happened to boxes.
        refused: Documents and receipts that broke a rule.
        shortfall_ms: By how much hi lay below the truth at worst.
    """

    wrong_accepts: Counter[str] = field(default_factory=Counter)
    wrong_rejects: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    forged: Counter[Reason] = field(default_factory=Counter)
    good: Counter[str] = field(default_factory=Counter)
    unsure: Counter[str] = field(default_factory=Counter)
    unsure_reasons: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    allowed: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    shortfall_ms: int = 0

    @property
    def wrong(self) -> Counter[str]:
        """Everything that must be 0."""
        return self.wrong_accepts + self.wrong_rejects + self.broken

    def judge(self, verdict: Verdict, *, showing: Showing, facts: Facts, pattern: str) -> None:
        """Hold a verdict against the facts."""
        (self.forged if showing.make is Make.FORGED else self.reasons)[verdict.reason] += 1
        match verdict.outcome:
            case Outcome.ACCEPT:
                self._accepted(verdict, showing, facts)
            case Outcome.ACCEPT_PENDING:
                self._pending(verdict, showing, facts)
            case _:
                self._rejected(verdict.reason, showing, facts)
        self._rung(verdict, facts)
        if facts.is_good:
            self._good(verdict, facts, pattern=pattern)

    def _good(self, verdict: Verdict, facts: Facts, *, pattern: str) -> None:
        self.good[pattern] += 1
        if verdict.outcome is Outcome.ACCEPT_PENDING:
            self.unsure[pattern] += 1
            self.unsure_reasons[pattern, verdict.reason] += 1
        elif verdict.outcome is not Outcome.ACCEPT:
            self.allowed["not yet heard"] += 1  # found again or reinstated since: R2 judges by the list that is held

    def _accepted(self, verdict: Verdict, showing: Showing, facts: Facts) -> None:
        card, wrong = showing.card, self.wrong_accepts
        wrong["A1 forged"] += showing.make is not Make.GENUINE
        wrong["A2 withdrawn"] += facts.withdrawn
        wrong["A3 status"] += facts.state is not CardState.VALID
        is_presumed = (
            verdict.reason is Reason.VALID_STALE
            and Reason.CLOCK_UNSURE in verdict.also
            and not card.needs_trusted_time
            and card.end_ms > facts.now.lo_ms + PRESUMED_MS
        )
        if facts.at_ms >= card.end_ms:
            wrong["A4 expired"] += not is_presumed
            self.allowed["presumed"] += is_presumed
        wrong["A5 expired by the floor"] += card.end_ms <= facts.proven_ms
        hi_ms = facts.now.hi_ms
        if facts.at_ms < card.start_ms:
            wrong["A6 not yet valid"] += hi_ms is not None and card.start_ms > hi_ms
            self.allowed["early"] += hi_ms is None or card.start_ms <= hi_ms
        if showing.shown_s is not None:
            wrong["A7 not shown now"] += abs(facts.at_ms - showing.shown_ms) > WINDOW_MS
        wrong["A8 replayed"] += facts.is_recorded and showing.shown_s is not None
        wrong["A10 scope"] += not facts.in_scope
        self.allowed["backdated"] += card.origin is Origin.BACKDATED

    def _pending(self, verdict: Verdict, showing: Showing, facts: Facts) -> None:
        wrong, reason = self.wrong_accepts, verdict.reason
        wrong["INTERNAL"] += reason is Reason.INTERNAL
        if reason is Reason.UNKNOWN_ISSUER:
            if showing.make is not Make.FORGED:  # the name of the key may be among the bytes that were changed
                wrong["A2 withdrawn"] += facts.withdrawn and facts.holds_issuers
                is_newer = showing.card.issuer is Issuer.EXTENDED  # a newer list may give it more days
                self.broken["known issuer unknown"] += facts.knows_issuer and not is_newer
            return
        wrong["A1 forged"] += showing.make is not Make.GENUINE
        wrong["A2 withdrawn"] += facts.withdrawn
        is_named = facts.state in (CardState.REVOKED, CardState.SUSPENDED)
        wrong["A3 status"] += is_named
        wrong["A5 expired by the floor"] += showing.card.end_ms <= facts.proven_ms
        if facts.is_recorded and showing.shown_s is not None:
            wrong["A8 replayed"] += facts.highest_lo_ms <= showing.shown_ms + WINDOW_MS

    def _rung(self, verdict: Verdict, facts: Facts) -> None:
        rung = verdict.evidence.rung
        if rung not in _LIMITS_S:
            return
        limit_ms = _LIMITS_S[rung] * 1000
        if facts.now.hi_ms is None:
            self.wrong_accepts["A9 rung"] += rung is not Rung.STALE
        elif facts.age_since_ms is None or facts.at_ms - facts.age_since_ms > limit_ms:
            self.wrong_accepts["A9 rung"] += 1

    def _rejected(self, reason: Reason, showing: Showing, facts: Facts) -> None:
        card, wrong = showing.card, self.wrong_rejects
        is_whole = showing.make is not Make.FORGED
        match reason:
            case Reason.EXPIRED:
                wrong["R1 EXPIRED"] += facts.at_ms < card.end_ms
            case Reason.NOT_YET_VALID:
                wrong["R1 NOT_YET_VALID"] += facts.at_ms >= card.start_ms
            case Reason.REVOKED:
                wrong["R2 REVOKED"] += facts.state is not CardState.REVOKED
            case Reason.SUSPENDED:
                wrong["R2 SUSPENDED"] += facts.state is not CardState.SUSPENDED
            case Reason.PRESENTATION_STALE:
                wrong["R3 STALE"] += facts.at_ms <= showing.shown_ms + WINDOW_MS
            case Reason.PRESENTATION_FUTURE:
                wrong["R3 FUTURE"] += facts.at_ms >= showing.shown_ms - WINDOW_MS
            case Reason.PRESENTATION_MISSING:
                wrong["R3 MISSING"] += showing.make is not Make.UNSHOWN
            case Reason.REPLAYED:
                wrong["R4 REPLAYED"] += not facts.is_recorded
            case Reason.ISSUER_WITHDRAWN:
                wrong["R5 ISSUER_WITHDRAWN"] += not facts.withdrawn
            case Reason.WRONG_SCOPE:
                wrong["R5 WRONG_SCOPE"] += card.origin is Origin.HONEST
            case _ if reason in _UNREADABLE:
                wrong[f"R6 {reason}"] += is_whole
            case _:
                wrong[f"R7 {reason}"] += 1
