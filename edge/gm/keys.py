"""SM2 keys: what the node verifies, signs and wraps with, whichever library does the work.

`default_backend` is the system's libcrypto where it passes the standard's example, else gmssl, which is some 40 times
slower: the health page names the one in use. A key is imported once; verifying with it costs no second import.
"""

import functools
from dataclasses import dataclass, field
from typing import Protocol

from edge.errors import KeyFormatError
from edge.gm import curve
from edge.gm.symmetric import sm3

_KID_BYTES = 4
_KEYID_BYTES = 8

# GB/T 32918.5-2017 annex A.2: the example every backend must verify before it is used
_EXAMPLE_KEY = bytes.fromhex("0309f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020")
_EXAMPLE_MESSAGE = b"message digest"
_EXAMPLE_SIGNATURE = bytes.fromhex(
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)


class PublicHandle(Protocol):
    """A public key as a backend holds it."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the raw signature holds; False for anything wrong."""
        ...

    def encrypt(self, plaintext: bytes) -> bytes:
        """GB/T 35276 ciphertext; `plaintext` is 1 to 1024 bytes."""
        ...


class PrivateHandle(Protocol):
    """A private key as a backend holds it."""

    def sign(self, message: bytes) -> bytes:
        """Raw r || s."""
        ...

    def decrypt(self, ciphertext: bytes) -> bytes:
        """The plaintext, or `DecryptError`."""
        ...


class Backend(Protocol):
    """One library that does SM2."""

    @property
    def name(self) -> str:
        """``libcrypto`` or ``gmssl``."""
        ...

    def import_public(self, compressed: bytes) -> PublicHandle:
        """A key of 33 bytes of the right form; `KeyFormatError` if it is no point of the curve."""
        ...

    def import_private(self, d: bytes, *, compressed: bytes) -> PrivateHandle:
        """A private key in range with its public point."""
        ...

    def multiply_generator(self, d: bytes) -> bytes:
        """The compressed point d x G for a scalar in range."""
        ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A point of the curve; equal and hashed by its 33 bytes.

    Attributes:
        compressed: 33 bytes, GB/T 32918.1-2016 4.2.8.
    """

    compressed: bytes
    _handle: PublicHandle = field(repr=False, compare=False)

    @property
    def kid(self) -> bytes:
        """First 4 bytes of SM3 of the compressed key: names an issuer key in a code."""
        return sm3(self.compressed)[:_KID_BYTES]

    @property
    def keyid(self) -> bytes:
        """First 8 bytes of SM3 of the compressed key: names a key in documents and frames."""
        return sm3(self.compressed)[:_KEYID_BYTES]

    def verify(self, message: bytes, *, signature: bytes) -> bool:
        """Whether `signature` is this key's over `message`.

        Args:
            message: Any bytes.
            signature: Raw r || s, 64 bytes.

        Returns:
            False for anything wrong: length, range, another key, other bytes. It never raises for them.
        """
        return self._handle.verify(message, signature)

    def encrypt(self, plaintext: bytes) -> bytes:
        """GB/T 35276 ciphertext of 1 to 1024 bytes, for a key to be wrapped."""
        if not 1 <= len(plaintext) <= curve.PLAINTEXT_BYTES_MAX:
            raise ValueError("SM2 wraps 1 to 1024 bytes")
        return self._handle.encrypt(plaintext)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key; ``repr`` shows only which public key it belongs to."""

    public: PublicKey
    _d: bytes = field(repr=False)
    _handle: PrivateHandle = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        """Raw r || s, 64 bytes."""
        return self._handle.sign(message)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """The plaintext of a GB/T 35276 ciphertext.

        Raises:
            DecryptError: It is not for this key, or was changed.
        """
        return self._handle.decrypt(ciphertext)

    def to_bytes(self) -> bytes:
        """32 bytes, to be kept in a file that only the daemon reads."""
        return self._d


def public_key(compressed: bytes, *, backend: Backend | None = None) -> PublicKey:
    """Import a compressed key of 33 bytes.

    Raises:
        KeyFormatError: It is not of that form or no point of the curve.
    """
    if not curve.is_compressed(compressed):
        raise KeyFormatError("no compressed point of 33 bytes")
    return PublicKey(compressed, (backend or default_backend()).import_public(compressed))


def private_key(d: bytes, *, backend: Backend | None = None) -> PrivateKey:
    """Import a private key of 32 bytes; its public key is computed, not believed.

    Raises:
        KeyFormatError: It is outside 1..n-2.
    """
    if not curve.is_private_scalar(d):
        raise KeyFormatError("no private key: 32 bytes, 1 to n - 2")
    backend = backend or default_backend()
    public = public_key(backend.multiply_generator(d), backend=backend)
    return PrivateKey(public, d, backend.import_private(d, compressed=public.compressed))


def generate(*, backend: Backend | None = None) -> PrivateKey:
    """A new private key from getrandom."""
    return private_key(curve.random_scalar(), backend=backend)


@functools.cache
def default_backend() -> Backend:
    """Choose libcrypto where it can do SM2, else gmssl; once, at the first key."""
    libcrypto = libcrypto_backend()
    return libcrypto if libcrypto is not None else gmssl_backend()


@functools.cache
def libcrypto_backend() -> Backend | None:
    """The system's libcrypto, or None where it is missing, too old or built without SM2."""
    from edge.gm.libcrypto import Libcrypto, LibraryMissingError

    try:
        backend = Libcrypto()
    except LibraryMissingError:
        return None
    return backend if passes_example(backend) else None


@functools.cache
def gmssl_backend() -> Backend:
    """The guarded gmssl; loaded only when asked for, it brings a megabyte of modules."""
    from edge.gm.fallback import Gmssl

    return Gmssl()


def passes_example(backend: Backend) -> bool:
    """Whether the backend verifies the standard's example: some distributions ship libcrypto without SM2."""
    try:
        return public_key(_EXAMPLE_KEY, backend=backend).verify(_EXAMPLE_MESSAGE, signature=_EXAMPLE_SIGNATURE)
    except KeyFormatError:
        return False
