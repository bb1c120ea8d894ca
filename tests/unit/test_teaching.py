"""One scan of a known code, and how the scanner talks: found, or said not to be; never wrong."""

import random
from functools import reduce
from itertools import product

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from drivers.framing.framer import Framing
from drivers.framing.line import Terminator
from drivers.framing.uart import Resync, heard
from drivers.readers.serial_scanner import SerialScannerSettings, framer_of
from drivers.teaching import BAUDS, READ_BAUDS, TEACH_TEXT, Learned, learn
from drivers.teaching_symbol import QUIET, ROWS, drawn
from drivers.text import TextEncoding, decode

CODE = TEACH_TEXT.encode()
GB_CODE = TEACH_TEXT.encode("gb18030")
CHECK = reduce(int.__xor__, CODE, 3)


@pytest.mark.parametrize(
    ("received", "options"),
    [
        (CODE + b"\r", {"terminator": "cr", "encoding": "utf-8"}),
        (CODE + b"\n", {"terminator": "lf", "encoding": "utf-8"}),
        (CODE + b"\r\n", {"terminator": "crlf", "encoding": "utf-8"}),
        (CODE, {"terminator": "none", "encoding": "utf-8"}),
        (b"\0\0" + GB_CODE + b"\r\0", {"terminator": "cr", "encoding": "gb18030"}),
        (b"]Q1" + CODE + b";\t", {"terminator": "none", "encoding": "utf-8", "prefix": "]Q1", "suffix": ";\t"}),
        (b"<" + CODE + b">\r\n<" + CODE + b">\r\n",
         {"terminator": "crlf", "encoding": "utf-8", "prefix": "<", "suffix": ">"}),
        (b"\2" + CODE + b"\3", {"framing": "stx-etx", "encoding": "utf-8"}),
        (b"\2" + CODE + b"\3\r\n", {"framing": "stx-etx", "encoding": "utf-8"}),
        (b"\2" + CODE + b"\3" + bytes((CHECK,)), {"framing": "stx-etx", "encoding": "utf-8", "lrc": True}),
        (b"\2<" + GB_CODE + b">\3",
         {"framing": "stx-etx", "encoding": "gb18030", "prefix": "<", "suffix": ">"}),
        (b"\2" + CODE + b"\r", {"terminator": "cr", "encoding": "utf-8", "prefix": "\2"}),
        (bytes((len(CODE),)) + CODE, {"framing": "length", "encoding": "utf-8"}),
        (b"\0" + bytes((len(CODE) + 2,)) + b"<" + CODE + b">",
         {"framing": "length", "encoding": "utf-8", "length_bytes": 2, "prefix": "<", "suffix": ">"}),
        (bytes((len(CODE), 0)) + CODE,
         {"framing": "length", "encoding": "utf-8", "length_bytes": 2, "length_order": "little"}),
    ],
)  # fmt: skip
def test_at_the_right_rate_everything_is_learned(received: bytes, options: dict[str, object]) -> None:
    """What stands around the code says how it is framed, and a reader that is set up so reads it."""
    learned = learn(received, read_baud=38_400)

    assert learned is not None
    assert learned.is_exact
    assert learned.options() == {"baud": 38_400, **options}
    framer = framer_of(_settings(learned))
    codes = framer.feed(received, now_ns=0) + framer.poll(10**9)
    assert decode(codes[0], encoding=learned.encoding) == TEACH_TEXT


@pytest.mark.parametrize(
    "received",
    [CODE.replace("电子健康卡".encode(), b"?????") + b"\r", b"\xff\xfe" + CODE + b"\r"],
    ids=["no Chinese", "a prefix that is no text"],
)
def test_what_cannot_be_explained_leaves_the_rate(received: bytes) -> None:
    """The code is there, so the rate is right; of the rest nothing is said."""
    assert learn(received, read_baud=9600) == Learned(baud=9600, is_exact=False)


@pytest.mark.parametrize("encoding", [TextEncoding.UTF_8, TextEncoding.GB18030])
@pytest.mark.parametrize("send_baud", BAUDS)
def test_one_of_the_reading_rates_finds_each_rate(send_baud: int, encoding: TextEncoding) -> None:
    """Whatever the scanner is set to, the rates tried one after the other find it, and none says another."""
    sent = TEACH_TEXT.encode(encoding.value) + b"\r"

    found = [
        learn(heard(sent, send_baud=send_baud, read_baud=read_baud), read_baud=read_baud) for read_baud in READ_BAUDS
    ]

    assert {learned.baud for learned in found if learned} == {send_baud}


