"""What the city says, signed and laid out as a node's trust folder (contracts 6), ready for serving or a USB stick.

Blobs are written before the documents that name them, and every file is replaced whole, so whoever reads at any moment
finds a set that fits together. Versions are counted in the authority's database before anything is written: a power cut
may skip a number, never use one twice.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from city.authority.cards import CardRegister
from city.authority.documents import (
    HashedBlob,
    PackedList,
    issuers_payload,
    roster_payload,
    status_payload,
)
from city.authority.issuers import IssuerBook
from city.authority.rosters import RosterBook, people_of
from city.deltas import FormerLists
from city.errors import AuthorityError
from city.home import Home, NodeKeys
from city.store import Database
from edge import dsse
from edge.durable_file import replace_file
from edge.gm import PrivateKey, random_bytes, sm3
from edge.roster import KEY_BYTES, build_roster
from edge.status_list import PREFIX_BYTES, CardState, pack_hashed, pack_list, pack_snapshot

HASHED_LIST = "national"
LIST_STEP_CARDS = 1024
"""A list grows by this many places; a card given out after publishing falls on one that says so (state 3)."""

_FOR_ALL = ("issuers.json", "status.json")
_HASHED_KEY_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was said: the versions, and how many records each node's roster has."""

    issuers: int
    status: int
    rosters: Mapping[str, int]


def publish(home: Home, *, now_ms: int) -> Published:
    """Sign everything anew under higher versions and put it in place of what was published.

    Raises:
        AuthorityError: A key is not here.
        CityStoreError: The authority's database failed.
    """
    settings = home.settings()
    with home.authority() as database:
        press = _Press(home, database=database, now_ms=now_ms)
        issuers = press.issuers()
        status = press.status(issuers_version=issuers)
        rosters = {
            node.name: press.roster(node, with_id_no=settings.roster_id_no, with_tags=settings.roster_tags)
            for node in home.nodes()
        }
    return Published(issuers=issuers, status=status, rosters=rosters)


def copy_for_node(home: Home, target: Path, *, node: str | None = None) -> None:
    """Copy a trust folder: roots, issuers, status and their blobs, and one node's roster.

    Raises:
        AuthorityError: Nothing is published, or the folder cannot be written.
    """
    documents = [*sorted(home.published.glob("root.*.json")), *(home.published / name for name in _FOR_ALL)]
    documents += [] if node is None else [home.published / "nodes" / node / "roster.json"]
    blobs = [file.with_name(name) for file in documents for name in sorted(_blobs_named(file))]
    try:
        target.mkdir(parents=True, exist_ok=True)
        for file in [*blobs, *documents]:
            replace_file(target / file.name, file.read_bytes())
    except OSError as exc:
        raise AuthorityError(f"{target}: cannot be written, or nothing is published for the node") from exc


