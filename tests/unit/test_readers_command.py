"""`ehc-edge readers`: listing, probing and the configuration it proposes and changes, without a device."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ReaderLostError
from drivers.found import DeviceKind, FoundDevice
from edge import readers_command, settings
from edge.__main__ import main
from edge.errors import UnreachableError
from edge.messages import Language, load
from edge.readers_options import SECONDS_MAX
from edge.readers_text import list_lines, probe_lines, reading_lines, told_line
from edge.settings import Settings

NODE = '[node]\nname = "n-1"\norg = "o"\n'
ID_NUMBER = "11010020171225006X"


def reader_block(name: str, *, reader_type: str = "serial-scanner", **options: Any) -> str:
    return readers_command.toml_block(name, reader_type=reader_type, options=options) + "\n"


def configured(*blocks: str) -> Settings:
    return settings.parse((NODE + "\n".join(blocks)).encode())


@pytest.fixture(params=list(Language))
def messages(request: pytest.FixtureRequest) -> Any:
    """The texts of each language."""
    return load(request.param)


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have a daemon that answers, or none."""

    def answer(*readers: dict[str, Any]) -> None:
        monkeypatch.setattr("edge.control.get", lambda *_, **__: {"readers": list(readers)})

    def unreachable(*_: object, **__: object) -> None:
        raise UnreachableError("/run/x")

    monkeypatch.setattr("edge.control.get", unreachable)
    return answer


def device(path: str, *, kind: DeviceKind = DeviceKind.SERIAL, **more: Any) -> FoundDevice:
    return FoundDevice(**({"kind": kind, "path": path, "device": path} | more))


def test_a_running_daemon_says_how_each_reader_is(daemon: Callable[..., None], messages: Any) -> None:
    """State, cause and since when are the daemon's; type and port are the configuration's."""
    daemon(
        {"name": "scanner-1", "state": "ready", "since_ms": 5}, {"name": "scanner-2", "state": "lost", "cause": "busy"}
    )
    here = configured(*(reader_block(f"scanner-{count}", port=f"/dev/p{count}") for count in (1, 2, 3)))

    listed = readers_command.list_readers(here, devices=list)

    assert listed["daemon"]
    assert listed["readers"] == [
        {"name": "scanner-1", "type": "serial-scanner", "port": "/dev/p1", "state": "ready", "since_ms": 5},
        {"name": "scanner-2", "type": "serial-scanner", "port": "/dev/p2", "state": "lost", "cause": "busy"},
        {"name": "scanner-3", "type": "serial-scanner", "port": "/dev/p3", "state": "new"},
    ]
    text = "\n".join(list_lines(listed, messages=messages))
    assert messages.text("lost.busy") in text
    assert messages.text("readers.new") in text
    assert messages.text("readers.no_daemon") not in text


