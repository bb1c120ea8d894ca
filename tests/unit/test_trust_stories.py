"""Stories of a desk: what is shown to it, across restarts, days without a network, and fifty thousand scans."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

import edge.intake
from drivers.reading import Reading
from edge import timekeeper
from edge.acts import ACTS_MAX
from edge.classify import DEFAULT_TABLE, Classified
from edge.day_view import ENTRIES_MAX, DayView
from edge.ehc_code import STATIC_CARD, card_bytes
from edge.examination import Examination, ReplayEntry
from edge.gm import PrivateKey, random_bytes
from edge.intake import Intake, Origin, Verifier
from edge.replay import REPLAY_ENTRIES_MAX, ReplayCache
from edge.timekeeper import Timekeeper
from edge.transaction import Step
from edge.verdict import Carrier, Evidence, Outcome, Reason, Subject, Verdict
from edge.verify import examine
from tests.support import authority, cards, vectors
from tests.support.asking_city import LinkedBox
from tests.support.authority import BEGIN_MS
from tests.support.cards import NOON_MS, NOW, TODAY
from tests.support.set_boot import SetBoot, timekeeper_at
from tests.support.story_desk import delivered, running
from tests.support.trust_node import SOMEBODY

DAY_MS = 86_400_000
MS = 1_000_000
INDEX = "9A" * 24
DYNAMIC = f"{INDEX.lower()}:0:{'c4' * 16}::1234567890ABCDEF"  # as a screen shows it: in lower case


class Box:
    """A box that is switched on and off; between two boots only its files remain."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boots = 0
        self.switch_on()

    def switch_on(self) -> None:
        """A new boot."""
        self._boots += 1
        self.boot = SetBoot(wall_ms=NOON_MS)
        self.boot.boot_id = self._boots.to_bytes(16, "big")
        self.time: Timekeeper = timekeeper.resume(self._folder / "clock", boot=self.boot, trust_expires_ms=lambda: None)

    def hear(self, time_ms: int) -> None:
        """A signed answer tells the time, within 400 ms."""
        self.time.hear(time_ms, self.boot.b_ns - 400 * MS, self.boot.b_ns)

    def wait(self, ms: int) -> None:
        """Time passes."""
        self.boot.b_ns += ms * MS


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A box that nobody has told the time."""
    return Box(tmp_path)


# -- what a node keeps for the city ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_anchored", [True, False], ids=["time known", "time unknown"])
@pytest.mark.parametrize("is_known", [True, False], ids=["in the roster", "stranger"])
async def test_a_dynamic_code_delivered_three_days_later_carries_its_bytes_and_the_time_of_its_scan(
    box: Box, tmp_path: Path, is_known: bool, is_anchored: bool
) -> None:
    """Only the city can judge it, and only by when it was shown: the code as it was read, lo and hi as they were."""
    people = {f"index:{INDEX}": SOMEBODY} if is_known else {}
    trust = cards.trust(roster=cards.roster(people))
    if is_anchored:
        box.hear(NOON_MS)
        box.wait(60_000)
    else:
        box.time.raise_floor(NOON_MS)
    scanned = box.time.now()
    async with running(tmp_path, trust=lambda: trust, time=box.time, boot=box.boot) as desk:
        reason = await desk.show(DYNAMIC)
        boot = box.boot.boot_id
    box.time.save()

    box.switch_on()
    box.wait(3 * DAY_MS)
    box.hear(NOON_MS + 3 * DAY_MS)
    async with running(tmp_path, trust=lambda: trust, time=box.time, boot=box.boot) as desk:
        frame = await desk.batch_frame()
    (record,) = delivered(tmp_path, frame, now_ms=NOON_MS + 3 * DAY_MS)

    assert reason is (Reason.ROSTER_MATCH_CODE_UNVERIFIED if is_known else Reason.PENDING_CITY)
    assert record["code"] == DYNAMIC.encode()
    assert record["carrier"] == "national_dynamic"
    assert record["verdict"]["outcome"] == "ACCEPT_PENDING"
    evidence = record["verdict"]["evidence"]
    assert (evidence["lo"], evidence.get("hi"), evidence["anchored"]) == (scanned.lo_ms, scanned.hi_ms, is_anchored)
    assert (record["at"]["lo"], record["at"].get("hi"), record["at"]["boot"]) == (scanned.lo_ms, scanned.hi_ms, boot)
    assert scanned.lo_ms < NOON_MS + DAY_MS


async def test_a_fault_in_the_program_reaches_the_city_as_internal_with_the_code(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The person is served and the city judges; the log says where it broke and nothing of what was read."""

    def broken(text: str, **_: object) -> Examination:
        raise RuntimeError(text)

    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(edge.intake, "examine", broken)
    card = cards.text(cards.static_card())
    async with running(tmp_path, trust=cards.trust, time=box.time, boot=box.boot) as desk:
        reason = await desk.show(card)
        frame = await desk.batch_frame()
    (record,) = delivered(tmp_path, frame, now_ms=NOON_MS)

    assert reason is Reason.INTERNAL
    assert (record["verdict"]["outcome"], record["verdict"]["reason"]) == ("ACCEPT_PENDING", "INTERNAL")
    assert record["code"] == card.encode()
    assert "RuntimeError in test_trust_stories.py" in caplog.text
    assert card not in caplog.text


