"""From a reading to a stored verdict: `edge.intake` with a real outbox against what a scan cannot do without.

"Raw" is the SM2 verifications of the same codes through the same adapter and, for each code, one commit of rows of the
same lengths by plain sqlite3 with the same file settings. Every code is another card, made before the timing and shown
once, so neither a cache nor the check for replays shortens anything. Between the two stand classify, parse, the
thirteen steps, the record's CBOR, its sealing, the sealing of its notes, and the event loop.
"""

import asyncio
import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from time import monotonic_ns, perf_counter

from drivers.reader import Feedback
from drivers.reading import Reading
from edge.boot import Boot
from edge.classify import DEFAULT_TABLE
from edge.clock import Answer, hear, start
from edge.day_view import DayView
from edge.ehc_code import parse
from edge.gm import PublicKey, random_bytes, sm3
from edge.intake import Intake, Origin, Verifier
from edge.ledger import Ledger
from edge.machine_key import derive
from edge.replay import ReplayCache
from edge.seal import Sealer
from edge.timekeeper import Timekeeper
from edge.transaction import Step
from edge.verdict import Reason
from sync.outbox import Outbox
from tests.bench.ledger import INSERT, NODE, raw_copy
from tests.bench.turns import rates, report
from tests.bench.verify import RATIO_MIN, SHOWN_AT_MS, TAIL_MAX, make_code, raw_verify, vector_trust
from tests.support import vectors

ROUNDS = 20
CODES_A_ROUND = 100
INDEX_FIRST, INDEX_COUNT = 200, 500  # valid cards of the vectors' list
ROUND_TRIP_NS = 400_000_000  # how far the interval's ends lie apart, as `tests.bench.verify` has them

Values = list[bytes | int | None]
"""One row as sqlite3 takes it."""


class Dark:
    """A reader without a lamp."""

    async def signal(self, feedback: Feedback, *, entry: object) -> None:
        """Show nothing."""


def main() -> None:
    """Print four lines."""
    for kind in ("static", "holder"):
        # Beside the tree, not in a memory file system: syncing is part of what is measured.
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, asyncio.Runner() as runner:
            measure(kind, runner=runner, path=Path(folder) / "ours.db")


def measure(kind: str, *, runner: asyncio.Runner, path: Path) -> None:
    """Print the rate and the tail of one kind of code."""
    issuer = vectors.key("issuer")
    numbers = range((2 * ROUNDS + 2) * CODES_A_ROUND)
    codes = [make_code(kind, index=INDEX_FIRST + number % INDEX_COUNT, issuer=issuer) for number in numbers]
    rounds = [codes[at : at + CODES_A_ROUND] for at in range(0, len(codes), CODES_A_ROUND)]
    first, second, timed, tail = rounds[0], rounds[1], rounds[2 : ROUNDS + 2], rounds[ROUNDS + 2 :]
    runner.run(_scan_once(path, codes=first))  # what a scan writes is copied from it; it warms up, too
    stack = AsyncExitStack()
    with closing(raw_copy(path)) as raw:
        plain = plain_rounds(raw, rounds=timed, issuer=issuer.public)
        intake = assemble(runner.run(stack.enter_async_context(Outbox.open(path, node=NODE, hash=sm3))))
        runner.run(_take_all(intake, second))
        our_rate, raw_rate = rates(
            lambda at: runner.run(_take_all(intake, timed[at])), plain, rounds=ROUNDS, count=CODES_A_ROUND
        )
        report(f"scan_{kind}", our_rate, "scans/s", ratio=our_rate / raw_rate, budget=RATIO_MIN)
        taken = runner.run(_take_all(intake, [code for codes in tail for code in codes]))
        p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
        report(f"scan_{kind}_p99_over_p50", p99 / p50, "ratio of times", budget=TAIL_MAX)
        runner.run(stack.aclose())


def assemble(outbox: Outbox) -> Intake:
    """An intake as `edge.app` puts it together, at the time of the vectors."""
    trust = vector_trust()
    boot = Boot()
    heard_b_ns = boot.now_b_ns()
    answer = Answer(time_ms=SHOWN_AT_MS, sent_b_ns=heard_b_ns - ROUND_TRIP_NS, heard_b_ns=heard_b_ns)
    timekeeper = Timekeeper(boot=boot, state=hear(start(), answer=answer)[0], trust_expires_ms=lambda: None)
    return Intake(
        origin=Origin(node=NODE, org="370800001", dept="outpatient", operator="d01", step=Step.CONSULT),
        verifier=Verifier(trust=lambda: trust, now=timekeeper.now, replay=ReplayCache(), table=DEFAULT_TABLE),
        ledger=Ledger(
            store=outbox,
            sealer=Sealer(NODE, random_bytes=random_bytes),
            machine_key=derive(b"bench", random_bytes=random_bytes),
            recipient=lambda: None if trust.root is None else trust.root.city_encryption_key,
            now_b_ns=boot.now_b_ns,
            day_view_days=7,
        ),
        timekeeper=timekeeper,
        day_view=DayView(),
        random_bytes=random_bytes,
        same_act_s=5,
    )


def plain_rounds(
    raw: sqlite3.Connection, *, rounds: Sequence[Sequence[str]], issuer: PublicKey
) -> Callable[[int], None]:
    """The raw work of every round, all made ready: parsed codes, and rows like those of the last scan in the file."""
    ((placed,),) = raw.execute("SELECT max(k) / 16 FROM entry").fetchall()
    shapes = raw.execute("SELECT * FROM entry WHERE k / 16 = ? ORDER BY k", (placed,)).fetchall()
    insert = INSERT + ", (?, ?, ?, ?, ?)" * (len(shapes) - 1)  # one statement is its own transaction
    work = []
    for at, codes in enumerate(rounds):
        base = placed + 1 + at * CODES_A_ROUND
        work.append([(parse(code), rows_like(shapes, number=base + place)) for place, code in enumerate(codes)])

    def run(at: int) -> None:
        for code, values in work[at]:
            assert raw_verify(code, issuer=issuer)
            raw.execute(insert, values)

    return run


def rows_like(shapes: Sequence[Sequence[bytes | int | None]], *, number: int) -> Values:
    """The values of record `number` and its notes: random bytes wherever the rows they follow have bytes."""
    values: Values = []
    for place, (_k, *rest) in enumerate(shapes):
        values += [16 * number + place, *(random_bytes(len(v)) if isinstance(v, bytes) else v for v in rest)]
    return values


async def _scan_once(path: Path, *, codes: Sequence[str]) -> None:
    async with Outbox.open(path, node=NODE, hash=sm3) as outbox:
        await _take_all(assemble(outbox), codes)


async def _take_all(intake: Intake, codes: Sequence[str]) -> list[float]:
    """Take one code after the other; how long each took, in seconds."""
    signals, taken = Dark(), []
    for code in codes:
        reading = Reading(reader="scanner-1", data=code.encode(), text=code, read_at_monotonic_ns=monotonic_ns())
        begin = perf_counter()
        entry = await intake.take(reading, signals=signals)
        taken.append(perf_counter() - begin)
        assert entry.is_saved
        assert entry.reason is Reason.VALID
    return taken
