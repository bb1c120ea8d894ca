"""Secrets in files: made once, private, never taken on trust, and called by the key that names them."""

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.secret_file import read_or_make_secret, read_pin, read_secret


@pytest.fixture
def path(tmp_path):
    return tmp_path / "api.token"


def read_or_make_token(path, *, random_bytes):
    return read_or_make_secret(path, key="api.token_file", random_bytes=random_bytes)


def random_bytes(size):
    return b"\xab" * size


def no_random(_size):
    raise AssertionError("a token was made where there was one")


def test_first_start_makes_a_private_token(path):
    """The file is made with 256 random bits, for its owner only, and nothing is left beside it."""
    token = read_or_make_token(path, random_bytes=random_bytes)

    assert token == "ab" * 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["api.token"]


def test_later_starts_read_the_same(path):
    """The token stays the same over restarts."""
    token = read_or_make_token(path, random_bytes=random_bytes)

    assert read_or_make_token(path, random_bytes=no_random) == token


def test_two_starts_at_once_get_the_same(path, monkeypatch):
    """Where another program made the token in between, that one counts."""
    path.write_text("c" * 64)
    path.chmod(0o600)
    found = [None]
    monkeypatch.setattr(
        "edge.secret_file.read_secret", lambda path, where: found.pop() if found else read_secret(path, where=where)
    )

    assert read_or_make_token(path, random_bytes=random_bytes) == "c" * 64


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_file_that_others_read_is_refused(path, mode):
    """A token that others could have read is none."""
    path.write_text("c" * 64)
    path.chmod(mode)

    with pytest.raises(ConfigError, match="chmod 600"):
        read_or_make_token(path, random_bytes=no_random)


@pytest.mark.parametrize(
    "content", [b"", b"short", b"two words " * 4, b"\xff" * 40, b"line\nline" * 8, b"x" * 2000, b"tab\t" * 16]
)
def test_file_without_a_token_is_refused_without_showing_it(path, content):
    """Anything but one plain word of good length is refused, and its content stays out of the message."""
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError) as caught:
        read_or_make_token(path, random_bytes=no_random)

    assert str(caught.value) == f"api.token_file ({path}): one line of 32 or more letters and digits"


def test_missing_folder_is_a_configuration_error(tmp_path):
    """A folder that is not there is named."""
    with pytest.raises(ConfigError, match="nowhere"):
        read_or_make_token(tmp_path / "nowhere" / "api.token", random_bytes=random_bytes)


def test_a_bad_machine_key_is_called_by_its_own_key(path):
    """Whoever reads the error opens the right file."""
    path.write_text("short")
    path.chmod(0o600)

    with pytest.raises(ConfigError) as caught:
        read_or_make_secret(path, key="storage.machine_key_file", random_bytes=no_random)

    assert caught.value.where == f"storage.machine_key_file ({path})"


def test_a_secret_that_cannot_be_read_is_a_configuration_error(path):
    """A folder in its place is named; a file that is not there is none."""
    path.mkdir()

    with pytest.raises(ConfigError, match="a file that this account can read"):
        read_secret(path, where=str(path))
    assert read_secret(path / "none", where="x") is None


def test_a_pin_is_read_as_hex(tmp_path: Path) -> None:
    """The issuer's letter gives digits; blanks between bytes and at the ends do not count."""
    path = tmp_path / "sam.pin"
    path.write_text("12 34 56\n", encoding="ascii")
    path.chmod(0o600)

    assert read_pin(path, key="cards.sam_pin_file") == bytes.fromhex("123456")
    assert read_pin(Path(), key="cards.sam_pin_file") is None


@pytest.mark.parametrize("content", [b"", b"1", b"12", b"secret", b"\xff\xfe", b"12" * 9])
def test_what_is_no_pin_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    """The error names the key and what was expected."""
    path = tmp_path / "sam.pin"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError) as caught:
        read_pin(path, key="cards.sam_pin_file")

    assert caught.value.expected == "2..8 bytes in hex"
    assert caught.value.where == f"cards.sam_pin_file ({path})"


def test_a_pin_that_is_named_and_missing_is_a_mistake(tmp_path: Path) -> None:
    """Whoever names a file means one."""
    with pytest.raises(ConfigError, match="a file that is there"):
        read_pin(tmp_path / "sam.pin", key="cards.sam_pin_file")
