"""The text of identity cards: four layouts, and what a damaged or rare field costs."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.card_content import Holder
from edge.errors import CardDataError
from edge.id_card import TEXT_BYTES, IdentityCard, IdentityCardKind, parse_id_card
from tests.support import id_texts

MAKERS = [id_texts.citizen, id_texts.hmt, id_texts.foreigner_2017, id_texts.foreigner_2023]


def test_a_citizens_card_reads() -> None:
    """Every field of the card comes out where domain facts 3 says it lies."""
    assert parse_id_card(id_texts.citizen()) == IdentityCard(
        kind=IdentityCardKind.CITIZEN,
        id_no=id_texts.ID_NO,
        name="张三",
        sex=2,
        nation="01",
        birth=date(2017, 12, 25),
        address="北京市东城区某街道1号",
        issuer="北京市公安局东城分局",
        valid_from=date(2018, 1, 1),
        valid_until=date(2023, 1, 1),
    )


def test_a_residence_permit_reads() -> None:
    """The permit of Hong Kong, Macau and Taiwan residents has a pass number and no nation."""
    card = parse_id_card(id_texts.hmt(nation="01"))

    assert card.kind is IdentityCardKind.HMT
    assert (card.name, card.sex, card.id_no, card.nation) == ("陈小明", 1, "810000199001010015", None)
    assert (card.pass_no, card.times) == ("H01234567", 1)


def test_a_foreigners_card_of_2017_reads() -> None:
    """Its layout is its own: English name first, birth near the end."""
    assert parse_id_card(id_texts.foreigner_2017()) == IdentityCard(
        kind=IdentityCardKind.FOREIGNER_2017,
        id_no="CAN110080010101",
        name="桑普",
        english_name="SAMPLE, PERSON ONE",
        sex=1,
        nationality="CAN",
        birth=date(1981, 8, 21),
        issuer="1500",
        valid_from=date(2018, 3, 2),
        valid_until=date(2028, 3, 1),
        version="01",
    )


def test_a_foreigners_card_of_2023_reads() -> None:
    """Its layout is nearly that of a citizen."""
    assert parse_id_card(id_texts.foreigner_2023()) == IdentityCard(
        kind=IdentityCardKind.FOREIGNER_2023,
        id_no="911124198108210020",
        name="桑普",
        english_name="SAMPLE, PERSON ONE",
        sex=2,
        nationality="CAN",
        birth=date(1981, 8, 21),
        valid_from=date(2023, 12, 1),
        valid_until=date(2033, 11, 30),
        times=2,
        associated_no="001",
    )


@pytest.mark.parametrize(
    ("first", "more", "whole"),
    [
        ("A" * 35, "B" * 11, "A" * 35 + "B" * 11),
        ("A" * 34 + " ", "B", "A" * 34 + " B"),
        ("A" * 35, "", "A" * 35),
        ("", "", None),
    ],
)
def test_a_long_english_name_goes_on_in_its_second_field(first: str, more: str, whole: str | None) -> None:
    """Characters 36 to 46 follow the first 35 without a gap of their own."""
    card = parse_id_card(id_texts.foreigner_2023(english_name=first, english_name_more=more))

    assert card.english_name == whole


@pytest.mark.parametrize("make", MAKERS)
def test_a_card_without_a_last_day_says_so(make: Callable[..., bytes]) -> None:
    """长期 is no day, and not the same as a day that does not read."""
    for_ever, damaged, ordinary = (
        parse_id_card(make(**end)) for end in ({"valid_until": "长期"}, {"valid_until": "2"}, {})
    )

    assert (for_ever.valid_until, for_ever.is_long_term) == (None, True)
    assert (damaged.valid_until, damaged.is_long_term) == (None, False)
    assert (ordinary.valid_until is None, ordinary.is_long_term) == (False, False)


@pytest.mark.parametrize("make", MAKERS)
def test_the_holder_is_whom_the_card_names(make: Callable[..., bytes]) -> None:
    """What the verdict asks of any card is there."""
    card = parse_id_card(make())

    assert card.holder == Holder(name=card.name, sex=card.sex, nation=card.nation, birth=card.birth, id_no=card.id_no)


@pytest.mark.parametrize("make", [id_texts.foreigner_2017, id_texts.foreigner_2023])
def test_a_foreigner_without_a_chinese_name_has_the_other(make: Callable[..., bytes]) -> None:
    """The Chinese name is not everybody's."""
    assert parse_id_card(make(name="")).holder.name == "SAMPLE, PERSON ONE"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("\U00020bb7田", "\U00020bb7田"),  # a surrogate pair
        ("\ue863", "\ue863"),  # a private area: older fonts have rare names there
        ("阿卜杜·买买提", "阿卜杜·买买提"),
        ("字" * 15, "字" * 15),
        ("字" * 14 + "\ud842", "字" * 14),  # a pair cut by the end of its field
        ("字\ud842字", None),
        ("\udfb7字", None),
        ("字\ud842", None),
        ("字\n字", None),
        ("字\u202e字", None),
        ("", None),
        ("\0\0\0", None),
        ("　", None),
        ("张三\0\0", "张三"),
    ],
)
def test_a_name_is_kept_as_far_as_it_reads(name: str, read: str | None) -> None:
    """Rare characters stay, what cannot be shown is absent, and the card is read all the same."""
    card = parse_id_card(id_texts.citizen(name=name))

    assert card.name == read
    assert card.id_no == id_texts.ID_NO


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sex", "3"),
        ("sex", "M"),
        ("sex", " "),
        ("sex", "２"),
        ("nation", "1"),
        ("nation", "汉"),
        ("nation", "٠١"),
        ("birth", "20170229"),
        ("birth", "2017122"),
        ("birth", "２０１７１２２５"),
        ("birth", "00000000"),
        ("valid_from", "99999999"),
        ("valid_until", "永久"),
        ("address", "\ud842x"),
        ("issuer", "\ud842x"),
    ],
)
def test_a_field_that_does_not_read_is_absent(field: str, value: str) -> None:
    """One bad field costs itself only."""
    card = parse_id_card(id_texts.citizen(**{field: value}))

    assert getattr(card, field) is None
    assert (card.name, card.id_no) == ("张三", id_texts.ID_NO)


