"""The verifier: what the vectors do not show, and what must hold for every text and every trust set."""

import dataclasses
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.classify import carrier_table, classify
from edge.ehc_code import DAY_S, EPOCH_S, parse_bytes
from edge.replay import ReplayCache
from edge.roster import Person, PersonState
from edge.status_list import HashedList
from edge.trust import IssuerState, TrustSet
from edge.verdict import OUTCOME_OF, Carrier, Interval, Outcome, Reason, Rung
from edge.verify import Examination, ReplayEntry, examine, internal
from tests.support.cards import (
    CARD_REF,
    LIST_CARDS,
    NOON_MS,
    NOT_GIVEN_OUT,
    NOW,
    NOW_S,
    REVOKED,
    SUSPENDED,
    TODAY,
    UNANCHORED,
    YEAR_MS,
    Never,
    cards_list,
    hashed_list,
    holder_card,
    issuer_entry,
    issuers,
    root,
    roster,
    shown,
    static_card,
    status,
    text,
    trust,
)
from tests.support.vectors import key, load

INDEX = "A" * 64
SHORT_INDEX = "B" * 48
DYNAMIC = f"{SHORT_INDEX}:0:{'0' * 32}"
ID_NUMBER = "11010020171225006X"
BIRTH_NUMBER = "M370012345"
CARD = f"card:{CARD_REF.hex()}"
DAY_MS = DAY_S * 1000
HELD = trust()
STRENGTH = (Outcome.ACCEPT, Outcome.ACCEPT_PENDING, Outcome.RETRY, Outcome.REFUSE)
# Every kind of text a reader brings, good and bad.
TEXTS = (
    text(static_card()),
    text(static_card(holder=(1, date(1985, 7, 7), "张伟"))),
    text(static_card(index=REVOKED)),
    text(static_card(index=NOT_GIVEN_OUT)),
    text(static_card(expiry_day=TODAY - 1)),
    text(static_card(issuer=key("issuer_narrow"))),
    text(holder_card()),
    text(shown()),
    text(shown(time_s=NOW_S - 200)),
    INDEX,
    DYNAMIC,
    ID_NUMBER,
    BIRTH_NUMBER,
    "134567890123456789",
    "hello",
    "",
)


def person(state: PersonState = PersonState.ACTIVE, **changes: Any) -> Person:
    """An invented person."""
    members: dict[str, Any] = {"name": "李娜", "sex": 2, "birth": date(1990, 2, 3), "state": state}
    return Person(**members | changes)


def judge(
    what: str | bytes, *, held: TrustSet = HELD, now: Interval = NOW, replay: Any = None, **more: Any
) -> Examination:
    """Examine a text or a card's bytes at noon."""
    shown_text = what if isinstance(what, str) else text(what)
    return examine(shown_text, trust=held, now=now, replay=replay or Never(), **more)


def reasons(examination: Examination) -> tuple[Reason, tuple[Reason, ...]]:
    """The reason and the other notes."""
    return examination.verdict.reason, examination.verdict.also


# --- the steps -------------------------------------------------------------------------------------------------------


def test_a_good_card_is_valid_with_evidence() -> None:
    """A verdict says on which key, documents, interval and age it rests, and names only what is proven."""
    examination = judge(static_card())

    verdict = examination.verdict
    assert (verdict.outcome, *reasons(examination)) == (Outcome.ACCEPT, Reason.VALID, ())
    assert (verdict.subject.kind, verdict.subject.card_ref, verdict.subject.name) == (Carrier.EHC1, CARD_REF, None)
    evidence = verdict.evidence
    assert (evidence.kid, evidence.issuers, evidence.status) == (key("issuer").public.kid, 7, 31)
    assert (evidence.lo_ms, evidence.hi_ms, evidence.anchored) == (NOW.lo_ms, NOW.hi_ms, True)
    assert (evidence.age_s, evidence.rung) == (3600, Rung.FRESH)
    assert (examination.replay, examination.keep_code) == (None, False)


