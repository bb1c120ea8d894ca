"""SM2 in both backends: the standard's example, each against the other, key ranges, and anything for a signature."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import gm
from edge.errors import DecryptError, KeyFormatError
from edge.gm import asn1, curve, keys
from tests.support.vectors import key, load

CROSS_CHECKED_KEYS = 500
KEYS_PER_BLOCK = 50  # gmssl takes some 40 ms a key: blocks can run beside one another


def libcrypto() -> gm.Backend:
    backend = gm.libcrypto_backend()
    if backend is None:
        pytest.skip("this machine's libcrypto has no SM2")
    return backend


@pytest.fixture(params=["libcrypto", "gmssl"])
def backend(request: pytest.FixtureRequest) -> gm.Backend:
    return libcrypto() if request.param == "libcrypto" else gm.gmssl_backend()


def test_backends_name_themselves(backend: gm.Backend, request: pytest.FixtureRequest) -> None:
    """The health page can tell which library is in use."""
    assert backend.name == request.node.callspec.params["backend"]


def test_example_of_the_standard_verifies(backend: gm.Backend) -> None:
    """GB/T 32918.5-2017 annex A holds: public key from private, and the signature over its message."""
    example = load("sm2")

    private = gm.private_key(bytes.fromhex(example["d"]), backend=backend)

    assert private.public.compressed[1:] == bytes.fromhex(example["public"])[:32]
    assert private.public.compressed[0] == 2 + (bytes.fromhex(example["public"])[63] & 1)
    signature = bytes.fromhex(example["r"] + example["s"])
    assert private.public.verify(example["message"].encode(), signature=signature)
    assert not private.public.verify(b"another message", signature=signature)
    assert keys.passes_example(backend)


def test_keys_of_the_vectors_have_their_public_keys_and_ids(backend: gm.Backend) -> None:
    """Public key, kid and keyid follow from the private key as another implementation computed them."""
    for name, entry in load("keys").items():
        for one in entry if isinstance(entry, list) else [entry] if isinstance(entry, dict) else []:
            private = gm.private_key(bytes.fromhex(one["private"]), backend=backend)
            public = private.public

            assert public.compressed.hex() == one["public"], name
            assert public.kid.hex() == one["kid"]
            assert public.keyid.hex() == one["keyid"]
            assert private.to_bytes().hex() == one["private"]


@pytest.mark.parametrize("block", range(CROSS_CHECKED_KEYS // KEYS_PER_BLOCK))
def test_random_keys_agree_in_both_backends(block: int, rng: random.Random) -> None:
    """What one backend signs or encrypts with a random key, the other verifies or decrypts."""
    for _ in range(KEYS_PER_BLOCK):
        d = curve.random_scalar()
        ours, theirs = gm.private_key(d, backend=libcrypto()), gm.private_key(d, backend=gm.gmssl_backend())
        message, secret = rng.randbytes(rng.randrange(200)), rng.randbytes(32)

        assert ours.public == theirs.public
        assert theirs.public.verify(message, signature=ours.sign(message))
        assert ours.public.verify(message, signature=theirs.sign(message))
        assert theirs.decrypt(ours.public.encrypt(secret)) == secret
        assert ours.decrypt(theirs.public.encrypt(secret)) == secret


@pytest.mark.parametrize("length", [16, 97, 1024])
def test_wrapped_lengths_open_in_both_backends(length: int) -> None:
    """A plaintext of any allowed length survives, its ASN.1 lengths in one, two or three bytes."""
    d, plaintext = curve.random_scalar(), gm.random_bytes(length)
    ours, theirs = gm.private_key(d, backend=libcrypto()), gm.private_key(d, backend=gm.gmssl_backend())

    assert ours.decrypt(theirs.public.encrypt(plaintext)) == plaintext
    assert theirs.decrypt(ours.public.encrypt(plaintext)) == plaintext


@pytest.mark.parametrize("length", [0, 1025])
def test_lengths_beyond_the_limits_are_not_wrapped(length: int, backend: gm.Backend) -> None:
    """SM2 wraps keys, not documents: nothing and more than 1024 bytes are a bug of the caller."""
    public = gm.generate(backend=backend).public

    with pytest.raises(ValueError, match="1 to 1024"):
        public.encrypt(bytes(length))


@pytest.mark.parametrize(
    "d",
    [b"", bytes(32), bytes(31) + b"\1\0", (curve.N - 1).to_bytes(32), curve.N.to_bytes(32), b"\xff" * 32, bytes(31)],
    ids=["empty", "zero", "33 bytes", "n-1", "n", "all ones", "31 bytes"],
)
def test_private_keys_out_of_range_are_refused(d: bytes, backend: gm.Backend) -> None:
    """Only 32 bytes of 1..n-2 are a private key; n - 1 would make some libraries loop for ever."""
    with pytest.raises(KeyFormatError):
        gm.private_key(d, backend=backend)


@pytest.mark.parametrize("d", [1, 2, 3, curve.N - 3, curve.N - 2])
def test_private_keys_at_the_ends_of_the_range_work(d: int, backend: gm.Backend) -> None:
    """The smallest and largest private keys sign and decrypt."""
    private = gm.private_key(d.to_bytes(32), backend=backend)

    assert private.public.verify(b"m", signature=private.sign(b"m"))
    assert private.decrypt(private.public.encrypt(b"secret")) == b"secret"


@pytest.mark.parametrize(
    "compressed",
    [
        b"",
        bytes(33),
        b"\4" + key("node").public.compressed[1:],
        key("node").public.compressed + b"\0",
        b"\2" + curve.P.to_bytes(32),
        b"\2" + (curve.P + curve.G_X if curve.P + curve.G_X < 2**256 else 2**256 - 1).to_bytes(32),
        b"\3" + (5).to_bytes(32),
    ],
    ids=["empty", "zeros", "prefix 04", "34 bytes", "x = p", "x > p", "x off the curve"],
)
def test_what_is_no_compressed_point_is_refused(compressed: bytes, backend: gm.Backend) -> None:
    """A public key is 33 bytes, 02 or 03, with an x below p that the curve has."""
    with pytest.raises(KeyFormatError):
        gm.public_key(compressed, backend=backend)


@given(compressed=st.binary(max_size=40) | st.binary(min_size=32, max_size=32).map(lambda x: b"\2" + x))
def test_any_bytes_are_a_key_in_both_backends_or_in_none(compressed: bytes) -> None:
    """Both backends take the same bytes for keys and refuse the others with the documented error."""

    def taken(backend: gm.Backend) -> bool:
        try:
            return gm.public_key(compressed, backend=backend).compressed == compressed
        except KeyFormatError:
            return False

    assert taken(libcrypto()) == taken(gm.gmssl_backend())


def hostile_signatures() -> list[bytes]:
    """Forms that some library takes for the signature (r, s) of a key: none of them is one."""
    signature = key("node").sign(b"m")
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    forms = [(0, s), (r, 0), (r, curve.N), (curve.N, s), (r, curve.N - s), (s, r), (2**256 - 1, s)]
    forms += [(r + curve.N, s)] if r + curve.N < 2**256 else []
    forms += [(r, s + curve.N)] if s + curve.N < 2**256 else []
    lengths = [b"", signature[:63], signature + b"\0", asn1.signature_to_der(signature[:32], signature[32:])]
    return lengths + [r.to_bytes(32) + s.to_bytes(32) for r, s in forms]


def test_hostile_forms_of_a_signature_do_not_hold(backend: gm.Backend) -> None:
    """A signature has one form: other lengths, zero, n and above, DER and swapped halves are none."""
    public = gm.public_key(key("node").public.compressed, backend=backend)

    assert not any(public.verify(b"m", signature=signature) for signature in hostile_signatures())


def test_congruent_halves_are_refused() -> None:
    """Each half of a signature lies in 1..n-1: what is congruent to it above n is another form, and none."""
    one = (1).to_bytes(32)

    assert curve.split_signature(one + one) == (one, one)
    assert curve.split_signature(one + (1 + curve.N).to_bytes(32)) is None
    assert curve.split_signature((1 + curve.N).to_bytes(32) + one) is None


def test_a_signature_that_leads_to_infinity_does_not_hold(backend: gm.Backend) -> None:
    """A signature with s x G + t x P at infinity does not hold, and is no error either."""
    d = int.from_bytes(key("node").to_bytes())
    r = 12345
    s = -r * d * pow(1 + d, -1, curve.N) % curve.N
    public = gm.public_key(key("node").public.compressed, backend=backend)

    assert not public.verify(b"m", signature=r.to_bytes(32) + s.to_bytes(32))


@given(message=st.binary(max_size=100), signature=st.binary(max_size=100) | st.binary(min_size=64, max_size=64))
def test_no_bytes_are_a_signature_by_chance(message: bytes, signature: bytes) -> None:
    """Verifying random bytes says no in both backends and raises nothing."""
    for backend in (libcrypto(), gm.gmssl_backend()):
        assert not gm.public_key(key("node").public.compressed, backend=backend).verify(message, signature=signature)


def test_a_changed_ciphertext_does_not_open(backend: gm.Backend) -> None:
    """Whichever byte of a ciphertext is changed, decrypting raises `DecryptError` and gives no bytes."""
    private = gm.generate(backend=backend)
    ciphertext = private.public.encrypt(b"a data key......")

    for position in range(len(ciphertext)):
        changed = bytearray(ciphertext)
        changed[position] ^= 0x21
        with pytest.raises(DecryptError):
            private.decrypt(bytes(changed))


def test_an_overlong_ciphertext_is_not_tried(backend: gm.Backend) -> None:
    """What is longer than anything this node wraps is refused before any arithmetic."""
    with pytest.raises(DecryptError):
        gm.private_key(key("node").to_bytes(), backend=backend).decrypt(bytes(asn1.CIPHERTEXT_BYTES_MAX + 1))


def test_a_ciphertext_for_another_key_does_not_open(backend: gm.Backend) -> None:
    """Only the private key it was made for opens a ciphertext."""
    ciphertext = gm.generate(backend=backend).public.encrypt(b"secret")

    with pytest.raises(DecryptError):
        gm.generate(backend=backend).decrypt(ciphertext)


@given(ciphertext=st.binary(max_size=200), cut=st.integers(0, 200))
def test_any_bytes_decrypt_to_nothing_but_the_documented_error(ciphertext: bytes, cut: int) -> None:
    """Random and cut ciphertexts raise `DecryptError` in both backends."""
    d = key("node_encryption").to_bytes()
    whole = key("node_encryption").public.encrypt(b"secret")
    for backend in (libcrypto(), gm.gmssl_backend()):
        private = gm.private_key(d, backend=backend)
        for data in (ciphertext, whole[: cut % len(whole)], whole + ciphertext + b"\0", b"\x30" + ciphertext):
            with pytest.raises(DecryptError):
                private.decrypt(data)


def test_public_keys_are_equal_and_hashed_by_their_bytes() -> None:
    """One key imported twice, in whatever backend, is one key."""
    compressed = key("node").public.compressed

    both = {gm.public_key(compressed, backend=libcrypto()), gm.public_key(compressed, backend=gm.gmssl_backend())}

    assert len(both) == 1
    assert gm.public_key(compressed) != key("issuer").public


def test_a_private_key_does_not_show_itself() -> None:
    """Neither number nor bytes of a private key stand in its repr."""
    private = gm.generate()

    assert private.to_bytes().hex() not in repr(private)
    assert repr(private.to_bytes()) not in repr(private)


def test_generated_keys_differ() -> None:
    """Keys come from the system's random source, never twice."""
    assert len({gm.generate().public for _ in range(20)}) == 20


def test_draws_outside_the_range_are_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random number that is no private key is drawn again, never reduced."""
    draws = iter([bytes(32), b"\xff" * 32, b"\1" * 32])
    monkeypatch.setattr(curve.os, "urandom", lambda _: next(draws))

    assert gm.generate().to_bytes() == b"\1" * 32


def test_the_default_is_libcrypto_where_it_can() -> None:
    """The fast backend is used wherever it passes the standard's example."""
    assert gm.default_backend() is libcrypto()
