"""The epoch number in a small file outside the database (contracts 5.4).

It is written before the database learns of a new epoch, so that a database put back from a backup, or made anew, can
never use an epoch again that the city has already seen.
"""

from pathlib import Path
from typing import Final

from sync.chain import EPOCH_MAX
from sync.errors import StoreError
from sync.whole_file import replace_whole

_DIGITS_MAX: Final = 10


class EpochFile:
    """One decimal number in one file.

    Args:
        path: The file; `PATH.new` beside it exists only while it is being replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """The highest epoch ever opened here; 0 if there is no file or no number in it.

        Raises:
            StoreError: The file is there and cannot be read.
        """
        try:
            text = self._path.read_bytes()[: _DIGITS_MAX + 1].strip()
        except FileNotFoundError:
            return 0
        except OSError as exc:
            raise StoreError(f"epoch file: {exc.strerror}") from exc
        # A file without a number is a disk fault; the city's `top` still keeps old epochs from being used again.
        if not text.isdigit() or len(text) > _DIGITS_MAX:
            return 0
        return int(text) if int(text) <= EPOCH_MAX else 0

    def write(self, epoch: int) -> None:
        """Replace the number; it is on disk when this returns.

        Raises:
            StoreError: It could not be written; the former number stands.
        """
        replace_whole(self._path, b"%d\n" % epoch, called="epoch file")
