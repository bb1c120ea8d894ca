"""SM3, HMAC-SM3, SM4-GCM: the published examples, and refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import gm
from edge.errors import DecryptError

# RFC 8998 appendix A.1
KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
NONCE = bytes.fromhex("00001234567800000000abcd")
ASSOCIATED = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
PLAINTEXT = b"".join(bytes((value,)) * 8 for value in (0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0xEE, 0xAA))
SEALED = bytes.fromhex(
    "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
    "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
    "83de3541e4c2b58177e065a9bf7b62ec"
)


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_gives_the_examples_of_the_standard(message: bytes, digest: str) -> None:
    """GB/T 32905-2016 annex A."""
    assert gm.sm3(message).hex() == digest
    assert gm.sm3(memoryview(message)).hex() == digest


@given(key=st.binary(max_size=64), data=st.binary(max_size=200))
def test_hmac_is_as_defined(key: bytes, data: bytes) -> None:
    """HMAC is two hashes over the padded key, as RFC 2104 defines it."""
    padded = key.ljust(64, b"\0")
    inner = gm.sm3(bytes(byte ^ 0x36 for byte in padded) + data)

    assert gm.hmac_sm3(key, data) == gm.sm3(bytes(byte ^ 0x5C for byte in padded) + inner)


def test_sm4_gcm_gives_the_published_example() -> None:
    """RFC 8998 appendix A.1, sealed and opened."""
    assert gm.sm4_gcm_seal(KEY, nonce=NONCE, plaintext=PLAINTEXT, associated=ASSOCIATED) == SEALED
    assert gm.sm4_gcm_open(KEY, nonce=NONCE, sealed=SEALED, associated=ASSOCIATED) == PLAINTEXT


@given(position=st.integers(0, len(SEALED) - 1), change=st.integers(1, 255))
def test_changed_bytes_do_not_open(position: int, change: int) -> None:
    """Any changed byte of ciphertext or tag is noticed."""
    changed = bytearray(SEALED)
    changed[position] ^= change

    with pytest.raises(DecryptError):
        gm.sm4_gcm_open(KEY, nonce=NONCE, sealed=bytes(changed), associated=ASSOCIATED)


def test_other_associated_data_and_short_input_do_not_open() -> None:
    """What was bound to a ciphertext must be the same, and less than a tag is no ciphertext."""
    with pytest.raises(DecryptError):
        gm.sm4_gcm_open(KEY, nonce=NONCE, sealed=SEALED, associated=b"other")
    with pytest.raises(DecryptError):
        gm.sm4_gcm_open(KEY, nonce=NONCE, sealed=SEALED[-15:], associated=ASSOCIATED)


@pytest.mark.parametrize(("key", "nonce"), [(KEY[:15], NONCE), (KEY, NONCE[:8]), (KEY * 2, NONCE)])
def test_wrong_key_and_nonce_lengths_are_a_bug(key: bytes, nonce: bytes) -> None:
    """GCM would take other nonces; the formats fix 16 and 12 bytes."""
    with pytest.raises(ValueError, match="16"):
        gm.sm4_gcm_seal(key, nonce=nonce, plaintext=b"", associated=b"")
    with pytest.raises(ValueError, match="16"):
        gm.sm4_gcm_open(key, nonce=nonce, sealed=SEALED, associated=b"")


def test_random_bytes_have_the_length_asked_for() -> None:
    """As many as asked for, and never the same."""
    assert len(gm.random_bytes(32)) == 32
    assert gm.random_bytes(32) != gm.random_bytes(32)
