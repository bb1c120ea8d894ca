"""The command line `ehc-city`: arguments, help, output and exit codes; the work is done in the other modules.

Exit codes: 0 done, 1 a check failed or a request cannot be carried out, 2 usage, 70 the store failed, 75 another
program writes the same store, 78 configuration, 130 interrupted.
"""

import argparse
import codecs
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from city import commands, document_commands, reports
from city.authority.keys import REPLACEABLE_ROLES
from city.authority.rosters import COLUMNS_HELP, RosterTableError
from city.errors import AuthorityError
from city.store import CityBusyError, CityStoreError
from city.terminal import write_lines
from edge.errors import ConfigError
from sync.asking import OrderKind

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_STORE = 70
EXIT_BUSY = 75
EXIT_CONFIGURATION = 78
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells say it

_EXAMPLES = """\
examples:
  ehc-city init --node 370881-0042         a city and one node in ./city
  mosquitto -c city/broker/mosquitto.conf  its broker, with TLS and client certificates
  ehc-city serve                           commit what nodes send, answer with receipts
  ehc-city card issue --name 张小雨 --sex 2 --birth 2017-12-25 --qr card.svg
  ehc-city card suspend 3abd8ed61bcbc7ea   then publish, as below
  ehc-city roster import people.csv --node 370881-0042
  ehc-city publish                         nodes that are connected fetch what is new
  ehc-city publish --to /media/usb --node 370881-0042      and for one that is not
  ehc-city order 370881-0042 fetch         tell a node to look now
  ehc-city records --node 370881-0042      what is committed, names masked
  ehc-city check 370881-0042               is the chain whole? exit code 1 if not

The folder is --home, else $EHC_CITY_HOME, else ./city.
"""

_ROTATE_HELP = """\
examples:
  ehc-city root rotate                                     a root before its time runs out, with the same keys
  ehc-city root rotate --replace status --replace receipt  these keys were lost or stolen
  ehc-city root rotate --replace root --root-keys /media/safe

Two of the three former root keys sign. Nodes take the new root step by step, whatever they missed; what was signed
under the former one stays good until `ehc-city publish` has signed it anew, which is to follow at once.
Former keys stay in the folder. Keep every city-encryption*.key: records outlive keys.
"""

_ORDER_HELP = """\
kinds:
  fetch          look for newer documents and lists now
  hello          report itself now
  forget_roster  destroy the roster and its keys; the next publish gives it a new one
examples:
  ehc-city order 370881-0042 fetch
  ehc-city order 370881-0042 forget_roster --expires 10080
  ehc-city order --list
"""

_Command = Callable[[argparse.Namespace], commands.Result]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in both languages, and leaves help as it was laid out."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: 用法错误 usage: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal in GBK or ASCII cannot show every name
    args = parser().parse_args(argv)
    command: _Command = args.run
    try:
        result = command(args)
    except RosterTableError as exc:
        where = f"第 {exc.line} 行，{exc.column} 列有误，未导入任何内容；nothing was imported"
        members = {"error": "roster", "line": exc.line, "column": exc.column}
        return _fail(f"{where}: {exc}", code=EXIT_FAILED, as_json=args.json, members=members)
    except AuthorityError as exc:
        members = {"error": "refused", "why": str(exc)}
        return _fail(f"无法执行 cannot be done: {exc}", code=EXIT_FAILED, as_json=args.json, members=members)
    except ConfigError as exc:
        members = {"error": "config", "where": exc.where, "expected": exc.expected}
        return _fail(f"配置错误 configuration: {exc}", code=EXIT_CONFIGURATION, as_json=args.json, members=members)
    except CityBusyError as exc:
        members = {"error": "busy", "why": str(exc)}
        return _fail(f"已有程序在使用 in use: {exc}", code=EXIT_BUSY, as_json=args.json, members=members)
    except CityStoreError as exc:
        members = {"error": "store", "why": str(exc)}
        return _fail(f"数据库错误 database: {exc}", code=EXIT_STORE, as_json=args.json, members=members)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    write_lines([_json(result.members)] if args.json else result.lines)
    return result.code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="ehc-city",
        description="市级电子健康卡节点（参考实现） the reference city node: keys, cards, signed documents, receipts.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    groups = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _add_city(groups)
    _add_cards(groups)
    _add_documents(groups)
    _add_orders(groups)
    _add_reports(groups)
    return top


