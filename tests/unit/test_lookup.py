"""What the roster says of a carrier, as a verdict: aliases, states, the lease and its end."""

import base64
import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from edge.examination import Examination
from edge.roster import Person, PersonState, Roster, birth_carrier, card_carrier, id_carrier, index_carrier, open_roster
from edge.trust import open_root, open_roster_manifest
from edge.verdict import Carrier, Interval, Outcome, Reason
from edge.verify import examine
from tests.support.cards import CARD_REF, NOON_MS, NOW, Never, roster, static_card, text, trust
from tests.support.vectors import document, key, load

DAY_MS = 86_400_000
INDEX = "A" * 64
SHORT_INDEX = "E" * 48
BIRTH_NO = "M370012345"
ID_NO = "11010020171225006X"
BY_BIRTH, BY_ID = birth_carrier(BIRTH_NO), id_carrier(ID_NO)
CHILD = Person(name="王小宝", sex=1, birth=date(2017, 12, 25))


def judge(shown: str, *, people: Roster | None, now: Interval = NOW) -> Examination:
    return examine(shown, trust=trust(roster=people), now=now, replay=Never())


def reasons(examination: Examination) -> tuple[Reason, tuple[Reason, ...]]:
    return examination.verdict.reason, examination.verdict.also


def newborn() -> Roster:
    """The child before it has an identity number."""
    return roster({BY_BIRTH: CHILD})


def registered(**states: PersonState) -> Roster:
    """The same child under both carrier strings."""
    known = replace(CHILD, id_no=ID_NO)
    return roster(
        {
            BY_BIRTH: replace(known, aliases=(BY_ID,), state=states.get("birth", PersonState.ACTIVE)),
            BY_ID: replace(known, aliases=(BY_BIRTH,), state=states.get("id", PersonState.ACTIVE)),
        }
    )


def test_a_birth_number_leads_to_the_same_child_after_it_got_an_identity_number() -> None:
    """Both carriers name one child, each stays what was shown, and the identity number is known from either."""
    before = judge(BIRTH_NO, people=newborn()).verdict
    by_birth = judge(BIRTH_NO, people=registered()).verdict
    by_id = judge(ID_NO, people=registered()).verdict

    assert judge(ID_NO, people=newborn()).verdict.reason is Reason.PENDING_CITY
    for verdict in (before, by_birth, by_id):
        assert verdict.reason is Reason.ROSTER_MATCH_CODE_UNVERIFIED
        assert (verdict.subject.name, verdict.subject.sex, verdict.subject.birth) == ("王小宝", 1, date(2017, 12, 25))
    assert (before.subject.kind, before.subject.birth_no, before.subject.id_no) == (
        Carrier.BIRTH_CERTIFICATE,
        BIRTH_NO,
        None,
    )
    assert by_birth.subject == replace(before.subject, id_no=ID_NO)
    assert (by_id.subject.kind, by_id.subject.birth_no, by_id.subject.id_no) == (Carrier.ID_NUMBER, None, ID_NO)


def test_history_is_never_rewritten() -> None:
    """The old carrier string stays a record of its own; each names the other, and both lead to the same person."""
    people = registered()

    by_birth, by_id = people.find(BY_BIRTH), people.find(BY_ID)

    assert by_birth is not None
    assert by_id is not None
    assert (by_birth.aliases, by_id.aliases) == ((BY_ID,), (BY_BIRTH,))
    assert replace(by_birth, aliases=()) == replace(by_id, aliases=())
    for person in (by_birth, by_id):
        assert [people.find(alias) for alias in person.aliases] == [by_id if person is by_birth else by_birth]


@pytest.mark.parametrize("state", [PersonState.LOST, PersonState.SUSPENDED])
def test_a_state_is_of_one_carrier_only(state: PersonState) -> None:
    """A carrier reported lost or suspended is refused; the person's other one is not."""
    people = registered(birth=state)

    refused = judge(BIRTH_NO, people=people).verdict

    assert (refused.outcome, refused.reason) == (Outcome.REFUSE, Reason.SUSPENDED)
    assert judge(ID_NO, people=people).verdict.reason is Reason.ROSTER_MATCH_CODE_UNVERIFIED


def test_the_deceased_are_pending() -> None:
    """Nobody is refused for a death that may be an error: the city decides."""
    examination = judge(ID_NO, people=registered(id=PersonState.DECEASED))

    assert reasons(examination) == (Reason.PENDING_CITY, (Reason.DECEASED,))
    assert examination.verdict.outcome is Outcome.ACCEPT_PENDING


@pytest.mark.parametrize(
    ("shown", "carrier", "matched"),
    [
        (text(static_card()), card_carrier(CARD_REF), Reason.VALID),
        (INDEX, index_carrier(INDEX), Reason.ROSTER_MATCH),
        (f"{INDEX.lower()}:9", index_carrier(INDEX), Reason.ROSTER_MATCH),
        (f"{INDEX}:0:{'0' * 32}", index_carrier(INDEX), Reason.ROSTER_MATCH_CODE_UNVERIFIED),
        (f"{SHORT_INDEX}:0:{'0' * 32}", index_carrier(SHORT_INDEX), Reason.ROSTER_MATCH_CODE_UNVERIFIED),
        (ID_NO, BY_ID, Reason.ROSTER_MATCH_CODE_UNVERIFIED),
        (ID_NO.lower(), BY_ID, Reason.ROSTER_MATCH_CODE_UNVERIFIED),
        (BIRTH_NO, BY_BIRTH, Reason.ROSTER_MATCH_CODE_UNVERIFIED),
    ],
    ids=["card", "index", "index lower", "dynamic", "short dynamic", "id", "id with x", "birth"],
)
def test_any_carrier_string_leads_to_its_person(shown: str, carrier: str, matched: Reason) -> None:
    """Whatever is shown is asked for under its one carrier string, and under no other."""
    everyone = {card_carrier(CARD_REF), index_carrier(INDEX), index_carrier(SHORT_INDEX), BY_ID, BY_BIRTH}
    others = dict.fromkeys(sorted(everyone - {carrier}), CHILD)

    found, not_found = judge(shown, people=roster({carrier: CHILD})), judge(shown, people=roster(others))

    assert (reasons(found), found.verdict.subject.name) == ((matched, ()), "王小宝")
    assert not_found.verdict.subject.name is None
    assert not_found.verdict.reason in (Reason.PENDING_CITY, Reason.VALID)


