"""What lies between a city and a box: connections that come and go, brokers that withhold and replay, and liars.

A liar has keys of its own, every document that was ever published, every answer that ever passed, and, once the root
has been replaced, the keys of the former root. What it makes is offered to the box like everything else.
"""

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from city.authority.documents import issuers_payload, root_payload, status_payload, time_payload
from city.authority.keys import DOCUMENT_ROLES
from edge import dsse, gm
from edge.trust_documents import IssuerState
from tests.simulation.box import Box
from tests.simulation.cards import DAY_MS, HOUR_MS
from tests.simulation.world import CITY, Published, World

GONE_AFTER_DAYS: Final = 10
THIEVES: Final = ("thief", "second thief", "third thief")
_SLOW_MS: Final = 600_000  # an answer may be held back so long
_YEAR_MS: Final = 366 * DAY_MS


class Pattern(enum.StrEnum):
    """How a box is connected."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    GONE = "gone after day 10"
    WITHHOLDING = "status withheld"
    REPLAYING = "old documents"

    def contacts(self, rng: random.Random, *, day: int) -> list[int]:
        """When in a day the box asks its city, ms from the day's start."""
        match self:
            case Pattern.DAILY:
                return [rng.randrange(DAY_MS)]
            case Pattern.WEEKLY:
                return [rng.randrange(DAY_MS)] if day % 7 == 0 else []
            case Pattern.GONE if day >= GONE_AFTER_DAYS:
                return []
            case _:
                return [hour * HOUR_MS + rng.randrange(HOUR_MS) for hour in range(7, 19)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What arrives.

    Attributes:
        data: A document, or a receipt's frame.
        role: What its topic says it is; None: it came for this box alone.
        is_receipt: Whether it is a receipt.
        is_true: Whether the city made it for this box, now.
    """

    data: bytes
    role: str | None = None
    is_receipt: bool = False
    is_true: bool = True


def trip_ms(rng: random.Random) -> tuple[int, int]:
    """How long a question takes to the city, and the answer back: one way may be held up."""
    up, down = rng.randrange(5, 400), rng.randrange(5, 400)
    if rng.random() < 0.05:
        down += rng.randrange(_SLOW_MS)
    return up, down


def letters(rng: random.Random, *, world: World, box: Box, at_ms: int, nonce: bytes) -> list[Letter]:
    """What the city sends for one question, signed at that moment."""
    now, have = world.at(at_ms), box.held.have
    found = [Letter(data=world.time(at_ms, node=box.node, nonce=nonce))]
    found += [Letter(data=world.documents["root", one]) for one in range(have.get("root", 0) + 1, now.root + 1)]
    for role, version in (("issuers", now.issuers), ("status", now.status)):
        is_wanted = version > have.get(role, 0) or (
            role == "status" and len(box.held.trust.lists) < len(box.held.lists)
        )
        if is_wanted or rng.random() < 0.1:
            found.append(Letter(data=world.documents[role, version], role=role))
    if rng.random() < 0.1:
        rng.shuffle(found)
    else:  # roots first, the time somewhere
        found = [*found[1:], found[0]] if rng.random() < 0.5 else [*found[1:2], found[0], *found[2:]]
    return found


def passes(pattern: Pattern, letter: Letter, *, day: int, number: int) -> bool:
    """Whether the broker lets it through: some withhold documents, some of these the time as well."""
    if pattern is not Pattern.WITHHOLDING or day < GONE_AFTER_DAYS or letter.is_receipt:
        return True
    return letter.role is None and number % 2 == 0


class Liar:
    """Makes what must not be believed."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._answers: list[bytes] = []

    def listen(self, document: bytes) -> None:
        """An answer to this box passes."""
        self._answers = [*self._answers[-9:], document]

    def old(self, now: Published) -> Iterator[Letter]:
        """Documents of former days, and former answers."""
        for role, newest in (("issuers", now.issuers), ("status", now.status), ("root", now.root)):
            version = self._rng.randrange(1, newest + 1)
            yield Letter(data=self._world.documents[role, version], role=role, is_true=version == newest)
        if self._answers:
            yield Letter(data=self._rng.choice(self._answers), is_true=False)

    def lies(self, box: Box, *, at_ms: int, nonce: bytes) -> Iterator[Letter]:
        """Some lies about everything."""
        rng, world = self._rng, self._world
        now = world.at(at_ms)
        wrong_ms = at_ms + rng.choice((-2 * _YEAR_MS, -DAY_MS, -1000, 1000, DAY_MS, 2 * _YEAR_MS))
        claims = {"status": rng.randrange(now.status + 1), "issuers": 0}
        yield from self._signed(
            box, "time", time_payload(node=box.node, nonce=nonce, now_ms=wrong_ms, versions=claims), now=now
        )
        yield Letter(data=world.time(at_ms, node="somebody-else", nonce=nonce), is_true=False)
        yield Letter(data=world.time(at_ms, node=box.node, nonce=rng.randbytes(16)), is_true=False)
        version = now.status + rng.randrange(1, 100)
        yield from self._signed(
            box,
            "status",
            status_payload(version=version, issued_at_ms=wrong_ms, lists={}, hashed={}, issuers_version=0),
            now=now,
        )
        rows = [replace(row, state=IssuerState.ACTIVE) for row in world.rows[now.issuers].values()]
        yield from self._signed(
            box, "issuers", issuers_payload(rows, version=now.issuers + 1, issued_at_ms=wrong_ms), now=now
        )
        yield from self._signed(box, "root", self._root_payload(now.root + 1, wrong_ms), now=now)
        yield self._mangled(now)
        thief = world.key(THIEVES[0])
        yield Letter(
            data=world.receipt(wrong_ms, node=box.node, nonce=nonce, signer=thief), is_receipt=True, is_true=False
        )
        yield Letter(data=world.receipt(at_ms, node="somebody-else", nonce=nonce), is_receipt=True, is_true=False)

    def _signed(self, box: Box, role: str, payload: bytes, *, now: Published) -> Iterator[Letter]:
        """By a thief's own key, in its own name or the city's; by the former key where a root has replaced it."""
        thieves = [self._world.key(name) for name in THIEVES]
        true = self._world.key("root-1") if role == "root" else self._world.role_key(role, root=now.root)
        document = dsse.sign(payload, role=role, keys=thieves)
        yield Letter(data=document, role=self._rng.choice((role, None)), is_true=False)
        in_its_name = document.replace(thieves[0].public.keyid.hex().encode(), true.public.keyid.hex().encode())
        yield Letter(data=in_its_name, is_true=False)
        if role != "root" and box.held.have.get("root", 0) > 1:
            former: gm.PrivateKey = self._world.role_key(role, root=1)
            yield Letter(data=dsse.sign(payload, role=role, keys=[former]), is_true=False)

    def _root_payload(self, version: int, at_ms: int) -> bytes:
        """A root that meets its own threshold and nobody else's."""
        thief, *others = [self._world.key(name).public for name in THIEVES]
        return root_payload(
            version=version,
            issued_at_ms=at_ms,
            city=CITY,
            roots=[thief, *others],
            roles=dict.fromkeys(DOCUMENT_ROLES, thief),
            receipt=thief,
            encryption=thief,
        )

    def _mangled(self, now: Published) -> Letter:
        """A true document with a byte changed, cut short, or under another role's topic."""
        document, rng = self._world.documents["status", now.status], self._rng
        match rng.randrange(3):
            case 0:
                at = rng.randrange(len(document))
                return Letter(data=document[:at] + bytes((document[at] ^ 1,)) + document[at + 1 :], is_true=False)
            case 1:
                return Letter(data=document[: rng.randrange(len(document))], is_true=False)
            case _:
                return Letter(data=document, role="issuers", is_true=False)