_Groups = argparse._SubParsersAction  # noqa: SLF001 - argparse gives its own type no public name


def _leaf(groups: "_Groups[_Parser]", name: str, *, run: _Command, text: str) -> _Parser:
    leaf = groups.add_parser(name, help=text, description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    leaf.add_argument("--home", type=Path, metavar="DIR", help="the city's folder (default: $EHC_CITY_HOME or ./city)")
    leaf.add_argument("--json", action="store_true", help="print one JSON object")
    leaf.set_defaults(run=run)
    return leaf


def _group(groups: "_Groups[_Parser]", name: str, *, text: str) -> "_Groups[_Parser]":
    return groups.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar="ACTION")


def _add_city(groups: "_Groups[_Parser]") -> None:
    init = _leaf(groups, "init", run=commands.init, text="建立城市节点 make a city: keys, certificates, broker, nodes")
    init.add_argument("--city", default="370800", metavar="CODE", help="division code, 6 digits (default: %(default)s)")
    init.add_argument("--org", metavar="CODE", help="issuing organisation (default: made from the city's code)")
    init.add_argument(
        "--broker",
        default="127.0.0.1:8883",
        metavar="HOST:PORT",
        help="where nodes and this city find the broker (default: %(default)s)",
    )
    init.add_argument("--listen", metavar="ADDRESS", help="where the broker listens (default: loopback, or everywhere)")
    init.add_argument(
        "--node", action="append", default=[], metavar="NAME", help="also make this node; may be repeated"
    )
    node = _group(groups, "node", text="节点 nodes: add, list")
    add = _leaf(node, "add", run=commands.node_add, text="新增节点 make one more node's keys, certificate, edge.toml")
    add.add_argument("name", metavar="NAME", help="1..32 letters, digits, hyphens")
    _leaf(node, "list", run=reports.node_list, text="节点列表 every node and how far its records are here")


def _add_cards(groups: "_Groups[_Parser]") -> None:
    card = _group(groups, "card", text="卡 cards: issue, show, list, suspend, revoke, reinstate")
    issue = _leaf(
        card, "issue", run=commands.card_issue, text="发卡 give out a card; the first line printed is its code"
    )
    issue.add_argument("--kind", choices=["static", "holder"], default="static", help="default: %(default)s")
    issue.add_argument("--issuer", type=int, default=1, metavar="N", help="issuer key (default: %(default)s)")
    issue.add_argument("--name", help="printed into the card, with sex and birth")
    issue.add_argument("--sex", type=int, choices=[0, 1, 2, 9], help="GB/T 2261.1 (default: from --id-no)")
    issue.add_argument("--birth", metavar="YYYY-MM-DD", help="(default: from --id-no)")
    issue.add_argument("--id-no", metavar="NUMBER", help="joins the card to the person in rosters; not in the card")
    issue.add_argument("--issued", metavar="YYYY-MM-DD", help="(default: today)")
    issue.add_argument("--days", type=int, default=365, metavar="N", help="good for so long (default: %(default)s)")
    issue.add_argument("--qr", type=Path, metavar="FILE", help="also write the symbol, .svg or .png")
    show = _leaf(card, "show", run=commands.card_show, text="出示 the code as its holder shows it now")
    show.add_argument("ref", metavar="REF", help="16 hex characters")
    show.add_argument("--ago", type=int, default=0, metavar="S", help="as it was shown S seconds ago")
    show.add_argument("--qr", type=Path, metavar="FILE", help="also write the symbol, .svg or .png")
    _leaf(card, "list", run=commands.card_list, text="卡列表 the register, without anybody's name")
    for action, text in (
        ("suspend", "挂失 suspend a card, or a national code by its index"),
        ("revoke", "注销 revoke a card, or a national code by its index"),
        ("reinstate", "恢复 undo either"),
    ):
        leaf = _leaf(card, action, run=commands.card_state, text=text)
        leaf.add_argument("ref", metavar="REF|INDEX", help="16 hex characters; 48 or 64 for a national code")
        leaf.set_defaults(action=action)


