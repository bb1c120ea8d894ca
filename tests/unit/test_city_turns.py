"""Whose frame is next, what a node may have in an hour, and what the operator hears of what was dropped."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city import drops
from city.allowance import HOUR_S, Allowance
from city.drops import SAID_EVERY_S, DropReport
from city.terminal import write_lines
from city.turns import Turns
from sync import topics

NODE = "370881-0042"
HELLO = topics.up(NODE, leaf="hello")


def fill(turns: Turns, frames: str) -> list[bool]:
    """A frame of one byte for each letter, which is its node."""
    return [turns.put(node, topic=node, data=bytes([number])) for number, node in enumerate(frames)]


def drain(turns: Turns) -> list[tuple[str, bytes]]:
    taken = []
    while (frame := turns.take()) is not None:
        taken.append(frame)
    return taken


def test_nodes_take_turns() -> None:
    """Whoever sent much first waits as long for the second frame as everybody else for the first."""
    turns = Turns()
    fill(turns, "aaaabbc")

    assert "".join(topic for topic, _ in drain(turns)) == "abcabaa"


def test_a_node_that_sends_too_much_loses_its_newest() -> None:
    """Beyond what may wait a node's frame is dropped, and nobody else's."""
    turns = Turns(node_frames_max=2)

    assert fill(turns, "aaabab") == [True, True, False, True, False, True]
    assert drain(turns) == [("a", b"\x00"), ("b", b"\x03"), ("a", b"\x01"), ("b", b"\x05")]
    assert turns.put("a", topic="a", data=b"")


def test_what_waits_in_all_is_bounded() -> None:
    """Full is full until something was taken."""
    turns = Turns(bytes_max=3)
    fill(turns, "ab")
    assert not turns.is_full
    fill(turns, "c")
    assert turns.is_full
    turns.take()
    assert not turns.is_full


@given(st.text(alphabet="abcd", max_size=60), st.integers(1, 20))
def test_turns_lose_and_invent_nothing(frames: str, limit: int) -> None:
    """What was taken in comes out once and in its node's order, and between two of a node everybody had a turn."""
    turns = Turns(node_frames_max=limit)
    put = [node for node, was_put in zip(frames, fill(turns, frames), strict=True) if was_put]
    taken = drain(turns)

    assert Counter(topic for topic, _ in taken) == Counter(put)
    for node in set(put):
        numbers = [data for topic, data in taken if topic == node]
        assert numbers == sorted(numbers)
    rounds = [taken[:4], taken[4:8]] if len(set(frames)) == 4 and min(Counter(put).values()) >= 2 else []
    assert all(len({topic for topic, _ in each}) == 4 for each in rounds)


def test_an_allowance_is_a_nodes_own_and_comes_back() -> None:
    """One node's use is not another's; what was used comes back evenly and never grows beyond the whole."""
    allowance = Allowance(100)

    assert [allowance.take("a", 60, now_s=0), allowance.take("a", 60, now_s=0)] == [True, False]
    assert allowance.take("b", 100, now_s=0)
    assert [allowance.take("a", 60, now_s=HOUR_S * at) for at in (0.19, 0.2)] == [False, True]
    assert [allowance.take("b", size, now_s=HOUR_S * 50) for size in (101, 100, 1)] == [False, True, False]
    assert allowance.take("b", 0, now_s=HOUR_S * 50)


def test_a_node_is_spoken_of_once_a_minute() -> None:
    """What comes meanwhile is counted and said later; one node's silence is not another's."""
    report = DropReport()
    report.add(HELLO, rules={"signer": 1})
    first = list(report.lines(0))
    report.add(HELLO, rules={"signer": 2})
    report.add("ehc/1/b/up/hello", rules={"rule-of-tomorrow": 1})
    report.add("ehc/1/\x1b/up/hello", rules={"topic": 1})

    assert [len(first), len(list(report.lines(SAID_EVERY_S - 1))), len(list(report.lines(SAID_EVERY_S - 1)))] == [
        1,
        2,
        0,
    ]
    [late] = report.lines(SAID_EVERY_S)
    assert f"{NODE}: signer 3" in late
    assert list(report.lines(1000)) == []


def test_names_of_dropped_frames_are_held_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit names are counted together."""
    monkeypatch.setattr(drops, "NODES_MAX", 1)
    report = DropReport()
    for name in ("a", "b", "c", "a"):
        report.add(f"ehc/1/{name}/up/hello", rules={"form": 1})

    assert [line.split(": ")[0].split()[-1] for line in report.lines(0)] == ["?", "a"]
    assert list(report.lines(0)) == []


def test_lines_for_nobody_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the reader has left, lines go nowhere and the program goes on."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        for _ in range(2):
            write_lines(["a line"])