# -- the same code twice --------------------------------------------------------------------------------------------


async def test_the_same_code_twice_with_a_restart_between_is_a_replay(box: Box, tmp_path: Path) -> None:
    """The presentation is remembered in the outbox's own file, committed with its record."""
    box.hear(NOON_MS)
    shown = cards.text(cards.shown())
    reasons = []
    for _ in range(3):
        async with running(tmp_path, trust=cards.trust, time=box.time, boot=box.boot) as desk:
            reasons.append(await desk.show(shown))
        box.wait(10_000)

    assert reasons == [Reason.VALID, Reason.REPLAYED, Reason.REPLAYED]


async def test_after_a_reboot_without_a_network_a_replay_is_still_one(box: Box, tmp_path: Path) -> None:
    """The upper end of the time is gone and the floor is older than the code: it is neither VALID nor forgotten."""
    box.hear(NOON_MS)
    shown, other = cards.text(cards.shown()), cards.text(cards.shown(nonce=b"\x09\x09"))
    async with running(tmp_path, trust=cards.trust, time=box.time, boot=box.boot) as desk:
        assert await desk.show(shown) is Reason.VALID
    box.time.save()
    box.switch_on()

    async with running(tmp_path, trust=cards.trust, time=box.time, boot=box.boot) as desk:
        assert await desk.show(shown) is Reason.REPLAYED
        assert await desk.show(other) is Reason.CLOCK_UNSURE


# -- fifty thousand scans -------------------------------------------------------------------------------------------


class _Counting:
    """A ledger that counts; what a real one costs is not asked here."""

    epoch = 1

    def __init__(self) -> None:
        self.count = 0

    async def record(self, transaction: object, **_: object) -> int:
        self.count += 1
        return self.count


class _Dark:
    async def signal(self, feedback: object, *, entry: object) -> None:
        """No lamp."""


