"""The configuration: every key has a place in the example, and every wrong one is named without its value."""

import dataclasses
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from drivers.feedback.registry import FEEDBACK_TYPES
from drivers.feedback.serial_signal import SerialSignalSettings
from drivers.readers.serial_scanner import SerialScannerSettings
from edge import driver_options
from edge.errors import ConfigError
from edge.messages import Language
from edge.messages import load as load_messages
from edge.settings import FILE_BYTES_MAX, LogLevel, Settings, all_keys, feedback_options, load, parse, reader_options
from edge.transaction import Step

CONFIG = Path(__file__).parents[2] / "config"
BORN = b'[node]\nname = "n-1"\norg = "o"\n'
SCANNER = "[[readers]]\nname = 'a'\ntype = 'serial-scanner'\n[readers.options]\n"
WITHOUT_DEFAULT = {
    "feedback.name",
    "feedback.type",
    "node.name",
    "node.org",
    "readers.name",
    "readers.type",
    "sams.number",
}


def _example() -> str:
    return (CONFIG / "edge.example.toml").read_text(encoding="utf-8")


def _refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(BORN + text.encode())
    return caught.value


def test_a_name_and_an_organisation_are_enough() -> None:
    """Everything else has a default."""
    settings = parse(BORN)

    assert settings.node.name == "n-1"
    assert settings.intake.step is Step.REGISTER
    assert settings.log.level is LogLevel.INFO
    assert settings.readers == ()


def test_the_example_holds_exactly_the_defaults() -> None:
    """Whoever copies the example unchanged gets what leaving everything out gives."""
    example = parse(_example().encode())
    born = parse(b'[node]\nname = "370881-0042"\norg = "370881B0042"\n')

    assert example == born


def test_the_example_shows_every_key_and_no_other() -> None:
    """A key that exists stands in the example, and the other way round."""
    uncommented = re.sub(r"^# (\[|[a-z_]+ = )", r"\1", _example(), flags=re.MULTILINE)
    shown = set(_paths_of(tomllib.loads(uncommented)))

    known = {path for path, _ in all_keys()}

    options = {f"readers.options.{option.name}" for option in dataclasses.fields(SerialScannerSettings)}
    options |= {f"feedback.options.{option.name}" for option in dataclasses.fields(SerialSignalSettings)}
    assert shown == known - {"readers.options", "feedback.options"} | options


@pytest.mark.parametrize(
    ("block", "options_of"), [("readers", reader_options), ("feedback", feedback_options)], ids=["readers", "feedback"]
)
def test_the_example_shows_every_option_of_each_block_in_it(block: str, options_of: Callable[[Any], Any]) -> None:
    """Each block of a reader or device shows all that its type takes, with the defaults where there are any."""
    uncommented = re.sub(r"^# (\[|[a-z_]+ = )", r"\1", _example(), flags=re.MULTILINE)
    tables = tomllib.loads(uncommented)[block]

    for table, configured in zip(tables, getattr(parse(uncommented.encode()), block), strict=True):
        shown = options_of(configured)
        options = dataclasses.fields(shown)
        needed = {
            option.name: getattr(shown, option.name)
            for option in options
            if option.default is option.default_factory is dataclasses.MISSING
        }
        assert table["options"].keys() == {option.name for option in options}
        assert shown == type(shown)(**needed)


def test_the_example_shows_each_type_of_feedback_device() -> None:
    """One block of each."""
    uncommented = re.sub(r"^# (\[|[a-z_]+ = )", r"\1", _example(), flags=re.MULTILINE)

    assert {table["type"] for table in tomllib.loads(uncommented)["feedback"]} == set(FEEDBACK_TYPES)


def test_every_key_but_the_born_ones_has_a_default() -> None:
    """A box needs a name and an organisation, a reader and a lamp a name and a type, a SAM its number."""
    without = {
        path
        for path, table in all_keys()
        for field in fields(table)
        if field.name == path.rsplit(".", 1)[-1] and field.required
    }

    assert without == WITHOUT_DEFAULT


