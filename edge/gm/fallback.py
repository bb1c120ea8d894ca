"""SM2 on gmssl, guarded: for systems whose libcrypto has no SM2, and as the second opinion in the tests.

Only point multiplication, signing of a hash and verifying of a hash are taken from gmssl 3.2.2. Everything round it is
done here because raw gmssl strips "04" off keys that begin so (54 of 500 random keys raise), takes r = 0, s = 0, s + n
and trailing hex, never checks C3 when it decrypts, and draws its nonces from a Mersenne Twister. Not constant-time.
"""

import hmac

from gmssl.sm2 import CryptSM2, default_ecc_table

from edge.errors import DecryptError, KeyFormatError
from edge.gm import asn1, curve
from edge.gm.symmetric import sm3

_ODD = 1


class Gmssl:
    """See `edge.gm.keys.Backend`."""

    name = "gmssl"

    def import_public(self, compressed: bytes) -> "_Public":
        """Decompress and thereby check that the point is on the curve, GB/T 32918.1-2016 A.5.2."""
        return _Public(decompress(compressed))

    def import_private(self, d: bytes, *, compressed: bytes) -> "_Private":
        """See `edge.gm.keys.Backend`."""
        return _Private(d, point=decompress(compressed))

    def multiply_generator(self, d: bytes) -> bytes:
        """See `edge.gm.keys.Backend`."""
        point = _multiply(d, default_ecc_table["g"])
        x, y = point[: curve.COORDINATE_BYTES], point[curve.COORDINATE_BYTES :]
        return bytes((2 + (y[-1] & _ODD),)) + x


class _Public:
    """See `edge.gm.keys.PublicHandle`."""

    __slots__ = ("_point", "_z")

    def __init__(self, point: bytes) -> None:
        self._point = point
        self._z = _z(point)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Verify r || s over SM3(Z || message), GB/T 32918.2-2016 7.1."""
        if curve.split_signature(signature) is None:
            return False
        try:
            return bool(_engine(self._point).verify(signature.hex(), sm3(self._z + message)))
        except TypeError:  # gmssl writes the point at infinity as None and goes on
            return False

    def encrypt(self, plaintext: bytes) -> bytes:
        """GB/T 32918.4-2016 6.1 with a nonce from getrandom, as GB/T 35276-2017 7.2."""
        while True:
            k = curve.random_scalar()
            c1 = _multiply(k, default_ecc_table["g"])
            shared = _multiply(k, self._point.hex())
            mask = _kdf(shared, len(plaintext))
            if any(mask):  # 6.1 step A5: else draw again
                break
        x2, y2 = shared[: curve.COORDINATE_BYTES], shared[curve.COORDINATE_BYTES :]
        return asn1.write_ciphertext(c1, c3=sm3(x2 + plaintext + y2), c2=_xor(plaintext, mask))


class _Private:
    """See `edge.gm.keys.PrivateHandle`."""

    __slots__ = ("_d", "_point", "_z")

    def __init__(self, d: bytes, *, point: bytes) -> None:
        self._d = d
        self._point = point
        self._z = _z(point)

    def sign(self, message: bytes) -> bytes:
        """Sign SM3(Z || message), GB/T 32918.2-2016 6.1, with a nonce from getrandom."""
        engine = _engine(self._point, private=self._d)
        digest = sm3(self._z + message)
        signature = None
        while signature is None:  # 6.1 steps A5 and A6: r = 0, r + k = n or s = 0 draw again
            signature = engine.sign(digest, curve.random_scalar().hex())
        return bytes.fromhex(signature)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """The plaintext, once C3 has been checked, GB/T 32918.4-2016 7.1."""
        c1, c3, c2 = asn1.read_ciphertext(ciphertext)
        _check_on_curve(c1)
        shared = _multiply(self._d, c1.hex())
        mask = _kdf(shared, len(c2))
        plaintext = _xor(c2, mask)
        x2, y2 = shared[: curve.COORDINATE_BYTES], shared[curve.COORDINATE_BYTES :]
        if not any(mask) or not hmac.compare_digest(sm3(x2 + plaintext + y2), c3):  # steps B4 and B6
            raise DecryptError("not for this key, or changed")
        return plaintext


def decompress(compressed: bytes) -> bytes:
    """Return x || y of a compressed point.

    Raises:
        KeyFormatError: x is no field element, or no point of the curve has it.
    """
    x = int.from_bytes(compressed[1:], "big")
    square = (x * x * x + curve.A * x + curve.B) % curve.P
    y = pow(square, (curve.P + 1) // 4, curve.P)  # GB/T 32918.1-2016 B.1.4: p = 3 mod 4
    if x >= curve.P or y * y % curve.P != square:
        raise KeyFormatError("no point of the curve")
    if y & _ODD != compressed[0] & _ODD:
        y = curve.P - y
    return compressed[1:] + y.to_bytes(curve.COORDINATE_BYTES, "big")


def _engine(point: bytes, *, private: bytes = b"") -> CryptSM2:
    engine = CryptSM2(private_key=private.hex(), public_key="")
    engine.public_key = point.hex()  # set past the constructor: its lstrip("04") eats leading digits of x
    return engine


def _multiply(scalar: bytes, point_hex: str) -> bytes:
    """Scalar (1..n-1) x point of the curve; never infinity, as n is prime."""
    product: str = _engine(b"")._kg(int.from_bytes(scalar, "big"), point_hex)  # noqa: SLF001 - gmssl has no public one
    return bytes.fromhex(product)


def _z(point: bytes) -> bytes:
    """Z of the default user id, GB/T 32918.2-2016 5.5."""
    bits = (8 * len(curve.USER_ID)).to_bytes(2, "big")
    numbers = (curve.A, curve.B, curve.G_X, curve.G_Y)
    return sm3(bits + curve.USER_ID + b"".join(n.to_bytes(curve.COORDINATE_BYTES, "big") for n in numbers) + point)


def _kdf(shared: bytes, length: int) -> bytes:
    """GB/T 32918.4-2016 5.4.3."""
    blocks = range(1, -(-length // 32) + 1)
    return b"".join(sm3(shared + block.to_bytes(4, "big")) for block in blocks)[:length]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _check_on_curve(point: bytes) -> None:
    """GB/T 32918.4-2016 7.1 step B1: a point of another curve would give the private key away piece by piece."""
    x, y = point[: curve.COORDINATE_BYTES], point[curve.COORDINATE_BYTES :]
    try:
        is_point = decompress(bytes((2 + (y[-1] & _ODD),)) + x) == point
    except KeyFormatError:
        is_point = False
    if not is_point:
        raise DecryptError("C1 is no point of the curve")
