"""What a chip card or an identity card says, as values: all of it personal, so every ``repr`` hides it.

What was not read is absent and listed in `unread`; nothing here is proven. A card talk (`edge.rhc`, `edge.ssc`,
`edge.id_card`) makes these values, `edge.card_verdict` judges them.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class CardFault(StrEnum):
    """Why a card could not be read at all."""

    PULLED = "pulled"  # it went away in the middle
    UNKNOWN_CARD = "unknown_card"  # none of the cards this node knows
    DAMAGED = "damaged"  # it answers, but not as its standard says


class Unread(StrEnum):
    """Why one file of a card was not read."""

    NO_SAM = "no_sam"
    SAM_PIN = "sam_pin"  # the SAM did not take the PIN, or none is configured
    SAM_TYPE = "sam_type"  # this type of SAM has no such key
    SAM_LOST = "sam_lost"  # it stopped answering
    REFUSED = "refused"  # the card did not take the SAM's proof, or gates the file otherwise
    MISSING = "missing"  # the card has no such file
    DAMAGED = "damaged"  # the file does not read as the standard says


class SamType(StrEnum):
    """What a SAM may do (national briefing, five types)."""

    READ = "1"  # read only
    READ_WRITE_ALL = "2"  # read and write, writing included (the source is cut off)
    READ_WRITE = "3"
    UNLOCK = "4"
    ISSUE = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadFile:
    """One file that could not be read.

    Attributes:
        file: Its path, such as ``DF02/EF07``.
        cause: Why.
    """

    file: str
    cause: Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whom a card names; None: not read or not readable.

    Attributes:
        name: At most 15 Han characters of a resident health card, as decoded.
        sex: GB/T 2261.1: 0, 1, 2 or 9.
        nation: GB 3304, two digits.
        birth: Day of birth.
        id_no: The number as the card has it, not checked.
    """

    name: str | None = field(default=None, repr=False)
    sex: int | None = field(default=None, repr=False)
    nation: str | None = field(default=None, repr=False)
    birth: date | None = field(default=None, repr=False)
    id_no: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableCard:
    """A card was there and could not be read."""

    fault: CardFault


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableSam:
    """A card was in the SAM's slot and is none, or could not be read; it is nobody's visit."""

    fault: CardFault


