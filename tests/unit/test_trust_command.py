"""`ehc-edge trust show|import` where no daemon runs: on its files and under its lock; exit codes of contracts 6."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.trust_opening import FLOOR_FILE, TRUST_STATE_FILE
from edge.trust_store import TrustStore
from sync.file_lock import FileLock
from tests.support import authority
from tests.support.authority import Shelf
from tests.support.trust_folder import write_folder
from tests.support.trust_stick import write_stick

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose daemon does not run."""
    path = tmp_path / "edge.toml"
    path.write_text(
        f'[node]\nname = "370881-0042"\norg = "o"\ndata_dir = "{tmp_path}/data"\nkey_dir = "{tmp_path}/keys"\n'
        f'allow_test_keys = true\n[control]\nsocket = "{tmp_path}/ctl"\n'
    )
    return path


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``ehc-edge trust``: exit code, what was printed, what was complained of."""

    def call(*words: str, lang: str = "en") -> tuple[int, str, str]:
        code = main(["trust", *words, "--config", str(config), "--lang", lang])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_a_folder_is_imported_and_shown(run: Run, tmp_path: Path) -> None:
    """Root, issuers, status and lists; what another start holds is what was taken here."""
    stick = write_folder(tmp_path / "stick")

    code, out, err = run("import", str(stick))

    assert (code, err) == (0, "")
    assert out.splitlines() == ["taken: root, version 1", "taken: issuers, version 7", "taken: status, version 31"]
    code, out, err = run("show")
    assert (code, err) == (0, "")
    assert "version 7, 2026-" in out
    assert "national  version 4" in out
    assert "never below" in out


def test_a_program_gets_the_same_as_json(run: Run, tmp_path: Path) -> None:
    """One object a call, with the members of the daemon's answer."""
    stick = write_folder(tmp_path / "stick")

    imported = json.loads(run("import", str(stick), "--json")[1])
    shown = json.loads(run("show", "--json")[1])

    assert imported == {"found": 3, "taken": {"root": 1, "issuers": 7, "status": 31}, "problems": []}
    assert shown["root"]["version"] == 1
    assert [key["state"] for key in shown["issuers"]["keys"]].count("withdrawn") == shown["withdrawn"]
    assert {found["name"]: found["good"] for found in shown["status"]["lists"] + shown["status"]["hashed"]} == {
        "cards-a": True,
        "national": True,
    }
    assert shown["floors"] == {"root": 1, "issuers": 7, "status": 31}
    assert shown["problems"] == []


@pytest.mark.parametrize(
    ("lang", "texts"),
    [
        ("en", ["nothing new: all of it is held already", "no trust documents there", "there is no such folder"]),
        ("zh", ["没有新内容：本机都已持有", "目录里没有信任文件", "没有这个目录"]),
    ],
)
def test_what_brings_nothing_is_said_in_words(run: Run, tmp_path: Path, lang: str, texts: list[str]) -> None:
    """The same stick again is no fault; an empty folder and a mistyped one fail the check, each in its own words."""
    stick = write_folder(tmp_path / "stick")
    run("import", str(stick))
    (tmp_path / "empty").mkdir()

    said = [run("import", str(tmp_path / name), lang=lang) for name in ("stick", "empty", "typo")]

    assert [code for code, _, _ in said] == [0, 1, 1]
    assert [out.startswith(text) for (_, out, _), text in zip(said, texts, strict=True)] == [True] * 3
    assert [len(out.splitlines()) for _, out, _ in said] == [1, 1, 1]


@pytest.mark.parametrize(("lang", "text"), [("en", "issuers.json refused ("), ("zh", "issuers.json 被拒绝（")])
def test_a_document_that_is_refused_fails_the_check(run: Run, tmp_path: Path, lang: str, text: str) -> None:
    """The rest is taken all the same."""
    stick = write_folder(tmp_path / "stick")
    (stick / "issuers.json").write_bytes(authority.issuers(1))

    code, out, _ = run("import", str(stick), lang=lang)

    assert code == 1
    assert text in out
    assert json.loads(run("show", "--json")[1])["floors"] == {"root": 1, "status": 31}


def test_a_folder_that_cannot_be_read_is_no_empty_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator reads that it is a matter of rights."""
    real = Path.iterdir

    def iterdir(path: Path) -> Any:
        if path.name == "stick":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    (tmp_path / "stick").mkdir()

    code, out, _ = run("import", str(tmp_path / "stick"))

    assert code == 1
    assert out.splitlines()[0] == "the folder cannot be read: the daemon's account must be able to"


def test_an_older_stick_says_so(run: Run, tmp_path: Path) -> None:
    """Nothing goes back, and whoever carried it reads why."""
    shelf = Shelf()
    for version in (2, 1):
        write_stick(
            tmp_path / f"stick-{version}",
            roots=[authority.root()],
            documents=[authority.issuers(version)],
            shelf=shelf,
        )
    run("import", str(tmp_path / "stick-2"))

    code, out, _ = run("import", str(tmp_path / "stick-1"))

    assert (code, out) == (1, "issuers.json refused (rollback)\n")


def test_a_relative_folder_is_the_callers(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads it may run elsewhere."""
    write_folder(tmp_path / "stick")
    monkeypatch.chdir(tmp_path)

    assert run("import", "stick")[0] == 0


