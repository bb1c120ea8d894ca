"""What each command of `ehc-city` does: arguments in, something to print out. No printing, no parsing here.

Every result has the members that ``--json`` prints and the lines a person reads. Personal data are masked in both, save
where a command's very purpose is a card's code.
"""

import argparse
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from city.authority.cards import Card, CardKind, CardRegister, Holder
from city.authority.documents import day_of
from city.authority.issuers import IssuerBook
from city.errors import AuthorityError
from city.founding import add_node, check_node_names, found_city, new_folder
from city.home import CitySettings, home_from
from city.publish import publish
from edge.ehc_code import EPOCH_S
from edge.errors import ConfigError
from edge.identity import birth_of, sex_of, valid_id_number
from edge.status_list import CardState

CHINA = timezone(timedelta(hours=8))
"""The one time zone of days and clocks that people read."""

_DAY = timedelta(days=1)
_WALL_MS_MAX = 253_370_764_800_000  # 9999-01-01: what a date can say
_DAY_LAST = 65_535  # contracts 1: days stand in two bytes
_BIRTH_FIRST = date(1900, 1, 1)
CARRY = (
    "在线节点会自行下载；离线节点请用 `ehc-city publish --to DIR --node NAME` 导出并拷入",
    "nodes that are connected fetch it by themselves; for others carry a folder: "
    "`ehc-city publish --to DIR --node NAME`",
)
"""How what is published reaches a node."""
NOT_YET = (
    "尚未生效，节点取得下一次 `ehc-city publish` 的名单后生效 "
    "takes effect at a node once it has the lists of the next `ehc-city publish`",
    *CARRY,
)
"""For commands that change what is published next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a command has to say.

    Attributes:
        members: For ``--json``.
        lines: For people.
        code: Exit code: 0, or 1 for a check that failed.
    """

    members: Mapping[str, Any]
    lines: Sequence[str] = field(repr=False)
    code: int = 0


def init(args: argparse.Namespace) -> Result:
    """``init``: a new city and its first nodes."""
    home = home_from(args.home)
    host, port = _host_and_port(args.broker)
    settings = CitySettings(city=args.city, org=args.org or f"{args.city}H0001", broker_host=host, broker_port=port)
    check_node_names(args.node)
    with new_folder(home):
        found_city(home, settings=settings, now_ms=now_ms(), listen=args.listen)
        nodes = {name: str(add_node(home, name)) for name in args.node}
        publish(home, now_ms=now_ms())
    members = {"home": str(home.path), "city": args.city, "broker": f"{host}:{port}", "nodes": nodes}
    lines = [
        f"城市节点已建立 city {args.city} made in {home.path}",
        f"broker: mosquitto -c {home.broker / 'mosquitto.conf'}",
        *(f"node {name}: {folder}" for name, folder in nodes.items()),
        f"请将 root-*.key 移至离线保管 take {home.path / 'keys'}/root-*.key off this machine",
    ]
    return Result(members=members, lines=lines)


def node_add(args: argparse.Namespace) -> Result:
    """``node add``: the files of one more node."""
    home = home_from(args.home)
    folder = add_node(home, args.name)
    return Result(members={"node": args.name, "folder": str(folder)}, lines=[f"node {args.name}: {folder}"])


def card_issue(args: argparse.Namespace) -> Result:
    """``card issue``: one card; its code is the output."""
    home = home_from(args.home)
    id_no = None if args.id_no is None else args.id_no.upper()
    if id_no is not None and not valid_id_number(id_no):
        raise AuthorityError("--id-no: 18 characters with a right check digit (GB 11643)")
    holder = _holder(args, id_no=id_no)
    issued, expiry = _validity(args)
    if args.qr is not None:
        _check_picture(args.qr)  # a card that was given out cannot be taken back
    with home.authority() as database:
        card = CardRegister(database).issue(
            CardKind(args.kind),
            issuer=args.issuer,
            row=IssuerBook(database).issuer(args.issuer),
            key=home.keys.issuer(args.issuer),
            issued_day=issued,
            expiry_day=expiry,
            holder=holder,
            id_no=id_no,
        )
    if args.qr is not None:
        try:
            _picture(args.qr, text=card.text)
        except AuthorityError as exc:
            ref = card.ref.hex()
            raise AuthorityError(f"{exc}; 卡已发出 the card is issued: `card show {ref} --qr FILE` makes it") from exc
    return Result(members=_card_members(card) | {"code": card.text}, lines=[card.text, f"# {_card_line(card)}"])


def card_show(args: argparse.Namespace) -> Result:
    """``card show``: the code as its holder shows it now, signed anew each time for a holder card."""
    with home_from(args.home).authority() as database:
        card = CardRegister(database).find(args.ref.lower())
    text = card.show(now_ms() - 1000 * args.ago)
    if args.qr is not None:
        _picture(args.qr, text=text)
    return Result(members=_card_members(card) | {"code": text}, lines=[text])