def test_nothing_is_named_before_the_issuer_signature_holds() -> None:
    """A forged card and a card of an unknown issuer name their key's kid and nobody."""
    card = static_card(holder=(1, date(1985, 7, 7), "张伟"))
    forged = judge(card[:-1] + bytes([card[-1] ^ 1])).verdict
    unknown = judge(card, held=trust(issuers=issuers(issuer_entry(key=key("issuer_narrow").public)))).verdict

    assert (forged.reason, unknown.reason) == (Reason.BAD_SIGNATURE, Reason.UNKNOWN_ISSUER)
    for verdict in (forged, unknown):
        assert verdict.subject.card_ref is None
        assert verdict.subject.name is None
        assert verdict.evidence.kid == key("issuer").public.kid


@pytest.mark.parametrize("missing", ["root", "issuers"])
def test_without_usable_issuers_every_card_is_of_an_unknown_issuer(missing: str) -> None:
    """An empty trust folder accepts pending the city, keeps the code and says so."""
    examination = judge(static_card(), held=trust(**{missing: None}))

    assert reasons(examination) == (Reason.UNKNOWN_ISSUER, ())
    assert examination.keep_code


def test_a_withdrawn_key_stands_before_its_scope() -> None:
    """A withdrawn key refuses its cards whatever their kind and day."""
    held = trust(issuers=issuers(issuer_entry(state=IssuerState.WITHDRAWN, kinds=frozenset(), not_after=0)))

    assert reasons(judge(static_card(), held=held)) == (Reason.ISSUER_WITHDRAWN, ())


@pytest.mark.parametrize(
    ("changes", "day", "expected"),
    [
        ({"kinds": frozenset({"holder"})}, TODAY, Reason.WRONG_SCOPE),
        ({"not_before": TODAY}, TODAY, Reason.VALID),
        ({"not_before": TODAY + 1}, TODAY, Reason.WRONG_SCOPE),
        ({"not_after": TODAY}, TODAY, Reason.VALID),
        ({"not_after": TODAY - 1}, TODAY, Reason.UNKNOWN_ISSUER),
        ({"not_after": TODAY - 5}, TODAY - 1, Reason.UNKNOWN_ISSUER),
        ({"not_after": TODAY - 5}, TODAY - 2, Reason.WRONG_SCOPE),
        ({"not_after": TODAY - 1, "state": IssuerState.RETIRED}, TODAY, Reason.WRONG_SCOPE),
        ({"not_before": TODAY + 1, "not_after": TODAY + 2}, TODAY, Reason.WRONG_SCOPE),
    ],
)
def test_the_scope_of_a_key_is_kind_and_day(changes: dict[str, Any], day: int, expected: Reason) -> None:
    """A day behind an active key's end is unknown from the day of the list on: a newer list may extend it."""
    held = trust(issuers=issuers(issuer_entry(**changes)))

    assert judge(static_card(issued_day=day), held=held).verdict.reason is expected


@pytest.mark.parametrize(
    ("city", "regions", "is_in"),
    [
        ("370800", ("3708",), True),
        ("370800", ("370881",), True),
        ("370800", ("37",), True),
        ("370881", ("3708",), True),
        ("370800", ("3702", "11"), False),
        ("370000", ("3702",), True),
        ("371000", ("3710",), True),
    ],
)
def test_a_card_of_another_region_is_pending(city: str, regions: tuple[str, ...], is_in: bool) -> None:
    """City and region are in one another or the card is noted; it does not join the roster then."""
    held = trust(
        root=root(city=city),
        issuers=issuers(issuer_entry(regions=regions)),
        roster=roster({CARD: person(PersonState.LOST)}),
    )

    expected = (Reason.SUSPENDED, ()) if is_in else (Reason.OUT_OF_REGION, ())
    assert reasons(judge(static_card(), held=held)) == expected


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, Reason.VALID),
        (REVOKED, Reason.REVOKED),
        (SUSPENDED, Reason.SUSPENDED),
        (NOT_GIVEN_OUT, Reason.STATUS_NOT_COVERED),
        (LIST_CARDS - 1, Reason.VALID),
        (LIST_CARDS, Reason.STATUS_NOT_COVERED),
        (2**32 - 1, Reason.STATUS_NOT_COVERED),
    ],
)
def test_the_status_list_is_asked(index: int, expected: Reason) -> None:
    """Each state of a list has its reason; beyond the list nothing is known."""
    assert reasons(judge(static_card(index=index))) == (expected, ())