@pytest.mark.parametrize(
    ("lang", "text"), [("en", "its socket does not answer: nothing was done"), ("zh", "什么也没有做")]
)
def test_a_busy_lock_exits_75_and_does_nothing(run: Run, tmp_path: Path, lang: str, text: str) -> None:
    """A daemon that hangs still owns its files: neither command touches them."""
    stick = write_folder(tmp_path / "stick")
    (tmp_path / "data").mkdir()
    lock = FileLock(tmp_path / "data/outbox.db")
    lock.acquire()
    before = sorted(tmp_path.rglob("*"))

    for words in (["show"], ["import", str(stick)]):
        code, out, err = run(*words, lang=lang)
        assert (code, out) == (75, "")
        assert text in err
    code, out, _ = run("show", "--json")
    lock.release()

    assert (code, json.loads(out)) == (75, {"ok": False, "error": "busy"})
    assert sorted(tmp_path.rglob("*")) == before
    assert run("import", str(stick))[0] == 0


def _a_file(data: Path) -> None:
    data.write_bytes(b"")


def _a_folder_for_a_lock(data: Path) -> None:
    (data / "outbox.db.lock").mkdir(parents=True)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_a_file, "a folder that is there or can be made"),
        (_a_folder_for_a_lock, "a folder that this account can write"),
    ],
)
def test_a_data_folder_that_cannot_be_used_exits_78(
    run: Run, tmp_path: Path, spoil: Callable[[Path], None], expected: str
) -> None:
    """It cannot be made, or not be locked: the setting is named, with no traceback."""
    spoil(tmp_path / "data")

    code, out, err = run("show")

    assert (code, out) == (78, "")
    assert err == f"configuration error: node.data_dir ({tmp_path}/data) must be {expected}\n"
    assert json.loads(run("import", "x", "--json")[1])["error"] == "config"


@pytest.mark.parametrize(("lang", "text"), [("en", "sudo -u ehc-edge ehc-edge trust"), ("zh", "请改用守护进程的账户")])
def test_another_accounts_data_folder_is_not_written_to(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str, text: str
) -> None:
    """Run by root, it would leave files that the daemon cannot read, and the node would have lost its floors."""
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "data").stat().st_uid + 1)

    code, _, err = run("import", str(write_folder(tmp_path / "stick")), lang=lang)

    assert code == 78
    assert text in err
    assert not any((tmp_path / "data").iterdir())


def test_without_a_configuration_it_exits_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose trust it is stands there."""
    assert main(["trust", "show", "--config", str(tmp_path / "none.toml"), "--lang", "en"]) == 78
    assert "none.toml" in capsys.readouterr().err


def test_a_node_key_that_is_none_exits_78_and_lets_go_of_the_lock(run: Run, tmp_path: Path) -> None:
    """The file is named; the daemon can be started right after."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/node.key").write_text("zz")
    (tmp_path / "keys/node.key").chmod(0o600)

    assert run("show")[0] == 78

    lock = FileLock(tmp_path / "data/outbox.db")
    lock.acquire()
    lock.release()


def test_a_full_disk_is_a_failed_check(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was taken, and that is said for each document."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    stick = write_folder(tmp_path / "stick")
    monkeypatch.setattr(TrustStore, "save", full)

    code, out, _ = run("import", str(stick))

    assert (code, out) == (1, "root.1.json refused (store)\n")


def test_what_was_imported_moves_the_clocks_floor_for_good(run: Run, tmp_path: Path) -> None:
    """The node that starts afterwards does not believe in an earlier time."""
    run("import", str(write_folder(tmp_path / "stick")))

    data = tmp_path / "data"
    assert (data / TRUST_STATE_FILE).exists()
    assert int((data / FLOOR_FILE).read_text().split()[1]) > 1_790_000_000_000
    assert {path.stat().st_mode & 0o077 for path in data.iterdir()} == {0}


def test_a_node_that_holds_nothing_shows_that(run: Run) -> None:
    """No document, no floor, nothing withdrawn."""
    code, out, _ = run("show")

    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()] == ["none"] * 4 + ["old", "none", "0"]


def test_a_state_that_is_damaged_is_shown(run: Run, tmp_path: Path) -> None:
    """Floors are lost: whoever looks must see it."""
    run("import", str(write_folder(tmp_path / "stick")))
    (tmp_path / "data" / TRUST_STATE_FILE).write_bytes(b"rubbish")

    assert "trust.state refused (damaged)" in run("show")[1]


@pytest.mark.parametrize("words", [[], ["import"], ["forget"]])
def test_a_command_that_is_none_is_a_usage_error(run: Run, words: list[str]) -> None:
    """Exit code 2, as every command line has it."""
    with pytest.raises(SystemExit) as ended:
        run(*words)

    assert ended.value.code == 2
