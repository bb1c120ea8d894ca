"""The command line's client: whatever does not answer as the daemon does is unreachable."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge import control
from edge.errors import UnreachableError
from edge.messages import Language, load
from edge.verify_command import judge_for

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + b'{"a": 1}'


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """A socket that answers each connection with the next of some bytes."""
    threads: list[threading.Thread] = []

    def serve(*answers: bytes) -> Path:
        path = tmp_path / "ctl"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(4)

        def run() -> None:
            with listener:
                for answer in answers:
                    connection, _ = listener.accept()
                    with connection:
                        _read_request(connection)
                        connection.sendall(answer)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return path

    yield serve
    for thread in threads:
        thread.join(timeout=10)


def _read_request(connection: socket.socket) -> None:
    """Read a whole request: its head and its body may come apart."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    while length is not None and len(body) < int(length[1]):
        body += connection.recv(65_536)


def test_an_answer_is_read(answering: Callable[..., Path]) -> None:
    """A GET and a POST."""
    path = answering(OK, OK)

    assert control.get("/x", socket_path=path) == {"a": 1}
    assert control.post("/x", socket_path=path, value={"b": 2}) == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{no",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
    ],
)
def test_what_is_no_daemon_is_unreachable(answer: bytes, answering: Callable[..., Path]) -> None:
    """A crash while it answers, another program, an error."""
    with pytest.raises(UnreachableError):
        control.get("/x", socket_path=answering(answer))


def test_a_socket_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(UnreachableError) as caught:
        control.get("/x", socket_path=tmp_path / "none")

    assert caught.value.where == str(tmp_path / "none")


def test_a_page_that_cannot_be_opened_is_no_lost_daemon(answering: Callable[..., Path]) -> None:
    """Another program has its port; the daemon itself answers."""
    path = answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(control.NoPageError):
        control.post("/api/v1/link", socket_path=path)


NOW_MS = 1_795_399_200_000  # the time of the vectors


def _evidence(path: Path, tmp_path: Path) -> dict[str, Any]:
    config = tmp_path / "edge.toml"
    config.write_text(f'[node]\nname = "n"\norg = "o"\ndata_dir = "{tmp_path}/d"\n[control]\nsocket = "{path}"\n')
    evidence: dict[str, Any] = judge_for(trust=None, interval=None, config=config, warn=_quiet)(b"x")["evidence"]
    return evidence


def _quiet(key: str, **values: str) -> None:
    load(Language.EN).text(f"error.{key}", **values)


def _status(clock: object) -> bytes:
    body = json.dumps({"clock": clock}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_codes_are_judged_by_the_time_of_the_daemon(answering: Callable[..., Path], tmp_path: Path) -> None:
    """It is asked once; from then on the box's own clock carries the interval, which only widens."""
    path = answering(_status({"anchored": True, "lo_ms": NOW_MS, "hi_ms": NOW_MS + 300}))

    evidence = _evidence(path, tmp_path)

    assert NOW_MS <= evidence["lo"] < evidence["hi"] < NOW_MS + 60_000
    assert evidence["hi"] - evidence["lo"] >= 300
    assert evidence["anchored"]


def test_a_daemon_without_an_upper_end_gives_none(answering: Callable[..., Path], tmp_path: Path) -> None:
    """What it does not know is not made up here."""
    evidence = _evidence(answering(_status({"anchored": False, "lo_ms": NOW_MS})), tmp_path)

    assert evidence["lo"] >= NOW_MS
    assert "hi" not in evidence


@pytest.mark.parametrize("answer", [OK, _status(None), _status({}), _status({"lo_ms": "x"})])
def test_what_does_not_tell_the_time_is_no_daemon(
    answer: bytes, answering: Callable[..., Path], tmp_path: Path
) -> None:
    """The latest document is the time then; here there is none."""
    assert _evidence(answering(answer), tmp_path)["lo"] == 0
