"""No verdict rests on the wall clock (contracts 4): nobody reads it but who shows it, and the verifier reads no clock.

Two looks at the same promise: at the source of everything that runs on a node, and at what the verifier really calls.
"""

import ast
import datetime
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.trust import TrustSet
from edge.verdict import Interval
from edge.verify import Examination, examine
from tests.support import cards
from tests.support.trust_folder import context

ROOT = Path(__file__).parents[2]
PACKAGES = ("edge", "drivers", "sync")

# Of the modules `time` and `datetime`: whatever tells the wall clock, some of it only if it is not told a time.
WALL_CLOCKS = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
WALL_CLOCK_IDS = {"CLOCK_REALTIME", "CLOCK_REALTIME_COARSE", "CLOCK_TAI", "CLOCK_REALTIME_ALARM"}
TAKES_A_TIME = {"localtime": 1, "gmtime": 1, "ctime": 1, "asctime": 1, "strftime": 2}

ALLOWED = {
    ("edge/boot.py", "wall_ms"),  # shown, and written into records as such
    ("edge/gm/x509.py", "_builder"),  # the city's certificates; no module of a verdict may import it: see below
}

# What verdicts and time are made in; everything they import of ours counts, too.
VERDICT_PATH = ("edge.verify", "edge.clock", "edge.freshness", "edge.examination", "edge.replay")


def wall_clock_reads(source: str) -> Iterator[tuple[str, str]]:
    """Every read of a wall clock in a module's source: the function it stands in, and what is read."""
    tree = ast.parse(source)
    names, told = _imported(tree), _told_their_time(tree)
    for function, node in _walk(tree, function="<module>"):
        if isinstance(node, ast.Attribute | ast.Name) and node not in told:
            read = _dotted(node, names=names)
            owner, _, member = read.rpartition(".")
            if member in WALL_CLOCK_IDS or member in WALL_CLOCKS.get(owner.rpartition(".")[2], ()):
                yield function, read


def _told_their_time(tree: ast.Module) -> set[ast.AST]:
    """The conversions that are handed a time, by what is called."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {call.func for call in calls if len(call.args) >= TAKES_A_TIME.get(_last(call.func), sys.maxsize)}


def _last(called: ast.expr) -> str:
    match called:
        case ast.Attribute():
            return called.attr
        case ast.Name():
            return called.id
        case _:
            return ""


def _imported(tree: ast.Module) -> dict[str, str]:
    """What the names of a module stand for: ``t`` of ``import time as t`` for ``time``."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _walk(node: ast.AST, *, function: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node with the innermost function it stands in."""
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield inner, child
        yield from _walk(child, function=inner)


def _dotted(node: ast.expr, *, names: dict[str, str]) -> str:
    match node:
        case ast.Name():
            return names.get(node.id, node.id)
        case ast.Attribute():
            return f"{_dotted(node.value, names=names)}.{node.attr}"
        case _:
            return ""


def modules(package: str) -> Iterator[Path]:
    """The source files of a package."""
    yield from sorted((ROOT / package).rglob("*.py"))