@pytest.mark.parametrize(
    ("name", "readers", "devices"),
    [
        ("clinic", ["serial-scanner"], []),
        ("van", ["serial-scanner", "pcsc"], []),
        ("kiosk", ["serial-scanner", "sdt"], ["line-file", "voice", "ticket"]),
    ],
)
def test_what_people_copy_is_usable(name: str, readers: list[str], devices: list[str]) -> None:
    """The configurations of a clinic, a team and a kiosk pass the check as they are."""
    settings = load(CONFIG / f"{name}.toml")

    assert settings.uplink.enabled
    assert [reader.type for reader in settings.readers] == readers
    assert [device.type for device in settings.feedback] == devices


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[[sams]]\nnumber = '12'\n", "sams[0].number"),
        (f"[[sams]]\nnumber = '{'aa' * 10}'\n[[sams]]\nnumber = '{'AA' * 10}'\n", "sams[1].number"),
        ("[[feedback]]\nname = 'a'\ntype = 'secret'\n", "feedback[0].type"),
        ("[[feedback]]\nname = 'a'\ntype = 'voice'\noptions = { secret = 1 }\n", "feedback[0].options.secret"),
        (2 * "[[feedback]]\nname = 'a'\ntype = 'voice'\noptions.folder = '/c'\n", "feedback[1].name"),
        ("[cards]\nfiles = 'secret'\n", "cards.files"),
    ],
)
def test_wrong_cards_and_devices_are_named(text: str, where: str) -> None:
    """The key, and never the value found."""
    error = _refused(text)

    assert error.where == where
    assert "secret" not in error.expected


def test_the_pin_file_lies_below_the_keys() -> None:
    """As every secret does; an empty path stays empty."""
    assert parse(BORN).cards.sam_pin_file == Path()
    assert parse(BORN + b'key_dir = "/k"\n[cards]\nsam_pin_file = "sam.pin"\n').cards.sam_pin_file == Path("/k/sam.pin")


