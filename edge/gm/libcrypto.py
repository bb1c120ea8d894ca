"""SM2 on the system's libcrypto (OpenSSL >= 3.0) through ctypes, public EVP and EC API only.

Before changing anything here, know that:

* `ctypes.PyDLL` keeps the GIL on purpose: once released for 0.25 ms, getting it back takes 16-21 ms when another
  thread is busy.
* The error queue belongs to the thread and is shared with Python's `ssl`, which takes a leftover entry for a failure of
  its own connection: whatever fails here ends with ``ERR_clear_error``.
* A handle is freed exactly once, by the object that holds it.
"""

import ctypes
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edge.errors import DecryptError, EdgeError, KeyFormatError
from edge.gm import asn1, curve

_SONAME = "libcrypto.so.3"

_NID_SM2 = 1172
_POINT_CONVERSION_COMPRESSED = 2
_EVP_PKEY_PUBLIC_KEY = 0x86  # OSSL_KEYMGMT_SELECT_ALL_PARAMETERS | PUBLIC_KEY, openssl/evp.h
_EVP_PKEY_KEYPAIR = 0x87
_PARAM_UNSIGNED_INTEGER = 2  # openssl/core.h
_PARAM_UTF8_STRING = 4
_PARAM_OCTET_STRING = 5
_SIGNATURE_DER_BYTES_MAX = 72

_P, _S, _I, _Z = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
_SIZE_POINTER = ctypes.POINTER(ctypes.c_size_t)
_HANDLE_POINTER = ctypes.POINTER(ctypes.c_void_p)


class _Param(ctypes.Structure):
    """OSSL_PARAM, openssl/core.h."""

    _fields_ = (
        ("key", ctypes.c_char_p),
        ("data_type", ctypes.c_uint),
        ("data", ctypes.c_char_p),
        ("data_size", ctypes.c_size_t),
        ("return_size", ctypes.c_size_t),
    )


_PROTOTYPES: Mapping[str, tuple[Any, tuple[Any, ...]]] = MappingProxyType(
    {
        "ERR_clear_error": (None, ()),
        "EVP_MD_fetch": (_P, (_P, _S, _S)),
        "EVP_MD_CTX_new": (_P, ()),
        "EVP_MD_CTX_free": (None, (_P,)),
        "EVP_DigestVerifyInit": (_I, (_P, _HANDLE_POINTER, _P, _P, _P)),
        "EVP_DigestVerify": (_I, (_P, _S, _Z, _S, _Z)),
        "EVP_DigestSignInit": (_I, (_P, _HANDLE_POINTER, _P, _P, _P)),
        "EVP_DigestSign": (_I, (_P, _S, _SIZE_POINTER, _S, _Z)),
        "EVP_PKEY_CTX_set1_id": (_I, (_P, _S, _I)),
        "EVP_PKEY_CTX_new": (_P, (_P, _P)),
        "EVP_PKEY_CTX_new_from_name": (_P, (_P, _S, _S)),
        "EVP_PKEY_CTX_free": (None, (_P,)),
        "EVP_PKEY_fromdata_init": (_I, (_P,)),
        "EVP_PKEY_fromdata": (_I, (_P, _HANDLE_POINTER, _I, ctypes.POINTER(_Param))),
        "EVP_PKEY_free": (None, (_P,)),
        "EVP_PKEY_encrypt_init": (_I, (_P,)),
        "EVP_PKEY_encrypt": (_I, (_P, _S, _SIZE_POINTER, _S, _Z)),
        "EVP_PKEY_decrypt_init": (_I, (_P,)),
        "EVP_PKEY_decrypt": (_I, (_P, _S, _SIZE_POINTER, _S, _Z)),
        "EC_GROUP_new_by_curve_name": (_P, (_I,)),
        "EC_POINT_new": (_P, (_P,)),
        "EC_POINT_clear_free": (None, (_P,)),
        "EC_POINT_mul": (_I, (_P, _P, _P, _P, _P, _P)),
        "EC_POINT_point2oct": (_Z, (_P, _P, _I, _S, _Z, _P)),
        "BN_bin2bn": (_P, (_S, _I, _P)),
        "BN_clear_free": (None, (_P,)),
    }
)


