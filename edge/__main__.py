"""The command line `ehc-edge`: run, check-config, status, verify, trust, readers (contracts 6).

What a command needs is imported when it runs: judging a code must not wait for the web server. Exit codes: 0 ok, 1 a
check failed, 2 usage, 3 the daemon is unreachable, 70 crash, 75 already running, 78 configuration.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from edge.errors import ConfigError, ReaderCommandError, UnreachableError
from edge.messages import Language, Messages, language_of, load
from edge.readers_options import add_readers
from sync.errors import StoreBusyError

EXIT_OK: Final = 0
EXIT_CHECK_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_BUSY: Final = 75
EXIT_CONFIG: Final = 78
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells say it

DEFAULT_CONFIG: Final = Path("/etc/ehc-edge/edge.toml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    messages = load(_language(given))
    options = _parser(messages).parse_args(given)
    try:
        return int(options.command(options, messages))
    except ConfigError as error:
        return _config_error(error, messages=messages, as_json=options.json)
    except UnreachableError as error:
        _complain(messages.text("error.unreachable", where=error.where), as_json=options.json, error="unreachable")
        return EXIT_UNREACHABLE
    except ReaderCommandError as error:
        return _reader_command_error(error, messages=messages, as_json=options.json)
    except StoreBusyError:
        where = str(options.config)
        _complain(messages.text("error.already_running_here", where=where), as_json=options.json, error="busy")
        return EXIT_BUSY
    except BrokenPipeError:  # the reader of our output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _language(given: Sequence[str]) -> Language:
    """Find `--lang` before the parser is made: its own texts depend on it."""
    early = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    early.add_argument("--lang", type=Language)
    try:
        return early.parse_known_args(given)[0].lang or language_of(os.environ)
    except argparse.ArgumentError:
        return language_of(os.environ)


def _parser(messages: Messages) -> argparse.ArgumentParser:
    def text(name: str, **values: Any) -> str:
        return messages.text(f"cli.{name}", **values).strip("\n")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help=text("help_json"))
    common.add_argument("--lang", choices=[str(language) for language in Language], help=text("help_lang"))
    common.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help=text("help_config", default=str(DEFAULT_CONFIG)),
    )
    parser = argparse.ArgumentParser(
        prog="ehc-edge",
        description=text("description"),
        epilog=text("epilog"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in (("run", _run), ("check-config", _check_config), ("status", _status)):
        about = text("help_" + name.replace("-", "_"))
        commands.add_parser(name, parents=[common], help=about, description=about).set_defaults(command=command)
    commands.choices["status"].add_argument("--link", action="store_true", help=text("help_link"))
    about = text("help_verify")
    verify = commands.add_parser(
        "verify",
        parents=[common],
        help=about,
        description=about,
        epilog=text("verify_epilog"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("--trust", type=Path, metavar="DIR", help=text("help_trust"))
    verify.add_argument("--interval", metavar="LO_MS:HI_MS", help=text("help_interval"))
    verify.add_argument("code", metavar="TEXT|-", help=text("help_code"))
    verify.set_defaults(command=_verify)
    _add_trust(commands, common=common, text=text)
    runs = {
        "list": _readers_list,
        "probe": _readers_probe,
        "test": _readers_test,
        "trace": _readers_trace,
        "record": _readers_record,
        "teach": _readers_teach,
    }
    add_readers(commands, common=common, text=text, run=runs)
    return parser


def _add_trust(commands: Any, *, common: argparse.ArgumentParser, text: Any) -> None:
    about = text("help_trust_command")
    trust = commands.add_parser("trust", help=about, description=about).add_subparsers(metavar="COMMAND", required=True)
    about = text("help_trust_show")
    show = trust.add_parser("show", parents=[common], help=about, description=about)
    show.set_defaults(command=_trust_show)
    about = text("help_trust_import")
    take = trust.add_parser("import", parents=[common], help=about, description=about)
    take.add_argument("folder", type=Path, metavar="DIR", help=text("help_trust_dir"))
    take.set_defaults(command=_trust_import)


def _run(options: argparse.Namespace, messages: Messages) -> int:
    from edge import app, settings

    return app.main(settings.load(options.config), messages=messages, say=_teller(messages, as_json=options.json))


def _check_config(options: argparse.Namespace, messages: Messages) -> int:
    from edge import settings
    from edge.secret_file import read_pin

    checked = settings.load(options.config)
    if os.access(checked.node.key_dir, os.X_OK):  # not so for who may only read the configuration
        read_pin(checked.cards.sam_pin_file, key="cards.sam_pin_file")
    if options.json:
        members = {
            "node": checked.node.name,
            "readers": len(checked.readers),
            "test_keys": checked.node.allow_test_keys,
        }
        _print_json({"ok": True, **members})
    else:
        print(
            messages.text(
                "cli.check_config_ok", where=options.config, node=checked.node.name, readers=len(checked.readers)
            )
        )
        if checked.node.allow_test_keys:
            print(messages.text("status.test_keys"), file=sys.stderr)
    return EXIT_OK


def _status(options: argparse.Namespace, messages: Messages) -> int:
    from edge import control, settings
    from edge.status_text import status_lines

    if _has_no_config(options):
        socket_path = settings.ControlSettings().socket
    else:
        socket_path = settings.load(options.config).control.socket
    try:
        if options.link:
            answer = control.post("/api/v1/link", socket_path=socket_path)
        else:
            answer = control.get("/api/v1/status", socket_path=socket_path)
    except control.NoPageError:
        _complain(messages.text("status.port_taken"), as_json=options.json, error="port_taken")
        return EXIT_CHECK_FAILED
    if options.json:
        _print_json(answer)
    else:
        _print_lines([answer["link"]] if options.link else status_lines(answer, messages=messages))
    return EXIT_OK


def _verify(options: argparse.Namespace, messages: Messages) -> int:
    from edge import verify_command

    if options.trust is None and _has_no_config(options):
        text = messages.text("error.no_config", where=str(DEFAULT_CONFIG))
        _complain(text, as_json=options.json, error="config", where=str(DEFAULT_CONFIG))
        return EXIT_CONFIG
    try:
        judge = verify_command.judge_for(
            trust=options.trust, interval=options.interval, config=options.config, warn=_warner(messages)
        )
        if options.code == "-":
            for line in verify_command.lines_of(sys.stdin.buffer):
                _print_json(judge(line))
        elif options.json:
            _print_json(judge(os.fsencode(options.code)))
        else:
            _print_lines(verify_command.verdict_lines(judge(os.fsencode(options.code)), messages=messages))
    except verify_command.UsageError as error:
        _complain(messages.text(f"error.{error.key}", **error.values), as_json=options.json, error="usage")
        return EXIT_USAGE
    return EXIT_OK


def _trust_show(options: argparse.Namespace, messages: Messages) -> int:
    from edge import settings, trust_command
    from edge.trust_text import trust_lines

    held = trust_command.show(settings.load(options.config))
    if options.json:
        _print_json(held)
    else:
        _print_lines(trust_lines(held, messages=messages))
    return EXIT_OK


def _trust_import(options: argparse.Namespace, messages: Messages) -> int:
    from edge import settings, trust_command
    from edge.trust_text import import_lines

    imported = trust_command.take(options.folder.absolute(), configured=settings.load(options.config))
    if options.json:
        _print_json(imported)
    else:
        _print_lines(import_lines(imported, messages=messages))
    return EXIT_OK if imported["found"] and not imported["problems"] else EXIT_CHECK_FAILED


def _readers_list(options: argparse.Namespace, messages: Messages) -> int:
    from edge import readers_command, settings
    from edge.readers_text import list_lines

    listed = readers_command.list_readers(settings.load(options.config))
    if options.json:
        _print_json(listed)
    else:
        _print_lines(list_lines(listed, messages=messages))
    return EXIT_OK


def _readers_probe(options: argparse.Namespace, messages: Messages) -> int:
    from edge import readers_command, settings
    from edge.readers_text import probe_lines

    configured = None if _has_no_config(options) else settings.load(options.config)
    probed = readers_command.probe(configured, path=options.path, ask=options.ask)
    if options.json:
        _print_json(probed)
    else:
        _print_lines(probe_lines(probed, messages=messages))
    is_there = any(device.get("cause") != "missing" for device in probed["devices"])
    return EXIT_OK if is_there else EXIT_CHECK_FAILED


def _readers_test(options: argparse.Namespace, messages: Messages) -> int:
    from edge import readers_watch, settings
    from edge.readers_text import reading_lines

    picked = readers_watch.pick(settings.load(options.config), options.name)
    tell = _reader_teller(messages, as_json=options.json)
    said = readers_watch.test(picked, seconds=options.seconds, tell=tell)
    if options.json:
        _print_json(said)
    else:
        _print_lines(reading_lines(said, messages=messages))
    return EXIT_OK


def _readers_trace(options: argparse.Namespace, messages: Messages) -> int:
    from edge import readers_watch, settings

    picked = readers_watch.pick(settings.load(options.config), options.name)
    tell = _reader_teller(messages, as_json=options.json)
    readers_watch.trace(picked, seconds=options.seconds, raw=options.raw, tell=tell)
    return EXIT_OK


def _readers_record(options: argparse.Namespace, messages: Messages) -> int:
    from edge import readers_watch, settings

    picked = readers_watch.pick(settings.load(options.config), options.name)
    tell = _reader_teller(messages, as_json=options.json)
    recorded = readers_watch.record(
        picked, options.file, seconds=options.seconds, keep_content=options.keep_content, tell=tell
    )
    if options.json:
        _print_json(recorded)
    return EXIT_OK


def _readers_teach(options: argparse.Namespace, messages: Messages) -> int:
    from drivers.teaching_symbol import drawn
    from edge import readers_teach, settings

    configured = None if _has_no_config(options) else settings.load(options.config)
    reader = readers_teach.target(configured, options.name)
    tell = _reader_teller(messages, as_json=options.json)
    symbol = iter([drawn()])

    def tell_below_code(event: str, /, **members: Any) -> None:
        for shown in symbol if event == "teach_scan" else ():  # once, and not where the port cannot be opened
            print(shown, file=sys.stderr, flush=True)
        tell(event, **members)

    taught = readers_teach.teach(reader, seconds=options.seconds, tell=tell_below_code)
    if options.json:
        _print_json(taught)
    else:
        print(messages.text("readers.learned" if taught["exact"] else "readers.learned_rate"), file=sys.stderr)
        print(taught["toml"], end="")
    if options.write is not None:
        backup = readers_teach.write(options.write, reader, options=taught["options"])
        tell("written", file=str(options.write), backup=str(backup))
    return EXIT_OK


def _has_no_config(options: argparse.Namespace) -> bool:
    """Say whether no configuration was named and none lies where it would."""
    return bool(options.config == DEFAULT_CONFIG and not DEFAULT_CONFIG.exists())


def _teller(messages: Messages, *, as_json: bool) -> Any:
    def tell(event: str, /, **members: str) -> None:
        if as_json:
            _print_json({"event": event, **members})
        else:
            print(messages.text(f"event.{event}", **members), flush=True)

    return tell


def _reader_teller(messages: Messages, *, as_json: bool) -> Any:
    """What a reader sends goes to stdout, what is said beside it to stderr; a program gets all of it as JSON."""
    from edge.readers_text import told_line

    def tell(event: str, /, **members: Any) -> None:
        if as_json:
            _print_json({"event": event, **members})
        else:
            file = sys.stdout if event in {"chunk", "frame"} else sys.stderr
            print(told_line(event, members, messages=messages), file=file, flush=True)

    return tell


def _reader_command_error(error: ReaderCommandError, *, messages: Messages, as_json: bool) -> int:
    words = dict(error.values)
    if "cause" in words and f"lost.{words['cause']}" in messages.keys():  # noqa: SIM118  # a method of ours, no mapping
        words["cause"] = messages.text(f"lost.{words['cause']}")
    _complain(messages.text(f"readers.{error.key}", **words), as_json=as_json, **{"error": error.key, **error.values})
    return EXIT_USAGE if error.is_usage else EXIT_CHECK_FAILED


def _warner(messages: Messages) -> Any:
    def warn(key: str, **values: Any) -> None:
        print(messages.text(f"error.{key}", **values), file=sys.stderr)

    return warn


def _config_error(error: ConfigError, *, messages: Messages, as_json: bool) -> int:
    text = messages.text("error.config", where=error.where, expected=messages.expected(error.expected))
    _complain(text, as_json=as_json, error="config", where=error.where, expected=error.expected)
    return EXIT_CONFIG


def _complain(text: str, *, as_json: bool, **members: str) -> None:
    """Say what went wrong on stderr; a program gets it as JSON on stdout, too."""
    print(text, file=sys.stderr)
    if as_json:
        _print_json({"ok": False, **members})


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


def _print_lines(lines: Iterable[str]) -> None:
    from edge.status_text import shown  # only here: most commands print no lines

    for line in lines:
        print(shown(line))


if __name__ == "__main__":
    sys.exit(main())
