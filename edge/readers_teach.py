"""`ehc-edge readers teach`: show a known code, read it once, and learn how the scanner talks.

The rates are tried one after the other until something comes that can be understood. What was learned is printed for
the configuration; with ``--write`` it is put there, the old file kept beside it.
"""

import asyncio
import itertools
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from drivers import teaching
from drivers.errors import ReaderLostError
from drivers.framing.framer import FRAME_BYTES_MAX
from drivers.teaching import Learned
from drivers.transport.serial_port import SerialParameters, SerialPort
from edge import settings
from edge.durable_file import replace_file
from edge.errors import ConfigError, ReaderCommandError
from edge.readers_command import device_of, new_name, toml_block, toml_value
from edge.readers_watch import Tell, lost_error
from edge.settings import ReaderSettings, Settings

RATE_S: Final = 12.0
"""At one rate: time to lift the scanner and press; a code at a wrong rate still arrives as rubbish, and is noticed."""

SILENT_S: Final = 0.5  # ends a scan; an adapter hands over every 16 ms, a slow scanner pauses 0.1 s
TYPE: Final = "serial-scanner"
BACKUP_SUFFIX: Final = ".before-teach"

# What a lesson says anew: of these, only those that differ from their default are written.
_LEARNED_KEYS: Final = (
    *("baud", "bytesize", "parity", "stopbits", "framing", "terminator", "encoding", "prefix", "suffix", "lrc"),
    *("length_bytes", "length_order"),
)
_HEADER = re.compile(r"\s*\[")
_NAME = re.compile(r"\s*name\s*=\s*[\"']([^\"']*)[\"']")


def target(configured: Settings | None, name_or_path: str) -> ReaderSettings:
    """Return the reader to teach: a configured one, or a new one on a device file.

    Raises:
        ReaderCommandError: Neither a name nor a path, or a type of reader that cannot be taught.
    """
    wanted = os.path.realpath(name_or_path) if name_or_path.startswith("/") else None
    for reader in () if configured is None else configured.readers:
        device = device_of(reader)
        is_it = wanted is not None and device is not None and os.path.realpath(device) == wanted
        if is_it or reader.name == name_or_path:
            if reader.type != TYPE or device is None:
                raise ReaderCommandError("not_teachable", is_usage=True, name=reader.name)
            return reader
    if not name_or_path.startswith("/"):
        known = ", ".join(reader.name for reader in configured.readers) if configured else "-"
        raise ReaderCommandError("no_such_reader", is_usage=True, name=name_or_path, known=known or "-")
    taken = {reader.name for reader in configured.readers} if configured else set()
    return ReaderSettings(name=new_name("scanner", taken=taken), type=TYPE, options={"port": name_or_path})


def teach(reader: ReaderSettings, *, seconds: float, tell: Tell, rate_s: float = RATE_S) -> dict[str, Any]:
    """Have the shown code scanned and return what to write.

    Raises:
        ReaderCommandError: The port cannot be opened, or nothing was learned in time.
    """
    try:
        learned = asyncio.run(_learned(str(device_of(reader)), seconds=seconds, tell=tell, rate_s=rate_s))
    except ReaderLostError as lost:
        raise lost_error(reader, cause=lost.cause) from lost
    if learned is None:
        raise ReaderCommandError("not_learned", name=reader.name, seconds=f"{seconds:g}")
    options = taught(reader.options, learned=learned)
    block = toml_block(reader.name, reader_type=TYPE, options=options)
    return {
        "ok": True,
        "name": reader.name,
        "exact": learned.is_exact,
        "learned": learned.options(),
        "options": options,
        "toml": block,
    }


def taught(options: Mapping[str, Any], *, learned: Learned) -> dict[str, Any]:
    """Return a reader's options with what was learned in place of what stood there, a model's defaults included."""
    kept = {key: value for key, value in options.items() if key not in _LEARNED_KEYS}
    if "model" not in kept:
        return kept | learned.options()
    every = {key: getattr(learned, key) for key in _LEARNED_KEYS if hasattr(learned, key)}
    return kept | every | learned.options()