def test_a_missing_list_is_neither_revoked_nor_not_revoked() -> None:
    """A list that is absent, or no status document at all, is noted and the card is pending."""
    assert reasons(judge(static_card(), held=trust(lists={}))) == (Reason.STATUS_MISSING, ())
    without = judge(static_card(), held=trust(status=None))
    assert reasons(without) == (Reason.STATUS_MISSING, ())
    assert (without.verdict.evidence.rung, without.verdict.evidence.status) == (Rung.OLD, None)
    other = trust(issuers=issuers(issuer_entry(status_list="cards-b")))
    assert reasons(judge(static_card(), held=other)) == (Reason.STATUS_MISSING, ())


def end_of(day: int) -> int:
    """The Unix ms at which a day ends."""
    return (EPOCH_S + DAY_S * (day + 1)) * 1000


@pytest.mark.parametrize(
    ("lo_ms", "hi_ms", "expected"),
    [
        (end_of(TODAY) - 1, end_of(TODAY) - 1, (Reason.VALID, ())),
        (end_of(TODAY) - 1, end_of(TODAY), (Reason.CLOCK_UNSURE, ())),
        (end_of(TODAY), end_of(TODAY), (Reason.EXPIRED, ())),
        (end_of(TODAY), None, (Reason.EXPIRED, ())),
        (end_of(TODAY) - 90 * DAY_MS, None, (Reason.CLOCK_UNSURE, ())),
        (end_of(TODAY) - 90 * DAY_MS - 1, None, (Reason.VALID_STALE, (Reason.CLOCK_UNSURE,))),
        (end_of(TODAY) - 90 * DAY_MS - 1, end_of(TODAY), (Reason.VALID_STALE, (Reason.CLOCK_UNSURE,))),
        (end_of(TODAY - 11) - 1, end_of(TODAY - 11) - 1, (Reason.NOT_YET_VALID, ())),
        (end_of(TODAY - 11) - 1, end_of(TODAY - 11), (Reason.VALID, ())),
    ],
)
def test_validity_is_proven_presumed_or_unsure(
    lo_ms: int, hi_ms: int | None, expected: tuple[Reason, tuple[Reason, ...]]
) -> None:
    """A card that begins ten days before today and ends with it, seen at the edges of both."""
    now = Interval(lo_ms=lo_ms, hi_ms=hi_ms)

    assert reasons(judge(static_card(expiry_day=TODAY), now=now, age_since_ms=NOON_MS + YEAR_MS)) == expected


def test_a_card_may_forbid_the_presumption() -> None:
    """A card that needs trusted time is unsure where another is presumed valid."""
    assert reasons(judge(static_card(), now=UNANCHORED)) == (Reason.VALID_STALE, (Reason.CLOCK_UNSURE,))
    assert reasons(judge(static_card(needs_trusted_time=True), now=UNANCHORED)) == (Reason.CLOCK_UNSURE, ())


def test_a_presumed_card_keeps_its_note_when_another_decides() -> None:
    """The first noted reason decides, the presumption stays in `also`, and neither stands twice."""
    assert reasons(judge(static_card(), held=trust(lists={}), now=UNANCHORED)) == (
        Reason.STATUS_MISSING,
        (Reason.CLOCK_UNSURE,),
    )
    assert reasons(judge(shown(), now=UNANCHORED)) == (Reason.CLOCK_UNSURE, ())


def test_a_holder_card_must_be_shown() -> None:
    """A bound card alone is worth another try, unless it is refused for more."""
    assert reasons(judge(holder_card())) == (Reason.PRESENTATION_MISSING, ())
    assert reasons(judge(holder_card(index=REVOKED))) == (Reason.REVOKED, ())
    assert not judge(holder_card()).keep_code


