"""Two pieces of work timed in turns, and the lines a benchmark prints."""

import json
import statistics
from collections.abc import Callable
from time import perf_counter


def rates(ours: Callable[[int], None], raw: Callable[[int], None], *, rounds: int, count: int) -> tuple[float, float]:
    """Operations a second of both, medians over `rounds`; both get the round's number and do `count` operations."""
    taken: tuple[list[float], list[float]] = ([], [])
    for each in range(rounds):
        turns = ((0, ours), (1, raw)) if each % 2 else ((1, raw), (0, ours))
        for slot, work in turns:
            begin = perf_counter()
            work(each)
            taken[slot].append(perf_counter() - begin)
    return count / statistics.median(taken[0]), count / statistics.median(taken[1])


def report(name: str, value: float, unit: str, *, ratio: float | None = None, budget: float | None = None) -> None:
    """Print one JSON line; `met` says whether the budget holds."""
    line: dict[str, object] = {"name": name, "value": round(value, 3), "unit": unit}
    if ratio is not None:
        line["ratio"] = round(ratio, 3)
    if budget is not None:
        line["budget"] = budget
        line["met"] = ratio >= budget if ratio is not None else value <= budget
    print(json.dumps(line), flush=True)
