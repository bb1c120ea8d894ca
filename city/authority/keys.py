"""The city's private keys as files: one a role, hex, readable by their owner alone.

Nothing is ever overwritten here: a lost key of the city cannot be had back. The root keys are needed only for a new
root; an operator takes ``root-*.key`` off the machine after `ehc-city init`.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from city.errors import AuthorityError
from edge.errors import KeyFormatError
from edge.gm import PrivateKey, generate, private_key

ROOT_KEYS = 3
ROOT_THRESHOLD = 2
DOCUMENT_ROLES = ("issuers", "status", "time", "roster", "config", "enrol")  # contracts 3
ISSUER_KEYS = 2

_RECEIPT = "receipt"
_ENCRYPTION = "city-encryption"


def write_new(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file that must not be there yet, and sync it.

    Raises:
        AuthorityError: It is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as exc:
        raise AuthorityError(f"{path.name}: is there already, nothing was overwritten") from exc
    except OSError as exc:
        raise AuthorityError(f"{path.name}: cannot be written") from exc


def write_private_key(path: Path, key: PrivateKey) -> None:
    """Keep a private key as 64 hex characters in a new file that only its owner reads."""
    write_new(path, key.to_bytes().hex().encode() + b"\n")


def read_private_key(path: Path) -> PrivateKey:
    """The key in a file.

    Raises:
        AuthorityError: It is not there or holds no key; the text never quotes it.
    """
    try:
        return private_key(bytes.fromhex(path.read_text(encoding="ascii").strip()))
    except OSError as exc:
        raise AuthorityError(f"{path.name}: the key is not here") from exc
    except (ValueError, KeyFormatError) as exc:
        raise AuthorityError(f"{path.name}: not a private key") from exc


class CityKeys:
    """The folder of the city's keys; each is read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self) -> None:
        """Make every key of a new city in an empty folder."""
        for name in (
            *(f"root-{number}" for number in range(1, ROOT_KEYS + 1)),
            *DOCUMENT_ROLES,
            _RECEIPT,
            _ENCRYPTION,
            *(f"issuer-{number}" for number in range(1, ISSUER_KEYS + 1)),
        ):
            write_private_key(self._path(name), generate())

    def roots(self) -> Sequence[PrivateKey]:
        """All root keys."""
        return [self._read(f"root-{number}") for number in range(1, ROOT_KEYS + 1)]

    def role(self, role: str) -> PrivateKey:
        """The key that signs documents of `role`."""
        return self._read(role)

    def receipt(self) -> PrivateKey:
        """The key that signs receipts."""
        return self._read(_RECEIPT)

    def encryption(self) -> PrivateKey:
        """The key to which nodes wrap their sealing keys."""
        return self._read(_ENCRYPTION)

    def decryption(self) -> Sequence[PrivateKey]:
        """The present encryption key and every former one (``city-encryption-*.key``): records outlive keys."""
        return [read_private_key(path) for path in sorted(self._folder.glob(f"{_ENCRYPTION}*.key"))]

    def issuer(self, number: int) -> PrivateKey:
        """The issuer key `number`, from 1."""
        return self._read(f"issuer-{number}")

    def _read(self, name: str) -> PrivateKey:
        return read_private_key(self._path(name))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.key"
