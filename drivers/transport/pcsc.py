"""The one door to libpcsclite: the slots that pcscd owns, and the cards in them.

Before changing anything here, know that:

* One thread uses a context. A second thread may only `cancel` what it waits for: a call holds the context's lock, and
  whoever waits for that lock holds the library's.
* `ctypes.CDLL` lets the GIL go, because these calls block: a slot is waited on for hours.
* DWORD and LONG are `unsigned long` and `long` on Linux, 64 bits, unlike elsewhere.
* A context dies with the pcscd it was made with; a new pcscd needs a new context.
* A card pulled in the middle of a command gives an empty answer without an error.
* Left alone the library waits for ever for a card that another program holds (PCSCLITE_NO_BLOCKING).
"""

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

from drivers.conversation import RESPONSE_BYTES_MAX, Slot
from drivers.errors import CardLostError, ReaderLostError
from drivers.reader import LostCause

SONAME: Final = "libpcsclite.so.1"
_HOT_PLUG = b"\\\\?PnP?\\Notification"

_SUCCESS = 0
_CANCELLED = 0x80100002
_TIMEOUT = 0x8010000A
_INSUFFICIENT_BUFFER = 0x80100008
_NO_READERS = 0x8010002E
_SECURITY_VIOLATION = 0x8010006A

_SCOPE_SYSTEM = 2
_SHARE_EXCLUSIVE = 1
_PROTOCOL_T0, _PROTOCOL_T1 = 1, 2
_RESET_CARD = 1
_ENDLESS = 0xFFFFFFFF
_CODE_MASK = 0xFFFFFFFF  # a LONG, negative or not

_STATE_CHANGED = 0x0002
_STATE_UNKNOWN = 0x0004
_STATE_UNAVAILABLE = 0x0008
_STATE_PRESENT = 0x0020
_STATE_MUTE = 0x0200
_COUNT_SHIFT = 16  # pcsc-lite counts insertions and removals in the upper half

_ATR_BYTES_MAX = 33
_STATUS_BYTES = 2
_HEADER_BYTES = 4
_MS_PER_S = 1000

_CAUSES: Mapping[int, LostCause] = MappingProxyType(
    {
        0x80100003: LostCause.NO_SERVICE,  # SCARD_E_INVALID_HANDLE: of a context that died
        0x80100009: LostCause.UNPLUGGED,  # SCARD_E_UNKNOWN_READER
        0x8010000B: LostCause.BUSY,  # SCARD_E_SHARING_VIOLATION
        0x80100012: LostCause.NO_SERVICE,  # SCARD_E_SYSTEM_CANCELLED
        0x80100013: LostCause.NO_SERVICE,  # SCARD_F_COMM_ERROR: said by the library alone, of its socket to pcscd
        0x80100017: LostCause.UNPLUGGED,  # SCARD_E_READER_UNAVAILABLE
        0x80100018: LostCause.NO_SERVICE,  # SCARD_P_SHUTDOWN
        0x8010001D: LostCause.NO_SERVICE,  # SCARD_E_NO_SERVICE
        0x8010001E: LostCause.NO_SERVICE,  # SCARD_E_SERVICE_STOPPED
        0x80100027: LostCause.PERMISSION,  # SCARD_E_NO_ACCESS
        _NO_READERS: LostCause.UNPLUGGED,
        _SECURITY_VIOLATION: LostCause.NO_SERVICE,  # in use: the library's word for a connection that pcscd reset
    }
)

# Of these the card is the cause, not the reader.
_OF_CARD: Final = frozenset(
    {
        _INSUFFICIENT_BUFFER,  # it answers more than a card can
        0x8010000C,  # SCARD_E_NO_SMARTCARD
        0x8010000D,  # SCARD_E_UNKNOWN_CARD
        0x8010000F,  # SCARD_E_PROTO_MISMATCH
        0x80100010,  # SCARD_E_NOT_READY
        0x80100015,  # SCARD_E_INVALID_ATR
        0x80100016,  # SCARD_E_NOT_TRANSACTED: it gave no answer
        0x8010001C,  # SCARD_E_CARD_UNSUPPORTED
        0x8010001F,  # SCARD_E_UNEXPECTED
        0x8010002F,  # SCARD_E_COMM_DATA_LOST
        0x80100065,  # SCARD_W_UNSUPPORTED_CARD
        0x80100066,  # SCARD_W_UNRESPONSIVE_CARD
        0x80100067,  # SCARD_W_UNPOWERED_CARD
        0x80100068,  # SCARD_W_RESET_CARD
        0x80100069,  # SCARD_W_REMOVED_CARD
    }
)

_L, _D, _S = ctypes.c_long, ctypes.c_ulong, ctypes.c_char_p
_PD = ctypes.POINTER(ctypes.c_ulong)


