"""Codes that a scanner types as a keyboard, out of the kernel's raw records, sans-IO.

The records are `struct input_event` of linux/input.h as this machine's kernel writes them: two longs of time, a type, a
code, a value; 24 bytes on 64 bits, 16 on 32. Their time is not used.

The keys are those of a US keyboard, whatever layout the desktop has: a scanner is to be set up for that country, which
is how it leaves the factory almost always. Shift, Caps Lock and Control are followed here, because nobody else does it
for a grabbed device. Control with a key gives a control character (ISO/IEC 646), such as GS by Control and ]. A key
that means no character, or any key under Alt, spoils the code: what is missing cannot be known, so what is left of it
is thrown away up to its end.
"""

import struct
from enum import StrEnum

from drivers.framing.framer import FRAME_BYTES_MAX, GAP_NS, IDLE_NS, NO_MARKS, Marks

EVENT = struct.Struct("llHHi")
"""One record, in the byte order and with the sizes of this machine."""

# linux/input-event-codes.h
EV_SYN, EV_KEY = 0x00, 0x01
SYN_REPORT, SYN_DROPPED = 0, 3
KEY_CAPSLOCK, KEY_NUMLOCK, KEY_SCROLLLOCK = 58, 69, 70
SHIFTS, CONTROLS, ALTS = frozenset({42, 54}), frozenset({29, 97}), frozenset({56, 100})
_SILENT = frozenset({KEY_NUMLOCK, KEY_SCROLLLOCK, 125, 126})  # and the two keys with the logo
_RELEASED, _PRESSED = 0, 1  # 2 is a key that is held: a scanner types no letter by holding it

# Rows of keys from a first code on: plain, and under Shift.
_ROWS = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (15, "\tqwertyuiop[]\r", "\tQWERTYUIOP{}\r"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (55, "*", "*"),
    (57, " ", " "),
    (71, "789-456+1230.", "789-456+1230."),  # the keypad: a scanner means the digits, not the arrows
    (96, "\r", "\r"),
    (98, "/", "/"),
    (117, "=", "="),
)
PLAIN = {first + place: char for first, row, _ in _ROWS for place, char in enumerate(row)}
SHIFTED = {first + place: char for first, _, row in _ROWS for place, char in enumerate(row)}


class KeyTerminator(StrEnum):
    """Which key ends a code."""

    AUTO = "auto"  # Enter, the keypad's too, or Tab
    ENTER = "enter"
    TAB = "tab"
    NONE = "none"  # silence ends it; two codes closer than the gap become one


_ENDS = {
    KeyTerminator.AUTO: "\r\n\t",
    KeyTerminator.ENTER: "\r\n",
    KeyTerminator.TAB: "\t",
    KeyTerminator.NONE: "",
}


