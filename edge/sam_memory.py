"""Which SAMs refused the configured PIN, across restarts: a SAM counts wrong PINs and locks itself for ever.

A box that is switched off every evening would use up three tries in three days. The file holds one line for each
refusal, a keyed digest of number and PIN: it tells nobody either, and a new PIN is tried at once.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from edge.durable_file import replace_file
from edge.fault import describe

LINES_MAX = 64  # more SAMs than one box ever sees
FILE_BYTES_MAX = 8_192
_LINE_CHARS = 64

_log = logging.getLogger(__name__)


class SamMemory:
    """The refusals of one PIN.

    Args:
        path: The file; its folder exists.
        digest: Keyed digest of a SAM's number together with the PIN, 32 bytes; the key lies elsewhere.
    """

    def __init__(self, path: Path, *, digest: Callable[[str], bytes]) -> None:
        self._path = path
        self._digest = digest
        self._lines = _read(path)

    def has_refused(self, sam_no: str) -> bool:
        """Whether this SAM did not take this PIN, in this run or an earlier one."""
        return self._digest(sam_no).hex() in self._lines

    def note_refused(self, sam_no: str) -> None:
        """Remember it, durably before this returns where the disk allows; the next start may try once where not."""
        line = self._digest(sam_no).hex()
        self._lines = [*(each for each in self._lines if each != line), line][-LINES_MAX:]
        try:
            replace_file(self._path, "".join(f"{each}\n" for each in self._lines).encode(), mode=0o600)
        except OSError as error:
            _log.error("the refusal of a SAM's PIN is not stored: %s", describe(error))


def _read(path: Path) -> list[str]:
    """Return the lines of the file; one that is damaged names no SAM."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX)
    except OSError:
        return []
    lines = data.decode("ascii", errors="replace").split("\n")
    return [line for line in lines if len(line) == _LINE_CHARS][-LINES_MAX:]
