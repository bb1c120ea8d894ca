"""Codes on packages: what GS1 elements and trace codes say of a product, and what is none."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import gs1, trace_code
from edge.errors import CodeError
from edge.product_label import LabelScheme, ProductLabel

GTIN = "06901234567892"
GS = gs1.SEPARATOR
PACK = f"01{GTIN}17280531" + "10B2026-01A" + GS + "21SN000001"
CHARACTERS = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
NAMES = st.text(st.sampled_from(CHARACTERS), min_size=1, max_size=20)


def parse(text: str) -> ProductLabel:
    return gs1.parse(text)


def test_a_package_says_product_lot_expiry_and_serial() -> None:
    """The four elements of a vaccine's package come out."""
    assert parse(PACK) == ProductLabel(
        scheme=LabelScheme.GS1,
        gtin=GTIN,
        lot="B2026-01A",
        expiry=date(2028, 5, 31),
        serial="SN000001",
    )


@pytest.mark.parametrize(
    "text",
    [
        f"]d2{PACK}",
        f"]C1{PACK}",
        f"]Q3{PACK}",
        f"]e0{PACK}",
        f"{GS}{PACK}",
        f"]d2{GS}{PACK}{GS}",
        f"01{GTIN}{GS}17280531{GS}10B2026-01A{GS}{GS}21SN000001",
        f"21SN000001{GS}10B2026-01A{GS}17280531" + f"01{GTIN}",
        PACK + GS + f"01{GTIN}",
    ],
)
def test_the_order_and_the_marks_of_a_scanner_make_no_difference(text: str) -> None:
    """AIM prefix, separators where none are needed, any order, the same thing twice."""
    assert parse(text) == parse(PACK)


@pytest.mark.parametrize(
    "stranger",
    [
        "00" + "0" * 18,
        "02" + GTIN,
        "03" + GTIN,
        "04" + "0" * 16,
        "11250101",
        "12250101",
        "13250101",
        "14250101",
        "15250101",
        "16250101",
        "18250101",
        "19250101",
        "2001",
        "3100000123",
        "3250000123",
        "3399000123",
        "3450000123",
        "3590000123",
        "3602000123",
        "4106901234567892",
        f"240ITEM 01{GS}",
        f"37100{GS}",
        f"7003280531{GS}",
        f"8005000001{GS}",
        f"91internal 17 01{GS}",
        f"235third-party{GS}",
    ],
)
def test_elements_of_others_do_not_disturb(stranger: str) -> None:
    """An identifier that is not ours is passed over, wherever it stands."""
    for text in (stranger + PACK, f"01{GTIN}{stranger}" + PACK[16:], f"{PACK}{GS}{stranger}"):
        label = parse(text)
        assert (label.gtin, label.lot, label.expiry, label.serial) == (
            GTIN,
            "B2026-01A",
            date(2028, 5, 31),
            "SN000001",
        )


def test_the_day_of_production_comes_out() -> None:
    """AI 11 is a day like AI 17."""
    assert parse("1125022810A").produced == date(2025, 2, 28)


@pytest.mark.parametrize(
    ("digits", "day"),
    [
        ("280531", date(2028, 5, 31)),
        ("280500", date(2028, 5, 31)),
        ("280200", date(2028, 2, 29)),
        ("270200", date(2027, 2, 28)),
        ("281200", date(2028, 12, 31)),
        ("760101", date(2076, 1, 1)),
        ("770101", date(1977, 1, 1)),
        ("991231", date(1999, 12, 31)),
        ("000101", date(2000, 1, 1)),
    ],
)
def test_a_day_is_read_in_the_century_nearest(digits: str, day: date) -> None:
    """A day of 00 is the last of its month; a year is within 49 years back and 50 on."""
    assert parse("17" + digits).expiry == day


@pytest.mark.parametrize(
    ("year", "two", "whole"),
    [
        (2026, 76, 2076),
        (2026, 77, 1977),
        (2060, 10, 2110),
        (2060, 11, 2011),
        (2099, 49, 2149),
        (2099, 50, 2050),
        (2050, 0, 2100),
        (2101, 1, 2101),
    ],
)
def test_the_century_turns_with_the_year(year: int, two: int, whole: int) -> None:
    """GS1 Gen Specs 7.12: 51 years or more ahead is the century before, 50 or more behind is the next."""
    label = gs1.parse(f"17{two:02d}0101", year=year)

    assert label.expiry is not None
    assert label.expiry.year == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        GS,
        f"]1{PACK}",
        f"]1]d2{PACK}",
        "]d2",
        "00" + "0" * 18,
        "(01)06901234567892",
        "0106901234567891",
        "010690123456789",
        "01069012345678921",
        "01069012345678x2",
        "01٠6901234567892",
        "17281301",
        "17280001",
        "17280230",
        "1728053",
        "17ABCDEF",
        "10",
        "10" + GS,
        "10" + "A" * 21,
        "10批号",
        "10A B",
        "10A#",
        "21",
        "21" + "S" * 21,
        f"{PACK}{GS}10OTHER",
        f"01{GTIN}1",
        f"01{GTIN}x",
        f"01{GTIN}１７280531",
        "31001",
        "A" * 30,
        "86901234567890123456",
    ],
)
def test_what_is_not_built_so_is_refused(text: str) -> None:
    """A code that is damaged, cut or of another kind is no label: nothing is guessed."""
    with pytest.raises(CodeError):
        parse(text)


