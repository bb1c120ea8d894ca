"""Every parser under hostile input: only its documented error, whatever comes, and no growth of what it keeps.

Inputs are real ones with bytes changed, cut, doubled and spliced, and plain noise: most get past the first check.
"""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from city.authority.rosters import read_table
from city.errors import CityError
from drivers.framing.line import LineFramer, Terminator
from drivers.text import TextEncoding, decode
from edge import dsse, ehc_code, settings, trust
from edge.classify import classify
from edge.errors import CodeError, ConfigError, DecryptError, EdgeError, KeyFormatError, TrustError
from edge.gm import public_key
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
from tests.support import vectors

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


def _framer(terminator: Terminator) -> Callable[[bytes], object]:
    framer = LineFramer(terminator, gap_ns=50)
    clock = iter(range(0, 10**12, 7))

    def feed(data: bytes) -> None:
        assert all(len(frame) <= 4096 for frame in framer.feed(data, now_ns=next(clock)))

    return feed


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
        **{f"line {each}": Target(parse=_framer(each), seeds=_texts()) for each in Terminator},
    }


def _code_bytes() -> tuple[bytes, ...]:
    codes = []
    for text in _texts():
        try:
            codes.append(ehc_code.base45_decode(text.decode().removeprefix(ehc_code.PREFIX)))
        except CodeError:
            continue
    return tuple(codes)


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
