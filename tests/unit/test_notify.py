"""What systemd hears: exactly its protocol, and silence when it is not there."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.notify import Notifier, from_environment


@pytest.fixture
def line(tmp_path: Path) -> Iterator[socket.socket]:
    """Systemd's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        yield end


def test_every_word_is_sent_as_systemd_reads_it(line: socket.socket) -> None:
    """READY comes with a status of one line; the others are one assignment each."""
    notifier = Notifier(address=line.getsockname())

    notifier.ready("two\nlines")
    notifier.status("queue 3")
    notifier.alive()
    notifier.stopping()

    heard = [line.recv(1024) for _ in range(4)]
    assert heard == [b"READY=1\nSTATUS=two lines", b"STATUS=queue 3", b"WATCHDOG=1", b"STOPPING=1"]


def test_an_abstract_socket_is_reached() -> None:
    """A leading @ stands for the null byte."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("")  # the kernel picks an abstract name
        end.settimeout(5)
        name = end.getsockname()

        Notifier(address="@" + name[1:].decode()).alive()

        assert end.recv(64) == b"WATCHDOG=1"


def test_nobody_listening_is_no_error(tmp_path: Path) -> None:
    """Without systemd, or with its socket gone, nothing happens."""
    Notifier(address=None).alive()
    Notifier(address=str(tmp_path / "gone")).ready("x")


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": "/s"}, None),
        ({"WATCHDOG_USEC": "3000000"}, None),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "3000000"}, 1.0),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 1.0),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "soon"}, None),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_fed_three_times_as_often_as_asked(
    environment: dict[str, str], interval_s: float | None
) -> None:
    """Only when systemd asks this very process."""
    assert from_environment(environment, pid=7).watchdog_interval_s == interval_s
