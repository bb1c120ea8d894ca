"""The command line's client: whatever does not answer as the daemon does is unreachable."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

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


@pytest.mark.parametrize(("header", "after_s"), [(b"Retry-After: 7\r\n", 7), (b"Retry-After: soon\r\n", 1), (b"", 1)])
def test_asked_too_often_says_when_to_come_back(header: bytes, after_s: int, answering: Callable[..., Path]) -> None:
    """The daemon limits how fast it judges."""
    path = answering(b"HTTP/1.1 429 Later\r\nContent-Length: 0\r\n" + header + b"\r\n")

    with pytest.raises(control.TooOftenError) as caught:
        control.post("/x", socket_path=path)

    assert caught.value.retry_after_s == after_s


def test_judging_waits_as_long_as_the_daemon_asks(
    answering: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many codes through a running daemon all get their verdict."""
    waited: list[float] = []
    monkeypatch.setattr("edge.verify_command.time.sleep", waited.append)
    path = answering(b"HTTP/1.1 429 Later\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n", OK)
    config = tmp_path / "edge.toml"
    config.write_text(f'[node]\nname = "n"\norg = "o"\n[control]\nsocket = "{path}"\n')

    judge = judge_for(trust=None, interval=None, config=config, warn=lambda key, **_: load(Language.EN).text(key))

    assert judge(b"x") == {"a": 1}
    assert waited == [2]
