"""`ehc-edge readers test|trace|record|teach`: what may be said of a reading; what a lesson changes."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from drivers.framing.framer import Framing
from drivers.framing.line import Terminator
from drivers.reader import Feedback
from drivers.reading import Medium, Reading
from drivers.recording import RecordedChunk
from drivers.teaching import Learned
from edge import readers_command, readers_teach, readers_watch, settings
from edge.card_content import (
    CardFault,
    Holder,
    ResidentHealthCard,
    SamInfo,
    SocialSecurityCard,
    Unread,
    UnreadableCard,
    UnreadableSam,
    UnreadFile,
)
from edge.errors import ConfigError, ReaderCommandError
from edge.settings import ReaderSettings, Settings

NODE = '[node]\nname = "n-1"\norg = "o"\n'
ID_NUMBER = "11010020171225006X"


def reader_block(name: str, *, reader_type: str = "serial-scanner", **options: Any) -> str:
    return readers_command.toml_block(name, reader_type=reader_type, options=options) + "\n"


def configured(*blocks: str) -> Settings:
    return settings.parse((NODE + "\n".join(blocks)).encode())


@pytest.mark.parametrize(
    ("medium", "content", "said"),
    [
        (Medium.ID_CARD, None, {"carrier": "id_card", "bytes": 18}),
        (Medium.ICC, None, {"carrier": "unknown"}),
        (Medium.ICC, UnreadableCard(fault=CardFault.PULLED), {"carrier": "unknown", "fault": "pulled"}),
        (Medium.ICC, SocialSecurityCard(holder=Holder(id_no=ID_NUMBER)), {"carrier": "ssc"}),
        (
            Medium.ICC,
            ResidentHealthCard(card_no=ID_NUMBER, unread=(UnreadFile(file="DF01/EF05", cause=Unread.NO_SAM),)),
            {"carrier": "rhc", "unread": [{"file": "DF01/EF05", "cause": "no_sam"}]},
        ),
    ],
)
def test_a_card_is_described_without_its_holder(medium: Medium, content: object, said: dict[str, Any]) -> None:
    """That a card was read, of what kind, and what of it was not."""
    picked = readers_watch.pick(configured(reader_block("scanner-1", port="/dev/p")), "scanner-1")
    reading = Reading(reader="s", data=ID_NUMBER.encode(), read_at_monotonic_ns=0, medium=medium, content=content)

    described = readers_watch.described(reading, picked=picked)

    assert said.items() <= described.items()
    assert ID_NUMBER not in json.dumps(described)


@pytest.mark.parametrize(
    ("block", "can"),
    [
        (reader_block("r", port="/dev/p"), True),
        (reader_block("r", port="/dev/p", framing="stx-etx"), True),
        (reader_block("r", port="/dev/p", framing="stx-etx", lrc=True), False),
        (reader_block("r", port="/dev/p", framing="length"), False),
        (reader_block("r", reader_type="sdt", port="/dev/p"), False),
    ],
)
def test_content_is_invented_only_where_the_frames_stay_good(block: str, *, can: bool) -> None:
    """A length before a code or a check byte behind it would no longer fit."""
    picked = readers_watch.pick(configured(block), "r")

    assert readers_watch.can_invent(picked) is can
    if not can:
        with pytest.raises(ReaderCommandError, match="cannot_invent"):
            readers_watch.record(picked, Path("x"), seconds=1, keep_content=False, tell=lambda *_, **__: None)


def test_chunks_keep_their_cuts_and_what_was_sent() -> None:
    """The likeness is cut where the stream was, even inside a character; commands are no content."""
    picked = readers_watch.pick(configured(reader_block("r", port="/dev/p", suffix="#")), "r")
    name = "王".encode()
    chunks = [
        RecordedChunk(data=b"1" + name[:1], after_ns=5),
        RecordedChunk(data=b"\x1bA7", is_sent=True),
        RecordedChunk(data=name[1:] + b"#\r", after_ns=7),
    ]

    new = readers_watch.anonymous(chunks, options=picked.options)

    assert [(len(chunk.data), chunk.after_ns, chunk.is_sent) for chunk in new] == [
        (2, 5, False),
        (3, 0, True),
        (4, 7, False),
    ]
    assert new[1].data == b"\x1bA7"
    assert new[2].data.endswith(b"#\r")
    assert name not in new[0].data + new[2].data


def test_a_reader_without_a_stream_of_bytes_cannot_be_traced() -> None:
    """Said at once, before anything is opened."""
    picked = readers_watch.pick(configured(reader_block("c", reader_type="pcsc", reader="x")), "c")

    with pytest.raises(ReaderCommandError, match="no_bytes"):
        readers_watch.trace(picked, seconds=1, raw=False, tell=lambda *_, **__: None)


def test_a_reader_of_chip_cards_is_told_what_to_ask() -> None:
    """Without a SAM's PIN: a try-out must not lock a SAM."""
    picked = readers_watch.pick(configured(reader_block("c", reader_type="pcsc", reader="x")), "c")

    assert picked.built().name == "c"


