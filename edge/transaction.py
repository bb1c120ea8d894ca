"""The record of one use of a card (contracts 5.1): what stands in it and its exact bytes.

Deterministic CBOR with text keys; what is unknown is absent, never null. Nothing is edited later: a correction is a new
transaction that `refers` to the old one. Pure: identifiers, times and random bytes come in as arguments.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from edge.errors import EdgeError
from edge.verdict import Verdict
from edge.verdict_json import VerdictFormatError, subject_to_cbor, verdict_from_cbor, verdict_to_cbor
from sync.cbor import decode, encode
from sync.errors import WireError

RECORD_BYTES_MAX = 65_536  # contracts, cryptography: a record's CBOR inflates to 64 KiB at most
ID_BYTES = 16
UUID7_RANDOM_BYTES = 10


class TransactionError(EdgeError):
    """Bytes that should be a transaction are none; the text names the member, never its value."""


class Kind(StrEnum):
    """What was done (contracts 5.1)."""

    USE = "use"
    NO_CARD = "no_card"
    IMMUNIZATION = "immunization"
    DEFERRAL = "deferral"
    AEFI = "aefi"
    APPLICATION = "application"
    FOLLOW_UP = "follow_up"
    SIGN_UP = "sign_up"
    SETTLEMENT_NOTE = "settlement_note"
    LEGACY_CARD = "legacy_card"
    SAM_USE = "sam_use"
    VOID = "void"
    AUDIT = "audit"


class Step(StrEnum):
    """Where in a visit it was done (contracts 5.1)."""

    REGISTER = "register"  # 挂号
    QUEUE = "queue"  # 排队
    CONSULT = "consult"  # 就诊
    PAY = "pay"  # 收费
    LAB = "lab"  # 检验
    EXAM = "exam"  # 检查
    DISPENSE = "dispense"  # 取药
    ADMIT = "admit"  # 住院
    CHECKUP = "checkup"  # 体检
    IMMUNIZE = "immunize"  # 接种
    FOLLOW_UP = "follow_up"  # 随访
    SIGN_UP = "sign_up"  # 签约


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When it happened, as far as the box knows.

    Attributes:
        boot: 16 bytes, the kernel's id of this boot.
        boottime_ms: Milliseconds since that boot, sleep included; orders the records of one boot.
        lo_ms: Not before this (Unix ms), proven.
        hi_ms: Not after this, proven; None: unknown.
        wall_ms: What the shown clock said; advisory.
    """

    boot: bytes
    boottime_ms: int
    lo_ms: int
    hi_ms: int | None
    wall_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Where it happened.

    Attributes:
        node: Name of the node.
        reader: Name of the reader in the configuration; None: nothing was read.
        sam_no: Number of the SAM card that took part.
    """

    node: str
    reader: str | None = None
    sam_no: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One use of a card, or the note that one was missing.

    Attributes:
        id: 16 bytes, a UUIDv7 (`uuid7`); no order rests on its time.
        kind: What was done.
        step: Where in the visit; None for kinds outside a visit.
        at: When.
        terminal: Where.
        verdict: What the node said of the carrier; it brings `carrier` and `subject`. None: nothing was shown.
        code: The carrier's bytes as read, only where the city must judge them again.
        org: Code of the organisation.
        dept: Code of the department.
        operator: Who was on duty.
        data: Members of its own for each kind.
        refers: Id of the transaction this one corrects or continues.
    """

    id: bytes
    kind: Kind
    step: Step | None
    at: Moment
    terminal: Terminal
    verdict: Verdict | None = field(default=None, repr=False)
    code: bytes | None = field(default=None, repr=False)
    org: str | None = None
    dept: str | None = None
    operator: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    refers: bytes | None = None


def uuid7(wall_ms: int, *, random: bytes) -> bytes:
    """Return a UUIDv7 of the shown clock (RFC 9562 5.7).

    Args:
        wall_ms: Unix milliseconds, 0..2**48 - 1; outside it is cut to 48 bits.
        random: 10 bytes from getrandom.
    """
    if len(random) != UUID7_RANDOM_BYTES:
        raise ValueError(f"random must be {UUID7_RANDOM_BYTES} bytes")
    stamp = (wall_ms & (1 << 48) - 1).to_bytes(6, "big")
    version = bytes([0x70 | random[0] & 0x0F, random[1]])  # RFC 9562 4.2: version 7
    variant = bytes([0x80 | random[2] & 0x3F])  # RFC 9562 4.1: variant 10
    return stamp + version + variant + random[3:]


