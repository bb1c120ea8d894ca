"""`ehc-city init` and `node add`: what is made, for whom it can be read, and what is left of a failure."""

import errno
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from city import commands, founding
from city.__main__ import main
from city.authority.keys import write_new
from city.errors import AuthorityError
from edge import settings
from edge.gm import public_key
from tests.support.city_cli import NODE, City


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> City:
    return City.founded(tmp_path / "city", capsys)


def test_a_new_city_publishes_what_a_node_verifies(city: City) -> None:
    """Right after init the published folder is a whole trust folder under keys nobody else has."""
    loaded = city.trust()

    assert loaded.problems == ()
    assert not loaded.uses_test_keys
    assert loaded.trust.root is not None
    assert loaded.trust.root.city == "370800"
    assert loaded.trust.issuers is not None
    assert sorted(loaded.trust.lists) == ["cards-1", "cards-2"]
    assert list(loaded.trust.hashed) == ["national"]


def test_init_overwrites_nothing(city: City) -> None:
    """A second init of the same folder fails and leaves every key as it was."""
    before = {path.name: path.read_bytes() for path in (city.folder / "keys").iterdir()}

    code, error = city.fails("init")

    assert code == 1
    assert "无法执行 cannot be done" in error
    assert before == {path.name: path.read_bytes() for path in (city.folder / "keys").iterdir()}
    assert city.fails("node", "add", NODE)[0] == 1


def test_init_never_joins_somebodys_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds anything, such as a source package called city, is left as it is."""
    (tmp_path / "__init__.py").write_text("")

    assert main(["init", "--home", str(tmp_path)]) == 1
    assert "--home" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["__init__.py"]


def test_init_takes_an_empty_folder(tmp_path: Path) -> None:
    """A folder that was made for it, such as a mounted disk, is as good as none."""
    assert main(["init", "--home", str(tmp_path)]) == 0
    assert (tmp_path / "city.json").exists()


@pytest.mark.parametrize(
    ("names", "said"), [(["a", "all"], "a node's name"), (["a", "b", "a"], "a: 重复 named twice"), (["a/b"], "name")]
)
def test_init_looks_at_every_name_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str], said: str
) -> None:
    """A node's name that is none or comes twice is refused before anything is made."""
    words = [word for name in names for word in ("--node", name)]

    assert main(["init", "--home", str(tmp_path / "a" / "city"), *words]) == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("step", ["found_city", "add_node", "publish"])
def test_a_failed_init_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, is_there: bool
) -> None:
    """Wherever it fails, everything it made is gone, and a folder that was there stays, empty."""
    home = tmp_path / "a" / "city"
    if is_there:
        home.mkdir(parents=True)
    whole = getattr(commands, step)

    def fail(*args: Any, **options: Any) -> None:
        whole(*args, **options)
        raise AuthorityError("the disk is full")

    monkeypatch.setattr(commands, step, fail)
    assert main(["init", "--home", str(home), "--node", NODE]) == 1
    assert list(tmp_path.rglob("*")) == ([home.parent, home] if is_there else [])

    monkeypatch.setattr(commands, step, whole)
    assert main(["init", "--home", str(home), "--node", NODE]) == 0


def test_private_files_are_the_owners_alone(city: City) -> None:
    """Keys, settings and databases have mode 0600, their folders 0700."""
    for path in (city.folder / "keys", city.folder / "nodes", city.folder / "tls", city.folder / "nodes" / NODE):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir() if file.is_file()} <= {0o600}
    assert stat.S_IMODE((city.folder / "authority.db").stat().st_mode) == 0o600


def test_a_nodes_configuration_is_ready(city: City) -> None:
    """The fragment made for a node is read by the daemon's own settings, and its keys are those the city knows."""
    loaded = settings.load(city.folder / "nodes" / NODE / "edge.toml")
    public = json.loads((city.folder / "nodes" / f"{NODE}.json").read_text())

    assert loaded.node.name == NODE
    assert loaded.uplink.port == 8883
    assert loaded.uplink.tls.cert.read_bytes().startswith(b"-----BEGIN CERTIFICATE")
    assert public_key(bytes.fromhex(public["sign"])) == city.node_key("node.key").public


