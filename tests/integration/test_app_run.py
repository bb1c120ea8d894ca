"""A whole node in one process: real serial line, real SQLite, real sockets."""

import asyncio
import json
import logging
import os
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

from edge import app
from edge.__main__ import main
from edge.errors import ConfigError
from edge.gm import generate
from edge.messages import Language, load
from edge.settings import parse
from sync.errors import StoreBusyError, StoreError
from tests.support import vectors
from tests.support.daemon import NODE, configuration, running
from tests.support.pty_port import PtyPort
from tests.support.systemd import Systemd
from tests.support.trust_folder import text_of, write_folder
from tests.support.waiting import until

ID_NO = "11010020171225006X"
STATIC = text_of("static")
SHOWN = text_of("holder presentation, fresh")


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    """A node's folder with the vectors' trust in it."""
    write_folder(tmp_path / "data/trust")
    return tmp_path


async def test_a_scan_becomes_a_stored_verdict(trusted: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Through the port, the verifier and the outbox to the page, with nothing personal in the log."""
    caplog.set_level(logging.DEBUG)
    with PtyPort(trusted / "scanner-1") as port:
        async with running(trusted, toml=configuration(trusted, readers=("scanner-1",))) as daemon:
            await daemon.ready()
            port.write(STATIC.encode() + b"\r" + ID_NO.encode() + b"\r\n")
            recent = await daemon.recent_of(2)
            status = await daemon.status()

    assert [row["reason"] for row in recent] == ["PENDING_CITY", "VALID_STALE"]
    assert [(row["delivery"], row["seq"]) for row in recent] == [("saved", 2), ("saved", 1)]
    assert status["queue"]["waiting"] == 2
    assert [(reader["name"], reader["state"]) for reader in status["readers"]] == [("scanner-1", "ready")]
    assert abs(status["queue"]["oldest_ms"] / 1000 - time.time()) < 60
    assert ID_NO not in caplog.text
    assert STATIC not in caplog.text


async def test_what_was_shown_survives_a_restart(trusted: Path) -> None:
    """The list of the day and the queue are there again."""
    toml = configuration(trusted, readers=("scanner-1",))
    with PtyPort(trusted / "scanner-1") as port:
        async with running(trusted, toml=toml) as daemon:
            await daemon.ready()
            port.write(STATIC.encode() + b"\r")
            before = await daemon.recent_of(1)
        async with running(trusted, toml=toml) as daemon:
            after = await daemon.recent()
            status = await daemon.status()

    assert [row["reason"] for row in after] == ["VALID_STALE"]
    assert after[0]["at_ms"] == before[0]["at_ms"]
    assert (after[0]["delivery"], after[0]["seq"]) == ("saved", 1)
    assert status["queue"]["waiting"] == 1


async def test_a_presentation_is_a_replay_after_a_restart_too(trusted: Path) -> None:
    """Its key is committed with its record."""
    toml = configuration(trusted, readers=("scanner-1",))
    reasons = []
    with PtyPort(trusted / "scanner-1") as port:
        for count in (1, 2):
            async with running(trusted, toml=toml) as daemon:
                await daemon.ready()
                port.write(SHOWN.encode() + b"\r")
                reasons.append((await daemon.recent_of(count))[0]["reason"])

    assert reasons == ["CLOCK_UNSURE", "REPLAYED"]


async def test_a_database_that_is_new_on_an_old_node_begins_with_an_audit(trusted: Path) -> None:
    """The city learns what became of the former epoch before it gets a record of the next."""
    toml = configuration(trusted, readers=("scanner-1",))
    with PtyPort(trusted / "scanner-1") as port:
        async with running(trusted, toml=toml):
            pass
        (trusted / "data/outbox.db").unlink()
        async with running(trusted, toml=toml) as daemon:
            await daemon.ready()
            port.write(STATIC.encode() + b"\r")
            recent = await daemon.recent_of(1)

    assert recent[0]["seq"] == 2


async def test_the_command_line_asks_the_running_daemon(trusted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status, a link for the page, a verdict: over the Unix socket, recording nothing."""
    config = trusted / "edge.toml"
    config.write_text(configuration(trusted))

    async with running(trusted, toml=configuration(trusted)) as daemon:
        codes = [
            await asyncio.to_thread(main, [*words, "--config", str(config), "--lang", "en"])
            for words in (["status"], ["status", "--link"], ["verify", STATIC], ["verify", "--json", SHOWN])
        ]
        waiting = (await daemon.status())["queue"]["waiting"]

    out = capsys.readouterr().out
    assert codes == [0, 0, 0, 0]
    assert waiting == 0
    assert out.startswith("WARNING: test keys are allowed")
    assert "lists and keys  root 1 · issuers 7 · status 31 · roster -" in out
    assert "/login?code=" in out
    assert "VALID_STALE  health card (signed code)" in out
    assert json.loads(out.splitlines()[-1])["reason"] == "CLOCK_UNSURE"


async def test_trust_is_imported_and_shown_through_the_running_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It relies on it at once; the command touches no file, and its exit code says whether all was taken."""
    config = tmp_path / "edge.toml"
    config.write_text(configuration(tmp_path))
    stick = write_folder(tmp_path / "stick")

    async def trust(*words: str, lang: str = "en") -> tuple[int, str]:
        code = await asyncio.to_thread(main, ["trust", *words, "--config", str(config), "--lang", lang])
        return code, capsys.readouterr().out

    async with running(tmp_path, toml=configuration(tmp_path)) as daemon:
        assert (await daemon.status())["trust"]["empty"]
        taken = await trust("import", str(stick))
        status = await daemon.status()
        again = await trust("import", str(stick), lang="zh")
        (stick / "issuers.json").write_bytes(vectors.document("issuers8_wrong_role"))
        refused = await trust("import", str(stick), "--json")
        typo = await trust("import", str(tmp_path / "typo"))
        shown = await trust("show", "--json")
        words = await trust("show")

    assert taken == (0, "taken: root, version 1\ntaken: issuers, version 7\ntaken: status, version 31\n")
    assert (status["trust"]["status"], status["trust"]["problems"]) == (31, [])
    assert status["clock"]["lo_ms"] > 1_790_000_000_000
    assert again == (0, "没有新内容：本机都已持有\n")
    assert refused[0] == 1
    assert [problem["file"] for problem in json.loads(refused[1])["problems"]] == ["issuers.json"]
    assert typo == (1, "there is no such folder, or the daemon does not see it\n")
    assert (shown[0], json.loads(shown[1])["issuers"]["version"]) == (0, 7)
    assert (words[0], words[1].splitlines()[0][:15]) == (0, "root           ")


async def test_what_was_taken_and_the_time_outlive_the_folder_and_the_daemon(trusted: Path) -> None:
    """Started again with an empty folder and no network, it holds the same and believes in no earlier time."""
    toml = configuration(trusted)
    async with running(trusted, toml=toml) as daemon:
        before = await daemon.status()
        held = await daemon.get("/api/v1/trust")
    shutil.rmtree(trusted / "data/trust")

    async with running(trusted, toml=toml) as daemon:
        after = await daemon.status()
        held_now = await daemon.get("/api/v1/trust")

    assert (trusted / "data/clock.floor").exists()
    assert after["clock"]["lo_ms"] >= before["clock"]["lo_ms"]
    assert after["trust"]["problems"] == []
    assert {name: held_now[name] for name in ("root", "issuers", "status", "floors")} == {
        name: held[name] for name in ("root", "issuers", "status", "floors")
    }


async def test_a_taken_port_does_not_stop_scanning(
    trusted: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is missing, that is said, the rest works; and the page comes as soon as its port is free."""
    monkeypatch.setattr("edge.api.server.PORT_RETRY_S", 0.01)
    config = trusted / "edge.toml"
    with socket.socket() as other, PtyPort(trusted / "scanner-1") as port:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        toml = configuration(trusted, readers=("scanner-1",)).replace("port = 0", f"port = {taken}")
        config.write_text(toml)
        async with running(trusted, toml=toml) as daemon:
            await daemon.ready()
            port.write(STATIC.encode() + b"\r")
            recent = await daemon.recent_of(1)
            status = await daemon.status()
            link = await asyncio.to_thread(main, ["status", "--link", f"--config={config}", "--lang=en"])
            told = list(daemon.said)
            other.close()
            await until(lambda: len(daemon.said) == 3)
            late = await daemon.status()

    url = f"http://127.0.0.1:{taken}/"
    assert [row["delivery"] for row in recent] == ["saved"]
    assert (status["api"], late["api"]) == ({"state": "port_taken"}, {"state": "open"})
    assert link == 1
    assert "there is no page" in capsys.readouterr().err
    assert told == [{"event": "started", "node": NODE}, {"event": "port_taken", "url": url}]
    assert daemon.said[2]["url"] == url
    assert daemon.said[2]["link"].startswith(f"{url}login?code=")
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING and url in record.getMessage()]
    assert len(warnings) == 1


