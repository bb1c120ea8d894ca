"""Making a city and its nodes: keys, certificates, the first root, the broker's configuration.

Nothing here overwrites a file, and a city is made only where nothing is: keys never land among somebody's files.
``city.json`` is written last: a folder that has it is a whole city.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from city import broker
from city.authority.documents import IssuerRow, day_of, region_of, root_payload
from city.authority.issuers import IssuerBook
from city.authority.keys import (
    DOCUMENT_ROLES,
    ISSUER_KEYS,
    ROOT_THRESHOLD,
    CityKeys,
    write_new,
    write_private_key,
)
from city.errors import AuthorityError
from city.home import CitySettings, Home, checked_settings
from city.store import Database
from edge import dsse
from edge.gm import PublicKey, generate, x509
from edge.trust import IssuerState
from sync import topics

ISSUER_BACK_DAYS = 365  # cards given out before this software came are vouched for, a year back
ISSUER_AHEAD_DAYS = 5 * 365

_TAKEN = (
    "{folder}: is there already, nothing was overwritten; 若已中断且未拷走，请先删除该文件夹 "
    "if it was left by a power cut and never carried to a box, delete it first"
)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@contextmanager
def new_folder(home: Home) -> Iterator[None]:
    """Make the folder for a new city; if the block fails, all that was made is taken away again.

    Raises:
        AuthorityError: The folder is not empty, or cannot be made.
    """
    made: Sequence[Path] = ()
    try:
        if home.path.is_dir() and any(home.path.iterdir()):
            is_city = (home.path / "city.json").exists()
            what = (
                "已有城市节点 a city is here already"
                if is_city
                else "文件夹非空，请用 --home 另选 the folder is not empty"
            )
            raise AuthorityError(f"{home.path}: {what}, nothing was overwritten")
        made = [path for path in (home.path, *home.path.parents) if not path.exists()]
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home.path / "keys").mkdir(mode=0o700)  # of two inits at once, one gets it
    except OSError as exc:
        _remove_empty(made)
        raise AuthorityError(f"{home.path}: cannot be made") from exc
    try:
        yield
    except BaseException:
        for entry in home.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        _remove_empty(made)
        raise


def check_node_names(names: Sequence[str]) -> None:
    """Whether nodes may be called so.

    Raises:
        AuthorityError: A name is none, or comes twice.
    """
    for name in names:
        if not topics.is_node_name(name):
            raise AuthorityError("a node's name is 1 to 32 letters, digits or hyphens, and not all")
        if names.count(name) > 1:
            raise AuthorityError(f"{name}: 重复 named twice")


def found_city(home: Home, *, settings: CitySettings, now_ms: int, listen: str | None = None) -> None:
    """Make a city in a folder that `new_folder` made.

    Args:
        home: Where.
        settings: Checked here.
        now_ms: When, Unix milliseconds.
        listen: Address for the broker; by default loopback stays loopback and all else listens everywhere.

    Raises:
        AuthorityError: The folder cannot be written.
        ConfigError: A setting is wrong.
    """
    settings = checked_settings(asdict(settings))
    try:
        for folder in (home.tls, home.broker, home.published, home.nodes_folder):
            folder.mkdir(mode=0o700)
    except OSError as exc:
        raise AuthorityError(f"{home.path}: cannot be made") from exc
    home.keys.create()
    write_new(home.published / "root.1.json", _first_root(home.keys, city=settings.city, now_ms=now_ms), mode=0o644)
    _write_certificates(home.tls, settings=settings)
    _write_broker(home, settings=settings, listen=listen)
    _register_issuers(home, settings=settings, today=day_of(now_ms))
    write_new(home.path / "city.json", json.dumps(asdict(settings), indent=2).encode() + b"\n")


def add_node(home: Home, name: str) -> Path:
    """Make a node's keys, certificate and a configuration to start from; the folder to carry to the box.

    Raises:
        AuthorityError: The name is none, or taken.
    """
    check_node_names([name])
    settings = home.settings()
    folder = home.nodes_folder / name
    if (home.nodes_folder / f"{name}.json").exists():
        raise AuthorityError(f"{name}: is there already, nothing was overwritten")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise AuthorityError(_TAKEN.format(folder=folder)) from None
    except OSError as exc:
        raise AuthorityError(f"{folder}: cannot be made") from exc
    try:
        _fill_node_folder(home, name, settings=settings, folder=folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # nobody has these keys yet
        raise
    return folder


def _fill_node_folder(home: Home, name: str, *, settings: CitySettings, folder: Path) -> None:
    """Keys, certificate, roots and configuration of a new node, and last its public keys for the city."""
    signing, encryption = generate(), generate()
    write_private_key(folder / "node.key", signing)
    write_private_key(folder / "node-encryption.key", encryption)
    ca = (home.tls / "ca.pem").read_bytes()
    certificate, key = x509.issue_certificate(ca, (home.tls / "ca.key").read_bytes(), name, client=True)
    write_new(folder / "ca.pem", ca)
    write_new(folder / "client.pem", certificate)
    write_new(folder / "client.key", key)
    for root in home.published.glob("root.*.json"):
        write_new(folder / root.name, root.read_bytes())
    write_new(folder / "edge.toml", _edge_toml(name, settings=settings, folder=folder).encode())
    # Last: a node the city knows of has all its files.
    public = {"sign": signing.public.compressed.hex(), "encrypt": encryption.public.compressed.hex()}
    write_new(home.nodes_folder / f"{name}.json", json.dumps({"name": name} | public, indent=2).encode() + b"\n")


def _remove_empty(folders: Sequence[Path]) -> None:
    """Take folders away, deepest first, as far as nobody put anything into them."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _first_root(keys: CityKeys, *, city: str, now_ms: int) -> bytes:
    roots = keys.roots()
    roles: Mapping[str, PublicKey] = {role: keys.role(role).public for role in DOCUMENT_ROLES}
    payload = root_payload(
        version=1,
        issued_at_ms=now_ms,
        city=city,
        roots=[key.public for key in roots],
        roles=roles,
        receipt=keys.receipt().public,
        encryption=keys.encryption().public,
    )
    return dsse.sign(payload, role="root", keys=roots[:ROOT_THRESHOLD])