def test_relative_paths_lie_below_their_folder() -> None:
    """Trust lies below the data, keys below the keys, and an empty path stays empty."""
    text = b'data_dir = "/d"\nkey_dir = "/k"\n[uplink.tls]\nca = "ca.pem"\ncert = "/abs/c.pem"\nkey = "k.pem"\n'
    settings = parse(BORN + text)

    assert settings.trust.dir == Path("/d/trust")
    assert settings.api.token_file == Path("/k/api.token")
    assert settings.storage.machine_key_file == Path("/k/machine.key")
    assert (settings.uplink.tls.ca, settings.uplink.tls.cert) == (Path("/k/ca.pem"), Path("/abs/c.pem"))
    assert parse(BORN).uplink.tls.ca == Path()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[uplink]\nport = 0\n", "uplink.port"),
        ("[uplink]\nport = 'secret'\n", "uplink.port"),
        ("[uplink]\npasswort = 'secret'\n", "uplink.passwort"),
        ("[uplnk]\n", "uplnk"),
        ("[uplink]\ntls = 'secret'\n", "uplink.tls"),
        ("[uplink.tls]\nca = 5\n", "uplink.tls.ca"),
        ("[uplink]\nhost = ''\n", "uplink.host"),
        ("[log]\nlevel = 'secret'\n", "log.level"),
        ("[intake]\nstep = 'secret'\n", "intake.step"),
        ("[intake]\nsame_act_s = 61\n", "intake.same_act_s"),
        ("[api]\nhosts = ['a', '']\n", "api.hosts[1]"),
        ("[api]\nport = 1.5\n", "api.port"),
        ('[api]\ntoken_file = "a\\u0000secret"\n', "api.token_file"),
        ("[storage]\nkeep_days = 0\n", "storage.keep_days"),
        ("[storage]\nmachine_key_file = '/var/lib/ehc-edge/secret'\n", "storage.machine_key_file"),
        ("[carriers]\noff = 'secret'\n", "carriers.off"),
        (f"[control]\nsocket = '/{'s' * 100}'\n", "control.socket"),
        ("[control]\nsocket = ''\n", "control.socket"),
        ("[control]\nsocket = '/'\n", "control.socket"),
        ("[[readers]]\nname = 'a b'\ntype = 'x'\n", "readers[0].name"),
        ("[[readers]]\nname = 'a'\n", "readers[0].type"),
        (
            SCANNER + "port = '/p'\n[[readers]]\nname = 'a'\ntype = 'x'\n",
            "readers[1].name",
        ),
        ("[[readers]]\nname = 'a'\ntype = 'x'\noptions = 'secret'\n", "readers[0].options"),
        ("[[readers]]\nname = 'a'\ntype = 'secret'\n", "readers[0].type"),
        (SCANNER, "readers[0].options.port"),
        (SCANNER + "port = 5\n", "readers[0].options.port"),
        (SCANNER + "port = '/p'\nbaud = 5\n", "readers[0].options.baud"),
        (SCANNER + "port = '/p'\nparity = 'secret'\n", "readers[0].options.parity"),
        (SCANNER + "port = '/p'\npassword = 'secret'\n", "readers[0].options.password"),
        ("[carriers]\noff = ['secret']\n", "carriers.off"),
        ("[carriers]\nlegacy_card = ['secret(']\n", "carriers.legacy_card[0]"),
        ("[uplink]\nenabled = true\nhost = 'far'\n", "uplink.tls.ca"),
        ("[uplink]\nenabled = true\nhost = 'far'\n[uplink.tls]\nca = 'a'\ncert = 'b'\n", "uplink.tls.key"),
        ("[uplink.tls]\nca = 'a'\n", "uplink.tls.cert"),
    ],
)
def test_a_wrong_key_is_named_and_its_value_is_not_shown(text: str, where: str) -> None:
    """Whoever mends the file is told the key and what it should hold; a log never holds what stood there."""
    error = _refused(text)

    assert error.where == where
    assert error.expected
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("node", "where"),
    [
        ("name = 'all'\norg = 'o'", "node.name"),
        ("name = 'a/b'\norg = 'o'", "node.name"),
        ("org = 'o'", "node.name"),
        ("name = 'n'", "node.org"),
        ("name = 'n'\norg = 'o'\ndata_dir = 'x'", "node.data_dir"),
        ("name = 'n'\norg = 'o'\nkey_dir = 'x'", "node.key_dir"),
        ("name = 'n'\norg = 'o'\ndata_dir = '/x'\nkey_dir = '/x/y'", "node.key_dir"),
        ("name = 'n'\norg = 'o'\nallow_test_keys = 1", "node.allow_test_keys"),
    ],
)
def test_a_wrong_node_is_named(node: str, where: str) -> None:
    """The node's own table is held to the same rules."""
    with pytest.raises(ConfigError) as caught:
        parse(f"[node]\n{node}\n".encode())

    assert caught.value.where == where


def test_a_missing_node_table_is_named() -> None:
    """An empty file lacks the node."""
    with pytest.raises(ConfigError) as caught:
        parse(b"")

    assert (caught.value.where, caught.value.expected) == ("node", "a table")


def test_what_is_expected_is_said_with_unit_and_range() -> None:
    """The message can be obeyed without a manual."""
    assert _refused("[storage]\nkeep_days = 0\n").expected == "a number of days, 1..3650"
    assert _refused(SCANNER + "port = 5\n").expected == "text"
    assert _refused(SCANNER + "port = '/p'\nparity = 'x'\n").expected == "one of none, even, odd"
    assert _refused(SCANNER + "port = '/p'\nbytesize = 9\n").expected == "one of 7, 8"
    assert _refused("[log]\nlevel = 'x'\n").expected == "one of debug, info, warning, error"


