"""The daemon's log: lines on stderr for the journal, free of personal data."""

import asyncio
import logging
import sys
from collections.abc import Mapping
from typing import Any

from edge.fault import describe

_SYSLOG = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _Lines(logging.Formatter):
    """One line a record; of an exception only types and places: its text may hold what was read."""

    def __init__(self, *, with_priority: bool) -> None:
        super().__init__()
        self._with_priority = with_priority

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; the journal reads the number in front as the priority (sd-daemon(3))."""
        fault = f": {describe(record.exc_info[1])}" if record.exc_info and record.exc_info[1] else ""
        text = " ".join(f"{record.levelname} {record.name}: {record.getMessage()}{fault}".splitlines())
        return f"<{_SYSLOG.get(record.levelno, 6)}>{text}" if self._with_priority else text


def configure(level: str, *, environment: Mapping[str, str]) -> None:
    """Send the log of all packages to stderr.

    Args:
        level: The least that is said.
        environment: JOURNAL_STREAM in it means that systemd reads stderr.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(with_priority="JOURNAL_STREAM" in environment))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def on_loop_fault(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log what the event loop reports, without the fault's own text."""
    fault = context.get("exception")
    text = describe(fault) if isinstance(fault, BaseException) else "no exception"
    logging.getLogger(__name__).error("event loop: %s: %s", context.get("message"), text)