@pytest.mark.parametrize(
    ("behind_ms", "width_ms", "expected"),
    [
        (90_000, 0, Reason.VALID),
        (90_001, 0, Reason.PRESENTATION_STALE),
        (89_999, 2, Reason.CLOCK_UNSURE),
        (-90_000, 0, Reason.VALID),
        (-90_001, 0, Reason.PRESENTATION_FUTURE),
        (-90_001, 1, Reason.CLOCK_UNSURE),
        (-90_000, 180_000, Reason.VALID),
        (-90_000, 180_001, Reason.CLOCK_UNSURE),
        (0, None, Reason.CLOCK_UNSURE),
        (90_001, None, Reason.PRESENTATION_STALE),
    ],
)
def test_a_presentation_is_fresh_for_90_seconds(behind_ms: int, width_ms: int | None, expected: Reason) -> None:
    """Fresh, proven stale, proven future, or unsure: by both ends of the interval."""
    lo_ms = NOON_MS + behind_ms
    now = Interval(lo_ms=lo_ms, hi_ms=None if width_ms is None else lo_ms + width_ms)

    assert judge(shown(), now=now).verdict.reason is expected


def test_a_presentation_of_another_key_is_refused() -> None:
    """A showing signed by someone else, or a holder key that is no point, is a bad signature."""
    data = shown()
    assert judge(data[:-1] + bytes([data[-1] ^ 1])).verdict.reason is Reason.BAD_SIGNATURE
    assert judge(shown(holder_card(holder_key=b"\x05" + bytes(32)))).verdict.reason is Reason.BAD_SIGNATURE


def test_a_presentation_is_to_be_remembered_by_what_it_is() -> None:
    """The key is issuer key, card, time and nonce, no signature; it lasts to the end of the window."""
    examination = judge(shown())

    parts = key("issuer").public.compressed + CARD_REF + NOW_S.to_bytes(4, "big") + b"\x00\x01"
    assert examination.replay == ReplayEntry(key=parts, expires_after_ms=NOON_MS + 90_000)
    assert judge(shown()).verdict == examination.verdict  # SM2 signatures are random, the key is not
    assert judge(shown()).replay == examination.replay


def test_a_replay_is_not_remembered_again() -> None:
    """A presentation that was recorded is to be renewed; looking alone records nothing."""
    cache = ReplayCache()
    first = judge(shown(), replay=cache)
    assert reasons(judge(shown(), replay=cache)) == (Reason.VALID, ())
    assert first.replay is not None
    cache.insert(first.replay)

    again = judge(shown(), replay=cache)

    assert reasons(again) == (Reason.REPLAYED, ())
    assert (again.replay, again.keep_code) == (None, True)
    assert reasons(judge(shown(nonce=b"\x00\x02"), replay=cache)) == (Reason.VALID, ())


def test_a_full_cache_makes_new_presentations_unsure() -> None:
    """What cannot be remembered is pending; what was seen is still a replay."""
    full = judge(shown(), replay=Never(full=True))

    assert (reasons(full), full.replay, full.keep_code) == ((Reason.CLOCK_UNSURE, ()), None, True)
    assert judge(shown(), replay=Never(full=True, has_seen=True)).verdict.reason is Reason.REPLAYED
    assert judge(static_card(), replay=Never(full=True)).verdict.reason is Reason.VALID


def test_a_presentation_refused_by_the_roster_is_remembered() -> None:
    """It passed step 11, so it is inserted with its verdict."""
    examination = judge(shown(), held=trust(roster=roster({CARD: person(PersonState.LOST)})))

    assert examination.verdict.reason is Reason.SUSPENDED
    assert examination.replay is not None


@pytest.mark.parametrize(
    ("age_s", "expected"), [(3600, Reason.VALID), (4 * DAY_S, Reason.VALID_STALE), (15 * DAY_S, Reason.TRUST_OLD)]
)
def test_the_ladder_weakens_a_valid_card_and_nothing_else(age_s: int, expected: Reason) -> None:
    """The rung takes from VALID alone: notes, refusals and other carriers stay as they are."""
    held = trust(status=status(age_s=age_s), roster=roster({f"index:{INDEX}": person()}))

    assert reasons(judge(static_card(), held=held)) == (expected, ())
    assert reasons(judge(static_card(index=NOT_GIVEN_OUT), held=held)) == (Reason.STATUS_NOT_COVERED, ())
    assert reasons(judge(static_card(index=REVOKED), held=held)) == (Reason.REVOKED, ())
    assert reasons(judge(INDEX, held=held)) == (Reason.ROSTER_MATCH, ())


