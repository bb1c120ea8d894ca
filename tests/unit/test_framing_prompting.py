"""When a scanner is told to wake up and to look."""

from drivers.framing.prompting import Prompts

MS = 1_000_000


def test_without_commands_nothing_is_ever_sent() -> None:
    """Most scanners look by themselves."""
    prompts = Prompts(trigger_every_ms=100)

    assert prompts.due(0) == b""
    prompts.answered()
    prompts.heard(5)
    assert prompts.due(1_000 * MS) == b""
    assert prompts.next_due_ns is None


def test_waking_comes_first_and_once() -> None:
    """After the opening both commands go out, in order; then only the one that asks for a code."""
    prompts = Prompts(wake=b"W", trigger=b"T")

    assert [prompts.due(0), prompts.due(1)] == [b"WT", b""]
    prompts.answered()
    assert [prompts.due(2), prompts.due(3)] == [b"T", b""]
    assert prompts.next_due_ns is None


def test_a_silent_scanner_is_asked_again() -> None:
    """When nothing has come for so long, and counted from what was sent or heard last."""
    prompts = Prompts(trigger=b"T", trigger_every_ms=100)

    assert prompts.due(0) == b"T"
    assert prompts.next_due_ns == 100 * MS
    assert prompts.due(100 * MS - 1) == b""
    assert prompts.due(100 * MS) == b"T"
    prompts.heard(150 * MS)
    assert prompts.due(200 * MS) == b""
    assert prompts.next_due_ns == 250 * MS
    assert prompts.due(250 * MS) == b"T"
