"""What is read from a request and what is written of a verdict."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api import answers
from edge.verdict import Carrier, Evidence, Reason, Subject, Verdict

EVERYTHING = {
    "card_ref": bytes.fromhex("0011223344556677"),
    "index": "A" * 64,
    "id_no": "11010020171225006X",
    "birth_no": "A123456789",
    "name": "张测试",
    "sex": 1,
    "birth": date(2017, 12, 25),
}


def test_text_is_read():
    """A body of exactly one text is read as it is."""
    assert answers.read_verify('{"text": "EHC1:卡"}'.encode()) == "EHC1:卡"
    assert answers.read_verify(b'{"text": ""}') == ""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"text"',
        b"[]",
        b"{}",
        b'{"text": 1}',
        b'{"text": null}',
        b'{"text": "a", "more": 1}',
        b'{"Text": "a"}',
        b'{"text": "a"',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b"[" * 30_000,
        b'{"text":' * 3_000,
        b"9" * 5_000,
        json.dumps({"text": "x" * (answers.TEXT_CHARS_MAX + 1)}).encode(),
    ],
)
def test_body_of_another_form_is_no_text(body):
    """Whatever is not exactly one text of bounded length is refused, without an exception."""
    assert answers.read_verify(body) is None


@given(st.binary(max_size=200))
def test_no_body_crashes_the_reader(body):
    """Any bytes give a text or nothing."""
    text = answers.read_verify(body)

    assert text is None or isinstance(text, str)


@pytest.mark.parametrize(("value", "limit"), [(None, answers.RECENT_DEFAULT), ("1", 1), ("100", 100), ("007", 7)])
def test_limit_is_read(value, limit):
    """A number from 1 to 100 is taken, and none means the default."""
    assert answers.read_limit(value) == limit


@pytest.mark.parametrize("value", ["", "0", "101", "-1", "+1", "1.0", " 1", "٣", "9" * 5000, "one"])
def test_other_limits_are_refused(value):
    """Anything else is refused."""
    assert answers.read_limit(value) is None


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        (Carrier.EHC1, {"card_ref": "0011223344556677"}),
        (Carrier.NATIONAL_STATIC, {"index": "A" * 64}),
        (Carrier.NATIONAL_DYNAMIC, {"index": "A" * 64}),
        (Carrier.ID_NUMBER, {"id_no": "1101************6X"}),
        (Carrier.BIRTH_CERTIFICATE, {"birth_no": "A123****89"}),
        (Carrier.LEGACY_CARD, {}),
        (Carrier.UNKNOWN, {}),
    ],
)
def test_answer_holds_only_what_was_shown(kind, own):
    """Of a subject that the roster has filled in, only the carrier's own identifier goes out, numbers masked."""
    verdict = Verdict(
        reason=Reason.ROSTER_MATCH,
        also=(Reason.ROSTER_STALE,),
        subject=Subject(kind=kind, **EVERYTHING),
        evidence=Evidence(kid=b"\x01\x02\x03\x04", lo_ms=5),
    )

    answer = answers.verify_answer(verdict)

    assert answer == {
        "outcome": "ACCEPT",
        "reason": "ROSTER_MATCH",
        "also": ["ROSTER_STALE"],
        "subject": {"kind": kind.value, **own},
        "evidence": {"kid": "01020304", "lo": 5},
    }
