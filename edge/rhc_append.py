"""Writing one immunisation to a resident health card: the newest record of DF02/EF08 (domain facts 2.2, 2.3).

Confidence B: the order of the commands is one implementer's. Two readings of it are ours. The SAM's keys 2C, 2D, 2E are
those of DF02 in the order of its files (clinical, special, allergies and immunisations), because the source gives the
row ``2C..2F (DF02 x3, DF03)`` and not each. And of the two challenges it asks for, only the second is proved; where the
first would go it does not say, and the proof needs no more.

Nothing is written before the card was recognised as the one that was read, and the SAM as one that may write. What
stands on the card as its newest already is not written again, so a try that was cut off can be repeated.
"""

from dataclasses import dataclass, field
from datetime import date

from drivers.conversation import CardRead
from drivers.errors import CardLostError
from drivers.framing.apdu import Response, StatusWord, command
from edge.apdu_talk import ApduLine, Part, read_record_no, why_unread
from edge.card_content import (
    Appended,
    AppendFault,
    NotAppended,
    SamType,
    Unread,
)
from edge.card_data import encode_day, encode_text
from edge.errors import CardDataError
from edge.rhc import sam_use
from edge.rhc_access import authenticate, factors_of, open_folder, read_issuer, select_card
from edge.rhc_files import BY_PATH, DF02, IMMUNIZATION_FILE, issuer_file
from edge.sam import Factors, Sam

WRITING_TYPES = (SamType.READ_WRITE_ALL, SamType.READ_WRITE)
"""Which SAMs may write (domain facts 2.4; the national briefing's words are cut off, so confidence B)."""

NAME_BYTES = 20  # domain facts 2.2
_WRITE_KEY = 0x2E
_WRITE_PROOF = 0x87  # domain facts 2.3: allergies and immunisations
_WRITE_CHALLENGES = 2
_APPEND = 0x03  # P2 of the record update (domain facts 2.3)

_FILE = BY_PATH[IMMUNIZATION_FILE]
_FAULTS = {
    Unread.NO_SAM: AppendFault.NO_SAM,
    Unread.SAM_PIN: AppendFault.SAM_PIN,
    Unread.SAM_TYPE: AppendFault.SAM_TYPE,
    Unread.SAM_LOST: AppendFault.SAM_LOST,
    Unread.REFUSED: AppendFault.REFUSED,
    Unread.MISSING: AppendFault.REFUSED,
    Unread.DAMAGED: AppendFault.DAMAGED,
}


@dataclass(slots=True, kw_only=True)
class _Progress:
    """How far it came, for the case that the card is pulled."""

    is_sent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Newest:
    """What stands on the card as the newest record; None: none was ever written."""

    record: bytes | None = field(repr=False)


def immunization_record(*, name: str, day: date) -> bytes:
    """Build the record (domain facts 2.2): name ans20, day cn4.

    Raises:
        CardDataError: The name does not fit, or would not read back.
    """
    return encode_text(name, bytes_max=NAME_BYTES) + encode_day(day)


def append_immunization(
    line: ApduLine, *, name: str, day: date, card: bytes, atr: bytes, sam: Sam | None
) -> Part[CardRead]:
    """Append an immunisation to a card and read it back.

    Args:
        line: To the card and the SAM.
        name: What was given, at most 20 bytes in GB18030.
        day: When.
        card: What named the card when it was read, `CardRead.data`: another card is not written.
        atr: The card's.
        sam: Not opened yet; None: there is none.

    Returns:
        With the content `Appended` or `NotAppended`; the data are `card`.
    """
    progress = _Progress()
    try:
        outcome = yield from _append(line, name=name, day=day, card=card, atr=atr, sam=sam, progress=progress)
    except CardLostError:
        outcome = AppendFault.UNCERTAIN if progress.is_sent else AppendFault.PULLED
    use = sam_use(sam, files=(IMMUNIZATION_FILE,))
    if isinstance(outcome, AppendFault):
        return CardRead(data=card, content=NotAppended(cause=outcome, sam_use=use))
    assert use is not None  # without a proof the record was neither seen nor written
    return CardRead(data=card, content=Appended(was_there=outcome, sam_use=use))


