"""The tables of codes: complete, in both languages, and silent about codes they do not have."""

import tomllib
from importlib.resources import files

import pytest

from edge.code_table import CodeTable, Confidence, TableName, load
from edge.messages import Language

COUNTS = {
    TableName.SEX: 4,
    TableName.NATION: 58,
    TableName.ABO: 5,
    TableName.RH: 3,
    TableName.DOCUMENT_KIND: 8,
    TableName.ECARD_DOCUMENT_KIND: 9,
    TableName.VACCINATION_SITE: 8,
    TableName.INOCULATION_KIND: 5,
}


@pytest.fixture(scope="module", params=sorted(TableName))
def table(request: pytest.FixtureRequest) -> tuple[TableName, CodeTable]:
    return request.param, load(request.param)


def test_every_table_holds_its_codes_once(table: tuple[TableName, CodeTable]) -> None:
    """As many codes as the source has; no two of them mean the same."""
    name, held = table

    assert len(held.names) == COUNTS[name]
    for language in Language:
        assert len({names[language] for names in held.names.values()}) == COUNTS[name]


def test_every_code_is_named_in_both_languages(table: tuple[TableName, CodeTable]) -> None:
    """Each entry and the title have Chinese and English, without blanks at the ends."""
    _, held = table

    for names in (held.title, *held.names.values()):
        assert set(names) == set(Language)
        assert all(text and text == text.strip() for text in names.values())
        assert names[Language.EN].isascii()


def test_every_table_says_where_it_comes_from(table: tuple[TableName, CodeTable]) -> None:
    """Source and confidence are there; codes marked unsure exist; of a remembered table all are."""
    _, held = table

    assert held.source
    assert held.unsure <= set(held.names)
    assert (held.confidence is Confidence.C) == (held.unsure == set(held.names))


def test_the_codes_of_a_table_have_one_length(table: tuple[TableName, CodeTable]) -> None:
    """So that a code and its number are not mixed up: all one digit, or all two."""
    _, held = table

    assert len({len(code) for code in held.names}) == 1
    assert all(code.isdigit() for code in held.names)


def test_every_file_is_a_table() -> None:
    """No file lies beside the tables that nobody reads, and each has only the keys that are read."""
    folder = [entry for entry in files("edge").joinpath("tables").iterdir() if entry.name.endswith(".toml")]

    assert {entry.name for entry in folder} == {f"{name}.toml" for name in TableName}
    for entry in folder:
        assert set(tomllib.loads(entry.read_text(encoding="utf-8"))) == {
            "title",
            "source",
            "confidence",
            "unsure",
            "names",
        }


@pytest.mark.parametrize(
    ("name", "code", "zh", "en"),
    [
        (TableName.SEX, "1", "男", "Male"),
        (TableName.SEX, "9", "未说明", "Not stated"),
        (TableName.NATION, "01", "汉族", "Han"),
        (TableName.NATION, "15", "土家族", "Tujia"),
        (TableName.NATION, "36", "毛南族", "Maonan"),
        (TableName.NATION, "56", "基诺族", "Jino"),
        (TableName.ABO, "3", "O 型", "O"),
        (TableName.RH, "2", "阳性", "Positive"),
        (TableName.DOCUMENT_KIND, "04", "军官证", "Officer's card"),
        (TableName.ECARD_DOCUMENT_KIND, "08", "出生医学证明", "Birth certificate"),
        (TableName.VACCINATION_SITE, "1", "左上臂", "Left upper arm"),
        (TableName.INOCULATION_KIND, "3", "应急", "Emergency"),
    ],
)
def test_a_code_means_what_its_standard_says(name: TableName, code: str, zh: str, en: str) -> None:
    """Spot checks against domain facts 5.1 and 8."""
    held = load(name)

    assert held.name_of(code, language=Language.ZH) == zh
    assert held.name_of(code, language=Language.EN) == en


@pytest.mark.parametrize("code", ["", "1", "57", "99", "001", "１"])
def test_an_unknown_code_has_no_name(code: str) -> None:
    """No meaning is guessed."""
    assert load(TableName.NATION).name_of(code, language=Language.ZH) is None
