"""The machine key: made once, outside the data, and worth nothing elsewhere."""

import pytest

from edge.errors import DecryptError
from edge.gm import random_bytes
from edge.machine_key import MachineKey, derive


def _key(secret: bytes = b"secret") -> MachineKey:
    return derive(secret, random_bytes=random_bytes)


def test_the_same_secret_gives_the_same_keys() -> None:
    """A restart finds its notes; the two keys are not one."""
    assert _key() == _key()
    assert _key().sealing != _key(b"other box").sealing
    assert _key().sealing != _key().naming[: len(_key().sealing)]


def test_a_note_opens_under_its_own_name_only() -> None:
    """A note cannot be moved to another's place."""
    body = _key().seal(b"plain", name=b"a")

    assert _key().open(body, name=b"a") == b"plain"
    for key, sealed, name in (
        (_key(), body, b"b"),
        (_key(b"other box"), body, b"a"),
        (_key(), body[:-1], b"a"),
        (_key(), b"short", b"a"),
    ):
        with pytest.raises(DecryptError):
            key.open(sealed, name=name)


def test_a_name_shows_nothing_and_stays_the_same() -> None:
    """It stands for a secret, and differs from box to box."""
    assert _key().name(b"person") == _key().name(b"person")
    assert _key().name(b"person") != _key(b"other box").name(b"person")
    assert len(_key().name(b"person")) == 16


def test_keys_do_not_show_in_repr() -> None:
    """They may stand in a trace."""
    assert repr(_key()) == "MachineKey()"