@pytest.mark.parametrize("name", ["all", "", "a/b", "x" * 33, "city.ingest"])
def test_a_node_needs_a_name_that_topics_allow(city: City, name: str) -> None:
    """A name that could mean another topic or the city itself is refused."""
    assert city.fails("node", "add", name)[0] == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A city below a file cannot be; nothing is left behind."""
    (tmp_path / "file").write_text("")

    assert main(["init", "--home", str(tmp_path / "file" / "city")]) == 1
    assert "cannot be made" in capsys.readouterr().err
    assert main(["init", "--home", str(tmp_path / "x" / ("y" * 300))]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_is_written_once(tmp_path: Path) -> None:
    """New files never replace others, and a folder that is missing is an error with the file's name."""
    write_new(tmp_path / "x", b"1")
    with pytest.raises(AuthorityError, match="x: is there already"):
        write_new(tmp_path / "x", b"2")
    with pytest.raises(AuthorityError, match="y: cannot be written"):
        write_new(tmp_path / "none" / "y", b"2")
    assert (tmp_path / "x").read_bytes() == b"1"


@pytest.mark.parametrize("broker", ["nowhere", "host:99999999", "host:0", ":1"])
def test_a_broker_is_host_and_port(tmp_path: Path, capsys: pytest.CaptureFixture[str], broker: str) -> None:
    """A broker's address that is none exits 78 before anything is made."""
    assert main(["init", "--home", str(tmp_path / "city"), "--broker", broker]) == 78
    assert not (tmp_path / "city" / "city.json").exists()
    assert "broker" in capsys.readouterr().err


def test_the_broker_listens_where_it_is_told(tmp_path: Path) -> None:
    """Loopback stays loopback, another address listens everywhere, and --listen decides."""
    found = []
    for number, words in enumerate(
        (["--broker", "127.0.0.1:1883"], ["--broker", "city.example:8883"], ["--listen", "192.0.2.1"])
    ):
        home = tmp_path / str(number)
        assert main(["init", "--home", str(home), *words]) == 0
        found.append((home / "broker" / "mosquitto.conf").read_text().splitlines()[1])

    assert found == ["listener 1883 127.0.0.1", "listener 8883 0.0.0.0", "listener 8883 192.0.2.1"]


def test_the_folder_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --home the folder is that of EHC_CITY_HOME."""
    monkeypatch.setenv("EHC_CITY_HOME", str(tmp_path / "there"))

    assert main(["init", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["home"] == str(tmp_path / "there")


@pytest.mark.parametrize("step", ["_edge_toml", "write_new"])
def test_a_failed_node_leaves_nothing_behind(city: City, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Wherever making a node fails, its folder is gone and it can be made again."""
    whole = getattr(founding, step)

    def fail(*args: Any, **options: Any) -> Any:
        if step == "_edge_toml" or args[0].name == "extra.json":
            raise AuthorityError("the disk is full")
        return whole(*args, **options)

    monkeypatch.setattr(founding, step, fail)
    assert city.fails("node", "add", "extra")[0] == 1
    assert sorted(path.name for path in (city.folder / "nodes").iterdir()) == [NODE, f"{NODE}.json"]

    monkeypatch.setattr(founding, step, whole)
    city("node", "add", "extra")


def test_a_nodes_folder_that_is_there_is_left(city: City) -> None:
    """A folder of that name may hold keys that a box has: nothing in it is touched, and what to do is said."""
    file = city.folder / "nodes" / "extra" / "node.key"
    file.parent.mkdir()
    file.write_text("kept")

    assert "delete it first" in city.fails("node", "add", "extra")[1]
    assert file.read_text() == "kept"


def test_half_a_file_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills while a file is written leaves none that would be taken for a damaged one."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(AuthorityError, match="cannot be written"):
        write_new(tmp_path / "x", b"1")
    assert list(tmp_path.iterdir()) == []


def test_a_new_node_gets_every_root(city: City) -> None:
    """A node made after a rotation is born with the whole chain."""
    city("root", "rotate")
    folder = Path(city("node", "add", "extra")["folder"])

    assert sorted(path.name for path in folder.glob("root.*")) == ["root.1.json", "root.2.json"]
