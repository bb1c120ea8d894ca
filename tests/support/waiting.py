"""Waiting for a condition with a limit, never for a fixed time."""

import asyncio
from collections.abc import Callable

LIMIT_S = 25.0  # five times the 5 s in which a plugged-in reader must be back
STEP_S = 0.005


async def until(condition: Callable[[], bool], *, limit_s: float = LIMIT_S) -> None:
    """Return as soon as the condition holds.

    Raises:
        TimeoutError: It did not hold within the limit.
    """
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(STEP_S)