def test_roster_of_the_vectors_judges_its_carriers() -> None:
    """Each carrier of the vector, shown to a reader, is judged as its state says."""
    manifest = open_roster_manifest(
        json.dumps(load("roster")["manifest"]).encode(), root=open_root(document("root1")), node="370881-0042"
    )
    people = open_roster(manifest, base64.b64decode(load("roster")["blob"]), decrypt=key("node_encryption").decrypt)
    texts = {card_carrier(CARD_REF): text(static_card())}

    judged = {}
    for entry in load("roster")["people"]:
        carrier = entry["carrier"]
        verdict = judge(texts.get(carrier, carrier.partition(":")[2]), people=people).verdict
        judged[carrier.partition(":")[0] + ":" + entry["plain"]["state"]] = verdict.reason
        assert verdict.subject.name == entry["plain"]["name"]

    assert judged == {
        "birth:active": Reason.ROSTER_MATCH_CODE_UNVERIFIED,
        "index:lost": Reason.SUSPENDED,
        "index:active": Reason.ROSTER_MATCH,
        "card:active": Reason.VALID,
    }


def leased(**changes: Any) -> Roster:
    """A roster whose lease ends at noon."""
    people = roster({BY_ID: CHILD}, lease_until_ms=NOON_MS)
    return replace(people, manifest=replace(people.manifest, **changes))


def from_lo(lo_ms: int, *, hi_ms: int | None = None) -> Interval:
    return Interval(lo_ms=lo_ms, hi_ms=hi_ms)


@pytest.mark.parametrize("hi_ms", [None, NOON_MS + 365 * DAY_MS])
def test_a_lease_ends_by_lo(hi_ms: int | None) -> None:
    """Until the lease is proven over a match is a match, however late it may be; from then on it is stale."""
    before = judge(ID_NO, people=leased(), now=from_lo(NOON_MS - 1, hi_ms=hi_ms))
    after = judge(ID_NO, people=leased(), now=from_lo(NOON_MS, hi_ms=hi_ms))

    assert reasons(before) == (Reason.ROSTER_MATCH_CODE_UNVERIFIED, ())
    assert reasons(after) == (Reason.ROSTER_MATCH_CODE_UNVERIFIED, (Reason.ROSTER_STALE,))
    assert after.verdict.outcome is before.verdict.outcome


def test_a_stale_roster_still_refuses_what_was_lost() -> None:
    """An ended lease weakens nothing that stands against a carrier."""
    people = roster({BY_ID: replace(CHILD, state=PersonState.LOST)}, lease_until_ms=NOON_MS)

    assert reasons(judge(ID_NO, people=people)) == (Reason.SUSPENDED, (Reason.ROSTER_STALE,))


@pytest.mark.parametrize("hi_ms", [None, NOON_MS + 365 * DAY_MS])
def test_a_roster_is_asked_no_more_60_days_after_its_lease_by_lo(hi_ms: int | None) -> None:
    """Until 60 days are proven over it is stale; from then on nobody is in it, destroyed already or not."""
    end_ms = NOON_MS + 60 * DAY_MS
    people = leased()

    before = judge(ID_NO, people=people, now=from_lo(end_ms - 1, hi_ms=hi_ms))
    after = judge(ID_NO, people=people, now=from_lo(end_ms, hi_ms=hi_ms))

    assert people.manifest.destroyed_from_ms == end_ms
    assert Reason.ROSTER_STALE in before.verdict.also
    assert before.verdict.subject.name == "王小宝"
    assert reasons(after) == (Reason.PENDING_CITY, ())
    assert after.verdict.subject.name is None


def test_an_expired_manifest_is_a_lapsed_lease() -> None:
    """The earlier of lease and manifest counts, for the note and for the end."""
    people = leased(lease_until_ms=NOON_MS + DAY_MS, expires_at_ms=NOON_MS)

    assert judge(ID_NO, people=people).verdict.also == (Reason.ROSTER_STALE,)
    assert judge(ID_NO, people=people, now=from_lo(NOON_MS + 60 * DAY_MS)).verdict.reason is Reason.PENDING_CITY


def test_a_row_that_does_not_open_says_nothing_of_its_person_only() -> None:
    """One damaged row is pending, without a name or a word of the lease; the others are found as before."""
    people = roster({BY_ID: CHILD, BY_BIRTH: CHILD}, lease_until_ms=NOON_MS)
    rows = bytearray(people._blob)
    rows[-1] ^= 1
    damaged = replace(people, _blob=bytes(rows))
    shown = {BY_ID: ID_NO, BY_BIRTH: BIRTH_NO}

    judged = sorted((reasons(judge(each, people=damaged)) for each in shown.values()), key=str)

    assert judged == [
        (Reason.PENDING_CITY, ()),
        (Reason.ROSTER_MATCH_CODE_UNVERIFIED, (Reason.ROSTER_STALE,)),
    ]
