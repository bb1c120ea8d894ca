"""The files of a resident health card (居民健康卡), as data (domain facts 2.1, 2.2; confidence B, one implementer).

A file is read as a desk needs it, or whole. The pictures and the records of treatment (EF07, EE01.., ED01..) are large,
and the list of what they sign is not public, so they are read by name only and kept as bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from edge.card_items import Item, Shape

Profile: TypeAlias = str | tuple[str, ...]
"""Which files are read: "desk", what a desk needs; "all" but the large ones; or the paths of those that are wanted.

The issuer's file always is."""

ISSUER_FILE = "DDF1/EF05"
HOLDER_FILE = "DDF1/EF06"
PHOTO_FILE = "DDF1/EF07"
VALIDITY_FILE = "DDF1/EF08"
WARNINGS_FILE = "DF02/EF05"
ALLERGY_FILE = "DF02/EF07"
IMMUNIZATION_FILE = "DF02/EF08"


class Form(StrEnum):
    """How a file is built, and so how it is read."""

    RECORDS = "records"  # TLV, by tag
    CYCLIC = "cyclic"  # plain records, 1 the newest, up to the first empty one
    FLAGS = "flags"  # plain records of one byte, each with a meaning of its own
    BINARY = "binary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One application of the card (domain facts 2.3).

    Attributes:
        name: Such as ``DF02``.
        fid: File identifier; DDF1 stands in the root, the others in DDF1.
        read_key: The SAM's key that proves who may read it.
        read_proof: P2 of the EXTERNAL AUTHENTICATE.
    """

    name: str
    fid: bytes
    read_key: int
    read_proof: int


DDF1 = Folder(name="DDF1", fid=b"\xdd\xf1", read_key=0x31, read_proof=0x04)
DF01 = Folder(name="DF01", fid=b"\xdf\x01", read_key=0x32, read_proof=0x84)
DF02 = Folder(name="DF02", fid=b"\xdf\x02", read_key=0x33, read_proof=0x84)
DF03 = Folder(name="DF03", fid=b"\xdf\x03", read_key=0x34, read_proof=0x84)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFile:
    """One file.

    Attributes:
        path: Folder and file, such as ``DF02/EF07``.
        folder: Where it stands.
        fid: File identifier.
        form: How it is built.
        items: Its elements; of a file without TLV, those of one record in order.
        record_count: How many records a file without TLV has.
        bytes_max: How much of a binary file is read.
    """

    path: str
    folder: Folder
    fid: bytes
    form: Form = Form.RECORDS
    items: tuple[Item, ...] = ()
    record_count: int = 0
    bytes_max: int = 0

    @property
    def record_bytes(self) -> int:
        """Length of one record of a file without TLV."""
        return sum(item.length for item in self.items)


_AN, _ANS, _CN, _DAY, _B, _RAW = Shape.TEXT, Shape.TEXT, Shape.DIGITS, Shape.DAY, Shape.BYTE, Shape.RAW
_DESK = True  # what a desk does not need costs a round trip each: 60 are allowed with the SAM's

# tag, name, label, shape, length, and whether a desk needs it
_ISSUER = (
    (0x01, "card_kind", "卡类别", _AN, 1),
    (0x02, "standard_version", "规范版本", _AN, 4),
    (0x03, "issuer_name", "发卡机构名称", _ANS, 30),
    (0x04, "issuer_code", "发卡机构代码", _CN, 11),
    (0x05, "issuer_certificate", "发卡机构证书", _RAW, 180),  # domain facts 2.6: its inside is not public
    (0x06, "issued", "发卡时间", _DAY, 4, _DESK),
    (0x08, "card_no", "卡号", _AN, 18, _DESK),
    (0x09, "security_code", "安全码", _AN, 3),
    (0x0A, "chip_no", "芯片序列号", _AN, 10),
    (0x39, "city", "应用城市代码", _CN, 3, _DESK),  # the SAM's proof needs it
)
_HOLDER = (
    (0x0B, "name", "姓名", _ANS, 30, _DESK),
    (0x0C, "sex", "性别", _B, 1, _DESK),
    (0x0D, "nation", "民族", _CN, 1),
    (0x0E, "birth", "出生日期", _DAY, 4, _DESK),
    (0x0F, "id_no", "身份证号", _AN, 18, _DESK),
)
_VALIDITY = (
    (0x07, "valid_until", "卡有效期", _DAY, 4, _DESK),
    (0x10, "phone_1", "本人电话1", _AN, 20),
    (0x11, "phone_2", "本人电话2", _AN, 20),
    (0x12, "payment_1", "医疗费用支付方式1", _CN, 1),
    (0x13, "payment_2", "医疗费用支付方式2", _CN, 1),
    (0x14, "payment_3", "医疗费用支付方式3", _CN, 1),
)
_ADDRESSES = (
    (0x15, "address_kind_1", "地址类别1", _CN, 1),
    (0x16, "address_1", "地址1", _ANS, 100),
    (0x17, "address_kind_2", "地址类别2", _CN, 1),
    (0x18, "address_2", "地址2", _ANS, 100),
)
_CONTACTS = (
    (0x19, "contact_name_1", "联系人姓名1", _ANS, 30),
    (0x1A, "contact_relation_1", "联系人关系1", _CN, 1),
    (0x1B, "contact_phone_1", "联系人电话1", _AN, 20),
    (0x1C, "contact_name_2", "联系人姓名2", _ANS, 30),
    (0x1D, "contact_relation_2", "联系人关系2", _CN, 1),
    (0x1E, "contact_phone_2", "联系人电话2", _AN, 20),
    (0x1F, "contact_name_3", "联系人姓名3", _ANS, 30),
    (0x20, "contact_relation_3", "联系人关系3", _CN, 1),
    (0x21, "contact_phone_3", "联系人电话3", _AN, 20),
)
_SOCIAL = (
    (0x22, "education", "文化程度", _CN, 1),
    (0x23, "marriage", "婚姻状况", _CN, 1),
    (0x24, "occupation", "职业", _AN, 3),
)
_NUMBERS = (
    (0x25, "document_kind", "证件类别", _CN, 1),
    (0x26, "document_no", "证件号码", _AN, 18),
    (0x27, "archive_no", "健康档案编号", _AN, 17),
    (0x28, "cooperative_no", "新农合证号", _AN, 18),
)
_WARNINGS = (
    (0x29, "abo", "ABO血型", _B, 1, _DESK),
    (0x2A, "rh", "RH血型", _B, 1, _DESK),  # domain facts 2.2: cn1 in the table, read as b
    (0x2B, "asthma", "哮喘标志", _B, 1, _DESK),
    (0x2C, "heart_disease", "心脏病标志", _B, 1, _DESK),
    (0x2D, "cardiovascular_disease", "心脑血管病标志", _B, 1, _DESK),
    (0x2E, "epilepsy", "癫痫病标志", _B, 1, _DESK),
    (0x2F, "coagulation_disorder", "凝血紊乱标志", _B, 1, _DESK),
    (0x30, "diabetes", "糖尿病标志", _B, 1, _DESK),
    (0x31, "glaucoma", "青光眼标志", _B, 1, _DESK),
    (0x32, "dialysis", "透析标志", _B, 1, _DESK),
    (0x33, "transplant", "器官移植标志", _B, 1, _DESK),
    (0x34, "missing_organ", "器官缺失标志", _B, 1, _DESK),
    (0x35, "prosthesis", "可装卸义肢标志", _B, 1, _DESK),
    (0x36, "pacemaker", "心脏起搏器标志", _B, 1, _DESK),
    (0x37, "other", "其他医学警示名称", _ANS, 40, _DESK),
)
_SPECIAL = ((0x38, "mental_illness", "精神病标志", _B, 1),)
_ALLERGY = ((0, "substance", "过敏物质名称", _ANS, 20, _DESK), (0, "reaction", "过敏反应", _ANS, 100, _DESK))
_IMMUNIZATION = ((0, "name", "免疫接种名称", _ANS, 20, _DESK), (0, "day", "免疫接种时间", _DAY, 4, _DESK))
_FLAG = ((0, "flag", "有效标志", _RAW, 1),)

_Row: TypeAlias = tuple[int, str, str, Shape, int] | tuple[int, str, str, Shape, int, bool]


def _items(rows: Sequence[_Row]) -> tuple[Item, ...]:
    return tuple(
        Item(tag=row[0], name=row[1], label=row[2], shape=row[3], length=row[4], is_at_desk=len(row) == 6)
        for row in rows
    )


def _file(
    folder: Folder,
    fid: int,
    rows: Sequence[_Row] = (),
    *,
    form: Form = Form.RECORDS,
    record_count: int = 0,
    bytes_max: int = 0,
) -> CardFile:
    return CardFile(
        path=f"{folder.name}/{fid:04X}",
        folder=folder,
        fid=fid.to_bytes(2, "big"),
        form=form,
        items=_items(rows),
        record_count=record_count,
        bytes_max=bytes_max,
    )


_PHOTO_BYTES_MAX = 3072  # domain facts 2.2: the two bytes of the length included
_TREATMENT_BYTES_MAX = 4096  # a record of 3013 bytes and two signatures of unknown form (domain facts 2.6)

FILES = (
    _file(DDF1, 0xEF05, _ISSUER),
    _file(DDF1, 0xEF06, _HOLDER),
    _file(DDF1, 0xEF07, form=Form.BINARY, bytes_max=_PHOTO_BYTES_MAX),
    _file(DDF1, 0xEF08, _VALIDITY),
    _file(DF01, 0xEF05, _ADDRESSES),
    _file(DF01, 0xEF06, _CONTACTS),
    _file(DF01, 0xEF07, _SOCIAL),
    _file(DF01, 0xEF08, _NUMBERS),
    _file(DF02, 0xEF05, _WARNINGS),
    _file(DF02, 0xEF06, _SPECIAL),
    _file(DF02, 0xEF07, _ALLERGY, form=Form.CYCLIC, record_count=3),
    _file(DF02, 0xEF08, _IMMUNIZATION, form=Form.CYCLIC, record_count=10),
    _file(DF03, 0xEF05, _FLAG, form=Form.FLAGS, record_count=3),
    _file(DF03, 0xEF06, _FLAG, form=Form.FLAGS, record_count=5),
    *(_file(DF03, fid, form=Form.BINARY, bytes_max=_TREATMENT_BYTES_MAX) for fid in (0xEE01, 0xEE02, 0xEE03)),
    *(_file(DF03, fid, form=Form.BINARY, bytes_max=_TREATMENT_BYTES_MAX) for fid in range(0xED01, 0xED06)),
)
BY_PATH = {file.path: file for file in FILES}


def wanted_files(profile: Profile) -> tuple[CardFile, ...]:
    """Return the files of a profile beside the issuer's, each with the items that are wanted of it.

    Raises:
        ValueError: There is no such file, or none of them is named.
    """
    others = tuple(file for file in FILES if file.path != ISSUER_FILE)
    if profile == "desk":
        at_desk = (_at_desk(file) for file in others)
        return tuple(file for file in at_desk if file.items)
    if profile == "all":
        return tuple(file for file in others if file.form is not Form.BINARY)
    if isinstance(profile, str) or not profile or not set(profile) <= BY_PATH.keys():
        raise ValueError('files are "desk", "all", or paths such as "DF02/EF08"')
    return tuple(file for file in others if file.path in profile)


def issuer_file(profile: Profile) -> CardFile:
    """Return the issuer's file with the items that are wanted of it."""
    is_whole = profile == "all" if isinstance(profile, str) else ISSUER_FILE in profile
    return BY_PATH[ISSUER_FILE] if is_whole else _at_desk(BY_PATH[ISSUER_FILE])


def _at_desk(file: CardFile) -> CardFile:
    return replace(file, items=tuple(item for item in file.items if item.is_at_desk))
