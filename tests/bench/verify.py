"""Codes a second, static and holder-signed: `edge.verify.examine` against the raw SM2 verifications it needs.

"Raw" calls the same adapter for the same signatures; for a holder-signed code it imports the holder's key as well, as
the verifier must. Every code is another card, so no cache can help.
"""

import base64
import random
import statistics
from datetime import date
from time import perf_counter

from edge import trust
from edge.ehc_code import HOLDER_CARD, STATIC_CARD, EhcCode, card_bytes, code_text, parse, presentation_bytes
from edge.gm import PrivateKey, PublicKey, generate, public_key
from edge.replay import ReplayCache
from edge.trust import TrustSet
from edge.verdict import Interval, Reason
from edge.verify import examine
from tests.bench.turns import rates, report
from tests.support import vectors

RATIO_MIN = 0.87  # docs/benchmarks.md
TAIL_MAX = 3.0  # p99 as a multiple of p50
ROUNDS = 20
CODES_A_ROUND = 100
SHOWN_AT_MS = 1_795_399_200_000  # `now_ms` of the trust vectors
NOW = Interval(lo_ms=SHOWN_AT_MS, hi_ms=SHOWN_AT_MS + 400)
_EPOCH_MS = 1_577_808_000_000


def main() -> None:
    """Print four lines."""
    held = vector_trust()
    issuer = vectors.key("issuer")
    for kind in ("static", "holder"):
        texts = [make_code(kind, index=200 + number, issuer=issuer) for number in range(CODES_A_ROUND)]
        measure(kind, texts, held=held, issuer=issuer.public)


def measure(kind: str, texts: list[str], *, held: TrustSet, issuer: PublicKey) -> None:
    """Print the rate and the tail of one kind of code."""
    parsed = [parse(text) for text in texts]

    def ours(_round: int) -> None:
        for text in texts:
            examination = examine(text, trust=held, now=NOW, replay=replay)
            assert examination.verdict.reason is Reason.VALID

    def raw(_round: int) -> None:
        for code in parsed:
            assert raw_verify(code, issuer=issuer)

    replay = ReplayCache()
    ours(0)
    raw(0)
    our_rate, raw_rate = rates(ours, raw, rounds=ROUNDS, count=len(texts))
    report(f"verify_{kind}", our_rate, "codes/s", ratio=our_rate / raw_rate, budget=RATIO_MIN)
    taken = []
    for text in texts * ROUNDS:
        begin = perf_counter()
        examine(text, trust=held, now=NOW, replay=replay)
        taken.append(perf_counter() - begin)
    p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    report(f"verify_{kind}_p99_over_p50", p99 / p50, "ratio of times", budget=TAIL_MAX)


def raw_verify(code: EhcCode, *, issuer: PublicKey) -> bool:
    """Only the cryptography of one code."""
    if not issuer.verify(code.issuer_signed, signature=code.issuer_signature):
        return False
    if code.presentation is None or code.holder_key is None:
        return True
    return public_key(code.holder_key).verify(code.presentation.signed, signature=code.presentation.signature)


def make_code(kind: str, *, index: int, issuer: PrivateKey) -> str:
    """A new card with holder data of an invented person, shown now."""
    holder = generate() if kind == "holder" else None
    card = card_bytes(
        STATIC_CARD if holder is None else HOLDER_CARD,
        kid=issuer.public.kid,
        index=index,
        card_ref=random.randbytes(8),
        issued_day=2500,
        expiry_day=2865,
        sign=issuer.sign,
        holder=(1, date(1985, 7, 6), "张伟"),
        holder_key=None if holder is None else holder.public.compressed,
    )
    if holder is not None:
        shown_s = (SHOWN_AT_MS - _EPOCH_MS) // 1000
        card = presentation_bytes(card, time_s=shown_s, nonce=random.randbytes(2), sign=holder.sign)
    return code_text(card)


def vector_trust() -> TrustSet:
    """The trust set of the vectors: root1, issuers7, status31 with its list."""
    root = trust.open_root(vectors.document("root1"))
    issuers = trust.open_issuers(vectors.document("issuers7"), root=root)
    status = trust.open_status(vectors.document("status31"), root=root)
    snapshot = base64.b64decode(vectors.load("status_list")["snapshot31"])
    cards = trust.open_list(snapshot, info=status.lists["cards-a"])
    return TrustSet(root=root, issuers=issuers, status=status, lists={"cards-a": cards})
