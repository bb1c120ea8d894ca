"""An issuer, a holder and a trust set that knows them: what a test of verdicts needs, any of it changed at will."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from edge.ehc_code import DAY_S, EPOCH_S, HOLDER_CARD, STATIC_CARD, card_bytes, code_text, presentation_bytes
from edge.gm import PrivateKey, sm3
from edge.roster import KEY_BYTES, Person, Roster, RosterManifest, build_roster, open_roster
from edge.status_list import CardState, HashedList, StatusList, pack_hashed, pack_list
from edge.trust import HashedInfo, IssuerEntry, Issuers, IssuerState, Root, Staleness, Status, TrustSet
from edge.trust_documents import Blob
from edge.verdict import Interval
from tests.support.vectors import key

TODAY = 2518  # days since E
NOON_MS = (EPOCH_S + DAY_S * TODAY + DAY_S // 2) * 1000
NOW = Interval(lo_ms=NOON_MS, hi_ms=NOON_MS + 400)
UNANCHORED = Interval(lo_ms=NOON_MS, hi_ms=None)
NOW_S = NOON_MS // 1000 - EPOCH_S
YEAR_MS = 366 * DAY_S * 1000
CARD_REF = bytes.fromhex("3abd8ed61bcbc7ea")
LIST_CARDS = 64
REVOKED, SUSPENDED, NOT_GIVEN_OUT = 5, 6, 7  # indices
ROSTER_KEYS = bytes(range(2 * KEY_BYTES))
HASH_KEY = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """A replay cache that has seen nothing, or everything, or is full."""

    full: bool = False
    has_seen: bool = False

    def seen(self, key: bytes) -> bool:
        assert len(key) == 47
        return self.has_seen


def static_card(
    *,
    issuer: PrivateKey | None = None,
    index: int = 1,
    issued_day: int = TODAY - 10,
    expiry_day: int = TODAY + 365,
    needs_trusted_time: bool = False,
    holder: tuple[int, date, str] | None = None,
) -> bytes:
    """The bytes of a card that passes, unless told otherwise."""
    issuer = issuer or key("issuer")
    return card_bytes(
        STATIC_CARD,
        kid=issuer.public.kid,
        index=index,
        card_ref=CARD_REF,
        issued_day=issued_day,
        expiry_day=expiry_day,
        sign=issuer.sign,
        needs_trusted_time=needs_trusted_time,
        holder=holder,
    )


def holder_card(*, index: int = 1, expiry_day: int = TODAY + 365, holder_key: bytes | None = None) -> bytes:
    """The bytes of a holder-bound card, not shown yet."""
    issuer = key("issuer")
    return card_bytes(
        HOLDER_CARD,
        kid=issuer.public.kid,
        index=index,
        card_ref=CARD_REF,
        issued_day=TODAY - 10,
        expiry_day=expiry_day,
        sign=issuer.sign,
        holder_key=holder_key or key("holder").public.compressed,
    )


def shown(card: bytes | None = None, *, time_s: int = NOW_S, nonce: bytes = b"\x00\x01") -> bytes:
    """The bytes of a presentation."""
    return presentation_bytes(card or holder_card(), time_s=time_s, nonce=nonce, sign=key("holder").sign)


def text(data: bytes) -> str:
    """What a scanner reads of these bytes."""
    return code_text(data)


def root(*, city: str = "370800", expires_at_ms: int = NOON_MS + 5 * YEAR_MS) -> Root:
    """A root that names a city; its keys are not asked for here."""
    return Root(
        version=1,
        issued_at_ms=NOON_MS - YEAR_MS,
        expires_at_ms=expires_at_ms,
        city=city,
        keys={},
        roles={},
        city_encryption_key=key("city_encryption").public,
        receipt_keyids=frozenset(),
        payload_sm3=bytes(32),
    )


def issuer_entry(**changes: Any) -> IssuerEntry:
    """The entry of the issuer that `static_card` and `holder_card` are of."""
    members: dict[str, Any] = {
        "key": key("issuer").public,
        "org": "370800H0001",
        "regions": ("3708",),
        "kinds": frozenset({"static", "holder"}),
        "not_before": TODAY - 1000,
        "not_after": TODAY + 1000,
        "status_list": "cards-a",
        "state": IssuerState.ACTIVE,
    }
    return IssuerEntry(**members | changes)


def issuers(*entries: IssuerEntry, expires_at_ms: int = NOON_MS + YEAR_MS) -> Issuers:
    """An issuers document of one day ago."""
    by_kid: dict[bytes, tuple[IssuerEntry, ...]] = {}
    for entry in entries or (issuer_entry(),):
        by_kid[entry.key.kid] = (*by_kid.get(entry.key.kid, ()), entry)
    return Issuers(
        version=7,
        issued_at_ms=NOON_MS - DAY_S * 1000,
        expires_at_ms=expires_at_ms,
        staleness=Staleness(fresh_s=DAY_S, aging_s=3 * DAY_S, stale_s=14 * DAY_S),
        by_kid=by_kid,
    )


def status(
    *, age_s: int = 3600, expires_at_ms: int = NOON_MS + YEAR_MS, hashed: Iterable[str] = ("national",)
) -> Status:
    """A status document; of its lists only the names matter here."""
    blob = Blob(sm3=bytes(32), length=0)
    return Status(
        version=31,
        issued_at_ms=NOON_MS - age_s * 1000,
        expires_at_ms=expires_at_ms,
        lists={},
        hashed={name: HashedInfo(version=4, key=HASH_KEY, count=0, sm3=bytes(32), snapshot=blob) for name in hashed},
        issuers_version=7,
    )


def cards_list() -> StatusList:
    """A list with one card of each state."""
    states = {
        REVOKED: CardState.REVOKED,
        SUSPENDED: CardState.SUSPENDED,
        NOT_GIVEN_OUT: CardState.NOT_COVERED,
    }
    return pack_list(states, size=LIST_CARDS)


def hashed_list(*indices: str) -> HashedList:
    """A hashed list that names these indices."""
    return HashedList(HASH_KEY, pack_hashed(map(bytes.fromhex, indices), key=HASH_KEY))


def roster(people: Mapping[str, Person], *, lease_until_ms: int = NOON_MS + YEAR_MS) -> Roster:
    """An opened roster of these carrier strings."""
    blob = build_roster(people.items(), keys=ROSTER_KEYS)
    return open_roster(
        manifest(blob, count=len(people), lease_until_ms=lease_until_ms), blob, decrypt=lambda _: ROSTER_KEYS
    )


def manifest(blob: bytes, *, count: int, lease_until_ms: int) -> RosterManifest:
    """The manifest of a roster's blob."""
    return RosterManifest(
        version=3,
        issued_at_ms=NOON_MS - DAY_S * 1000,
        expires_at_ms=NOON_MS + 2 * YEAR_MS,
        node="370881-0042",
        lease_until_ms=lease_until_ms,
        count=count,
        sm3=sm3(blob),
        length=len(blob),
        wrapped_key=b"",
    )


def trust(**changes: Any) -> TrustSet:
    """A trust set under which every card made here is VALID."""
    members: dict[str, Any] = {
        "root": root(),
        "issuers": issuers(),
        "status": status(),
        "lists": {"cards-a": cards_list()},
        "hashed": {"national": hashed_list()},
    }
    return TrustSet(**members | changes)
