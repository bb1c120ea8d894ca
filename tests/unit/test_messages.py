"""The texts: complete, the same keys in both languages, the same places to fill in."""

import string

import pytest

from edge.messages import Language, Messages, language_of, load
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
