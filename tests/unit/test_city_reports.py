"""What the operator sees of the ingest store: nodes, records with masked names, whether a chain is whole."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from city import store as store_module
from city.__main__ import main
from city.check import check_epoch
from city.home import Home
from city.ingest import Ingest
from city.ingest_store import SqliteIngestStore
from city.opening import SECRETS_MAX, KeyRing
from city.received import Mark, Position, StoredKey
from city.store import CityBusyError, CityStoreError
from edge.gm import private_key, sm3
from sync import cbor, chain, topics
from tests.support import vectors
from tests.support.city_box import Box, Sealed

NODE = "370881-0042"
NOW_MS = 1795399200000


class Served:
    """A city, one node of it, and everything the node sends committed."""

    def __init__(self, folder: Path) -> None:
        assert main(["init", "--home", str(folder), "--node", NODE]) == 0
        self.home = Home(folder)
        key = private_key(bytes.fromhex((folder / "nodes" / NODE / "node.key").read_text()))
        self.box = Box(node=NODE, key=key, city=self.home.keys.encryption().public)

    def send(self, *records: Sealed, **options: Any) -> None:
        first = len(self.box.rows) + 1
        self.box.append(*records)
        self.deliver(self.box.batch_frame(first, len(self.box.rows), **options))

    def deliver(self, frame: bytes, *, leaf: str = "batch") -> None:
        with SqliteIngestStore(self.home.ingest_db, now_ms=NOW_MS) as store:
            ingest = Ingest(
                store=store,
                node_keys=lambda node: [self.home.node(node).signing],
                receipt_key=self.home.keys.receipt(),
                key_ring=KeyRing(self.home.keys.decryption()),
            )
            assert ingest.handle(frame, topic=topics.up(NODE, leaf=leaf), now_ms=NOW_MS) is not None

    def change(self, sql: str, *values: object) -> None:
        with sqlite3.connect(self.home.ingest_db) as connection:
            connection.execute(sql, values)
        connection.close()


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path / "city")


def run(served: Served, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*words, "--home", str(served.home.path), "--json"])
    return code, json.loads(capsys.readouterr().out)


def record(box: Box, members: dict[str, Any], *, number: int) -> Sealed:
    message_id = number.to_bytes(16, "big")
    return box.seal(cbor.encode({"id": message_id, "kind": "use"} | members), message_id=message_id)


def test_records_show_words_and_a_masked_name(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """An operator sees what was decided, and of a name its first character only."""
    members = {
        "at": {"wall": NOW_MS, "boottime_ms": 5},
        "terminal": {"node": NODE, "reader": "window-1"},
        "step": "register",
        "carrier": "ehc1",
        "subject": {"kind": "ehc1", "name": "张小雨"},
        "verdict": {"outcome": "ACCEPT", "reason": "VALID"},
    }
    served.send(record(served.box, members, number=900))

    code, output = run(served, capsys, "records", "--node", NODE)

    assert code == 0
    assert output["records"] == [
        {
            "node": NODE,
            "id": (900).to_bytes(16, "big").hex(),
            "epoch": 1,
            "seq": 1,
            "state": "taken",
            "wall_ms": NOW_MS,
            "kind": "use",
            "step": "register",
            "reader": "window-1",
            "carrier": "ehc1",
            "outcome": "ACCEPT",
            "reason": "VALID",
            "name": "张**",
        }
    ]
    assert main(["records", "--home", str(served.home.path)]) == 0
    text = capsys.readouterr().out
    assert "2026-11-23T10:00:00+08:00  use  register  window-1" in text
    assert "张小雨" not in text


def test_records_never_pass_on_what_a_terminal_obeys(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Words that are none, and members of wrong types, are not printed as they came."""
    served.send(
        record(served.box, {"carrier": "\x1b[2J", "verdict": 1, "subject": {"name": "\x1bx"}}, number=900),
        record(served.box, {"subject": 7, "at": {"wall": 2**63}, "terminal": {"reader": "\x07"}}, number=901),
        Sealed(message_id=bytes(16), body=b"\x01"),
    )

    _, output = run(served, capsys, "records")
    assert main(["records", "--home", str(served.home.path)]) == 0
    second = capsys.readouterr().out.splitlines()[1].split("  ")

    assert second[3:7] == ["?", "use", "-", "?"]
    assert [row.get("carrier") for row in output["records"]] == ["?", None, None]
    assert output["records"][0]["name"] == "\\u001b*"
    assert output["records"][2]["state"] == "unreadable"


def test_an_unbroken_chain_is_said_to_be(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """After two batches with a hole between them the chain is unbroken up to the hole."""
    served.box.fill(6)
    served.deliver(served.box.batch_frame(1, 2))
    served.deliver(served.box.batch_frame(5, 6))

    code, output = run(served, capsys, "check", NODE)
    assert main(["check", NODE, "--home", str(served.home.path)]) == 0

    assert (code, output["unbroken"], output["quarantined"]) == (0, True, 0)
    assert output["epochs"] == [
        {
            "epoch": 1,
            "acked": 2,
            "head": served.box.head(2).hex(),
            "waiting": 2,
            "broken_at": None,
            "broken_why": None,
        }
    ]
    assert "unbroken" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sql", "at", "why"),
    [
        ("UPDATE record SET body = x'00' WHERE id = (SELECT id FROM position WHERE seq = 2)", 2, "body"),
        ("DELETE FROM record WHERE id = (SELECT id FROM position WHERE seq = 2)", 2, "body"),
        ("DELETE FROM position WHERE seq = 2", 2, "missing"),
        ("UPDATE mark SET head = x'00'", 3, "mark"),
        ("UPDATE claim SET head = x'00'", 3, "claim"),
    ],
)
def test_a_broken_chain_is_found(
    served: Served, capsys: pytest.CaptureFixture[str], sql: str, at: int, why: str
) -> None:
    """A changed or missing body, a missing place, and heads that disagree end in exit code 1 and name the place."""
    served.box.fill(3)
    served.deliver(served.box.batch_frame(1, 3))
    served.change("PRAGMA foreign_keys = OFF")
    served.change(sql)

    code, output = run(served, capsys, "check", NODE)

    assert code == 1
    assert not output["unbroken"]
    assert (output["epochs"][0]["broken_at"], output["epochs"][0]["broken_why"]) == (at, why)
    assert main(["check", NODE, "--home", str(served.home.path)]) == 1
    assert "BROKEN" in capsys.readouterr().out


