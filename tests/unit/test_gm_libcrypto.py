"""The ctypes adapter: what it does when the library is not there, and what it leaves behind."""

import ctypes
import gc
from collections.abc import Callable

import pytest

from edge import gm
from edge.errors import DecryptError, KeyFormatError
from edge.gm import curve, keys
from edge.gm import libcrypto as adapter
from tests.support.vectors import key


@pytest.fixture
def library() -> adapter.Libcrypto:
    """A second binding of the library whose calls a test may count or break."""
    try:
        return adapter.Libcrypto()
    except adapter.LibraryMissingError:
        pytest.skip("this machine has no usable libcrypto")


def test_missing_library_is_said_so() -> None:
    """A system without libcrypto gives the one error that leads to the fallback."""
    with pytest.raises(adapter.LibraryMissingError):
        adapter.Libcrypto("libcrypto-that-is-not-there.so")


def test_library_without_the_functions_is_said_so() -> None:
    """An older library that lacks a function is as good as none."""
    with pytest.raises(adapter.LibraryMissingError):
        adapter.Libcrypto("libc.so.6")


def test_library_without_sm2_leads_to_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A libcrypto built without SM2 is not used at all."""
    monkeypatch.setattr(adapter, "_NID_SM2", 0)
    with pytest.raises(adapter.LibraryMissingError):
        adapter.Libcrypto()

    assert keys.libcrypto_backend.__wrapped__() is None
    monkeypatch.setattr(keys, "libcrypto_backend", lambda: None)
    assert keys.default_backend.__wrapped__() is gm.gmssl_backend()


def test_backend_that_fails_the_example_is_not_used(
    library: adapter.Libcrypto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that gets the standard's example wrong, or cannot import its key, does not pass."""
    monkeypatch.setattr(curve, "USER_ID", b"another identity")
    assert not keys.passes_example(library)

    library.calls["EVP_PKEY_fromdata"] = lambda *_: 0
    assert not keys.passes_example(library)


def test_failures_leave_the_error_queue_empty(library: adapter.Libcrypto) -> None:
    """After a refused key, signature or ciphertext the thread's queue is empty, for Python's ssl reads it too."""
    peek = ctypes.PyDLL("libcrypto.so.3").ERR_peek_error
    peek.restype = ctypes.c_ulong
    private = gm.private_key(key("node").to_bytes(), backend=library)

    with pytest.raises(KeyFormatError):
        gm.public_key(b"\3" + (5).to_bytes(32), backend=library)
    assert peek() == 0
    assert not private.public.verify(b"m", signature=private.sign(b"other"))
    assert peek() == 0
    with pytest.raises(DecryptError):
        private.decrypt(b"\x30\3\2\1\1")
    assert peek() == 0


def test_every_key_handle_is_freed_once(library: adapter.Libcrypto) -> None:
    """As many handles are freed as keys were imported, when nobody holds them any more."""
    freed: list[int] = []
    free = library.calls["EVP_PKEY_free"]
    library.calls["EVP_PKEY_free"] = lambda handle: (freed.append(handle), free(handle))

    keys_held = [gm.private_key(key("node").to_bytes(), backend=library) for _ in range(10)]
    assert not freed
    del keys_held
    gc.collect()

    assert len(freed) == len(set(freed)) == 20


def sign(private: gm.PrivateKey) -> object:
    return private.sign(b"m")


def encrypt(private: gm.PrivateKey) -> object:
    return private.public.encrypt(b"secret")


def verify(private: gm.PrivateKey) -> object:
    return private.public.verify(b"m", signature=key("node").sign(b"m"))


def load_again(private: gm.PrivateKey) -> object:
    return gm.private_key(private.to_bytes(), backend=private.public._handle._library)


@pytest.mark.parametrize(
    ("call", "action"),
    [
        ("EVP_MD_CTX_new", sign),
        ("EVP_DigestSignInit", sign),
        ("EVP_DigestSign", sign),
        ("EVP_PKEY_CTX_set1_id", verify),
        ("EVP_PKEY_encrypt", encrypt),
        ("EC_POINT_mul", load_again),
    ],
)
def test_want_of_memory_is_no_bad_key(
    library: adapter.Libcrypto, call: str, action: Callable[[gm.PrivateKey], object]
) -> None:
    """Where a call with checked arguments fails, the error says so: nothing is claimed of the key or the signature."""
    private = gm.private_key(key("node").to_bytes(), backend=library)
    library.calls[call] = lambda *_: 0

    with pytest.raises(MemoryError, match="libcrypto"):
        action(private)
