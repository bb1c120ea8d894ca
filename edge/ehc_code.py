"""The signed health-card code ``EHC1:`` (contracts 1): text in, fields out, and the other way for issuers and tests.

Sans-IO and without cryptography: `parse` says which bytes are signed, `edge.verify` says by whom. Nothing parsed here
is true before the issuer signature holds, holder data least of all. Signature bytes are never a key for anything: the
same card can be signed twice.
"""

import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from edge.errors import CodeError

PREFIX = "EHC1:"
EPOCH_S = 1577808000  # E: 2020-01-01T00:00:00+08:00, the one epoch of every compact time
DAY_S = 86_400
STATIC_CARD = 0x11
HOLDER_CARD = 0x12
SIGNATURE_BYTES = 64
HOLDER_KEY_BYTES = 33
NAME_BYTES_MAX = 30
SEXES = (0, 1, 2, 9)  # GB/T 2261.1

_CARD_DOMAIN = b"EHC1-card\x00"
_SHOW_DOMAIN = b"EHC1-show\x00"
_HEAD = struct.Struct(">B4sI8sHHB")  # 22 bytes: version, kid, status index, card reference, issued, expiry, profile
_HOLDER_HEAD = struct.Struct(">BHB")  # sex, birth in days since 1900-01-01, length of the name
_SHOW_HEAD = struct.Struct(">I2s")  # time of showing in seconds since E, nonce
_SHOW_BYTES = _SHOW_HEAD.size + SIGNATURE_BYTES
_HAS_HOLDER_DATA = 0b01
_NEEDS_TRUSTED_TIME = 0b10
_PROFILE_BITS_KNOWN = _HAS_HOLDER_DATA | _NEEDS_TRUSTED_TIME
_BIRTH_EPOCH = date(1900, 1, 1)
# Control and format characters and line separators: a name with one could change what a screen or a ticket shows.
_UNUSABLE_IN_NAMES = frozenset({"Cc", "Cf", "Zl", "Zp"})

_BASE45_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"  # RFC 9285 table 1
_BASE45_INVALID = 0xFF
_BASE45_VALUES = bytes(
    _BASE45_ALPHABET.index(character) if character in _BASE45_ALPHABET else _BASE45_INVALID for character in range(256)
)