@dataclass(frozen=True, slots=True, kw_only=True)
class SamInfo:
    """A SAM as it describes itself (domain facts 2.4). It names no person.

    Attributes:
        number: Its serial number, hex.
        type: 密钥卡类型 as the card has it, a `SamType` if it is one of the five.
        terminal_no: 终端机编号, hex; None: not read.
        valid_from: First day; None: not read.
        valid_until: Last day; None: not read.
        unread: What could not be read, and why.
    """

    number: str
    type: str
    terminal_no: str | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    unread: tuple[UnreadFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SamUse:
    """That a SAM proved this terminal to a card: what the record of its use says.

    Attributes:
        number: The SAM's serial number, as in `SamInfo`.
        type: 密钥卡类型, as in `SamInfo`.
        files: Paths of the files that its proof opened; empty: the card did not take the proof.
    """

    number: str
    type: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MedicalWarnings:
    """What a person must be treated with care for (resident health card, DF02/EF05); None: not stated.

    The codes are as the card has them: `abo` by CV04.50.005, `rh` and all the marks by their own tables.

    Attributes:
        abo: Blood group.
        rh: Rhesus factor.
        asthma: Mark of 哮喘.
        heart_disease: Mark of 心脏病.
        cardiovascular_disease: Mark of 心脑血管病.
        epilepsy: Mark of 癫痫病.
        coagulation_disorder: Mark of 凝血紊乱.
        diabetes: Mark of 糖尿病.
        glaucoma: Mark of 青光眼.
        dialysis: Mark of 透析.
        transplant: Mark of 器官移植.
        missing_organ: Mark of 器官缺失.
        prosthesis: Mark of 可装卸义肢.
        pacemaker: Mark of 心脏起搏器.
        other: 其他医学警示, in words.
    """

    abo: int | None = field(default=None, repr=False)
    rh: int | None = field(default=None, repr=False)
    asthma: int | None = field(default=None, repr=False)
    heart_disease: int | None = field(default=None, repr=False)
    cardiovascular_disease: int | None = field(default=None, repr=False)
    epilepsy: int | None = field(default=None, repr=False)
    coagulation_disorder: int | None = field(default=None, repr=False)
    diabetes: int | None = field(default=None, repr=False)
    glaucoma: int | None = field(default=None, repr=False)
    dialysis: int | None = field(default=None, repr=False)
    transplant: int | None = field(default=None, repr=False)
    missing_organ: int | None = field(default=None, repr=False)
    prosthesis: int | None = field(default=None, repr=False)
    pacemaker: int | None = field(default=None, repr=False)
    other: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allergy:
    """One entry of the card's allergies; None: not readable."""

    substance: str | None = field(repr=False)
    reaction: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Immunization:
    """One entry of the card's immunisations; None: not readable."""

    name: str | None = field(repr=False)
    day: date | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardItem:
    """One element as the card has it, for whoever shows a card whole.

    Attributes:
        file: Path of its file.
        name: The item's name in `edge.rhc_files`; in a file without TLV, with the record's number.
        value: Decoded; a file or an element without a public layout stays bytes.
    """

    file: str
    name: str = field(repr=False)
    value: str | int | date | bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentHealthCard:
    """A resident health card (居民健康卡).

    Attributes:
        card_no: 卡号, the number of the holder's document, not checked.
        city: 应用城市代码, six digits; None: not readable.
        issued: 发卡时间; None: not readable.
        valid_until: Last day; None: not read or not readable.
        holder: None: not read.
        warnings: None: not read.
        allergies: Newest first, 0..3; None: not read.
        immunizations: Newest first, 0..10; None: not read.
        items: Every element that was read, in the card's order, those of cyclic files last.
        sam_use: None: no SAM took part.
        unread: What was wanted and not read, and why.
    """

    card_no: str = field(repr=False)
    city: str | None = field(default=None, repr=False)
    issued: date | None = field(default=None, repr=False)
    valid_until: date | None = field(default=None, repr=False)
    holder: Holder | None = field(default=None, repr=False)
    warnings: MedicalWarnings | None = field(default=None, repr=False)
    allergies: tuple[Allergy, ...] | None = field(default=None, repr=False)
    immunizations: tuple[Immunization, ...] | None = field(default=None, repr=False)
    items: tuple[CardItem, ...] = field(default=(), repr=False)
    sam_use: SamUse | None = None
    unread: tuple[UnreadFile, ...] = ()

    @property
    def sam_no(self) -> str | None:
        """Serial number of the SAM that took part; None: none did."""
        return None if self.sam_use is None else self.sam_use.number


@dataclass(frozen=True, slots=True, kw_only=True)
class SocialSecurityCard:
    """A social security card (社会保障卡), as far as everybody may read it.

    Attributes:
        card_no: 卡号; None: not readable.
        identifier: 卡识别码, 32 hex digits, the first six the region; None: not readable.
        issued: 发卡日期; None: not readable.
        valid_until: 卡有效期; None: not readable.
        holder: Of EF06, `id_no` the 社会保障号码; None: not read.
        unread: What was not read, and why; ``EF06`` where the province gates it.
    """

    card_no: str | None = field(default=None, repr=False)
    identifier: str | None = field(default=None, repr=False)
    issued: date | None = field(default=None, repr=False)
    valid_until: date | None = field(default=None, repr=False)
    holder: Holder | None = field(default=None, repr=False)
    unread: tuple[UnreadFile, ...] = ()


class AppendFault(StrEnum):
    """Why a record was not written to a card."""

    NAME_TOO_LONG = "name_too_long"  # more than 20 bytes in GB18030
    NAME_UNUSABLE = "name_unusable"  # it would not read back as it is
    NO_SAM = "no_sam"
    SAM_PIN = "sam_pin"
    SAM_TYPE = "sam_type"  # this type of SAM may not write, or lacks the key
    SAM_LOST = "sam_lost"
    OTHER_CARD = "other_card"  # not the card that was read before
    REFUSED = "refused"  # the card took neither the proof nor the record
    DAMAGED = "damaged"  # it does not answer as its standard says
    PULLED = "pulled"  # before the record was sent
    UNCERTAIN = "uncertain"  # the record was sent, and was not seen on the card after that: read the card again


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The record stands on the card as its newest: it was read back.

    Attributes:
        was_there: It stood there before, from an earlier try, and was not written again.
        sam_use: The SAM that proved the terminal.
    """

    was_there: bool
    sam_use: SamUse


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAppended:
    """The record was not written, or nobody knows.

    Attributes:
        cause: Why.
        sam_use: The SAM that proved the terminal; None: none did.
    """

    cause: AppendFault
    sam_use: SamUse | None = None
