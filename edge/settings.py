"""The configuration: one TOML file into frozen values, checked at the door (only `driver_options` uses msgspec, too).

Unknown keys are refused. An error names the key and what was expected, never the value found: it may be a secret. The
`description` of a field is that expectation, with unit and range; `config/edge.example.toml` shows every key with its
default. Relative paths are resolved here, so nobody else asks where a file lies.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from edge import driver_options
from edge.classify import CarrierTable, carrier_table
from edge.errors import ConfigError
from edge.transaction import Step

FILE_BYTES_MAX = 262_144  # a city's tables are a few KiB

_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

_Word = Annotated[str, Meta(max_length=64, description="text of at most 64 characters")]
_Flag = Annotated[bool, Meta(description="true or false")]
_KeyFile = Annotated[Path, Meta(description="a file, relative to node.key_dir; empty: none")]


class LogLevel(StrEnum):
    """How much the log says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class CardFiles(StrEnum):
    """Which files of a resident health card are read."""

    DESK = "desk"  # what a desk needs: who it is, until when, warnings, allergies, immunisations
    ALL = "all"  # every file but the pictures and the visit records


class NodeSettings(_Table, frozen=True, kw_only=True):
    """Who this node is and where it keeps what."""

    name: Annotated[
        str, Meta(pattern=r"^[0-9A-Za-z-]{1,32}$", description="1..32 letters, digits or hyphens, and not the word all")
    ]
    org: Annotated[str, Meta(min_length=1, max_length=64, description="the code of the organisation, 1..64 characters")]
    dept: _Word = ""
    operator: _Word = ""
    data_dir: Annotated[Path, Meta(description="the absolute path of a folder")] = Path("/var/lib/ehc-edge")
    key_dir: Annotated[Path, Meta(description="the absolute path of a folder outside node.data_dir")] = Path(
        "/var/lib/ehc-edge-keys"
    )
    allow_test_keys: _Flag = False


class TrustSettings(_Table, frozen=True, kw_only=True):
    """Where the signed documents lie."""

    dir: Annotated[Path, Meta(description="a folder, relative to node.data_dir")] = Path("trust")


class ReaderSettings(_Table, frozen=True, kw_only=True):
    """One reader: its name, its type, and the table that the type takes, judged by the driver."""

    name: Annotated[
        str, Meta(pattern=r"^[0-9A-Za-z_-]{1,32}$", description="1..32 letters, digits, _ or -, each name once")
    ]
    type: Annotated[str, Meta(description="a type of reader")]
    options: Annotated[dict[str, Any], Meta(description="a table of this reader's type")] = {}


class FeedbackSettings(_Table, frozen=True, kw_only=True):
    """One lamp, beeper, voice or printer beside the readers: its name, its type, and what that type takes."""

    name: Annotated[
        str, Meta(pattern=r"^[0-9A-Za-z_-]{1,32}$", description="1..32 letters, digits, _ or -, each name once")
    ]
    type: Annotated[str, Meta(description="a type of feedback device")]
    options: Annotated[dict[str, Any], Meta(description="a table of this device's type")] = {}


class CardSettings(_Table, frozen=True, kw_only=True):
    """What is read from chip cards."""

    files: CardFiles = CardFiles.DESK
    sam_pin_file: _KeyFile = Path()


class SamSettings(_Table, frozen=True, kw_only=True):
    """What the organisation says of one of its SAM cards (the register that the national briefing asks for)."""

    number: Annotated[
        str, Meta(pattern=r"^[0-9A-Fa-f]{20}$", description="the SAM's serial number, 20 hex digits, each once")
    ]
    place: _Word = ""
    purpose: _Word = ""
    responsible: _Word = ""


class TlsSettings(_Table, frozen=True, kw_only=True):
    """Who the broker must be, and who we are."""

    ca: _KeyFile = Path()
    cert: _KeyFile = Path()
    key: _KeyFile = Path()

    @property
    def is_given(self) -> bool:
        """Whether the link is secured; all three files are given, or none (`parse` sees to it)."""
        return self.ca != Path()


class UplinkSettings(_Table, frozen=True, kw_only=True):
    """The way to the city."""

    enabled: _Flag = False
    host: Annotated[str, Meta(min_length=1, max_length=253, description="a host name or address")] = "localhost"
    port: Annotated[int, Meta(ge=1, le=65_535, description="a TCP port, 1..65535")] = 8883
    tls: TlsSettings = TlsSettings()


class ApiSettings(_Table, frozen=True, kw_only=True):
    """The local interface and its pages."""

    host: Annotated[str, Meta(min_length=1, max_length=253, description="an address of this box")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="a TCP port, 0..65535; 0: any that is free")] = 8480
    hosts: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=253, description="a host name")], ...],
        Meta(max_length=16, description="at most 16 host names"),
    ] = ()
    token_file: Annotated[Path, Meta(description="a file, relative to node.key_dir")] = Path("api.token")


class ControlSettings(_Table, frozen=True, kw_only=True):
    """The Unix socket of the command line."""

    socket: Annotated[Path, Meta(description="the path of a socket, at most 100 characters")] = Path(
        "/run/ehc-edge/ctl"
    )


