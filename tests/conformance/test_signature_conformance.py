"""What every signature verifier does: one suite for the one of `edge.gm` and for the double of the simulations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import gm
from edge.errors import KeyFormatError
from edge.gm import asn1, curve
from tests.support.signature_double import SignatureDouble

BACKENDS: dict[str, gm.Backend] = {"real": gm.default_backend(), "double": SignatureDouble()}
MESSAGE = b"EHC1-card\x00" + bytes(range(90))
N_BYTES = curve.N.to_bytes(32, "big")


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> gm.Backend:
    return BACKENDS[request.param]


def private(backend: gm.Backend, name: str = "signer") -> gm.PrivateKey:
    return gm.private_key(gm.sm3(name.encode()), backend=backend)


def imported(key: gm.PrivateKey, backend: gm.Backend) -> gm.PublicKey:
    """The public key as a document brings it."""
    return gm.public_key(key.public.compressed, backend=backend)


@pytest.mark.parametrize("message", [b"", b"m", MESSAGE, bytes(5000)], ids=["empty", "1", "100", "5000"])
def test_a_signature_holds_for_its_message(backend: gm.Backend, message: bytes) -> None:
    """What a private key signs, its public key verifies, however it was come by."""
    key = private(backend)

    signature = key.sign(message)

    assert len(signature) == curve.SIGNATURE_BYTES
    assert key.public.verify(message, signature=signature)
    assert imported(key, backend).verify(message, signature=signature)


def test_the_same_message_can_be_signed_twice(backend: gm.Backend) -> None:
    """Two signatures of one message differ and both hold: signature bytes are a key for nothing."""
    key = private(backend)

    first, second = key.sign(MESSAGE), key.sign(MESSAGE)

    assert first != second
    assert key.public.verify(MESSAGE, signature=first)
    assert key.public.verify(MESSAGE, signature=second)


def test_no_changed_message_is_signed(backend: gm.Backend) -> None:
    """One byte changed, put before, behind or left out: the signature does not hold."""
    key = private(backend)
    signature = key.sign(MESSAGE)
    changed = [MESSAGE[:at] + bytes((MESSAGE[at] ^ 1,)) + MESSAGE[at + 1 :] for at in range(len(MESSAGE))]

    for message in (*changed, MESSAGE[1:], MESSAGE[:-1], MESSAGE + b"\0", b"\0" + MESSAGE, b""):
        assert not key.public.verify(message, signature=signature)


def test_no_changed_signature_holds(backend: gm.Backend) -> None:
    """Whichever bit of the 64 bytes is flipped, it is no signature."""
    key = private(backend)
    signature = key.sign(MESSAGE)

    for bit in range(8 * len(signature)):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not key.public.verify(MESSAGE, signature=bytes(changed))


def test_no_other_key_signed_it(backend: gm.Backend) -> None:
    """A signature is one key's alone; neither the other way round."""
    key, other = private(backend), private(backend, "somebody else")

    assert key.public != other.public
    assert not other.public.verify(MESSAGE, signature=key.sign(MESSAGE))
    assert not key.public.verify(MESSAGE, signature=other.sign(MESSAGE))


def test_a_signature_has_one_form(backend: gm.Backend) -> None:
    """Other lengths, DER, swapped halves, and halves of 0, n and above are none, and raise nothing."""
    key = private(backend)
    signature = key.sign(MESSAGE)
    r, s = signature[:32], signature[32:]
    lengths = [b"", r, signature[:63], signature + b"\0", 2 * signature, asn1.signature_to_der(r, s)]
    ranges = [bytes(32) + s, r + bytes(32), N_BYTES + s, r + N_BYTES, b"\xff" * 64, bytes(64), s + r]

    assert not any(key.public.verify(MESSAGE, signature=form) for form in (*lengths, *ranges))


@pytest.mark.parametrize("name", sorted(BACKENDS))
@given(message=st.binary(max_size=80), signature=st.binary(max_size=80) | st.binary(min_size=64, max_size=64))
def test_no_bytes_are_a_signature_by_chance(name: str, message: bytes, signature: bytes) -> None:
    """Whatever comes in, the answer is no, and never an exception."""
    backend = BACKENDS[name]

    assert private(backend).public.verify(message, signature=signature) is False


@pytest.mark.parametrize(
    "compressed",
    [b"", bytes(33), b"\4" + bytes(31) + b"\1", b"\2" + curve.P.to_bytes(32, "big"), b"\3" + (5).to_bytes(32, "big")],
    ids=["empty", "zeros", "prefix 04", "x = p", "x off the curve"],
)
def test_what_is_no_compressed_point_is_no_key(backend: gm.Backend, compressed: bytes) -> None:
    """A holder key that is no point of the curve is refused with `KeyFormatError` and nothing else."""
    with pytest.raises(KeyFormatError):
        gm.public_key(compressed, backend=backend)


@given(tail=st.binary(min_size=32, max_size=32), first=st.sampled_from([0, 2, 3, 4]))
def test_the_same_bytes_are_a_key_for_both(tail: bytes, first: int) -> None:
    """What the one takes for a key, the other does."""

    def is_taken(backend: gm.Backend) -> bool:
        try:
            return gm.public_key(bytes((first,)) + tail, backend=backend).compressed[1:] == tail
        except KeyFormatError:
            return False

    assert is_taken(BACKENDS["real"]) == is_taken(BACKENDS["double"])


def test_a_private_key_has_one_public_key_and_one_name(backend: gm.Backend) -> None:
    """The public key follows from the private one, the ids from the public one; equal bytes are equal keys."""
    key, again = private(backend), private(backend)

    assert key.public == again.public == imported(key, backend)
    assert curve.is_compressed(key.public.compressed)
    assert key.public.kid == gm.sm3(key.public.compressed)[:4]
    assert key.public.keyid == gm.sm3(key.public.compressed)[:8]


@pytest.mark.parametrize("d", [b"", bytes(32), (curve.N - 1).to_bytes(32, "big"), bytes(31)])
def test_private_keys_out_of_range_are_refused(backend: gm.Backend, d: bytes) -> None:
    """Only 32 bytes of 1..n-2 are a private key."""
    with pytest.raises(KeyFormatError):
        gm.private_key(d, backend=backend)
