"""Every parser under hostile input: only its documented error, whatever comes, and no growth of what it keeps.

Inputs are real ones with bytes changed, cut, doubled and spliced, and plain noise: most get past the first check.
"""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from city.authority.rosters import read_table
from city.errors import CityError
from drivers import scanner_models
from drivers.errors import FrameError, ModelError, PictureError
from drivers.framing import sdt, tlv
from drivers.framing.apdu import split
from drivers.framing.framer import Framer
from drivers.framing.key_wedge import KeyTerminator, KeyWedgeFramer
from drivers.framing.length_prefixed import LengthFramer
from drivers.framing.line import LineFramer, Terminator
from drivers.framing.mjpeg import JpegFramer
from drivers.framing.sdt import SdtFramer
from drivers.framing.stx_etx import StxEtxFramer
from drivers.recording import chunk_of, header_of
from drivers.scanner_models import parse_model
from drivers.shape import invented
from drivers.teaching import TEACH_TEXT, learn
from drivers.text import TextEncoding, decode
from drivers.transport.camera import decode_still
from edge import card_data, dsse, ehc_code, gs1, settings, trace_code, trust
from edge.classify import classify
from edge.errors import CardDataError, CodeError, ConfigError, DecryptError, EdgeError, KeyFormatError, TrustError
from edge.gm import public_key
from edge.id_card import parse_id_card
from edge.replay import ReplayCache
from edge.seal import open_body
from edge.status_delta import apply_delta
from edge.status_list import StatusList, unpack_snapshot
from edge.transaction import TransactionError, from_cbor
from edge.trust import TrustSet
from edge.verdict import Interval
from edge.verify import examine
from sync import cbor
from sync.asking import Ask, BlobPiece, Fetch, Order, OrderKind, Result
from sync.errors import WireError
from sync.wire import Batch, Hello, decode_frame, parse_receipt
from tests.demo.deck import ROSTER
from tests.support import card_talks, id_texts, key_fifo, vectors
from tests.support.pictures import jpeg, png, qr_picture

