"""Reader types by name."""

import pytest

from drivers.errors import DriverError, UnknownReaderError
from drivers.readers.serial_scanner import FAMILY, SerialScannerReader, SerialScannerSettings
from drivers.registry import READER_TYPES, load


def test_every_registered_type_loads() -> None:
    """Each row of the table names something that is there."""
    for type_name in READER_TYPES:
        assert load(type_name).settings_type


def test_serial_scanner_builds_its_reader() -> None:
    """A family makes a closed reader from its name and settings."""
    family = load("serial-scanner")

    reader = family.build("scanner-1", settings=family.settings_type(port="/dev/null"))

    assert family is FAMILY
    assert family.settings_type is SerialScannerSettings
    assert isinstance(reader, SerialScannerReader)
    assert reader.name == "scanner-1"


def test_an_unknown_type_says_which_are_known() -> None:
    """A mistake in the configuration is answered with what can be written there."""
    with pytest.raises(UnknownReaderError, match=r"'serial-scammer'; known: .*serial-scanner") as caught:
        load("serial-scammer")

    assert isinstance(caught.value, DriverError)


def test_what_is_no_family_is_a_bug() -> None:
    """A row that names something else than a family does not pass silently."""
    with pytest.raises(TypeError, match="ReaderFamily"):
        load("odd", table={"odd": "drivers.registry:load"})
