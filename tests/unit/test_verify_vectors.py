"""The verifier against the vectors of another implementation: every context, every case, the replay section."""

import base64
from typing import Any

import pytest

from edge.ehc_code import parse
from edge.replay import ReplayCache
from edge.trust import TrustSet, open_hashed, open_issuers, open_list, open_root, open_status
from edge.verdict import Carrier, Interval
from edge.verify import Examination, examine
from tests.support.vectors import document, load

CONTEXTS = {context["name"]: context for context in load("ehc1")["contexts"]}
BIRTH_EPOCH_ORDINAL = 693596  # 1900-01-01


def trust_of(context: dict[str, Any]) -> TrustSet:
    """A fresh trust set of the documents a context names, with the lists that status_list.json holds."""
    root = open_root(document(context["root"]))
    status = open_status(document(context["status"]), root=root)
    lists = load("status_list")
    snapshot = base64.b64decode(lists[f"snapshot{status.version}"])
    blob = base64.b64decode(lists["hashed"]["blob"])
    return TrustSet(
        root=root,
        issuers=open_issuers(document(context["issuers"]), root=root),
        status=status,
        lists={"cards-a": open_list(snapshot, info=status.lists["cards-a"])},
        hashed={"national": open_hashed(blob, info=status.hashed["national"])},
    )


def run(context: dict[str, Any], texts: list[str]) -> list[Examination]:
    """Examine texts in order as `verify --trust --interval` does, with an empty replay cache."""
    trust, cache = trust_of(context), ReplayCache()
    now = Interval(lo_ms=context["lo_ms"], hi_ms=context["hi_ms"])
    examinations = []
    for text in texts:
        examination = examine(text, trust=trust, now=now, replay=cache)
        if examination.replay is not None:
            assert cache.insert(examination.replay)
        examinations.append(examination)
    return examinations


def test_the_vectors_are_all_there() -> None:
    """No case of the file is left out."""
    assert len(CONTEXTS) == 13
    assert sum(len(context["cases"]) for context in CONTEXTS.values()) == 140


@pytest.mark.parametrize("name", CONTEXTS)
def test_every_case_of_a_context_gets_its_verdict(name: str) -> None:
    """The cases of a context, in order, get reason, and outcome and `also` where the vector gives them."""
    context = CONTEXTS[name]

    examinations = run(context, [case["text"] for case in context["cases"]])

    wrong = []
    for case, examination in zip(context["cases"], examinations, strict=True):
        verdict = examination.verdict
        got = {"reason": verdict.reason, "outcome": verdict.outcome, "also": list(verdict.also)}
        wanted = {member: case[member] for member in got if member in case}
        if {member: got[member] for member in wanted} != wanted:
            wrong.append((case["name"], wanted, got))
    assert wrong == []


@pytest.mark.parametrize(
    "case", [case for context in CONTEXTS.values() for case in context["cases"] if "fields" in case or "person" in case]
)
def test_the_fields_of_a_card_are_read(case: dict[str, Any]) -> None:
    """Fields and person of the parsed card are those the vector names."""
    code = parse(case["text"])

    for member, value in case.get("fields", {}).items():
        got = {
            "kid": code.kid.hex(),
            "index": code.index,
            "card_ref": code.card_ref.hex(),
            "issued": code.issued_day,
            "expires": code.expiry_day,
        }[member]
        assert got == value
    if "person" in case:
        assert code.holder_data is not None
        assert code.holder_data.sex == case["person"]["sex"]
        assert code.holder_data.birth.toordinal() - BIRTH_EPOCH_ORDINAL == case["person"]["birth_day"]
        assert code.holder_data.name == case["person"]["name"]


def test_a_presentation_counts_once() -> None:
    """The replay section: the first showing is good, the same bytes again are not."""
    section = load("ehc1")["replay"]

    examinations = run(CONTEXTS[section["context"]], section["texts"])

    assert [examination.verdict.reason for examination in examinations] == section["reasons"]
    assert [examination.keep_code for examination in examinations] == [True, True]


def test_proven_holder_data_reach_the_subject() -> None:
    """A verdict on a good card names the person the card names, and its card reference."""
    context = CONTEXTS["fresh, time known"]
    case = next(case for case in context["cases"] if case["name"] == "static with person")

    (examination,) = run(context, [case["text"]])

    subject = examination.verdict.subject
    assert (subject.kind, subject.card_ref) == (Carrier.EHC1, parse(case["text"]).card_ref)
    assert (subject.name, subject.sex) == (case["person"]["name"], case["person"]["sex"])
    assert subject.birth is not None


def test_hashed_lists_name_exactly_their_indices() -> None:
    """Each hit of the hashed list's vector is refused as probably revoked, each miss is not."""
    hashed = load("status_list")["hashed"]
    texts = [index if len(index) == 64 else f"{index}:0:{'0' * 32}" for index in hashed["hits"] + hashed["misses"]]

    examinations = run(CONTEXTS["fresh, time known"], texts)

    reasons = [examination.verdict.reason for examination in examinations]
    assert reasons == ["REVOKED_PROBABLE"] * len(hashed["hits"]) + ["PENDING_CITY"] * len(hashed["misses"])