class UnsupportedVersionError(CodeError):
    """The code is of a version or profile this node does not know: another box may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderData:
    """What a card says of its holder; true only once the issuer signature holds.

    Attributes:
        sex: GB/T 2261.1: 0, 1, 2 or 9.
        birth: Day of birth.
        name: None if its bytes are no GB18030 or hold control characters: that spoils the name, not the card.
    """

    sex: int = field(repr=False)
    birth: date = field(repr=False)
    name: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """One showing of a holder-bound card.

    Attributes:
        time_s: When it was shown, seconds since E.
        nonce: 2 bytes.
        signature: The holder's, 64 bytes.
        signed: The message it signs.
    """

    time_s: int
    nonce: bytes
    signature: bytes = field(repr=False)
    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EhcCode:
    """One parsed code, nothing of it proven.

    Attributes:
        version: `STATIC_CARD` or `HOLDER_CARD`.
        kid: First 4 bytes of SM3 of the issuer key.
        index: Place in the status list that key names.
        card_ref: 8 bytes, opaque, unique among the issuers of a city.
        issued_day: Days since E.
        expiry_day: Days since E; good to the end of that day.
        needs_trusted_time: The issuer wants no presumption where the time is not known.
        holder_data: Sex, birth and name, if the card carries them.
        holder_key: 33 bytes of a holder-bound card, not yet known to be a key.
        issuer_signature: 64 bytes.
        issuer_signed: The message it signs.
        presentation: The showing, if there is one.
    """

    version: int
    kid: bytes
    index: int
    card_ref: bytes = field(repr=False)
    issued_day: int
    expiry_day: int
    needs_trusted_time: bool
    holder_data: HolderData | None = field(repr=False)
    holder_key: bytes | None = field(repr=False)
    issuer_signature: bytes = field(repr=False)
    issuer_signed: bytes = field(repr=False)
    presentation: Presentation | None = field(repr=False)


def parse(text: str) -> EhcCode:
    """Read the text of a code (contracts 1).

    Args:
        text: Normalised as contracts 2 says, `PREFIX` included.

    Raises:
        UnsupportedVersionError: A first byte or profile bits this node does not know.
        CodeError: Anything else that is not exactly a code; the person shows it again.
    """
    if not text.startswith(PREFIX):
        raise CodeError("no EHC1 prefix")
    return parse_bytes(base45_decode(text[len(PREFIX) :]))


def parse_bytes(data: bytes) -> EhcCode:
    """Read the bytes of a code; the same errors as `parse`."""
    # The first byte, if there is one, is judged before any length.
    if data and data[0] not in (STATIC_CARD, HOLDER_CARD):
        raise UnsupportedVersionError("unknown version")
    if len(data) < _HEAD.size:
        raise CodeError("too short")
    version, kid, index, card_ref, issued_day, expiry_day, profile = _HEAD.unpack_from(data)
    # The reserved bits are judged as soon as 22 bytes are there.
    if profile & ~_PROFILE_BITS_KNOWN:
        raise UnsupportedVersionError("reserved profile bits")
    at = _HEAD.size
    holder_data = None
    if profile & _HAS_HOLDER_DATA:
        holder_data, at = _holder_data(data, at=at)
    holder_key = None
    if version == HOLDER_CARD:
        holder_key = data[at : at + HOLDER_KEY_BYTES]
        at += HOLDER_KEY_BYTES
    end = at + SIGNATURE_BYTES
    return EhcCode(
        version=version,
        kid=kid,
        index=index,
        card_ref=card_ref,
        issued_day=issued_day,
        expiry_day=expiry_day,
        needs_trusted_time=bool(profile & _NEEDS_TRUSTED_TIME),
        holder_data=holder_data,
        holder_key=holder_key,
        presentation=_presentation(data, at=end, may_be_shown=version == HOLDER_CARD),
        issuer_signature=data[at:end],
        issuer_signed=_CARD_DOMAIN + data[:at],
    )


def card_bytes(
    version: int,
    *,
    kid: bytes,
    index: int,
    card_ref: bytes,
    issued_day: int,
    expiry_day: int,
    sign: Callable[[bytes], bytes],
    needs_trusted_time: bool = False,
    holder: tuple[int, date, str] | None = None,
    holder_key: bytes | None = None,
) -> bytes:
    """Make a card: the issuer's side of `parse`.

    Args:
        version: `STATIC_CARD`, or `HOLDER_CARD` with a `holder_key`.
        kid: 4 bytes.
        index: 0..2^32-1.
        card_ref: 8 bytes.
        issued_day: Days since E, 0..65535.
        expiry_day: Days since E, 0..65535.
        sign: The issuer key's signature of a message, 64 bytes.
        needs_trusted_time: Sets profile bit 1.
        holder: Sex, birth and name; a name of 1..30 bytes in GB18030.
        holder_key: 33 bytes.

    Raises:
        CodeError: A value does not fit its field.
    """
    profile = _HAS_HOLDER_DATA * (holder is not None) | _NEEDS_TRUSTED_TIME * needs_trusted_time
    try:
        body = _HEAD.pack(version, kid, index, card_ref, issued_day, expiry_day, profile)
        if holder is not None:
            sex, birth, name = holder
            encoded = name.encode("gb18030")
            body += _HOLDER_HEAD.pack(sex, (birth - _BIRTH_EPOCH).days, len(encoded)) + encoded
    except (struct.error, UnicodeEncodeError) as error:
        raise CodeError("a value does not fit its field") from error
    body += holder_key or b""
    card = body + sign(_CARD_DOMAIN + body)
    made = parse_bytes(card)  # whoever makes a card makes one that is read
    if (made.kid, made.card_ref, made.presentation) != (kid, card_ref, None):
        raise CodeError("a value does not fit its field")
    return card


def presentation_bytes(card: bytes, *, time_s: int, nonce: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Show a holder-bound card: the phone's side.

    Args:
        card: What `card_bytes` made.
        time_s: Seconds since E, 0..2^32-1.
        nonce: 2 bytes, new for each showing.
        sign: The holder key's signature of a message, 64 bytes.

    Raises:
        CodeError: A value does not fit its field, or the card is none that is shown.
    """
    try:
        body = card + _SHOW_HEAD.pack(time_s, nonce)
    except struct.error as error:
        raise CodeError("a value does not fit its field") from error
    shown = body + sign(_SHOW_DOMAIN + body)
    made = parse_bytes(shown).presentation
    if made is None or made.nonce != nonce:
        raise CodeError("a value does not fit its field")
    return shown


