"""The terminal's own card, the SAM (PSAM): what it is, its PIN, and its proofs to a card (domain facts 2.3, 2.4).

The secret arithmetic (SM1) runs only inside the SAM and the card: the node moves bytes between the two and folds 16 of
them to 8. A SAM counts wrong PINs and locks itself for ever, so a PIN that a SAM did not take is never tried on that
SAM again, in this run or, where a `PinMemory` is given, in any later one; a new PIN comes with a new configuration, and
so with a new start. One that got no answer is tried once more.

A card counts wrong proofs too, and a SAM of another province makes nothing else: what a card did not take from a SAM is
not offered to it again either, or three touches of the reader would lock it.

Confidence B (one implementer), as everything about the resident health card.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from drivers.conversation import Slot
from drivers.framing.apdu import Response, StatusWord, command
from edge.apdu_talk import ApduLine, Part, read_binary
from edge.card_content import SamInfo, Unread, UnreadFile
from edge.card_data import day

TERMINAL_FILE = "0016"
VALIDITY_FILE = "DF01/001A"

SM1_ALGORITHM = b"\x01"  # domain facts 2.3 step 4
FACTOR_BYTES = 8

_ROOT = b"\x3f\x00"
_HEALTH_FOLDER = b"\xdf\x01"
_PUBLIC_BYTES = 14  # domain facts 2.4: serial 10, version 1, type 1, set of instructions 1, FCI 1
_NUMBER_BYTES = 10
_TYPE_AT = 11
_TERMINAL_BYTES = 6
_VALIDITY_BYTES = 25  # key index 1, issuer 8, receiver 8, start 4, end 4
_VALID_FROM_AT = 17
_VALID_UNTIL_AT = 21
_TERMINAL_RANDOM_BYTES = 8
_CIPHER_BYTES = 16

UNANSWERED_MAX = 2
"""A SAM takes a try off before it compares, and three are what it has at least: a reader that loses its power each time
would lock it, with the right PIN too."""

REFUSALS_MAX = 4096
"""More cards than a season brings to one desk; the oldest refusal is forgotten first."""


class PinMemory(Protocol):
    """What outlives the program of refused PINs."""

    def has_refused(self, sam_no: str) -> bool:
        """Whether this SAM did not take the configured PIN before."""
        ...

    def note_refused(self, sam_no: str) -> None:
        """Remember that it did not; never fails."""
        ...


class Refusals:
    """What was refused, kept from talk to talk; it names cards, so it shows nothing.

    Args:
        memory: Keeps refused PINs beyond the end of the program; None: nobody does.
    """

    def __init__(self, memory: PinMemory | None = None) -> None:
        self._memory = memory
        self._pins: dict[str, None] = {}
        self._proofs: dict[tuple[str, int, bytes], None] = {}
        self._unanswered: dict[str, int] = {}

    def begin_pin(self, sam_no: str) -> None:
        """The PIN goes out to this SAM; what becomes of the talk, nobody knows yet."""
        self._unanswered[sam_no] = self._unanswered.get(sam_no, 0) + 1
        _forget_oldest(self._unanswered)

    def end_pin(self, sam_no: str) -> None:
        """This SAM took the PIN, so it counts from the beginning."""
        self._unanswered.pop(sam_no, None)

    def is_pin_unanswered(self, sam_no: str) -> bool:
        """Whether the PIN went out to this SAM so often without an answer that once more could lock it."""
        return self._unanswered.get(sam_no, 0) >= UNANSWERED_MAX

    def note_pin(self, sam_no: str) -> None:
        """Remember that this SAM did not take the PIN."""
        self._pins[sam_no] = None
        _forget_oldest(self._pins)
        if self._memory is not None:
            self._memory.note_refused(sam_no)

    def has_pin(self, sam_no: str) -> bool:
        """Whether this SAM did not take the PIN."""
        return sam_no in self._pins or (self._memory is not None and self._memory.has_refused(sam_no))

    def note_proof(self, sam_no: str, *, key: int, card: bytes) -> None:
        """Remember that a card did not take what this SAM proves with this key."""
        self._proofs[sam_no, key, card] = None
        _forget_oldest(self._proofs)

    def has_proof(self, sam_no: str, *, key: int, card: bytes) -> bool:
        """Whether a card did not take what this SAM proves with this key."""
        return (sam_no, key, card) in self._proofs


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What makes a card's keys its own (domain facts 2.3).

    Attributes:
        named: The card's number: what else names it, a weak contact may leave unread, and it is the same card.
        card: 8 bytes of the card's ATR.
        city: The province of the issuer's city, 8 bytes.
    """

    named: bytes = field(repr=False)
    card: bytes = field(repr=False)
    city: bytes = field(repr=False)


