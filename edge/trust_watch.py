"""The trust folder of the running node: what an operator copies into it is taken, at start and whenever it changes."""

import asyncio
import contextlib
from pathlib import Path

from edge.trust_import import import_folder
from edge.trust_keeper import TrustKeeper

POLL_S = 2.0  # an operator who copies a folder looks at the page within seconds; one stat a file costs nothing

_Stamp = tuple[tuple[str, int, int, int], ...]


class TrustWatch:
    """Looks at one folder.

    Args:
        folder: It may be missing.
        keeper: Takes what is in it.
    """

    def __init__(self, folder: Path, *, keeper: TrustKeeper) -> None:
        self._folder = folder
        self._keeper = keeper
        self._stamp: _Stamp | None = None

    async def refresh(self) -> None:
        """Import the folder if anything in it changed since the last time."""
        stamp = await asyncio.to_thread(_stamp, self._folder)
        if stamp != self._stamp:
            self._stamp = stamp
            await import_folder(self._folder, keeper=self._keeper)

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            await asyncio.sleep(POLL_S)
            await self.refresh()


def _stamp(folder: Path) -> _Stamp:
    """Return what changes when a file in the folder does; empty: there is no folder."""
    found: list[tuple[str, int, int, int]] = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):  # it went away a moment ago, or is a link to nothing
                stat = path.stat()
                found.append((path.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(found))
