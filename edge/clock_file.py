"""The durable floor: a time that has certainly passed, with the boot that proved it, in a small file (contracts 4).

It lies outside every cache, and only what the interval proved is ever put into it. Nothing lowers a floor but a root:
one moved years ahead by a flipped bit would expire every card for good. So the line carries its own SM3, and whatever
is not byte for byte what this module writes counts as damaged, which the operator is told of.
"""

from collections.abc import Callable
from pathlib import Path

from edge.clock import Mark, SavedFloor
from edge.durable_file import replace_file
from edge.gm import sm3

FLOOR_MS_MAX = (1_577_808_000 + 2**32) * 1000  # E + 2**32 s: no presentation can be shown later (contracts 1)
MODE = 0o600

_AT_B_NS_MAX = 2**63 - 1  # what the kernel counts nanoseconds in
_BOOT_ID_BYTES = 16
_FILE_BYTES_MAX = 256


def read(path: Path, *, report: Callable[[str], None]) -> SavedFloor | None:
    """Return what was saved; None: nothing was, or it cannot be believed.

    Args:
        path: The file.
        report: Told why a file that is there is not believed: ``damaged`` or ``unreadable``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError:
        report("unreadable")
        return None
    saved = parse(data)
    if saved is None:
        report("damaged")
    return saved


def write(path: Path, saved: SavedFloor) -> None:
    """Put a floor in place of the one before; whenever the power goes, one of the two is there, whole.

    Raises:
        OSError: It is not sure to be saved; the former one may stand.
    """
    replace_file(path, encode(saved), mode=MODE)


def encode(saved: SavedFloor) -> bytes:
    """Return the line: version, F in Unix milliseconds, bF in nanoseconds, boot id, SM3 of all before it."""
    line = b"1 %d %d %s " % (saved.floor.time_ms, saved.floor.at_b_ns, saved.boot_id.hex().encode())
    return line + sm3(line).hex().encode() + b"\n"


def parse(data: bytes) -> SavedFloor | None:
    """Return the floor of a line; None: it is not exactly a line that `encode` makes, or out of all bounds."""
    if len(data) > _FILE_BYTES_MAX:
        return None
    try:
        _, time_ms, at_b_ns, boot_id, _ = data.decode("ascii").split(" ")
        floor = Mark(time_ms=int(time_ms), at_b_ns=int(at_b_ns))
        saved = SavedFloor(floor=floor, boot_id=bytes.fromhex(boot_id))
    except ValueError:
        return None
    is_bounded = 0 <= floor.time_ms <= FLOOR_MS_MAX and 0 <= floor.at_b_ns <= _AT_B_NS_MAX
    is_whole = is_bounded and len(saved.boot_id) == _BOOT_ID_BYTES and encode(saved) == data
    return saved if is_whole else None