async def test_a_daemon_cancelled_by_nobody_we_know_is_no_clean_stop(trusted: Path) -> None:
    """Only a signal is a reason to exit with 0."""
    async with running(trusted, toml=configuration(trusted)) as daemon:
        daemon.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await daemon.task


async def test_it_starts_with_nothing_and_says_so(tmp_path: Path) -> None:
    """No trust folder, no reader, no broker: the daemon runs, and the status names each."""
    toml = configuration(
        tmp_path, readers=("scanner-1",), extra='[uplink]\nenabled = true\nhost = "127.0.0.1"\nport = 1\n'
    )
    (tmp_path / "keys").mkdir()
    key = tmp_path / "keys/node.key"
    key.write_text(generate().to_bytes().hex() + "\n")
    key.chmod(0o600)

    async with running(tmp_path, toml=toml) as daemon:
        async with asyncio.timeout(25):
            while True:
                status = await daemon.status()
                # Between two tries either is being opened for a moment.
                if status["uplink"]["state"] == "offline" and status["readers"][0]["state"] == "lost":
                    break
                await asyncio.sleep(0.01)

    assert status["trust"]["empty"]
    assert status["trust"]["problems"] == [{"file": "root.1.json", "rule": "missing"}]
    (reader,) = status["readers"]
    assert (reader["name"], reader["state"], reader["cause"]) == ("scanner-1", "lost", "missing")
    assert status["uplink"]["cause"] == "refused"
    assert not status["clock"]["anchored"]


