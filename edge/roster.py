"""The people of a node's area, sealed by the city for this node alone (contracts 3.5), pure.

Rows stay sealed: opening a roster checks its form and reads no row; finding a person opens that one. A lookup is a MAC
of what a carrier says, so the blob shows neither who is in it nor who was asked for. Keys live in this object only. The
blob may lie in a mapped file and is never copied: a county's takes the memory of its offsets.

Each carrier string of a person has a record of its own, and a string once given keeps it: a newborn is found by the
number of the birth certificate after it got an identity number as before, and old records need no rewriting.
"""

import bisect
import enum
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from edge import gm
from edge.errors import DecryptError, TrustError
from sync import cbor
from sync.errors import WireError

ROSTER_BYTES_MAX: Final = 256 * 1024 * 1024  # a county: 500,000 carriers of some 300 bytes are 150 MB
ROSTER_KEPT_MS: Final = 60 * 86_400_000  # contracts 3.5: so long after its lease it is destroyed
KEY_BYTES: Final = 16
TEXT_CHARS_MAX: Final = 200  # the longest names on record have some 70 characters; a note holds 4 KiB

_LOOKUP_BYTES: Final = 16
_LENGTH_BYTES: Final = 2
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_ROW_START: Final = _LOOKUP_BYTES + _LENGTH_BYTES
_ROW_BYTES_MIN: Final = _NONCE_BYTES + _TAG_BYTES + 1
_PLAIN_BYTES_MAX: Final = 0xFFFF - _NONCE_BYTES - _TAG_BYTES


class PersonState(enum.StrEnum):
    """What the city knows of a person, for the carrier asked about."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LOST = "lost"
    DECEASED = "deceased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person as one carrier names them; ``repr`` shows nothing of it.

    Attributes:
        name: As registered.
        sex: GB/T 2261.1: 0, 1, 2 or 9.
        birth: Day of birth.
        id_no: 18 characters, only where the city configures it.
        state: For this carrier.
        tags: Words such as ``chronic``, only where the city configures them.
        doses: Immunizations given, members as the city writes them.
        aliases: The person's other carrier strings.
    """

    name: str = field(repr=False)
    sex: int = field(repr=False)
    birth: date = field(repr=False)
    id_no: str | None = field(default=None, repr=False)
    state: PersonState = field(default=PersonState.ACTIVE, repr=False)
    tags: tuple[str, ...] = field(default=(), repr=False)
    doses: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    aliases: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterManifest:
    """What the city signed of a roster.

    Attributes:
        version: 1 or more.
        issued_at_ms: When it was made.
        expires_at_ms: When it lapses.
        node: For whom.
        lease_until_ms: When the lease ends.
        count: Records in the blob.
        sm3: Of the blob.
        length: Of the blob.
        wrapped_key: SM2 ciphertext to the node's encryption key.
    """

    version: int
    issued_at_ms: int
    expires_at_ms: int
    node: str
    lease_until_ms: int
    count: int
    sm3: bytes
    length: int
    wrapped_key: bytes = field(repr=False)

    @property
    def lease_end_ms(self) -> int:
        """From then on (by lo) matches carry ROSTER_STALE."""
        return min(self.lease_until_ms, self.expires_at_ms)

    @property
    def destroyed_from_ms(self) -> int:
        """From then on (by lo) the roster is not asked any more, and blob and keys are destroyed."""
        return self.lease_end_ms + ROSTER_KEPT_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """An opened roster.

    Attributes:
        manifest: What the city signed of it.
    """

    manifest: RosterManifest
    _blob: bytes | memoryview = field(repr=False)
    _offsets: Sequence[int] = field(repr=False)
    _lookup_key: bytes = field(repr=False)
    _row_key: bytes = field(repr=False)

    @property
    def lease_end_ms(self) -> int:
        """As the manifest says."""
        return self.manifest.lease_end_ms

    def find(self, carrier: str) -> Person | None:
        """The person of a carrier string, or None.

        Raises:
            TrustError: ``roster_row``: the row is there but does not open, so nothing may be said of the person.
        """
        lookup = _lookup(carrier, key=self._lookup_key)
        position = bisect.bisect_left(self._offsets, lookup, key=self._lookup_at)
        if position == len(self._offsets) or self._lookup_at(self._offsets[position]) != lookup:
            return None
        return _open_row(_row_at(self._blob, self._offsets[position]), lookup=lookup, key=self._row_key)

    def _lookup_at(self, offset: int) -> bytes:
        return bytes(self._blob[offset : offset + _LOOKUP_BYTES])


def card_carrier(card_ref: bytes) -> str:
    """Carrier string of an EHC1 card reference (8 bytes)."""
    return f"card:{card_ref.hex()}"


def index_carrier(index: str) -> str:
    """Carrier string of a national code's index (48 or 64 upper-case hex characters)."""
    return f"index:{index}"


def id_carrier(id_no: str) -> str:
    """Carrier string of an identity number (18 characters, X upper case)."""
    return f"id:{id_no}"


def birth_carrier(birth_no: str) -> str:
    """Carrier string of a birth certificate's number (10 characters)."""
    return f"birth:{birth_no}"


