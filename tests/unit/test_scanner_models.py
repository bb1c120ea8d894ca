"""Models of scanners: data that anybody can add, held to its form."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from drivers.errors import ModelError
from drivers.scanner_models import (
    FILE_BYTES_MAX,
    USB_IDS_MAX,
    completed,
    load_model,
    models,
    models_of,
    parse_model,
)

OWN = """
title = "A scanner of our own"
type = "serial-scanner"
transport = "serial"
[options]
baud = 19200
terminator = "crlf"
"""


@pytest.mark.parametrize("model", models(), ids=lambda model: model.name)
def test_a_model_shipped_has_only_options_of_its_type(model: object) -> None:
    """Whoever names it gets settings that its type of reader takes."""
    wanted = registry.load(model.type_name).settings_type  # type: ignore[attr-defined]

    settings = wanted(**completed({"port": "/dev/x", "model": model.name}, type_name=model.type_name))  # type: ignore[attr-defined]

    shown = {option.name for option in dataclasses.fields(settings)}
    assert set(model.options) <= shown  # type: ignore[attr-defined]
    assert model.title  # type: ignore[attr-defined]


def test_a_fact_shipped_has_a_source() -> None:
    """Ids that a model claims can be looked up somewhere, and one scanner is claimed by one, but for converters."""
    claimed = Counter(usb_id for model in models() if not model.name.startswith("converter-") for usb_id in model.usb)

    assert all(model.source for model in models() if model.usb)
    assert set(claimed.values()) == {1}


def test_a_device_is_found_by_its_ids() -> None:
    """What the machine sees on its bus leads to the models that it may be; an unknown device to none."""
    assert [model.name for model in models_of("05E0:1701")] == ["symbol-cdc"]
    assert {model.options["baud"] for model in models_of("1a86:7523")} == {9600, 115_200}
    assert models_of("ffff:ffff") == ()


def test_explicit_options_win() -> None:
    """A model gives what the configuration leaves out, and nothing else."""
    options = {"port": "/dev/x", "model": "generic-stx-etx-9600", "baud": 4800}

    assert completed(options, type_name="serial-scanner") == {**options, "framing": "stx-etx"}


@pytest.mark.parametrize(
    ("options", "type_name"),
    [
        ({"port": "/dev/x"}, "serial-scanner"),
        ({"port": "/dev/x", "model": ""}, "serial-scanner"),
        ({"port": "/dev/x", "model": 5}, "serial-scanner"),
        ({"model": "generic-9600"}, "somebody-elses"),
    ],
)
def test_without_a_model_nothing_is_added(options: dict[str, object], type_name: str) -> None:
    """No model, one that the settings will refuse, or a type of reader that means something else by the word."""
    assert completed(options, type_name=type_name) == options


def test_a_model_of_ones_own_needs_no_code(tmp_path: Path) -> None:
    """Any file named by its absolute path will do."""
    path = tmp_path / "own.toml"
    path.write_text(OWN)

    model = load_model(str(path))

    assert (model.name, model.usb, model.source) == (str(path), (), "")
    assert completed({"model": str(path)}, type_name="serial-scanner")["baud"] == 19_200


@pytest.mark.parametrize("name", ["none", "../models/generic-9600", "Generic", "a\0b", "/dev/null/x", "/a\0b", "x/y"])
def test_a_model_that_is_not_there_is_named(name: str) -> None:
    """The person is told what can be written there; a relative path is no way out of the folder."""
    with pytest.raises(ModelError, match=r"^model: expected .*(generic-9600|a file that this account can read)"):
        load_model(name)


def test_a_model_of_another_type_is_refused() -> None:
    """A keyboard's model says nothing of a serial port."""
    with pytest.raises(ModelError, match="of the type serial-scanner"):
        completed({"model": "generic-hid"}, type_name="serial-scanner")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff", "valid TOML"),
        (b"a = ", "valid TOML"),
        (b"#" * (FILE_BYTES_MAX + 1), "at most 65536 bytes"),
        (b"", "not so title"),
        (OWN.replace("transport", "transports").encode(), "not so transport"),
        (OWN.replace('"serial"', '"pigeon"').encode(), "usb-hid"),
        (OWN.replace("baud", "port").encode(), "lack model and port"),
        (OWN.replace("baud", "model").encode(), "lack model and port"),
        (b"colour = 1\n" + OWN.encode(), "not so colour"),
        (b"usb = '1a2b:3c4d'\n" + OWN.encode(), "not so usb"),
        (b"usb = ['1A2B:3C4D']\n" + OWN.encode(), "1a2b:3c4d"),
        (b"usb = [1]\n" + OWN.encode(), "1a2b:3c4d"),
        (f"usb = {['1a2b:3c4d'] * (USB_IDS_MAX + 1)}\n{OWN}".encode(), "at most 64 ids"),
    ],
)
def test_a_wrong_file_is_refused_with_what_was_expected(data: bytes, expected: str) -> None:
    """The message can be obeyed without a manual."""
    with pytest.raises(ModelError, match=expected):
        parse_model(data, name="own")


@given(data=st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_garbage_is_refused(data: bytes) -> None:
    """Whatever a file holds: a model or the documented error."""
    with pytest.raises(ModelError):
        parse_model(data, name="own")
