"""`ehc-edge readers probe --ask` and `teach` on a pseudo-terminal."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.framing import sdt
from drivers.teaching import TEACH_TEXT, Learned
from edge import readers_teach, settings
from edge.__main__ import main
from tests.support.pty_port import PtyPort
from tests.support.reader_desk import Teacher, config_of, held, shown

LIMIT_S = 25.0


@pytest.fixture
def device(tmp_path: Path) -> Iterator[PtyPort]:
    with PtyPort(tmp_path / "scanner") as device:
        yield device


@pytest.fixture
def config(tmp_path: Path, device: PtyPort) -> Path:
    return config_of(tmp_path, device)


def test_an_identity_card_reader_is_asked_only_on_request(
    config: Path, device: PtyPort, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unasked, probing sends no byte; asked, the reader's answer makes it one."""
    answer = sdt.frame(bytes.fromhex("000090") + bytes(range(1, 17)))
    is_over = threading.Event()
    asked: list[bytes] = []

    def be_reader() -> None:
        while not is_over.wait(0.01):
            if request := device.written():
                asked.append(request)
                device.write(b"\x00noise" + answer)

    words = ["readers", "probe", "--config", str(config), "--json", str(device.link)]
    thread = threading.Thread(target=be_reader)
    thread.start()
    try:
        assert main(words) == 0
        (unasked,) = json.loads(capsys.readouterr().out)["devices"]
        before = list(asked)
        assert main([*words, "--ask"]) == 0
        (found,) = json.loads(capsys.readouterr().out)["devices"]
    finally:
        is_over.set()
        thread.join()

    assert before == []
    assert "sam_number" not in unasked
    assert found["sam_number"].startswith("01.03-")
    assert b"".join(asked) == sdt.request(sdt.Command.SAM_NUMBER)
    assert 'type = "sdt"' in found["toml"]
    assert unasked["configured_as"] == "scanner-1"  # as a reader of another type: the block that mends it is given
    assert "toml" not in unasked


def test_a_port_that_does_not_answer_is_said_so(
    config: Path, device: PtyPort, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scanner is no identity-card reader, and a port in use cannot be asked."""
    monkeypatch.setattr("edge.readers_command.ASK_S", 0.1)
    words = ["readers", "probe", "--config", str(config), "--json", "--ask", str(device.link)]

    main(words)
    (silent,) = json.loads(capsys.readouterr().out)["devices"]
    with held(device) as pid:
        main(words)
    (busy,) = json.loads(capsys.readouterr().out)["devices"]

    assert silent["answer"] == "none"
    assert busy["cause"] == "busy"
    assert busy["held_by"] == [{"pid": pid, "name": busy["held_by"][0]["name"]}]


def test_one_scan_teaches_a_reader_and_can_be_taken_back(config: Path, device: PtyPort) -> None:
    """What was learned is put in place of what stood there; every other line stays, and the old file too."""
    before = config.read_text()
    reader = readers_teach.target(settings.load(config), "scanner-1")

    taught = readers_teach.teach(
        reader, seconds=LIMIT_S, tell=Teacher(device, b"\x02" + TEACH_TEXT.encode("gb18030") + b"\x03")
    )
    backup = readers_teach.write(config, reader, options=taught["options"])

    options = settings.load(config).readers[0].options
    assert taught["exact"]
    assert options["framing"] == "stx-etx"
    assert options["port"] == str(device.link)
    assert not {"prefix", "terminator"} & options.keys()
    assert config.read_text().startswith("# the desk\n[node]")
    assert config.read_text().endswith('[log]\nlevel = "info"\n')
    backup.replace(config)
    assert config.read_text() == before


def test_a_silent_port_is_tried_at_other_rates_and_given_up(config: Path, device: PtyPort) -> None:
    """Each change of rate is told, and after the time nothing was learned."""
    told: list[tuple[str, str]] = []

    def tell(event: str, /, **members: Any) -> None:
        told.append((event, members["baud"]))

    with pytest.raises(readers_teach.ReaderCommandError) as caught:
        readers_teach.teach(
            readers_teach.target(settings.load(config), "scanner-1"), seconds=0.25, tell=tell, rate_s=0.1
        )

    assert caught.value.key == "not_learned"
    assert told[:3] == [("teach_scan", "9600"), ("teach_silent", "115200"), ("teach_scan", "115200")]


def test_a_scan_that_cannot_be_understood_is_asked_for_again(config: Path, device: PtyPort) -> None:
    """Rubbish at a wrong rate is noticed, and the next rate is tried."""
    tell = Teacher(device, bytes(range(128, 180)))

    with pytest.raises(readers_teach.ReaderCommandError):
        readers_teach.teach(readers_teach.target(None, str(device.link)), seconds=1.5, tell=tell, rate_s=0.6)

    assert "teach_unclear" in tell.told


@pytest.mark.parametrize("second", [None, Learned(baud=115_200, is_exact=True)])
def test_a_rate_that_is_certain_is_scanned_at_once_more(
    config: Path, device: PtyPort, monkeypatch: pytest.MonkeyPatch, second: Learned | None
) -> None:
    """If only the rate came out, the same code is asked for at that rate; what is known at the end is returned."""
    first = Learned(baud=115_200, is_exact=False)
    asked: list[int] = []

    def learn(_received: bytes, *, read_baud: int) -> Learned | None:
        asked.append(read_baud)
        return first if len(asked) == 1 else second

    monkeypatch.setattr("drivers.teaching.learn", learn)
    tell = Teacher(device, b"something")

    taught = readers_teach.teach(
        readers_teach.target(settings.load(config), "scanner-1"), seconds=4, tell=tell, rate_s=3
    )

    assert asked[:2] == [9600, 115_200]
    assert taught["exact"] is (second is not None)
    assert taught["options"]["baud"] == 115_200
    assert "teach_again" in tell.told


def test_a_port_that_is_held_cannot_be_taught(config: Path, device: PtyPort) -> None:
    """The same words as for every other command, and nobody was asked to scan."""
    told: list[str] = []
    with held(device), pytest.raises(readers_teach.ReaderCommandError) as caught:
        readers_teach.teach(
            readers_teach.target(settings.load(config), "scanner-1"),
            seconds=LIMIT_S,
            tell=lambda event, **_: told.append(event),
        )

    assert (caught.value.key, told) == ("held", [])


def test_the_command_line_shows_the_code_and_writes_what_was_learned(
    config: Path, device: PtyPort, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code and what to do on one side, what to write on the other, and how to undo what was written."""
    data = TEACH_TEXT.encode() + b"\r"
    words = ["readers", "teach", "--config", str(config), "--lang", "zh", "scanner-1"]

    with shown(device, data, pace_s=3 * readers_teach.SILENT_S):
        first = main([*words, "--write", str(config)])
        out, err = capsys.readouterr()
        second = main([*words, "--json"])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert (first, second) == (0, 0)
    assert "█" in err
    assert "撤销：cp" in err
    assert 'terminator = "cr"' in out
    assert settings.load(config).readers[0].options["terminator"] == "cr"
    assert told[-1]["learned"]["terminator"] == "cr"