class LibraryMissingError(EdgeError):
    """There is no libcrypto here that this module can use."""


class Libcrypto:
    """The library with its functions bound; loaded once and never unloaded."""

    name = "libcrypto"

    def __init__(self, soname: str = _SONAME) -> None:
        """Load and bind.

        Raises:
            LibraryMissingError: No such library, an older one, or one without SM3.
        """
        try:
            library = ctypes.PyDLL(soname)
            self.calls = {name: _bound(library, name, prototype) for name, prototype in _PROTOTYPES.items()}
        except (OSError, AttributeError) as exc:
            raise LibraryMissingError("no usable libcrypto") from exc
        self.sm3 = self.calls["EVP_MD_fetch"](None, b"SM3", None)
        self.group = self.calls["EC_GROUP_new_by_curve_name"](_NID_SM2)
        if not self.sm3 or not self.group:
            self.calls["ERR_clear_error"]()
            raise LibraryMissingError("libcrypto without SM2 or SM3")

    def import_public(self, compressed: bytes) -> "_Public":
        """See `edge.gm.keys.Backend`."""
        return _Public(self, self._from_data(compressed, d=None))

    def import_private(self, d: bytes, *, compressed: bytes) -> "_Private":
        """See `edge.gm.keys.Backend`."""
        return _Private(self, self._from_data(compressed, d=d))

    def multiply_generator(self, d: bytes) -> bytes:
        """See `edge.gm.keys.Backend`."""
        call = self.calls
        scalar = call["BN_bin2bn"](d, len(d), None)
        point = call["EC_POINT_new"](self.group)
        compressed = ctypes.create_string_buffer(curve.COMPRESSED_BYTES)
        try:
            done = call["EC_POINT_mul"](self.group, point, scalar, None, None, None)
            written = done and call["EC_POINT_point2oct"](
                self.group, point, _POINT_CONVERSION_COMPRESSED, compressed, curve.COMPRESSED_BYTES, None
            )
        finally:
            call["EC_POINT_clear_free"](point)
            call["BN_clear_free"](scalar)
        self.expect(written == curve.COMPRESSED_BYTES, doing="EC_POINT_mul")
        return compressed.raw

    def expect(self, success: bool, *, doing: str) -> None:  # noqa: FBT001
        """Raise MemoryError unless `success`: with checked arguments these calls fail only for want of memory."""
        if not success:
            self.calls["ERR_clear_error"]()
            raise MemoryError(f"libcrypto: {doing}")

    def _from_data(self, compressed: bytes, *, d: bytes | None) -> int:
        """An EVP_PKEY from its octets; the caller owns it."""
        call = self.calls
        context = call["EVP_PKEY_CTX_new_from_name"](None, b"SM2", None)
        key = ctypes.c_void_p()
        selection = _EVP_PKEY_PUBLIC_KEY if d is None else _EVP_PKEY_KEYPAIR
        try:
            imported = (
                context
                and call["EVP_PKEY_fromdata_init"](context) == 1
                and call["EVP_PKEY_fromdata"](context, ctypes.byref(key), selection, _key_params(compressed, d=d)) == 1
            )
        finally:
            call["EVP_PKEY_CTX_free"](context)
        if not imported or key.value is None:
            call["ERR_clear_error"]()
            raise KeyFormatError("no point of the curve")
        return key.value


