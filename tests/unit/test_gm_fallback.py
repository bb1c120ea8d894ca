"""What gmssl gets wrong when it is called raw does not come through."""

import pytest

from edge import gm
from edge.errors import DecryptError
from edge.gm import curve, fallback
from tests.support.vectors import key


def key_whose_x_begins(digits: str) -> gm.PrivateKey:
    """A key that raw gmssl strips leading digits from."""
    wanted = bytes.fromhex(digits)
    while True:
        private = gm.generate()
        if private.public.compressed[1:].startswith(wanted):
            return gm.private_key(private.to_bytes(), backend=gm.gmssl_backend())


def test_keys_that_begin_with_04_work() -> None:
    """A public key whose x begins with byte 04 verifies and encrypts like any other."""
    private = key_whose_x_begins("04")

    assert private.public.verify(b"m", signature=private.sign(b"m"))
    assert private.decrypt(private.public.encrypt(b"secret")) == b"secret"


def test_nonces_come_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random numbers of gmssl are never asked for."""

    def forbidden(_: int) -> str:
        raise AssertionError("a nonce from a Mersenne Twister")

    monkeypatch.setattr("gmssl.func.random_hex", forbidden)
    private = gm.private_key(key("node").to_bytes(), backend=gm.gmssl_backend())

    assert private.sign(b"m") != private.sign(b"m")
    assert private.public.encrypt(b"secret") != private.public.encrypt(b"secret")


def test_a_nonce_that_gives_no_signature_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where gmssl finds r = 0, r + k = n or s = 0 it gives None, and another nonce is drawn."""
    private = gm.private_key(key("node").to_bytes(), backend=gm.gmssl_backend())
    sign = fallback.CryptSM2.sign
    answers = iter([None])
    monkeypatch.setattr(fallback.CryptSM2, "sign", lambda *args: next(answers, sign(*args)))

    assert private.public.verify(b"m", signature=private.sign(b"m"))


def test_a_mask_of_zeros_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask that would leave the plaintext as it is is never used, GB/T 32918.4-2016 6.1 step A5."""
    private = gm.private_key(key("node").to_bytes(), backend=gm.gmssl_backend())
    kdf = fallback._kdf
    masks = iter([bytes(6)])
    monkeypatch.setattr(fallback, "_kdf", lambda *args: next(masks, None) or kdf(*args))

    ciphertext = private.public.encrypt(b"secret")

    assert b"secret" not in ciphertext
    assert private.decrypt(ciphertext) == b"secret"


def integer(value: int) -> bytes:
    body = value.to_bytes(value.bit_length() // 8 + 1)
    return bytes((2, len(body))) + body


def sequence(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return bytes((0x30, len(body))) + body


C3, C2 = b"\4\x20" + bytes(32), b"\4\1a"


@pytest.mark.parametrize(
    "ciphertext",
    [
        sequence(integer(5), integer(5), C3, C2),
        sequence(integer(curve.G_X), integer(curve.P - 1), C3, C2),
        sequence(integer(curve.P), integer(1), C3, C2),
        sequence(b"\2\1\xff", integer(1), C3, C2),
        sequence(b"\2\0", integer(1), C3, C2),
        sequence(integer(curve.G_X), integer(curve.G_Y), b"\4\1a", C2),
        sequence(integer(curve.G_X), integer(curve.G_Y), C3, b"\4\0"),
        sequence(integer(curve.G_X), integer(curve.G_Y), C3, C2, C2),
        sequence(integer(curve.G_X), integer(curve.G_Y), C3, C2) + b"\0",
        b"\x30\x83\0\0\1a",
        b"\x30\x80",
        b"\x30",
        b"\x30\x81" + sequence(integer(curve.G_X), integer(curve.G_Y), C3, C2)[1:],
        sequence(b"\2\3\0\0\1", integer(1), C3, C2),
    ],
    ids=[
        "point off the curve",
        "y of another point",
        "x = p",
        "negative x",
        "empty x",
        "short C3",
        "empty C2",
        "two C2",
        "trailing byte",
        "length of three bytes",
        "indefinite length",
        "nothing but a tag",
        "length in more bytes than needed",
        "integer with a leading zero",
    ],
)
def test_malformed_ciphertexts_are_refused(ciphertext: bytes) -> None:
    """A ciphertext that is not exactly a point of the curve, C3 and C2 raises `DecryptError`."""
    private = gm.private_key(key("node").to_bytes(), backend=gm.gmssl_backend())

    with pytest.raises(DecryptError):
        private.decrypt(ciphertext)
