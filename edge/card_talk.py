"""What the node asks a chip card: which one it is, and then everything it may read of it.

This is the `drivers.conversation.CardTalk` that every chip-card reader is given. Whatever a card answers, a talk ends
with a value: a card that is none of ours, or broken, or gone, is an `UnreadableCard`.
"""

from collections.abc import Callable
from datetime import date

from drivers.conversation import CardRead, Conversation
from drivers.errors import CardLostError
from drivers.framing.apdu import Response
from edge import rhc, ssc
from edge.apdu_talk import ApduLine, Part
from edge.card_content import CardFault, Unread, UnreadableCard, UnreadableSam
from edge.rhc_append import append_immunization
from edge.rhc_files import DDF1, Profile, wanted_files
from edge.sam import PinMemory, Refusals, Sam
from edge.secret_file import PIN_BYTES_MAX, PIN_BYTES_MIN

_NO_SAM_FAULTS = {Unread.SAM_LOST: CardFault.PULLED}


class CardTalk:
    """A `drivers.conversation.CardTalk` with health cards, social security cards and SAMs; one for all readers.

    Args:
        random_bytes: Draws that many random bytes, from the system's source.
        sam_pin: The PIN of the node's SAMs, 2..8 bytes; None: none is configured, and only free files are read.
        files: What is read of a resident health card.
        pin_memory: Keeps what SAMs refused beyond the end of the program; None: nobody does.

    Raises:
        ValueError: The PIN's length is out of range, or there is no such file.
    """

    def __init__(
        self,
        *,
        random_bytes: Callable[[int], bytes],
        sam_pin: bytes | None = None,
        files: Profile = "desk",
        pin_memory: PinMemory | None = None,
    ) -> None:
        if sam_pin is not None and not PIN_BYTES_MIN <= len(sam_pin) <= PIN_BYTES_MAX:
            raise ValueError(f"a SAM's PIN has {PIN_BYTES_MIN} to {PIN_BYTES_MAX} bytes")
        wanted_files(files)
        self._random_bytes = random_bytes
        self._sam_pin = sam_pin
        self._files = files
        self._refusals = Refusals(pin_memory)

    def with_card(self, *, atr: bytes, sam_atr: bytes | None) -> Conversation:
        """Read a person's card; the content is a resident health card, a social security card or an `UnreadableCard`.

        Args:
            atr: The card's answer to reset, 2..33 bytes.
            sam_atr: The SAM's; None: there is none.
        """
        line = ApduLine()
        try:
            return (yield from self._read(line, atr=atr, sam=self._sam(line, atr=sam_atr)))
        except CardLostError:
            return _unreadable(atr, fault=CardFault.PULLED)

    def with_sam(self, *, atr: bytes) -> Conversation:
        """Take stock of a SAM; the content is a `SamInfo` or an `UnreadableSam`."""
        sam = self._sam(ApduLine(), atr=atr)
        assert sam is not None
        info = yield from sam.describe()
        if isinstance(info, Unread):
            return CardRead(data=atr, content=UnreadableSam(fault=_NO_SAM_FAULTS.get(info, CardFault.UNKNOWN_CARD)))
        return CardRead(data=bytes.fromhex(info.number), content=info)

    def append_immunization(
        self, *, name: str, day: date, card: bytes, atr: bytes, sam_atr: bytes | None
    ) -> Conversation:
        """Write an immunisation to a card that was read; the content is `Appended` or `NotAppended`.

        Args:
            name: What was given, at most 20 bytes in GB18030.
            day: When.
            card: The `CardRead.data` of its reading.
            atr: The card's.
            sam_atr: The SAM's; None: there is none.
        """
        line = ApduLine()
        sam = self._sam(line, atr=sam_atr)
        return append_immunization(line, name=name, day=day, card=card, atr=atr, sam=sam)

    def _sam(self, line: ApduLine, *, atr: bytes | None) -> Sam | None:
        if atr is None:
            return None
        return Sam(line, pin=self._sam_pin, refusals=self._refusals, random_bytes=self._random_bytes)

    def _read(self, line: ApduLine, *, atr: bytes, sam: Sam | None) -> Part[CardRead]:
        """Try one kind of card after the other.

        A card may have an application of the other kind's name: what then does not name the card is not taken for it.
        """
        health = yield from line.select(DDF1.fid)
        if health.is_ok:
            read = yield from rhc.read_card(line, atr=atr, sam=sam, files=self._files)
            if read is not None:
                return read
        social = yield from ssc.select_card(line)
        if social.is_ok:
            read = yield from ssc.read_card(line)
            if read is not None:
                return read
        return _unreadable(atr, fault=_fault_of(health, social))


def _fault_of(*selections: Response) -> CardFault:
    """A card that has neither application is another card; anything else is damage."""
    return CardFault.UNKNOWN_CARD if all(each.is_refusal for each in selections) else CardFault.DAMAGED


def _unreadable(atr: bytes, *, fault: CardFault) -> CardRead:
    return CardRead(data=atr, content=UnreadableCard(fault=fault))
