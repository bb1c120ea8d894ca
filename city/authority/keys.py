"""The city's private keys as files: one a role, hex, readable by their owner alone.

Nothing is ever overwritten here: a lost key of the city cannot be had back. The root keys are needed only for a new
root; an operator takes ``root-*.key`` off the machine after `ehc-city init`.
"""

import os
from collections.abc import Callable, Sequence, Set
from pathlib import Path

from city.errors import AuthorityError
from edge.errors import KeyFormatError
from edge.gm import PrivateKey, generate, private_key
from edge.trust import Root

ROOT_KEYS = 3
ROOT_THRESHOLD = 2
DOCUMENT_ROLES = ("issuers", "status", "time", "roster", "config", "enrol")  # contracts 3
ISSUER_KEYS = 2

REPLACEABLE_ROLES = (*DOCUMENT_ROLES, "receipt", "encryption", "root")
"""What a new root may give new keys to: who signs documents and receipts, whom records are sealed for, the root."""

_RECEIPT = "receipt"
_ENCRYPTION = "city-encryption"
_ROOT_NAMES = tuple(f"root-{number}" for number in range(1, ROOT_KEYS + 1))


def write_new(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file that must not be there yet, and sync it.

    Raises:
        AuthorityError: It is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)  # half a file would be taken for a damaged one
            raise
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
    """The folder of the city's keys; each is read when it is asked for.

    A key that replaces another stands beside it under the number of the root that names it first: ``status.key``, then
    ``status.2.key``. Which of them signs is the root's to say, so a rotation takes effect with the root, or not at all.

    Args:
        folder: Where they lie.
        root: The newest root; None while a city is being founded.
    """

    def __init__(self, folder: Path, *, root: Callable[[], Root | None] = lambda: None) -> None:
        self._folder = folder
        self._root = root

    def create(self) -> None:
        """Make every key of a new city in an empty folder."""
        for name in (
            *_ROOT_NAMES,
            *DOCUMENT_ROLES,
            _RECEIPT,
            _ENCRYPTION,
            *(f"issuer-{number}" for number in range(1, ISSUER_KEYS + 1)),
        ):
            write_private_key(self._folder / f"{name}.key", generate())

    def roots(self, folder: Path | None = None) -> Sequence[PrivateKey]:
        """The root keys that are here.

        Args:
            folder: Where they were taken to, if they were.
        """
        root = self._root()
        files = sorted((folder or self._folder).glob("root-*.key"))
        keys = [read_private_key(file) for file in files]
        return [key for key in keys if root is None or key.public.keyid in root.roles["root"].keyids]

    def role(self, role: str) -> PrivateKey:
        """The key that signs documents of `role`."""
        root = self._root()
        return self._read(role, keyids=None if root is None else root.roles[role].keyids)

    def receipt(self) -> PrivateKey:
        """The key that signs receipts."""
        root = self._root()
        return self._read(_RECEIPT, keyids=None if root is None else root.receipt_keyids)

    def encryption(self) -> PrivateKey:
        """The key to which nodes wrap their sealing keys."""
        root = self._root()
        return self._read(_ENCRYPTION, keyids=None if root is None else {root.city_encryption_key.keyid})

    def decryption(self) -> Sequence[PrivateKey]:
        """The present encryption key and every former one (``city-encryption*.key``): records outlive keys."""
        return [read_private_key(path) for path in sorted(self._folder.glob(f"{_ENCRYPTION}*.key"))]

    def issuer(self, number: int) -> PrivateKey:
        """The issuer key `number`, from 1."""
        return self._read(f"issuer-{number}", keyids=None)

    def successor(self, role: str, *, version: int) -> PrivateKey:
        """The key that takes a role over with a root that is not published yet.

        One that an interrupted rotation left is taken: no root names it.

        Args:
            role: Of `REPLACEABLE_ROLES`, but not ``root``.
            version: Of that root.
        """
        name = {"encryption": _ENCRYPTION}.get(role, role)
        return _made(self._folder / f"{name}.{version}.key")

    def successor_roots(self, folder: Path | None = None, *, version: int) -> Sequence[PrivateKey]:
        """The same for all root keys, in the folder they were taken to."""
        return [_made((folder or self._folder) / f"{name}.{version}.key") for name in _ROOT_NAMES]

    def _read(self, name: str, *, keyids: Set[bytes] | None) -> PrivateKey:
        for file in (self._folder / f"{name}.key", *sorted(self._folder.glob(f"{name}.*.key"))):
            if file.exists():
                key = read_private_key(file)
                if keyids is None or key.public.keyid in keyids:
                    return key
        raise AuthorityError(f"{name}.key: the key is not here, or it is not the one that the root names")


def _made(file: Path) -> PrivateKey:
    if not file.exists():
        write_private_key(file, generate())
    return read_private_key(file)
