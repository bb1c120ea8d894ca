"""Which carrier a text is."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.classify import (
    BEARER_CARRIERS,
    DEFAULT_TABLE,
    PATTERN_COUNT_MAX,
    TEXT_CHARS_MAX,
    carrier_table,
    classify,
    normalise,
)
from edge.errors import ConfigError
from edge.verdict import Carrier

INDEX = "272EB52D0696FD62" * 4
ID_NUMBER = "11010020171225006X"


@pytest.mark.parametrize(
    ("text", "carrier"),
    [
        ("EHC1:", Carrier.EHC1),
        ("EHC1:ABC", Carrier.EHC1),
        ("ehc1:ABC", Carrier.UNKNOWN),
        ("EHC-ENROL1:ABC", Carrier.ENROLMENT),
        ("EHC-CMD:undo", Carrier.COMMAND),
        ("EHC-CMD:UNDO", Carrier.COMMAND),
        ("EHC-CMD:确认", Carrier.COMMAND),
        ("EHC-CMD:", Carrier.UNKNOWN),
        ("EHC-CMD:undo everything", Carrier.UNKNOWN),
        (f"{INDEX}:1", Carrier.NATIONAL_STATIC),
        (f"{INDEX}:9", Carrier.NATIONAL_STATIC),
        (INDEX, Carrier.NATIONAL_STATIC),
        (f"{INDEX}:2", Carrier.UNKNOWN),
        (f"{INDEX}:", Carrier.UNKNOWN),
        (INDEX[:48], Carrier.UNKNOWN),
        (f"{INDEX[:48]}:1", Carrier.UNKNOWN),
        (f"{INDEX}:0:{INDEX[:32]}", Carrier.NATIONAL_DYNAMIC),
        (f"{INDEX[:48]}:0:{INDEX[:32]}", Carrier.NATIONAL_DYNAMIC),
        (f"{INDEX[:48]}:0:{INDEX[:32]}::35020001001", Carrier.NATIONAL_DYNAMIC),
        (f"{INDEX}:0:{INDEX[:32]}::{INDEX[:18]}", Carrier.NATIONAL_DYNAMIC),
        (f"{INDEX}:0:{INDEX[:32]}::{INDEX[:10]}", Carrier.UNKNOWN),
        (f"{INDEX}:0:{INDEX[:32]}::{INDEX[:19]}", Carrier.UNKNOWN),
        (f"{INDEX}:0:{INDEX[:31]}", Carrier.UNKNOWN),
        (f"{INDEX[:56]}:0:{INDEX[:32]}", Carrier.UNKNOWN),
        (ID_NUMBER, Carrier.ID_NUMBER),
        ("M370012345", Carrier.BIRTH_CERTIFICATE),
        ("m370012345", Carrier.UNKNOWN),
        ("M37001234", Carrier.UNKNOWN),
        ("424" + "1" * 25, Carrier.INSURANCE_CODE),
        ("424" + "1" * 24, Carrier.UNKNOWN),
        ("134567890123456789", Carrier.WECHAT_PAY),
        ("164567890123456789", Carrier.UNKNOWN),
        ("2512345678901234", Carrier.ALIPAY_PAY),
        ("30" + "1" * 22, Carrier.ALIPAY_PAY),
        ("30" + "1" * 23, Carrier.UNKNOWN),
        ("24" + "1" * 16, Carrier.UNKNOWN),
        ("81234567890123456789", Carrier.TRACE_CODE),
        ("8123456789012345678", Carrier.UNKNOWN),
        ("\x1d010690", Carrier.GS1),
        ("]C1010690", Carrier.GS1),
        ("]d20106", Carrier.GS1),
        ("]Q30106", Carrier.GS1),
        ("]e00106", Carrier.GS1),
        ("]Q10106", Carrier.UNKNOWN),
        ("]c10106", Carrier.UNKNOWN),
        ("HC1:6BF", Carrier.FOREIGN_CERTIFICATE),
        ("shc:/5676", Carrier.FOREIGN_CERTIFICATE),
        ("hc1:6BF", Carrier.UNKNOWN),
        ("hello", Carrier.UNKNOWN),
        ("", Carrier.UNKNOWN),
        ("]", Carrier.UNKNOWN),
    ],
)
def test_each_form_is_its_carrier(text: str, carrier: Carrier) -> None:
    """Each form of the contract's table is named, and its nearest neighbours are not."""
    assert classify(text).carrier is carrier


@pytest.mark.parametrize(
    ("text", "normalised", "aim"),
    [
        ("]Q1EHC1:A", "EHC1:A", "]Q1"),
        (" \t\r\nEHC1:A B \r\n", "EHC1:A B", None),
        ("]Q1 EHC1:A\r", "EHC1:A", "]Q1"),
        (" ]Q1EHC1:A", "]Q1EHC1:A", None),
        ("]]1A", "]]1A", None),
        ("EHC1:：ａ", "EHC1:：ａ", None),
        (f"{INDEX.lower()}：1", f"{INDEX}:1", None),
        ("ａｂｃ", "ABC", None),
        ("1101002017122500６x", ID_NUMBER, None),
        ("1101002017122500x", "1101002017122500x", None),
        ("ab:g", "ab:g", None),
        ("\x1dab", "\x1dab", None),
        ("ab\u3000", "ab ", None),
    ],
)
def test_texts_are_normalised_as_the_contract_says(text: str, normalised: str, aim: str | None) -> None:
    """AIM prefix, trimming, NFKC and upper case, in that order, and nothing else."""
    assert normalise(text) == (normalised, aim)


