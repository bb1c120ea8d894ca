"""What the log says of a fault: types and places, never what was read."""

import asyncio
import logging

import pytest

from edge import log
from edge.fault import describe

SECRET = "11010020171225006X"


def _raise(fault: BaseException) -> BaseException:
    try:
        raise fault
    except type(fault) as caught:
        return caught


def test_a_fault_is_its_type_and_its_place() -> None:
    """Its own text may hold a card's content."""
    text = describe(_raise(ValueError(SECRET)))

    assert text.startswith("ValueError in test_fault.py:")
    assert "_raise" in text
    assert SECRET not in text


def test_causes_and_groups_are_told_one_by_one() -> None:
    """Each with its own place."""
    chained = _raise(RuntimeError(SECRET))
    chained.__cause__ = _raise(KeyError(SECRET))
    group = _raise(ExceptionGroup("two", [_raise(OSError(SECRET)), chained]))

    text = describe(group)

    assert [part.split()[0] for part in text.split("; ")] == ["OSError", "RuntimeError", "KeyError"]
    assert SECRET not in text


@pytest.mark.parametrize(
    ("environment", "begins"), [({}, "ERROR a.b: said: "), ({"JOURNAL_STREAM": "1:2"}, "<3>ERROR")]
)
def test_a_log_line_is_one_line_without_the_faults_text(
    environment: dict[str, str], begins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal gets a priority in front."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log.configure("info", environment=environment)
        logging.getLogger("a.b").error("said", exc_info=_raise(ValueError(SECRET)))
        logging.getLogger("a.b").debug("never said")
        logging.getLogger("a.b").info("two\nlines")
    finally:
        root.handlers[:], root.level = before

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(begins)
    assert "ValueError in test_fault.py" in first
    assert SECRET not in first
    assert second.endswith("INFO a.b: two lines")


def test_what_the_loop_reports_is_logged_the_same_way(caplog: pytest.LogCaptureFixture) -> None:
    """With an exception or without."""
    loop = asyncio.new_event_loop()
    loop.close()

    log.on_loop_fault(loop, {"message": "lost", "exception": _raise(ValueError(SECRET))})
    log.on_loop_fault(loop, {"message": "odd"})

    assert SECRET not in caplog.text
    assert "event loop: lost: ValueError in" in caplog.text
    assert "event loop: odd: no exception" in caplog.text