def card_list(args: argparse.Namespace) -> Result:
    """``card list``: the register without anybody's name."""
    with home_from(args.home).authority() as database:
        cards = CardRegister(database).cards()
    return Result(
        members={"cards": [_card_members(card) for card in cards]}, lines=[_card_line(card) for card in cards]
    )


def card_state(args: argparse.Namespace) -> Result:
    """``card suspend``, ``revoke`` and ``reinstate``; reaches a node with the next published folder it gets."""
    state = {"suspend": CardState.SUSPENDED, "revoke": CardState.REVOKED, "reinstate": CardState.VALID}[args.action]
    with home_from(args.home).authority() as database:
        what = CardRegister(database).set_state(args.ref, state=state)
    return Result(members={"kind": what, "state": state.value}, lines=[f"{state.value}（{what}）", *NOT_YET])


def now_ms() -> int:
    """The city's clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000


def day_text(day: int) -> str:
    """A day counted from E, as people write it."""
    return (datetime.fromtimestamp(EPOCH_S, UTC).astimezone(CHINA) + day * _DAY).date().isoformat()


def clock_text(wall_ms: int | None) -> str:
    """A moment as people read it, to the second; a node may have sent any number.

    Args:
        wall_ms: Unix milliseconds.
    """
    if wall_ms is None:
        return "-"
    if not 0 <= wall_ms < _WALL_MS_MAX:
        return "?"
    moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=wall_ms // 1000)
    return moment.astimezone(CHINA).isoformat()


def _host_and_port(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?P<host>[^:\s]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})", text)
    if match is None:
        raise ConfigError("--broker", expected="HOST:PORT")
    return match["host"].strip("[]"), int(match["port"])


def _validity(args: argparse.Namespace) -> tuple[int, int]:
    """First and last day of a card, since E."""
    issued = day_of(now_ms()) if args.issued is None else _day(args.issued, option="--issued")
    if not 0 <= issued <= _DAY_LAST:
        raise AuthorityError(f"--issued: {day_text(0)} to {day_text(_DAY_LAST)}")
    if not 0 <= args.days <= _DAY_LAST - issued:
        raise AuthorityError(
            f"--days: 0 to {_DAY_LAST - issued}, for a card ends on {day_text(_DAY_LAST)} at the latest"
        )
    return issued, issued + args.days


def _day(text: str, *, option: str) -> int:
    """Days since E of a date as a person in China means it."""
    try:
        moment = datetime.combine(date.fromisoformat(text), datetime.min.time(), tzinfo=CHINA)
    except ValueError:
        raise AuthorityError(f"{option}: a day that exists, as YYYY-MM-DD") from None
    return day_of(int(moment.timestamp() * 1000))


def _holder(args: argparse.Namespace, *, id_no: str | None) -> Holder | None:
    """What is printed into the card; sex and birth may come from the identity number."""
    sex = args.sex if args.sex is not None else id_no and sex_of(id_no)
    try:
        birth = date.fromisoformat(args.birth) if args.birth is not None else id_no and birth_of(id_no)
    except ValueError:
        raise AuthorityError("--birth: a day that exists, as YYYY-MM-DD") from None
    if birth and not 0 <= (birth - _BIRTH_FIRST).days <= _DAY_LAST:
        option = "--id-no: a birth" if args.birth is None else "--birth:"
        raise AuthorityError(f"{option} from {_BIRTH_FIRST} to {_BIRTH_FIRST + _DAY_LAST * _DAY}")
    if args.name is None:
        return None
    if sex is None or not birth:
        raise AuthorityError("--name needs --sex and --birth, or --id-no")
    return Holder(name=args.name, sex=int(sex), birth=birth)


def _check_picture(path: Path) -> None:
    from city.authority.qr import check_picture  # the only part that needs the extra

    check_picture(path)


def _picture(path: Path, *, text: str) -> None:
    from city.authority.qr import write_picture  # the only part that needs the extra

    write_picture(path, text)


def _card_members(card: Card) -> dict[str, Any]:
    return {
        "ref": card.ref.hex(),
        "list": card.status_list,
        "index": card.index,
        "issuer": card.issuer,
        "kind": card.kind.value,
        "issued": day_text(card.issued_day),
        "expires": day_text(card.expiry_day),
        "state": card.state.value,
    }


def _card_line(card: Card) -> str:
    members = _card_members(card)
    return (
        f"ref {members['ref']}  {members['list']}[{card.index}]  {members['kind']}  {members['issued']}"
        f"..{members['expires']}  {members['state']}"
    )