class IntakeSettings(_Table, frozen=True, kw_only=True):
    """What a scan does."""

    step: Step = Step.REGISTER
    same_act_s: Annotated[int, Meta(ge=0, le=60, description="a number of seconds, 0..60")] = 5


class CarrierSettings(_Table, frozen=True, kw_only=True):
    """Which rows of the table of carriers are on, and the patterns of the city's own cards."""

    off: Annotated[tuple[str, ...], Meta(max_length=16, description="at most 16 names of carriers")] = ()
    legacy_card: Annotated[tuple[str, ...], Meta(description="a list of regular expressions")] = ()
    landing_url: Annotated[tuple[str, ...], Meta(description="a list of regular expressions")] = ()


class StorageSettings(_Table, frozen=True, kw_only=True):
    """How long things are kept, and the key of what only this box may read."""

    keep_days: Annotated[int, Meta(ge=1, le=3650, description="a number of days, 1..3650")] = 30
    size_mib_max: Annotated[int, Meta(ge=16, le=65_536, description="a number of MiB, 16..65536")] = 512
    day_view_days: Annotated[int, Meta(ge=1, le=31, description="a number of days, 1..31")] = 1
    machine_key_file: Annotated[Path, Meta(description="a file outside node.data_dir, relative to node.key_dir")] = (
        Path("machine.key")
    )


class LogSettings(_Table, frozen=True, kw_only=True):
    """What the log says; it never holds personal data."""

    level: LogLevel = LogLevel.INFO


class Settings(_Table, frozen=True, kw_only=True):
    """The whole configuration."""

    node: NodeSettings
    trust: TrustSettings = TrustSettings()
    readers: Annotated[tuple[ReaderSettings, ...], Meta(max_length=32, description="at most 32 readers")] = ()
    feedback: Annotated[tuple[FeedbackSettings, ...], Meta(max_length=16, description="at most 16 devices")] = ()
    cards: CardSettings = CardSettings()
    sams: Annotated[tuple[SamSettings, ...], Meta(max_length=16, description="at most 16 SAM cards")] = ()
    uplink: UplinkSettings = UplinkSettings()
    api: ApiSettings = ApiSettings()
    control: ControlSettings = ControlSettings()
    intake: IntakeSettings = IntakeSettings()
    carriers: CarrierSettings = CarrierSettings()
    storage: StorageSettings = StorageSettings()
    log: LogSettings = LogSettings()


_BLOCKS = (tuple[ReaderSettings, ...], tuple[FeedbackSettings, ...], tuple[SamSettings, ...])


