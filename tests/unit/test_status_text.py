"""The status for a terminal: one line a thing, labels in one column, every fault with what mends it."""

from typing import Any

import pytest

from drivers.feedback.desk import DeviceState
from drivers.feedback.device import FeedbackCause
from drivers.reader import LostCause
from drivers.readers.id_card import SdtTrouble
from edge.card_content import Unread
from edge.card_verdict import CardNote
from edge.messages import Language, load
from edge.sam_inventory import SamState
from edge.status_text import shown, status_lines, why_lost

STATUS: dict[str, Any] = {
    "node": "n-1",
    "version": "0.1.0",
    "now_ms": 0,
    "readers": [
        {"name": "scanner-1", "state": "ready", "since_ms": 0},
        {"name": "scanner-2", "state": "lost", "cause": "busy", "since_ms": 0, "unrecorded": 7},
    ],
    "feedback": [{"name": "lamp", "state": "ok"}, {"name": "printer", "state": "failing", "cause": "no_library"}],
    "sams": [
        {
            "number": "11010020260000000001",
            "state": "expiring",
            "type": "2",
            "terminal_no": "110100000001",
            "valid_until": "2026-12-05",
            "days_left": 12,
            "place": "窗口1",
            "reader": "card-1",
            "unread": [{"file": "DF01/001A", "cause": "sam_pin"}],
        },
        {"state": "unreadable", "reader": "card-2"},
    ],
    "uplink": {"state": "offline"},
    "queue": {"waiting": 3, "quarantined": 1, "oldest_ms": 1_795_399_200_000},
    "trust": {
        "empty": False,
        "test_keys": False,
        "rung": "AGING",
        "age_s": 180_000,
        "root": 1,
        "issuers": 7,
        "status": 31,
        "problems": [{"file": "roster.json", "rule": "node"}],
    },
    "clock": {"anchored": True, "lo_ms": 1_795_399_200_000, "hi_ms": 1_795_399_200_400},
    "store": {"writable": True},
    "crypto": {"backend": "libcrypto"},
    "api": {"state": "open"},
}


def test_the_status_is_aligned_and_says_everything() -> None:
    """Chinese characters take two columns."""
    lines = status_lines(STATUS, messages=load(Language.ZH))

    assert lines[0] == "节点        n-1  (0.1.0)"
    assert lines[1:5] == [
        "读卡器      scanner-1  就绪",
        "            scanner-2  已断开",
        "              端口被别的程序占用：请关闭那个程序",
        "              另有 7 次读数没有记录（无法识别、不是健康卡，或同一张卡反复读出）：请检查接线、波特率和卡的接触",
    ]
    assert "待上传      3 条，被退回 1 条  最早 2026-11-23 10:00:00" in lines
    assert "            较新，2 天 前" in lines
    assert "            roster.json 被拒绝（node）" in lines
    assert any("误差不超过 0.4 秒" in line for line in lines)


def test_the_status_of_a_bare_box_says_what_is_missing() -> None:
    """No readers, no trust, no time, no disk, test keys: each in words."""
    bare = STATUS | {
        "readers": [],
        "feedback": [],
        "sams": [],
        "queue": {"waiting": 0, "quarantined": 0},
        "trust": {"empty": True, "test_keys": True, "problems": []},
        "clock": {"anchored": False, "lo_ms": 0},
        "store": {"writable": False, "damaged": True, "set_aside": 3},
        "crypto": {"backend": "gmssl"},
        "api": {"state": "port_taken"},
    }

    text = "\n".join(status_lines(bare, messages=load(Language.EN)))

    for words in (
        "WARNING: test keys",
        "there is no page",
        "none configured",
        "empty: no usable root",
        "not certain",
        "cannot be written",
        "at least 3 records",
    ):
        assert words in text
    assert "fallback" in text