def write(path: Path, reader: ReaderSettings, *, options: Mapping[str, Any]) -> Path:
    """Put a reader's options into a configuration, which stays usable; return the old file, kept beside it.

    Args:
        path: The configuration.
        reader: Which reader; one that is not in the file is added at its end.
        options: All of its options.

    Raises:
        ConfigError: The file cannot be read, or would not be usable.
        ReaderCommandError: The file is written so that it must be changed by hand, or cannot be written.
    """
    before = _text(path)
    after = with_options(before, reader=reader, options=options)
    checked = settings.parse(after.encode(), where=str(path))
    if {one.name: one.options for one in checked.readers}.get(reader.name) != dict(options):
        raise ReaderCommandError("write_by_hand", file=str(path))
    backup = _free_name(path)
    try:
        was = path.stat()
        for file, text in ((backup, before), (path, after)):
            replace_file(file, text.encode(), mode=was.st_mode & 0o777)
            os.chown(file, was.st_uid, was.st_gid)  # under sudo: the daemon's account must be able to read it still
    except OSError as error:
        raise ReaderCommandError("file_failed", file=str(path), cause=os.strerror(error.errno or 0)) from error
    return backup


def with_options(text: str, *, reader: ReaderSettings, options: Mapping[str, Any]) -> str:
    """Return a configuration in which a reader has these options; every other line stays as it is.

    Raises:
        ReaderCommandError: The reader's block is not written as tables with one key a line.
    """
    lines = text.splitlines()
    block = _block_of(lines, name=reader.name)
    if block is None:
        return text.rstrip("\n") + "\n\n" + toml_block(reader.name, reader_type=TYPE, options=dict(options))
    start = next((at for at in block if lines[at].strip() == "[readers.options]"), None)
    if start is None:
        raise ReaderCommandError("write_by_hand", file=reader.name)
    inside = range(start + 1, next((at for at in range(start + 1, len(lines)) if _HEADER.match(lines[at])), len(lines)))
    simple = {key for key, value in options.items() if isinstance(value, str | int | bool)}
    replaced = simple | set(_LEARNED_KEYS)
    kept = [lines[at] for at in inside if _key_of(lines[at]) not in replaced]
    new = [f"{key} = {toml_value(value)}" for key, value in options.items() if key in simple]
    return "\n".join([*lines[: start + 1], *new, *kept, *lines[inside.stop :]]) + "\n"


def _block_of(lines: list[str], *, name: str) -> range | None:
    """The lines of the block of a reader, from its ``[[readers]]`` to the next array of tables or other table."""
    starts = [at for at, line in enumerate(lines) if line.strip() == "[[readers]]"]
    for start in starts:
        end = next((at for at in range(start + 1, len(lines)) if _ends_block(lines[at])), len(lines))
        if any((found := _NAME.match(lines[at])) and found[1] == name for at in range(start + 1, end)):
            return range(start, end)
    return None


def _ends_block(line: str) -> bool:
    return _HEADER.match(line) is not None and not line.strip().startswith("[readers.")


def _key_of(line: str) -> str:
    return line.partition("=")[0].strip() if "=" in line and not line.lstrip().startswith("#") else ""


async def _learned(path: str, *, seconds: float, tell: Tell, rate_s: float) -> Learned | None:
    """Try the rates in turn; what is understood but for its frame is asked for once more at the rate found."""
    limit_s = time.monotonic() + seconds
    rates = itertools.cycle(teaching.READ_BAUDS)
    rate, certain = next(rates), None
    while (left_s := limit_s - time.monotonic()) > 0:
        received = await _received(path, baud=rate, timeout_s=min(left_s, rate_s), tell=tell)
        learned = teaching.learn(received, read_baud=rate) if received else None
        if learned is not None and learned.is_exact:
            return learned
        if learned is not None:
            certain, rate = learned, learned.baud
            tell("teach_again", baud=str(rate))
        else:
            rate = next(rates)
            tell("teach_unclear" if received else "teach_silent", baud=str(rate))
    return certain


async def _received(path: str, *, baud: int, timeout_s: float, tell: Tell) -> bytes:
    """Return what comes in one scan, or nothing; it is asked for once the port is open."""
    async with SerialPort(SerialParameters(path=path, baud=baud)) as port:
        tell("teach_scan", baud=str(baud), seconds=f"{timeout_s:.0f}")
        received = await port.read(timeout_s=timeout_s)
        while received and len(received) < FRAME_BYTES_MAX and (more := await port.read(timeout_s=SILENT_S)):
            received += more
    return received[:FRAME_BYTES_MAX]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(str(path), expected="a file that is there") from error
    except OSError as error:
        raise ConfigError(str(path), expected="a file that this account can read") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), expected="text in UTF-8") from error


def _free_name(path: Path) -> Path:
    """A name for the old file that no older one has."""
    first = path.with_name(path.name + BACKUP_SUFFIX)
    later = (path.with_name(f"{path.name}{BACKUP_SUFFIX}.{count}") for count in range(2, 10_000))
    return next(name for name in (first, *later) if not name.exists())
