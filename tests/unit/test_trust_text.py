"""What is held, in lines for a terminal: the same in Chinese and in English, and nothing left unsaid."""

from typing import Any

import pytest

from edge.messages import Language, load
from edge.trust_report import trust_report
from edge.trust_text import import_lines, trust_lines
from edge.verdict import Interval
from tests.support import authority
from tests.support.authority import BEGIN_MS
from tests.support.node_view import HELD
from tests.support.trust_box import NEW, OLD
from tests.support.trust_node import after, current, terms

LANGUAGES = list(Language)
NOTHING: dict[str, Any] = {"floors": {}, "former": [], "withdrawn": 0, "problems": []}


def lines(trust: dict[str, Any], *, language: Language = Language.EN) -> list[str]:
    return trust_lines(trust, messages=load(language))


def test_everything_that_is_held_is_shown() -> None:
    """Versions, dates, keys, lists, roster, age, floors, what is withdrawn and what is not used."""
    assert lines(HELD) == [
        "root                     version 1, 2026-10-24 10:01:05 to 2028-10-23 10:01:05",
        f"                         city 370800, born with {'5f' * 32}",
        "issuers                  version 7, 2026-11-14 10:01:05 to 2027-02-21 10:01:05",
        "                         a1b2c3d4  济宁市卫生健康委员会  active  holder static  3708",
        "status                   version 4211, 2026-11-23 07:58:05 to 2026-12-07 10:01:05",
        "                         cards-a  version 31  4096 cards, 12 revoked, 3 suspended",
        "                         codes-a  version 2  40 revoked codes  (not there)",
        "roster                   version 12, 3120 carriers, lease until 2026-12-13 10:01:05",
        "age                      fresh, 2 h old",
        "never below              issuers 7 · root 1 · roster 12 · status 4211",
        "keys withdrawn for ever  1",
        "not used                 codes-a refused (missing)",
    ]


def test_in_chinese_the_columns_stand_under_one_another() -> None:
    """Chinese characters take two columns of a terminal."""
    shown = lines(HELD, language=Language.ZH)

    assert shown[0] == "根文件          第 1 版，2026-10-24 10:01:05 至 2028-10-23 10:01:05"
    assert shown[6] == "                codes-a  第 2 版  注销 40 个码（名单不在本机）"
    assert shown[9] == "版本不低于      发卡机构 7 · 根文件 1 · 本地名册 12 · 状态名单 4211"
    assert shown[-1] == "未采用          codes-a 被拒绝（missing）"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_node_with_nothing_says_so(language: Language) -> None:
    """Every line is there; what is not known is named as such."""
    none = load(language).text("trust.none")

    shown = lines(NOTHING, language=language)

    assert [line.split()[-1] for line in shown] == [none] * 5 + ["0"]


def test_what_the_newest_root_does_not_vouch_for_is_marked() -> None:
    """Only that document; it goes by itself."""
    shown = lines({**HELD, "former": ["status"]})

    assert [line.split()[0] for line in shown if "does not vouch" in line] == ["status"]


def test_of_an_age_that_cannot_be_counted_the_rung_is_shown() -> None:
    """Nothing was ever proven current."""
    shown = lines({**NOTHING, "rung": "OLD"})

    assert any(line.split() == ["age", "old"] for line in shown)


def test_problems_stand_one_under_another() -> None:
    """The label once."""
    shown = lines({**NOTHING, "problems": [{"file": "a", "rule": "x"}, {"file": "folder", "rule": "unreadable"}]})

    assert shown[-2:] == [
        "not used                 a refused (x)",
        "                         the folder cannot be read: the daemon's account must be able to",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held", [OLD, NEW], ids=["old", "new"])
def test_the_report_of_a_real_node_has_words_for_all_of_it(language: Language, held: Any) -> None:
    """Whatever the rules can hold can be shown: rosters, former documents, tombstones, hashed lists."""
    report = trust_report(held, now=Interval(lo_ms=BEGIN_MS, hi_ms=None), problems=())

    shown = "\n".join(lines(report, language=language))

    for name in ("cards", "other", "opaque", report["root"]["born_sm3"]):
        assert name in shown
    assert str(report["withdrawn"]) in shown


def test_the_report_counts_the_age_as_verdicts_do() -> None:
    """From the last signed time to which the set was current; without one, from the status document."""
    held = after(OLD, authority.status(3), terms=terms())
    now = Interval(lo_ms=BEGIN_MS + 100_000, hi_ms=BEGIN_MS + 100_400)

    without = trust_report(held, now=now, problems=())
    timed = trust_report(current(held), now=now, problems=())

    assert (timed["age_s"], timed["rung"], timed["current_ms"]) == (40, "FRESH", BEGIN_MS + 60_000)
    assert without["age_s"] == 100
    assert "name" not in str(without)


@pytest.mark.parametrize(
    ("imported", "words"),
    [
        (
            {"found": 1, "taken": {"root": 2, "roster": 3}, "problems": []},
            ["taken: root, version 2", "taken: roster, version 3"],
        ),
        ({"found": 2, "taken": {}, "problems": []}, ["nothing new: all of it is held already"]),
        (
            {"found": 2, "taken": {"status": 2}, "problems": [{"file": "root.2.json", "rule": "threshold"}]},
            ["taken: status, version 2", "root.2.json refused (threshold)"],
        ),
        (
            {"found": 0, "taken": {}, "problems": [{"file": "root.1.json", "rule": "missing"}]},
            [
                "no trust documents there (root.1.json, issuers.json, status.json, roster.json)",
                "root.1.json refused (missing)",
            ],
        ),
        (
            {"found": 0, "taken": {}, "problems": [{"file": "folder", "rule": "missing"}]},
            ["there is no such folder, or the daemon does not see it"],
        ),
    ],
)
def test_what_a_folder_gave_is_said(imported: dict[str, Any], words: list[str]) -> None:
    """What was taken first, then what was not."""
    assert import_lines(imported, messages=load(Language.EN)) == words
    assert len(import_lines(imported, messages=load(Language.ZH))) == len(words)
