"""Secrets as files: readable by their owner only; those that the box makes for itself are made once, at first start."""

import os
from collections.abc import Callable
from pathlib import Path

from edge.durable_file import make_file
from edge.errors import ConfigError

SECRET_BYTES = 32
SECRET_CHARS_MIN = 32  # a shorter one is one that somebody made up
SECRET_FILE_BYTES_MAX = 1024  # a secret with room to spare; anything larger is another file
PIN_BYTES_MIN, PIN_BYTES_MAX = 2, 8  # PIN blocks of chip cards; three bytes in every source for SAMs
MODE = 0o600


def read_secret(path: Path, *, where: str, bytes_max: int = SECRET_FILE_BYTES_MAX) -> bytes | None:
    """Return what a secret's file begins with, at most `bytes_max` and one more; None: there is no such file.

    Args:
        path: The file.
        where: What an error calls it.
        bytes_max: A longer content is cut after one byte more, so that it shows.

    Raises:
        ConfigError: It cannot be read, or others than its owner can read it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(bytes_max + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(where, expected="a file that this account can read") from error
    if mode & 0o077:
        raise ConfigError(where, expected="a file that only its owner can read (chmod 600)")
    return data


def read_or_make_secret(path: Path, *, key: str, random_bytes: Callable[[int], bytes]) -> str:
    """Return the secret in a file, which is made if it is not there.

    A power cut leaves none or a whole one, and of two programs that start together both get the same.

    Args:
        path: The file, in a folder that exists.
        key: The key of the configuration that names it, for the error.
        random_bytes: So many bytes from getrandom.

    Returns:
        At least `SECRET_CHARS_MIN` printable characters without blanks.

    Raises:
        ConfigError: The file holds no secret, others than its owner can read it, or it cannot be made.
    """
    where = f"{key} ({path})"
    raw = read_secret(path, where=where)
    if raw is None:
        try:
            make_file(path, random_bytes(SECRET_BYTES).hex().encode() + b"\n", mode=MODE)
        except OSError as error:
            raise ConfigError(where, expected="a file in a folder that this account can write") from error
        raw = read_secret(path, where=where) or b""
    secret = raw.decode("latin-1").strip()
    if not SECRET_CHARS_MIN <= len(secret) <= SECRET_FILE_BYTES_MAX or not _is_plain(secret):
        raise ConfigError(where, expected=f"one line of {SECRET_CHARS_MIN} or more letters and digits")
    return secret


def read_pin(path: Path, *, key: str) -> bytes | None:
    """Return the PIN in a file, written in hex as the issuer's letter has it; None: no file is named.

    Args:
        path: The file; ``Path()`` names none.
        key: The key of the configuration that names it, for the error.

    Returns:
        2..8 bytes.

    Raises:
        ConfigError: The file is not there or holds no PIN, or others than its owner can read it.
    """
    if path == Path():
        return None
    where = f"{key} ({path})"
    raw = read_secret(path, where=where)
    if raw is None:
        raise ConfigError(where, expected="a file that is there")
    try:
        pin = bytes.fromhex(raw.decode("ascii").strip())
    except ValueError:
        pin = b""
    if not PIN_BYTES_MIN <= len(pin) <= PIN_BYTES_MAX:
        raise ConfigError(where, expected=f"{PIN_BYTES_MIN}..{PIN_BYTES_MAX} bytes in hex")
    return pin


def _is_plain(secret: str) -> bool:
    return secret.isascii() and secret.isprintable() and " " not in secret