COUNTS = [20_000, pytest.param(1_000_000, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)])]
NOISE_BYTES_MAX = 300
NOW = Interval(lo_ms=1_795_399_200_000, hi_ms=1_795_399_200_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One parser.

    Attributes:
        parse: Takes the input.
        seeds: Real inputs.
        errors: What it may raise.
        share: Of the count: slow parsers get fewer.
    """

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    errors: tuple[type[Exception], ...] = ()
    share: float = 1.0


def mutated(rng: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    """One hostile input."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(7):
            case 0:
                del data[at:]
            case 1:
                data[at : at + 1] = rng.randbytes(1)
            case 2:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:
                del data[at : at + rng.randint(1, 8)]
            case 4:
                other = rng.choice(seeds)
                data[at:] = other[rng.randrange(len(other) + 1) :]
            case 5:
                data[at:at] = data[: rng.randint(0, 64)]
            case _:
                data = bytearray(rng.randbytes(rng.randint(0, NOISE_BYTES_MAX)))
    return bytes(data)


def _texts() -> tuple[bytes, ...]:
    cases = (case["text"] for context in vectors.load("ehc1")["contexts"] for case in context["cases"])
    return tuple(text.encode() for text in cases)


def _documents() -> tuple[bytes, ...]:
    return tuple(
        json.dumps(document).encode() for document in vectors.load("trust").values() if isinstance(document, dict)
    )


def _frames() -> tuple[bytes, ...]:
    ledger = vectors.load("ledger")
    return tuple(bytes.fromhex(text) for text in ledger.values() if isinstance(text, str) and text.startswith("846"))


def _held() -> TrustSet:
    root = trust.open_root(vectors.document("root1"))
    return TrustSet(
        root=root,
        issuers=trust.open_issuers(vectors.document("issuers7"), root=root),
        status=trust.open_status(vectors.document("status31"), root=root),
    )


def _framer(framer: Framer) -> Callable[[bytes], object]:
    clock = iter(range(0, 10**12, 7))

    def feed(data: bytes) -> None:
        assert all(1 <= len(frame) <= 4096 for frame in framer.feed(data, now_ns=next(clock)))

    return feed


def _framers() -> dict[str, Target]:
    """What cuts codes out of a stream, each fed with codes as it expects them."""
    texts = _texts()
    typed = tuple(key_fifo.typed(text) for text in ("EHC1:6BF-\r", "a]B\t"))
    return {
        **{f"line {each}": Target(parse=_framer(LineFramer(each, gap_ns=50)), seeds=texts) for each in Terminator},
        **{
            f"stx-etx {has_lrc}": Target(
                parse=_framer(StxEtxFramer(has_lrc=has_lrc, idle_ns=1_000)),
                seeds=tuple(b"\x02" + text + b"\x03" for text in texts),
            )
            for has_lrc in (False, True)
        },
        **{
            f"length {count}": Target(
                parse=_framer(LengthFramer(length_bytes=count, gap_ns=50)),
                seeds=tuple(len(text).to_bytes(2) + text for text in texts),
            )
            for count in (1, 2)
        },
        **{
            f"keys {each}": Target(parse=_framer(KeyWedgeFramer(each, gap_ns=50)), seeds=typed)
            for each in KeyTerminator
        },
    }


def _sdt() -> Callable[[bytes], object]:
    framer = SdtFramer()

    def feed(data: bytes) -> None:
        for answer in framer.feed(data):
            sdt.card_text(answer.data)
            assert all(isinstance(sdt.answers(command, answer), bool) for command in sdt.Command)

    return feed


def _recording(data: bytes) -> object:
    """Read a line of a recording, whichever it is."""
    try:
        return header_of(data)
    except FrameError:
        return chunk_of(data)


def _targets() -> dict[str, Target]:
    held, replay, root = _held(), ReplayCache(), trust.open_root(vectors.document("root1"))
    records = tuple(bytes.fromhex(record["cbor"]) for record in vectors.load("ledger")["records"])
    bodies = tuple(bytes.fromhex(record["body"]) for record in vectors.load("ledger")["records"])
    snapshots = tuple(base64.b64decode(vectors.load("status_list")[name]) for name in ("snapshot30", "snapshot31"))
    payloads = tuple(decode_frame(frame).payload for frame in _frames())
    example = (ROSTER.parent / "edge.example.toml").read_bytes()
    wire = (WireError,)
    asks = (
        Ask(node="n", nonce=bytes(16), time=True, docs={"root": 3}, fetch=Fetch(sm3=bytes(32), offset=5, length=7)),
        BlobPiece(node="n", sm3=bytes(32), offset=5, total=12, data=bytes(7)),
        Order(node="n", id=bytes(16), kind=OrderKind.HELLO, expires_ms=9),
        Result(node="n", id=bytes(16), ok=False, error="expires"),
    )
    down = tuple(each.to_payload() for each in asks)
    return {
        "ehc_code": Target(parse=lambda data: ehc_code.parse_bytes(data), seeds=_code_bytes(), errors=(CodeError,)),
        "base45": Target(
            parse=lambda data: ehc_code.base45_decode(data.decode("latin-1")), seeds=_texts(), errors=(CodeError,)
        ),
        "classify": Target(parse=lambda data: classify(decode(data, encoding=TextEncoding.AUTO)), seeds=_texts()),
        "examine": Target(
            parse=lambda data: examine(decode(data, encoding=TextEncoding.AUTO), trust=held, now=NOW, replay=replay),
            seeds=_texts(),
            share=0.25,
        ),
        "card text": Target(parse=card_data.text, seeds=_fields(), share=0.5),
        "card digits": Target(parse=lambda data: (card_data.digits(data), card_data.day(data[:4])), seeds=_fields()),
        "picture": Target(parse=decode_still, seeds=_pictures(), errors=(PictureError,), share=0.03),
        "mjpeg": Target(parse=JpegFramer(picture_bytes_max=3_000).feed, seeds=_pictures(), share=0.5),
        "text": Target(parse=lambda data: decode(data, encoding=TextEncoding.GB18030), seeds=_texts()),
        "cbor": Target(
            parse=lambda data: cbor.decode(data, bytes_max=65_536), seeds=(*records, *_frames()), errors=wire
        ),
        "frame": Target(parse=decode_frame, seeds=_frames(), errors=wire),
        "hello": Target(parse=Hello.from_payload, seeds=payloads, errors=wire),
        "batch": Target(parse=Batch.from_payload, seeds=payloads, errors=wire),
        "receipt": Target(parse=parse_receipt, seeds=payloads, errors=wire),
        "ask": Target(parse=Ask.from_payload, seeds=down, errors=wire),
        "piece": Target(parse=BlobPiece.from_payload, seeds=down, errors=wire),
        "order": Target(parse=Order.from_payload, seeds=down, errors=wire),
        "result": Target(parse=Result.from_payload, seeds=down, errors=wire),
        "delta": Target(
            parse=lambda data: apply_delta(StatusList(4096, bytes(1024)), data, size=4096),
            seeds=(base64.b64decode(vectors.load("status_list")["delta_30_31"]),),
            errors=(TrustError,),
        ),
        "record": Target(parse=from_cbor, seeds=records, errors=(TransactionError,)),
        "sealed body": Target(
            parse=lambda data: open_body(data, secret=bytes(16), node="n", message_id=bytes(16)),
            seeds=bodies,
            errors=(DecryptError,),
        ),
        "envelope": Target(
            parse=lambda data: dsse.parse(data, size_max=65_536), seeds=_documents(), errors=(TrustError,)
        ),
        "root": Target(parse=trust.open_root, seeds=_documents(), errors=(TrustError,), share=0.25),
        "issuers": Target(
            parse=lambda data: trust.open_issuers(data, root=root), seeds=_documents(), errors=(TrustError,), share=0.25
        ),
        "snapshot": Target(
            parse=lambda data: unpack_snapshot(data, size=4096, sm3=bytes(32)), seeds=snapshots, errors=(TrustError,)
        ),
        "public key": Target(
            parse=public_key, seeds=(vectors.key("issuer").public.compressed,), errors=(KeyFormatError,), share=0.25
        ),
        "settings": Target(parse=settings.parse, seeds=(example,), errors=(ConfigError,), share=0.1),
        "roster table": Target(
            parse=lambda data: read_table(data.decode("utf-8", "replace")),
            seeds=(ROSTER.read_bytes(),),
            errors=(CityError, EdgeError),
            share=0.25,
        ),
        "sdt": Target(
            parse=_sdt(), seeds=(sdt.frame(b"\0\0\x9f" + bytes(4)), sdt.frame(b"\0\0\x90\x01\0\0\0" + id_texts.hmt()))
        ),
        "id card": Target(
            parse=lambda data: parse_id_card(data.ljust(256, b" ")[:256]),
            seeds=(id_texts.citizen(), id_texts.hmt(), id_texts.foreigner_2017(), id_texts.foreigner_2023()),
            errors=(CardDataError,),
        ),
        "recording": Target(
            parse=_recording,
            seeds=(
                b'{"recording": 1, "type": "serial-scanner", "options": {"baud": 9600}, "content": "kept"}',
                b'{"after_ns": 16000000, "hex": "3132330d"}',
                b'{"after_ns": 0, "sent": "1b41"}',
            ),
            errors=(FrameError,),
        ),
        "likeness": Target(parse=lambda data: invented(data, keep=(b"QR:", b"#")), seeds=_texts()),
        "gs1": Target(
            parse=lambda data: gs1.parse(data.decode("latin-1"), year=2026),
            seeds=(b"]d20106901234567892172805311025A\x1d21SN1", b"11250101410690123456789237100\x1d10A"),
            errors=(CodeError,),
        ),
        "trace code": Target(
            parse=lambda data: trace_code.parse(data.decode("latin-1")),
            seeds=(b"81234567890123456789",),
            errors=(CodeError,),
        ),
        "apdu": Target(parse=split, seeds=(bytes.fromhex("06042018030190006A82"),)),
        "tlv": Target(parse=lambda data: tlv.value_of(data, tag=0x06), seeds=(bytes.fromhex("060420180301"),)),
        # Whole talks, a quarter of the count each: every answer of both cards is there to be damaged.
        **{
            f"talk: {each}": Target(parse=partial(card_talks.played, name=each), seeds=seeds, share=0.25)
            for each, seeds in _recorded_talks().items()
        },
        "scanner model": Target(
            parse=lambda data: parse_model(data, name="own"), seeds=_models(), errors=(ModelError,), share=0.25
        ),
        "teaching": Target(
            parse=lambda data: learn(data, read_baud=9600), seeds=(TEACH_TEXT.encode() + b"\r",), share=0.005
        ),
        **_framers(),
    }


def _recorded_talks() -> dict[str, tuple[bytes, ...]]:
    return {name: card_talks.recorded(name)[::3] for name in card_talks.TALKS}  # each card's at the desk


def _fields() -> tuple[bytes, ...]:
    names = ("张三", "欧阳㐀𠮷", "A" * 30)
    return (*(card_data.encode_text(name, bytes_max=30) for name in names), bytes.fromhex("20020329"))


def _pictures() -> tuple[bytes, ...]:
    code = qr_picture("EHC1:A", module_px=3)
    coloured = code.convert("RGB")
    return (
        jpeg(code),
        jpeg(coloured, progressive=True),
        png(code),
        png(coloured.convert("P")),
        png(code.convert("LA")),
    )


def _code_bytes() -> tuple[bytes, ...]:
    codes = []
    for text in _texts():
        try:
            codes.append(ehc_code.base45_decode(text.decode().removeprefix(ehc_code.PREFIX)))
        except CodeError:
            continue
    return tuple(codes)


def _models() -> tuple[bytes, ...]:
    folder = Path(scanner_models.__file__).parent / "models"
    return tuple(path.read_bytes() for path in sorted(folder.glob("*.toml")))


TARGETS = _targets()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_raises_nothing_but_its_documented_error(name: str, count: int, rng: random.Random) -> None:
    """Whatever bytes come: a value or the documented error."""
    target = TARGETS[name]
    refused = 0

    for _ in range(int(count * target.share)):
        data = mutated(rng, target.seeds)
        try:
            target.parse(data)
        except target.errors:
            refused += 1

    assert not target.errors or refused  # the inputs were hostile