def test_notes_stand_in_the_order_met() -> None:
    """The first note decides if nothing refuses; a refusal has all of them behind it."""
    held = trust(issuers=issuers(issuer_entry(regions=("11",))))

    two = judge(static_card(index=NOT_GIVEN_OUT, needs_trusted_time=True), held=held, now=UNANCHORED)
    refused = judge(static_card(index=NOT_GIVEN_OUT, expiry_day=TODAY - 1), held=held)

    assert reasons(two) == (Reason.OUT_OF_REGION, (Reason.STATUS_NOT_COVERED, Reason.CLOCK_UNSURE))
    assert reasons(refused) == (Reason.EXPIRED, (Reason.OUT_OF_REGION, Reason.STATUS_NOT_COVERED))


# --- the roster and the hashed lists ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "carrier_string", "matched"),
    [
        (f"{INDEX}:1", f"index:{INDEX}", Reason.ROSTER_MATCH),
        (DYNAMIC, f"index:{SHORT_INDEX}", Reason.ROSTER_MATCH_CODE_UNVERIFIED),
        (ID_NUMBER, f"id:{ID_NUMBER}", Reason.ROSTER_MATCH_CODE_UNVERIFIED),
        (BIRTH_NUMBER, f"birth:{BIRTH_NUMBER}", Reason.ROSTER_MATCH_CODE_UNVERIFIED),
        (text(static_card()), CARD, Reason.VALID),
    ],
)
def test_each_carrier_is_found_in_the_roster(what: str, carrier_string: str, matched: Reason) -> None:
    """Active adds the person to the subject; lost and suspended refuse; deceased is pending; a stale lease is said."""

    def with_state(state: PersonState, **changes: Any) -> Examination:
        return judge(what, held=trust(roster=roster({carrier_string: person(state)}, **changes)))

    active = with_state(PersonState.ACTIVE)

    assert reasons(active) == (matched, ())
    subject = active.verdict.subject
    assert (subject.name, subject.sex, subject.birth) == ("李娜", 2, date(1990, 2, 3))
    assert reasons(with_state(PersonState.LOST)) == (Reason.SUSPENDED, ())
    assert reasons(with_state(PersonState.SUSPENDED)) == (Reason.SUSPENDED, ())
    assert reasons(with_state(PersonState.DECEASED)) == (Reason.PENDING_CITY, (Reason.DECEASED,))
    stale = with_state(PersonState.ACTIVE, lease_until_ms=NOON_MS)
    assert reasons(stale) == (matched, (Reason.ROSTER_STALE,))
    assert reasons(with_state(PersonState.ACTIVE, lease_until_ms=NOON_MS + 1)) == (matched, ())


@pytest.mark.parametrize("what", [f"{INDEX}:1", DYNAMIC, ID_NUMBER, BIRTH_NUMBER])
def test_who_is_not_in_the_roster_is_pending(what: str) -> None:
    """No roster, another's roster, or one that should be destroyed by now: the city decides, and gets the code."""
    everyone = {f"index:{INDEX}": person(), f"index:{SHORT_INDEX}": person(), f"id:{ID_NUMBER}": person()}
    everyone[f"birth:{BIRTH_NUMBER}"] = person()
    gone = roster(everyone, lease_until_ms=NOON_MS - 60 * DAY_MS)
    still_there = roster(everyone, lease_until_ms=NOON_MS - 60 * DAY_MS + 1)

    for held in (trust(), trust(roster=roster({"card:0000000000000000": person()})), trust(roster=gone)):
        examination = judge(what, held=held)
        assert reasons(examination) == (Reason.PENDING_CITY, ())
        assert examination.verdict.subject.name is None
        assert examination.keep_code
    assert judge(what, held=trust(roster=still_there)).verdict.also == (Reason.ROSTER_STALE,)


def test_the_subject_names_what_the_carrier_says() -> None:
    """Index, identity number and birth number are in the subject, found or not."""
    assert judge(f"{INDEX.lower()}：1").verdict.subject.index == INDEX
    assert judge(DYNAMIC).verdict.subject.index == SHORT_INDEX
    assert judge(ID_NUMBER).verdict.subject.id_no == ID_NUMBER
    assert judge(BIRTH_NUMBER).verdict.subject.birth_no == BIRTH_NUMBER


