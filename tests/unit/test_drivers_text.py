"""Bytes of a frame into text: never an exception, always text that can be written again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.text import TextEncoding, decode

NAME = "张三𠮷"


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_auto_reads_both_encodings(encoding: str) -> None:
    """A scanner may send Chinese in UTF-8 or in GB18030 without anybody telling the node."""
    assert decode(NAME.encode(encoding), encoding=TextEncoding.AUTO) == NAME


def test_gbk_is_read_as_gb18030() -> None:
    """GBK is a part of GB18030."""
    assert decode("张三".encode("gbk"), encoding=TextEncoding.GB18030) == "张三"


def test_a_fixed_encoding_is_not_guessed() -> None:
    """A configured encoding is used even where another would fit."""
    text = decode("张三".encode("gb18030"), encoding=TextEncoding.UTF_8)

    assert "\N{REPLACEMENT CHARACTER}" in text


@pytest.mark.parametrize("encoding", TextEncoding)
def test_what_cannot_be_read_is_replaced(encoding: TextEncoding) -> None:
    """Bytes of no encoding become the replacement character, for a verdict of MALFORMED."""
    assert "\N{REPLACEMENT CHARACTER}" in decode(b"EHC1:\xff\xff", encoding=encoding)


@given(data=st.binary(max_size=60), encoding=st.sampled_from(sorted(TextEncoding)))
def test_any_bytes_become_text_that_can_be_written_again(data: bytes, encoding: TextEncoding) -> None:
    """No input raises, and the text holds no lone surrogates."""
    decode(data, encoding=encoding).encode("utf-8")


@given(code=st.text(st.characters(max_codepoint=127)), encoding=st.sampled_from(sorted(TextEncoding)))
def test_ascii_is_the_same_in_every_encoding(code: str, encoding: TextEncoding) -> None:
    """Codes of ASCII do not depend on the setting."""
    assert decode(code.encode("ascii"), encoding=encoding) == code