@pytest.mark.parametrize(("nationality", "read"), [("CAN", "CAN"), ("CA", None), ("C4N", None), ("加拿大", None)])
def test_a_nationality_is_three_letters(nationality: str, read: str | None) -> None:
    """Anything else is absent."""
    assert parse_id_card(id_texts.foreigner_2023(nationality=nationality)).nationality == read
    assert parse_id_card(id_texts.foreigner_2017(nationality=nationality)).nationality == read


@pytest.mark.parametrize("times", ["", "1", "x1"])
def test_a_count_that_is_none_is_absent(times: str) -> None:
    """Two digits or nothing."""
    assert parse_id_card(id_texts.hmt(times=times)).times is None


def test_every_sex_of_the_standard_reads() -> None:
    """GB/T 2261.1 has four."""
    assert [parse_id_card(id_texts.citizen(sex=sex)).sex for sex in "0129"] == [0, 1, 2, 9]


@pytest.mark.parametrize("length", [0, 1, 255, 257, 1284])
def test_another_length_is_no_text(length: int) -> None:
    """Exactly 256 bytes."""
    with pytest.raises(CardDataError, match="length"):
        parse_id_card(bytes(length))


@pytest.mark.parametrize("mark", ["X", "j", "\0", "\ud842", "i", "１"])
def test_an_unknown_mark_is_refused(mark: str) -> None:
    """A document of a layout that nobody described is not read as another."""
    with pytest.raises(CardDataError, match="type"):
        parse_id_card(id_texts.citizen(type=mark))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("id_no", ["", "\ud842x", "\x01"])
def test_a_card_without_a_number_names_nobody(make: Callable[..., bytes], id_no: str) -> None:
    """The number is the one field that cannot be absent."""
    with pytest.raises(CardDataError, match="id_no"):
        parse_id_card(make(id_no=id_no))


@given(st.binary(min_size=TEXT_BYTES, max_size=TEXT_BYTES), st.sampled_from(" JIY"))
def test_any_bytes_are_a_card_or_the_documented_error(data: bytes, mark: str) -> None:
    """Whatever stands on a card; what comes out can be written down."""
    try:
        card = parse_id_card(data[:248] + mark.encode("utf-16-le") + data[250:])
    except CardDataError:
        return
    texts = (card.id_no, card.name, card.english_name, card.address, card.issuer, card.pass_no, card.associated_no)
    for text in texts:
        assert text is None or (text and text.encode())


@given(
    st.text(
        st.characters(exclude_categories=("Cc", "Cf", "Zl", "Zp", "Zs", "Cs"), max_codepoint=0xFFFF),
        min_size=1,
        max_size=15,
    )
)
def test_any_name_comes_out_as_it_went_in(name: str) -> None:
    """Whatever characters a name has."""
    assert parse_id_card(id_texts.citizen(name=name)).name == name


def test_a_card_shows_nobody() -> None:
    """No repr and no error names a person."""
    for make in MAKERS:
        card = parse_id_card(make())
        assert repr(card) == f"IdentityCard(kind={card.kind!r})"
        for value in ("张三", "SAMPLE", "1981", id_texts.ID_NO):
            assert value not in repr(card.holder)
