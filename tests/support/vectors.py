"""The vectors of tests/vectors: made by another implementation, read here once and looked up by name."""

import functools
import json
from pathlib import Path
from typing import Any

from edge.gm import PrivateKey, private_key

FOLDER = Path(__file__).parent.parent / "vectors"


@functools.cache
def load(name: str) -> Any:
    """The parsed JSON of ``tests/vectors/NAME.json``."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def document(name: str) -> bytes:
    """A DSSE document of trust.json, as bytes on the wire."""
    return json.dumps(load("trust")[name]).encode()


@functools.cache
def key(name: str, index: int | None = None) -> PrivateKey:
    """A private key of keys.json; `index` picks one of several, as of ``root``."""
    entry = load("keys")[name]
    return private_key(bytes.fromhex((entry if index is None else entry[index])["private"]))