def test_what_is_proven_stands_before_the_roster() -> None:
    """The roster fills what the card does not prove and replaces nothing."""
    held = trust(roster=roster({CARD: person(id_no=ID_NUMBER)}))

    subject = judge(static_card(holder=(0, date(1985, 7, 7), "张伟")), held=held).verdict.subject

    assert (subject.name, subject.sex, subject.birth) == ("张伟", 0, date(1985, 7, 7))
    assert subject.id_no == ID_NUMBER


def test_a_note_stands_before_the_roster() -> None:
    """A card of a deceased person that was noted before keeps its first note as the reason."""
    held = trust(lists={}, roster=roster({CARD: person(PersonState.DECEASED)}, lease_until_ms=NOON_MS))

    assert reasons(judge(static_card(), held=held)) == (
        Reason.STATUS_MISSING,
        (Reason.ROSTER_STALE, Reason.PENDING_CITY, Reason.DECEASED),
    )


@pytest.mark.parametrize("what", [text(static_card()), f"{INDEX}:1"])
def test_a_row_that_does_not_open_is_pending(what: str) -> None:
    """A damaged row may say "lost": nothing is claimed of its person, and nothing raises."""
    good = roster({CARD: person(), f"index:{INDEX}": person()})
    damaged = dataclasses.replace(good, _row_key=bytes(16))

    examination = judge(what, held=trust(roster=damaged))

    assert reasons(examination) == (Reason.PENDING_CITY, ())
    assert examination.verdict.subject.name is None


@pytest.mark.parametrize(("what", "index"), [(f"{INDEX}:1", INDEX), (INDEX, INDEX), (DYNAMIC, SHORT_INDEX)])
def test_hashed_lists_are_asked_before_the_roster(what: str, index: str) -> None:
    """A hit is probably revoked, whatever the roster says; every list named is asked, and a missing one is said."""
    people = roster({f"index:{index}": person()})

    hit = judge(what, held=trust(hashed={"national": hashed_list(index)}, roster=people))
    both = trust(status=status(hashed=("absent", "national")), hashed={"national": hashed_list(index)}, roster=people)
    missed = trust(status=status(hashed=("national", "absent")), hashed={"national": hashed_list()}, roster=people)

    assert reasons(hit) == (Reason.REVOKED_PROBABLE, ())
    assert hit.verdict.subject.name is None
    assert not hit.keep_code
    assert reasons(judge(what, held=both)) == (Reason.REVOKED_PROBABLE, (Reason.STATUS_MISSING,))
    assert judge(what, held=missed).verdict.also == (Reason.STATUS_MISSING,)
    assert judge(what, held=missed).verdict.outcome in (Outcome.ACCEPT, Outcome.ACCEPT_PENDING)
    assert judge(what, held=trust(status=None, roster=people)).verdict.also == (Reason.STATUS_MISSING,)


def test_hashed_lists_are_for_codes_with_an_index_only() -> None:
    """An identity number is not looked for in them, and a list that is missing says nothing of it."""
    held = trust(status=status(hashed=("absent",)), hashed={})

    assert reasons(judge(ID_NUMBER, held=held)) == (Reason.PENDING_CITY, ())


# --- everything else -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "carrier"),
    [
        ("EHC-ENROL1:ABC", Carrier.ENROLMENT),
        ("EHC-CMD:undo", Carrier.COMMAND),
        ("424" + "1" * 25, Carrier.INSURANCE_CODE),
        ("134567890123456789", Carrier.WECHAT_PAY),
        ("281234567890123456", Carrier.ALIPAY_PAY),
        ("81234567890123456789", Carrier.TRACE_CODE),
        ("\x1d0106", Carrier.GS1),
        ("HC1:6BF", Carrier.FOREIGN_CERTIFICATE),
        ("JN01", Carrier.LEGACY_CARD),
    ],
)
def test_what_is_no_health_card_is_named(what: str, carrier: Carrier) -> None:
    """It is worth another try with a health card, and its bytes are never kept."""
    examination = judge(what, table=carrier_table(legacy_card=["JN[0-9]+"]))

    assert reasons(examination) == (Reason.NOT_A_HEALTH_CARD, ())
    assert (examination.verdict.outcome, examination.verdict.subject.kind) == (Outcome.RETRY, carrier)
    assert not examination.keep_code


