"""The one door to pyserial: a serial port opened, read without a thread, and closed.

pyserial opens and configures the port; reading and writing go straight to its descriptor, because pyserial's own
reading is built on select, which fails above descriptor 1023. The port is locked with flock, as other programs do;
TIOCEXCL is not set: on a pseudo-terminal it outlives the program. Opening throws away what the kernel still held:
nobody was told about those scans.
"""

import os
import termios
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Literal, Self

import serial

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.transport.descriptor import closed, lost_in_opening, lost_in_use, opened, read_some, send_all


class Parity(StrEnum):
    """The check bit of each byte."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


_PARITIES = {Parity.NONE: serial.PARITY_NONE, Parity.EVEN: serial.PARITY_EVEN, Parity.ODD: serial.PARITY_ODD}


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialParameters:
    """Which port, and how it talks.

    Attributes:
        path: The device file; best a link that names the device, such as those in ``/dev/serial/by-id``.
        baud: Bits a second.
        bytesize: Bits a byte.
        parity: The check bit.
        stopbits: Stop bits.
    """

    path: str
    baud: int = 9600
    bytesize: Literal[7, 8] = 8
    parity: Parity = Parity.NONE
    stopbits: Literal[1, 2] = 1


class SerialPort:
    """A `BytePort` on a serial device, open inside ``async with``, once."""

    def __init__(self, parameters: SerialParameters) -> None:
        self._parameters = parameters
        self._port: serial.Serial | None = None

    async def __aenter__(self) -> Self:
        """Open the port.

        Raises:
            ReaderLostError: It cannot be opened; the cause says why.
        """
        self._port = await opened(partial(_open, self._parameters), close=_close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        port, self._port = self._opened, None
        await closed(partial(_close, port))

    async def read(self, *, timeout_s: float | None) -> bytes:
        """Wait for bytes; return what has come, or nothing if nothing came in time (None: no limit).

        Raises:
            ReaderLostError: The device is gone.
        """
        return await read_some(self._opened.fileno(), timeout_s=timeout_s)

    def write(self, data: bytes) -> None:
        """Hand over a few bytes for the device, without waiting; what it is too busy to take is dropped.

        Raises:
            ReaderLostError: The device is gone.
        """
        try:
            os.write(self._opened.fileno(), data)
        except BlockingIOError:
            pass
        except OSError as exc:
            raise lost_in_use(exc) from exc

    async def send(self, data: bytes) -> None:
        """Hand over all of it, waiting while the device is busy; cancelled, part of it is sent.

        Raises:
            ReaderLostError: The device is gone.
        """
        await send_all(self._opened.fileno(), data)

    @property
    def _opened(self) -> serial.Serial:
        if self._port is None:
            raise RuntimeError("the port is used outside its async with")
        return self._port


def _open(parameters: SerialParameters) -> serial.Serial:
    """Open and configure, in a thread: an adapter may take its time. pyserial itself tolerates a pty's ENOTTY."""
    try:
        return serial.Serial(
            parameters.path,
            baudrate=parameters.baud,
            bytesize=parameters.bytesize,
            parity=_PARITIES[parameters.parity],
            stopbits=parameters.stopbits,
            timeout=0,
            exclusive=True,
        )
    except OSError as exc:  # SerialException is one
        raise lost_in_opening(exc) from exc
    except (termios.error, ValueError) as exc:  # not a terminal; a rate the adapter does not know
        raise ReaderLostError(LostCause.IO) from exc


def _close(port: serial.Serial) -> None:
    with suppress(OSError, termios.error):  # gone already
        port.reset_output_buffer()  # else closing waits for a device that takes nothing
    with suppress(OSError):
        port.close()
