"""What the node says of a carrier: outcome, reason, what is known of the person, and on what evidence (contracts 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType


class Carrier(StrEnum):
    """What a person shows (contracts 2); the value is the word on the wire."""

    EHC1 = "ehc1"
    ENROLMENT = "enrolment"
    COMMAND = "command"
    NATIONAL_STATIC = "national_static"
    NATIONAL_DYNAMIC = "national_dynamic"
    ID_NUMBER = "id_number"
    BIRTH_CERTIFICATE = "birth_certificate"
    INSURANCE_CODE = "insurance_code"
    WECHAT_PAY = "wechat_pay"
    ALIPAY_PAY = "alipay_pay"
    TRACE_CODE = "trace_code"
    GS1 = "gs1"
    FOREIGN_CERTIFICATE = "foreign_certificate"
    LEGACY_CARD = "legacy_card"
    RHC = "rhc"  # 居民健康卡, read from its chip; these three are no rows of contracts 2, no text is one
    ID_CARD = "id_card"  # 居民身份证 and its kin, read from the chip
    SSC = "ssc"  # 社会保障卡, read from its chip
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """What the person at the desk does next."""

    ACCEPT = "ACCEPT"
    ACCEPT_PENDING = "ACCEPT_PENDING"
    REFUSE = "REFUSE"
    RETRY = "RETRY"


class Reason(StrEnum):
    """Why (contracts 4). DECEASED and ROSTER_STALE stand only in `Verdict.also`."""

    VALID = "VALID"
    VALID_STALE = "VALID_STALE"
    ROSTER_MATCH = "ROSTER_MATCH"
    ROSTER_MATCH_CODE_UNVERIFIED = "ROSTER_MATCH_CODE_UNVERIFIED"
    PENDING_CITY = "PENDING_CITY"
    CLOCK_UNSURE = "CLOCK_UNSURE"
    TRUST_OLD = "TRUST_OLD"
    OUT_OF_REGION = "OUT_OF_REGION"
    STATUS_NOT_COVERED = "STATUS_NOT_COVERED"
    STATUS_MISSING = "STATUS_MISSING"
    UNKNOWN_ISSUER = "UNKNOWN_ISSUER"
    INTERNAL = "INTERNAL"
    ISSUER_WITHDRAWN = "ISSUER_WITHDRAWN"
    WRONG_SCOPE = "WRONG_SCOPE"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"
    REVOKED_PROBABLE = "REVOKED_PROBABLE"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    REPLAYED = "REPLAYED"
    PRESENTATION_STALE = "PRESENTATION_STALE"
    PRESENTATION_FUTURE = "PRESENTATION_FUTURE"
    PRESENTATION_MISSING = "PRESENTATION_MISSING"
    MALFORMED = "MALFORMED"
    UNSUPPORTED_VERSION = "UNSUPPORTED_VERSION"
    NOT_A_HEALTH_CARD = "NOT_A_HEALTH_CARD"
    DECEASED = "DECEASED"
    ROSTER_STALE = "ROSTER_STALE"


OUTCOME_OF: Mapping[Reason, Outcome] = MappingProxyType(
    dict.fromkeys((Reason.VALID, Reason.VALID_STALE, Reason.ROSTER_MATCH), Outcome.ACCEPT)
    | dict.fromkeys(
        (
            Reason.ROSTER_MATCH_CODE_UNVERIFIED,
            Reason.PENDING_CITY,
            Reason.CLOCK_UNSURE,
            Reason.TRUST_OLD,
            Reason.OUT_OF_REGION,
            Reason.STATUS_NOT_COVERED,
            Reason.STATUS_MISSING,
            Reason.UNKNOWN_ISSUER,
            Reason.INTERNAL,
        ),
        Outcome.ACCEPT_PENDING,
    )
    | dict.fromkeys(
        (
            Reason.ISSUER_WITHDRAWN,
            Reason.WRONG_SCOPE,
            Reason.BAD_SIGNATURE,
            Reason.REVOKED,
            Reason.SUSPENDED,
            Reason.REVOKED_PROBABLE,
            Reason.EXPIRED,
            Reason.NOT_YET_VALID,
        ),
        Outcome.REFUSE,
    )
    | dict.fromkeys(
        (
            Reason.REPLAYED,
            Reason.PRESENTATION_STALE,
            Reason.PRESENTATION_FUTURE,
            Reason.PRESENTATION_MISSING,
            Reason.MALFORMED,
            Reason.UNSUPPORTED_VERSION,
            Reason.NOT_A_HEALTH_CARD,
        ),
        Outcome.RETRY,
    )
)


class Rung(StrEnum):
    """How old the trust data are (contracts 3.6)."""

    FRESH = "FRESH"
    AGING = "AGING"
    STALE = "STALE"
    OLD = "OLD"
    LAPSED = "LAPSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The time as the node can prove it: not before `lo_ms`, not after `hi_ms` (None: unknown). Unix milliseconds."""

    lo_ms: int
    hi_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who a carrier names, as far as it is known. Everything but `kind` identifies a person: ``repr`` hides it.

    Attributes:
        kind: The carrier that named the person.
        card_ref: 8 bytes of an EHC1 card, only when the issuer signature holds.
        index: Opaque index of a national code, 48 or 64 upper-case hex characters.
        id_no: Identity number, 18 characters.
        birth_no: Birth-certificate number, 10 characters.
        name: When proven by a signature or taken from the roster.
        sex: GB/T 2261.1: 0, 1, 2 or 9.
        birth: Day of birth.
    """

    kind: Carrier
    card_ref: bytes | None = field(default=None, repr=False)
    index: str | None = field(default=None, repr=False)
    id_no: str | None = field(default=None, repr=False)
    birth_no: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    sex: int | None = field(default=None, repr=False)
    birth: date | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """On what a verdict rests; None = unknown.

    Attributes:
        kid: First 4 bytes of SM3 of the issuer key the code names.
        issuers: Version of the issuers document used.
        status: Version of the status document used.
        lo_ms: The interval's lower end.
        hi_ms: Its upper end.
        anchored: Whether the interval has an upper end from a signed answer.
        age_s: Age of the trust data in seconds.
        rung: Where that stands on the ladder.
    """

    kid: bytes | None = None
    issuers: int | None = None
    status: int | None = None
    lo_ms: int | None = None
    hi_ms: int | None = None
    anchored: bool | None = None
    age_s: int | None = None
    rung: Rung | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the node says of one carrier.

    Attributes:
        reason: The first reason that decided (contracts 1, order of checks).
        also: Other notes in the order met, each once, never the reason itself.
        subject: Who it names.
        evidence: On what it rests.
    """

    reason: Reason
    also: tuple[Reason, ...] = ()
    subject: Subject
    evidence: Evidence

    @property
    def outcome(self) -> Outcome:
        """What the person at the desk does next."""
        return OUTCOME_OF[self.reason]