class KeyWedgeFramer:
    """Cuts one stream of records into codes of ASCII.

    Args:
        terminator: Which key ends a code.
        gap_ns: With `KeyTerminator.NONE`, the silence that ends a code; always that which a record has not inside.
        idle_ns: With any other, the silence after which an unfinished code is dropped.
        marks: What the scanner types around each code, before the end.
        frame_bytes_max: A longer code, its marks included, is dropped whole.

    Attributes:
        overlong_count: Codes dropped because they were too long.
        unfinished_count: Codes dropped because their end never came.
        damaged_count: Codes dropped because keys of them were lost or mean nothing.
    """

    def __init__(
        self,
        terminator: KeyTerminator = KeyTerminator.AUTO,
        *,
        gap_ns: int = GAP_NS,
        idle_ns: int = IDLE_NS,
        marks: Marks = NO_MARKS,
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        self.overlong_count = self.unfinished_count = self.damaged_count = 0
        self._ends = _ENDS[terminator]
        self._gap_ns = gap_ns
        self._silence_ns = idle_ns if self._ends else gap_ns
        self._marks = marks
        self._frame_bytes_max = frame_bytes_max
        self._record = b""  # the beginning of one
        self._text = bytearray()
        self._is_spoiled = False  # the rest of the current code is thrown away as it comes
        self._is_catching_up = False  # records up to the next report tell of a state that is over
        self._held: set[int] = set()
        self._is_caps = False
        self._last_byte_ns = 0

    @property
    def dropped_count(self) -> int:
        """Codes dropped so far, whatever the reason."""
        return self.overlong_count + self.unfinished_count + self.damaged_count

    @property
    def next_deadline_ns(self) -> int | None:
        """When silence will mean something, and `poll` is to be called; None while nothing is pending."""
        if self._record:
            return self._last_byte_ns + min(self._gap_ns, self._silence_ns)
        return self._last_byte_ns + self._silence_ns if self._text or self._is_spoiled else None

    def feed(self, data: bytes, *, now_ns: int, is_late: bool = False) -> list[bytes]:
        """Take the next bytes of the stream and return the codes they complete, in order.

        Args:
            data: Any number of bytes, cut anywhere.
            now_ns: When they were read, on any clock that never goes back.
            is_late: They may have come long before they were read, so no silence before them is proven.
        """
        codes = [] if is_late else self.poll(now_ns)
        if not data:
            return codes
        self._last_byte_ns = now_ns
        stream = self._record + data
        whole = len(stream) - len(stream) % EVENT.size
        self._record = stream[whole:]
        for _, _, kind, code, value in EVENT.iter_unpack(stream[:whole]):
            if text := self._taken(kind, code=code, value=value):
                codes.append(text)
        return codes

    def poll(self, now_ns: int) -> list[bytes]:
        """Say that nothing came until now; return the code that the silence ends, if there is one."""
        deadline_ns = self.next_deadline_ns
        if deadline_ns is None or now_ns < deadline_ns:
            return []
        if self._record:  # never from a kernel, which writes whole records: bytes were lost, and with them a key
            self._record = b""
            self._spoil()
        if now_ns < self._last_byte_ns + self._silence_ns:
            return []
        if not self._ends:
            code = self._ended()
            return [code] if code else []
        self._drop()
        return []

    def reset(self) -> None:
        """Forget the unfinished code and the keys held, because the reader was lost; Caps Lock goes off with it."""
        self._record = b""
        self._drop()
        self._is_catching_up = False
        self._held.clear()
        self._is_caps = False

    def _taken(self, kind: int, *, code: int, value: int) -> bytes:
        """Take one record; return the code that it completes, or nothing."""
        if kind == EV_SYN:
            self._synchronise(code)
        elif kind == EV_KEY and not self._is_catching_up:
            return self._key(code, value=value)
        return b""

    def _synchronise(self, code: int) -> None:
        """Mind a buffer that ran over: what follows it up to the next report counts for nothing (evdev protocol)."""
        if code == SYN_DROPPED:
            self._is_catching_up = True
            self._held.clear()
            self._spoil()
        elif code == SYN_REPORT:
            self._is_catching_up = False

    def _key(self, code: int, *, value: int) -> bytes:
        if code in SHIFTS | CONTROLS | ALTS:
            (self._held.discard if value == _RELEASED else self._held.add)(code)
        elif value == _PRESSED and code == KEY_CAPSLOCK:
            self._is_caps = not self._is_caps
        elif value == _PRESSED and code not in _SILENT:
            return self._typed(self._meaning(code))
        return b""

    def _meaning(self, code: int) -> str:
        """Return the character that a key means now; empty if it means none."""
        if code not in PLAIN or self._held & ALTS:
            return ""
        plain = PLAIN[code]
        if self._held & CONTROLS:
            return chr(ord(plain.upper()) & 0x1F) if "@" <= plain.upper() <= "_" else ""
        is_shifted = bool(self._held & SHIFTS) != (self._is_caps and plain.isalpha())
        return SHIFTED[code] if is_shifted else plain

    def _typed(self, char: str) -> bytes:
        if char and char in self._ends:
            return self._ended()
        if not char:
            self._spoil()
        elif not self._is_spoiled:
            self._text += char.encode("ascii")
            if len(self._text) > self._frame_bytes_max:
                self.overlong_count += 1
                self._text.clear()
                self._is_spoiled = True
        return b""

    def _spoil(self) -> None:
        if not self._is_spoiled:
            self.damaged_count += 1
        self._text.clear()
        self._is_spoiled = True

    def _ended(self) -> bytes:
        """Return the code that has ended; empty if it is none."""
        text, self._text = bytes(self._text), bytearray()
        is_whole, self._is_spoiled = not self._is_spoiled, False
        return self._marks.code_in(text) if is_whole else b""

    def _drop(self) -> None:
        if self._text:
            self.unfinished_count += 1
        self._text.clear()
        self._is_spoiled = False