@given(
    lot=NAMES,
    serial=NAMES,
    digits=st.text(st.sampled_from("0123456789"), min_size=13, max_size=13),
    day=st.dates(date(1977, 1, 1), date(2076, 12, 31)),
    order=st.permutations(["gtin", "lot", "serial", "expiry", "produced"]),
)
def test_what_is_printed_comes_out(lot: str, serial: str, digits: str, day: date, order: list[str]) -> None:
    """Every product, lot, serial and day that GS1 allows comes out in any order."""
    odd, even = (sum(map(int, digits[first::2])) for first in (0, 1))
    gtin = digits + str(-(3 * odd + even) % 10)
    elements = {
        "gtin": f"01{gtin}",
        "lot": f"10{lot}{GS}",
        "serial": f"21{serial}{GS}",
        "expiry": f"17{day:%y%m%d}",
        "produced": f"11{day:%y%m%d}",
    }

    label = parse("".join(elements[name] for name in order))

    assert label == ProductLabel(scheme=LabelScheme.GS1, gtin=gtin, lot=lot, serial=serial, expiry=day, produced=day)


@given(st.text(max_size=60) | st.text(st.sampled_from("0123456789" + GS + "A]"), max_size=60))
def test_any_text_is_a_label_or_the_documented_error(text: str) -> None:
    """Whatever is scanned: something that is known of a product, or a refusal."""
    try:
        label = parse(text)
    except CodeError:
        return
    assert label.as_texts()


def test_no_error_repeats_what_was_scanned() -> None:
    """An error says what is wrong, not with what."""
    for text in ("0106901234567891", "17281301", "10批号", f"{PACK}{GS}10OTHER"):
        with pytest.raises(CodeError) as caught:
            parse(text)
        assert not any(part in str(caught.value) for part in ("0690", "2813", "批号", "OTHER"))


def test_a_long_code_takes_no_long_time() -> None:
    """The longest text there is, of the shortest elements, is read or refused at once."""
    assert parse(("10A" + GS) * 1_024).lot == "A"


def test_a_trace_code_says_product_and_serial() -> None:
    """The first digits name the product, as many as the configuration says; the rest tells the package."""
    assert trace_code.parse("81234567890123456789") == ProductLabel(
        scheme=LabelScheme.TRACE_CODE, product_code="8123456", serial="7890123456789"
    )
    assert trace_code.parse("81234567890123456789", product_digits=9).product_code == "812345678"


@pytest.mark.parametrize(
    "text",
    ["", "8", "8" * 19, "8" * 21, "7" + "0" * 19, "8" + "٠" * 19, "8" * 20 + "\n", " " + "8" * 19, "8" * 19 + "x"],
)
def test_what_is_no_trace_code_is_refused(text: str) -> None:
    """Exactly 20 digits, the first an 8."""
    with pytest.raises(CodeError):
        trace_code.parse(text)


@pytest.mark.parametrize("product_digits", [0, 20, -1])
def test_a_product_of_no_or_all_digits_is_a_mistake(product_digits: int) -> None:
    """Both parts have at least one digit."""
    with pytest.raises(ValueError, match="product_digits"):
        trace_code.parse("8" * 20, product_digits=product_digits)


@given(st.text(st.sampled_from("0123456789"), min_size=19, max_size=19), st.integers(min_value=1, max_value=19))
def test_no_digit_of_a_trace_code_is_lost(digits: str, product_digits: int) -> None:
    """Product and serial together are the whole code."""
    label = trace_code.parse("8" + digits, product_digits=product_digits)

    assert (label.product_code or "") + (label.serial or "") == "8" + digits


def test_a_label_is_shown_as_texts() -> None:
    """What the code does not say is left out, days are written as the records write them."""
    assert parse(PACK).as_texts() == {
        "gtin": GTIN,
        "lot": "B2026-01A",
        "expiry": "2028-05-31",
        "serial": "SN000001",
    }
    assert trace_code.parse("8" * 20).as_texts() == {"product_code": "8" * 7, "serial": "8" * 13}