def test_a_quarantined_body_keeps_its_chain_whole(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A known id with other bytes has its place and its body, so the chain holds."""
    first = served.box.record()
    other = Sealed(message_id=first.message_id, body=served.box.record().body)
    served.send(first, other)

    code, output = run(served, capsys, "check", NODE)

    assert (code, output["quarantined"]) == (0, 1)


def test_the_first_break_is_the_one_named() -> None:
    """Later breaks of an epoch do not hide the first."""
    body = b"x"
    place = Position(seq=1, message_id=bytes(16), digest=sm3(body))
    head = chain.link(chain.start(NODE, 1, hash=sm3), seq=1, message_id=bytes(16), digest=place.digest, hash=sm3)

    report = check_epoch(
        1, node=NODE, mark=Mark(acked=1, head=bytes(32)), places=[(place, b"y")], claims={1: {head, bytes(32)}}
    )

    assert (report.broken_at, report.broken_why) == (1, "body")


def test_nodes_are_listed_with_what_came(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """The list of nodes says how far each is here and which is suspected to live twice."""
    for minute, boot in enumerate([b"a", b"b", b"a", b"b"]):
        served.deliver(served.box.hello_frame(boot=boot * 16, boottime_ms=minute), leaf="hello")

    _, output = run(served, capsys, "node", "list")
    assert main(["node", "list", "--home", str(served.home.path)]) == 0

    assert [(row["node"], row["heard"], row["cloned_at"]) for row in output["nodes"]] == [(NODE, True, NOW_MS)]
    assert "CLONED" in capsys.readouterr().out


def test_a_restore_moves_inc(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """After `restored` the store's inc is the present."""
    first = run(served, capsys, "restored")[1]["inc"]

    assert run(served, capsys, "restored")[1]["inc"] > first


def test_a_store_that_is_none_is_a_database_error(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged file ends with exit code 70 and the file's name, for reading and for writing."""
    served.home.ingest_db.write_bytes(b"no database" * 1000)

    assert main(["records", "--home", str(served.home.path)]) == 70
    assert main(["restored", "--home", str(served.home.path)]) == 70
    assert "database" in capsys.readouterr().err


def test_a_transaction_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    """Whatever is raised inside a transaction, nothing of it is stored."""
    with SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS) as store:
        with pytest.raises(CityStoreError):
            write_twice(store)

        assert store.marks(NODE) == {}
        assert list(store.bodies(NODE, epoch=1)) == []


def write_twice(store: SqliteIngestStore) -> None:
    place = Position(seq=1, message_id=bytes(16), digest=bytes(32))
    with store.transaction(NODE) as transaction:
        transaction.set_mark(1, mark=Mark(acked=1, head=bytes(32)))
        transaction.add_positions(1, positions=[place, place])


def test_reading_a_broken_statement_is_a_store_error(tmp_path: Path) -> None:
    """No exception of the database library leaves its door."""
    with store_module.Database(tmp_path / "x.db", schema="ingest") as database, pytest.raises(CityStoreError):
        list(database.iterate("SELECT * FROM nowhere"))


def test_one_program_writes_at_a_time(tmp_path: Path) -> None:
    """A second writer is refused, after a wait if it is patient; a reader is not."""
    with SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS):
        with pytest.raises(CityBusyError):
            SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS)
        with pytest.raises(CityBusyError):
            store_module.Database(tmp_path / "ingest.db", schema="ingest", wait_s=0.1)
        with SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS, readonly=True) as reader:
            assert reader.inc == NOW_MS


@pytest.mark.parametrize("readonly", [False, True])
def test_a_newer_versions_file_is_left_alone(tmp_path: Path, readonly: bool) -> None:
    """Neither a writer nor a reader touches a database that a newer version made."""
    with SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS):
        pass
    with sqlite3.connect(tmp_path / "ingest.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(CityStoreError, match=r"ingest\.db: .*newer version"):
        SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS, readonly=readonly)


def test_the_schema_is_applied_once(tmp_path: Path) -> None:
    """Opening a store again changes nothing in it."""
    for _ in range(2):
        with SqliteIngestStore(tmp_path / "ingest.db", now_ms=NOW_MS) as store:
            assert store.inc == NOW_MS


def test_unwrapped_keys_are_held_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key ring forgets the oldest secrets first and finds them again."""
    monkeypatch.setattr("city.opening.SECRETS_MAX", 1)
    city = vectors.key("city_encryption")
    ring = KeyRing([city])
    box = Box(node=NODE, key=vectors.key("node"), city=city.public)
    sealed = box.record()
    keys = [
        StoredKey(key_id=box.dek.key_id, recipient=city.public.keyid, wrapped=city.public.encrypt(secret))
        for secret in (b"another secret!!", box.dek.secret)
    ]

    opened = [ring.open(sealed.body, node=NODE, message_id=sealed.message_id, wrapped=keys) for _ in range(2)]

    assert opened[0] is not None
    assert opened[0] == opened[1]
    assert SECRETS_MAX > 6000
