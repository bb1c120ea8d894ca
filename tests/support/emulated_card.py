"""What every emulated chip card has in common, and the SIMULATED arithmetic that stands for SM1.

SM1 is not public and runs only inside cards and SAMs; `simulated_sm1` takes its place on both sides, with test keys.
"""

import hashlib
import hmac
from dataclasses import dataclass

OK = b"\x90\x00"
NOT_FOUND = b"\x6a\x82"
NO_RECORD = b"\x6a\x83"
NOT_ALLOWED = b"\x69\x82"
BLOCKED = b"\x69\x83"
WRONG_ORDER = b"\x69\x85"
NO_KEY = b"\x6a\x88"
WRONG_LENGTH = b"\x67\x00"
NO_INSTRUCTION = b"\x6d\x00"
BEYOND_END = b"\x6b\x00"


def simulated_sm1(key: bytes, *, data: bytes) -> bytes:
    """SIMULATED: stands for SM1, which no host may know; 16 bytes."""
    return hmac.digest(key, data, "sha256")[:16]


def diversified(key: bytes, *, city: bytes, card: bytes) -> bytes:
    """SIMULATED: the key of one card, from the key of its kind."""
    return simulated_sm1(simulated_sm1(key, data=city), data=card)


def proof_of(card_key: bytes, *, challenge: bytes, terminal_random: bytes) -> bytes:
    """SIMULATED: the 16 bytes that a SAM makes and a card expects."""
    return simulated_sm1(simulated_sm1(card_key, data=challenge), data=terminal_random + bytes(8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, taken apart."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes
    le: int | None

    @property
    def head(self) -> tuple[int, int]:
        return self.cla, self.ins

    @property
    def offset(self) -> int:
        return self.p1 << 8 | self.p2


def taken_apart(command: bytes) -> Command | None:
    """Take a short command apart (ISO/IEC 7816-4 5.1); None: it is none."""
    if len(command) < 4:
        return None
    data, le, body = b"", None, command[4:]
    if len(body) == 1:
        le = body[0] or 256
    elif body:
        data, rest = body[1 : 1 + body[0]], body[1 + body[0] :]
        if not body[0] or len(data) != body[0] or len(rest) > 1:
            return None
        le = (rest[0] or 256) if rest else None
    cla, ins, p1, p2 = command[:4]
    return Command(cla=cla, ins=ins, p1=p1, p2=p2, data=data, le=le)


def with_le(data: bytes, *, command: Command) -> bytes:
    """Answer with data if its length is the one that was asked for, else say the right one."""
    return data + OK if command.le == len(data) else bytes((0x6C, len(data)))


class EmulatedCard:
    """What all of them have in common.

    Attributes:
        atr: Answer to reset.
        received: Every command since the power came, for the tests.
    """

    def __init__(self, *, atr: bytes, is_selection_told: bool = False) -> None:
        self.atr = atr
        self.received: list[bytes] = []
        self._selected = b"\x61\x1a" if is_selection_told else OK
        self._challenges = 0
        self._waiting = b""
        self.power_on()

    def power_on(self) -> None:
        """Reset: whatever was proved is forgotten, what was counted is not."""
        self.received = []
        self._waiting = b""

    def transmit(self, command: bytes) -> bytes:
        """Answer one command."""
        self.received.append(command)
        parsed = taken_apart(command)
        if parsed is None:
            return WRONG_LENGTH
        if parsed.head == (0x00, 0xC0):
            waiting, self._waiting = self._waiting, b""
            return with_le(waiting, command=parsed) if waiting else WRONG_ORDER
        self._waiting = b""
        return self.answer(parsed)

    def answer(self, command: Command) -> bytes:
        """Answer any command but GET RESPONSE."""
        raise NotImplementedError

    def later(self, data: bytes) -> bytes:
        """Keep data for GET RESPONSE."""
        self._waiting = data
        return bytes((0x61, len(data)))

    def new_challenge(self) -> bytes:
        """Eight bytes that never come again."""
        self._challenges += 1
        return hashlib.sha256(self.atr + self._challenges.to_bytes(4, "big")).digest()[:8]