class _ReaderState(ctypes.Structure):
    """SCARD_READERSTATE, pcsclite.h."""

    _fields_ = (
        ("reader", ctypes.c_char_p),
        ("user_data", ctypes.c_void_p),
        ("current", ctypes.c_ulong),
        ("event", ctypes.c_ulong),
        ("atr_bytes", ctypes.c_ulong),
        ("atr", ctypes.c_ubyte * _ATR_BYTES_MAX),
    )


class _IoRequest(ctypes.Structure):
    """SCARD_IO_REQUEST, pcsclite.h."""

    _fields_ = (("protocol", ctypes.c_ulong), ("length", ctypes.c_ulong))


_PROTOTYPES: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "SCardEstablishContext": (_D, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(_L)),
        "SCardReleaseContext": (_L,),
        "SCardListReaders": (_L, _S, _S, _PD),
        "SCardGetStatusChange": (_L, _D, ctypes.POINTER(_ReaderState), _D),
        "SCardCancel": (_L,),
        "SCardConnect": (_L, _S, _D, _D, ctypes.POINTER(_L), _PD),
        "SCardTransmit": (_L, ctypes.POINTER(_IoRequest), _S, _D, ctypes.c_void_p, _S, _PD),
        "SCardDisconnect": (_L, _D),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """What is known of one slot; as it is made, nothing.

    Attributes:
        reader: The slot's name in PC/SC.
        is_there: Whether pcscd has it.
        has_card: Whether a card is in.
        is_mute: Whether the card does not answer, such as one put in the wrong way round.
        atr: The card's answer to reset; empty: none, or not known.
        event_count: How many insertions and removals there were: another number is another card.
        raw: What the library wants to be told again.
    """

    reader: str
    is_there: bool = True
    has_card: bool = False
    is_mute: bool = False
    atr: bytes = field(default=b"", repr=False)
    event_count: int = 0
    raw: int = 0


