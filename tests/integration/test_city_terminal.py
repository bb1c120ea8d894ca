"""`ehc-city` as a process on terminals that are not ours: other encodings, and readers that leave early."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_S = 20.0


def run(*words: str, encoding: str = "utf-8", code: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "city", *words],
        capture_output=True,
        check=False,
        timeout=LIMIT_S,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
def test_any_terminal_can_be_written_to(tmp_path: Path, encoding: str) -> None:
    """What a terminal's encoding does not hold becomes a question mark in text and an escape in JSON."""
    home = str(tmp_path / "𬭳 é")

    assert b"?" in run("init", "--home", home, encoding=encoding).stdout
    assert b"?" in run("init", "--home", home, encoding=encoding, code=1).stderr
    assert b"usage" in run("--help", encoding=encoding).stdout
    output = run("publish", "--home", home, "--json", encoding=encoding).stdout.decode(encoding)
    assert json.loads(output)["folder"] == f"{home}/published"


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    """Output into a pipe that nobody reads any more ends quietly, and the exit code is still the command's."""
    home = str(tmp_path / "city")
    run("init", "--home", home)
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "city", "issuer", "list", "--home", home],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=LIMIT_S,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")
