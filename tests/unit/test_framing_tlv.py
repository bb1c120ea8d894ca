"""Records of tag, length and value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing.tlv import encode, value_of


def test_a_record_gives_its_value() -> None:
    """Domain facts 2.2: tag, length, value."""
    assert value_of(bytes.fromhex("060420180301"), tag=0x06) == bytes.fromhex("20180301")


def test_a_length_of_128_and_more_is_a_length() -> None:
    """The certificate of 180 bytes stands behind one byte of length."""
    assert value_of(bytes.fromhex("05B4") + bytes(180), tag=0x05) == bytes(180)


@pytest.mark.parametrize("record", ["", "06", "0704201803", "0604201803", "06042018030100", "0703201803"])
def test_what_is_not_exactly_the_record_has_no_value(record: str) -> None:
    """Another tag, a byte too few, a byte too many: it is not that record."""
    assert value_of(bytes.fromhex(record), tag=0x06) is None


@pytest.mark.parametrize(("tag", "value"), [(256, b""), (1, bytes(256))])
def test_a_record_that_does_not_fit_its_bytes_is_refused(tag: int, value: bytes) -> None:
    """Tag and length are one byte each."""
    with pytest.raises(ValueError, match=r"."):
        encode(tag, value=value)


@given(tag=st.integers(0, 255), value=st.binary(max_size=255))
def test_a_record_that_was_built_is_read(tag: int, value: bytes) -> None:
    """Reading undoes building."""
    assert value_of(encode(tag, value=value), tag=tag) == value


@given(noise=st.binary(max_size=300), tag=st.integers(0, 255))
def test_a_value_comes_only_from_its_record(noise: bytes, tag: int) -> None:
    """Of any bytes, a value is read only if they are the record with that value."""
    value = value_of(noise, tag=tag)

    assert value is None or encode(tag, value=value) == noise