def _write_certificates(folder: Path, *, settings: CitySettings) -> None:
    ca, ca_key = x509.make_ca(f"ehc city {settings.city}")
    write_new(folder / "ca.pem", ca)
    write_new(folder / "ca.key", ca_key)
    names = dict.fromkeys([settings.broker_host, "localhost", "127.0.0.1"])
    certificate, key = x509.issue_certificate(ca, ca_key, "broker", client=False, server_names=tuple(names))
    write_new(folder / "broker.pem", certificate)
    write_new(folder / "broker.key", key)
    certificate, key = x509.issue_certificate(ca, ca_key, broker.CITY_CLIENT, client=True)
    write_new(folder / "city.pem", certificate)
    write_new(folder / "city.key", key)


def _write_broker(home: Home, *, settings: CitySettings, listen: str | None) -> None:
    default = settings.broker_host if settings.broker_host in _LOOPBACK else "0.0.0.0"  # noqa: S104 - a broker
    access_list = home.broker / "acl"
    write_new(access_list, broker.ACCESS_LIST.encode())
    text = broker.configuration(
        host=listen or default, port=settings.broker_port, access_list=access_list, tls=home.tls
    )
    write_new(home.broker / "mosquitto.conf", text.encode())


def _register_issuers(home: Home, *, settings: CitySettings, today: int) -> None:
    with Database(home.authority_db, schema="authority") as database:
        book = IssuerBook(database)
        for number in range(1, ISSUER_KEYS + 1):
            row = IssuerRow(
                key=home.keys.issuer(number).public.compressed.hex(),
                org=settings.org,
                regions=(region_of(settings.city),),
                kinds=("static", "holder"),
                not_before=max(0, today - ISSUER_BACK_DAYS),
                not_after=today + ISSUER_AHEAD_DAYS,
                status_list=f"cards-{number}",
                state=IssuerState.ACTIVE,
            )
            book.add(number, row=row)


def _edge_toml(name: str, *, settings: CitySettings, folder: Path) -> str:
    """A configuration that runs where it was made; on the box key_dir is where the folder was put."""
    text = {"name": name, "org": settings.org, "key_dir": str(folder), "host": settings.broker_host}
    quoted = {
        key: json.dumps(value, ensure_ascii=False) for key, value in text.items()
    }  # TOML's basic string is JSON's
    return f"""\
# Made by `ehc-city`. Put root.*.json into the trust folder, the rest into node.key_dir, and add your readers
# (config/edge.example.toml has every key).

[node]
name = {quoted["name"]}
org = {quoted["org"]}
key_dir = {quoted["key_dir"]}

[uplink]
enabled = true
host = {quoted["host"]}
port = {settings.broker_port}

[uplink.tls]
ca = "ca.pem"
cert = "client.pem"
key = "client.key"
"""
