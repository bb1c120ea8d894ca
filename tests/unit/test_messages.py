"""The texts: complete, the same keys in both languages, the same places to fill in."""

import ast
import re
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import drivers
import edge
from edge.messages import Language, Messages, language_of, load
from edge.settings import all_keys
from edge.verdict import Carrier, Evidence, Outcome, Reason, Rung, Subject, Verdict


@pytest.fixture(params=list(Language))
def messages(request: pytest.FixtureRequest) -> Messages:
    """The texts of each language."""
    return load(request.param)


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _raw(messages: Messages, key: str) -> str:
    group, name = key.split(".", 1)
    return messages._groups[group][name]


def test_both_languages_say_the_same_things() -> None:
    """Every key and every place to fill in exists in both."""
    zh, en = load(Language.ZH), load(Language.EN)
    keys = zh.keys()

    assert keys == en.keys()
    assert {key for key in keys if _places(_raw(zh, key)) != _places(_raw(en, key))} == set()


def test_every_word_of_a_verdict_has_a_text(messages: Messages) -> None:
    """No outcome, reason, carrier or rung is without words."""
    wanted = {f"outcome.{value}" for value in Outcome} | {f"reason.{value}" for value in Reason}
    wanted |= {f"carrier.{value}" for value in Carrier} | {f"rung.{value}" for value in Rung}

    assert wanted <= messages.keys()


def test_places_are_filled_in() -> None:
    """A text says what it is given."""
    assert load(Language.EN).text("unit.hour", n=3) == "3 h"


def _verdict(reason: Reason, kind: Carrier) -> Verdict:
    return Verdict(reason=reason, subject=Subject(kind=kind), evidence=Evidence())


def test_a_payment_code_is_called_by_its_name() -> None:
    """The person is told what was shown instead of a health card (contracts 2)."""
    text = load(Language.ZH).verdict(_verdict(Reason.NOT_A_HEALTH_CARD, Carrier.WECHAT_PAY))

    assert text == "这是付款码，请出示电子健康卡"


@pytest.mark.parametrize(("reason", "kind"), [(Reason.NOT_A_HEALTH_CARD, Carrier.EHC1), (Reason.VALID, Carrier.EHC1)])
def test_any_other_verdict_is_told_by_its_reason(reason: Reason, kind: Carrier) -> None:
    """The reason's own text serves everything that has no name of its own."""
    messages = load(Language.EN)

    assert messages.verdict(_verdict(reason, kind)) == messages.text(f"reason.{reason}")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, Language.ZH),
        ({"LANG": "C.UTF-8"}, Language.ZH),
        ({"LANG": "zh_CN.UTF-8"}, Language.ZH),
        ({"LANG": "en_GB.UTF-8"}, Language.EN),
        ({"LC_ALL": "", "LC_MESSAGES": "en_US", "LANG": "zh_CN"}, Language.EN),
        ({"LC_ALL": "zh_CN", "LANG": "en_US"}, Language.ZH),
    ],
)
def test_the_locale_picks_the_language_and_chinese_is_first(environment: dict[str, str], language: Language) -> None:
    """English only for those who ask for it."""
    assert language_of(environment) is language


def _expectations() -> Iterator[str]:
    """What every `ConfigError` of the code expects; a place that is filled in holds a 7."""
    for path in Path(*edge.__path__).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_expected = isinstance(node, ast.keyword) and node.arg == "expected"
            is_assigned = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "expected"
            if is_expected or is_assigned:
                yield from _texts(node.value)  # type: ignore[attr-defined]


def _texts(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in parts)


def _expectations_of_drivers() -> Iterator[str]:
    """What the settings of our drivers expect: ``option: expected ...``, as their ValueError says."""
    for path in Path(*drivers.__path__).rglob("*.py"):
        nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
        parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            for text in _texts(node) if isinstance(node, ast.expr) and id(node) not in parts else ():
                option, _, expected = text.partition(": expected ")
                if re.fullmatch(r"[a-z_.7]+", option) and expected not in {"", "7"}:
                    yield expected


def _descriptions() -> Iterator[str]:
    for path, table in all_keys():
        hint = get_type_hints(table, include_extras=True)[path.rsplit(".", 1)[-1]]
        yield from _meta(hint)


def _meta(hint: Any) -> Iterator[str]:
    for meta in getattr(hint, "__metadata__", ()):
        yield str(meta.description)
    for inner in get_args(hint):
        yield from _meta(inner)


def test_every_expectation_has_its_chinese() -> None:
    """Whoever mends a configuration reads what it should hold in Chinese, whichever key is wrong."""
    messages = load(Language.ZH)
    wanted = {*_expectations(), *_descriptions(), "one of a, b", "300..921600", "at most 64 bytes without NUL", "text"}

    of_drivers = {*_expectations_of_drivers()}
    wanted |= of_drivers

    assert len(wanted) > 50
    assert len(of_drivers) > 10
    assert {english for english in wanted if messages.expected(english) == english} == set()


def test_an_expectation_is_said_in_both_languages() -> None:
    """Chinese first, with what was filled in at its place; English alone for those who ask for it."""
    assert load(Language.ZH).expected("a number of days, 1..31") == "天数，1 至 31（expected a number of days, 1..31）"
    assert load(Language.EN).expected("a number of days, 1..31") == "a number of days, 1..31"
    assert load(Language.ZH).expected("what nobody foresaw") == "what nobody foresaw"


def test_places_of_the_expectations_agree() -> None:
    """What is filled in on one side is filled in on the other."""
    path = Path(*edge.__path__) / "messages/expected.toml"
    pairs = tomllib.loads(path.read_text(encoding="utf-8"))

    assert {english for english, chinese in pairs.items() if english.count("{}") != chinese.count("{}")} == set()