def code_text(data: bytes) -> str:
    """The text that a code's symbol holds."""
    return PREFIX + base45_encode(data)


def base45_encode(data: bytes) -> str:
    """RFC 9285 section 4."""
    characters = bytearray()
    for at in range(0, len(data) - 1, 2):
        high, low = divmod(data[at] << 8 | data[at + 1], 45 * 45)
        middle, low = divmod(low, 45)
        characters += bytes((low, middle, high))
    if len(data) % 2:
        high, low = divmod(data[-1], 45)
        characters += bytes((low, high))
    return bytes(_BASE45_ALPHABET[value] for value in characters).decode("ascii")


def base45_decode(text: str) -> bytes:
    """RFC 9285 section 4.

    Raises:
        CodeError: A character outside the alphabet, a length of 1 mod 3, a group beyond its bytes.
    """
    try:
        values = text.encode("ascii").translate(_BASE45_VALUES)
    except UnicodeEncodeError as error:
        raise CodeError("no base45 character") from error
    if _BASE45_INVALID in values or len(values) % 3 == 1:
        raise CodeError("no base45")
    # All groups at once, each in a lane of 3 bytes of one long integer; 44 + 45 * 44 + 2025 * 44 < 2^24, so no lane
    # runs over. Between two SM2 verifies this costs 9 us a presentation, a loop over its 98 groups 15 us.
    groups, rest = divmod(len(values), 3)
    end = 3 * groups
    low, middle, high = _lanes(values[:end:3]), _lanes(values[1:end:3]), _lanes(values[2:end:3])
    lanes = (low + 45 * middle + 45 * 45 * high).to_bytes(end, "big")
    tail = values[-2] + 45 * values[-1] if rest else 0
    if lanes[::3].count(0) != groups or tail > 0xFF:
        raise CodeError("no base45 group")
    data = bytearray(2 * groups)
    data[::2], data[1::2] = lanes[1::3], lanes[2::3]
    if rest:
        data.append(tail)
    return bytes(data)


def _lanes(values: bytes) -> int:
    """The integer that holds each value in 3 bytes of its own."""
    spread = bytearray(3 * len(values))
    spread[2::3] = values
    return int.from_bytes(spread, "big")


def _holder_data(data: bytes, *, at: int) -> tuple[HolderData, int]:
    """Sex, birth and name that begin at `at`, and where they end."""
    if len(data) < at + _HOLDER_HEAD.size:
        raise CodeError("too short")
    sex, birth_days, name_bytes = _HOLDER_HEAD.unpack_from(data, at)
    if sex not in SEXES or not 1 <= name_bytes <= NAME_BYTES_MAX:
        raise CodeError("holder data out of range")
    begin = at + _HOLDER_HEAD.size
    end = begin + name_bytes
    birth = _BIRTH_EPOCH + timedelta(days=birth_days)
    return HolderData(sex=sex, birth=birth, name=_usable_name(data[begin:end])), end


def _usable_name(encoded: bytes) -> str | None:
    """The name, or None where it is undecodable or holds control characters."""
    try:
        name = encoded.decode("gb18030")
    except UnicodeDecodeError:
        return None
    # Nearly every name is printable; one with characters of a private area is not, and is good all the same.
    if not name.isprintable() and any(unicodedata.category(character) in _UNUSABLE_IN_NAMES for character in name):
        return None
    return name


def _presentation(data: bytes, *, at: int, may_be_shown: bool) -> Presentation | None:
    """The presentation that begins at `at`, None if the card ends there.

    Raises:
        CodeError: Any length but the exact one.
    """
    if len(data) == at:
        return None
    if not may_be_shown or len(data) != at + _SHOW_BYTES:
        raise CodeError("wrong length")
    time_s, nonce = _SHOW_HEAD.unpack_from(data, at)
    return Presentation(
        time_s=time_s,
        nonce=nonce,
        signature=data[-SIGNATURE_BYTES:],
        signed=_SHOW_DOMAIN + data[:-SIGNATURE_BYTES],
    )
