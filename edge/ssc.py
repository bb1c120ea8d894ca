"""Reading a social security card (社会保障卡): what everybody may read, without PIN or SAM (domain facts 4).

Some provinces gate the second file by a proof of their own; then the first one is all there is, and the card says so.
The extension of long names (tag 4E) is only remembered by its source, so it is not read: a name ends after 30 bytes.
"""

from drivers.conversation import CardRead
from drivers.framing.apdu import Response
from edge.apdu_talk import ApduLine, Part, why_unread
from edge.card_content import Holder, SocialSecurityCard, Unread, UnreadFile
from edge.card_items import FileRead, Item, Shape, Value, day_of, number_of, read_items, text_of

AID = b"sx1.sh." + "社会保障".encode("gbk")
BASE_FILE = "EF05"
HOLDER_FILE = "EF06"

BASE_ITEMS = (
    Item(tag=0x01, name="identifier", label="卡识别码", shape=Shape.HEX, length=16),
    Item(tag=0x02, name="card_kind", label="卡类别", shape=Shape.TEXT, length=1),
    Item(tag=0x03, name="standard_version", label="规范版本", shape=Shape.TEXT, length=4),
    Item(tag=0x04, name="issuer", label="初始化机构编号", shape=Shape.HEX, length=12),
    Item(tag=0x05, name="issued", label="发卡日期", shape=Shape.DAY, length=4),
    Item(tag=0x06, name="valid_until", label="卡有效期", shape=Shape.DAY, length=4),
    Item(tag=0x07, name="card_no", label="卡号", shape=Shape.TEXT, length=9),
)
HOLDER_ITEMS = (
    Item(tag=0x08, name="id_no", label="社会保障号码", shape=Shape.TEXT, length=18),
    Item(tag=0x09, name="name", label="姓名", shape=Shape.TEXT, length=30),
    Item(tag=0x0A, name="sex", label="性别", shape=Shape.BYTE, length=1),
    Item(tag=0x0B, name="nation", label="民族", shape=Shape.DIGITS, length=1),
    Item(tag=0x0C, name="birthplace", label="出生地", shape=Shape.DIGITS, length=3),
    Item(tag=0x0D, name="birth", label="出生日期", shape=Shape.DAY, length=4),
)

_BY_AID = 0x04  # ISO/IEC 7816-4 11.1.1: P1 of a SELECT by the name of an application
_CHILD_FILE = 0x02  # the same: P1 of a SELECT of a file under the folder; some readers of these cards use it
_SEXES = {0: 0, 1: 1, 2: 2, 9: 9, ord("0"): 0, ord("1"): 1, ord("2"): 2, ord("9"): 9}
"""GB/T 2261.1, as a number or as a digit: the source only says one byte, and the two cannot be mistaken."""


def select_card(line: ApduLine) -> Part[Response]:
    """Select the social security application (domain facts 4 step 1)."""
    return (yield from line.select(AID, p1=_BY_AID))


def read_card(line: ApduLine) -> Part[CardRead | None]:
    """Read the card whose application is selected; None: its first file says nothing that names it."""
    base = yield from _read_file(line, fid=b"\xef\x05", items=BASE_ITEMS)
    if isinstance(base, Unread) or not base.values.keys() & {"identifier", "card_no"}:
        return None
    unread = [] if base.cause is None else [UnreadFile(file=BASE_FILE, cause=base.cause)]
    holder = None
    personal = yield from _read_file(line, fid=b"\xef\x06", items=HOLDER_ITEMS)
    if isinstance(personal, Unread):
        unread.append(UnreadFile(file=HOLDER_FILE, cause=personal))
    else:
        holder = _holder(personal.values)
        if personal.cause is not None:
            unread.append(UnreadFile(file=HOLDER_FILE, cause=personal.cause))
    content = SocialSecurityCard(
        card_no=text_of(base.values.get("card_no")),
        identifier=text_of(base.values.get("identifier")),
        issued=day_of(base.values.get("issued")),
        valid_until=day_of(base.values.get("valid_until")),
        holder=holder,
        unread=tuple(unread),
    )
    return CardRead(data=b"".join(base.records.values()), content=content)


def _read_file(line: ApduLine, *, fid: bytes, items: tuple[Item, ...]) -> Part[FileRead | Unread]:
    """Read one file; or why nothing of it was read."""
    selected = yield from line.select(fid)
    if selected.is_refusal:
        selected = yield from line.select(fid, p1=_CHILD_FILE)
    if not selected.is_ok:
        return why_unread(selected)
    read = yield from read_items(line, items=items, is_length_known=False)
    return read if read.cause is None or read.values else read.cause


def _holder(values: dict[str, Value]) -> Holder:
    sex = number_of(values.get("sex"))
    return Holder(
        name=text_of(values.get("name")),
        sex=None if sex is None else _SEXES.get(sex),
        nation=text_of(values.get("nation")),
        birth=day_of(values.get("birth")),
        id_no=text_of(values.get("id_no")),
    )