class _Press:
    """One publishing: counts versions, signs, writes, and clears away blobs nobody needs any more."""

    def __init__(self, home: Home, *, database: Database, now_ms: int) -> None:
        self._home = home
        self._database = database
        self._now_ms = now_ms
        self._cards = CardRegister(database)
        self._keys: dict[str, PrivateKey] = {}

    def issuers(self) -> int:
        """The issuers document; its version."""
        version = self._next_version("issuers")
        rows = list(IssuerBook(self._database).issuers().values())
        self._write("issuers", payload=issuers_payload(rows, version=version, issued_at_ms=self._now_ms))
        return version

    def status(self, *, issuers_version: int) -> int:
        """The status document with its lists; its version."""
        version = self._next_version("status")
        before = _blobs_named(self._home.published / "status.json")
        former = FormerLists(self._home.published)
        names = sorted({row.status_list for row in IssuerBook(self._database).issuers().values()})
        payload = status_payload(
            version=version,
            issued_at_ms=self._now_ms,
            lists={name: self._packed(name, version=version, former=former) for name in names},
            hashed={HASHED_LIST: self._hashed(version=version)},
            issuers_version=issuers_version,
        )
        self._write("status", payload=payload)
        # The former lists stay one publishing longer, for whoever has just read the former document.
        _clear(self._home.published, keep=before | _blobs_named(self._home.published / "status.json"))
        return version

    def roster(self, node: NodeKeys, *, with_id_no: bool, with_tags: bool) -> int:
        """The node's roster; how many records it has."""
        folder = self._home.published / "nodes" / node.name
        folder.mkdir(parents=True, exist_ok=True)
        version = self._next_version(f"roster/{node.name}")
        book = RosterBook(self._database)
        residents = book.residents(node.name)
        people = list(people_of(residents, cards=self._cards, book=book, with_id_no=with_id_no, with_tags=with_tags))
        keys = random_bytes(2 * KEY_BYTES)
        blob = build_roster(people, keys=keys)
        payload = roster_payload(
            version=version,
            issued_at_ms=self._now_ms,
            node=node.name,
            count=len(people),
            sm3=sm3(blob),
            blob_bytes=len(blob),
            wrapped_key=node.encryption.encrypt(keys),
        )
        before = _blobs_named(folder / "roster.json")
        name = sm3(blob).hex()
        replace_file(folder / name, blob)
        self._write("roster", payload=payload, folder=folder)
        _clear(folder, keep=before | {name})
        return len(people)

    def _packed(self, name: str, *, version: int, former: FormerLists) -> PackedList:
        """A status list, its snapshot and what leads to it; places not given out yet say so."""
        given = self._cards.next_index(name)
        size = max(1, -(-given // LIST_STEP_CARDS)) * LIST_STEP_CARDS
        states = dict(self._cards.states(name)) | dict.fromkeys(range(given, size), CardState.NOT_COVERED)
        status_list = pack_list(states, size=size)
        revoked, suspended = status_list.counts()
        digest = sm3(status_list.packed)
        blob = pack_snapshot(status_list)
        replace_file(self._home.published / sm3(blob).hex(), blob)
        version = self._version_of(f"list/{name}", digest=digest, version=version)
        deltas, delta = former.deltas_to(status_list, name=name, version=version)
        if delta is not None:
            replace_file(self._home.published / sm3(delta).hex(), delta)
        return PackedList(
            version=version,
            size=size,
            revoked=revoked,
            suspended=suspended,
            sm3=digest,
            blob_sm3=sm3(blob),
            blob_bytes=len(blob),
            deltas=deltas,
        )

    def _hashed(self, *, version: int) -> HashedBlob:
        """The hashed list of national codes that are no longer good; its key is made once."""
        name = f"hashed/{HASHED_LIST}"
        rows = self._database.query("SELECT key FROM published WHERE name = ? AND key IS NOT NULL", name)
        key: bytes = rows[0][0] if rows else random_bytes(_HASHED_KEY_BYTES)
        blob = pack_hashed(self._cards.opaque(), key=key)
        digest = sm3(blob)
        replace_file(self._home.published / digest.hex(), blob)
        version = self._version_of(name, digest=digest, version=version)
        self._database.query("UPDATE published SET key = ? WHERE name = ?", key, name)
        return HashedBlob(version=version, key=key, count=len(blob) // PREFIX_BYTES, sm3=digest, blob_bytes=len(blob))

    def _next_version(self, name: str) -> int:
        """Count a version for ever before it is used."""
        [(version,)] = self._database.query(
            "INSERT INTO published (name, version) VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET version = version + 1 RETURNING version",
            name,
        )
        return int(version)

    def _version_of(self, name: str, *, digest: bytes, version: int) -> int:
        """The version in which a list got its present content: `version` if it is new, else the former one."""
        [(kept,)] = self._database.query(
            "INSERT INTO published (name, version, sm3) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
            " SET version = CASE WHEN sm3 = excluded.sm3 THEN version ELSE excluded.version END, sm3 = excluded.sm3"
            " RETURNING version",
            name,
            version,
            digest,
        )
        return int(kept)

    def _write(self, role: str, *, payload: bytes, folder: Path | None = None) -> None:
        if role not in self._keys:
            self._keys[role] = self._home.keys.role(role)
        document = dsse.sign(payload, role=role, keys=[self._keys[role]])
        replace_file((folder or self._home.published) / f"{role}.json", document)


def _blobs_named(file: Path) -> set[str]:
    """The blobs that a document of ours names; none if there is no such document."""
    try:
        payload = json.loads(base64.b64decode(json.loads(file.read_bytes())["payload"]))
    except FileNotFoundError:
        return set()
    lists = [*payload.get("lists", {}).values(), *payload.get("hashed", {}).values()]
    blobs = [blob for entry in lists for blob in (entry["snapshot"], *entry.get("deltas", []))]
    return {blob["sm3"] for blob in blobs} | ({payload["sm3"]} if "sm3" in payload else set())


def _clear(folder: Path, *, keep: Iterable[str]) -> None:
    for file in _files(folder):
        if file.suffix != ".json" and file.name not in keep:
            file.unlink()


def _files(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.is_file()]