def test_without_a_daemon_the_ports_are_looked_at(
    daemon: Callable[..., None],
    slots: Callable[..., None],
    tmp_path: Path,
    messages: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There, missing, or forbidden; a slot for cards is pcscd's to know."""
    slots("Acme Reader 00 00")
    port, forbidden = tmp_path / "port", tmp_path / "forbidden"
    port.touch()
    forbidden.touch()
    monkeypatch.setattr("drivers.found.may_use", lambda path: path != str(forbidden))
    here = configured(
        reader_block("scanner-1", port=str(port)),
        reader_block("scanner-2", port=str(tmp_path / "none")),
        reader_block("scanner-3", port=str(forbidden)),
        reader_block("card-1", reader_type="pcsc", reader="Acme Reader"),
    )

    listed = readers_command.list_readers(here, devices=list)

    assert not listed["daemon"]
    assert [(reader.get("state"), reader.get("cause")) for reader in listed["readers"]] == [
        ("there", None),
        ("lost", "missing"),
        ("lost", "permission"),
        ("there", None),
    ]
    text = "\n".join(list_lines(listed, messages=messages))
    assert messages.text("readers.no_daemon") in text
    assert "Acme Reader" in text


def test_what_no_configuration_names_is_listed(daemon: Callable[..., None], tmp_path: Path, messages: Any) -> None:
    """A device that is configured under any of its names is not; a link is followed."""
    port, link = tmp_path / "ttyUSB0", tmp_path / "by-path"
    port.touch()
    link.symlink_to(port)
    found = [
        device(str(port)),
        device("/dev/video0", kind=DeviceKind.CAMERA, vendor="1a2b", product="3c4d", label="Cam"),
    ]

    listed = readers_command.list_readers(configured(reader_block("scanner-1", port=str(link))), devices=lambda: found)

    assert listed["unnamed"] == [
        {"kind": "camera", "path": "/dev/video0", "vendor": "1a2b", "product": "3c4d", "label": "Cam"}
    ]
    assert "USB 1a2b:3c4d" in "\n".join(list_lines(listed, messages=messages))


def test_what_is_not_known_is_left_out(messages: Any) -> None:
    """A reader of which nobody can say how it is, and a reading that is nobody's card."""
    listed = {"daemon": True, "readers": [{"name": "a", "type": "replay"}], "unnamed": [], "shadowed": []}

    assert any(line.endswith("a  replay") for line in list_lines(listed, messages=messages))
    assert len(reading_lines({"reader": "a"}, messages=messages)) == 1


def test_a_bare_node_says_that_nothing_is_configured(daemon: Callable[..., None], messages: Any) -> None:
    """And lists without an error."""
    text = "\n".join(list_lines(readers_command.list_readers(configured(), devices=list), messages=messages))

    assert messages.text("status.readers_none") in text


def test_a_driver_that_is_passed_over_is_told(
    daemon: Callable[..., None], messages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever installed it would wonder."""
    monkeypatch.setattr("drivers.registry.installed", lambda name: name)
    monkeypatch.setattr("drivers.registry.package_of", lambda _entry: "acme-driver")
    here = configured(reader_block("scanner-1", port="/dev/p"))

    listed = readers_command.list_readers(here, devices=list)

    assert listed["shadowed"] == [{"type": "serial-scanner", "package": "acme-driver"}]
    assert "acme-driver" in "\n".join(list_lines(listed, messages=messages))


@pytest.fixture
def slots(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have pcscd know some slots, or not run."""

    def have(*names: str, cause: str | None = None) -> None:
        class Context:
            def __enter__(self) -> "Context":
                if cause is not None:
                    raise ReaderLostError(cause)
                return self

            def __exit__(self, *_: object) -> None:
                return None

            def readers(self) -> list[str]:
                return list(names)

        monkeypatch.setattr("drivers.transport.pcsc.PcscContext", Context)

    return have


def test_probing_gives_a_block_for_every_device(
    slots: Callable[..., None], tmp_path: Path, messages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block is a configuration of its own kind, under a name that is still free."""
    slots("Acme CCID [One] 00 00", "Acme CCID [Two] 00 01")
    paths = [str(tmp_path / name) for name in ("ttyUSB0", "event3", "video0")]
    for path in paths:
        Path(path).touch()
    kinds = (DeviceKind.SERIAL, DeviceKind.KEYBOARD, DeviceKind.CAMERA)
    usb = {DeviceKind.KEYBOARD: {"vendor": "1a2b", "product": "3c4d"}}
    model = SimpleNamespace(name="acme-hid", title="Acme", type_name="hid-scanner")
    monkeypatch.setattr("drivers.scanner_models.models_of", lambda _usb_id: (model,))
    found = [device(path, kind=kind, **usb.get(kind, {})) for path, kind in zip(paths, kinds, strict=True)]
    found[0] = device(paths[0] + "-link", device=paths[0], others=("/dev/serial/by-path/x",))

    probed = readers_command.probe(
        configured(reader_block("scanner-1", port="/dev/p")), path=None, ask=False, devices=lambda: found
    )

    blocks = [tomllib.loads(one["toml"])["readers"][0] for one in probed["devices"]]
    assert [(block["name"], block["type"], block["options"]) for block in blocks] == [
        ("scanner-2", "serial-scanner", {"port": paths[0] + "-link"}),
        ("scanner-3", "hid-scanner", {"port": paths[1], "model": "acme-hid"}),
        ("camera-1", "camera", {"source": paths[2]}),
        ("card-1", "pcsc", {"reader": "Acme CCID [One]"}),
        ("card-2", "pcsc", {"reader": "Acme CCID [Two]"}),
    ]
    lines = "\n".join(probe_lines(probed, messages=messages))
    assert [block["name"] for block in tomllib.loads(lines)["readers"]] == [block["name"] for block in blocks]
    assert paths[0] in lines
    assert "/dev/serial/by-path/x" in lines


def test_the_keyboard_of_the_desk_is_not_proposed_as_a_reader(
    slots: Callable[..., None], tmp_path: Path, messages: Any
) -> None:
    """Taken by the node, nobody could type on it: an unknown one is proposed only to who names it."""
    slots()
    path = tmp_path / "event3"
    path.touch()
    keyboard = device(str(path), kind=DeviceKind.KEYBOARD)

    (unasked,) = readers_command.probe(None, path=None, ask=False, devices=lambda: [keyboard])["devices"]
    (named,) = readers_command.probe(None, path=str(path), ask=False)["devices"]

    assert "toml" not in unasked
    assert f"probe {path}" in "\n".join(probe_lines({"devices": [unasked]}, messages=messages))
    assert tomllib.loads(named["toml"])["readers"][0]["type"] == "hid-scanner"


def test_the_slots_of_one_reader_keep_the_numbers_that_tell_them_apart(slots: Callable[..., None]) -> None:
    """A name without its number would be the other slot as well."""
    slots("Acme CCID 00 00", "Acme CCID 00 01")

    probed = readers_command.probe(None, path=None, ask=False, devices=list)

    assert [one["path"] for one in probed["devices"]] == ["Acme CCID 00 00", "Acme CCID 00 01"]


def test_what_is_configured_is_not_proposed_again(slots: Callable[..., None], tmp_path: Path, messages: Any) -> None:
    """A port under any of its names, a slot by a part of its name; the second reader would find the first one there."""
    slots("Acme CCID 00 00", "Acme CCID 00 01", "Other 00 00")
    port, link = tmp_path / "ttyUSB0", tmp_path / "by-id"
    port.touch()
    link.symlink_to(port)
    here = configured(
        reader_block("scanner-1", port=str(link)),
        reader_block("card-1", reader_type="pcsc", reader="CCID 00 00", sam_reader="CCID 00 01"),
    )

    probed = readers_command.probe(here, path=None, ask=False, devices=lambda: [device(str(port))])

    assert [(one.get("configured_as"), "toml" in one) for one in probed["devices"]] == [
        ("scanner-1", False),
        ("card-1", False),
        ("card-1", False),
        (None, True),
    ]
    lines = "\n".join(probe_lines(probed, messages=messages))
    assert messages.text("readers.configured_as", name="card-1") in lines
    assert messages.text("readers.may_be_sam", part="Other") in lines


def test_probing_what_is_not_there_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that asks for a device by its path learns from the exit code that it is missing."""
    config = tmp_path / "edge.toml"
    config.write_text(NODE)

    assert main(["readers", "probe", "--config", str(config), str(tmp_path / "none")]) == 1
    assert main(["readers", "probe", "--config", str(config), "/dev/null"]) == 0


@pytest.mark.parametrize(
    ("cause", "part", "state"),
    [
        (None, "Acme", ("there", None)),
        (None, "Other", ("lost", "missing")),
        ("no_service", "Acme", ("lost", "no_service")),
    ],
)
def test_without_a_daemon_pcscd_is_asked(
    daemon: Callable[..., None],
    slots: Callable[..., None],
    cause: str | None,
    part: str,
    state: tuple[str, str | None],
) -> None:
    """Whether it knows the slot, or does not run."""
    slots("Acme Reader 00 00", cause=cause)

    (reader,) = readers_command.list_readers(
        configured(reader_block("card-1", reader_type="pcsc", reader=part)), devices=list
    )["readers"]

    assert (reader["state"], reader.get("cause")) == state


def test_without_pcscd_that_is_said(slots: Callable[..., None], messages: Any) -> None:
    """And with what mends it; nothing else being there is said, too."""
    slots(cause="no_service")

    probed = readers_command.probe(None, path=None, ask=False, devices=list)

    assert probed == {"devices": [], "pcsc": "no_service"}
    lines = list(probe_lines(probed, messages=messages))
    assert lines[0] == messages.text("readers.nothing_found")
    assert "pcscd" in lines[-1]


def test_permission_and_holders_are_named(
    slots: Callable[..., None], tmp_path: Path, messages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the port, and what lets this account have it; the block is given all the same."""
    path = tmp_path / "ttyUSB0"
    path.touch()
    monkeypatch.setattr("drivers.found.may_use", lambda _path: False)
    monkeypatch.setattr("edge.readers_command.holders", lambda _path: [{"pid": 4711, "name": "minicom"}])

    probed = readers_command.probe(None, path=str(path), ask=True)

    (one,) = probed["devices"]
    assert (one["cause"], one["held_by"]) == ("permission", [{"pid": 4711, "name": "minicom"}])
    lines = "\n".join(probe_lines(probed, messages=messages))
    assert "minicom (4711)" in lines
    assert "dialout" in lines
    assert "toml" in one


def test_a_device_that_is_not_there_is_missing(tmp_path: Path, messages: Any) -> None:
    """There is nothing to configure."""
    probed = readers_command.probe(None, path=str(tmp_path / "none"), ask=False)

    assert probed["devices"][0]["cause"] == "missing"
    assert "toml" not in probed["devices"][0]
    assert messages.text("lost.missing") in "\n".join(probe_lines(probed, messages=messages))


def test_a_known_model_is_named_and_written(tmp_path: Path, messages: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """If its USB identity says which one it is; if it may be several, people decide."""

    class Model:
        name, title, type_name = "acme-2d", "Acme 2D", "serial-scanner"

    path = tmp_path / "ttyACM0"
    path.touch()
    found = device(str(path), vendor="1a2b", product="3c4d")
    for count, expected in ((1, {"port": str(path), "model": "acme-2d"}), (2, {"port": str(path)})):
        monkeypatch.setattr("drivers.scanner_models.models_of", lambda _usb_id, count=count: (Model(),) * count)
        monkeypatch.setattr("drivers.found.device_at", lambda _path: found)

        (one,) = readers_command.probe(None, path=str(path), ask=False)["devices"]

        assert one["models"] == ["Acme 2D"] * count
        assert tomllib.loads(one["toml"])["readers"][0]["options"] == expected
        assert "Acme 2D" in next(iter(probe_lines({"devices": [one]}, messages=messages)))


def test_answers_to_the_question_are_told(messages: Any) -> None:
    """A number, or that there was none."""
    asked = [{"kind": "serial", "path": "/dev/a", "sam_number": "05.03-1"}, {"kind": "serial", "path": "/dev/b"}]
    asked[1]["answer"] = "none"

    lines = "\n".join(probe_lines({"devices": asked}, messages=messages))

    assert "05.03-1" in lines
    assert messages.text("readers.not_answered") in lines


@given(text=st.text(max_size=40))
def test_any_text_survives_toml(text: str) -> None:
    """Quotes, controls and whatever a device calls itself."""
    assert tomllib.loads(f"x = {readers_command.toml_value(text)}")["x"] == text


@pytest.mark.parametrize(("value", "toml"), [(True, "true"), (False, "false"), (9600, "9600"), ("a", '"a"')])
def test_values_are_written_as_toml_writes_them(value: Any, toml: str) -> None:
    """A flag is not a number."""
    assert readers_command.toml_value(value) == toml


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"reader": "s", "carrier": "gs1", "bytes": 3, "encoding": "ascii", "shape": "99", "product": {"lot": "L1"}},
            "L1",
        ),
        ({"reader": "s", "carrier": "id_card", "bytes": 256}, "256"),
        ({"reader": "s", "carrier": "rhc", "unread": [{"file": "DF02/EF05", "cause": "no_sam"}]}, "DF02/EF05"),
        ({"reader": "s", "carrier": "rhc", "unread": [{"file": "DF02/EF05", "cause": "sam_pin"}]}, "DF02/EF05"),
        ({"reader": "s", "carrier": "unknown", "fault": "unknown_card"}, "s"),
    ],
)
def test_what_was_read_is_told_in_lines(messages: Any, said: dict[str, Any], words: str) -> None:
    """Whatever kind of thing it was."""
    assert words in "\n".join(reading_lines(said, messages=messages))


def test_a_chunk_is_told_in_one_line(messages: Any) -> None:
    """When, which way, how long, and its shape, its bytes or nothing."""
    line = told_line("chunk", {"at_ms": 1.5, "bytes": 2, "sent": False, "shape": "9A"}, messages=messages)
    sent = told_line("chunk", {"at_ms": 1.5, "bytes": 2, "sent": True, "raw": "31 41"}, messages=messages)
    hidden = told_line("chunk", {"at_ms": 1.5, "bytes": 2, "sent": False}, messages=messages)

    assert "1.500 ms <-     2  9A" in line
    assert "->     2  31 41" in sent
    assert hidden.endswith(messages.text("readers.not_shown"))


@pytest.mark.parametrize("name", ["scanner-9", ""])
def test_a_name_that_is_not_configured_is_a_usage_error(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the names there are."""
    path = tmp_path / "edge.toml"
    path.write_text(NODE + reader_block("scanner-1", port="/dev/p"))

    codes = [main(["readers", command, "--config", str(path), name]) for command in ("test", "trace")]

    assert codes == [2, 2]
    assert "scanner-1" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "nan", str(2 * SECONDS_MAX)])
def test_a_time_that_is_none_is_a_usage_error(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A number of seconds within a day."""
    with pytest.raises(SystemExit) as caught:
        main(["readers", "test", f"--seconds={seconds}", "x"])

    assert caught.value.code == 2
    assert "--seconds" in capsys.readouterr().err


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("command", [[], ["list"], ["probe"], ["test"], ["trace"], ["record"], ["teach"]])
def test_help_teaches(command: list[str], language: Language, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command says what it does, in both languages; the whole, in which order."""
    with pytest.raises(SystemExit) as caught:
        main(["readers", *command, "--help", *(["--lang", language] if command else [])])

    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "ehc-edge readers" in out
    if not command:
        assert "ehc-edge readers teach scanner-1" in out


def test_listing_and_probing_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], slots: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines for people, one object for programs; nothing found is exit code 1, a missing configuration no hindrance."""
    slots()
    monkeypatch.setattr("drivers.found.devices", list)
    monkeypatch.setattr("edge.__main__.DEFAULT_CONFIG", tmp_path / "none.toml")
    path = tmp_path / "edge.toml"
    path.write_text(NODE + f'[control]\nsocket = "{tmp_path}/ctl"\n' + reader_block("scanner-1", port=str(path)))
    words = ["--config", str(path)]

    codes = [main(["readers", "list", *words]), main(["readers", "list", "--json", *words])]
    listed = capsys.readouterr().out.splitlines()
    codes += [
        main(["readers", "probe", "--config", str(tmp_path / "none.toml"), str(path)]),
        main(["readers", "probe", "--json", *words, str(path)]),
    ]

    assert codes == [0, 0, 0, 0]
    assert "scanner-1" in listed[0]
    assert json.loads(listed[-1])["readers"][0]["state"] == "there"
    assert "[[readers]]" in capsys.readouterr().out
