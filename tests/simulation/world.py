"""The authority of the simulation: it has the true time, knows every card, and publishes what the city would.

Documents are made by the city's own functions. What they say is kept a second time in plain values
(`state_in`, `rows`), which share no code with the node: by these a verdict is judged.
"""

import bisect
import random
from dataclasses import dataclass
from typing import Final

from city.authority.documents import (
    IssuerRow,
    PackedList,
    issuers_payload,
    root_payload,
    status_payload,
    time_payload,
)
from city.authority.keys import DOCUMENT_ROLES
from city.deltas import DELTAS_MAX
from edge import dsse, gm
from edge.ehc_code import HOLDER_CARD, STATIC_CARD, card_bytes
from edge.status_delta import make_delta
from edge.status_list import CardState, StatusList, pack_list, pack_snapshot
from edge.trust_documents import Blob, Delta, IssuerState
from sync import wire
from tests.simulation.cards import DAY_MS, FIRST_DAY, HOUR_MS, Card, Issuer, Milestones, Origin, day_start, deal

CITY: Final = "370800"
LIST_STEP: Final = 32  # places a list grows by
ROOT_NAMES: Final = ("root-1", "root-2", "root-3")
FRESH_S, AGING_S, STALE_S = 86_400, 259_200, 1_209_600  # contracts 3.2, as the city's documents say


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The versions that count from a moment on."""

    at_ms: int
    root: int
    issuers: int
    status: int


class World:
    """The city, for so many days from `FIRST_DAY` on.

    Attributes:
        cards: All that people may show.
        documents: By role and version.
        blobs: By SM3.
        issued_ms: When a status document was made, by version.
        rows: What an issuers document said, by version and issuer.
    """

    def __init__(self, seed: int, *, days: int, cards: int) -> None:
        rng = random.Random(f"{seed}/world")
        self.milestones = Milestones.of(days)
        self.begin_ms, self.end_ms = day_start(FIRST_DAY), day_start(FIRST_DAY + days)
        self.cards = tuple(deal(rng, cards=cards, days=days, milestones=self.milestones))
        self.documents: dict[tuple[str, int], bytes] = {}
        self.blobs: dict[bytes, bytes] = {}
        self.issued_ms: dict[int, int] = {}
        self.rows: dict[int, dict[Issuer, IssuerRow]] = {}
        self._seed = seed
        self._keys: dict[str, gm.PrivateKey] = {}
        self._codes: dict[str, bytes] = {}
        self._states: dict[int, dict[Issuer, bytes]] = {}
        self._lists: dict[Issuer, tuple[StatusList, PackedList]] = {}
        self._published: list[Published] = []
        self._honest = {
            issuer: [card for card in self.cards if card.issuer is issuer and card.origin is Origin.HONEST]
            for issuer in Issuer
        }
        self._publish_all(rng)

    # -- what is true ----------------------------------------------------------------------------------------------

    def at(self, ms: int) -> Published:
        """What is published at a moment."""
        return self._published[bisect.bisect_right(self._published, ms, key=lambda one: one.at_ms) - 1]

    def state_in(self, version: int, card: Card) -> CardState:
        """What the status document of a version says of a card."""
        states = self._states[version][card.issuer]
        return _STATES[states[card.index]] if card.index < len(states) else CardState.NOT_COVERED

    def is_withdrawn(self, issuer: Issuer, ms: int) -> bool:
        """Whether the city has withdrawn an issuer's key."""
        since = {Issuer.STOLEN: self.milestones.withdraws, Issuer.LEAKED: self.milestones.withdraws_leaked}.get(issuer)
        return since is not None and ms >= day_start(since)

    # -- what it makes ---------------------------------------------------------------------------------------------

    def key(self, name: str) -> gm.PrivateKey:
        """The private key of a name."""
        if name not in self._keys:
            self._keys[name] = gm.private_key(gm.sm3(f"{self._seed}/{name}".encode()))
        return self._keys[name]

    def role_key(self, role: str, *, root: int) -> gm.PrivateKey:
        """The key of a role under a root."""
        return self.key(f"{role} under {root}")

    def issuer_key(self, issuer: Issuer) -> gm.PrivateKey:
        """An issuer's key."""
        return self.key(f"issuer {issuer}")

    def code(self, card: Card) -> bytes:
        """The bytes of a card, without a showing."""
        if card.name not in self._codes:
            self._codes[card.name] = self.card_of(card, signer=self.issuer_key(card.issuer))
        return self._codes[card.name]

    def card_of(self, card: Card, *, signer: gm.PrivateKey) -> bytes:
        """The bytes of a card that names its issuer, whoever signs it."""
        return card_bytes(
            HOLDER_CARD if card.is_bound else STATIC_CARD,
            kid=self.issuer_key(card.issuer).public.kid,
            index=card.index,
            card_ref=card.card_ref,
            issued_day=card.issued_day,
            expiry_day=card.expiry_day,
            sign=signer.sign,
            needs_trusted_time=card.needs_trusted_time,
            holder_key=self.holder_key(card).public.compressed if card.is_bound else None,
        )

    def holder_key(self, card: Card) -> gm.PrivateKey:
        """The key in the holder's phone."""
        return self.key(f"holder {card.name}")

    def time(self, ms: int, *, node: str, nonce: bytes) -> bytes:
        """The time for a node, by the key that counts then."""
        now = self.at(ms)
        versions = {"status": now.status, "issuers": now.issuers}
        payload = time_payload(node=node, nonce=nonce, now_ms=ms, versions=versions)
        return dsse.sign(payload, role="time", keys=[self.role_key("time", root=now.root)])

    def receipt(self, ms: int, *, node: str, nonce: bytes, signer: gm.PrivateKey | None = None) -> bytes:
        """A receipt, of which only the time matters here."""
        key = signer or self.role_key("receipt", root=self.at(ms).root)
        payload = nonce + ms.to_bytes(8, "big") + node.encode()
        return wire.encode_frame(wire.FrameType.RECEIPT, payload, sign=key.sign, keyid=key.public.keyid)

    # -- publishing ------------------------------------------------------------------------------------------------

    def _publish_all(self, rng: random.Random) -> None:
        """Status each night, issuers each week, both at once when something was withdrawn or the root is new."""
        root = issuers = 0
        marks = self.milestones
        events = {marks.renews, marks.withdraws, marks.rotates, marks.withdraws_leaked, marks.forgets_leaked}
        for status, day in enumerate(range(FIRST_DAY, day_of(self.end_ms)), start=1):
            at_ms = day_start(day)
            if day in (FIRST_DAY, marks.rotates):
                root += 1
                self._publish_root(root, at_ms=at_ms)
            if day in events or (day - FIRST_DAY) % 7 == 0:
                issuers += 1
                self._publish_issuers(issuers, at_ms=at_ms, root=root)
            elif day != FIRST_DAY:
                at_ms += rng.randrange(1, 5 * HOUR_MS)
            self._publish_status(status, at_ms=at_ms, root=root, issuers=issuers)
            self._published.append(Published(at_ms=at_ms, root=root, issuers=issuers, status=status))

    def _publish_root(self, version: int, *, at_ms: int) -> None:
        payload = root_payload(
            version=version,
            issued_at_ms=at_ms,
            city=CITY,
            roots=[self.key(name).public for name in ROOT_NAMES],
            roles={role: self.role_key(role, root=version).public for role in DOCUMENT_ROLES},
            receipt=self.role_key("receipt", root=version).public,
            encryption=self.key("city encryption").public,
        )
        keys = [self.key(name) for name in ROOT_NAMES[:2]]
        self.documents["root", version] = dsse.sign(payload, role="root", keys=keys)

    def _publish_issuers(self, version: int, *, at_ms: int, root: int) -> None:
        self.rows[version] = {row: made for row in Issuer if (made := self._row(row, at_ms=at_ms)) is not None}
        payload = issuers_payload(list(self.rows[version].values()), version=version, issued_at_ms=at_ms)
        keys = [self.role_key("issuers", root=root)]
        self.documents["issuers", version] = dsse.sign(payload, role="issuers", keys=keys)

    def _row(self, issuer: Issuer, *, at_ms: int) -> IssuerRow | None:
        day, marks = day_of(at_ms), self.milestones
        if issuer is Issuer.NEW and day < marks.renews:
            return None
        if issuer is Issuer.LEAKED and day >= marks.forgets_leaked:
            return None
        state, not_before, not_after = IssuerState.ACTIVE, FIRST_DAY - 1000, FIRST_DAY + 2000
        if issuer is Issuer.OLD and day >= marks.renews:
            state, not_after = IssuerState.RETIRED, marks.renews
        elif issuer is Issuer.EXTENDED:
            not_after = day + 7
        elif self.is_withdrawn(issuer, at_ms):
            state = IssuerState.WITHDRAWN
        return IssuerRow(
            key=self.issuer_key(issuer).public.compressed.hex(),
            org="370800H0001",
            regions=("1101",) if issuer is Issuer.FAR else ("3708",),
            kinds=("static",) if issuer is Issuer.NARROW else ("static", "holder"),
            not_before=not_before,
            not_after=not_after,
            status_list=f"cards-{issuer}",
            state=state,
        )

    def _publish_status(self, version: int, *, at_ms: int, root: int, issuers: int) -> None:
        self.issued_ms[version] = at_ms
        self._states[version] = {}
        lists: dict[str, PackedList] = {}
        for issuer, cards in self._honest.items():
            given = [card for card in cards if card.given_ms <= at_ms]
            size = max(1, -(-len(given) // LIST_STEP)) * LIST_STEP
            states = [card.state_at(at_ms) for card in given] + [CardState.NOT_COVERED] * (size - len(given))
            self._states[version][issuer] = bytes(_STATES.index(state) for state in states)
            new = pack_list(dict(enumerate(states)), size=size)
            lists[f"cards-{issuer}"] = self._packed(issuer, new, version=version, states=states)
        payload = status_payload(version=version, issued_at_ms=at_ms, lists=lists, hashed={}, issuers_version=issuers)
        keys = [self.role_key("status", root=root)]
        self.documents["status", version] = dsse.sign(payload, role="status", keys=keys)

    def _packed(self, issuer: Issuer, new: StatusList, *, version: int, states: list[CardState]) -> PackedList:
        deltas: tuple[Delta, ...] = ()
        if issuer in self._lists:
            old, said = self._lists[issuer]
            if (old.size, old.packed) == (new.size, new.packed):
                return said
            blob = self._put(make_delta(old, new))
            last = Delta(from_version=said.version, to_version=version, blob=blob)
            deltas = (*said.deltas, last)[-DELTAS_MAX:]
        snapshot = self._put(pack_snapshot(new))
        packed = PackedList(
            version=version,
            size=new.size,
            revoked=states.count(CardState.REVOKED),
            suspended=states.count(CardState.SUSPENDED),
            sm3=gm.sm3(new.packed),
            blob_sm3=snapshot.sm3,
            blob_bytes=snapshot.length,
            deltas=deltas,
        )
        self._lists[issuer] = new, packed
        return packed

    def _put(self, blob: bytes) -> Blob:
        sm3 = gm.sm3(blob)
        self.blobs[sm3] = blob
        return Blob(sm3=sm3, length=len(blob))


_STATES: Final = (CardState.VALID, CardState.REVOKED, CardState.SUSPENDED, CardState.NOT_COVERED)


def day_of(ms: int) -> int:
    """The day since E in which a moment lies."""
    return (ms - day_start(0)) // DAY_MS
