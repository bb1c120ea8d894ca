"""The folder of one city: what `ehc-city init` makes in it, and where everything else finds its part.

::

    city.json        settings a person may edit: city code, broker, what rosters hold
    keys/            private keys, 0600; root-*.key leave the machine after init
    tls/  broker/    certificates; mosquitto.conf and its access list
    authority.db     cards, issuers, rosters       ingest.db    what the nodes sent
    published/       signed documents and blobs, laid out as a node's trust folder
    orders/          what nodes were told to do, and what became of it
    nodes/NAME.json  a node's public keys          nodes/NAME/  what is carried to the box, then deleted here
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from city.authority.keys import CityKeys
from city.errors import AuthorityError
from city.shelf import Shelf
from city.store import Database
from edge.errors import ConfigError, KeyFormatError, TrustError
from edge.gm import PublicKey, public_key
from edge.trust import Root, open_root

NODE_BYTES_PER_HOUR = 67_108_864
"""64 MiB: the largest roster and every list of a new box, twice over; 6,000 that ask for all of it are 1 Gbit/s."""

_NODE_BYTES_LEAST = 1_048_576  # less would not let the largest document through


@dataclass(frozen=True, slots=True, kw_only=True)
class CitySettings:
    """What ``city.json`` says.

    Attributes:
        city: Division code, 6 digits.
        org: Code of the organisation that issues, also given to new nodes.
        broker_host: Where nodes and this city find the broker.
        broker_port: Its TCP port.
        roster_id_no: Whether rosters hold identity numbers.
        roster_tags: Whether they hold tags.
        node_bytes_per_hour: How many bytes of documents and blobs a node may have sent down in an hour.
    """

    city: str
    org: str
    broker_host: str
    broker_port: int
    roster_id_no: bool = True
    roster_tags: bool = True
    node_bytes_per_hour: int = NODE_BYTES_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKeys:
    """A node as the city knows it: what it signs with, and what its roster is encrypted to."""

    name: str
    signing: PublicKey
    encryption: PublicKey


class Home:
    """Paths and parts of one city's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.published = self.path / "published"
        self._shelf = Shelf(self.published)
        self.authority_db = self.path / "authority.db"
        self.ingest_db = self.path / "ingest.db"
        self.tls = self.path / "tls"
        self.broker = self.path / "broker"
        self.keys = CityKeys(self.path / "keys", root=self.root)
        self.orders = self.path / "orders"
        self.nodes_folder = self.path / "nodes"

    def settings(self) -> CitySettings:
        """What ``city.json`` says.

        Raises:
            ConfigError: There is no city here, or a setting is wrong.
        """
        file = self.path / "city.json"
        try:
            members = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(str(self.path), expected="a city's folder: run `ehc-city init` first") from None
        except (OSError, ValueError) as exc:
            raise ConfigError(str(file), expected="JSON that can be read") from exc
        return checked_settings(members)

    def root_version(self) -> int:
        """The number of the newest root, 0 while a city is being founded."""
        return self._shelf.root_version()

    def root(self) -> Root | None:
        """The newest root; None while a city is being founded.

        Raises:
            ConfigError: Its file is damaged.
        """
        document = self._shelf.document("root")
        if document is None:
            return None
        try:
            return open_root(document.data)
        except TrustError as exc:
            raise ConfigError(str(self.published), expected="a newest root that is whole") from exc

    def authority(self) -> Database:
        """Open the authority's database; use it as a context manager.

        Raises:
            ConfigError: There is no city here.
        """
        self.settings()
        return Database(self.authority_db, schema="authority")

    def nodes(self) -> Sequence[NodeKeys]:
        """Every node that was made.

        Raises:
            ConfigError: There is no city here, or a node's file is damaged.
        """
        self.settings()
        return [_node(file) for file in sorted(self.nodes_folder.glob("*.json"))]

    def node(self, name: str) -> NodeKeys:
        """One node.

        Raises:
            AuthorityError: It was never made.
        """
        for node in self.nodes():
            if node.name == name:
                return node
        raise AuthorityError(f"no node of that name: make it with `ehc-city node add {name}`")


def home_from(option: Path | None) -> Home:
    """The folder a command was given, that of ``EHC_CITY_HOME``, or ``./city``."""
    return Home(option or Path(os.environ.get("EHC_CITY_HOME") or "city"))


def checked_settings(members: Any) -> CitySettings:
    """Settings from what a file or a command line gives.

    Raises:
        ConfigError: The first that is wrong.
    """
    expected: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
        "city": ("6 digits", lambda value: isinstance(value, str) and len(value) == 6 and value.isdecimal()),
        "org": ("text of 1..64 characters", lambda value: isinstance(value, str) and 1 <= len(value) <= 64),
        "broker_host": ("a host name or address", lambda value: isinstance(value, str) and value.strip() != ""),
        "broker_port": ("a TCP port, 1..65535", lambda value: type(value) is int and 1 <= value <= 65_535),
        "roster_id_no": ("true or false", lambda value: isinstance(value, bool)),
        "roster_tags": ("true or false", lambda value: isinstance(value, bool)),
        "node_bytes_per_hour": (
            f"bytes, {_NODE_BYTES_LEAST} or more",
            lambda value: type(value) is int and value >= _NODE_BYTES_LEAST,
        ),
    }
    if not isinstance(members, dict):
        raise ConfigError("city.json", expected="a JSON object")
    for name in sorted(members.keys() - expected.keys()):
        raise ConfigError(f"city.json: {name}", expected="no such setting")
    optional = {"roster_id_no": True, "roster_tags": True, "node_bytes_per_hour": NODE_BYTES_PER_HOUR}
    members = optional | members
    for name, (what, is_right) in expected.items():
        if not is_right(members.get(name)):
            raise ConfigError(f"city.json: {name}", expected=what)
    return CitySettings(**members)


def _node(file: Path) -> NodeKeys:
    try:
        members = json.loads(file.read_text(encoding="utf-8"))
        signing, encryption = (public_key(bytes.fromhex(members[name])) for name in ("sign", "encrypt"))
    except (OSError, ValueError, TypeError, KeyError, KeyFormatError) as exc:
        raise ConfigError(str(file), expected='{"name", "sign": 66 hex, "encrypt": 66 hex}') from exc
    return NodeKeys(name=file.stem, signing=signing, encryption=encryption)
