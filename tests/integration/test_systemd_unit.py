"""The unit: systemd has nothing to say about it, and it promises what the daemon keeps."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.settings import NodeSettings, Settings, parse
from edge.verdict import Reason

UNIT = Path(__file__).parents[2] / "systemd/ehc-edge.service"
MANUAL = Path(__file__).parents[2] / "docs/operations.md"
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE_MAX = 20  # of 100: what a network service of one account can reach

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here (apt-get install systemd)")


def _unit() -> configparser.RawConfigParser:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text(encoding="utf-8"))
    return unit


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it would be installed, with a program that exists here."""
    text = UNIT.read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    path = tmp_path / UNIT.name
    path.write_text(text.replace(line, "ExecStart=/bin/true run"), encoding="utf-8")
    return path


@needs_systemd
def test_systemd_finds_nothing_wrong(installed: Path) -> None:
    """Not one line: it exits with 0 even for keys it does not know."""
    done = subprocess.run([str(ANALYZE), "verify", str(installed)], capture_output=True, text=True, timeout=60)

    assert (done.stderr, done.returncode) == ("", 0)


@needs_systemd
def test_little_is_exposed(installed: Path) -> None:
    """Sandboxing stays as tight as it is."""
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(installed)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout[-2_000:]


def test_it_restarts_always_but_not_for_a_bad_configuration() -> None:
    """78 is the daemon's word for "a restart would not help"."""
    service = _unit()["Service"]

    assert service["Type"] == "notify"
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"] == "78"
    assert int(service["WatchdogSec"]) >= 30
    assert int(service["TimeoutStopSec"]) > 5


def test_its_folders_are_the_defaults_of_the_configuration() -> None:
    """A box that configures nothing finds its data, keys and socket where the unit makes them."""
    service = _unit()["Service"]
    node: NodeSettings = parse(b'[node]\nname = "n"\norg = "o"\n').node
    settings: Settings = parse(b'[node]\nname = "n"\norg = "o"\n')

    assert [f"/var/lib/{name}" for name in service["StateDirectory"].split()] == [str(node.data_dir), str(node.key_dir)]
    assert str(settings.control.socket.parent) == f"/run/{service['RuntimeDirectory']}"


def test_the_manual_puts_everything_where_the_unit_looks() -> None:
    """Whoever follows it on a fresh box has the program, the account, the folders and the manual itself."""
    unit, manual = _unit(), MANUAL.read_text(encoding="utf-8")
    program, _, _, configuration = unit["Service"]["ExecStart"].split()

    wanted = {
        f"{unit['Unit']['Documentation'].removeprefix('file:')}\n",
        program,
        configuration,
        "/usr/lib/sysusers.d/ehc-edge.conf && systemd-sysusers",
        f"-o {unit['Service']['User']} -g {unit['Service']['Group']}",
        *(f"/var/lib/{name}" for name in unit["Service"]["StateDirectory"].split()),
        *("node.key", "node-encryption.key", "ca.pem", "client.pem", "client.key", "root.1.json"),
    }

    assert {text for text in wanted if text not in manual} == set()


def test_the_manual_explains_every_reason() -> None:
    """No word on the screen is without a line that says what to do."""
    manual = MANUAL.read_text(encoding="utf-8")

    assert {reason for reason in Reason if reason not in manual} == set()