def test_an_identity_number_stands_before_a_payment_code() -> None:
    """A number of provinces 11 to 15 with WeChat's form is an identity number if its checksum and day say so."""
    both_forms = [f"11010020171225005{check}" for check in "0123456789"]

    carriers = [classify(text).carrier for text in both_forms]

    assert sorted(carriers) == sorted([Carrier.ID_NUMBER] + [Carrier.WECHAT_PAY] * 9)
    for text in both_forms:
        assert classify(text, table=carrier_table(off=["id_number"])).carrier is Carrier.WECHAT_PAY


def test_a_row_that_is_off_is_passed_over() -> None:
    """A text of a row that is off falls to the rows behind it."""
    table = carrier_table(off=["trace_code", "birth_certificate"])

    assert classify("81234567890123456789", table=table).carrier is Carrier.UNKNOWN
    assert classify("]C181234567890123456789", table=table).carrier is Carrier.GS1
    assert classify("M370012345", table=table).carrier is Carrier.UNKNOWN
    assert classify("]C181234567890123456789").carrier is Carrier.TRACE_CODE


def test_a_citys_patterns_name_its_old_cards() -> None:
    """Numbers of hospital cards and landing pages are legacy cards once configured, as whole texts only."""
    table = carrier_table(legacy_card=[r"JN\d{8}"], landing_url=[r"https://card\.example\.cn/q\?id=[0-9A-Za-z]+"])

    assert classify("JN00001234", table=table).carrier is Carrier.LEGACY_CARD
    assert classify("https://card.example.cn/q?id=Ab12", table=table).carrier is Carrier.LEGACY_CARD
    assert classify("JN000012345", table=table).carrier is Carrier.UNKNOWN
    assert classify("JN٠٠٠٠١٢٣٤", table=table).carrier is Carrier.UNKNOWN
    assert classify("JN00001234").carrier is Carrier.UNKNOWN
    assert classify("M" + "1" * 400, table=carrier_table(legacy_card=["M1+"])).carrier is Carrier.UNKNOWN
    assert classify("M370012345", table=carrier_table(legacy_card=[".*"])).carrier is Carrier.BIRTH_CERTIFICATE


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a|a)*",
        "(?:a|a){30}",
        "(a|a)(a|a)(a|a)(a|a)(a|a)",
        ".*.*.*x",
        "a?a?a?aaa",
        "[a-z]{1,9}[a-z]{1,9}[a-z]{1,9}",
        "(?=a)a",
        "(?i)a",
        "(",
        "[a",
        "a{99999999999}",
        "a" * 201,
    ],
)
def test_a_pattern_that_might_take_for_ever_is_refused(pattern: str) -> None:
    """A pattern that is none, or not surely quick, is a configuration error that names where it stands."""
    with pytest.raises(ConfigError) as caught:
        carrier_table(landing_url=["x", pattern], where="carriers")
    assert caught.value.where == "carriers.landing_url[1]"
    assert pattern not in str(caught.value) or len(pattern) < 3


@pytest.mark.parametrize("pattern", [r"[(+*?{2,}]x+", r"\(\*a{8}", r"(JN|JX)\d{8}", r"[]|a]b*", r"[^]]+c?", r"\[a+\]+"])
def test_operators_in_sets_and_escapes_are_plain_characters(pattern: str) -> None:
    """Only real repeats and alternatives count against a pattern."""
    assert len(carrier_table(legacy_card=[pattern]).legacy_card) == 1


def test_the_table_of_the_configuration_is_checked() -> None:
    """Rows that do not exist and too many patterns are refused; the plain table is the default."""
    with pytest.raises(ConfigError):
        carrier_table(off=["passport"])
    with pytest.raises(ConfigError):
        carrier_table(off=["unknown"])
    with pytest.raises(ConfigError):
        carrier_table(legacy_card=["a"] * (PATTERN_COUNT_MAX + 1))
    assert carrier_table() == DEFAULT_TABLE


def test_an_overlong_text_is_unknown() -> None:
    """Beyond the limit nothing is looked for."""
    assert classify("EHC1:" + "0" * (TEXT_CHARS_MAX - 5)).carrier is Carrier.EHC1
    assert classify("EHC1:" + "0" * (TEXT_CHARS_MAX - 4)).carrier is Carrier.UNKNOWN


def test_the_worst_text_for_a_citys_worst_pattern_is_quick() -> None:
    """The costliest pattern that is taken is done with the costliest text well within a second."""
    table = carrier_table(legacy_card=["(a|b|a)(a|b|a).*.*c"])

    began = time.perf_counter()
    for text in ("a" * TEXT_CHARS_MAX, "a" * 256):
        classify(text, table=table)

    assert time.perf_counter() - began < 1


@given(st.text(max_size=100) | st.text("0123456789ABCDEFabcdefxX:：]C1EHC-\x1d \r", max_size=100))
def test_any_text_is_classified(text: str) -> None:
    """Every text gets a carrier, and what is normalised stays what it is when read again without prefix."""
    classified = classify(text)

    assert classified.carrier in Carrier
    if classified.carrier in BEARER_CARRIERS:
        assert unicodedata.normalize("NFKC", text).strip(" \t\r\n")[-16:].isdigit()


def test_the_text_stands_in_no_repr() -> None:
    """What was read can name a person or be worth money: it stays out of what a log could print."""
    assert ID_NUMBER not in repr(classify(ID_NUMBER))