def _add_documents(groups: "_Groups[_Parser]") -> None:
    issuer = _group(groups, "issuer", text="发卡机构 issuer keys: list, retire, withdraw")
    _leaf(issuer, "list", run=document_commands.issuer_list, text="the keys this city vouches for")
    for action, text in (
        ("retire", "停止发卡 no new cards; those given out stay good"),
        ("withdraw", "撤销 refuse every card of this key, for ever"),
    ):
        leaf = _leaf(issuer, action, run=document_commands.issuer_state, text=text)
        leaf.add_argument("number", type=int, metavar="N", help="as `issuer list` shows it")
        leaf.set_defaults(action=action)
    roster = _group(groups, "roster", text="名单 rosters: import")
    load = _leaf(
        roster, "import", run=document_commands.roster_import, text="导入名单 a table in place of the node's former one"
    )
    load.epilog = COLUMNS_HELP
    load.add_argument("file", type=Path, metavar="FILE.csv", help="CSV in UTF-8 with a header line")
    load.add_argument("--node", required=True, metavar="NAME", help="whose roster")
    root = _group(groups, "root", text="根文件 root: rotate")
    rotate = _leaf(
        root, "rotate", run=document_commands.root_rotate, text="轮换 the next root, under which nodes take new keys"
    )
    rotate.epilog = _ROTATE_HELP
    rotate.add_argument(
        "--replace",
        action="append",
        default=[],
        choices=REPLACEABLE_ROLES,
        metavar="ROLE",
        help=f"new keys for {', '.join(REPLACEABLE_ROLES)}; may be repeated",
    )
    rotate.add_argument(
        "--root-keys", type=Path, metavar="DIR", help="where root-*.key were taken to (default: the city's keys)"
    )
    publish = _leaf(
        groups, "publish", run=document_commands.publish_all, text="发布 sign issuers, status and rosters anew"
    )
    publish.add_argument("--to", type=Path, metavar="DIR", help="also copy a trust folder, as for a USB stick")
    publish.add_argument("--node", metavar="NAME", help="with --to: this node's roster too")


def _add_orders(groups: "_Groups[_Parser]") -> None:
    order = _leaf(groups, "order", run=_order, text="指令 tell a node to do something once, or list what was told")
    order.epilog = _ORDER_HELP
    order.add_argument("node", nargs="?", metavar="NODE", help="which node; with --list: only this node's")
    order.add_argument(
        "kind", nargs="?", choices=[kind.value for kind in OrderKind], metavar="KIND", help="what to do, see below"
    )
    order.add_argument(
        "--expires",
        type=int,
        default=24 * 60,
        metavar="MINUTES",
        help="a node that hears of it later does nothing (default: %(default)s)",
    )
    order.add_argument("--list", action="store_true", help="show every order and what became of it")
    order.set_defaults(refuse=order.error)


def _add_reports(groups: "_Groups[_Parser]") -> None:
    _leaf(groups, "serve", run=_serve, text="运行 commit what nodes send, answer with receipts; stops on SIGTERM")
    records = _leaf(groups, "records", run=reports.records, text="记录 what is committed, names masked")
    records.add_argument("--node", metavar="NAME", help="only this node's")
    check = _leaf(groups, "check", run=reports.check, text="核对 is a node's chain whole? exit code 1 if not")
    check.add_argument("node", metavar="NODE")
    _leaf(groups, "restored", run=reports.restored, text="已从备份恢复 the ingest store came back from a backup")


def _order(args: argparse.Namespace) -> commands.Result:
    if args.list and args.kind is None:
        return document_commands.order_list(args)
    if args.list or args.kind is None:
        args.refuse("请给出 NODE 和 KIND，或只用 --list give NODE and KIND, or --list alone")
    return document_commands.order_give(args)


def _serve(args: argparse.Namespace) -> commands.Result:
    from city.serve import serve  # brings the MQTT library

    return serve(args)


def _fail(text: str, *, code: int, as_json: bool, members: Mapping[str, Any]) -> int:
    """Say what went wrong on stderr; a program gets it as JSON on stdout, too."""
    print(f"ehc-city: {text}", file=sys.stderr)
    if as_json:
        write_lines([_json({"ok": False, **members})])
    return code


def _json(members: Mapping[str, Any]) -> str:
    """One line; escaped where the terminal's encoding would lose characters."""
    is_utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    return json.dumps(members, ensure_ascii=not is_utf8)


if __name__ == "__main__":
    sys.exit(main())
