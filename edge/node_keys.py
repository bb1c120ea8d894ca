"""The node's own keys as files in the key folder: hex, for their owner only, made by the city or at enrolment."""

from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import ConfigError, KeyFormatError
from edge.gm import PrivateKey, private_key
from edge.secret_file import read_secret
from edge.test_keys import TEST_KEYIDS

SIGNING_FILE = "node.key"
ENCRYPTION_FILE = "node-encryption.key"

_FILE_BYTES_MAX = 256  # 64 hex characters and a line end, with room


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKeys:
    """What the node signs with, and what its roster is encrypted to; None: the file is not there.

    Attributes:
        signing: Signs frames to the city.
        encryption: Opens the roster's key.
    """

    signing: PrivateKey | None = field(repr=False)
    encryption: PrivateKey | None = field(repr=False)


def load(folder: Path, *, allow_test_keys: bool) -> NodeKeys:
    """Return the keys in a folder.

    Raises:
        ConfigError: A file holds no key, a key that everybody knows, or others can read it.
    """
    return NodeKeys(
        signing=_read(folder / SIGNING_FILE, allow_test_keys=allow_test_keys),
        encryption=load_encryption(folder, allow_test_keys=allow_test_keys),
    )


def load_encryption(folder: Path, *, allow_test_keys: bool) -> PrivateKey | None:
    """Return the key that the node's roster is encrypted to; None: the file is not there.

    Raises:
        ConfigError: As `load`.
    """
    return _read(folder / ENCRYPTION_FILE, allow_test_keys=allow_test_keys)


def _read(path: Path, *, allow_test_keys: bool) -> PrivateKey | None:
    data = read_secret(path, where=str(path), bytes_max=_FILE_BYTES_MAX)
    if data is None:
        return None
    try:
        key = private_key(bytes.fromhex(data.decode("ascii").strip()))
    except (ValueError, KeyFormatError):
        raise ConfigError(str(path), expected="64 hex characters of an SM2 private key") from None
    if key.public.keyid in TEST_KEYIDS and not allow_test_keys:  # contracts 3.1
        raise ConfigError(str(path), expected="a key of its own; this one is a public test key")
    return key