def imports_of(module: str) -> set[str]:
    """A module of ours and all of ours that it imports, directly or not."""
    seen: set[str] = set()
    open_ends = [module]
    while open_ends:
        name = open_ends.pop()
        path = _file_of(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        open_ends += name.rpartition(".")[:1]  # a module brings its package's __init__ with it
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                open_ends += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                open_ends += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return seen


def _file_of(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def test_nobody_reads_the_wall_clock_but_who_shows_it() -> None:
    """In all that runs on a node there are two reads: of the shown clock, and of the city's for its certificates."""
    found = {
        (str(path.relative_to(ROOT)), function)
        for package in PACKAGES
        for path in modules(package)
        for function, _ in wall_clock_reads(path.read_text(encoding="utf-8"))
    }

    assert found == ALLOWED


def test_no_module_of_a_verdict_can_reach_a_clock() -> None:
    """Neither verifier nor interval imports the kernel's clocks, or who holds them, or who reads the wall clock."""
    reached = {name for module in VERDICT_PATH for name in imports_of(module)}

    assert {"edge.verify", "edge.trust", "edge.gm", "edge.status_list"} <= reached
    assert reached.isdisjoint({"edge.boot", "edge.timekeeper", "edge.clock_file", "edge.gm.x509", "edge.app"})
    for name in reached:
        path = _file_of(name)
        assert path is not None
        names = set(_imported(ast.parse(path.read_text(encoding="utf-8"))).values())
        assert names.isdisjoint({"time", "datetime"} | {f"time.{read}" for read in WALL_CLOCKS["time"]}), name


@pytest.mark.parametrize(
    "planted",
    [
        "import time\ndef f(): return time.time()",
        "import time as t\ndef f(): return t.time_ns() // 10**6",
        "from time import time as now\ndef f(): return now()",
        "from time import time_ns\ndef f(clock=time_ns): return clock()",
        "import time\ndef f(): return time.clock_gettime(time.CLOCK_REALTIME)",
        "from time import CLOCK_TAI, clock_gettime\ndef f(): return clock_gettime(CLOCK_TAI)",
        "import time\ndef f(): return time.gmtime()",
        "import time\ndef f(): return time.strftime('%F')",
        "import time\ndef f(): return time.gmtime(time.time())",
        "import datetime\ndef f(): return datetime.datetime.now()",
        "import datetime as d\ndef f(): return d.date.today()",
        "from datetime import UTC, datetime\ndef f(): return datetime.now(UTC)",
        "from datetime import datetime as d\ndef f(): return d.utcnow()",
        "from datetime import date\ndef f(): return date.today()",
    ],
)
def test_a_planted_read_is_found(planted: str) -> None:
    """Under whatever name it was imported."""
    assert [function for function, _ in wall_clock_reads(planted)] == ["f"]


@pytest.mark.parametrize(
    "harmless",
    [
        "import time\ndef f(): return time.monotonic_ns()",
        "import time\ndef f(): return time.clock_gettime_ns(time.CLOCK_BOOTTIME)",
        "import time\ndef f(at_s): return time.strftime('%F', time.gmtime(at_s))",
        "from datetime import UTC, datetime\ndef f(at_s): return datetime.fromtimestamp(at_s, UTC)",
        "def f(clock): return clock.now()",
    ],
)
def test_what_reads_no_wall_clock_is_left_alone(harmless: str) -> None:
    """Durations, conversions of a time that is told, and clocks of ours."""
    assert list(wall_clock_reads(harmless)) == []


CLOCK_FUNCTIONS = {
    (None, name) for name in ("time", "time_ns", "monotonic", "monotonic_ns", "clock_gettime", "clock_gettime_ns")
} | {(owner, name) for owner in ("datetime", "date") for name in ("now", "utcnow", "today")}


def clocks_read(act: Callable[[], object]) -> list[str]:
    """Which clocks were read while something was done, by whatever module and name."""
    read: list[str] = []

    def see(_frame: object, event: str, called: object) -> None:
        if event == "c_call":
            name, owner = getattr(called, "__name__", ""), getattr(called, "__self__", None)
            if (owner.__name__ if isinstance(owner, type) else None, name) in CLOCK_FUNCTIONS:
                read.append(name)

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        act()
    finally:
        sys.setprofile(before)
    return read


def test_the_verifier_reads_no_clock_whatever_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case of the vectors gets its verdict while every clock of the process would explode."""

    def explode(*_: object) -> float:
        raise AssertionError("a verdict read a clock")

    described = context()
    now = Interval(lo_ms=described["lo_ms"], hi_ms=described["hi_ms"])
    shown: list[Examination] = []

    def judge() -> None:
        for trust in (cards.trust(), TrustSet()):
            for case in described["cases"]:
                for until in (now, Interval(lo_ms=now.lo_ms, hi_ms=None)):
                    shown.append(examine(case["text"], trust=trust, now=until, replay=cards.Never()))

    with monkeypatch.context() as broken:
        for name in ("time", "time_ns", "monotonic", "monotonic_ns", "clock_gettime", "clock_gettime_ns"):
            broken.setattr(time, name, explode)
        read = clocks_read(judge)

    assert read == []
    assert len(shown) == 4 * len(described["cases"])
    assert len({examination.verdict.reason for examination in shown}) > 10


def test_a_clock_that_is_read_is_seen() -> None:
    """The look above would find one, under any name."""
    day, wall_ns = datetime.date, time.time_ns

    assert clocks_read(lambda: (day.today(), wall_ns(), datetime.datetime.now(datetime.UTC))) == [
        "today",
        "time_ns",
        "now",
    ]
