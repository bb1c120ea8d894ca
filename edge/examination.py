"""One examination: what it is given, what the steps have found so far, and the verdict put together from that.

Pure. `edge.verify` holds the steps; here are the values they share and the one place where a verdict is made.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol

from edge.classify import Classified
from edge.ehc_code import EhcCode
from edge.freshness import Freshness
from edge.roster import Person
from edge.trust import TrustSet
from edge.verdict import Evidence, Interval, Outcome, Reason, Subject, Verdict


class ReplayLookup(Protocol):
    """What the verifier asks of the replay cache."""

    @property
    def full(self) -> bool:
        """Whether a new presentation could not be remembered."""
        ...

    def seen(self, key: bytes) -> bool:
        """Whether the presentation was recorded before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayEntry:
    """A presentation that passed step 11, to be inserted when its verdict is recorded.

    Attributes:
        key: Issuer key, card reference, time and nonce: 47 bytes.
        expires_after_ms: It is kept until the interval's lower end lies above this.
    """

    key: bytes = field(repr=False)
    expires_after_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """A verdict, and what the record of it needs.

    Attributes:
        verdict: What the node says.
        classified: Of which text.
        replay: What the replay cache must remember; None: nothing.
        keep_code: Whether the record holds the carrier's bytes (contracts 5.1, `code`).
    """

    verdict: Verdict
    classified: Classified
    replay: ReplayEntry | None = None
    keep_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one examination is given.

    Attributes:
        classified: The text.
        trust: What is held.
        now: The interval the node can prove.
        replay: Asked, never changed.
        freshness: How old `trust` is.
    """

    classified: Classified
    trust: TrustSet
    now: Interval
    replay: ReplayLookup
    freshness: Freshness


class Findings:
    """What the steps have found so far: the only thing they change.

    Attributes:
        met: All notes in the order met.
        noted: The first that becomes the reason if nothing refuses.
        presumed: Valid, but only as far as the box can tell.
        person: Whom the roster knows.
        replay: What the replay cache must remember.
    """

    __slots__ = ("met", "noted", "person", "presumed", "replay")

    def __init__(self) -> None:
        self.met: list[Reason] = []
        self.noted: Reason | None = None
        self.presumed = False
        self.person: Person | None = None
        self.replay: ReplayEntry | None = None

    def note(self, reason: Reason) -> None:
        """The run goes on, but the card is no longer VALID."""
        self.noted = self.noted or reason
        self.met.append(reason)

    def remark(self, reason: Reason) -> None:
        """Something that stands only in `also`."""
        self.met.append(reason)

    def presume(self) -> None:
        """Its validity is taken for granted where the time is not known."""
        self.presumed = True
        self.met.append(Reason.CLOCK_UNSURE)


def concluded(
    case: Case, reason: Reason, *, found: Findings, code: EhcCode | None = None, subject: Subject | None = None
) -> Examination:
    """Put the verdict together.

    Args:
        case: What was given.
        reason: What decided.
        found: What the steps found.
        code: The code that was parsed, if it is one.
        subject: Whom the carrier names; None: nobody that is proven.
    """
    subject = subject or Subject(kind=case.classified.carrier)
    status, issuers, now = case.trust.status, case.trust.issuers, case.now
    verdict = Verdict(
        reason=reason,
        # Contracts 1: the other notes in the order met, each once, never the reason itself.
        also=tuple(note for note in dict.fromkeys(found.met) if note is not reason),
        subject=subject if found.person is None else _with_person(subject, found.person),
        evidence=Evidence(
            kid=None if code is None else code.kid,
            issuers=None if issuers is None else issuers.version,
            status=None if status is None else status.version,
            lo_ms=now.lo_ms,
            hi_ms=now.hi_ms,
            anchored=now.hi_ms is not None,
            age_s=case.freshness.age_s,
            rung=case.freshness.rung,
        ),
    )
    # Contracts 5.1: the code of every ACCEPT_PENDING and every presentation. (Money is neither.)
    keep_code = verdict.outcome is Outcome.ACCEPT_PENDING or (code is not None and code.presentation is not None)
    return Examination(verdict=verdict, classified=case.classified, replay=found.replay, keep_code=keep_code)


def _with_person(subject: Subject, person: Person) -> Subject:
    """What is proven stays; the roster fills what is unknown."""
    return replace(
        subject,
        id_no=subject.id_no or person.id_no,
        name=subject.name or person.name,
        sex=person.sex if subject.sex is None else subject.sex,
        birth=subject.birth or person.birth,
    )
