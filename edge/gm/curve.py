"""The numbers of SM2 and the few byte forms both backends share; no arithmetic on points.

Ranges are compared as 32 big-endian bytes: byte order is number order there, and no integer is made on the hot path.
"""

import os

# GB/T 32918.5-2017 clause 2: the recommended curve
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G_X = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
G_Y = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0

USER_ID = b"1234567812345678"  # contracts: always set explicitly; OpenSSL 3.x without one hashes an empty id

COORDINATE_BYTES = 32
SIGNATURE_BYTES = 2 * COORDINATE_BYTES
COMPRESSED_BYTES = 1 + COORDINATE_BYTES
PLAINTEXT_BYTES_MAX = 1024  # SM2 wraps keys of 16 to 64 bytes here; no caller comes near

_ZERO = bytes(COORDINATE_BYTES)
_N = N.to_bytes(COORDINATE_BYTES, "big")
_N_MINUS_1 = (N - 1).to_bytes(COORDINATE_BYTES, "big")


def is_private_scalar(d: bytes) -> bool:
    """Whether `d` may be a private key: 32 bytes, 1 <= d <= n - 2.

    GB/T 32918.1-2016 6.1. With d = n - 1, (1 + d) has no inverse: OpenSSL 3.0 and 3.5 loop for ever signing.
    """
    return len(d) == COORDINATE_BYTES and _ZERO < d < _N_MINUS_1


def is_compressed(point: bytes) -> bool:
    """Whether `point` has the form of a compressed point, GB/T 32918.1-2016 4.2.8; on the curve or not."""
    return len(point) == COMPRESSED_BYTES and point[0] in (2, 3)


def split_signature(signature: bytes) -> tuple[bytes, bytes] | None:
    """Split a raw signature into r and s; None unless it is exactly 64 bytes and both lie in 1..n-1.

    GB/T 32918.2-2016 7.1, B1 and B2: checked here because gmssl takes r = 0, s = 0 and s + n.
    """
    if len(signature) != SIGNATURE_BYTES:
        return None
    r, s = signature[:COORDINATE_BYTES], signature[COORDINATE_BYTES:]
    return (r, s) if _ZERO < r < _N and _ZERO < s < _N else None


def random_scalar() -> bytes:
    """A uniform private key or nonce from getrandom, 1..n-2; a draw outside is thrown away, never reduced."""
    while not is_private_scalar(drawn := os.urandom(COORDINATE_BYTES)):
        pass
    return drawn