class _Slots:
    """A reader of chip cards that reads these, one after the other."""

    def __init__(self, *contents: object) -> None:
        self._contents = contents
        self.name, self.dropped_count = "c", 0

    async def __aenter__(self) -> "_Slots":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def readings(self) -> AsyncGenerator[Reading, None]:
        for content in self._contents:
            yield Reading(reader="c", data=b"x", read_at_monotonic_ns=0, medium=Medium.ICC, content=content)

    async def signal(self, feedback: Feedback) -> None:
        return None


def test_the_boxs_own_sam_is_not_the_card_that_was_to_be_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of, whether it can be read or not, and the card is waited for."""
    sams = (SamInfo(number="00", type="1"), UnreadableSam(fault=CardFault.UNKNOWN_CARD))
    slots = _Slots(*sams, SocialSecurityCard())
    monkeypatch.setattr(readers_watch.Picked, "built", lambda _picked: slots)
    picked = readers_watch.pick(configured(reader_block("c", reader_type="pcsc", reader="x")), "c")
    told: list[str] = []

    said = readers_watch.test(picked, seconds=5, tell=lambda event, **_: told.append(event))

    assert said["carrier"] == "ssc"
    assert told == ["waiting", "sam_good", "sam_bad"]


@pytest.mark.parametrize("keep_content", [True, False])
def test_what_cannot_be_recorded_at_all_is_said_first(keep_content: bool) -> None:
    """No option is advised that would not help, and nobody is warned of a file that will not be."""
    picked = readers_watch.pick(configured(reader_block("c", reader_type="pcsc", reader="x")), "c")
    told: list[str] = []

    with pytest.raises(ReaderCommandError, match="no_bytes"):
        readers_watch.record(
            picked, Path("x"), seconds=1, keep_content=keep_content, tell=lambda event, **_: told.append(event)
        )

    assert told == []


def exact(**learned: Any) -> Learned:
    return Learned(**({"baud": 9600, "is_exact": True} | learned))


def test_what_was_learned_takes_the_place_of_what_stood_there() -> None:
    """Options that have to do with how it talks are new, the others stay."""
    options = {"port": "/dev/p", "baud": 115_200, "prefix": "QR:", "signals": {"accept": "1b"}}

    taught = readers_teach.taught(options, learned=exact(terminator=Terminator.CR))

    assert taught == {"port": "/dev/p", "signals": {"accept": "1b"}, "baud": 9600, "terminator": "cr"}


def test_a_models_defaults_do_not_undo_what_was_learned() -> None:
    """With a model named, what equals the general default is written out: the model's may differ."""
    taught = readers_teach.taught({"port": "/dev/p", "model": "acme"}, learned=exact(framing=Framing.LINE))

    assert taught["baud"] == 9600
    assert taught["terminator"] == "auto"
    assert taught["model"] == "acme"


def test_a_new_reader_is_added_at_the_end(tmp_path: Path) -> None:
    """A path that nobody has configured becomes a block; what stood there stands."""
    path = tmp_path / "edge.toml"
    path.write_text(NODE + reader_block("scanner-1", port="/dev/p"))
    reader = readers_teach.target(settings.load(path), "/dev/serial/by-id/new")

    backup = readers_teach.write(path, reader, options={"port": "/dev/serial/by-id/new", "baud": 115_200})
    again = readers_teach.write(path, reader, options={"port": "/dev/serial/by-id/new", "baud": 9_600})

    assert [one.name for one in settings.load(path).readers] == ["scanner-1", "scanner-2"]
    assert settings.load(path).readers[1].options["baud"] == 9_600
    assert backup.read_text() == NODE + reader_block("scanner-1", port="/dev/p")
    assert "115200" in again.read_text()
    assert (backup.name, again.name) == ("edge.toml.before-teach", "edge.toml.before-teach.2")


def test_a_path_that_is_configured_is_that_reader(tmp_path: Path) -> None:
    """Under any of its names: a second block for the same port would only find it busy."""
    port, link = tmp_path / "ttyUSB0", tmp_path / "by-id"
    port.touch()
    link.symlink_to(port)
    here = configured(reader_block("window", port=str(link)))

    assert readers_teach.target(here, str(port)).name == "window"
    assert readers_teach.target(here, str(tmp_path / "other")).name == "scanner-1"


