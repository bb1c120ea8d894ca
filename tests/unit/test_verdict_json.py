"""Verdicts as JSON and as maps of a record."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.verdict import OUTCOME_OF, Carrier, Evidence, Reason, Rung, Subject, Verdict
from edge.verdict_json import (
    VerdictFormatError,
    subject_to_cbor,
    verdict_from_cbor,
    verdict_to_cbor,
    verdict_to_json,
)
from sync import cbor
from tests.support.vectors import load

FULL = Verdict(
    reason=Reason.ROSTER_MATCH_CODE_UNVERIFIED,
    also=(Reason.STATUS_MISSING, Reason.ROSTER_STALE),
    subject=Subject(
        kind=Carrier.EHC1,
        card_ref=bytes.fromhex("3abd8ed61bcbc7ea"),
        index="AB" * 32,
        id_no="11010020171225006X",
        birth_no="M370012345",
        name="张小雨",
        sex=2,
        birth=date(2017, 12, 25),
    ),
    evidence=Evidence(
        kid=bytes.fromhex("409059c4"),
        issuers=7,
        status=31,
        lo_ms=1795399200000,
        hi_ms=1795399200400,
        anchored=True,
        age_s=3600,
        rung=Rung.FRESH,
    ),
)
BARE = Verdict(reason=Reason.MALFORMED, subject=Subject(kind=Carrier.UNKNOWN), evidence=Evidence())

verdicts = st.builds(
    Verdict,
    reason=st.sampled_from(sorted(OUTCOME_OF)),
    also=st.lists(st.sampled_from(Reason), max_size=3).map(tuple),
    subject=st.builds(
        Subject,
        kind=st.sampled_from(Carrier),
        card_ref=st.none() | st.binary(min_size=8, max_size=8),
        index=st.none() | st.text("0123456789ABCDEF", min_size=48, max_size=48),
        id_no=st.none() | st.text(min_size=18, max_size=18),
        birth_no=st.none() | st.text(min_size=10, max_size=10),
        name=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=15),
        sex=st.none() | st.sampled_from([0, 1, 2, 9]),
        birth=st.none() | st.dates(),
    ),
    evidence=st.builds(
        Evidence,
        kid=st.none() | st.binary(min_size=4, max_size=4),
        issuers=st.none() | st.integers(1, 2**63 - 1),
        lo_ms=st.none() | st.integers(0, 2**63 - 1),
        hi_ms=st.none() | st.integers(0, 2**63 - 1),
        anchored=st.none() | st.booleans(),
        rung=st.none() | st.sampled_from(Rung),
    ),
)


def test_json_has_the_members_of_the_contract() -> None:
    """Bytes are lower-case hex, days ISO, times milliseconds, and the person stands in it if asked for."""
    assert verdict_to_json(FULL, show_person=True) == {
        "outcome": "ACCEPT_PENDING",
        "reason": "ROSTER_MATCH_CODE_UNVERIFIED",
        "also": ["STATUS_MISSING", "ROSTER_STALE"],
        "subject": {
            "kind": "ehc1",
            "card_ref": "3abd8ed61bcbc7ea",
            "index": "AB" * 32,
            "id_no": "11010020171225006X",
            "birth_no": "M370012345",
            "name": "张小雨",
            "sex": 2,
            "birth": "2017-12-25",
        },
        "evidence": {
            "kid": "409059c4",
            "issuers": 7,
            "status": 31,
            "lo": 1795399200000,
            "hi": 1795399200400,
            "anchored": True,
            "age_s": 3600,
            "rung": "FRESH",
        },
    }


def test_the_person_is_masked_unless_asked_for() -> None:
    """Name and numbers are masked, all else is the same."""
    masked, whole = verdict_to_json(FULL), verdict_to_json(FULL, show_person=True)

    assert masked["subject"] == whole["subject"] | {
        "name": "张**",
        "id_no": "1101************6X",
        "birth_no": "M370****45",
    }
    assert {**masked, "subject": None} == {**whole, "subject": None}


def test_what_is_unknown_is_absent() -> None:
    """No member is null."""
    expected: dict[str, Any] = {
        "outcome": "RETRY",
        "reason": "MALFORMED",
        "also": [],
        "subject": {"kind": "unknown"},
        "evidence": {},
    }
    assert verdict_to_json(BARE) == expected


def test_the_records_of_the_vectors_are_read_and_written_alike() -> None:
    """The verdict and subject maps of the ledger's vectors survive reading and writing unchanged."""
    records = [cbor.decode(bytes.fromhex(record["cbor"]), bytes_max=4096) for record in load("ledger")["records"]]
    judged = [record for record in records if "verdict" in record]
    assert judged

    for record in judged:
        verdict = verdict_from_cbor(record["verdict"], subject=record["subject"])

        assert verdict_to_cbor(verdict) == record["verdict"]
        assert subject_to_cbor(verdict.subject) == record["subject"]
        assert (verdict.reason, verdict.subject.kind) == (Reason.VALID, Carrier.EHC1)