class PcscContext:
    """A connection to pcscd, open inside ``with``.

    Args:
        soname: The library.
    """

    def __init__(self, *, soname: str = SONAME) -> None:
        self._soname = soname
        self._calls: Mapping[str, Callable[..., int]] = {}
        self._handle = _L(0)

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            ReaderLostError: The library is not installed, pcscd does not run, or it does not let us in.
        """
        self._calls = _load(self._soname)
        _expect(
            self._calls["SCardEstablishContext"](_SCOPE_SYSTEM, None, None, ctypes.byref(self._handle)), is_asking=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._calls["SCardReleaseContext"](self._handle)  # closes the socket, whatever pcscd says to it

    def readers(self) -> list[str]:
        """Return the names of the slots there are.

        Raises:
            ReaderLostError: pcscd is gone.
        """
        size = ctypes.c_ulong(0)
        while True:
            buffer = ctypes.create_string_buffer(size.value) if size.value else None
            code = self._calls["SCardListReaders"](self._handle, None, buffer, ctypes.byref(size)) & _CODE_MASK
            if code == _NO_READERS:
                return []
            if code == _SUCCESS and buffer is not None:
                return [name.decode("utf-8", "replace") for name in buffer.raw.split(b"\0") if name]
            if code != _INSUFFICIENT_BUFFER:  # one more since its size was asked
                _expect(code)

    def wait_change(
        self, known: Sequence[SlotState], *, timeout_s: float | None, hot_plug: bool = False
    ) -> list[SlotState]:
        """Wait until something is not as it is known; return how it is now, or the same after the limit or a `cancel`.

        Args:
            known: What is known of each slot.
            timeout_s: The limit; None: none.
            hot_plug: Whether a reader that comes or goes ends the waiting, too.

        Raises:
            ReaderLostError: pcscd is gone, or never had such a slot.
        """
        states = (_ReaderState * (len(known) + hot_plug))()
        for state, slot in zip(states, known, strict=False):
            state.reader, state.current = slot.reader.encode(), slot.raw
        if hot_plug:
            states[len(known)].reader = _HOT_PLUG
        timeout_ms = _ENDLESS if timeout_s is None else int(timeout_s * _MS_PER_S)
        code = self._calls["SCardGetStatusChange"](self._handle, timeout_ms, states, len(states)) & _CODE_MASK
        if code in (_TIMEOUT, _CANCELLED):
            return list(known)
        _expect(code)
        return [_slot_state(slot.reader, state=state) for slot, state in zip(known, states, strict=False)]

    def cancel(self) -> None:
        """End a `wait_change` that another thread is in; nothing happens if it is not in one at this moment."""
        self._calls["SCardCancel"](self._handle)

    def connect(self, reader: str, *, slot: Slot) -> "PcscCard":
        """Take hold of the card in a slot, alone: nobody else can change what it has been shown meanwhile.

        Args:
            reader: The slot's name in PC/SC.
            slot: Which card it is to us, for the errors.

        Raises:
            CardLostError: There is none, or it is dead.
            ReaderLostError: The reader is gone, or another program holds the card.
        """
        handle, protocol = _L(0), ctypes.c_ulong(0)
        code = self._calls["SCardConnect"](
            self._handle,
            reader.encode(),
            _SHARE_EXCLUSIVE,
            _PROTOCOL_T0 | _PROTOCOL_T1,
            ctypes.byref(handle),
            ctypes.byref(protocol),
        )
        _expect(code, slot=slot, is_asking=True)
        return PcscCard(self._calls, handle=handle.value, protocol=protocol.value, slot=slot)


class PcscCard:
    """A card that is held, until the end of ``with``."""

    def __init__(self, calls: Mapping[str, Callable[..., int]], *, handle: int, protocol: int, slot: Slot) -> None:
        self._calls = calls
        self._handle = handle
        self._slot = slot
        self._is_t0 = protocol == _PROTOCOL_T0
        self._request = _IoRequest(protocol, ctypes.sizeof(_IoRequest))

    def __enter__(self) -> Self:
        """It is held already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go; the reset makes the card forget what it was shown."""
        self._calls["SCardDisconnect"](self._handle, _RESET_CARD)

    def transmit(self, command: bytes) -> bytes:
        """Send a command APDU and return the response APDU, 2..258 bytes.

        Raises:
            CardLostError: It does not answer any more.
            ReaderLostError: The reader or pcscd is gone.
        """
        command = as_t0(command) if self._is_t0 else command
        buffer = ctypes.create_string_buffer(RESPONSE_BYTES_MAX)
        size = ctypes.c_ulong(len(buffer))
        code = self._calls["SCardTransmit"](
            self._handle, ctypes.byref(self._request), command, len(command), None, buffer, ctypes.byref(size)
        )
        _expect(code, slot=self._slot)
        if size.value < _STATUS_BYTES:
            raise CardLostError(self._slot)
        return buffer.raw[: size.value]


def as_t0(command: bytes) -> bytes:
    """Return a command APDU as T=0 carries it.

    Args:
        command: With data and the length of the answer expected, or any other.
    """
    # ISO/IEC 7816-3 12.2.4, case 4S: T=0 has no room for Le behind data; the card says 61xx and is asked.
    # 12.2.1, case 1: a header alone is sent with P3 = 00.
    if len(command) == _HEADER_BYTES:
        return command + b"\0"
    data_end = _HEADER_BYTES + 1 + command[_HEADER_BYTES] if len(command) > _HEADER_BYTES + 1 else len(command)
    return command[:data_end]


def error_of(code: int, *, slot: Slot | None = None, is_asking: bool = False) -> CardLostError | ReaderLostError:
    """Return what a return code of the library means.

    Args:
        code: Its lower 32 bits; not 0.
        slot: Whose card was spoken to; None: none.
        is_asking: Whether pcscd was asked to let us in, or to a card; it may say no.
    """
    if slot is not None and code in _OF_CARD:
        return CardLostError(slot)
    if is_asking and code == _SECURITY_VIOLATION:  # polkit says no
        return ReaderLostError(LostCause.PERMISSION)
    return ReaderLostError(_CAUSES.get(code, LostCause.IO))


def _expect(code: int, *, slot: Slot | None = None, is_asking: bool = False) -> None:
    if code != _SUCCESS:
        raise error_of(code & _CODE_MASK, slot=slot, is_asking=is_asking)


def _load(soname: str) -> Mapping[str, Callable[..., int]]:
    os.environ.setdefault("PCSCLITE_NO_BLOCKING", "1")  # looked at when the first context is made
    try:
        library = ctypes.CDLL(soname)
        return {name: _bound(library, name, arguments) for name, arguments in _PROTOTYPES.items()}
    except (OSError, AttributeError) as exc:
        raise ReaderLostError(LostCause.NO_SERVICE) from exc


def _bound(library: ctypes.CDLL, name: str, arguments: tuple[Any, ...]) -> Callable[..., int]:
    function = getattr(library, name)
    function.restype = ctypes.c_long
    function.argtypes = arguments
    bound: Callable[..., int] = function
    return bound


def _slot_state(reader: str, *, state: _ReaderState) -> SlotState:
    event = int(state.event)
    return SlotState(
        reader=reader,
        is_there=not event & (_STATE_UNKNOWN | _STATE_UNAVAILABLE),
        has_card=bool(event & _STATE_PRESENT),
        is_mute=bool(event & _STATE_MUTE),
        atr=bytes(state.atr[: state.atr_bytes]),
        event_count=event >> _COUNT_SHIFT,
        raw=event & ~_STATE_CHANGED,
    )