@pytest.mark.parametrize(("age_s", "words"), [(59, "59 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h")])
def test_ages_are_said_in_the_largest_fitting_unit(age_s: int, words: str) -> None:
    """Two of a unit at least, so nothing is rounded away that matters."""
    trust = {name: value for name, value in STATUS["trust"].items() if name != "problems"} | {"age_s": age_s}

    text = "\n".join(status_lines(STATUS | {"trust": trust}, messages=load(Language.EN)))

    assert f"{words} old" in text


def test_an_unknown_age_is_said_so() -> None:
    """A rung without an age: no status was ever held."""
    trust = {"empty": False, "test_keys": False, "rung": "OLD", "root": 1}

    assert any("?" in line for line in status_lines(STATUS | {"trust": trust}, messages=load(Language.EN)))


def test_devices_and_sams_say_what_is_wrong_with_them() -> None:
    """A printer whose package is missing, a SAM that expires and whose PIN was refused, and what is no SAM."""
    lines = status_lines(STATUS, messages=load(Language.ZH))

    assert lines[5:7] == [
        "提示设备    lamp  正常",
        "            printer  不可用  没有安装驱动它的软件包（如 ehc-edge[ticket]）",
    ]
    assert lines[7].startswith("SAM 卡      11010020260000000001  即将到期：2026-12-05，还有 12 天")
    for words in ("类型 2，终端机编号 110100000001", "窗口1", "card-1", "DF01/001A 未读：SAM 卡的 PIN 不对"):
        assert words in lines[7]
    assert lines[8].startswith("            ?  读不出")


@pytest.mark.parametrize("language", list(Language))
def test_every_state_has_its_words(language: Language) -> None:
    """Whatever cause, state or note the node can have, no key is shown in place of words."""
    messages = load(language)
    groups = {
        "lost": {*LostCause, *FeedbackCause},
        "trouble": set(SdtTrouble),
        "device": set(DeviceState),
        "sam": set(SamState),
        "unread": set(Unread),
        "note": set(CardNote),
    }

    for group, names in groups.items():
        for name in names:
            assert messages.text(f"{group}.{name}", until="", days=0, file="").strip()


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ({"cause": "io", "trouble": "sam_not_authorised"}, "没有授权"),
        ({"cause": "io", "trouble": "of another maker"}, "没有正确应答"),
        ({"cause": "io"}, "没有正确应答"),
    ],
)
def test_what_a_family_knows_goes_before_the_cause(lost: dict[str, str], words: str) -> None:
    """A trouble without words of its own leaves the cause."""
    assert words in why_lost(lost, messages=load(Language.ZH))


@pytest.mark.parametrize("code", [0x1B, 0x07, 0x0A, 0x9B, 0x202E, 0x2028, 0xDC1B])
def test_a_line_commands_no_terminal(code: int) -> None:
    """A card reader names its slots as it likes; a name could clear the screen or turn the line round."""
    assert shown(f"王小宝{chr(code)}2J  Slot 00") == "王小宝\N{REPLACEMENT CHARACTER}2J  Slot 00"


def test_a_box_without_the_citys_key_does_not_blame_the_disk() -> None:
    """Nothing can be sealed without a root document: that is what must be brought."""
    lines = status_lines(STATUS | {"store": {"writable": False, "cause": "no_city_key"}}, messages=load(Language.ZH))

    assert any("没有市级密钥" in line for line in lines)
    assert not any("无法写入" in line for line in lines)


def test_a_trust_set_without_a_rung_has_no_line_of_its_age() -> None:
    """A root alone: nothing says yet what is old."""
    trust = {"empty": False, "test_keys": False, "root": 1}

    messages = load(Language.EN)
    aged = status_lines(STATUS | {"trust": trust | {"rung": "OLD", "age_s": 60}}, messages=messages)
    ageless = status_lines(STATUS | {"trust": trust}, messages=messages)

    (age,) = [line for line in aged if line not in ageless]
    assert "60 s old" in age