@given(verdicts)
def test_a_record_gives_back_the_verdict(verdict: Verdict) -> None:
    """Any verdict comes back from its maps, which are values of CBOR, and its JSON is JSON."""
    maps = cbor.decode(cbor.encode([verdict_to_cbor(verdict), subject_to_cbor(verdict.subject)]), bytes_max=65536)

    assert verdict_from_cbor(maps[0], subject=maps[1]) == verdict
    assert json.loads(json.dumps(verdict_to_json(verdict))) == verdict_to_json(verdict)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("verdict", {"reason": "FINE"}),
        ("verdict", {"outcome": "REFUSE"}),
        ("verdict", {"reason": "DECEASED"}),
        ("verdict", {"also": "VALID"}),
        ("verdict", {"also": ["FINE"]}),
        ("verdict", {"also": [["VALID"]]}),
        ("verdict", {"evidence": None}),
        ("verdict", {"evidence": {"rung": "HIGH"}}),
        ("verdict", {"evidence": {"lo": True}}),
        ("verdict", {"evidence": {"kid": "409059c4"}}),
        ("verdict", {"evidence": {"anchored": 1}}),
        ("verdict", {"evidence": {"mood": 1}}),
        ("verdict", {"mood": 1}),
        ("subject", {"kind": "passport"}),
        ("subject", {"birth": "1990-13-01"}),
        ("subject", {"birth": "19900101"}),
        ("subject", {"birth": 19900101}),
        ("subject", {"sex": "1"}),
        ("subject", {"card_ref": "3abd8ed61bcbc7ea"}),
        ("subject", {"mood": 1}),
        ("subject", {1: 1}),
    ],
)
def test_maps_that_are_no_verdict_are_refused(part: str, change: dict[Any, Any]) -> None:
    """A value of another kind, an unknown word and an outcome that does not fit its reason are refused unseen."""
    parts = {"verdict": verdict_to_cbor(FULL), "subject": subject_to_cbor(FULL.subject)}
    parts[part] |= change

    with pytest.raises(VerdictFormatError) as caught:
        verdict_from_cbor(parts["verdict"], subject=parts["subject"])
    assert "1990" not in str(caught.value)


@pytest.mark.parametrize("name", ["outcome", "reason", "also", "evidence", "kind"])
def test_a_missing_member_is_refused(name: str) -> None:
    """All members of a verdict and the kind of its subject must be there."""
    verdict, subject = verdict_to_cbor(FULL), subject_to_cbor(FULL.subject)
    verdict.pop(name, None)
    if name == "kind":
        del subject[name]

    with pytest.raises(VerdictFormatError):
        verdict_from_cbor(verdict, subject=subject)


@pytest.mark.parametrize("value", [None, 1, [], "verdict"])
def test_what_is_no_map_is_refused(value: object) -> None:
    """Neither part may be anything but a map."""
    with pytest.raises(VerdictFormatError):
        verdict_from_cbor(value, subject={"kind": "ehc1"})
    with pytest.raises(VerdictFormatError):
        verdict_from_cbor(verdict_to_cbor(BARE), subject=value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda v: (
            st.lists(v) | st.dictionaries(st.sampled_from(["outcome", "reason", "also", "evidence", "kind", "lo"]), v)
        ),
    )
)
def test_any_value_is_a_verdict_or_refused(value: object) -> None:
    """Nothing raises anything but the documented error."""
    for verdict, subject in ((value, value), (verdict_to_cbor(BARE), value), (value, {"kind": "ehc1"})):
        try:
            verdict_from_cbor(verdict, subject=subject)
        except VerdictFormatError:
            continue