def test_a_wrong_rate_with_a_known_way_is_learned_whole() -> None:
    """From one scan at a wrong rate come rate, end and encoding, where nothing else would have given those bytes."""
    received = heard(GB_CODE + b"\r\n", send_baud=19_200, read_baud=9600)

    learned = learn(received, read_baud=9600)

    assert learned == Learned(baud=19_200, terminator=Terminator.CRLF, encoding=TextEncoding.GB18030, is_exact=True)


def test_a_rate_is_never_guessed_wrong(rng: random.Random) -> None:
    """Other clocks, other chips, marks that nobody knows: the rate is right, or it is not said."""
    outcomes = {True: 0, False: 0}

    for read_baud, send_baud in product(READ_BAUDS, BAUDS):
        prefix = rng.choice([b"", b"\2", b"A", b"$$", b"\0\0", b"]Q1"])
        suffix = rng.choice([b"", b"\r", b"\n", b"\r\n", b"\t", b"\3", b"#\r"])
        sent = prefix + TEACH_TEXT.encode(rng.choice(["utf-8", "gb18030"])) + suffix
        true_baud = send_baud * (1 + rng.uniform(-0.02, 0.02))
        received = heard(sent, send_baud=true_baud, read_baud=read_baud, resync=rng.choice(sorted(Resync)))
        learned = learn(received, read_baud=read_baud)
        assert learned is None or learned.baud == send_baud
        outcomes[learned is not None] += 1

    assert outcomes[True] >= outcomes[False] > 0


@pytest.mark.parametrize("received", [b"", b"\0", b"\0" * 300, b"another code\r", b"\xff" * 40, b"U" * 500])
def test_nothing_is_learned_from_nothing(received: bytes) -> None:
    """Zeros, noise and other codes teach nothing at any rate."""
    assert [learn(received, read_baud=read_baud) for read_baud in READ_BAUDS] == [None, None, None]


@example_settings(max_examples=10)
@given(received=st.binary(max_size=200))
def test_garbage_teaches_nothing(received: bytes) -> None:
    """Random bytes are like nothing that a scanner would have sent."""
    assert learn(received, read_baud=9600) is None


def test_two_rates_that_give_the_same_are_not_told_apart() -> None:
    """Far below the port's rate only zeros come, as many at one rate as at the other."""
    slow, slower = (heard(CODE + b"\r", send_baud=baud, read_baud=115_200) for baud in (4800, 2400))

    assert slow == slower
    assert learn(slow, read_baud=115_200) is None


def test_the_symbol_is_the_code() -> None:
    """The data is what a QR library makes of the text."""
    segno = pytest.importorskip("segno")

    matrix = segno.make(TEACH_TEXT, error="m", micro=False, encoding="utf-8", boost_error=False).matrix

    assert ["".join("#" if module else "." for module in row) for row in matrix] == list(ROWS)


def test_the_symbol_is_read_from_what_the_terminal_shows() -> None:
    """A decoder reads the text off the drawn lines, light blocks on a dark ground."""
    zxingcpp = pytest.importorskip("zxingcpp")
    halves = {"█": "..", "▀": ".#", "▄": "#.", " ": "##"}
    rows = ["".join(halves[block][half] for block in line) for line in drawn().splitlines() for half in (0, 1)]
    scale = 4
    side = len(rows[0])
    pixels = b"".join(scale * b"".join((b"\0" if module == "#" else b"\xff") * scale for module in row) for row in rows)

    picture = memoryview(pixels).cast("B", (len(rows) * scale, side * scale))
    (symbol,) = zxingcpp.read_barcodes(picture)

    assert symbol.text == TEACH_TEXT
    assert side == len(ROWS) + 2 * QUIET


def _settings(learned: Learned) -> SerialScannerSettings:
    return SerialScannerSettings(
        port="/dev/scanner",
        baud=learned.baud,
        framing=Framing(learned.framing),
        terminator=learned.terminator,
        encoding=learned.encoding,
        prefix=learned.prefix,
        suffix=learned.suffix,
        lrc=learned.lrc,
        length_bytes=learned.length_bytes,
        length_order=learned.length_order,
    )