def load(path: Path) -> Settings:
    """Return the configuration of a file.

    Raises:
        ConfigError: The file cannot be read or a key is wrong.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise ConfigError(str(path), expected="a file that is there") from error
    except OSError as error:
        raise ConfigError(str(path), expected="a file that this account can read") from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(str(path), expected=f"a file of at most {FILE_BYTES_MAX} bytes")
    return parse(data, where=str(path))


def parse(data: bytes, *, where: str = "configuration") -> Settings:
    """Return the configuration in TOML bytes; `where` names them in errors about the file as a whole.

    Raises:
        ConfigError: It is no TOML, or a key is unknown, missing or wrong.
    """
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(where, expected="text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}{_place(str(error))}", expected="valid TOML") from None
    try:
        settings = msgspec.convert(tables, Settings, dec_hook=_to_path)
    except msgspec.ValidationError as error:
        raise _config_error(str(error)) from None
    _check(settings)
    return _resolved(settings)


def reader_options(reader: ReaderSettings, *, place: int = 0) -> Any:
    """Return the settings of the driver that a reader names, an object of the type the driver declares.

    Args:
        reader: One block of the file.
        place: Which, counted from 0, for the error.

    Raises:
        ConfigError: No such type of reader, or the driver refuses an option.
    """
    return driver_options.of_reader(reader.type, options=reader.options, where=f"readers[{place}]")


def feedback_options(device: FeedbackSettings, *, place: int = 0) -> Any:
    """Return the settings of the driver that a feedback device names; as `reader_options`.

    Raises:
        ConfigError: No such type of device, or the driver refuses an option.
    """
    return driver_options.of_feedback(device.type, options=device.options, where=f"feedback[{place}]")


def carriers(settings: CarrierSettings) -> CarrierTable:
    """Return the table of carriers that the configuration describes.

    Raises:
        ConfigError: A name that is no carrier, or a pattern that is none or might take for ever.
    """
    return carrier_table(off=settings.off, legacy_card=settings.legacy_card, landing_url=settings.landing_url)


def all_keys() -> Iterator[tuple[str, type[Struct]]]:
    """Yield the path of every key and the table it stands in; for the example file and the settings page."""
    yield from _keys_of(Settings, prefix="")


def _place(message: str) -> str:
    place = re.search(r"line (\d+)", message)
    return f":{place[1]}" if place else ""


def _to_path(expected: type, value: Any) -> Any:
    if expected is Path and isinstance(value, str) and "\x00" not in value:
        return Path(value)
    raise ValueError("path")  # becomes a msgspec.ValidationError with the place


def _check(settings: Settings) -> None:
    """Refuse what each key alone allows and together makes no sense."""
    node, uplink = settings.node, settings.uplink
    if node.name == "all":  # contracts, words: never all
        raise ConfigError("node.name", expected=_expected("node.name"))
    for key, folder in (("node.data_dir", node.data_dir), ("node.key_dir", node.key_dir)):
        if not folder.is_absolute():
            raise ConfigError(key, expected=_expected(key))
    if node.key_dir.is_relative_to(node.data_dir):
        raise ConfigError("node.key_dir", expected=_expected("node.key_dir"))
    if (node.key_dir / settings.storage.machine_key_file).is_relative_to(node.data_dir):
        raise ConfigError("storage.machine_key_file", expected=_expected("storage.machine_key_file"))
    socket = settings.control.socket
    if not socket.name or len(bytes(socket)) > 100:  # unix(7): sun_path has 108 bytes
        raise ConfigError("control.socket", expected=_expected("control.socket"))
    _check_unique([reader.name for reader in settings.readers], key="readers", member="name")
    _check_unique([device.name for device in settings.feedback], key="feedback", member="name")
    _check_unique([sam.number.upper() for sam in settings.sams], key="sams", member="number")
    for place, reader in enumerate(settings.readers):
        reader_options(reader, place=place)
    for place, device in enumerate(settings.feedback):
        feedback_options(device, place=place)
    carriers(settings.carriers)
    _check_tls(uplink)


def _check_unique(names: Sequence[str], *, key: str, member: str) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ConfigError(f"{key}[{place}].{member}", expected=_expected(f"{key}[0].{member}"))


def _check_tls(uplink: UplinkSettings) -> None:
    is_given = [path != Path() for path in (uplink.tls.ca, uplink.tls.cert, uplink.tls.key)]
    if not any(is_given) and (not uplink.enabled or uplink.host in _LOOPBACK_HOSTS):
        return  # a plain link never leaves the box
    for key, given in zip(("ca", "cert", "key"), is_given, strict=True):
        if not given:
            raise ConfigError(f"uplink.tls.{key}", expected="a file, because a link that leaves the box needs TLS")


def _resolved(settings: Settings) -> Settings:
    """Make every relative path absolute; an empty one (``Path()``) stays empty."""
    keys = settings.node.key_dir
    tls = settings.uplink.tls
    return replace(
        settings,
        trust=replace(settings.trust, dir=settings.node.data_dir / settings.trust.dir),
        uplink=replace(
            settings.uplink,
            tls=TlsSettings(**{name: _below(keys, getattr(tls, name)) for name in ("ca", "cert", "key")}),
        ),
        api=replace(settings.api, token_file=keys / settings.api.token_file),
        cards=replace(settings.cards, sam_pin_file=_below(keys, settings.cards.sam_pin_file)),
        storage=replace(settings.storage, machine_key_file=keys / settings.storage.machine_key_file),
    )


def _below(folder: Path, path: Path) -> Path:
    return path if path == Path() else folder / path


def _config_error(message: str) -> ConfigError:
    """Say which key is wrong and what it should be; of msgspec's message only the place is used."""
    place = re.search(r"- at `(?:key` in `)?\$\.?([^`]*)`$", message)
    path = place[1] if place else ""
    named = re.match(r"Object (missing required|contains unknown) field `([^`]*)`", message)
    if named:
        path = ".".join(part for part in (path, named[2]) if part)
        if named[1] == "contains unknown" and re.match(r"(readers|feedback)\[", path):
            expected = (
                "name, type or options; what the driver takes stands below [readers.options] or [feedback.options]"
            )
            return ConfigError(path, expected=expected)
        if named[1] == "contains unknown":
            return ConfigError(path, expected="a key that config/edge.example.toml shows")
    return ConfigError(path, expected=_expected(path))


def _expected(path: str) -> str:
    """Return what the key at a path should hold, from its field's description."""
    hint: Any = Settings
    for name in re.sub(r"\[[^\]]*\]", ".[]", path).split("."):
        hint = get_args(_bare(hint))[0] if name == "[]" else get_type_hints(_bare(hint), include_extras=True)[name]
    bare = _bare(hint)
    for meta in getattr(hint, "__metadata__", ()):
        return str(meta.description)
    if isinstance(bare, type) and issubclass(bare, StrEnum):
        return "one of " + ", ".join(bare)
    return "a table" if isinstance(bare, type) and issubclass(bare, Struct) else "text"


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if hasattr(hint, "__metadata__") else hint


def _keys_of(table: type[Struct], *, prefix: str) -> Iterator[tuple[str, type[Struct]]]:
    for name, hint in get_type_hints(table, include_extras=True).items():
        bare = _bare(hint)
        if isinstance(bare, type) and issubclass(bare, Struct):
            yield from _keys_of(bare, prefix=f"{prefix}{name}.")
        elif bare in _BLOCKS:
            yield from _keys_of(get_args(bare)[0], prefix=f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", table