def _append(
    line: ApduLine, *, name: str, day: date, card: bytes, atr: bytes, sam: Sam | None, progress: _Progress
) -> Part[AppendFault | bool]:
    """Return whether the record was there before; or why it is not there."""
    try:
        record = immunization_record(name=name, day=day)
    except CardDataError as error:
        return AppendFault.NAME_TOO_LONG if error.rule == "too_long" else AppendFault.NAME_UNUSABLE
    if sam is None:
        return AppendFault.NO_SAM
    factors = yield from _recognise(line, card=card, atr=atr)
    if isinstance(factors, AppendFault):
        return factors
    cause = (yield from sam.identify()) or (yield from sam.unlock())
    if cause is not None:
        return _FAULTS[cause]
    if sam.type not in WRITING_TYPES:
        return AppendFault.SAM_TYPE
    newest = yield from _newest(line, sam=sam, factors=factors)
    if isinstance(newest, AppendFault):
        return newest
    if newest.record == record:
        return True
    fault = yield from _write(line, record=record, sam=sam, factors=factors, progress=progress)
    return False if fault is None else fault


def _recognise(line: ApduLine, *, card: bytes, atr: bytes) -> Part[Factors | AppendFault]:
    """Make sure that it is the card that was read before."""
    if not (yield from select_card(line)):
        return AppendFault.OTHER_CARD
    issued = yield from read_issuer(line, file=issuer_file("desk"))
    if issued is None or issued.data != card:
        return AppendFault.OTHER_CARD
    selected = yield from line.select(DF02.fid)
    if not selected.is_ok:
        return _FAULTS[why_unread(selected)]
    return factors_of(issued, atr=atr) or AppendFault.DAMAGED


def _newest(line: ApduLine, *, sam: Sam, factors: Factors) -> Part[_Newest | AppendFault]:
    """Open the folder for reading, select the file, read its newest record."""
    cause = yield from open_folder(line, folder=DF02, sam=sam, factors=factors)
    if cause is not None:
        return _FAULTS[cause]
    selected = yield from line.select(_FILE.fid)
    if not selected.is_ok:
        return _FAULTS[why_unread(selected)]
    answer = yield from _read_newest(line)
    if answer.sw == StatusWord.RECORD_NOT_FOUND:
        return _Newest(record=None)
    return _Newest(record=answer.data) if answer.is_ok else _FAULTS[why_unread(answer)]


def _write(
    line: ApduLine, *, record: bytes, sam: Sam, factors: Factors, progress: _Progress
) -> Part[AppendFault | None]:
    """Open the folder for writing, append, read back; None: it stands there."""
    cause = yield from authenticate(
        line,
        sam=sam,
        key=_WRITE_KEY,
        proof_p2=_WRITE_PROOF,
        factors=factors,
        challenge_count=_WRITE_CHALLENGES,
    )
    if cause is not None:
        return _FAULTS[cause]
    progress.is_sent = True
    # domain facts 2.3: appended in plain, 00 DC 00 03 18
    appended = yield from line.send(command(0xDC, p2=_APPEND, data=record), is_counted=True)
    if appended.is_refusal:
        return AppendFault.REFUSED
    answer = yield from _read_newest(line)
    if answer.sw == StatusWord.SECURITY_NOT_SATISFIED:
        # The proof for writing may take the place of the one for reading: the source reads nothing back.
        newest = yield from _newest(line, sam=sam, factors=factors)
        stands = isinstance(newest, _Newest) and newest.record == record
    else:
        stands = answer.is_ok and answer.data == record
    return None if stands else AppendFault.UNCERTAIN


def _read_newest(line: ApduLine) -> Part[Response]:
    return (yield from line.send(read_record_no(1, response_bytes=_FILE.record_bytes)))
