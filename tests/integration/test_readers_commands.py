"""`ehc-edge readers test|trace|record` on a pseudo-terminal, and what a recording plays."""

import asyncio
import fcntl
import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.readers.replay import ReplayReader, ReplaySettings
from drivers.recording import chunk_of, header_of
from edge import readers_watch, settings
from edge.__main__ import main
from tests.support.pty_port import PtyPort
from tests.support.reader_desk import Desk, config_of, held, shown

ID_NUMBER = "11010020171225006X"
CODES = [f"QR:{ID_NUMBER}", "QR:EHC1:6BF-SHOWN*ONCE", "QR:王小明 1234", "QR:", "QR:plain"]
PACE_S = 0.05
LIMIT_S = 25.0


@pytest.fixture
def device(tmp_path: Path) -> Iterator[PtyPort]:
    with PtyPort(tmp_path / "scanner") as device:
        yield device


@pytest.fixture
def config(tmp_path: Path, device: PtyPort) -> Path:
    return config_of(tmp_path, device)


def recorded(config: Path, path: Path, desk: Desk, *, keep_content: bool) -> None:
    picked = readers_watch.pick(settings.load(config), "scanner-1")
    with pytest.raises(KeyboardInterrupt):
        readers_watch.record(picked, path, seconds=LIMIT_S, keep_content=keep_content, tell=desk)


async def played(path: Path, count: int) -> list[str]:
    """Read a recording as the node would."""
    reader = ReplayReader("scanner-1", settings=ReplaySettings(file=str(path)))
    texts = []
    async with reader:
        readings = reader.readings()
        while len(texts) < count:
            texts.append((await anext(readings)).text)
        await readings.aclose()
    return texts


def play(path: Path, count: int) -> list[str]:
    return asyncio.run(asyncio.wait_for(played(path, count), timeout=LIMIT_S))


def stream_of(path: Path) -> bytes:
    return b"".join(chunk_of(line).data for line in path.read_bytes().splitlines()[1:])


READABLE = [code for code in CODES if code != "QR:"]  # what the scanner's prefix alone is, is no code


def test_a_recording_plays_what_was_read(config: Path, device: PtyPort, tmp_path: Path) -> None:
    """Kept as it was, a recording gives the same codes in the same order, and only its owner can read it."""
    path, desk = tmp_path / "kept.jsonl", Desk(device, READABLE)

    recorded(config, path, desk, keep_content=True)

    assert play(path, len(READABLE)) == [code.removeprefix("QR:") for code in READABLE]
    assert stream_of(path) == "".join(code + "\r\n" for code in READABLE).encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert desk.told[:2] == ["keep_warning", "listening"]
    assert str(device.link) not in path.read_text()
    header = header_of(path.read_bytes().splitlines()[0])
    assert (header.reader_type, header.options, header.content) == ("serial-scanner", {"prefix": "QR:"}, "kept")


def test_an_invented_recording_has_the_same_frames_and_says_nothing(
    config: Path, device: PtyPort, tmp_path: Path
) -> None:
    """Lengths, prefix, ends of lines and the silences stay; not one character of a person does."""
    path = tmp_path / "invented.jsonl"

    recorded(config, path, Desk(device, READABLE), keep_content=False)

    texts, stream = play(path, len(READABLE)), stream_of(path)
    assert [len(text) for text in texts] == [len(code.removeprefix("QR:")) for code in READABLE]
    assert [line[:3] for line in stream.splitlines()] == [b"QR:"] * len(READABLE)
    assert len(stream) == len("".join(code + "\r\n" for code in READABLE).encode())
    everything = path.read_text() + "".join(texts) + stream.decode()
    assert not any(secret in everything for secret in (ID_NUMBER, "王小明", "1234", "SHOWN", "plain", "110100"))
    assert header_of(path.read_bytes().splitlines()[0]).content == "invented"


