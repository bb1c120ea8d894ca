"""Which carrier a text is (contracts 2): normalise, then the first row of one table that matches.

Pure. The order of the rows is part of the contract: an identity number of provinces 11 to 15 also has the form of a
WeChat payment code, so identity stands first. Which rows are on, and the patterns a city adds, are configuration.
Every pattern here runs in linear time; those of a city are refused if they might not.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from edge.ehc_code import PREFIX as EHC1_PREFIX
from edge.errors import ConfigError
from edge.identity import valid_id_number
from edge.verdict import Carrier

# The longest frame a reader delivers (drivers/reading.py) and three times the longest text of any row (a foreign
# certificate); beyond it nothing is looked for, so a stream of rubbish costs nothing.
TEXT_CHARS_MAX = 4096
# A city's patterns see at most this much: they may take quadratic time, a few milliseconds at worst.
CONFIGURED_TEXT_CHARS_MAX = 256
PATTERN_CHARS_MAX = 200
PATTERN_COUNT_MAX = 32
_REPEATS_MAX = 2
_ALTERNATIVES_MAX = 4

_TRIMMED = " \t\r\n"
_GS = "\x1d"
_AIM_PREFIX = re.compile(r"\][A-Za-z][0-9A-Za-z]")  # ISO/IEC 15424: flag, code character, modifier
_AIM_OF_GS1 = frozenset({"]C1", "]d2", "]Q3", "]e0"})
_SETS_AND_ESCAPES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEATS = re.compile(r"[*+?]|\{[0-9]*,")
_REPEATED_OR_SPECIAL_GROUP = re.compile(r"\)[*+?{]|\(\?")
_HEX_AND_COLONS = re.compile(r"[0-9A-Fa-f:]+")
_SEVENTEEN_AND_X = re.compile(r"[0-9]{17}x")
# Bearer tokens of money: never stored, whatever becomes of the verdict.
BEARER_CARRIERS = frozenset({Carrier.INSURANCE_CODE, Carrier.WECHAT_PAY, Carrier.ALIPAY_PAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """A text and what it is.

    Attributes:
        carrier: The row that matched.
        text: Normalised; of an overlong text, as it came.
        aim: The AIM prefix (ISO/IEC 15424) that stood before it, such as ``]Q1``.
    """

    carrier: Carrier
    text: str = field(repr=False)
    aim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierTable:
    """Which rows are on, and a city's own patterns; `carrier_table` checks them.

    Attributes:
        off: Rows that are passed over: what they would match falls to a later row.
        legacy_card: Patterns of 院内就诊卡 numbers.
        landing_url: Patterns of landing pages that provincial codes hold; both match the whole normalised text and
            are named `Carrier.LEGACY_CARD`.
    """

    off: frozenset[Carrier] = frozenset()
    legacy_card: tuple[re.Pattern[str], ...] = ()
    landing_url: tuple[re.Pattern[str], ...] = ()


DEFAULT_TABLE = CarrierTable()


def carrier_table(
    *,
    off: Collection[str] = (),
    legacy_card: Sequence[str] = (),
    landing_url: Sequence[str] = (),
    where: str = "carriers",
) -> CarrierTable:
    """Make a table from a city's configuration.

    Args:
        off: Names of rows, the words of `Carrier`.
        legacy_card: Regular expressions, each for a whole text, at most `PATTERN_COUNT_MAX`.
        landing_url: The same.
        where: Path of the section in the configuration, for the error.

    Raises:
        ConfigError: A name that is no row, or a pattern that is none or might take for ever.
    """
    if not set(off) <= {row.carrier for row in _ROWS}:
        raise ConfigError(f"{where}.off", expected="a list of " + ", ".join(row.carrier for row in _ROWS))
    return CarrierTable(
        off=frozenset(map(Carrier, off)),
        legacy_card=_compiled(legacy_card, where=f"{where}.legacy_card"),
        landing_url=_compiled(landing_url, where=f"{where}.landing_url"),
    )


def classify(text: str, *, table: CarrierTable = DEFAULT_TABLE) -> Classified:
    """Say what a text is; any text gets an answer."""
    if len(text) > TEXT_CHARS_MAX:
        return Classified(carrier=Carrier.UNKNOWN, text=text)
    normalised, aim = normalise(text)
    for row in _ROWS:
        if row.matches(normalised, aim, table) and row.carrier not in table.off:
            return Classified(carrier=row.carrier, text=normalised, aim=aim)
    return Classified(carrier=Carrier.UNKNOWN, text=normalised, aim=aim)


def normalise(text: str) -> tuple[str, str | None]:
    """The text as the table expects it, and the AIM prefix that was taken off (contracts 2, "Normalise first")."""
    aim = None
    if text.startswith("]") and _AIM_PREFIX.match(text):
        aim, text = text[:3], text[3:]
    text = text.strip(_TRIMMED)
    if text.startswith("EHC"):
        return text, aim
    text = unicodedata.normalize("NFKC", text)
    if _HEX_AND_COLONS.fullmatch(text) or _SEVENTEEN_AND_X.fullmatch(text):
        text = text.upper()
    return text, aim


_Matches = Callable[[str, str | None, CarrierTable], bool]


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of contracts 2."""

    carrier: Carrier
    matches: _Matches


