"""Look-ups in the lists of 8 million cards, 5 % of them revoked, lying in mapped files; what they keep resident.

The hashed look-up is also set against the HMAC alone, which it cannot do without. The files are made by a process of
its own, so that resident memory is what the lists take and not what making them left behind.
"""

import mmap
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from edge.gm import hmac_sm3, sm3
from edge.status_delta import apply_delta, make_delta
from edge.status_list import (
    PREFIX_BYTES,
    CardState,
    HashedList,
    StatusList,
    check_list,
    check_order,
    pack_hashed,
    pack_list,
)
from tests.bench.turns import rates, report

CARDS = 8_000_000
REVOKED = CARDS // 20
SUSPENDED = 10_000
DELTA_ENTRIES = 10_000
INDEX_BYTES = 32
KEY = bytes(range(16))
SEED = 3

LOOKUP_US_MAX = 10.0  # docs/benchmarks.md
RESIDENT_MB_MAX = 5.0
DELTA_MS_MAX = 20.0
COUNTS_MS_MAX = 100.0

ROUNDS = 20
LOOKUPS_A_ROUND = 10_000
TIMES = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a status document says of a packed list."""

    size: int
    sm3: bytes
    revoked: int
    suspended: int


def main() -> None:
    """Print ten lines."""
    rng = random.Random(SEED)
    places = [rng.randrange(CARDS) for _ in range(LOOKUPS_A_ROUND)]
    indices = [_index(rng.randrange(2 * REVOKED)) for _ in range(LOOKUPS_A_ROUND)]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            now, then = pool.submit(make_files, folder).result()
        _work_once()
        baseline = resident_bytes()
        packed = StatusList(CARDS, mapped(folder / "packed", stack=stack))
        check_list(packed, now)
        measure_packed(packed, places)
        after_packed = resident_bytes()
        report("list_packed_resident", (after_packed - baseline) / 1e6, "MB", budget=RESIDENT_MB_MAX)
        hashed = HashedList(KEY, mapped(folder / "hashed", stack=stack))
        check_order(hashed.prefixes)
        measure_hashed(hashed, indices)
        after_both = resident_bytes()
        report("list_hashed_resident", (after_both - after_packed) / 1e6, "MB", budget=RESIDENT_MB_MAX)
        report("list_both_resident", (after_both - baseline) / 1e6, "MB", budget=RESIDENT_MB_MAX)
        report("list_order", median_ms(lambda: check_order(hashed.prefixes)), "ms")
        measure_delta(packed, (folder / "delta").read_bytes(), then=then)


def measure_packed(packed: StatusList, places: Sequence[int]) -> None:
    """Print what a look-up by index takes."""

    def look_up() -> None:
        for place in places:
            packed.state(place)

    report("list_packed", median_ms(look_up) / len(places) * 1e3, "us", budget=LOOKUP_US_MAX)


def measure_hashed(hashed: HashedList, indices: Sequence[bytes]) -> None:
    """Print what a look-up by prefix takes, half of them hits, all over the list, and the share of the HMAC in it."""

    def ours(_round: int) -> None:
        for index in indices:
            hashed.contains(index)

    def raw(_round: int) -> None:
        for index in indices:
            hmac_sm3(KEY, index)

    assert all(hashed.contains(index) == (index < _index(REVOKED)) for index in indices)
    our_rate, raw_rate = rates(ours, raw, rounds=ROUNDS, count=len(indices))
    report("list_hashed", 1e6 / our_rate, "us", budget=LOOKUP_US_MAX)
    report("list_hashed_rate", our_rate, "look-ups/s", ratio=our_rate / raw_rate)


def measure_delta(packed: StatusList, delta: bytes, *, then: Facts) -> None:
    """Print what an update by delta takes: applied to a copy, and counted."""
    updated = apply_delta(packed, delta, size=CARDS)
    check_list(updated, then)
    report("list_delta", median_ms(lambda: apply_delta(packed, delta, size=CARDS)), "ms", budget=DELTA_MS_MAX)
    report("list_counts", median_ms(updated.counts), "ms", budget=COUNTS_MS_MAX)
    report("list_sm3", median_ms(lambda: sm3(updated.packed)), "ms")


def make_files(folder: Path) -> tuple[Facts, Facts]:
    """Write ``packed``, ``hashed`` and ``delta``; what is to be said of the list now and after the delta."""
    rng = random.Random(SEED)
    chosen = rng.sample(range(CARDS), REVOKED + SUSPENDED)
    states = dict.fromkeys(chosen[:REVOKED], CardState.REVOKED) | dict.fromkeys(chosen[REVOKED:], CardState.SUSPENDED)
    before = pack_list(states, size=CARDS)
    reinstated, revoked = chosen[: DELTA_ENTRIES // 2], rng.sample(range(CARDS), DELTA_ENTRIES // 2)
    after = pack_list(
        states | dict.fromkeys(reinstated, CardState.VALID) | dict.fromkeys(revoked, CardState.REVOKED), size=CARDS
    )
    hashed = pack_hashed(map(_index, range(REVOKED)), key=KEY)
    assert len(hashed) == REVOKED * PREFIX_BYTES
    for name, content in (("packed", before.packed), ("hashed", hashed), ("delta", make_delta(before, after))):
        (folder / name).write_bytes(content)
    return _facts(before), _facts(after)


def mapped(path: Path, *, stack: ExitStack) -> memoryview:
    """A file's bytes, read from its pages."""
    file = stack.enter_context(path.open("rb"))
    pages = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return stack.enter_context(memoryview(pages))


def resident_bytes() -> int:
    """This process's resident memory, mapped pages included (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * mmap.PAGESIZE


def median_ms(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    taken = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1e3


def _index(number: int) -> bytes:
    return number.to_bytes(INDEX_BYTES, "big")


def _work_once() -> None:
    """What the code itself takes, once and for all, is no growth of the lists'."""
    small = pack_list({5: CardState.REVOKED}, size=64)
    check_list(small, _facts(small))
    HashedList(KEY, pack_hashed([KEY], key=KEY)).contains(KEY)


def _facts(status_list: StatusList) -> Facts:
    revoked, suspended = status_list.counts()
    return Facts(size=status_list.size, sm3=sm3(status_list.packed), revoked=revoked, suspended=suspended)
