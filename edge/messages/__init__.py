"""Every text a person reads, by key, in Chinese first and English second: nothing else in the code speaks to people.

Keys are ``group.name``, such as ``reason.VALID``; both files hold the same keys and the same places to fill in. A
missing key or value is a bug and raises. What a `ConfigError` expected is English in the code; ``expected.toml`` has
its Chinese.
"""

import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Any

from edge.verdict import Reason, Verdict

_PLACE = "{}"  # in expected.toml


class Language(StrEnum):
    """The languages there are."""

    ZH = "zh"
    EN = "en"


class Messages:
    """The texts of one language.

    Args:
        language: Which one.
        groups: The tables of its file.
        expectations: What a wrong configuration should have held, by its English.
    """

    def __init__(
        self, language: Language, *, groups: Mapping[str, Mapping[str, str]], expectations: Mapping[str, str]
    ) -> None:
        self.language = language
        self._groups = groups
        self._expectations = expectations

    def text(self, key: str, **values: Any) -> str:
        """Return the text of ``group.name`` with its places filled in."""
        group, name = key.split(".", 1)
        return self._groups[group][name].format(**values)

    def verdict(self, verdict: Verdict) -> str:
        """Return why, in words: a carrier that is no health card is called by its name."""
        return self.verdict_of(reason=verdict.reason, kind=verdict.subject.kind)

    def verdict_of(self, *, reason: str, kind: str) -> str:
        """Return the same for the words on the wire."""
        if reason == Reason.NOT_A_HEALTH_CARD and kind in self._groups["named"]:
            return self.text(f"named.{kind}")
        return self.text(f"reason.{reason}")

    def expected(self, english: str) -> str:
        """Return what a `ConfigError` expected: in Chinese with the English behind it, or in English alone."""
        for form, words in self._expectations.items():
            found = re.fullmatch(re.escape(form).replace(re.escape(_PLACE), "(.+?)"), english)
            if found is not None:
                for value in found.groups():
                    words = words.replace(_PLACE, value, 1)  # noqa: PLW2901  # one place after the other
                return f"{words}（expected {english}）"
        return english

    def keys(self) -> frozenset[str]:
        """Return all keys."""
        return frozenset(f"{group}.{name}" for group, texts in self._groups.items() for name in texts)


def load(language: Language) -> Messages:
    """Return the texts of a language."""
    expectations = {} if language is Language.EN else _read("expected")
    return Messages(language, groups=_read(language), expectations=expectations)


def language_of(environment: Mapping[str, str]) -> Language:
    """Return the language that the locale asks for: Chinese unless it says English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return Language.EN if value.startswith("en") else Language.ZH
    return Language.ZH


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("edge.messages").joinpath(f"{name}.toml").read_text(encoding="utf-8"))
