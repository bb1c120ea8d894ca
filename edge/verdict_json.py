"""A verdict as JSON (contracts 4 and 6) and as the maps of a record (contracts 5.1), and back from a record.

Pure. In JSON bytes are lower-case hex and days ISO 8601; in CBOR bytes stay bytes. What is unknown is absent, never
null. Names and numbers of persons are masked in JSON unless asked for; a record holds them whole, it is sealed.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from edge.errors import EdgeError
from edge.identity import mask_id_no, mask_name
from edge.verdict import OUTCOME_OF, Carrier, Evidence, Reason, Rung, Subject, Verdict

_Read = Callable[[Any], Any]


class VerdictFormatError(EdgeError):
    """Maps that should be a verdict are none; the text names the member, never its value."""


def verdict_to_json(verdict: Verdict, *, show_person: bool = False) -> dict[str, Any]:
    """The members `outcome, reason, also, subject, evidence`.

    Args:
        verdict: What is shown.
        show_person: Whether names and numbers stand in it whole: for a token of scope ``person``, or the bench.
    """
    subject = subject_to_cbor(verdict.subject)
    if not show_person:
        subject |= {name: mask(subject[name]) for name, mask in _MASKS.items() if name in subject}
    members = verdict_to_cbor(verdict)
    return {
        "outcome": members["outcome"],
        "reason": members["reason"],
        "also": members["also"],
        "subject": _hex_for_bytes(subject),
        "evidence": _hex_for_bytes(members["evidence"]),
    }


def verdict_to_cbor(verdict: Verdict) -> dict[str, Any]:
    """The `verdict` of a record: `outcome, reason, also, evidence`; its subject is a member of the record itself."""
    evidence = verdict.evidence
    return {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason.value,
        "also": [note.value for note in verdict.also],
        "evidence": _known(
            kid=evidence.kid,
            issuers=evidence.issuers,
            status=evidence.status,
            lo=evidence.lo_ms,
            hi=evidence.hi_ms,
            anchored=evidence.anchored,
            age_s=evidence.age_s,
            rung=None if evidence.rung is None else evidence.rung.value,
        ),
    }


def subject_to_cbor(subject: Subject) -> dict[str, Any]:
    """The `subject` of a record; a day is ISO 8601 as in the roster (contracts 3.5)."""
    return _known(
        kind=subject.kind.value,
        card_ref=subject.card_ref,
        index=subject.index,
        id_no=subject.id_no,
        birth_no=subject.birth_no,
        name=subject.name,
        sex=subject.sex,
        birth=None if subject.birth is None else subject.birth.isoformat(),
    )


def verdict_from_cbor(verdict: object, *, subject: object) -> Verdict:
    """Read a record's `verdict` and `subject` maps.

    Raises:
        VerdictFormatError: A member is missing, unknown, or not of its type.
    """
    members = _members(verdict, _VERDICT, where="verdict")
    for name in _VERDICT:
        if name not in members:
            raise VerdictFormatError(f"verdict.{name}")
    if OUTCOME_OF.get(members["reason"]) != members["outcome"]:
        raise VerdictFormatError("verdict.outcome")
    named = _members(subject, _SUBJECT, where="subject")
    if "kind" not in named:
        raise VerdictFormatError("subject.kind")
    evidence = _members(members["evidence"], _EVIDENCE, where="evidence")
    return Verdict(
        reason=members["reason"],
        also=members["also"],
        subject=Subject(**named),
        evidence=Evidence(**{_EVIDENCE_FIELDS.get(name, name): value for name, value in evidence.items()}),
    )


def _known(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _hex_for_bytes(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in members.items()}


def _of_type(type_: type) -> _Read:
    """Take a value of exactly this type: a bool is no integer here."""

    def read(value: Any) -> Any:
        if type(value) is not type_:
            raise ValueError
        return value

    return read


def _reasons(value: Any) -> tuple[Reason, ...]:
    return tuple(map(Reason, _of_type(list)(value)))


def _day(value: Any) -> date:
    day = date.fromisoformat(value)
    if day.isoformat() != value:  # since Python 3.11 it reads weeks and bare digits too
        raise ValueError
    return day


_TEXT, _BYTES, _INTEGER = _of_type(str), _of_type(bytes), _of_type(int)
_MASKS: Mapping[str, Callable[[str], str]] = {"name": mask_name, "id_no": mask_id_no, "birth_no": mask_id_no}
_VERDICT: Mapping[str, _Read] = {"outcome": _TEXT, "reason": Reason, "also": _reasons, "evidence": _of_type(dict)}
_SUBJECT: Mapping[str, _Read] = {
    "kind": Carrier,
    "card_ref": _BYTES,
    "index": _TEXT,
    "id_no": _TEXT,
    "birth_no": _TEXT,
    "name": _TEXT,
    "sex": _INTEGER,
    "birth": _day,
}
_EVIDENCE: Mapping[str, _Read] = {
    "kid": _BYTES,
    "issuers": _INTEGER,
    "status": _INTEGER,
    "lo": _INTEGER,
    "hi": _INTEGER,
    "anchored": _of_type(bool),
    "age_s": _INTEGER,
    "rung": Rung,
}
_EVIDENCE_FIELDS: Mapping[str, str] = {"lo": "lo_ms", "hi": "hi_ms"}


def _members(value: object, readers: Mapping[str, _Read], *, where: str) -> dict[str, Any]:
    """The members of a map, each read as its kind prescribes."""
    if not isinstance(value, dict):
        raise VerdictFormatError(where)
    members = {}
    for name, member in value.items():
        if name not in readers:
            raise VerdictFormatError(where)
        try:
            members[name] = readers[name](member)
        except (ValueError, TypeError) as error:
            raise VerdictFormatError(f"{where}.{name}") from error
    return members
