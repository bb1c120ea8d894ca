"""A whole run: so many boxes for so many days; and what it says at its end."""

from collections.abc import Callable, Iterator, Mapping

from edge.verdict import Reason
from tests.simulation.judge import Tally
from tests.simulation.life import Life
from tests.simulation.network import Pattern
from tests.simulation.world import World


def run(
    *,
    seed: int,
    boxes: int,
    days: int,
    cards: int = 250,
    is_enough: Callable[[Tally], bool] = lambda _: False,
) -> Tally:
    """Let boxes live.

    Args:
        seed: Of everything that is drawn.
        boxes: How many; they take turns with the patterns.
        days: From the first publication on.
        cards: Honest cards of each issuer.
        is_enough: Asked after each box whether what was found will do.
    """
    world, tally = World(seed, days=days, cards=cards), Tally()
    patterns = tuple(Pattern)
    for number in range(boxes):
        pattern = patterns[number % len(patterns)]
        life = Life(world, number=number, seed=seed, pattern=pattern, tally=tally)
        life.live()
        tally.refused.update(life.box.refused)
        if is_enough(tally):
            break
    return tally


def report(tally: Tally) -> Iterator[str]:
    """The figures, a line each."""
    yield f"verdicts {tally.reasons.total() + tally.forged.total()}"
    yield f"wrong accepts {tally.wrong_accepts.total()} {dict(+tally.wrong_accepts)}"
    yield f"wrong rejects {tally.wrong_rejects.total()} {dict(+tally.wrong_rejects)}"
    yield f"broken {tally.broken.total()} {dict(+tally.broken)}"
    for pattern in Pattern:
        good, unsure = tally.good[pattern], tally.unsure[pattern]
        why = {reason: n for (of, reason), n in tally.unsure_reasons.most_common() if of == pattern}
        yield f"unsure, {pattern}: {unsure} of {good} = {unsure / max(1, good):.1%} {_named(why)}"
    yield f"unsure, all: {tally.unsure.total() / max(1, tally.good.total()):.1%}"
    yield f"allowed {dict(tally.allowed)}"
    yield f"hi short of the truth by at most {tally.shortfall_ms} ms"
    yield f"events {dict(tally.events)}"
    yield f"refused {dict(tally.refused.most_common())}"
    yield f"reasons, forged codes {_named(dict(tally.forged.most_common()))}"
    yield f"reasons {_named(dict(tally.reasons.most_common()))}"


def _named(counts: Mapping[Reason, int]) -> dict[str, int]:
    return {str(reason): n for reason, n in counts.items()}