def _begins(*prefixes: str) -> _Matches:
    return lambda text, _aim, _table: text.startswith(prefixes)


def _whole(pattern: str) -> _Matches:
    compiled = re.compile(pattern)
    return lambda text, _aim, _table: compiled.fullmatch(text) is not None


def _is_id_number(text: str, _aim: str | None, _table: CarrierTable) -> bool:
    return valid_id_number(text)


def _is_gs1(text: str, aim: str | None, _table: CarrierTable) -> bool:
    return aim in _AIM_OF_GS1 or text.startswith(_GS)


def _is_configured(text: str, _aim: str | None, table: CarrierTable) -> bool:
    if len(text) > CONFIGURED_TEXT_CHARS_MAX:
        return False
    return any(pattern.fullmatch(text) for pattern in table.legacy_card + table.landing_url)


# Contracts 2, in its order: the first match wins. `[0-9]`, for `\d` would take every script's digits.
_ROWS = (
    _Row(Carrier.EHC1, _begins(EHC1_PREFIX)),
    _Row(Carrier.ENROLMENT, _begins("EHC-ENROL1:")),
    _Row(Carrier.COMMAND, _whole(r"EHC-CMD:\w{1,16}")),
    _Row(Carrier.NATIONAL_STATIC, _whole(r"[0-9A-F]{64}(:[19])?")),
    _Row(Carrier.NATIONAL_DYNAMIC, _whole(r"[0-9A-F]{48}([0-9A-F]{16})?:0:[0-9A-F]{32}(::[0-9A-F]{11,18})?")),
    _Row(Carrier.ID_NUMBER, _is_id_number),  # before payment: provinces 11 to 15 have WeChat's form too
    _Row(Carrier.BIRTH_CERTIFICATE, _whole(r"[A-Z][0-9]{9}")),
    _Row(Carrier.INSURANCE_CODE, _whole(r"424[0-9]{25}")),
    _Row(Carrier.WECHAT_PAY, _whole(r"1[0-5][0-9]{16}")),
    _Row(Carrier.ALIPAY_PAY, _whole(r"(2[5-9]|30)[0-9]{14,22}")),
    _Row(Carrier.TRACE_CODE, _whole(r"8[0-9]{19}")),
    _Row(Carrier.GS1, _is_gs1),
    _Row(Carrier.FOREIGN_CERTIFICATE, _begins("HC1:", "shc:/")),
    _Row(Carrier.LEGACY_CARD, _is_configured),
)


def _compiled(patterns: Sequence[str], *, where: str) -> tuple[re.Pattern[str], ...]:
    if len(patterns) > PATTERN_COUNT_MAX:
        raise ConfigError(where, expected=f"a list of at most {PATTERN_COUNT_MAX} patterns")
    return tuple(_compiled_one(pattern, where=f"{where}[{at}]") for at, pattern in enumerate(patterns))


def _compiled_one(pattern: str, *, where: str) -> re.Pattern[str]:
    """Compile a city's pattern if it is one that cannot take for ever.

    With few repeats, none of them of a group, and few alternatives it costs at most the square of the text's length.
    """
    expected = (
        f"a regular expression of at most {PATTERN_CHARS_MAX} characters with at most {_ALTERNATIVES_MAX} alternatives "
        f"and {_REPEATS_MAX} repeats (* + ? {{m,n}}), none of them of a group"
    )
    if len(pattern) > PATTERN_CHARS_MAX:
        raise ConfigError(where, expected=expected)
    try:
        compiled = re.compile(pattern, re.ASCII)
    except (re.error, OverflowError) as error:
        raise ConfigError(where, expected=expected) from error
    operators = _SETS_AND_ESCAPES.sub("a", pattern)
    if (
        _REPEATED_OR_SPECIAL_GROUP.search(operators)
        or len(_REPEATS.findall(operators)) > _REPEATS_MAX
        or operators.count("|") > _ALTERNATIVES_MAX
    ):
        raise ConfigError(where, expected=expected)
    return compiled
