"""The command `verify`: codes judged outside the daemon (contracts 6), the bench for card issuers and reader makers.

With a folder of documents only that folder and the interval count. Without one it is this node that judges: by the
folder, carriers and roster of its configuration, and by the time of the running daemon, which is asked for nothing
else. It is always judged here, by the daemon's own verifier; the replay cache begins empty and is kept within the call.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from drivers.text import TextEncoding, decode
from edge.classify import DEFAULT_TABLE, TEXT_CHARS_MAX, CarrierTable
from edge.clock import ClockState, Mark, interval
from edge.errors import ConfigError, EdgeError, UnreachableError
from edge.intake import Verifier
from edge.messages import Messages
from edge.replay import ReplayCache
from edge.trust import TrustSet, uses_test_keys
from edge.trust_folder import Loaded, load_directory
from edge.verdict import Interval, Outcome, Verdict
from edge.verdict_json import verdict_to_json

if TYPE_CHECKING:
    from edge.settings import Settings

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
        warn: Hears of test keys and of what is not used.

    Raises:
        UsageError: The interval is none, or the folder is not there.
        ConfigError: The configuration is needed and cannot be used, or its folder cannot be read.
    """
    given = None if interval is None else parse_interval(interval)
    return _node_judge(config, given=given, warn=warn) if trust is None else _bench_judge(trust, given=given, warn=warn)


def _bench_judge(folder: Path, *, given: Interval | None, warn: Warn) -> Judge:
    """Judge by a folder alone; whoever has the code sees all of its holder, for there is no roster to show."""
    if not folder.is_dir():  # a mistyped folder must not look like an empty one
        raise UsageError("no_trust", where=str(folder))
    loaded = load_directory(folder)
    _warn_of(loaded, folder=folder, warn=warn)
    now = given or born_interval(loaded.trust)
    bench = Bench(trust=loaded.trust, now=lambda: now)
    return lambda data: verdict_to_json(bench.judge(data), show_person=True)


def _node_judge(config: Path, *, given: Interval | None, warn: Warn) -> Judge:
    """Judge as this node would; persons are masked, as in everything else it shows."""
    from edge import settings

    configured = settings.load(config)
    found, age_since_ms = _held_by(configured, warn=warn)
    _warn_of(found, folder=configured.trust.dir, warn=warn)
    bench = Bench(
        trust=found.trust,
        now=_clock(given, socket_path=configured.control.socket, trust=found.trust),
        table=settings.carriers(configured.carriers),
        age_since_ms=age_since_ms,
    )
    return lambda data: verdict_to_json(bench.judge(data))


def _held_by(configured: "Settings", *, warn: Warn) -> tuple[Loaded, int | None]:
    """What the daemon holds and since when it is known to be current; before it ran once, what its folder gives."""
    from edge.trust_opening import read_trust

    node, folder = configured.node, configured.trust.dir
    decrypt = _roster_key(configured, warn=warn)
    for each in (node.data_dir, folder):
        _require_readable(each)
    found = read_trust(configured, decrypt_roster=decrypt)
    if found is not None:
        held = found.held
        test_keys = uses_test_keys(held.trust.root) or uses_test_keys(held.trust.issuers)
        return Loaded(trust=held.trust, problems=found.problems, uses_test_keys=test_keys), held.current_ms
    loaded = load_directory(folder, decrypt_roster=decrypt, node=node.name, allow_test_keys=node.allow_test_keys)
    return loaded, None


def _require_readable(folder: Path) -> None:
    """Refuse to judge by nothing only because this account may not look; a folder that is not there is an empty one."""
    try:
        next(folder.iterdir(), None)
    except PermissionError as error:
        expected = "a folder that this account can read; the daemon's can: sudo -u ehc-edge ehc-edge verify"
        raise ConfigError(f"trust.dir ({folder})", expected=expected) from error
    except OSError:
        return


def _roster_key(configured: "Settings", *, warn: Warn) -> Callable[[bytes], bytes] | None:
    """Return what opens the node's roster; None: there is no key, or this account may not read it."""
    from edge import node_keys

    node = configured.node
    try:
        key = node_keys.load_encryption(node.key_dir, allow_test_keys=node.allow_test_keys)
    except ConfigError as error:
        if (configured.trust.dir / "roster.json").exists():
            warn("roster_closed", where=error.where)
        return None
    return None if key is None else key.decrypt


def _clock(given: Interval | None, *, socket_path: Path, trust: TrustSet) -> Callable[[], Interval]:
    """Return the time: as it is given, else the daemon's, else not before the latest document."""
    if given is not None:
        return lambda: given
    from edge.boot import Boot

    boot = Boot()
    state = _ask_daemon(socket_path, now_b_ns=boot.now_b_ns)
    if state is None:
        born = born_interval(trust)
        return lambda: born
    return lambda: interval(state, now_b_ns=boot.now_b_ns())


def _ask_daemon(socket_path: Path, *, now_b_ns: Callable[[], int]) -> ClockState | None:
    """Return what the running daemon knows of the time, at some moment of the question; None: nobody answers."""
    from edge import control

    asked_b_ns = now_b_ns()
    try:
        clock = control.get("/api/v1/status", socket_path=socket_path)["clock"]
        lo_ms, hi_ms = int(clock["lo_ms"]), clock.get("hi_ms")
    except (UnreachableError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return ClockState(
        floor=Mark(time_ms=lo_ms, at_b_ns=now_b_ns()),
        not_after=None if hi_ms is None else Mark(time_ms=int(hi_ms), at_b_ns=asked_b_ns),
    )


def _warn_of(loaded: Loaded, *, folder: Path, warn: Warn) -> None:
    for problem in loaded.problems:
        warn("trust_problem", file=problem.file, rule=problem.rule)
    if loaded.uses_test_keys:
        warn("test_keys_in_trust", where=str(folder))


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
        age_since_ms: When it was last proven current; None: never (contracts 3.6).
    """

    def __init__(
        self,
        *,
        trust: TrustSet,
        now: Callable[[], Interval],
        table: CarrierTable = DEFAULT_TABLE,
        age_since_ms: int | None = None,
    ) -> None:
        self._verifier = Verifier(
            trust=lambda: trust, now=now, replay=ReplayCache(), table=table, age_since_ms=lambda: age_since_ms
        )

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