def test_rubbish_and_broken_codes_are_malformed() -> None:
    """What is nothing has the kind unknown; a broken code is still named a code."""
    assert judge("hello").verdict.subject.kind is Carrier.UNKNOWN
    assert judge("EHC1:").verdict.subject.kind is Carrier.EHC1
    assert judge(b"\x21").verdict.reason is Reason.UNSUPPORTED_VERSION
    for what in ("hello", "EHC1:", "EHC1:" + "0" * 5000, ""):
        assert reasons(judge(what)) == (Reason.MALFORMED, ())


def test_internal_says_internal_and_keeps_the_code_unless_it_is_money() -> None:
    """The verdict of a bug accepts pending the city; a payment code is not kept even then."""
    examination = internal("anything", now=NOW)

    assert (examination.verdict.outcome, *reasons(examination)) == (Outcome.ACCEPT_PENDING, Reason.INTERNAL, ())
    assert examination.verdict.evidence.lo_ms == NOON_MS
    assert examination.keep_code
    for money in ("134567890123456789\r\n", "]Q1281234567890123456", "424" + "1" * 25):
        assert not internal(money, now=UNANCHORED).keep_code
        assert not internal(money, now=NOW, classified=classify(money)).keep_code
    named = internal(ID_NUMBER, now=NOW, classified=classify(ID_NUMBER))
    assert (named.verdict.subject.kind, named.keep_code) == (Carrier.ID_NUMBER, True)


# --- for every text and every trust set ------------------------------------------------------------------------------

intervals = st.builds(
    lambda lo_ms, width_ms: Interval(lo_ms=lo_ms, hi_ms=None if width_ms is None else lo_ms + width_ms),
    st.integers(0, 2**42) | st.integers(NOON_MS - 10 * YEAR_MS, NOON_MS + 10 * YEAR_MS) | st.just(NOON_MS),
    st.none() | st.just(400) | st.integers(0, 2**40),
)
PEOPLE = roster(
    {CARD: person(PersonState.DECEASED), f"index:{INDEX}": person(), f"id:{ID_NUMBER}": person(PersonState.LOST)}
)
trust_sets = st.builds(
    TrustSet,
    root=st.sampled_from([None, root(), root(city="370200"), root(expires_at_ms=NOON_MS)]),
    issuers=st.sampled_from(
        [None, issuers(), issuers(issuer_entry(regions=("11",))), issuers(issuer_entry(state=IssuerState.WITHDRAWN))]
    ),
    status=st.sampled_from([None, status(), status(age_s=10 * DAY_S, hashed=()), status(expires_at_ms=0)]),
    lists=st.sampled_from([{}, {"cards-a": cards_list()}]),
    hashed=st.sampled_from([dict[str, HashedList](), {"national": hashed_list(INDEX)}, {"other": hashed_list()}]),
    roster=st.sampled_from([None, PEOPLE]),
)
any_text = st.sampled_from(TEXTS) | st.text(max_size=60) | st.binary(max_size=250).map(text)


@given(any_text, trust_sets, intervals, st.booleans(), st.booleans())
def test_every_text_gets_a_verdict_under_every_trust_set(
    what: str, held: TrustSet, now: Interval, full: bool, has_seen: bool
) -> None:
    """Nothing raises; the rules of `also` and of what is kept hold for every verdict."""
    examination = judge(what, held=held, now=now, replay=Never(full=full, has_seen=has_seen))

    verdict = examination.verdict
    assert verdict.reason in OUTCOME_OF
    assert verdict.reason is not Reason.INTERNAL
    assert verdict.reason not in verdict.also
    assert len(set(verdict.also)) == len(verdict.also)
    assert verdict.subject.kind is examination.classified.carrier
    if verdict.outcome is Outcome.ACCEPT_PENDING:
        assert examination.keep_code
    if examination.replay is not None:
        assert verdict.reason is not Reason.REPLAYED


