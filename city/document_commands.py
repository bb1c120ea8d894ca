"""What the commands on issuers, rosters, publishing, the root and orders do: arguments in, something to print out.

As in `city.commands`: no printing, no parsing, and personal data in neither the members nor the lines.
"""

import argparse
from collections.abc import Iterator
from typing import Any

from city.authority.issuers import IssuerBook
from city.authority.rosters import RosterBook, read_table
from city.commands import CARRY, NOT_YET, Result, clock_text, day_text, now_ms
from city.errors import AuthorityError
from city.home import home_from
from city.orders import Given, OrderBook
from city.publish import copy_for_node, publish
from city.rotation import rotate_root
from edge.gm import random_bytes, sm3
from edge.trust import IssuerState
from sync import wire
from sync.asking import Order, OrderKind
from sync.fields import ID_BYTES

TABLE_BYTES_MAX = 64 * 1024 * 1024
"""A roster's table: 50,000 people with many doses take a tenth of it."""
ORDER_MINUTES_MAX = 30 * 24 * 60
"""An order is for something that is to happen now; a box that was away for a month has heard of all else."""

_MINUTE_MS = 60_000
_STATE_TEXT = {
    "waiting": "等待 waiting",
    "expired": "已过期 expired",
    "done": "已执行 done",
    "failed": "失败 failed",
}
_ERROR_TEXT = {
    "expires": "节点尚不能确定指令仍有效 the node cannot prove yet that the order is still valid",
    "busy": "节点正在执行其他指令 the node is busy with other orders",
    "full": "节点上的指令记录已满 the node has no room for another order's id",
    "store": "节点无法记下指令编号，未执行 the node could not write the order's id: not run",
    "failed": "节点已执行但未成功，不再重发 the node ran it and did not succeed: not sent again",
    "again": "节点重启前已收到，结果未知 the node had it before a restart: nobody knows what became of it",
}
"""The words of a node (`sync.orders`, `edge.city_documents`); one that is not here is shown as it is."""


def issuer_list(args: argparse.Namespace) -> Result:
    """``issuer list``: the keys this city vouches for."""
    with home_from(args.home).authority() as database:
        rows = IssuerBook(database).issuers()
    issuers = [
        {
            "issuer": number,
            "kid": sm3(bytes.fromhex(row.key))[:4].hex(),
            "org": row.org,
            "list": row.status_list,
            "state": row.state.value,
            "not_before": day_text(row.not_before),
            "not_after": day_text(row.not_after),
        }
        for number, row in rows.items()
    ]
    lines = ["  ".join(str(value) for value in row.values()) for row in issuers]
    return Result(members={"issuers": issuers}, lines=lines)


def issuer_state(args: argparse.Namespace) -> Result:
    """``issuer retire`` and ``withdraw``."""
    state = {"retire": IssuerState.RETIRED, "withdraw": IssuerState.WITHDRAWN}[args.action]
    with home_from(args.home).authority() as database:
        IssuerBook(database).set_state(args.number, state=state)
    line = f"issuer {args.number} {state.value}"
    return Result(members={"issuer": args.number, "state": state.value}, lines=[line, *NOT_YET])


def roster_import(args: argparse.Namespace) -> Result:
    """``roster import``: a table in place of the node's former one."""
    home = home_from(args.home)
    node = home.node(args.node)
    try:
        if args.file.stat().st_size > TABLE_BYTES_MAX:
            raise AuthorityError(f"{args.file.name}: larger than {TABLE_BYTES_MAX} bytes")
        text = args.file.read_text(encoding="utf-8")
    except OSError as exc:
        raise AuthorityError(f"{args.file.name}: cannot be read") from exc
    except UnicodeDecodeError:
        raise AuthorityError(f"{args.file.name}: not UTF-8 (in a spreadsheet: save as CSV UTF-8)") from None
    residents = read_table(text)
    with home.authority() as database:
        RosterBook(database).replace(node.name, residents=residents)
    line = f"{node.name}: {len(residents)} 人 people"
    return Result(members={"node": node.name, "people": len(residents)}, lines=[line, *NOT_YET])


