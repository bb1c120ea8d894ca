"""Telling systemd how the daemon is (sd_notify), with nothing but a socket.

Without NOTIFY_SOCKET every call does nothing. A word to systemd is never worth a crash: what cannot be sent is dropped,
and a watchdog that hears nothing is just what the watchdog is for.
"""

import contextlib
import socket
from collections.abc import Mapping


class Notifier:
    """The line to systemd, if there is one.

    Args:
        address: Value of NOTIFY_SOCKET; None or empty: nobody listens. A leading ``@`` is an abstract socket.
        watchdog_us: Value of WATCHDOG_USEC; None: systemd wants no sign of life.
    """

    def __init__(self, *, address: str | None, watchdog_us: int | None = None) -> None:
        self._address = address or None
        self._watchdog_us = watchdog_us

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often to call `alive`: a third of what systemd allows, so one lost word does no harm; None: never."""
        if self._address is None or not self._watchdog_us:
            return None
        return self._watchdog_us / 3_000_000

    def ready(self, status: str) -> None:
        """The daemon works; `status` is the line that ``systemctl status`` shows."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, status: str) -> None:
        """Show another line in ``systemctl status``."""
        self._send(f"STATUS={_one_line(status)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The daemon has begun to stop."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        address = "\x00" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
        ):
            line.settimeout(0)
            line.sendto(message.encode(), address)


def from_environment(environment: Mapping[str, str], *, pid: int) -> Notifier:
    """Return the notifier that systemd's variables describe; `pid` is our own (WATCHDOG_PID may name another)."""
    watchdog_us = environment.get("WATCHDOG_USEC", "")
    watchdog_pid = environment.get("WATCHDOG_PID", "")
    is_ours = watchdog_pid in ("", str(pid))
    return Notifier(
        address=environment.get("NOTIFY_SOCKET"),
        watchdog_us=int(watchdog_us) if is_ours and watchdog_us.isdigit() else None,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