async def test_without_a_root_a_scan_is_not_saved_and_said_so(tmp_path: Path) -> None:
    """There is nobody to seal for; the person is not told otherwise."""
    toml = configuration(tmp_path, readers=("scanner-1",))
    with PtyPort(tmp_path / "scanner-1") as port, Systemd(tmp_path / "notify") as systemd:
        async with running(tmp_path, toml=toml, environment=systemd.environment) as daemon:
            await daemon.ready()
            port.write(ID_NO.encode() + b"\r")
            recent = await daemon.recent_of(1)
            status = await daemon.status()
            await until(lambda: any("NOT SAVING" in word for word in systemd.heard()))
        heard = [word for word in systemd.heard() if word.startswith("STATUS=")]

    assert (recent[0]["delivery"], recent[0]["seq"]) == ("unsaved", None)
    assert status["store"] == {"writable": False, "cause": "no_city_key"}
    assert heard[-1].startswith("STATUS=TEST KEYS ALLOWED; NOT SAVING; queue 0")


async def test_a_trust_folder_is_taken_over_while_it_runs(tmp_path: Path) -> None:
    """An operator copies it, and looks at the page."""
    async with running(tmp_path, toml=configuration(tmp_path)) as daemon:
        assert (await daemon.status())["trust"]["empty"]
        write_folder(tmp_path / "data/trust")
        async with asyncio.timeout(25):
            while (status := await daemon.status())["trust"].get("status") != 31:
                await asyncio.sleep(0.05)

    assert status["trust"]["test_keys"]
    assert status["clock"]["lo_ms"] > 1_790_000_000_000  # the floor rose to the documents


