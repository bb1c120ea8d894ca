"""The command line: what goes in and out, and the exit codes of contracts 6; nothing runs here but the commands."""

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.errors import UnreachableError
from edge.gm import sm3
from edge.messages import Language
from edge.settings import parse
from edge.verify_command import LINE_BYTES_MAX, lines_of
from tests.support import vectors
from tests.support.trust_folder import context, text_of, write_folder

CONTEXTS = [described["name"] for described in vectors.load("ehc1")["contexts"]]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Put bytes on standard input."""

    def put(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose daemon does not run."""
    path = tmp_path / "edge.toml"
    path.write_text(
        f'[node]\nname = "n-1"\norg = "o"\ndata_dir = "{tmp_path}/data"\nkey_dir = "{tmp_path}/keys"\n'
        f'allow_test_keys = true\n[control]\nsocket = "{tmp_path}/ctl"\n'
    )
    return path


def _interval(described: dict[str, Any]) -> str:
    high = "" if described["hi_ms"] is None else described["hi_ms"]
    return f"{described['lo_ms']}:{high}"


@pytest.mark.parametrize("name", CONTEXTS)
def test_the_bench_gives_every_verdict_of_the_vectors(
    name: str, tmp_path: Path, feed: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """One code a line in, one JSON object a line out, the replay cache kept between them."""
    described = context(name)
    cases = [case for case in described["cases"] if "\n" not in case["text"]]
    folder = write_folder(tmp_path, name=name)
    feed("".join(case["text"] + "\n" for case in cases).encode())

    code = main(["verify", "--trust", str(folder), "--interval", _interval(described), "-"])

    printed = capsys.readouterr()
    answers = [json.loads(line) for line in printed.out.splitlines()]
    assert code == 0
    assert [(case["name"], case["reason"]) for case in cases] == [
        (case["name"], answer["reason"]) for case, answer in zip(cases, answers, strict=True)
    ]
    assert all(answer.keys() == {"outcome", "reason", "also", "subject", "evidence"} for answer in answers)
    assert len(printed.err.splitlines()) == 1  # test keys are warned of, once


def test_a_code_is_judged_by_the_latest_document_without_an_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not before the latest `issued_at` in the folder, the upper end unknown."""
    folder = write_folder(tmp_path)

    main(["verify", "--trust", str(folder), "--json", text_of("static")])

    evidence = json.loads(capsys.readouterr().out)["evidence"]
    assert (evidence["lo"], "hi" in evidence, evidence["anchored"]) == (1_795_395_600_000, False, False)


def test_a_person_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the verdict is a line with its reason, in the language asked for."""
    folder = str(write_folder(tmp_path))

    main(["verify", "--trust", folder, "--lang", "zh", text_of("static")])
    main(["verify", "--trust", folder, "--lang", "en", text_of("revoked")])

    out = capsys.readouterr().out
    assert out.startswith("✓ 通过: 卡有效")
    assert "✗ refused: the card is revoked\n  REVOKED  health card (signed code)" in out


def test_an_empty_folder_still_gives_verdicts(
    tmp_path: Path, feed: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """No usable issuers is UNKNOWN_ISSUER; an empty line is MALFORMED."""
    feed(text_of("static").encode() + b"\n\n")

    code = main(["verify", "--trust", str(tmp_path), "-"])

    assert code == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["reason"] for answer in answers] == ["UNKNOWN_ISSUER", "MALFORMED"]
    assert [answer["evidence"]["rung"] for answer in answers] == ["OLD", "OLD"]


@pytest.mark.parametrize("data", [b"\xff\xfe\n", b"\x00" * 20, "卡".encode("gb18030"), b"1" * 100_000, b"(" * 5_000])
def test_rubbish_gets_a_verdict(
    data: bytes, tmp_path: Path, feed: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Never a traceback, and one line for one line."""
    feed(data)

    code = main(["verify", "--trust", str(tmp_path), "-"])

    (line,) = capsys.readouterr().out.splitlines()
    assert code == 0
    assert json.loads(line)["reason"] == "MALFORMED"


@pytest.mark.parametrize("interval", ["", "5", "a:b", "5:4", ":5", "5:6:7", "-1:5", "5:x", "１:２", "5:" + "9" * 17])
def test_an_interval_that_is_none_is_a_usage_error(
    interval: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The time is taken as given, so it must be one."""
    code = main(["verify", "--trust", str(tmp_path), f"--interval={interval}", "--json", "x"])

    printed = capsys.readouterr()
    assert code == 2
    assert "--interval" in printed.err
    assert json.loads(printed.out) == {"ok": False, "error": "usage"}


def test_a_mistyped_folder_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It must not look like an empty one."""
    code = main(["verify", "--trust", str(tmp_path / "typo"), "x"])

    assert code == 2
    assert "typo" in capsys.readouterr().err


def test_what_of_the_folder_is_not_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the side, with the rule it broke."""
    folder = write_folder(tmp_path)
    (folder / "status.json").write_bytes(b"{}")

    main(["verify", "--trust", str(folder), "--lang", "en", "--json", text_of("static")])

    printed = capsys.readouterr()
    assert "status.json refused" in printed.err
    assert json.loads(printed.out)["reason"] == "STATUS_MISSING"


def test_without_a_daemon_the_configured_folder_is_read(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same verdicts, if not the same clock."""
    write_folder(tmp_path / "data/trust")

    codes = [
        main(["verify", "--config", str(config), "--json", text_of("static")]),
        main(["verify", "--config", str(config), "--interval", _interval(context()), "--json", text_of("static")]),
    ]

    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert codes == [0, 0]
    assert [answer["reason"] for answer in answers] == ["VALID_STALE", "VALID"]


def test_a_node_without_a_folder_judges_as_its_daemon_would(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By nothing, and says so."""
    assert main(["verify", "--config", str(config), "--lang", "en", "--json", text_of("static")]) == 0

    printed = capsys.readouterr()
    assert "root.1.json refused (missing)" in printed.err
    assert json.loads(printed.out)["reason"] == "UNKNOWN_ISSUER"


def test_a_folder_that_this_account_may_not_read_is_a_configuration_error(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict by nothing would look like one by what is there."""

    def refuse(_self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)

    assert main(["verify", "--config", str(config), "--lang", "zh", "x"]) == 78
    assert "当前账户可读的目录" in capsys.readouterr().err


@pytest.mark.parametrize(("language", "words"), [("zh", "没有配置文件"), ("en", "there is no configuration")])
def test_verify_without_folder_and_configuration_says_what_to_do(
    language: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways out are named."""
    monkeypatch.setattr("edge.__main__.DEFAULT_CONFIG", tmp_path / "none.toml")

    code = main(["verify", "--lang", language, "--json", "x"])

    printed = capsys.readouterr()
    assert code == 78
    assert words in printed.err
    assert "--trust DIR" in printed.err
    assert "--config FILE" in printed.err
    assert json.loads(printed.out)["error"] == "config"


def test_a_presentation_is_a_replay_within_the_call_and_an_overlong_text_is_malformed(
    config: Path, tmp_path: Path, feed: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the node's configuration as with a folder of documents."""
    write_folder(tmp_path / "data/trust")
    shown = text_of("holder presentation, fresh")
    feed(f"{shown}\n{shown}\n{'1' * 5_000}\n".encode())

    code = main(["verify", "--config", str(config), "--interval", _interval(context()), "-"])

    assert code == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["reason"] for answer in answers] == ["VALID", "REPLAYED", "MALFORMED"]


@pytest.fixture
def rostered(config: Path, tmp_path: Path) -> Path:
    """The configuration of a node that has a roster and its key."""
    folder = write_folder(tmp_path / "data/trust")
    described = vectors.load("roster")
    (folder / "roster.json").write_text(json.dumps(described["manifest"]))
    blob = base64.b64decode(described["blob"])
    (folder / sm3(blob).hex()).write_bytes(blob)
    key = tmp_path / "keys/node-encryption.key"
    key.parent.mkdir()
    key.write_text(vectors.load("keys")["node_encryption"]["private"])
    key.chmod(0o600)
    config.write_text(config.read_text().replace("n-1", "370881-0042"))
    return config


def test_the_roster_of_the_node_is_looked_up_and_its_people_are_masked(
    rostered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon's verdict, without telling whoever asks who it is."""
    interval = _interval(context())

    main(["verify", "--config", str(rostered), "--interval", interval, "--json", f"{'A' * 64}:1"])

    answer = json.loads(capsys.readouterr().out)
    assert answer["reason"] == "ROSTER_MATCH"
    assert "*" in answer["subject"]["name"]


def test_without_its_key_the_roster_is_left_out_and_that_is_said(
    rostered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A code is judged all the same."""
    (tmp_path / "keys/node-encryption.key").chmod(0o644)
    words = ["verify", "--config", str(rostered), "--lang", "en", "--json", f"{'A' * 64}:1"]

    main(words)
    with_roster = capsys.readouterr()
    (tmp_path / "data/trust/roster.json").unlink()
    main(words)
    without = capsys.readouterr()

    assert json.loads(with_roster.out)["reason"] == json.loads(without.out)["reason"] == "PENDING_CITY"
    assert "judged without the local roster" in with_roster.err
    assert "roster" not in without.err


def test_status_without_a_daemon_exits_with_3(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says where it looked."""
    assert main(["status", "--config", str(config), "--json"]) == 3

    printed = capsys.readouterr()
    assert "ctl" in printed.err
    assert json.loads(printed.out) == {"ok": False, "error": "unreachable"}


def test_a_good_configuration_is_said_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And test keys are shown loudly."""
    assert main(["check-config", "--config", str(config), "--lang", "en"]) == 0
    assert main(["check-config", "--config", str(config), "--json"]) == 0

    printed = capsys.readouterr()
    assert "usable (node n-1, 0 readers)" in printed.out
    assert "test keys" in printed.err
    assert json.loads(printed.out.splitlines()[-1]) == {"ok": True, "node": "n-1", "readers": 0, "test_keys": True}


@pytest.mark.parametrize(("mode", "code"), [(0o600, 0), (0o644, 78), (None, 78)])
def test_the_file_of_the_sams_pin_is_checked_before_a_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: int | None, code: int
) -> None:
    """Who has just written it hears of a wrong mode or name from `check-config`, not from a service that fails."""
    config, pin = tmp_path / "edge.toml", tmp_path / "sam.pin"
    config.write_text(
        f'[node]\nname = "n-1"\norg = "o"\ndata_dir = "{tmp_path}/data"\nkey_dir = "{tmp_path}"\n'
        '[cards]\nsam_pin_file = "sam.pin"\n'
    )
    if mode is not None:
        pin.write_text("123456\n")
        pin.chmod(mode)

    assert main(["check-config", "--config", str(config), "--lang", "en"]) == code

    assert ("cards.sam_pin_file" in capsys.readouterr().err) is (code != 0)


@pytest.mark.parametrize("command", ["check-config", "run", "status"])
def test_a_bad_configuration_exits_with_78_and_names_the_key(
    command: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never the value: it may be a secret."""
    config.write_text(config.read_text() + '[uplink]\nport = "hunter2"\n')

    code = main([command, "--config", str(config), "--json"])

    printed = capsys.readouterr()
    assert code == 78
    assert "uplink.port" in printed.err
    assert "hunter2" not in printed.err + printed.out
    assert json.loads(printed.out) == {
        "ok": False,
        "error": "config",
        "where": "uplink.port",
        "expected": "a TCP port, 1..65535",
    }


def test_a_bad_configuration_is_told_in_chinese_with_the_english_behind_it(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be read aloud, and looked up."""
    config.write_text(config.read_text() + "[uplink]\nport = 0\n")

    main(["check-config", "--config", str(config), "--lang", "zh"])
    main(["check-config", "--config", str(config), "--lang", "en"])

    assert capsys.readouterr().err.splitlines() == [
        "配置错误，uplink.port 应为：TCP 端口，1 至 65535（expected a TCP port, 1..65535）",
        "configuration error: uplink.port must be a TCP port, 1..65535",
    ]


@pytest.mark.parametrize(
    ("option", "first"), [("--json", '{"event": "started", "node": "n-1"}'), ("--lang=en", "node")]
)
def test_run_says_where_the_page_is(
    option: str, first: str, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person reads lines, a program one JSON object a line."""

    def run(_configured: object, *, messages: object, say: Callable[..., None]) -> int:
        say("started", node="n-1")
        say("page", url="http://127.0.0.1:8480/", link="http://127.0.0.1:8480/login?code=0")
        return 0

    monkeypatch.setattr("edge.app.main", run)

    assert main(["run", "--config", str(config), option]) == 0

    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(first)
    assert "login?code=0" in out[-1]
    if option == "--json":
        assert json.loads(out[1]) == {
            "event": "page",
            "url": "http://127.0.0.1:8480/",
            "link": "http://127.0.0.1:8480/login?code=0",
        }


def test_a_missing_configuration_exits_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The path stands in the message."""
    assert main(["check-config", "--config", str(tmp_path / "none.toml")]) == 78
    assert "none.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["verify"], ["status", "--lang", "fr"], ["verify", "--nonsense", "x"]]
)
def test_a_command_line_that_makes_no_sense_exits_with_2(arguments: list[str]) -> None:
    """As every program does."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("command", [[], ["verify"], ["status"], ["run"], ["check-config"]])
def test_help_teaches_in_both_languages(
    command: list[str], language: Language, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every option is explained, and examples can be copied."""
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help", "--lang", language] if command else ["--help"])

    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "ehc-edge" in out
    if command == ["verify"]:
        assert "ehc-edge verify --trust tests/trust --interval" in out


def test_an_interrupt_and_a_reader_that_left_end_quietly(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is 130, as shells say it."""

    def interrupted(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge.settings.load", interrupted)

    assert main(["check-config", "--config", str(config)]) == 130


def test_judging_loads_neither_web_server_nor_mqtt(tmp_path: Path) -> None:
    """The bench starts at once."""
    program = (
        "import sys; from edge.__main__ import main; "
        f"main(['verify', '--trust', {str(tmp_path)!r}, '--json', 'x']); "
        "sys.exit(bool({'aiohttp', 'paho', 'msgspec', 'serial', 'sqlite3'} & sys.modules.keys()))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)

    assert done.returncode == 0, done.stderr.decode()


def test_lines_are_split_at_their_ends_only() -> None:
    """CR before LF goes, an overlong line is one line, and the last needs no end."""
    long = b"x" * (3 * LINE_BYTES_MAX)

    lines = list(lines_of(io.BytesIO(b"a\r\n\n" + long + b"\nb\rc\n" + b"y" * (LINE_BYTES_MAX - 1) + b"\nd")))

    assert [line[:3] for line in lines] == [b"a", b"", b"xxx", b"b\rc", b"yyy", b"d"]
    assert len(lines[2]) == LINE_BYTES_MAX


def test_unreachable_names_the_socket() -> None:
    """The operator looks there."""
    assert UnreachableError("/run/x").where == "/run/x"
    assert parse(b'[node]\nname = "n"\norg = "o"\n').control.socket == Path("/run/ehc-edge/ctl")
