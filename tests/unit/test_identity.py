"""Identity numbers and masking."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.identity import birth_of, mask_id_no, mask_name, sex_of, valid_id_number

VALID = "11010020171225006X"


def with_check(body: str) -> str:
    """The 17 characters with the check character of GB 11643, computed by its ISO 7064 formula instead of weights."""
    remainder = 0
    for digit in body:
        remainder = (remainder + int(digit)) * 2 % 11
    check = (12 - remainder) % 11
    return body + "0123456789X"[check]


def test_the_national_example_passes() -> None:
    """The number of the national e-health-card text is valid and states birth and sex."""
    assert valid_id_number(VALID)
    assert birth_of(VALID) == date(2017, 12, 25)
    assert sex_of(VALID) == 2
    assert sex_of(with_check("11010020171225005")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        VALID[:-1],
        VALID + "0",
        VALID[:-1] + "x",
        VALID[:-1] + "0",
        "12013119801212212X",  # printed in the national briefing, check character wrong
        with_check("11010020170230001"),  # 30 February
        with_check("11010000001225001"),  # the year 0
        with_check("11010020171325001"),  # month 13
        "1101002017122500６X",
        "110100201712250²6X",
        "-1010020171225006X",
    ],
)
def test_what_is_no_identity_number_is_refused(text: str) -> None:
    """A wrong length, check character, day or digit makes no identity number, and nothing is read from it."""
    assert not valid_id_number(text)
    assert birth_of(text) is None
    assert sex_of(text) is None


@given(st.text(max_size=20) | st.text("0123456789X", min_size=18, max_size=18))
def test_any_text_gets_an_answer(text: str) -> None:
    """No text makes the checks raise, and a changed digit is always noticed."""
    if valid_id_number(text):
        changed = str((int(text[0]) + 1) % 10) + text[1:]
        assert not valid_id_number(changed)


@given(st.dates(min_value=date(1800, 1, 1)), st.integers(min_value=0, max_value=999))
def test_every_day_and_sequence_has_a_number(day: date, sequence: int) -> None:
    """The checksum by weights agrees with ISO 7064 MOD 11-2, and birth and sex are those stated."""
    number = with_check(f"370881{day:%Y%m%d}{sequence:03}")

    assert valid_id_number(number)
    assert birth_of(number) == day
    assert sex_of(number) == (1 if sequence % 2 else 2)


@pytest.mark.parametrize(("name", "masked"), [("张伟", "张*"), ("㛃𠅤·买买提", "㛃*****"), ("王", "*"), ("", "")])
def test_a_name_is_masked_but_for_its_first_character(name: str, masked: str) -> None:
    """Only the first character stays readable; a single one does not."""
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("number", "masked"), [(VALID, "1101************6X"), ("M370012345", "M370****45"), ("123456", "******"), ("", "")]
)
def test_a_number_is_masked_in_its_middle(number: str, masked: str) -> None:
    """Four characters in front and two at the end stay readable, if anything remains hidden."""
    assert mask_id_no(number) == masked
