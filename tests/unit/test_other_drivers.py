"""Drivers that other packages bring: found by name, imported only when configured, and named when they are broken."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers import registry
from drivers.errors import BrokenDriverError, UnknownReaderError
from edge.__main__ import main
from edge.settings import parse
from tests.support import other_driver

NODE = '[node]\nname = "n-1"\norg = "o"\n'
GOOD = "from drivers.readers.replay import FAMILY\n"

Put = Callable[..., None]


@pytest.fixture
def put(tmp_path: Path) -> Iterator[Put]:
    """Install packages, each with one driver."""

    def install(package: str, *, type_name: str, source: str) -> None:
        (tmp_path / f"{package}.py").write_text(source)
        known = tmp_path / f"{package}-1.dist-info"
        known.mkdir()
        (known / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (known / "entry_points.txt").write_text(f"[ehc_edge.readers]\n{type_name} = {package}:FAMILY\n")

    with other_driver.installed(tmp_path):
        yield install


def test_the_page_shows_a_whole_driver_in_under_a_hundred_lines() -> None:
    """Short enough to be read at one sitting, and it is the one that the conformance suite runs."""
    assert 40 < len(other_driver.file_of("ehc_tilde.py").splitlines()) < 100


def test_the_driver_of_the_page_is_loaded_by_a_configuration(tmp_path: Path) -> None:
    """Its options are checked as those of a built-in type are."""
    packages = tmp_path / "packages"
    packages.mkdir()
    other_driver.put_into(packages)

    with other_driver.installed(packages):
        (reader,) = parse((NODE + other_driver.file_of("edge.toml")).encode()).readers
        family = registry.load(reader.type)

        assert family.settings_type.__module__ == "ehc_tilde"
    with pytest.raises(UnknownReaderError):
        registry.load("tilde-scanner")


def test_only_what_is_configured_is_imported(put: Put) -> None:
    """A package that is installed and not named runs no line of its code, not even to list its name."""
    put("far", type_name="far-scanner", source="raise SystemExit('imported')\n")
    put("near", type_name="near-scanner", source=GOOD)

    registry.load("near-scanner")

    assert registry.installed_types() == ["far-scanner", "near-scanner"]
    assert "far" not in sys.modules


def test_an_unknown_type_names_the_brought_ones_too(put: Put) -> None:
    """Whoever mistyped the name of an installed driver sees it."""
    put("near", type_name="near-scanner", source=GOOD)

    with pytest.raises(UnknownReaderError, match=r"known: .*near-scanner"):
        registry.load("nearscanner")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import nowhere_at_all\n", r"ModuleNotFoundError \(nowhere_at_all\)"),
        ("FAMILY = 1 / 0\n", "ZeroDivisionError"),
        ("other = 1\n", r"AttributeError \(FAMILY\)"),
        ("FAMILY = 7\n", "no ReaderFamily"),
        (
            "from drivers.reader import ReaderFamily\nFAMILY = ReaderFamily(settings_type=int, build=int)\n",
            "no ReaderFamily",
        ),
    ],
)
def test_a_broken_driver_is_named(put: Put, source: str, cause: str) -> None:
    """Its type, its package and what went wrong."""
    put("broken", type_name="broken-scanner", source=source)

    with pytest.raises(BrokenDriverError, match=f"'broken-scanner', from the package broken, .*{cause}"):
        registry.load("broken-scanner")


def test_a_broken_driver_is_a_wrong_configuration(put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The node does not start without a reader that it was told to have: exit code 78, and the key is named."""
    put("broken", type_name="broken-scanner", source="import nowhere_at_all\n")
    config = tmp_path / "edge.toml"
    config.write_text(NODE + '[[readers]]\nname = "scanner-1"\ntype = "broken-scanner"\n')

    code = main(["check-config", "--config", str(config), "--lang", "en"])

    assert code == 78
    assert "readers[0].type" in capsys.readouterr().err


def test_a_built_in_type_wins_and_that_is_said(put: Put, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody's package changes what a known name means."""
    put("usurper", type_name="serial-scanner", source="raise SystemExit('imported')\n")

    with caplog.at_level(logging.WARNING):
        family = registry.load("serial-scanner")

    assert family.settings_type.__module__ == "drivers.readers.serial_scanner"
    assert "not that of usurper" in caplog.text


def test_of_two_packages_with_one_name_the_first_by_name_counts(put: Put) -> None:
    """The choice does not depend on the order of folders."""
    put("b_driver", type_name="near-scanner", source="raise SystemExit('imported')\n")
    put("a_driver", type_name="near-scanner", source=GOOD)

    assert registry.load("near-scanner").settings_type.__name__ == "ReplaySettings"