def publish_all(args: argparse.Namespace) -> Result:
    """``publish``: sign everything anew; with ``--to`` also copy a trust folder."""
    home = home_from(args.home)
    if args.node is not None:
        home.node(args.node)
    published = publish(home, now_ms=now_ms())
    members: dict[str, Any] = {
        "issuers": published.issuers,
        "status": published.status,
        "rosters": dict(published.rosters),
        "folder": str(home.published),
    }
    lines = [
        f"issuers v{published.issuers}  status v{published.status}  in {home.published}",
        *(f"roster {node}: {count} 条 records" for node, count in published.rosters.items()),
    ]
    if args.to is not None:
        copy_for_node(home, args.to, node=args.node)
        members["copied_to"] = str(args.to)
        lines.append(
            f"已复制 copied to {args.to}: 请将其内容拷入节点的名单文件夹 carry its files into the node's trust folder"
        )
    else:
        lines += CARRY
    return Result(members=members, lines=lines)


def root_rotate(args: argparse.Namespace) -> Result:
    """``root rotate``: the next root, with new keys for the roles that are named."""
    home = home_from(args.home)
    rotated = rotate_root(home, replace=set(args.replace), root_keys=args.root_keys, now_ms=now_ms())
    lines = [
        f"root v{rotated.version}  in {home.published}",
        *(f"新密钥 new key: {role}" for role in rotated.replaced),
        "请运行 `ehc-city publish` 用新的根文件重新签名 sign everything anew with `ehc-city publish`",
    ]
    if "root" in rotated.replaced:
        folder = args.root_keys or home.path / "keys"
        lines.append(f"请将 root-*.key 移至离线保管 take {folder}/root-*.key off this machine")
    return Result(members={"root": rotated.version, "replaced": list(rotated.replaced)}, lines=lines)


def order_give(args: argparse.Namespace) -> Result:
    """``order NODE KIND``: a signed order where `serve` finds it."""
    home = home_from(args.home)
    node = home.node(args.node).name
    if not 1 <= args.expires <= ORDER_MINUTES_MAX:
        raise AuthorityError(f"--expires: 1 to {ORDER_MINUTES_MAX} minutes")
    made_at_ms = now_ms()
    order = Order(
        node=node,
        id=random_bytes(ID_BYTES),
        kind=OrderKind(args.kind),
        expires_ms=made_at_ms + args.expires * _MINUTE_MS,
    )
    key = home.keys.role("config")
    frame = wire.encode_frame(wire.FrameType.ORDER, order.to_payload(), sign=key.sign, keyid=key.public.keyid)
    OrderBook(home.orders).add(order, frame=frame, now_ms=made_at_ms)
    lines = [
        f"{order.id.hex()}  {node}  {order.kind.value}",
        "由 `ehc-city serve` 下发，结果见 `ehc-city order --list` sent by `ehc-city serve`; "
        "`ehc-city order --list` shows what became of it",
    ]
    return Result(
        members={"id": order.id.hex(), "node": node, "kind": order.kind.value, "expires": order.expires_ms}, lines=lines
    )


def order_list(args: argparse.Namespace) -> Result:
    """``order --list``: every order, and what became of it."""
    home = home_from(args.home)
    home.settings()
    orders = [dict(_order_members(given, now_ms=now_ms())) for given in OrderBook(home.orders).orders()]
    if args.node is not None:
        orders = [row for row in orders if row["node"] == args.node]
    lines = [
        f"{row['id']}  {row['node']}  {row['kind']}  {clock_text(row['made_at'])}  {_STATE_TEXT[row['state']]}"
        + (f"  {_ERROR_TEXT.get(row['error'], row['error'])}" if row.get("error") else "")
        for row in orders
    ]
    return Result(members={"orders": orders}, lines=lines or ["尚无指令 no order was given"])


def _order_members(given: Given, *, now_ms: int) -> Iterator[tuple[str, Any]]:
    order, outcome = given.order, given.outcome
    yield from {"id": order.id.hex(), "node": order.node, "kind": order.kind.value}.items()
    yield from {"made_at": given.made_at_ms, "expires": order.expires_ms}.items()
    if outcome is None:
        yield "state", "waiting" if given.is_open(now_ms) else "expired"
        return
    is_final = outcome.is_final or not given.is_open(now_ms)
    yield "state", "done" if outcome.ok else "failed" if is_final else "waiting"
    yield "answered_at", outcome.at_ms
    if outcome.error is not None:
        yield "error", outcome.error
