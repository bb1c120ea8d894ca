"""The codes that cards hold, and what they mean: data in ``edge/tables``, one file a table.

A file says where its codes come from and how sure that is: A seen in a standard's text or recomputed, B seen in one
implementation, C remembered. A code that is not in its table is shown as a code; no meaning is guessed.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from edge.messages import Language


class TableName(StrEnum):
    """The tables there are; the values are the names of the files."""

    SEX = "sex"
    NATION = "nation"
    ABO = "abo"
    RH = "rh"
    DOCUMENT_KIND = "document_kind"
    ECARD_DOCUMENT_KIND = "ecard_document_kind"
    VACCINATION_SITE = "vaccination_site"
    INOCULATION_KIND = "inoculation_kind"


class Confidence(StrEnum):
    """How sure it is that the codes are right."""

    A = "A"  # a standard's text, or several implementations that agree
    B = "B"  # one implementation
    C = "C"  # remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTable:
    """One table.

    Attributes:
        title: What the codes are about.
        source: Where they come from.
        confidence: How sure that is, of the table as a whole.
        unsure: Codes whose meaning is only remembered, whatever the rest.
        names: What each code means.
    """

    title: Mapping[Language, str]
    source: str
    confidence: Confidence
    unsure: frozenset[str]
    names: Mapping[str, Mapping[Language, str]]

    def name_of(self, code: str, *, language: Language) -> str | None:
        """Return what a code means, None if it is not in the table. Codes are compared as text: ``1`` is not ``01``."""
        names = self.names.get(code)
        return None if names is None else names[language]


def load(name: TableName) -> CodeTable:
    """Read a table; it is part of the program, so one that is missing or wrong is a bug and raises."""
    held = tomllib.loads(files("edge").joinpath(f"tables/{name}.toml").read_text(encoding="utf-8"))
    return CodeTable(
        title=_in_both(held["title"]),
        source=held["source"],
        confidence=Confidence(held["confidence"]),
        unsure=frozenset(held["unsure"]),
        names={code: _in_both(names) for code, names in held["names"].items()},
    )


def _in_both(names: Mapping[str, str]) -> Mapping[Language, str]:
    return {language: names[language] for language in Language}
