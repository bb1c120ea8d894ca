"""What stands on emulated cards: files as domain facts 2.2 and 4 lay them out, of an invented child."""

from dataclasses import dataclass, field

SAMPLE_ID_NO = "11010020171225006X"
SAMPLE_NAME = "测试娃"


@dataclass(slots=True, kw_only=True)
class Records:
    """A file of TLV records."""

    values: dict[int, bytes]


@dataclass(slots=True, kw_only=True)
class Plain:
    """A file of plain records, the newest first; it has `count` of them, written or not."""

    written: list[bytes]
    count: int
    length: int

    def record(self, number: int) -> bytes | None:
        if not 1 <= number <= self.count:
            return None
        return self.written[number - 1] if number <= len(self.written) else b"\xff" * self.length


@dataclass(slots=True, kw_only=True)
class Binary:
    """A file of bytes."""

    data: bytes


File = Records | Plain | Binary


def ans(value: str, *, length: int) -> bytes:
    """Text as a card has it."""
    return value.encode("gb18030").ljust(length, b"\x00")


def immunization(name: str, *, day: str) -> bytes:
    """A record of DF02/EF08."""
    return ans(name, length=20) + bytes.fromhex(day)


def allergy(substance: str, *, reaction: str) -> bytes:
    """A record of DF02/EF07."""
    return ans(substance, length=20) + ans(reaction, length=100)


SOCIAL_BASE = {
    0x01: bytes.fromhex("11010001000000000000000000000042"),
    0x02: b"1",
    0x03: b"1.00",
    0x04: bytes.fromhex("910000110000000000000001"),
    0x05: bytes.fromhex("20200102"),
    0x06: bytes.fromhex("20300101"),
    0x07: b"A0000042X",
}
SOCIAL_HOLDER = {
    0x08: SAMPLE_ID_NO.encode(),
    0x09: ans(SAMPLE_NAME, length=30),
    0x0A: b"2",
    0x0B: b"\x01",
    0x0C: bytes.fromhex("110100"),
    0x0D: bytes.fromhex("20171225"),
}


@dataclass(slots=True, kw_only=True)
class SocialFiles:
    """The two files of a social security card that everybody may read, by tag."""

    base: dict[int, bytes] = field(default_factory=lambda: dict(SOCIAL_BASE))
    holder: dict[int, bytes] = field(default_factory=lambda: dict(SOCIAL_HOLDER))


def resident_files(*, city: str = "110100", immunizations: int = 10, allergies: int = 3) -> dict[str, File]:
    """The files of a card of an invented child, every one written."""
    flags = dict.fromkeys(range(0x2B, 0x37), b"\x00") | {0x2B: b"\x01"}
    return {
        "DDF1/EF05": Records(
            values={
                0x01: b"1",
                0x02: b"1.00",
                0x03: ans("测试市卫生健康委员会", length=30),
                0x04: bytes.fromhex("1101001234567890FFFFFF"),
                0x05: bytes(range(180)),
                0x06: bytes.fromhex("20180301"),
                0x08: SAMPLE_ID_NO.encode(),
                0x09: b"042",
                0x0A: b"CHIP000001",
                0x39: bytes.fromhex(city),
            }
        ),
        "DDF1/EF06": Records(
            values={
                0x0B: ans(SAMPLE_NAME, length=30),
                0x0C: b"\x02",
                0x0D: b"\x01",
                0x0E: bytes.fromhex("20171225"),
                0x0F: SAMPLE_ID_NO.encode(),
            }
        ),
        "DDF1/EF07": Binary(data=(300).to_bytes(2, "big") + bytes(range(100)) * 3 + b"\xff" * 2770),
        "DDF1/EF08": Records(
            values={
                0x07: bytes.fromhex("20331231"),
                0x10: b"00000000001".ljust(20, b"\x00"),
                0x11: b"\x00" * 20,
                0x12: b"\x01",
                0x13: b"\xff",
                0x14: b"\xff",
            }
        ),
        "DF01/EF05": Records(values={0x15: b"\x01", 0x16: ans("测试街1号", length=100)}),
        "DF01/EF06": Records(
            values={0x19: ans("测试娘", length=30), 0x1A: b"\x05", 0x1B: b"00000000002".ljust(20, b"\0")}
        ),
        "DF01/EF07": Records(values={0x22: b"\x90", 0x23: b"\x10", 0x24: b"\x00" * 3}),
        "DF01/EF08": Records(values={0x25: b"\x01", 0x26: SAMPLE_ID_NO.encode(), 0x27: b"1" * 17, 0x28: b"2" * 18}),
        "DF02/EF05": Records(values={0x29: b"\x01", 0x2A: b"\x02", **flags, 0x37: ans("测试警示", length=40)}),
        "DF02/EF06": Records(values={0x38: b"\xff"}),
        "DF02/EF07": Plain(
            written=[allergy(f"过敏物{at}", reaction="皮疹") for at in range(allergies)], count=3, length=120
        ),
        "DF02/EF08": Plain(
            written=[immunization(f"疫苗{at}", day=f"202001{at + 1:02}") for at in range(immunizations)],
            count=10,
            length=24,
        ),
        "DF03/EF05": Plain(written=[b"\x00"], count=3, length=1),
        "DF03/EF06": Plain(written=[b"\x00", b"\x00"], count=5, length=1),
        **{f"DF03/EE0{at}": Binary(data=bytes((at,)) * 1639) for at in (1, 2, 3)},
        **{f"DF03/ED0{at}": Binary(data=bytes((at,)) * 3013) for at in range(1, 6)},
    }
