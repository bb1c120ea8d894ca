"""The bearer token's file: made at the first start, readable by its owner only, the same ever after."""

import os
from collections.abc import Callable
from pathlib import Path

from edge.api.access import TOKEN_CHARS_MIN
from edge.errors import ConfigError

TOKEN_BYTES = 32
TOKEN_FILE_BYTES_MAX = 1024
"""A token with room to spare; anything larger is another file."""

MODE = 0o600


def read_or_make_token(path: Path, *, random_bytes: Callable[[int], bytes]) -> str:
    """The token in this file, which is made if it is not there.

    A new token is written beside its place, synced and linked into it: a power cut leaves none or a whole one, and of
    two programs that start together both get the same.

    Args:
        path: The file, in a folder that exists.
        random_bytes: So many bytes from getrandom.

    Returns:
        At least `TOKEN_CHARS_MIN` printable characters without blanks.

    Raises:
        ConfigError: The file holds no token, others than its owner can read it, or it cannot be made.
    """
    try:
        if not path.exists():
            _make(path, token=random_bytes(TOKEN_BYTES).hex())
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(TOKEN_FILE_BYTES_MAX + 1)
    except OSError as exc:
        raise ConfigError(str(path), expected="a token file that can be read, or a folder to make it in") from exc
    if mode & 0o077:
        raise ConfigError(str(path), expected="a file that only its owner can read (chmod 600)")
    token = raw.decode("latin-1").strip()
    if not TOKEN_CHARS_MIN <= len(token) <= TOKEN_FILE_BYTES_MAX or not _is_plain(token):
        raise ConfigError(str(path), expected=f"one line of {TOKEN_CHARS_MIN} or more letters and digits")
    return token


def _make(path: Path, *, token: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(beside)
        except FileExistsError:
            return
    finally:
        beside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_plain(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token