class Sam:
    """The SAM of one talk.

    Args:
        line: To both cards.
        pin: None: none is configured.
        refusals: Of all talks with this PIN.
        random_bytes: Draws that many random bytes.

    Attributes:
        number: Serial number, 20 hex digits; empty until `identify` read it.
        type: 密钥卡类型, hex without leading zeros; empty until then.
        has_proved: Whether it took part: it made a proof.
        refusals: Of all talks with this PIN.
    """

    def __init__(
        self,
        line: ApduLine,
        *,
        pin: bytes | None,
        refusals: Refusals,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.number = ""
        self.type = ""
        self.has_proved = False
        self.refusals = refusals
        self._line = line
        self._pin = pin
        self._random_bytes = random_bytes

    def identify(self) -> Part[Unread | None]:
        """Read serial number and type; None: done."""
        yield from self._line.select(_ROOT, slot=Slot.SAM)  # where it stands from the talk before is not known
        data = yield from self._read_file(b"\x00\x15", length=_PUBLIC_BYTES)
        if isinstance(data, Unread):
            return data
        self.number = data[:_NUMBER_BYTES].hex().upper()
        self.type = f"{data[_TYPE_AT]:X}"
        return None

    def unlock(self) -> Part[Unread | None]:
        """Select the folder of the keys and verify the PIN, if it may be tried; None: done."""
        if self._pin is None or self.refusals.has_pin(self.number):
            return Unread.SAM_PIN
        if self.refusals.is_pin_unanswered(self.number):
            return Unread.SAM_LOST
        selected = yield from self._line.select(_HEALTH_FOLDER, slot=Slot.SAM)
        if not selected.is_ok:
            return _why(selected)
        self.refusals.begin_pin(self.number)
        verified = yield from self._line.send(command(0x20, data=self._pin), slot=Slot.SAM, is_counted=True)
        if verified.is_ok:
            self.refusals.end_pin(self.number)
            return None
        if verified.sw == StatusWord.NONE:
            return Unread.SAM_LOST
        self.refusals.note_pin(self.number)
        return Unread.SAM_PIN

    def describe(self) -> Part[SamInfo | Unread]:
        """Read the inventory's facts; a SAM that does not even say its number is none: why not."""
        cause = yield from self.identify()
        if cause is not None:
            return cause
        unread = []
        terminal_no = None
        terminal = yield from self._read_file(b"\x00\x16", length=_TERMINAL_BYTES)
        if isinstance(terminal, Unread):
            unread.append(UnreadFile(file=TERMINAL_FILE, cause=terminal))
        else:
            terminal_no = terminal.hex().upper()
        validity = yield from self._read_validity()
        if isinstance(validity, Unread):
            unread.append(UnreadFile(file=VALIDITY_FILE, cause=validity))
            validity = b""
        return SamInfo(
            number=self.number,
            type=self.type,
            terminal_no=terminal_no,
            valid_from=day(validity[_VALID_FROM_AT:_VALID_UNTIL_AT]),
            valid_until=day(validity[_VALID_UNTIL_AT:]),
            unread=tuple(unread),
        )

    def proof(self, key: int, *, factors: Factors, challenge: bytes) -> Part[bytes | Unread]:
        """Let the SAM prove this terminal to a card.

        Args:
            key: Which of its keys, one that is diversified by city and card.
            factors: Whose key.
            challenge: The card's, 8 bytes.

        Returns:
            The 17 bytes of the EXTERNAL AUTHENTICATE, or why there are none.
        """
        # domain facts 2.3 step 2
        derived = yield from self._line.send(
            command(0xDE, cla=0x80, p1=0x47, p2=key, data=factors.card + factors.city + challenge), slot=Slot.SAM
        )
        if not derived.is_ok:
            return _why(derived)
        # domain facts 2.3 step 3
        terminal_random = self._random_bytes(_TERMINAL_RANDOM_BYTES)
        enciphered = yield from self._line.send(
            command(0xFA, cla=0x80, data=terminal_random + bytes(_CIPHER_BYTES - _TERMINAL_RANDOM_BYTES)),
            slot=Slot.SAM,
        )
        if not enciphered.is_ok:
            return _why(enciphered)
        if len(enciphered.data) != _CIPHER_BYTES:
            return Unread.SAM_LOST
        self.has_proved = True
        return folded(enciphered.data) + terminal_random + SM1_ALGORITHM

    def _read_validity(self) -> Part[bytes | Unread]:
        """Read the file that stands behind the PIN."""
        cause = yield from self.unlock()
        if cause is not None:
            return cause
        return (yield from self._read_file(b"\x00\x1a", length=_VALIDITY_BYTES))

    def _read_file(self, file_id: bytes, *, length: int) -> Part[bytes | Unread]:
        """Read a binary file of known length; or why not."""
        selected = yield from self._line.select(file_id, slot=Slot.SAM)
        if not selected.is_ok:
            return _why(selected)
        answer = yield from self._line.send(read_binary(0, response_bytes=length), slot=Slot.SAM)
        if not answer.is_ok:
            return _why(answer)
        return answer.data if len(answer.data) == length else Unread.SAM_TYPE


def folded(enciphered: bytes) -> bytes:
    """XOR of the two halves (domain facts 2.3 step 3)."""
    half = len(enciphered) // 2
    return bytes(left ^ right for left, right in zip(enciphered[:half], enciphered[half:], strict=True))


def _forget_oldest(held: dict[Any, Any]) -> None:
    """Keep to the limit."""
    if len(held) > REFUSALS_MAX:
        del held[next(iter(held))]


def _why(answer: Response) -> Unread:
    """Say why a SAM did not do what it was told."""
    if answer.sw == StatusWord.SECURITY_NOT_SATISFIED:
        return Unread.SAM_PIN  # it forgot the PIN: it was reset behind our back
    return Unread.SAM_TYPE if answer.is_refusal else Unread.SAM_LOST
