"""What `ehc-edge readers ...` takes on the command line; the parser alone, so that other commands start as fast."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

TEST_S: Final = 30.0
TRACE_S: Final = 600.0
RECORD_S: Final = 60.0
TEACH_S: Final = 120.0
SECONDS_MAX: Final = 86_400.0

Command = Callable[..., int]
Text = Callable[..., str]


def add_readers(commands: Any, *, common: argparse.ArgumentParser, text: Text, run: Mapping[str, Command]) -> None:
    """Add the commands to a parser.

    Args:
        commands: The subparsers of `ehc-edge`.
        common: The options of every command.
        text: A text of the group ``cli``, by its name.
        run: What each command runs, by its name.
    """
    about = text("help_readers")
    readers = commands.add_parser(
        "readers",
        help=about,
        description=about,
        epilog=text("readers_epilog"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).add_subparsers(metavar="COMMAND", required=True)

    def add(name: str) -> argparse.ArgumentParser:
        about = text(f"help_readers_{name}")
        parser: argparse.ArgumentParser = readers.add_parser(name, parents=[common], help=about, description=about)
        parser.set_defaults(command=run[name])
        return parser

    add("list")
    probe = add("probe")
    probe.add_argument("path", nargs="?", metavar="PATH", help=text("help_readers_path"))
    probe.add_argument("--ask", action="store_true", help=text("help_readers_ask"))
    for name, seconds in (("test", TEST_S), ("trace", TRACE_S), ("record", RECORD_S), ("teach", TEACH_S)):
        parser = add(name)
        about = text("help_readers_name_or_path" if name == "teach" else "help_readers_name")
        parser.add_argument("name", metavar="NAME|PATH" if name == "teach" else "NAME", help=about)
        parser.add_argument(
            "--seconds",
            type=_seconds,
            default=seconds,
            metavar="S",
            help=text("help_readers_seconds", default=f"{seconds:g}"),
        )
    readers.choices["trace"].add_argument("--raw", action="store_true", help=text("help_readers_raw"))
    record = readers.choices["record"]
    record.add_argument("file", type=Path, metavar="FILE", help=text("help_readers_file"))
    record.add_argument("--keep-content", action="store_true", help=text("help_readers_keep"))
    readers.choices["teach"].add_argument("--write", type=Path, metavar="FILE", help=text("help_readers_write"))


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= SECONDS_MAX:
        raise ValueError(text)
    return seconds
