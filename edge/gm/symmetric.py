"""SM3, HMAC-SM3, SM4-GCM and random bytes.

SM3 and SM4-GCM come from the `cryptography` wheel, which brings its own libcrypto: Debian 12's has no SM4-GCM.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3, Hash
from cryptography.hazmat.primitives.hmac import HMAC

from edge.errors import DecryptError

_KEY_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SM3 = SM3()  # describes the algorithm, holds no state


def sm3(data: bytes | memoryview) -> bytes:
    """32 bytes: GB/T 32905-2016."""
    digest = Hash(_SM3)
    digest.update(data)
    return digest.finalize()


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """32 bytes: HMAC (GB/T 15852.2) over SM3."""
    mac = HMAC(key, _SM3)
    mac.update(data)
    return mac.finalize()


def sm4_gcm_seal(key: bytes, *, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Ciphertext followed by its 16-byte tag.

    Args:
        key: 16 bytes.
        nonce: 12 bytes, never twice under one key.
        plaintext: What to hide.
        associated: What is bound to it but not hidden.
    """
    _check(key, nonce=nonce)
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(associated)
    return encryptor.update(plaintext) + encryptor.finalize() + encryptor.tag


def sm4_gcm_open(key: bytes, *, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    """The plaintext of what `sm4_gcm_seal` made.

    Raises:
        DecryptError: The tag does not hold: another key, nonce or associated data, or changed bytes.
    """
    _check(key, nonce=nonce)
    if len(sealed) < _TAG_BYTES:
        raise DecryptError("shorter than its tag")
    decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, sealed[-_TAG_BYTES:])).decryptor()
    decryptor.authenticate_additional_data(associated)
    plaintext = decryptor.update(sealed[:-_TAG_BYTES])
    try:
        return plaintext + decryptor.finalize()
    except InvalidTag as exc:
        raise DecryptError("the tag does not hold") from exc


def random_bytes(count: int) -> bytes:
    """`count` bytes from getrandom: waits at first boot until the kernel has gathered enough."""
    return os.urandom(count)


def _check(key: bytes, *, nonce: bytes) -> None:
    """A wrong length is a bug of the caller; without this, GCM would take nonces of 8 to 128 bytes."""
    if len(key) != _KEY_BYTES or len(nonce) != _NONCE_BYTES:
        raise ValueError("SM4-GCM takes a key of 16 and a nonce of 12 bytes")
