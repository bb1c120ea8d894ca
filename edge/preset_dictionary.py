"""The preset dictionary `tx-1` of sealed records: part of the format, shipped with the code, never changed."""

from functools import cache
from importlib.resources import files


@cache
def tx_1() -> bytes:
    """Return its bytes; they are read once."""
    return files("edge").joinpath("data/tx-1.zdict").read_bytes()