@pytest.mark.parametrize(
    ("options", "where", "expected"),
    [
        ("", "port", "a value, because it has no default"),
        ("prot = '/p'", "prot", "an option of this type: port, model, baud, "),
        ("port = '/p'\nmodel = 'acme'", "model", "the absolute path of a model's file, or one of "),
        ("port = '/p'\nsignals = {green = '1b'}", "signals", "one of accept, pending, check, refuse, "),
    ],
)
def test_the_usual_mistakes_in_a_scanners_options_are_told_plainly(options: str, where: str, expected: str) -> None:
    """What is missing, misspelt or unknown is named, and what there is instead; in Chinese, too."""
    fault = _refused(SCANNER + options + "\n")

    assert fault.where == f"readers[0].options.{where}"
    assert fault.expected.startswith(expected)
    assert load_messages(Language.ZH).expected(fault.expected) != fault.expected


def test_an_option_beside_its_table_is_told_where_it_belongs() -> None:
    """Everybody forgets the second header once."""
    fault = _refused("[[readers]]\nname = 's'\ntype = 'serial-scanner'\nport = '/p'\n")

    assert fault.where == "readers[0].port"
    assert "below [readers.options]" in fault.expected


@pytest.mark.parametrize("data", [b"\xff", b"a = ", b"a = 1\na = 2\n"])
def test_what_is_no_toml_is_refused_with_the_file(data: bytes) -> None:
    """A file that cannot be read as TOML is named, its content is not."""
    with pytest.raises(ConfigError) as caught:
        parse(data, where="edge.toml")

    assert re.fullmatch(r"edge\.toml(:[12])?", caught.value.where)


def test_a_file_that_cannot_be_read_or_is_too_long_is_refused(tmp_path: Path) -> None:
    """The path stands in the error."""
    long = tmp_path / "long.toml"
    long.write_bytes(b"#" * (FILE_BYTES_MAX + 1))

    for path, expected in (
        (tmp_path / "none.toml", "a file that is there"),
        (tmp_path, "a file that this account can read"),
        (long, f"a file of at most {FILE_BYTES_MAX} bytes"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert (caught.value.where, caught.value.expected) == (str(path), expected)


def test_a_plain_link_stays_on_the_box() -> None:
    """Without TLS only a broker on this box is allowed."""
    settings = parse(BORN + b"[uplink]\nenabled = true\nhost = '127.0.0.1'\n")

    assert settings.uplink.tls.ca == Path()


def test_settings_cannot_be_changed() -> None:
    """What was checked stays checked."""
    settings = parse(BORN)

    with pytest.raises(AttributeError):
        settings.node.name = "other"  # type: ignore[misc]
    assert isinstance(settings, Settings)


def _paths_of(table: dict[str, Any], prefix: str = "") -> list[str]:
    paths: list[str] = []
    for name, value in table.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            paths += _paths_of(value, f"{path}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            paths += _paths_of(value[0], f"{path}.")
        else:
            paths.append(path)
    return paths


def test_a_model_fills_in_what_the_configuration_leaves_out() -> None:
    """What is written wins over what the model says; a model that is none is named."""
    block = "[[readers]]\nname = 'a'\ntype = 'serial-scanner'\n[readers.options]\nport = '/p'\nmodel = "

    modelled = reader_options(parse(BORN + f"{block}'generic-115200'\n".encode()).readers[0])
    own = reader_options(parse(BORN + f"{block}'generic-115200'\nbaud = 2400\n".encode()).readers[0])

    assert (modelled.baud, own.baud) == (115_200, 2_400)
    assert _refused(f"{block}'secret'\n").where == "readers[0].options.model"


def test_a_driver_that_says_nothing_useful_is_answered_all_the_same() -> None:
    """Another maker's settings may refuse in words of their own: the block is named, their words are not shown."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Odd:
        port: str

        def __post_init__(self) -> None:
            raise ValueError("secret")

    with pytest.raises(ConfigError) as caught:
        driver_options._converted({"port": "/p"}, Odd, where="readers[0].options")

    assert caught.value.where == "readers[0].options"
    assert "secret" not in caught.value.expected