def test_the_command_line_records_and_says_what_it_did(
    config: Path, device: PtyPort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing on the screen says what was shown; an old file is never written over, and silence is a failure."""
    path = tmp_path / "r.jsonl"
    words = ["readers", "record", "--config", str(config), "--json", "--seconds", "1", "scanner-1", str(path)]

    with shown(device, f"QR:{ID_NUMBER}\r".encode()):
        codes = [main(words), main(words)]
    codes.append(main([*words[:-1], str(tmp_path / "silent.jsonl")]))

    out, err = capsys.readouterr()
    assert codes == [0, 2, 1]
    assert ID_NUMBER not in out + err
    assert json.loads(out.splitlines()[-1])["error"] == "nothing_read"
    assert path.is_file()
    assert not (tmp_path / "silent.jsonl").exists()
    assert "已存在" in err


def test_a_folder_that_is_not_there_is_said_before_anybody_scans(
    config: Path, device: PtyPort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be written is no crash, and no minute of scanning for nothing."""
    words = ["readers", "record", "--config", str(config), "--lang", "en", "scanner-1", str(tmp_path / "no/r")]

    assert main(words) == 2

    assert "the folder of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "carrier", "words"),
    [
        (ID_NUMBER.encode(), "id_number", {"bytes": 18, "encoding": "ascii", "shape": "9" * 17 + "A"}),
        ("王小明".encode("gb18030"), "unknown", {"bytes": 6, "encoding": "gb18030", "shape": "######"}),
        (b"81234560000000000001", "trace_code", {"product": {"product_code": "8123456", "serial": "0000000000001"}}),
        (b"]d20106901234567892", "gs1", {"product": {"gtin": "06901234567892"}}),
        (b"]d2rubbish", "gs1", {"bytes": 10}),
        (b"\x80\xff\xff", "unknown", {"encoding": "unknown"}),
    ],
)
def test_a_code_is_tried_and_not_shown(
    config: Path,
    device: PtyPort,
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    carrier: str,
    words: dict[str, Any],
) -> None:
    """Kind, length, encoding and shape; of a package of goods, what stands on it."""
    with shown(device, b"QR:" + data + b"\r"):
        code = main(["readers", "test", "--config", str(config), "--json", "--seconds", str(LIMIT_S), "scanner-1"])

    out, err = capsys.readouterr()
    said = json.loads(out.splitlines()[-1])
    assert code == 0
    assert said["carrier"] == carrier
    assert words.items() <= said.items()
    assert ID_NUMBER not in out + err


def test_silence_is_a_failure(config: Path, device: PtyPort, capsys: pytest.CaptureFixture[str]) -> None:
    """A scanner on which nothing was shown in time was not proven to work."""
    assert main(["readers", "test", "--config", str(config), "--lang", "en", "--seconds", "0.3", "scanner-1"]) == 1

    assert "nothing was read in 0.3 s" in capsys.readouterr().err


def test_a_person_reads_lines(config: Path, device: PtyPort, capsys: pytest.CaptureFixture[str]) -> None:
    """What to do on one side, what was read on the other."""
    with shown(device, f"QR:{ID_NUMBER}\r".encode()):
        assert main(["readers", "test", "--config", str(config), "--lang", "zh", "scanner-1"]) == 0

    out, err = capsys.readouterr()
    assert "请扫一个码" in err
    assert "身份证号" in out
    assert "99999999999999999A" in out
    assert ID_NUMBER not in out + err


def test_a_trace_shows_the_shape_and_raw_bytes_only_when_asked(
    config: Path, device: PtyPort, capsys: pytest.CaptureFixture[str]
) -> None:
    """Time, length and shape of each chunk; content needs a word of its own, and is warned of."""
    words = ["readers", "trace", "--config", str(config), "--lang", "en", "--seconds", "1", "scanner-1"]

    with shown(device, b"QR:Code17\r"):
        first = main(words)
        shape, _ = capsys.readouterr()
        second = main([*words, "--raw"])
        raw, warned = capsys.readouterr()

    assert (first, second) == (0, 0)
    assert "AA<3a>Aaaa99<0d>" in shape
    assert "Code17" not in shape
    assert "one read (code), 6 bytes" in shape
    assert b"QR:Code17\r".hex(" ") in raw
    assert "WARNING" in warned


@pytest.mark.parametrize("command", ["test", "trace", "record"])
def test_a_port_that_another_program_holds_is_named_with_it(
    config: Path, device: PtyPort, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By number and name, with what to do if it is the daemon."""
    words = ["readers", command, "--config", str(config), "--lang", "zh", "scanner-1"]

    with held(device) as pid:
        code = main(words + ([str(tmp_path / "r")] if command == "record" else []))

    assert code == 1
    assert f"({pid})" in (err := capsys.readouterr().err)
    assert "systemctl stop ehc-edge" in err


def test_a_reader_that_is_not_there_says_why(config: Path, device: PtyPort, capsys: pytest.CaptureFixture[str]) -> None:
    """In words, and as a cause for programs."""
    device.unplug()

    assert main(["readers", "test", "--config", str(config), "--json", "scanner-1"]) == 1

    out, err = capsys.readouterr()
    assert json.loads(out) == {"ok": False, "error": "lost", "name": "scanner-1", "cause": "missing"}
    assert "找不到设备" in err


def test_a_busy_port_whose_holder_cannot_be_seen_is_still_busy(
    config: Path, device: PtyPort, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another account's programs may be hidden from this one."""
    monkeypatch.setattr("edge.readers_watch.holders", lambda _path: [])

    with device.link.open("rb", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert main(["readers", "test", "--config", str(config), "--lang", "en", "scanner-1"]) == 1

    assert "another program" in capsys.readouterr().err


def test_an_interrupt_ends_politely(config: Path, device: PtyPort) -> None:
    """Ctrl-C is 130, without a traceback."""
    program = subprocess.Popen(
        [sys.executable, "-m", "edge", "readers", "trace", "--config", str(config), "--lang", "en", "scanner-1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stderr is not None
    first = program.stderr.readline()

    program.send_signal(signal.SIGINT)
    _, rest = program.communicate(timeout=LIMIT_S)

    assert b"is open" in first
    assert program.returncode == 130
    assert rest == b""