def test_only_the_right_block_is_changed() -> None:
    """The one with the name; comments, tables inside and the blocks around it stay."""
    text = (
        NODE
        + '[[readers]]\nname = "a"\ntype = "serial-scanner"\n[readers.options]\nport = "/dev/a"\nbaud = 1200\n\n'
        + "[[readers]]\nname = 'b'  # the window\ntype = \"serial-scanner\"\n[readers.options]\n# baud = 300\n"
        + 'port = "/dev/b"\nbaud = 1200\n[readers.options.signals]\naccept = "1b"\n[intake]\nsame_act_s = 5\n'
    )

    new = readers_teach.with_options(
        text,
        reader=ReaderSettings(name="b", type="serial-scanner"),
        options={"port": "/dev/b", "baud": 9600, "signals": {"accept": "1b"}},
    )

    assert new == text.replace('port = "/dev/b"\nbaud = 1200\n', "").replace(
        "[readers.options]\n# baud", '[readers.options]\nport = "/dev/b"\nbaud = 9600\n# baud'
    )
    assert settings.parse(new.encode()).readers[0].options["baud"] == 1200


@pytest.mark.parametrize(
    "block",
    [
        'readers = [{name = "a", type = "serial-scanner", options = {port = "/dev/a"}}]\n',
        '[[readers]]\nname = "a"\ntype = "serial-scanner"\noptions = {port = "/dev/a"}\n',
    ],
)
def test_a_configuration_written_in_its_own_way_is_left_alone(tmp_path: Path, block: str) -> None:
    """It is said that a person must write it; not one byte has changed."""
    path = tmp_path / "edge.toml"
    text = block + NODE if block.startswith("readers") else NODE + block
    path.write_text(text)
    reader = readers_teach.target(settings.load(path), "a")

    with pytest.raises((ReaderCommandError, ConfigError)):
        readers_teach.write(path, reader, options={"port": "/dev/a", "baud": 9600})

    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, b"\xff", b"[node]\n"])
def test_a_configuration_that_cannot_be_used_is_not_written(tmp_path: Path, content: bytes | None) -> None:
    """Not there, not text, or not usable afterwards."""
    path = tmp_path / "edge.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError):
        readers_teach.write(path, ReaderSettings(name="a", type="serial-scanner"), options={"port": "/dev/a"})


def test_a_file_that_cannot_be_replaced_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no crash."""
    path = tmp_path / "edge.toml"
    path.write_text(NODE)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.readers_teach.replace_file", full)

    with pytest.raises(ReaderCommandError, match="file_failed"):
        readers_teach.write(path, ReaderSettings(name="a", type="serial-scanner"), options={"port": "/dev/a"})


def test_a_configuration_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    """A folder in its place stands for whatever cannot be read."""
    with pytest.raises(ConfigError, match=r"edge\.toml"):
        readers_teach.write(tmp_path / "edge.toml/", ReaderSettings(name="a", type="serial-scanner"), options={})
    (tmp_path / "edge.toml").mkdir()
    with pytest.raises(ConfigError, match=r"edge\.toml"):
        readers_teach.write(tmp_path / "edge.toml", ReaderSettings(name="a", type="serial-scanner"), options={})


@pytest.mark.parametrize(("name", "key"), [("card-1", "not_teachable"), ("scanner-9", "no_such_reader")])
def test_only_serial_scanners_can_be_taught(name: str, key: str) -> None:
    """A reader of another type, or none of that name."""
    here = configured(reader_block("card-1", reader_type="pcsc", reader="x"))

    with pytest.raises(ReaderCommandError, match=key):
        readers_teach.target(here, name)
    with pytest.raises(ReaderCommandError, match="no_such_reader"):
        readers_teach.target(None, name)


def test_a_block_that_is_changed_in_part_only_is_left_to_a_person(tmp_path: Path) -> None:
    """Options in a table that is written twice over come out otherwise than wanted: nothing is written."""
    path = tmp_path / "edge.toml"
    path.write_text(NODE + reader_block("a", port="/dev/a") + "[readers.options.signals]\naccept = '1b'\n")
    reader = readers_teach.target(settings.load(path), "a")

    with pytest.raises(ReaderCommandError, match="write_by_hand"):
        readers_teach.write(path, reader, options={"port": "/dev/a", "baud": 9600})

    assert "9600" not in path.read_text()
