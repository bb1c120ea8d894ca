"""What a box had been told, followed in plain values: the facts that its verdicts are judged by.

It sees which documents the box says it took and which answers reached it, and works out from the city's own records
what follows. Whatever the box took without the city having said it is counted as broken at once.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from edge.status_list import CardState
from edge.trust import payload_sm3
from edge.trust_documents import IssuerState
from edge.trust_held import Held
from edge.verdict import Interval, Outcome, Reason, Verdict
from tests.simulation.box import Box
from tests.simulation.cards import Issuer, Origin
from tests.simulation.judge import WINDOW_MS, Facts, Make, Showing, Tally
from tests.simulation.world import World

RECENT_MAX: Final = 40  # showings that may be shown again
_REGION: Final = "3708"


@dataclass(slots=True, kw_only=True)
class Recent:
    """A showing that may come again.

    Attributes:
        showing: What was shown.
        nonce: Of the presentation.
        is_recorded: Whether the box gave a verdict that it had to record the presentation with.
        highest_lo_ms: The highest lower end since.
    """

    showing: Showing
    nonce: bytes
    is_recorded: bool = False
    highest_lo_ms: int = 0


class Witness:
    """Follows one box.

    Attributes:
        recent: What was shown to it, the latest last.
    """

    def __init__(self, world: World, *, tally: Tally) -> None:
        self.recent: deque[Recent] = deque(maxlen=RECENT_MAX)
        self._world = world
        self._tally = tally
        self._withdrawn: set[Issuer] = set()
        self._status_taken = 0
        self._root = 0
        self._floors: dict[str, int] = {}
        self._verified: list[tuple[int, int, int]] = []
        self._current_ms: int | None = None
        self._proven_ms = 0
        self._lo_ms = 0
        self._alarms = 0
        self._seen: Held | None = None

    # -- what happens to the box -----------------------------------------------------------------------------------

    def power(self, box: Box) -> None:
        """The program has started: what it found on the disk."""
        self._lo_ms = 0
        self._held(box)

    def lost_floor(self, box: Box) -> None:
        """The file of the clock is gone or damaged."""
        self._proven_ms = box.saved_ms = 0

    def answered(self, time_ms: int, *, held: Held) -> None:
        """A signed time was verified: what the city published then is what must be held to be current."""
        now = self._world.at(time_ms)
        self._verified.append((time_ms, now.status, now.issuers))
        self._settle(held)

    def moved(self, box: Box, *, at_ms: int) -> None:
        """Something came or time passed."""
        self._held(box)
        self._heed(box)
        self._time(box, at_ms=at_ms)
        self._proven_ms = max(self._proven_ms, box.saved_ms)

    def _heed(self, box: Box) -> None:
        """Nobody who may sign lies here: every alarm of the clock is a false one."""
        for alarm in box.alarms[self._alarms :]:
            self._tally.broken[f"alarm {alarm}"] += 1
        self._alarms = len(box.alarms)

    def _time(self, box: Box, *, at_ms: int) -> None:
        """Contracts 4: true time lies in [lo, hi], lo only rises, and never lies below a floor that was saved."""
        now = box.now()
        self._tally.broken["lo above the truth"] += now.lo_ms > at_ms
        if now.hi_ms is not None:
            short_ms = at_ms - now.hi_ms
            self._tally.broken["hi below the truth"] += short_ms > 0
            self._tally.shortfall_ms = max(self._tally.shortfall_ms, short_ms)
        self._tally.broken["lo went back"] += now.lo_ms < self._lo_ms
        self._tally.broken["below its saved floor"] += now.lo_ms < self._proven_ms
        self._lo_ms = now.lo_ms
        for one in self.recent:
            one.highest_lo_ms = max(one.highest_lo_ms, now.lo_ms)

    def _held(self, box: Box) -> None:
        held, world = box.held, self._world
        if held is self._seen:
            return
        self._seen = held
        for role, document in held.documents.items():
            taken = held.trust.issuers if role == "issuers" else held.trust.status
            version = 0 if taken is None else taken.version
            self._tally.broken["forged document"] += not self._is_the_citys(document, role=role, version=version)
        for version, document in enumerate(held.roots, start=1):
            self._tally.broken["forged document"] += not self._is_the_citys(document, role="root", version=version)
        floors = {role: floor.version for role, floor in held.floors.items()}
        root = floors.get("root", 0)
        if root > self._root > 0:  # other keys for everything: what the former vouched for binds nobody (3.1)
            self._verified, self._current_ms, self._proven_ms, self._lo_ms, self._floors = [], None, 0, 0, {}
        self._root = max(root, self._root)
        self._tally.broken["version floor went down"] += any(
            floors.get(role, 0) < low for role, low in self._floors.items()
        )
        self._floors |= floors
        if held.trust.issuers is not None:
            rows = world.rows[held.trust.issuers.version]
            self._withdrawn |= {issuer for issuer, row in rows.items() if row.state is IssuerState.WITHDRAWN}
        if held.trust.status is not None:
            self._status_taken = max(self._status_taken, held.trust.status.version)
        self._settle(held)

    def _settle(self, held: Held) -> None:
        """Age counts from the latest verified time to which all that is held was current (3.6)."""
        have = held.have
        for time_ms, status, issuers in self._verified:
            if status <= have.get("status", 0) and issuers <= have.get("issuers", 0):
                self._current_ms = max(self._current_ms or 0, time_ms)
        self._verified = [one for one in self._verified if one[0] > (self._current_ms or 0)]

    def _is_the_citys(self, document: bytes, *, role: str, version: int) -> bool:
        true = self._world.documents.get((role, version), b"")
        return document == true or payload_sm3(document) == payload_sm3(true)

    # -- what is shown to it ---------------------------------------------------------------------------------------

    def facts(self, box: Box, showing: Showing, *, at_ms: int, again: Recent | None) -> Facts:
        """What is true of a showing at this moment."""
        world, held, card = self._world, box.held, showing.card
        issuers = held.trust.issuers if held.trust.root is not None else None
        row = None if issuers is None else world.rows[issuers.version].get(card.issuer)
        kind = "holder" if card.is_bound else "static"
        in_scope = (
            row is not None
            and kind in row.kinds
            and row.not_before <= card.issued_day <= row.not_after
            and _REGION in row.regions
        )
        status = held.trust.status
        has_list = status is not None and f"cards-{card.issuer}" in held.trust.lists
        issued_ms = None if status is None else world.issued_ms[status.version]
        return Facts(
            at_ms=at_ms,
            now=box.now(),
            proven_ms=self._proven_ms,
            holds_issuers=issuers is not None,
            knows_issuer=row is not None,
            withdrawn=card.issuer in self._withdrawn,
            in_scope=in_scope,
            state=world.state_in(self._status_taken, card) if has_list else None,
            is_recorded=again is not None and again.is_recorded,
            highest_lo_ms=0 if again is None else again.highest_lo_ms,
            age_since_ms=issued_ms if self._current_ms is None else self._current_ms,
            is_good=again is None and self._is_good(showing, at_ms=at_ms),
        )

    def shown(self, one: Recent, verdict: Verdict, *, now: Interval) -> None:
        """A verdict was given; every one that did not refuse had to be recorded with its presentation."""
        is_taken = verdict.outcome in (Outcome.ACCEPT, Outcome.ACCEPT_PENDING)
        if is_taken and verdict.reason is not Reason.UNKNOWN_ISSUER and not one.is_recorded:
            one.is_recorded, one.highest_lo_ms = True, now.lo_ms
        if one not in self.recent:
            self.recent.append(one)

    def _is_good(self, showing: Showing, *, at_ms: int) -> bool:
        card = showing.card
        return (
            showing.make is Make.GENUINE
            and card.origin is Origin.HONEST
            and card.issuer is not Issuer.FAR
            and card.start_ms <= at_ms < card.end_ms
            and card.state_at(at_ms) is CardState.VALID
            and not self._world.is_withdrawn(card.issuer, at_ms)
            and (showing.shown_s is None or abs(at_ms - showing.shown_ms) <= WINDOW_MS)
        )
