"""Teach a reader: from one scan of a known code, how the scanner talks.

Pure: the caller shows the symbol (`drivers.teaching_symbol.drawn`, for a terminal), opens the port at one of
`READ_BAUDS` after the other, 8 bits, no parity, one stop bit, has the person scan, collects the bytes until the line
is silent for a moment, and asks `learn`. None: nothing can be said for certain; scan again at the next rate.

    learned = learn(received, read_baud=9600)
    if learned is not None and not learned.is_exact:
        ...  # the rate is found, what stands around the code is not: open at learned.baud and scan once more
    learned.options()  # what to write under [readers.options], beside port

At the right rate the code stands in what came, and what stands around it is the rest of the answer. At a wrong one
every rate, end and encoding is tried: what would have come? Chips and clocks differ, so what came need not be equal to
any of it; then the most similar rate is taken, if it is similar enough and the next one is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from functools import cache
from typing import Literal

from drivers.framing.framer import Framing
from drivers.framing.line import Terminator
from drivers.framing.stx_etx import ETX, STX, lrc_of
from drivers.framing.uart import Resync, heard
from drivers.text import TextEncoding

TEACH_TEXT = "EHC-TEACH:0123456789:电子健康卡:UuZz#"
"""What the shown code holds: ASCII at both ends, Chinese between them that UTF-8 and GB18030 write differently."""

READ_BAUDS = (9600, 115_200, 38_400)
"""Rates at which to open, the usual one first; at a rate far above the true one all that comes is zeros."""

BAUDS = (1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)
"""The rates a scanner can be set to."""

RECEIVED_BYTES_MAX = 4096

_ZEROS_RATIO = 10  # so far above the true rate a single bit is as long as a byte, and every byte is 0x00
_GUESS_BYTES_MIN = 6  # fewer bytes than this fit a wrong rate by chance
_SIMILAR_BYTES_MAX = 400  # no rate makes more of one scan, and comparing takes time
_SIMILAR_MIN = 0.7
_AHEAD_MIN = 0.15
_DRIFTS = (0.0, 0.005, -0.005, 0.01, -0.01, 0.02, -0.02)  # a UART works up to about 2 % of difference
_ENCODINGS = (TextEncoding.UTF_8, TextEncoding.GB18030)
_ENDS = {Terminator.CRLF: b"\r\n", Terminator.CR: b"\r", Terminator.LF: b"\n"}
_HEAD, _TAIL = (part.encode("ascii") for part in TEACH_TEXT.split("电子健康卡"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """How a scanner talks, in the words of the settings of a `serial-scanner`.

    Attributes:
        is_exact: Every byte is explained. If not, only the rate is certain.
    """

    baud: int
    framing: Framing = Framing.LINE
    terminator: Terminator = Terminator.AUTO
    encoding: TextEncoding = TextEncoding.AUTO
    prefix: str = ""
    suffix: str = ""
    lrc: bool = False
    length_bytes: Literal[1, 2] = 1
    length_order: Literal["big", "little"] = "big"
    is_exact: bool

    def options(self) -> dict[str, str | int | bool]:
        """Return the options that differ from their default, and the rate always."""
        learned = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "is_exact"}
        default = Learned(baud=0, is_exact=False)
        return {
            name: str(value) if isinstance(value, str) else value
            for name, value in learned.items()
            if value != getattr(default, name)
        }


def learn(received: bytes, *, read_baud: int) -> Learned | None:
    """Return how the scanner talks, or None if that cannot be said: scan again, best at another rate.

    Args:
        received: What came while `TEACH_TEXT` was scanned; what is beyond 4096 bytes is not looked at.
        read_baud: At what rate the port was open, 8 bits, no parity, one stop bit.
    """
    received = received[:RECEIVED_BYTES_MAX]
    return _read(received, baud=read_baud) or _guessed(received, read_baud=read_baud)


def _read(received: bytes, *, baud: int) -> Learned | None:
    """Return what is learned from a scan at the right rate; None if the code does not stand there."""
    for encoding in _ENCODINGS:
        code = TEACH_TEXT.encode(encoding.value)
        before, found, after = received.partition(code)
        if found:
            if code in after:  # scanned twice: what stands between is the end of one and the beginning of the next
                after = after[: after.index(code)].removesuffix(before)
            return _around(before, after, code=code, baud=baud, encoding=encoding)
    head, tail = received.find(_HEAD), received.find(_TAIL)
    if 0 <= head < tail:  # the scanner does not send Chinese as either of the two
        return Learned(baud=baud, is_exact=False)
    return None


def _around(before: bytes, after: bytes, *, code: bytes, baud: int, encoding: TextEncoding) -> Learned | None:
    """Return what the bytes around the code mean."""
    try:
        by_length = _behind_length(before, after, code=code, baud=baud, encoding=encoding)
        before, after = before.lstrip(b"\0"), after.rstrip(b"\0")  # what plugging in sends
        return (
            by_length
            or _in_stx_etx(before, after, code=code, baud=baud, encoding=encoding)
            or _on_line(before, after, baud=baud, encoding=encoding)
        )
    except UnicodeDecodeError:  # a mark that no setting can hold, or a damaged byte
        return Learned(baud=baud, is_exact=False)


def _in_stx_etx(before: bytes, after: bytes, *, code: bytes, baud: int, encoding: TextEncoding) -> Learned | None:
    if not before.startswith(bytes((STX,))) or ETX not in after:
        return None
    prefix, (suffix, _, rest) = before[1:], after.partition(bytes((ETX,)))
    return Learned(
        baud=baud,
        framing=Framing.STX_ETX,
        encoding=encoding,
        prefix=prefix.decode("utf-8"),
        suffix=suffix.decode("utf-8"),
        lrc=bool(rest) and rest[0] == lrc_of(prefix + code + suffix),
        is_exact=True,
    )


def _behind_length(before: bytes, after: bytes, *, code: bytes, baud: int, encoding: TextEncoding) -> Learned | None:
    for length_bytes, order in _LENGTHS:
        number, prefix = before[:length_bytes], before[length_bytes:]
        if len(number) == length_bytes and int.from_bytes(number, order) == len(prefix + code + after):
            return Learned(
                baud=baud,
                framing=Framing.LENGTH,
                encoding=encoding,
                prefix=prefix.decode("utf-8"),
                suffix=after.decode("utf-8"),
                length_bytes=length_bytes,
                length_order=order,
                is_exact=True,
            )
    return None


_LENGTHS: tuple[tuple[Literal[1, 2], Literal["big", "little"]], ...] = ((2, "big"), (2, "little"), (1, "big"))


def _on_line(before: bytes, after: bytes, *, baud: int, encoding: TextEncoding) -> Learned:
    terminator = next((name for name, end in _ENDS.items() if after.endswith(end)), Terminator.NONE)
    suffix = after.removesuffix(_ENDS.get(terminator, b""))
    return Learned(
        baud=baud,
        terminator=terminator,
        encoding=encoding,
        prefix=before.decode("utf-8"),
        suffix=suffix.decode("utf-8"),
        is_exact=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """One way in which the scanner may talk, and what would have come."""

    learned: Learned
    received: bytes


def _guessed(received: bytes, *, read_baud: int) -> Learned | None:
    """Return what is learned from a scan at a wrong rate."""
    if len(received) < _GUESS_BYTES_MIN or not received.strip(b"\0"):
        return None
    guesses = _guesses(read_baud)
    equal = [guess.learned for guess in guesses if guess.received == received]
    if equal:
        return _agreed(equal)
    if len(received) > _SIMILAR_BYTES_MAX:
        return None
    scores = dict.fromkeys(BAUDS, 0.0)
    matcher = SequenceMatcher(b=_symbols(received), autojunk=False)
    for guess in guesses:
        matcher.set_seq1(_symbols(guess.received))
        best = scores[guess.learned.baud]
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            scores[guess.learned.baud] = max(best, matcher.ratio())
    *_, second, first = sorted(scores, key=scores.__getitem__)
    is_clear = scores[first] >= _SIMILAR_MIN and scores[first] - scores[second] >= _AHEAD_MIN
    return Learned(baud=first, is_exact=False) if is_clear else None


def _symbols(received: bytes) -> str:
    return received.decode("latin-1")  # one a byte, which is what a SequenceMatcher is typed for


def _agreed(equal: list[Learned]) -> Learned | None:
    """Return what all guesses that fit have in common; None if they do not agree on the rate."""
    first, *others = dict.fromkeys(equal)
    if not others:
        return first
    is_one_baud = all(other.baud == first.baud for other in others)
    return Learned(baud=first.baud, is_exact=False) if is_one_baud else None


@cache  # some seconds' work of a village clinic's box, the same for every scan
def _guesses(read_baud: int) -> tuple[_Guess, ...]:
    """Return every way with clocks that agree, and with others the usual end: that is enough to find the rate."""
    return tuple(
        _Guess(
            learned=learned,
            received=heard(sent, send_baud=learned.baud * (1 + drift), read_baud=read_baud, resync=resync),
        )
        for learned, sent in _ways()
        if learned.baud != read_baud <= learned.baud * _ZEROS_RATIO
        for resync in Resync
        for drift in (_DRIFTS if learned.terminator is Terminator.CR else _DRIFTS[:1])
    )


def _ways() -> Iterator[tuple[Learned, bytes]]:
    """Yield the ways in which scanners talk, and the bytes that they then send."""
    for baud in BAUDS:
        for encoding in _ENCODINGS:
            code = TEACH_TEXT.encode(encoding.value)
            for terminator, end in (*_ENDS.items(), (Terminator.NONE, b"")):
                yield Learned(baud=baud, terminator=terminator, encoding=encoding, is_exact=True), code + end
            framed = bytes((STX, *code, ETX))
            yield Learned(baud=baud, framing=Framing.STX_ETX, encoding=encoding, is_exact=True), framed
