"""The cards of the simulated city, as it knows them: who issued which, from when to when, and what became of them."""

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from edge.ehc_code import DAY_S, EPOCH_S
from edge.status_list import CardState

DAY_MS: Final = DAY_S * 1000
FIRST_DAY: Final = 2400  # days since E: later than any build date
HOUR_MS: Final = 3_600_000


def day_start(day: int) -> int:
    """The first moment of a day since E, Unix milliseconds."""
    return EPOCH_S * 1000 + day * DAY_MS


class Issuer(enum.StrEnum):
    """The issuers, by what happens to them."""

    STEADY = "steady"
    OLD = "old"  # retired when NEW begins
    NEW = "new"
    STOLEN = "stolen"  # withdrawn
    LEAKED = "leaked"  # a thief backdates with its key until it is withdrawn; later it is not even listed
    NARROW = "narrow"  # static cards only
    FAR = "far"  # another province's
    EXTENDED = "extended"  # may issue for one more week, said anew each week


class Origin(enum.StrEnum):
    """Whether the city stands by a card."""

    HONEST = "honest"
    BACKDATED = "backdated"
    OUT_OF_SCOPE = "out of scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One card.

    Attributes:
        name: Of the holder's key, unique.
        given_ms: When it was given out; nobody shows it before.
        changes: When (ms) it got which state, ascending; VALID before.
    """

    name: str
    issuer: Issuer
    origin: Origin
    index: int
    card_ref: bytes
    issued_day: int
    expiry_day: int
    is_bound: bool
    needs_trusted_time: bool
    given_ms: int
    changes: tuple[tuple[int, CardState], ...] = ()

    @property
    def start_ms(self) -> int:
        """When it begins to be valid."""
        return day_start(self.issued_day)

    @property
    def end_ms(self) -> int:
        """When it has expired: contracts 1, "Validity"."""
        return day_start(self.expiry_day + 1)

    def state_at(self, ms: int) -> CardState:
        """Its state as the authority knows it."""
        state = CardState.VALID
        for since_ms, changed in self.changes:
            if since_ms <= ms:
                state = changed
        return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestones:
    """The days (since E) on which something happens to everybody."""

    renews: int  # OLD retires, NEW begins
    leaks: int  # the thief begins
    withdraws: int  # STOLEN is withdrawn
    rotates: int  # a new root: other keys for issuers, status, time and receipts
    withdraws_leaked: int
    forgets_leaked: int  # the list of issuers does not name LEAKED any more

    @classmethod
    def of(cls, days: int) -> "Milestones":
        """Spread over so many days."""
        at = [FIRST_DAY + round(days * share) for share in (0.2, 0.25, 0.35, 0.45, 0.6, 0.75)]
        return cls(
            renews=at[0], leaks=at[1], withdraws=at[2], rotates=at[3], withdraws_leaked=at[4], forgets_leaked=at[5]
        )


def deal(rng: random.Random, *, cards: int, days: int, milestones: Milestones) -> Iterator[Card]:
    """All cards of all issuers, `cards` honest ones each."""
    for issuer in Issuer:
        opens, closes = FIRST_DAY - 200, FIRST_DAY + days
        if issuer is Issuer.NEW:
            opens = milestones.renews
        elif issuer is Issuer.OLD:
            closes = milestones.renews
        elif issuer is Issuer.STOLEN:
            closes = milestones.withdraws
        elif issuer is Issuer.LEAKED:
            closes = milestones.leaks
        given = sorted(_given(rng, opens=opens, closes=closes) for _ in range(cards))
        honest = [
            _honest(rng, issuer=issuer, index=index, given_ms=given_ms, days=days)
            for index, given_ms in enumerate(given)
        ]
        yield from honest
        if issuer is Issuer.LEAKED:
            yield from _backdated(rng, copied=honest, milestones=milestones, days=days)
        if issuer is Issuer.NARROW:
            yield from _out_of_scope(rng, beside=honest)


def _given(rng: random.Random, *, opens: int, closes: int) -> int:
    begins = FIRST_DAY if opens < FIRST_DAY and rng.random() < 0.4 else opens
    return rng.randrange(day_start(begins), day_start(closes))


def _honest(rng: random.Random, *, issuer: Issuer, index: int, given_ms: int, days: int) -> Card:
    given_day = (given_ms - day_start(0)) // DAY_MS
    issued_day = given_day + (rng.randrange(1, 10) if rng.random() < 0.1 else 0)  # some are good from next week on
    if issuer is Issuer.OLD or issuer is Issuer.EXTENDED:
        issued_day = given_day  # their days are narrow
    first_end = max(issued_day, FIRST_DAY)
    lives = (rng.randrange(1, days + 1), rng.randrange(80, 120), rng.randrange(300, 1800))
    return Card(
        name=f"{issuer}/{index}",
        issuer=issuer,
        origin=Origin.HONEST,
        index=index,
        card_ref=rng.randbytes(8),
        issued_day=issued_day,
        expiry_day=first_end + rng.choices(lives, weights=(3, 2, 5))[0],
        is_bound=issuer is not Issuer.NARROW and rng.random() < 0.5,
        needs_trusted_time=rng.random() < 0.2,
        given_ms=given_ms,
        changes=tuple(_changes(rng, given_ms=given_ms, days=days)),
    )


def _changes(rng: random.Random, *, given_ms: int, days: int) -> Iterator[tuple[int, CardState]]:
    """Half of them stay valid; others are revoked, or lost and found again, some more than once."""
    end_ms = day_start(FIRST_DAY + days)
    now_ms = given_ms
    while rng.random() < 0.5:
        now_ms += rng.randrange(1, days * DAY_MS // 2)
        if now_ms >= end_ms:
            return
        if rng.random() < 0.3:
            yield now_ms, CardState.REVOKED
            return
        yield now_ms, CardState.SUSPENDED
        now_ms += rng.randrange(HOUR_MS, days * DAY_MS // 4)
        yield now_ms, CardState.VALID


def _backdated(rng: random.Random, *, copied: list[Card], milestones: Milestones, days: int) -> Iterator[Card]:
    """What the thief makes: an older date of issue, a place in the list that somebody else has or nobody."""
    for number, model in enumerate(rng.sample(copied, k=max(1, len(copied) // 4))):
        issued_day = milestones.leaks - rng.randrange(1, 100)
        yield Card(
            name=f"thief/{number}",
            issuer=Issuer.LEAKED,
            origin=Origin.BACKDATED,
            index=model.index if rng.random() < 0.7 else len(copied) + number,
            card_ref=rng.randbytes(8),
            issued_day=issued_day,
            expiry_day=issued_day + 3000,
            is_bound=rng.random() < 0.5,
            needs_trusted_time=False,
            given_ms=rng.randrange(day_start(milestones.leaks), day_start(FIRST_DAY + days)),
            changes=model.changes,
        )


def _out_of_scope(rng: random.Random, *, beside: list[Card]) -> Iterator[Card]:
    """What an issuer had no right to make: a holder card, or one of a day that is not its own."""
    for number in range(max(2, len(beside) // 10)):
        model = rng.choice(beside)
        is_bound = number % 2 == 0
        yield Card(
            name=f"narrow/beside/{number}",
            issuer=Issuer.NARROW,
            origin=Origin.OUT_OF_SCOPE,
            index=model.index,
            card_ref=rng.randbytes(8),
            issued_day=model.issued_day if is_bound else FIRST_DAY - 1500,
            expiry_day=model.expiry_day,
            is_bound=is_bound,
            needs_trusted_time=False,
            given_ms=model.given_ms,
            changes=model.changes,
        )
