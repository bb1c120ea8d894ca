"""A process that appends until it is killed: it prints each number only after it was told "stored".

Run as `python -m tests.support.appending FOLDER FIRST`.
"""

import asyncio
import sys
from pathlib import Path

from tests.support.outbox_box import message, note, opened


async def append_for_ever(folder: Path, first: int) -> None:
    """Four at a time, so that groups are cut by the kill."""
    async with opened(folder) as outbox:
        number = first
        while True:
            numbers = range(number, number + 4)
            await asyncio.gather(*(_append(outbox, each) for each in numbers))
            number += 4


async def _append(outbox: object, number: int) -> None:
    await outbox.append(message(number), [note(number)])  # type: ignore[attr-defined]
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(append_for_ever(Path(sys.argv[1]), int(sys.argv[2])))
