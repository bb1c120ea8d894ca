"""A stand-in for SM2 that costs microseconds: signatures are a keyed hash, keys are points of the curve.

For campaigns of a million verifications only. Whoever knows a public key could sign for it, so nobody in a simulation
may try to: liars sign with keys of their own. In everything a verifier can see it behaves as the real thing, which
`tests/conformance/test_signature_conformance.py` asks of both. It wraps no keys.

Put it in place at the one door: ``monkeypatch.setattr(gm.keys, "default_backend", lambda: SignatureDouble())``.
"""

import hashlib
from dataclasses import dataclass, field
from itertools import count
from typing import Never

from edge.errors import KeyFormatError
from edge.gm import curve

_HALF = curve.COORDINATE_BYTES


@dataclass(frozen=True, slots=True)
class _Public:
    compressed: bytes

    def verify(self, message: bytes, signature: bytes) -> bool:
        halves = curve.split_signature(signature)
        return halves is not None and halves[1] == _seal(self.compressed, halves[0], message)

    def encrypt(self, _plaintext: bytes) -> Never:
        raise NotImplementedError("the double signs and nothing else")


@dataclass(frozen=True, slots=True)
class _Private:
    d: bytes
    compressed: bytes
    _signed: "count[int]" = field(default_factory=count, compare=False)

    def sign(self, message: bytes) -> bytes:
        r = _half(b"nonce", self.d, next(self._signed).to_bytes(8, "big"))  # the same card can be signed twice
        return r + _seal(self.compressed, r, message)

    def decrypt(self, _ciphertext: bytes) -> Never:
        raise NotImplementedError("the double signs and nothing else")


class SignatureDouble:
    """A backend, see `edge.gm.keys.Backend`."""

    name = "double"

    def __init__(self) -> None:
        self._known: set[bytes] = set()  # finding out whether a point is on the curve is the slowest thing here

    def import_public(self, compressed: bytes) -> _Public:
        """A key of 33 bytes; `KeyFormatError` if it is no point of the curve."""
        if compressed not in self._known:
            if not _is_on_curve(int.from_bytes(compressed[1:], "big")):
                raise KeyFormatError("no point of the curve")
            self._known.add(compressed)
        return _Public(compressed)

    def import_private(self, d: bytes, *, compressed: bytes) -> _Private:
        """A private key."""
        return _Private(d, compressed)

    def multiply_generator(self, d: bytes) -> bytes:
        """Some point that belongs to `d` alone, always the same."""
        tries = (_half(b"point", d, number.to_bytes(8, "big")) for number in count())
        return b"\2" + next(x for x in tries if _is_on_curve(int.from_bytes(x, "big")))


def _is_on_curve(x: int) -> bool:
    """Whether the curve has a point with this x: y * y = x^3 + ax + b has a solution (Euler's criterion)."""
    return x < curve.P and pow(x**3 + curve.A * x + curve.B, (curve.P - 1) // 2, curve.P) in (0, 1)


def _seal(compressed: bytes, r: bytes, message: bytes) -> bytes:
    return _half(b"seal", compressed + r, message)


def _half(domain: bytes, key: bytes, data: bytes) -> bytes:
    """32 bytes below n and never 0."""
    drawn = bytearray(hashlib.blake2b(data, digest_size=_HALF, key=hashlib.blake2b(domain + key).digest()).digest())
    drawn[0] &= 0x7F
    drawn[-1] |= 1
    return bytes(drawn)