def to_cbor(transaction: Transaction) -> bytes:
    """Return the record's deterministic CBOR (RFC 8949 4.2)."""
    record: dict[str, Any] = {
        "id": transaction.id,
        "kind": transaction.kind.value,
        "at": _moment_to_map(transaction.at),
        "terminal": _present(
            node=transaction.terminal.node, reader=transaction.terminal.reader, sam_no=transaction.terminal.sam_no
        ),
        "data": dict(transaction.data),
    }
    record |= _present(
        step=None if transaction.step is None else transaction.step.value,
        code=transaction.code,
        org=transaction.org,
        dept=transaction.dept,
        operator=transaction.operator,
        refers=transaction.refers,
    )
    if transaction.verdict is not None:
        subject = subject_to_cbor(transaction.verdict.subject)
        record |= {"carrier": subject["kind"], "subject": subject, "verdict": verdict_to_cbor(transaction.verdict)}
    return encode(record)


def from_cbor(record: bytes) -> Transaction:
    """Return the transaction of a record.

    Raises:
        TransactionError: The bytes are no record of this version; keep them as they came.
    """
    try:
        members = decode(record, bytes_max=RECORD_BYTES_MAX)
    except WireError as error:
        raise TransactionError("cbor") from error
    if not isinstance(members, dict):
        raise TransactionError("cbor")
    found = _read(members, readers=_MEMBERS, where="record")
    carrier, subject = found.pop("carrier", None), found.pop("subject", None)
    verdict = found.pop("verdict", None)
    for name in ("id", "kind", "at", "terminal", "data"):
        if name not in found:
            raise TransactionError(name)
    if (carrier is None) != (verdict is None) or (subject is None) != (verdict is None):
        raise TransactionError("verdict")
    if verdict is None:
        return Transaction(**({"step": None} | found))
    try:
        judged = verdict_from_cbor(verdict, subject=subject)
    except VerdictFormatError as error:
        raise TransactionError(str(error)) from error
    if judged.subject.kind != carrier:
        raise TransactionError("carrier")
    return Transaction(**({"step": None} | found), verdict=judged)


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _moment_to_map(at: Moment) -> dict[str, Any]:
    return _present(boot=at.boot, boottime_ms=at.boottime_ms, lo=at.lo_ms, hi=at.hi_ms, wall=at.wall_ms)


def _exactly(wanted: type) -> Callable[[Any], Any]:
    """Take a value of exactly this type: a bool is no integer here."""

    def read(value: Any) -> Any:
        if type(value) is not wanted:
            raise ValueError
        return value

    return read


def _sixteen(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != ID_BYTES:
        raise ValueError
    return value


def _moment(value: Any) -> Moment:
    found = _read(value, readers=_AT, where="at")
    if not found.keys() >= _AT.keys() - {"hi"}:
        raise ValueError
    return Moment(
        boot=found["boot"],
        boottime_ms=found["boottime_ms"],
        lo_ms=found["lo"],
        hi_ms=found.get("hi"),
        wall_ms=found["wall"],
    )


def _terminal(value: Any) -> Terminal:
    found = _read(value, readers=_TERMINAL, where="terminal")
    if "node" not in found:
        raise ValueError
    return Terminal(**found)


def _read(value: Any, *, readers: Mapping[str, Callable[[Any], Any]], where: str) -> dict[str, Any]:
    """Return the members of a map, each read as contracts 5.1 prescribes."""
    if not isinstance(value, dict) or not value.keys() <= readers.keys():
        raise TransactionError(where)
    found = {}
    for name, member in value.items():
        try:
            found[name] = readers[name](member)
        except ValueError as error:
            raise TransactionError(f"{where}.{name}") from error
    return found


_TEXT, _BYTES, _INTEGER, _MAP = _exactly(str), _exactly(bytes), _exactly(int), _exactly(dict)
_AT = {"boot": _sixteen, "boottime_ms": _INTEGER, "lo": _INTEGER, "hi": _INTEGER, "wall": _INTEGER}
_TERMINAL = {"node": _TEXT, "reader": _TEXT, "sam_no": _TEXT}
_MEMBERS = {
    "id": _sixteen,
    "kind": Kind,
    "step": Step,
    "at": _moment,
    "carrier": _TEXT,
    "subject": _MAP,
    "verdict": _MAP,
    "code": _BYTES,
    "terminal": _terminal,
    "org": _TEXT,
    "dept": _TEXT,
    "operator": _TEXT,
    "data": _MAP,
    "refers": _sixteen,
}