def open_roster(manifest: RosterManifest, blob: bytes | memoryview, *, decrypt: Callable[[bytes], bytes]) -> Roster:
    """Check a blob against its signed manifest and make it ready to be asked.

    Args:
        manifest: Verified, and for this node.
        blob: As it lies on disk.
        decrypt: The node's encryption key's, raising `DecryptError`.

    Raises:
        TrustError: ``roster_size``, ``roster_sm3``, ``roster_records`` or ``roster_key``.
    """
    if manifest.length > ROSTER_BYTES_MAX or len(blob) != manifest.length:
        raise TrustError("roster_size")
    if gm.sm3(blob) != manifest.sm3:
        raise TrustError("roster_sm3")
    offsets = _walk(blob)
    if len(offsets) != manifest.count:
        raise TrustError("roster_records")
    try:
        keys = decrypt(manifest.wrapped_key)
    except DecryptError as exc:
        raise TrustError("roster_key") from exc
    if len(keys) != 2 * KEY_BYTES:
        raise TrustError("roster_key")
    return Roster(
        manifest=manifest,
        _blob=blob,
        _offsets=offsets,
        _lookup_key=keys[:KEY_BYTES],
        _row_key=keys[KEY_BYTES:],
    )


def build_roster(people: Iterable[tuple[str, Person]], *, keys: bytes) -> bytes:
    """The blob of a city's roster; nothing here is this node's to keep.

    Args:
        people: Pairs of carrier string and person, a pair for each carrier; its `aliases` name the others.
        keys: 32 random bytes, never used before: k_lookup and k_row.

    Raises:
        ValueError: A carrier stands twice, a person does not fit a row, or an alias has no record.
    """
    lookup_key, row_key = keys[:KEY_BYTES], keys[KEY_BYTES:]
    rows: dict[bytes, bytes] = {}
    aliases: set[str] = set()
    for carrier, person in people:
        aliases.update(person.aliases)
        lookup = _lookup(carrier, key=lookup_key)
        plain = cbor.encode(_plain(person))
        if lookup in rows or len(plain) > _PLAIN_BYTES_MAX:
            raise ValueError("a carrier stands twice, or a person does not fit a row")
        nonce = gm.random_bytes(_NONCE_BYTES)
        row = nonce + gm.sm4_gcm_seal(row_key, nonce=nonce, plaintext=plain, associated=lookup)
        rows[lookup] = len(row).to_bytes(_LENGTH_BYTES, "big") + row
    if not all(_lookup(alias, key=lookup_key) in rows for alias in aliases):
        raise ValueError("an alias has no record")
    return b"".join(lookup + rows[lookup] for lookup in sorted(rows))


def _lookup(carrier: str, *, key: bytes) -> bytes:
    return gm.hmac_sm3(key, carrier.encode(errors="surrogatepass"))[:_LOOKUP_BYTES]


def _walk(blob: bytes | memoryview) -> Sequence[int]:
    """Offsets of the records, which must ascend by lookup without repeats and fill the blob."""
    offsets = array("I")
    offset, before = 0, b""
    while offset < len(blob):
        lookup = bytes(blob[offset : offset + _LOOKUP_BYTES])
        length = int.from_bytes(blob[offset + _LOOKUP_BYTES : offset + _ROW_START], "big")
        if length < _ROW_BYTES_MIN or lookup <= before:
            raise TrustError("roster_records")
        offsets.append(offset)
        offset, before = offset + _ROW_START + length, lookup
    if offset != len(blob):
        raise TrustError("roster_records")
    return offsets


def _row_at(blob: bytes | memoryview, offset: int) -> bytes:
    length = int.from_bytes(blob[offset + _LOOKUP_BYTES : offset + _ROW_START], "big")
    return bytes(blob[offset + _ROW_START : offset + _ROW_START + length])


def _open_row(row: bytes, *, lookup: bytes, key: bytes) -> Person:
    nonce, sealed = row[:_NONCE_BYTES], row[_NONCE_BYTES:]
    try:
        plain = gm.sm4_gcm_open(key, nonce=nonce, sealed=sealed, associated=lookup)
        return _person(cbor.decode(plain, bytes_max=_PLAIN_BYTES_MAX))
    except (DecryptError, WireError, KeyError, TypeError, ValueError) as exc:
        raise TrustError("roster_row") from exc


def _person(members: Any) -> Person:
    """A person from the members of a row; whatever is wrong raises KeyError, TypeError or ValueError."""
    if not isinstance(members, dict):
        raise TypeError("no map")
    return Person(
        name=_text(members["name"]),
        sex=_sex(members["sex"]),
        birth=_day(members["birth"]),
        id_no=_text(members["id_no"]) if "id_no" in members else None,
        state=PersonState(members["state"]),
        tags=tuple(_text(tag) for tag in members.get("tags", ())),  # only where the city configures them
        doses=tuple(_dose(dose) for dose in members["doses"]),
        aliases=tuple(_text(alias) for alias in members["aliases"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
        raise TypeError("no text of that length")
    return value


def _sex(value: object) -> int:
    if type(value) is not int or value not in (0, 1, 2, 9):
        raise ValueError("no sex of GB/T 2261.1")
    return value


def _day(value: object) -> date:
    day = date.fromisoformat(_text(value))
    if day.isoformat() != value:  # Python 3.11 reads weeks and bare digits too
        raise ValueError("no YYYY-MM-DD")
    return day


def _dose(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("no map")
    return value


def _plain(person: Person) -> dict[str, Any]:
    members: dict[str, Any] = {
        "name": person.name,
        "sex": person.sex,
        "birth": person.birth.isoformat(),
        "state": person.state.value,
        "tags": list(person.tags),
        "doses": [dict(dose) for dose in person.doses],
        "aliases": list(person.aliases),
    }
    if person.id_no is not None:
        members["id_no"] = person.id_no
    return members
