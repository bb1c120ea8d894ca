"""The verdict's words: every reason has its outcome, and nothing personal shows."""

from edge.verdict import OUTCOME_OF, Carrier, Evidence, Outcome, Reason, Subject, Verdict


def test_every_reason_but_the_two_notes_has_an_outcome() -> None:
    """DECEASED and ROSTER_STALE are notes; every other reason decides."""
    notes = {Reason.DECEASED, Reason.ROSTER_STALE}

    assert set(OUTCOME_OF) == set(Reason) - notes


def test_an_internal_error_never_refuses_anybody() -> None:
    """A bug of ours costs the patient nothing."""
    verdict = Verdict(reason=Reason.INTERNAL, subject=Subject(kind=Carrier.UNKNOWN), evidence=Evidence())

    assert verdict.outcome is Outcome.ACCEPT_PENDING


def test_repr_of_a_subject_hides_the_person() -> None:
    """What is logged by accident names nobody."""
    subject = Subject(kind=Carrier.ID_NUMBER, id_no="11010020171225006X", name="张小雨")

    shown = repr(subject)

    assert "110100" not in shown
    assert "张" not in shown
