"""The token's file: made once, private, never taken on trust."""

import pytest

from edge.api.token_file import read_or_make_token
from edge.errors import ConfigError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "api.token"


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


def test_what_a_crash_left_beside_does_not_stay(path, monkeypatch):
    """A half-written file of an earlier start is replaced."""
    monkeypatch.setattr("os.getpid", lambda: 7)
    path.with_name(".api.token.7").write_text("half")

    token = read_or_make_token(path, random_bytes=random_bytes)

    assert token == "ab" * 32
    assert [entry.name for entry in path.parent.iterdir()] == ["api.token"]


def test_two_starts_at_once_get_the_same(path, monkeypatch):
    """Where another program made the token in between, that one counts."""
    path.write_text("c" * 64)
    path.chmod(0o600)
    monkeypatch.setattr(type(path), "exists", lambda _self: False)

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

    assert str(caught.value) == f"{path}: one line of 32 or more letters and digits"


def test_missing_folder_is_a_configuration_error(tmp_path):
    """A folder that is not there is named."""
    with pytest.raises(ConfigError, match="nowhere"):
        read_or_make_token(tmp_path / "nowhere" / "api.token", random_bytes=random_bytes)
