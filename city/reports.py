"""What the operator asks of the ingest store: nodes, committed records, whether a chain is whole. Reads only.

All of it may run while `ehc-city serve` writes. Names are masked; words that a node sent are shown only if they are
words, so that nobody's terminal obeys them.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from city.check import EpochReport, check_epoch
from city.commands import Result, clock_text, now_ms
from city.home import Home, home_from
from city.ingest_store import SqliteIngestStore
from city.opening import KeyRing, members_of
from city.received import PlacedRecord
from edge.identity import mask_name


def node_list(args: argparse.Namespace) -> Result:
    """``node list``: every node made, and what the ingest store knows of it."""
    home = home_from(args.home)
    nodes = []
    with _received(home) as store:
        heard = store.nodes()
        for node in home.nodes():
            marks = store.marks(node.name)
            nodes.append(
                {
                    "node": node.name,
                    "keyid": node.signing.keyid.hex(),
                    "heard": node.name in heard,
                    "cloned_at": heard.get(node.name),
                    "epoch": max(marks, default=0),
                    "acked": marks[max(marks)].acked if marks else 0,
                    "quarantined": store.quarantined(node.name),
                }
            )
    lines = [
        f"{row['node']:<32} {row['keyid']}  epoch {row['epoch']}  acked {row['acked']}"
        + ("  疑似克隆 CLONED" if row["cloned_at"] else "")
        for row in nodes
    ]
    return Result(members={"nodes": nodes}, lines=lines)


def records(args: argparse.Namespace) -> Result:
    """``records``: what is committed, opened, names masked."""
    home = home_from(args.home)
    ring = KeyRing(home.keys.decryption())
    rows: list[dict[str, Any]] = []
    with _received(home) as store:
        for node in [args.node] if args.node else store.nodes():
            rows.extend(_record_members(placed, node=node, ring=ring, store=store) for placed in store.placed(node))
    lines = [
        f"{row['node']}  {row['epoch']}/{row['seq']}  {row['id']}  {clock_text(row.get('wall_ms'))}"
        f"  {row.get('kind', row['state'])}  {row.get('step', '-')}  {row.get('reader', '-')}"
        f"  {row.get('carrier', '-')}  {row.get('outcome', '-')}  {row.get('reason', '-')}  {row.get('name', '-')}"
        for row in rows
    ]
    return Result(members={"records": rows}, lines=lines)


def check(args: argparse.Namespace) -> Result:
    """``check``: the chain of a node computed anew; exit code 1 where it breaks."""
    home = home_from(args.home)
    home.node(args.node)
    with _received(home) as store:
        reports = [
            check_epoch(
                epoch,
                node=args.node,
                mark=mark,
                places=store.bodies(args.node, epoch=epoch),
                claims=store.claims(args.node, epoch=epoch),
            )
            for epoch, mark in store.marks(args.node).items()
        ]
        quarantined = store.quarantined(args.node)
    is_unbroken = all(report.broken_at is None for report in reports)
    members = {
        "node": args.node,
        "unbroken": is_unbroken,
        "quarantined": quarantined,
        "epochs": [_report_members(report) for report in reports],
    }
    lines = [_report_line(report) for report in reports] or ["尚无记录 nothing has come from this node"]
    return Result(members=members, lines=lines, code=0 if is_unbroken else 1)


def restored(args: argparse.Namespace) -> Result:
    """``restored``: say that the ingest store came back from a backup."""
    home = home_from(args.home)
    home.settings()
    with SqliteIngestStore(home.ingest_db, now_ms=now_ms()) as store:
        inc = store.mark_restored(now_ms())
    return Result(members={"inc": inc}, lines=["各节点将补传 nodes will send again what they still hold"])


def _received(home: Home) -> SqliteIngestStore:
    """The ingest store for reading; made if nothing ever came."""
    home.settings()
    if not home.ingest_db.exists():
        SqliteIngestStore(home.ingest_db, now_ms=now_ms()).__exit__(None, None, None)
    return SqliteIngestStore(home.ingest_db, now_ms=now_ms(), readonly=True)


def _record_members(placed: PlacedRecord, *, node: str, ring: KeyRing, store: SqliteIngestStore) -> dict[str, Any]:
    record = placed.record
    row: dict[str, Any] = {
        "node": node,
        "id": record.message_id.hex(),
        "epoch": placed.epoch,
        "seq": placed.seq,
        "state": record.state.value,
    }
    opened = ring.open(
        record.body, node=node, message_id=record.message_id, wrapped=store.keys(node, key_id=record.key_id)
    )
    members = members_of(opened) if opened is not None else None
    return row | dict(_shown(members or {}))


def _shown(members: Mapping[str, Any]) -> Iterator[tuple[str, str | int]]:
    """What an operator sees of a record: when by its shown clock, words of our own tables, and a masked name."""
    at, terminal, verdict, subject = (
        member if isinstance(member := members.get(name), dict) else {}
        for name in ("at", "terminal", "verdict", "subject")
    )
    if type(at.get("wall")) is int:
        yield "wall_ms", at["wall"]
    for name, value in (
        ("kind", members.get("kind")),
        ("step", members.get("step")),
        ("reader", terminal.get("reader")),
        ("carrier", members.get("carrier")),
        ("outcome", verdict.get("outcome")),
        ("reason", verdict.get("reason")),
    ):
        if isinstance(value, str):
            yield name, value if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", value) else "?"
    if isinstance(subject.get("name"), str):
        yield "name", json.dumps(mask_name(subject["name"]), ensure_ascii=False)[1:-1]


def _report_members(report: EpochReport) -> dict[str, Any]:
    return {
        "epoch": report.epoch,
        "acked": report.acked,
        "head": report.head.hex(),
        "waiting": report.waiting,
        "broken_at": report.broken_at,
        "broken_why": report.broken_why,
    }


def _report_line(report: EpochReport) -> str:
    text = f"epoch {report.epoch}: 1..{report.acked}"
    if report.broken_at is not None:
        return f"{text}  断裂 BROKEN at {report.broken_at} ({report.broken_why})"
    waiting = f"，等待补齐 {report.waiting} beyond a hole" if report.waiting else ""
    return f"{text}  完整 unbroken{waiting}"