@given(st.sampled_from([static_card(), shown()]), st.data())
@settings(max_examples=400)
def test_a_changed_card_is_never_good(data: bytes, draw: st.DataObject) -> None:
    """Cutting a valid card or changing any bit of it never leaves it accepted, not even pending."""
    at = draw.draw(st.integers(0, len(data) - 1))
    changed = data[:at] + bytes([data[at] ^ 1 << draw.draw(st.integers(0, 7))]) + data[at + 1 :]

    for what in (changed, data[:at]):
        verdict = judge(what).verdict
        # Another kid names another issuer; a showing cut off at the card's end is a card not shown.
        expected = {Outcome.REFUSE, Outcome.RETRY}
        assert verdict.outcome in expected or (verdict.reason is Reason.UNKNOWN_ISSUER and 1 <= at <= 4)


@given(any_text, trust_sets, st.integers(0, 60 * DAY_S), st.integers(0, 60 * DAY_S))
def test_older_trust_never_makes_a_verdict_stronger(what: str, held: TrustSet, age_s: int, more_s: int) -> None:
    """As the data age, an outcome only weakens, and a refusal stays the same refusal."""
    younger = judge(what, held=held, age_since_ms=NOON_MS - age_s * 1000).verdict
    older = judge(what, held=held, age_since_ms=NOON_MS - (age_s + more_s) * 1000).verdict

    assert STRENGTH.index(older.outcome) >= STRENGTH.index(younger.outcome)
    if younger.outcome is not Outcome.ACCEPT:
        assert (older.reason, older.also) == (younger.reason, younger.also)


@given(any_text, trust_sets, intervals, st.integers(0, YEAR_MS), st.none() | st.integers(0, YEAR_MS))
def test_a_wider_interval_proves_nothing_more(
    what: str, held: TrustSet, now: Interval, down_ms: int, up_ms: int | None
) -> None:
    """What a wide interval proves expired, not yet valid, stale or future, every interval inside it proves too."""
    wide = Interval(lo_ms=now.lo_ms - down_ms, hi_ms=None if up_ms is None or now.hi_ms is None else now.hi_ms + up_ms)

    proven = {Reason.EXPIRED, Reason.NOT_YET_VALID, Reason.PRESENTATION_STALE, Reason.PRESENTATION_FUTURE}
    reason = judge(what, held=held, now=wide).verdict.reason

    if reason in proven:
        assert judge(what, held=held, now=now).verdict.reason is reason


@given(any_text, trust_sets, st.sampled_from(["root", "issuers", "status", "lists", "hashed", "roster"]))
def test_missing_data_never_refuse_and_never_prove(what: str, held: TrustSet, missing: str) -> None:
    """Taking a part of the trust away never turns a verdict that accepted into a refusal."""
    before = judge(what, held=held).verdict
    nothing: Any = {} if missing in ("lists", "hashed") else None
    poorer = dataclasses.replace(held, **{missing: nothing})
    after = judge(what, held=poorer).verdict

    if before.outcome in (Outcome.ACCEPT, Outcome.ACCEPT_PENDING):
        assert after.outcome in (Outcome.ACCEPT, Outcome.ACCEPT_PENDING)


def test_verdicts_hold_nothing_a_log_could_tell() -> None:
    """No name, number, card reference or code stands in the repr of an examination."""
    held = trust(roster=roster({CARD: person(id_no=ID_NUMBER)}))

    for what in (static_card(holder=(1, date(1985, 7, 7), "张伟")), shown(), ID_NUMBER, BIRTH_NUMBER, INDEX):
        shown_repr = repr(judge(what, held=held))
        for secret in (
            "张伟",
            "李娜",
            "1985",
            ID_NUMBER,
            BIRTH_NUMBER,
            INDEX,
            repr(CARD_REF),
            CARD_REF.hex(),
            "EHC1:6",
            "EHC1:$",
        ):
            assert secret not in shown_repr


def test_signatures_name_nothing() -> None:
    """Two signatures of one showing are one presentation: no signature byte is part of a key."""
    first, second = shown(), shown()

    assert first != second
    assert parse_bytes(first).issuer_signature != parse_bytes(second).issuer_signature
    assert judge(first).replay == judge(second).replay


def test_no_text_of_the_vectors_raises_under_an_empty_trust_set() -> None:
    """Every text of the vectors gets a verdict on a box that has nothing."""
    for context in load("ehc1")["contexts"]:
        for case in context["cases"]:
            verdict = judge(case["text"], held=TrustSet(), now=UNANCHORED).verdict
            assert verdict.outcome is not Outcome.REFUSE