async def test_public_test_keys_are_refused_unless_allowed(trusted: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And loudly shown where they are (contracts 3.1)."""
    async with running(trusted, toml=configuration(trusted, allow_test_keys=False)) as daemon:
        refused = await daemon.status()
    assert not any("test keys are allowed" in record.getMessage() for record in caplog.records)
    async with running(trusted, toml=configuration(trusted)) as daemon:
        allowed = await daemon.status()

    assert refused["trust"]["problems"] == [{"file": "root.1.json", "rule": "test_key"}]
    assert (refused["trust"]["test_keys"], allowed["trust"]["test_keys"]) == (False, True)
    assert any(
        record.levelno == logging.WARNING and "test keys are allowed" in record.getMessage()
        for record in caplog.records
    )


async def test_a_public_test_key_is_no_node_key(trusted: Path) -> None:
    """Anybody could sign as this node."""
    (trusted / "keys").mkdir()
    key = trusted / "keys/node.key"
    key.write_text(vectors.load("keys")["node"]["private"])
    key.chmod(0o600)

    with pytest.raises(ConfigError) as caught:
        async with running(trusted, toml=configuration(trusted, allow_test_keys=False)):
            pass

    assert caught.value.where == str(key)


@pytest.mark.parametrize(("content", "mode"), [("zz", 0o600), ("00" * 32, 0o600), ("é", 0o600), ("11" * 32, 0o644)])
async def test_a_node_key_that_is_none_is_a_configuration_error(trusted: Path, content: str, mode: int) -> None:
    """The file is named, its content is not."""
    (trusted / "keys").mkdir()
    key = trusted / "keys/node-encryption.key"
    key.write_text(content)
    key.chmod(mode)

    with pytest.raises(ConfigError) as caught:
        async with running(trusted, toml=configuration(trusted)):
            pass

    assert caught.value.where == str(key)
    assert content not in caught.value.expected


async def test_a_link_without_a_node_key_is_a_configuration_error(trusted: Path) -> None:
    """Nothing could be signed."""
    with pytest.raises(ConfigError) as caught:
        async with running(
            trusted, toml=configuration(trusted, extra='[uplink]\nenabled = true\nhost = "127.0.0.1"\n')
        ):
            pass

    assert caught.value.where.endswith("node.key")


async def test_secrets_are_made_once_outside_the_data_and_for_their_owner_only(trusted: Path) -> None:
    """A copied data folder is worth nothing; a restart finds the same secrets."""
    async with running(trusted, toml=configuration(trusted)):
        pass
    files = [trusted / "keys" / name for name in ("api.token", "machine.key")]
    first = [file.read_bytes() for file in files]
    async with running(trusted, toml=configuration(trusted)):
        pass

    assert [file.read_bytes() for file in files] == first
    assert first[0] != first[1]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


async def test_folders_that_cannot_be_made_are_a_configuration_error(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "data").write_bytes(b"")

    with pytest.raises(ConfigError) as caught:
        async with running(tmp_path, toml=configuration(tmp_path)):
            pass

    assert caught.value.where == "node.data_dir"


async def test_sigterm_ends_it_with_0_within_5_s(trusted: Path) -> None:
    """Readers, link, doors and outbox close; a second signal changes nothing."""
    with PtyPort(trusted / "scanner-1"):
        async with running(trusted, toml=configuration(trusted, readers=("scanner-1",))) as daemon:
            begun = time.monotonic()
            os.kill(os.getpid(), 15)
            assert await daemon.stop() == 0
            assert time.monotonic() - begun < 5
    assert not (trusted / "ctl").exists()


async def test_a_second_daemon_exits_with_75_and_says_why(trusted: Path) -> None:
    """Two on one data folder would lose records."""
    config = trusted / "edge.toml"
    config.write_text(configuration(trusted))
    async with running(trusted, toml=configuration(trusted)) as daemon:
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edge", "run", "--lang=en", f"--config={config}", stderr=asyncio.subprocess.PIPE
        )
        _, said = await second.communicate()
        assert (await daemon.status())["node"] == NODE

    assert second.returncode == 75
    assert f"another daemon uses {trusted}/data" in said.decode()


async def test_systemd_hears_ready_watchdog_and_stopping(trusted: Path) -> None:
    """READY only when it works, WATCHDOG while it lives, STOPPING at the end, STATUS in between."""
    with Systemd(trusted / "notify") as systemd:
        async with running(trusted, toml=configuration(trusted), environment=systemd.environment) as daemon:
            await until(lambda: systemd.heard().count("WATCHDOG=1") >= 2)
            assert await daemon.stop() == 0
        heard = systemd.heard()

    assert heard[0].startswith("READY=1\nSTATUS=")
    assert "TEST KEYS ALLOWED" in heard[0]
    assert "STOPPING=1" in heard
    assert any(word.startswith("STATUS=") for word in heard)


async def test_a_task_that_dies_takes_the_daemon_down(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is not survived half: systemd starts it again. What was proven of the time is not lost."""

    async def die(*_: object, **__: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(app.upkeep, "prune", die)

    with pytest.raises(ExceptionGroup):
        async with running(trusted, toml=configuration(trusted)) as daemon:
            await daemon.task

    assert int((trusted / "data/clock.floor").read_text().split()[1]) > 1_790_000_000_000


def _main(folder: Path, toml: str) -> int:
    return app.main(parse(toml.encode()), messages=load(Language.EN), say=lambda *_, **__: None)


def test_exit_codes_of_the_process(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """70 for a crash and a store that fails, 75 for a taken one; a configuration error is for the command line."""
    toml = configuration(trusted)

    for fault, code in ((RuntimeError("x"), 70), (StoreError("x"), 70), (StoreBusyError("x"), 75)):
        monkeypatch.setattr(app, "run", _raising(fault))
        assert _main(trusted, toml) == code
    monkeypatch.setattr(app, "run", _raising(ConfigError("a", expected="b")))
    with pytest.raises(ConfigError):
        _main(trusted, toml)


def _raising(fault: Exception):
    async def run(*_: object, **__: object) -> int:
        raise fault

    return run
