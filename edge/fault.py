"""Describing a fault for the log without its own text: that may hold what was read from a card."""

import traceback
from collections.abc import Iterator


def describe(fault: BaseException) -> str:
    """Return the types and places of a fault and of everything it was raised from, innermost place first."""
    return "; ".join(f"{type(leaf).__name__} in {_places(leaf)}" for leaf in _leaves(fault))


def _leaves(fault: BaseException) -> Iterator[BaseException]:
    if isinstance(fault, BaseExceptionGroup):
        for inner in fault.exceptions:
            yield from _leaves(inner)
    else:
        yield fault
        if fault.__cause__ is not None:
            yield from _leaves(fault.__cause__)


def _places(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
