"""The command `verify`: codes judged outside the daemon (contracts 6), the bench for card issuers and reader makers.

With a folder of documents only that folder and the interval count; the replay cache begins empty and is kept within the
call. Without one the running daemon is asked, and where there is none, the configured folder is read. It is always the
daemon's own verifier.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from drivers.text import TextEncoding, decode
from edge.classify import DEFAULT_TABLE, TEXT_CHARS_MAX, CarrierTable
from edge.errors import EdgeError, UnreachableError
from edge.intake import Verifier
from edge.messages import Messages
from edge.replay import ReplayCache
from edge.trust import TrustSet
from edge.trust_store import load_directory
from edge.verdict import Interval, Outcome, Verdict
from edge.verdict_json import verdict_to_json

LINE_BYTES_MAX = 4 * TEXT_CHARS_MAX + 2  # any text that a reader could bring, and its line end

Judge = Callable[[bytes], dict[str, Any]]


class UsageError(EdgeError):
    """The command line makes no sense.

    Args:
        key: Of the text that says so, in the group ``error``.
        values: What to fill in there.
    """

    def __init__(self, key: str, **values: str) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


class Warn(Protocol):
    """Says something on the side, by the key of its text."""

    def __call__(self, key: str, **values: str) -> None:
        """Say it."""
        ...


def judge_for(*, trust: Path | None, interval: str | None, config: Path, warn: Warn) -> Judge:
    """Return what judges the bytes of a code into the members of a verdict.

    Args:
        trust: ``--trust``.
        interval: ``--interval``.
        config: Where the configuration lies, used only without ``--trust``.
        warn: Hears of test keys and of what of the folder is not used.

    Raises:
        UsageError: The interval is none, or the folder is not there.
        ConfigError: The configuration is needed and cannot be used.
    """
    now = None if interval is None else parse_interval(interval)
    if trust is not None:
        return _bench(trust, now=now, warn=warn, allow_test_keys=True)
    from edge import settings

    configured = settings.load(config)

    def from_folder() -> Judge:
        if not configured.trust.dir.is_dir():
            raise UnreachableError(str(configured.control.socket))
        table = settings.carriers(configured.carriers)
        allow = configured.node.allow_test_keys
        return _bench(configured.trust.dir, now=now, warn=warn, allow_test_keys=allow, table=table)

    return from_folder() if now is not None else _ask_daemon(configured.control.socket, otherwise=from_folder)


def _bench(
    folder: Path, *, now: Interval | None, warn: Warn, allow_test_keys: bool, table: CarrierTable = DEFAULT_TABLE
) -> Judge:
    if not folder.is_dir():  # a mistyped folder must not look like an empty one
        raise UsageError("no_trust", where=str(folder))
    loaded = load_directory(folder, allow_test_keys=allow_test_keys)
    for problem in loaded.problems:
        warn("trust_problem", file=problem.file, rule=problem.rule)
    if loaded.uses_test_keys:
        warn("test_keys_in_trust", where=str(folder))
    bench = Bench(trust=loaded.trust, now=now or born_interval(loaded.trust), table=table)
    return lambda data: verdict_to_json(bench.judge(data), show_person=True)


def _ask_daemon(socket_path: Path, *, otherwise: Callable[[], Judge]) -> Judge:
    """Return a judge that asks the daemon, and decides at the first code whether there is one."""
    from edge import control

    fallback: Judge | None = None

    def judge(data: bytes) -> dict[str, Any]:
        nonlocal fallback
        while fallback is None:
            try:
                text = decode(data, encoding=TextEncoding.AUTO)
                answer: dict[str, Any] = control.post(
                    "/api/v1/verify", socket_path=socket_path, value={"text": text[:TEXT_CHARS_MAX]}
                )
                return answer
            except control.TooOftenError as error:
                time.sleep(error.retry_after_s)
            except UnreachableError:
                fallback = otherwise()
        return fallback(data)

    return judge


def verdict_lines(verdict: dict[str, Any], *, messages: Messages) -> list[str]:
    """Return a verdict's members for a person: what it is, why, and what else was noted."""
    shown = messages.verdict_of(reason=verdict["reason"], kind=verdict["subject"]["kind"])
    lines = [f"{_SIGNS[verdict['outcome']]} {messages.text('outcome.' + verdict['outcome'])}: {shown}"]
    lines.append(f"  {verdict['reason']}  {messages.text('carrier.' + verdict['subject']['kind'])}")
    lines += [f"  {note}  {messages.text('reason.' + note)}" for note in verdict["also"]]
    if "rung" in verdict["evidence"]:
        lines.append(f"  {messages.text('status.trust')}: {messages.text('rung.' + verdict['evidence']['rung'])}")
    return lines


_SIGNS = {Outcome.ACCEPT: "✓", Outcome.ACCEPT_PENDING: "◌", Outcome.RETRY: "!", Outcome.REFUSE: "✗"}


class Bench:
    """A verifier with its own replay cache.

    Args:
        trust: What to rely on.
        now: The time, taken as given.
        table: Which carriers are known.
    """

    def __init__(self, *, trust: TrustSet, now: Interval, table: CarrierTable = DEFAULT_TABLE) -> None:
        self._verifier = Verifier(trust=lambda: trust, now=lambda: now, replay=ReplayCache(), table=table)

    def judge(self, data: bytes) -> Verdict:
        """Return the verdict on the bytes of a code; a presentation is remembered."""
        examination, _ = self._verifier.examine(decode(data, encoding=TextEncoding.AUTO))
        self._verifier.begin(examination)
        self._verifier.end(examination, is_recorded=True)
        return examination.verdict


def parse_interval(text: str) -> Interval:
    """Return the interval of ``LO_MS:HI_MS``; ``LO_MS:`` leaves the upper end unknown.

    Raises:
        UsageError: It is neither, or ends before it begins.
    """
    low, colon, high = text.partition(":")
    if not colon or not _is_number(low) or not (_is_number(high) or not high):
        raise UsageError("interval_form")
    if high and int(high) < int(low):
        raise UsageError("interval_order")
    return Interval(lo_ms=int(low), hi_ms=int(high) if high else None)


def born_interval(trust: TrustSet) -> Interval:
    """Return the interval without ``--interval``: not before the latest `issued_at` in the folder, end unknown."""
    documents = (trust.root, trust.issuers, trust.status)
    return Interval(lo_ms=max((held.issued_at_ms for held in documents if held is not None), default=0), hi_ms=None)


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a stream without their ends; of an overlong one only so much that it is judged too long."""
    while line := stream.readline(LINE_BYTES_MAX):
        rest = line
        while len(rest) == LINE_BYTES_MAX and not rest.endswith(b"\n"):
            rest = stream.readline(LINE_BYTES_MAX)
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 16