class _Handle:
    """One EVP_PKEY: freed when nobody holds it any more."""

    __slots__ = ("_free", "_key", "_library")

    def __init__(self, library: Libcrypto, key: int) -> None:
        self._library = library
        self._key = key
        self._free = library.calls["EVP_PKEY_free"]

    def __del__(self) -> None:
        self._free(self._key)

    def _digest_context(self, init: str) -> Any:
        """An EVP_MD_CTX for this key with the user id set; the caller frees it."""
        call = self._library.calls
        context = call["EVP_MD_CTX_new"]()
        inner = ctypes.c_void_p()  # owned by the context
        ready = (
            context
            and call[init](context, ctypes.byref(inner), self._library.sm3, None, self._key) == 1
            and call["EVP_PKEY_CTX_set1_id"](inner, curve.USER_ID, len(curve.USER_ID)) == 1
        )
        if not ready:
            call["EVP_MD_CTX_free"](context)
        self._library.expect(ready, doing=init)
        return context

    def _crypt(self, operation: str, data: bytes, *, bytes_max: int) -> bytes | None:
        """EVP_PKEY_encrypt or _decrypt of `data`; None where libcrypto refuses."""
        call = self._library.calls
        context = call["EVP_PKEY_CTX_new"](self._key, None)
        output = ctypes.create_string_buffer(bytes_max)
        length = ctypes.c_size_t(bytes_max)
        try:
            done = (
                context
                and call[operation + "_init"](context) == 1
                and call[operation](context, output, ctypes.byref(length), data, len(data)) == 1
            )
        finally:
            call["EVP_PKEY_CTX_free"](context)
        if not done:
            call["ERR_clear_error"]()
            return None
        return output.raw[: length.value]


class _Public(_Handle):
    """See `edge.gm.keys.PublicHandle`."""

    __slots__ = ()

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Verify r || s over SM3(Z || message), GB/T 32918.2-2016 7.1."""
        parts = curve.split_signature(signature)
        if parts is None:
            return False
        der = asn1.signature_to_der(*parts)
        call = self._library.calls
        context = self._digest_context("EVP_DigestVerifyInit")
        holds: bool = call["EVP_DigestVerify"](context, der, len(der), message, len(message)) == 1
        call["EVP_MD_CTX_free"](context)
        if not holds:
            call["ERR_clear_error"]()
        return holds

    def encrypt(self, plaintext: bytes) -> bytes:
        """GB/T 35276-2017 7.2 ciphertext."""
        ciphertext = self._crypt("EVP_PKEY_encrypt", plaintext, bytes_max=asn1.CIPHERTEXT_BYTES_MAX)
        self._library.expect(ciphertext is not None, doing="EVP_PKEY_encrypt")
        assert ciphertext is not None
        return ciphertext


class _Private(_Handle):
    """See `edge.gm.keys.PrivateHandle`."""

    __slots__ = ()

    def sign(self, message: bytes) -> bytes:
        """Sign SM3(Z || message), GB/T 32918.2-2016 6.1; the nonce is libcrypto's own (getrandom-seeded DRBG)."""
        call = self._library.calls
        der = ctypes.create_string_buffer(_SIGNATURE_DER_BYTES_MAX)
        length = ctypes.c_size_t(_SIGNATURE_DER_BYTES_MAX)
        context = self._digest_context("EVP_DigestSignInit")
        done = call["EVP_DigestSign"](context, der, ctypes.byref(length), message, len(message)) == 1
        call["EVP_MD_CTX_free"](context)
        self._library.expect(done, doing="EVP_DigestSign")
        return asn1.signature_from_der(der.raw[: length.value])

    def decrypt(self, ciphertext: bytes) -> bytes:
        """The plaintext, once C3 has been checked, GB/T 32918.4-2016 7.1."""
        asn1.read_ciphertext(ciphertext)  # libcrypto itself reads past bytes behind it
        plaintext = self._crypt("EVP_PKEY_decrypt", ciphertext, bytes_max=asn1.CIPHERTEXT_BYTES_MAX)
        if plaintext is None:
            raise DecryptError("not for this key, or changed")
        return plaintext


def _bound(library: ctypes.PyDLL, name: str, prototype: tuple[Any, tuple[Any, ...]]) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = prototype
    return function


def _key_params(compressed: bytes, *, d: bytes | None) -> Any:
    """The OSSL_PARAM array of a key; libcrypto copies what it points to."""
    params = [
        _Param(b"group", _PARAM_UTF8_STRING, b"SM2", len(b"SM2"), 0),
        _Param(b"pub", _PARAM_OCTET_STRING, compressed, len(compressed), 0),
    ]
    if d is not None:
        native = d if sys.byteorder == "big" else d[::-1]  # OSSL_PARAM integers are in the machine's order
        params.append(_Param(b"priv", _PARAM_UNSIGNED_INTEGER, native, len(native), 0))
    params.append(_Param())
    return (_Param * len(params))(*params)