async def test_fifty_thousand_scans_leave_memory_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A presentation is remembered for its 90 s and no longer, an act for its window; nothing else grows."""
    count, gap_ms, window_ms = 50_000, 100, 90_000
    boot = SetBoot(wall_ms=NOON_MS)
    time = timekeeper_at(lo_ms=NOON_MS, hi_ms=NOON_MS + 1, boot=boot)
    replay, day_view, ledger = ReplayCache(), DayView(), _Counting()

    def fabricated(text: str, **given: Any) -> Examination:
        now = given["now"]
        assert not given["replay"].seen(text.encode())
        return Examination(
            verdict=Verdict(reason=Reason.VALID, subject=Subject(kind=Carrier.EHC1), evidence=Evidence()),
            classified=Classified(carrier=Carrier.EHC1, text=text),
            replay=ReplayEntry(key=text.encode(), expires_after_ms=now.lo_ms + window_ms),
            keep_code=True,
        )

    monkeypatch.setattr(edge.intake, "examine", fabricated)
    trust = cards.trust()
    verifier = Verifier(trust=lambda: trust, now=time.now, replay=replay, table=DEFAULT_TABLE)
    intake = Intake(
        origin=Origin(node="n-1", org=None, dept=None, operator=None, step=Step.CONSULT),
        verifier=verifier,
        ledger=cast(Any, ledger),
        timekeeper=time,
        day_view=day_view,
        random_bytes=random_bytes,
        same_act_s=5,
    )
    most = 0
    for number in range(count):
        boot.b_ns += gap_ms * MS
        text = f"{number:047}"
        reading = Reading(reader=f"scanner-{number % 4}", data=text.encode(), text=text, read_at_monotonic_ns=boot.b_ns)
        await intake.take(reading, signals=_Dark())
        most = max(most, len(replay))

    assert ledger.count == count
    assert window_ms // gap_ms <= most <= window_ms // gap_ms + 2
    assert [len(acts) for acts in intake._acts._by_reader.values()] == [ACTS_MAX] * 4
    assert len(list(day_view)) <= ENTRIES_MAX
    assert not verifier._being_stored


async def test_fifty_thousand_presentations_within_90_seconds_fit_and_none_is_forgotten() -> None:
    """A full cache takes no more and evicts nothing; what no longer passes as fresh makes room."""
    cache = ReplayCache()
    for number in range(70_000):
        entry = ReplayEntry(key=number.to_bytes(47, "big"), expires_after_ms=NOON_MS + number)
        assert cache.insert(entry) == (number < REPLAY_ENTRIES_MAX)

    assert len(cache) == REPLAY_ENTRIES_MAX >= 50_000
    assert cache.full
    assert all(cache.seen(number.to_bytes(47, "big")) for number in range(0, REPLAY_ENTRIES_MAX, 997))
    card = cards.text(cards.shown())
    verdict = examine(card, trust=cards.trust(), now=NOW, replay=cache).verdict
    assert (verdict.reason, verdict.outcome) == (Reason.CLOCK_UNSURE, Outcome.ACCEPT_PENDING)
    assert cache.expire(lo_ms=NOON_MS + 50_000) == 50_000
    assert examine(card, trust=cards.trust(), now=NOW, replay=cache).verdict.reason is Reason.VALID


# -- keys -----------------------------------------------------------------------------------------------------------


def _card(signer: PrivateKey, *, kid: bytes) -> str:
    """A card that names one key and is signed by another."""
    return cards.text(
        card_bytes(
            STATIC_CARD,
            kid=kid,
            index=1,
            card_ref=cards.CARD_REF,
            issued_day=TODAY - 10,
            expiry_day=TODAY + 365,
            sign=signer.sign,
        )
    )


def _judged(card: str, **changes: Any) -> tuple[Reason, Outcome]:
    verdict = examine(card, trust=cards.trust(**changes), now=NOW, replay=cards.Never()).verdict
    return verdict.reason, verdict.outcome


def test_the_right_kid_with_the_wrong_key_is_a_bad_signature() -> None:
    """Four bytes name a key and prove nothing: whoever writes them into a forged card is refused."""
    issuer, forger = vectors.key("issuer"), authority.key("forger")

    assert _judged(_card(issuer, kid=issuer.public.kid)) == (Reason.VALID, Outcome.ACCEPT)
    assert _judged(_card(forger, kid=issuer.public.kid)) == (Reason.BAD_SIGNATURE, Outcome.REFUSE)


def test_a_kid_that_nobody_has_is_an_unknown_issuer() -> None:
    """Nothing is known for or against it: the city decides, and a newer list is asked for."""
    issuer, forger = vectors.key("issuer"), authority.key("forger")

    for signer in (issuer, forger):
        assert _judged(_card(signer, kid=forger.public.kid)) == (Reason.UNKNOWN_ISSUER, Outcome.ACCEPT_PENDING)


def test_of_keys_with_one_kid_each_is_tried() -> None:
    """Two issuers whose keys begin alike: a card of either is good, a forged one is refused."""
    first, second, forger = vectors.key("issuer"), authority.key("issuer-b"), authority.key("forger")
    kid = first.public.kid
    entries = tuple(cards.issuer_entry(key=key.public) for key in (first, second))
    both = replace(cards.issuers(), by_kid={kid: entries})

    assert [_judged(_card(signer, kid=kid), issuers=both)[0] for signer in (first, second, forger)] == [
        Reason.VALID,
        Reason.VALID,
        Reason.BAD_SIGNATURE,
    ]


# -- an issuer that is not known yet --------------------------------------------------------------------------------


async def test_an_unknown_issuer_at_the_desk_is_asked_for_once_in_ten_minutes_and_then_known(tmp_path: Path) -> None:
    """However many such cards are shown; the newer list comes, and the next card of that issuer is good."""
    node = LinkedBox(tmp_path / "home")
    await node.box.born()
    await node.box.takes(
        authority.issuers(1), authority.status(1, lists={"cards": node.box.shelf.packed(cards.cards_list(), 1)})
    )
    node.box.hear(BEGIN_MS)
    day = BEGIN_MS // 1000 // 86_400 - 1_577_808_000 // 86_400
    card = cards.text(cards.static_card(issuer=authority.key("issuer-b"), issued_day=day - 10, expiry_day=day + 300))
    box, downlink = node.box, node.downlink
    reasons: dict[int, Reason] = {}
    async with running(
        tmp_path,
        trust=lambda: box.keeper.trust,
        time=box.time,
        boot=box.boot,
        on_unknown_issuer=lambda: downlink.ask_docs_now({"issuers": box.keeper.held.version_of("issuers") + 1}),
    ) as desk:
        node.city.says_versions = False  # only whoever asks hears of newer documents
        async with node.linked():
            await node.questions(1)
            for second in range(0, 1_500, 20):
                while node.now_s < second:
                    await asyncio.sleep(0)
                reasons[second] = await desk.show(card, at_s=second)
                if second == 1_000:  # from now on there is a newer list
                    node.city.documents["issuers"] = 2, authority.issuers(2, active=["issuer-a", "issuer-b"])

    asked = [ask for ask in node.city.asks if "issuers" in ask.docs]
    assert len(asked) == 3
    assert {reasons[second] for second in range(0, 1_200, 20)} == {Reason.UNKNOWN_ISSUER}
    assert reasons[1_480] is Reason.VALID
