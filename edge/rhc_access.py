"""How a resident health card is recognised, and how a SAM opens its folders (domain facts 2.3; confidence B)."""

from dataclasses import dataclass, field

from drivers.framing.apdu import command
from edge.apdu_talk import ApduLine, Part, why_unread
from edge.card_content import Unread
from edge.card_items import FileRead, read_items, text_of
from edge.rhc_files import DDF1, CardFile, Folder
from edge.sam import FACTOR_BYTES, Factors, Sam

CHALLENGE_BYTES = 8

_CARD_FACTOR_AT = 5  # domain facts 2.3: ATR bytes 5..12
_PROVINCE_DIGITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The issuer's file, which everybody may read.

    Attributes:
        data: What names this card: the records that a desk reads, as they are on the card.
        card_no: 卡号.
        read: All of it.
    """

    data: bytes = field(repr=False)
    card_no: str = field(repr=False)
    read: FileRead = field(repr=False)

    @property
    def city(self) -> str | None:
        """应用城市代码."""
        return text_of(self.read.values.get("city"))


def select_card(line: ApduLine) -> Part[bool]:
    """Select the health application; False: this card has none."""
    answer = yield from line.select(DDF1.fid)
    return answer.is_ok


def read_issuer(line: ApduLine, *, file: CardFile) -> Part[Issued | None]:
    """Read the issuer's file; None: it does not say a card number, so this is no resident health card, or a dead one.

    Args:
        line: To the card, its health application selected.
        file: Which of its items to read.
    """
    selected = yield from line.select(file.fid)
    if not selected.is_ok:
        return None
    read = yield from read_items(line, items=file.items)
    card_no = text_of(read.values.get("card_no"))
    if card_no is None:
        return None
    named_by = (item.name for item in file.items if item.is_at_desk)  # whatever else is read: the card stays the same
    return Issued(data=b"".join(read.records.get(name, b"") for name in named_by), card_no=card_no, read=read)


def factors_of(issued: Issued, *, atr: bytes) -> Factors | None:
    """Return what makes the card's keys its own; None: its ATR or its city do not read as the standard says."""
    card = atr[_CARD_FACTOR_AT : _CARD_FACTOR_AT + FACTOR_BYTES]
    if issued.city is None or len(issued.city) < _PROVINCE_DIGITS or len(card) != FACTOR_BYTES:
        return None
    # domain facts 2.3: the digits of the province in ASCII, then "000000"
    city = issued.city[:_PROVINCE_DIGITS].ljust(FACTOR_BYTES, "0").encode("ascii")
    return Factors(named=issued.card_no.encode(), card=card, city=city)


def authenticate(
    line: ApduLine, *, sam: Sam, key: int, proof_p2: int, factors: Factors, challenge_count: int = 1
) -> Part[Unread | None]:
    """EXTERNAL AUTHENTICATE of the selected folder with the SAM's proof (domain facts 2.3).

    Args:
        line: To both cards.
        sam: Unlocked.
        key: Which of the SAM's keys.
        proof_p2: Which of the card's keys.
        factors: The card's.
        challenge_count: How many challenges the card is asked for; the last one is proved.

    Returns:
        None: the card took the proof; or why not.
    """
    if sam.refusals.has_proof(sam.number, key=key, card=factors.named + factors.card):
        return Unread.REFUSED
    challenge = b""
    for _ in range(challenge_count):
        answer = yield from line.send(command(0x84, response_bytes=CHALLENGE_BYTES))
        if not answer.is_ok:
            return why_unread(answer)
        challenge = answer.data
    if len(challenge) != CHALLENGE_BYTES:
        return Unread.DAMAGED
    proof = yield from sam.proof(key, factors=factors, challenge=challenge)
    if isinstance(proof, Unread):
        return proof
    taken = yield from line.send(command(0x82, p2=proof_p2, data=proof), is_counted=True)
    if taken.is_ok:
        return None
    if not taken.is_refusal:
        return Unread.DAMAGED
    sam.refusals.note_proof(sam.number, key=key, card=factors.named + factors.card)
    return Unread.REFUSED


def open_folder(line: ApduLine, *, folder: Folder, sam: Sam, factors: Factors) -> Part[Unread | None]:
    """Prove to the selected folder that this terminal may read it; None: it is open; or why not."""
    return (yield from authenticate(line, sam=sam, key=folder.read_key, proof_p2=folder.read_proof, factors=factors))
