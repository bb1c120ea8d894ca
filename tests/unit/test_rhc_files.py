"""The resident health card's files as data: what domain facts 2.2 prints, row by row."""

from itertools import pairwise

import pytest

from edge.card_items import Item, Shape, decoded, fits
from edge.rhc_files import BY_PATH, FILES, Form, issuer_file, wanted_files

# file, records, first and last tag, bytes of all values: counted in domain facts 2.2 by hand
TLV_FILES = [
    ("DDF1/EF05", 10, 0x01, 0x39, 1 + 4 + 30 + 11 + 180 + 4 + 18 + 3 + 10 + 3),
    ("DDF1/EF06", 5, 0x0B, 0x0F, 30 + 1 + 1 + 4 + 18),
    ("DDF1/EF08", 6, 0x07, 0x14, 4 + 20 + 20 + 1 + 1 + 1),
    ("DF01/EF05", 4, 0x15, 0x18, 1 + 100 + 1 + 100),
    ("DF01/EF06", 9, 0x19, 0x21, 3 * (30 + 1 + 20)),
    ("DF01/EF07", 3, 0x22, 0x24, 1 + 1 + 3),
    ("DF01/EF08", 4, 0x25, 0x28, 1 + 18 + 17 + 18),
    ("DF02/EF05", 15, 0x29, 0x37, 14 + 40),
    ("DF02/EF06", 1, 0x38, 0x38, 1),
]


@pytest.mark.parametrize(("path", "count", "first", "last", "length"), TLV_FILES)
def test_a_file_has_the_records_of_the_standard(path: str, count: int, first: int, last: int, length: int) -> None:
    """As many, with these tags in ascending order, and as long."""
    items = BY_PATH[path].items

    assert (len(items), items[0].tag, items[-1].tag, sum(item.length for item in items)) == (count, first, last, length)
    assert all(before.tag < after.tag for before, after in pairwise(items))


def test_every_tag_and_every_name_is_used_once() -> None:
    """01 to 39, each in one file (domain facts 2.2 gives no other)."""
    tags = [item.tag for file in FILES for item in file.items if file.form is Form.RECORDS]
    names = [[item.name for item in file.items] for file in FILES]

    assert sorted(tags) == list(range(0x01, 0x3A))
    assert all(len(set(each)) == len(each) for each in names)


def test_files_without_tags_have_the_records_of_the_standard() -> None:
    """Cyclic records of 120 and 24 bytes, flags of one, binary files as many as the tree has."""
    plain = {file.path: (file.record_count, file.record_bytes) for file in FILES if file.record_count}
    binary = [file.path for file in FILES if file.form is Form.BINARY]

    assert plain == {"DF02/EF07": (3, 120), "DF02/EF08": (10, 24), "DF03/EF05": (3, 1), "DF03/EF06": (5, 1)}
    assert binary == ["DDF1/EF07", *(f"DF03/EE0{at}" for at in (1, 2, 3)), *(f"DF03/ED0{at}" for at in range(1, 6))]


def test_folders_have_the_keys_of_the_standard() -> None:
    """Domain facts 2.3: 31 to 34, and P2 04 for the first, 84 for the others."""
    keys = [
        (folder.name, folder.fid.hex().upper(), folder.read_key, folder.read_proof)
        for folder in dict.fromkeys(file.folder for file in FILES)
    ]

    assert keys == [
        ("DDF1", "DDF1", 0x31, 0x04),
        ("DF01", "DF01", 0x32, 0x84),
        ("DF02", "DF02", 0x33, 0x84),
        ("DF03", "DF03", 0x34, 0x84),
    ]


def test_a_desk_reads_the_person_the_validity_and_what_is_dangerous() -> None:
    """And nothing of the kind of a photo, an address or a mental illness."""
    desk = {file.path: len(file.items) for file in wanted_files("desk")}

    assert desk == {"DDF1/EF06": 4, "DDF1/EF08": 1, "DF02/EF05": 15, "DF02/EF07": 2, "DF02/EF08": 2}
    assert [item.name for item in issuer_file("desk").items] == ["issued", "card_no", "city"]


def test_the_issuers_file_is_whole_where_it_is_asked_for() -> None:
    """By all, or by its name."""
    counts = [len(issuer_file(files).items) for files in ("all", ("DDF1/EF05",), ("DDF1/EF06",), "desk")]

    assert counts == [10, 10, 3, 3]


@pytest.mark.parametrize(
    ("shape", "element", "expected"),
    [
        (Shape.TEXT, b"\xd5\xc5\x00\x00", "张"),
        (Shape.DIGITS, b"\x11\x01\xff", "1101"),
        (Shape.DAY, b"\x20\x20\x02\x30", None),
        (Shape.BYTE, b"\xff", None),
        (Shape.HEX, b"\x0a\x0b", "0A0B"),
        (Shape.HEX, b"\x00\x00", None),
        (Shape.RAW, b"\x0a\xff", b"\x0a\xff"),
        (Shape.RAW, b"\xff\xff", None),
    ],
)
def test_an_element_is_decoded_by_its_shape(shape: Shape, element: bytes, expected: object) -> None:
    """Padding alone is no value."""
    assert decoded(element, shape=shape) == expected


@pytest.mark.parametrize(
    ("shape", "lengths"), [(Shape.TEXT, [1, 2, 3, 4]), (Shape.DIGITS, [4]), (Shape.DAY, [4]), (Shape.RAW, [4])]
)
def test_only_text_may_be_shorter_than_its_field(shape: Shape, lengths: list[int]) -> None:
    """A card may have stored it without padding; digits and dates have their length."""
    item = Item(tag=1, name="x", label="x", shape=shape, length=4)

    assert [length for length in range(6) if fits(bytes(length), item=item)] == lengths
