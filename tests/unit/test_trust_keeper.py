"""The trust of a running node: what fails keeps the old, whatever is taken is on disk before it counts."""

import asyncio
import errno
import logging
import shutil
import threading
from pathlib import Path

import pytest

from edge import trust_rules
from edge.classify import DEFAULT_TABLE
from edge.clock import BUILD_DATE_MS, ClockAlarm
from edge.errors import TrustError
from edge.examination import Examination
from edge.intake import Verifier
from edge.replay import ReplayCache
from edge.status_list import CardState
from edge.timekeeper import Timekeeper
from edge.trust import Problem
from edge.trust_documents import Blob
from edge.trust_held import Missing, Step
from edge.trust_keeper import AGE_S, Source
from edge.trust_store import TrustStore
from edge.verdict import Reason, Rung
from tests.support import authority, vectors
from tests.support.authority import BEGIN_MS, KEYS, NODE, Shelf
from tests.support.cards import CARD_REF, static_card, text
from tests.support.keeper_box import DAY_MS, KeeperBox
from tests.support.power import PowerCut
from tests.support.trust_node import CARRIER, NONCE, SOMEBODY, cards

ISSUED_DAY = (BEGIN_MS // 1000 - 1_577_808_000) // 86_400 - 10
LATER_MS = BEGIN_MS + 5 * DAY_MS
OTHER_KEYS = {**KEYS, "status": ("status-b",), "time": ("time-b",), "receipt": ("receipt-b",)}


@pytest.fixture
async def box(tmp_path: Path) -> KeeperBox:
    """A node with a root, issuers, a status document with its lists, and a roster."""
    box = await KeeperBox(tmp_path / "home").born()
    await box.takes(
        authority.issuers(1),
        authority.status(1, lists={"cards": box.shelf.packed(cards(CardState.REVOKED), 1)}),
        authority.roster(1, shelf=box.shelf, people={CARRIER: SOMEBODY}),
    )
    return box


def judge(box: KeeperBox, *, index: int = 1) -> Examination:
    """What the daemon's verifier says of a card of this city, given exactly what the daemon gives it."""
    verifier = Verifier(
        trust=lambda: box.keeper.trust,
        age_since_ms=lambda: box.keeper.age_since_ms,
        now=box.time.now,
        replay=ReplayCache(),
        table=DEFAULT_TABLE,
    )
    card = static_card(
        issuer=authority.key("issuer-a"), index=index, issued_day=ISSUED_DAY, expiry_day=ISSUED_DAY + 900
    )
    assert CARD_REF in card
    return verifier.examine(text(card))[0]


async def test_what_was_taken_is_relied_on_and_there_after_a_reboot(box: KeeperBox) -> None:
    """The same documents, lists and roster, verified again from the files; nothing to report."""
    held = box.keeper.held
    assert held.have == {"root": 1, "issuers": 1, "status": 1, "roster": 1}
    assert judge(box, index=0).verdict.reason is Reason.REVOKED

    box.switch_on()

    assert box.keeper.held == held
    assert box.keeper.problems == ()
    assert judge(box, index=0).verdict.reason is Reason.REVOKED


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        (authority.issuers(2, by=["status-a"]), "threshold"),
        (authority.issuers(1, note="changed"), "other_bytes"),
        (authority.root(2, by=["root-a"]), "threshold"),
        (authority.roster(2, shelf=Shelf(), node="other"), "node"),
        (authority.time(BEGIN_MS, nonce=NONCE), "nonce"),
        (authority.signed("config", {"version": 1}, by=["config-a"]), "type"),
        (b"{}", "envelope"),
        (b"rubbish", "json"),
        (b"", "json"),
    ],
)
async def test_a_document_that_fails_keeps_the_old_one_and_is_told(
    box: KeeperBox, caplog: pytest.LogCaptureFixture, document: bytes, rule: str
) -> None:
    """It never raises: what was held is held, on disk too, and the operator reads the rule (contracts 3.6)."""
    state = (box.home / "state").read_bytes()

    said = await box.rule_of(document, name="what came")

    assert box.problems() == {"what came": said}
    assert said == rule
    assert (box.home / "state").read_bytes() == state
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"trust: what came (city) is not used: {said}"]


async def test_problems_are_kept_by_source_and_name(box: KeeperBox) -> None:
    """The last of each; a good document of the same name and place takes it away, and no other."""
    bad, good = authority.issuers(2, by=["status-a"]), authority.issuers(2)
    await box.rule_of(b"rubbish", name="issuers")
    await box.rule_of(bad, name="issuers")
    await box.rule_of(bad, name="issuers.json", source=Source.FOLDER)
    await box.rule_of(b"rubbish", name="status")
    assert len(box.keeper.problems) == 3

    await box.take(good, name="issuers")

    assert box.problems() == {"issuers.json": "threshold", "status": box.problems()["status"]}
    box.keeper.clear(Source.FOLDER)
    assert box.problems().keys() == {"status"}


async def test_the_same_problem_again_is_small_print(box: KeeperBox, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that is looked at every two seconds fills no journal."""
    caplog.set_level(logging.DEBUG)

    for _ in range(3):
        await box.rule_of(b"rubbish")

    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.DEBUG, logging.DEBUG]


async def test_a_folder_that_grew_old_is_no_problem(box: KeeperBox) -> None:
    """The city sends newer documents than lie there; from the city an older one is worth telling."""
    await box.takes(authority.issuers(2))
    older = authority.issuers(1)

    assert await box.rule_of(older, name="issuers.json", source=Source.FOLDER) == "rollback"
    assert box.problems() == {}
    assert await box.rule_of(older, name="issuers") == "rollback"
    assert box.problems() == {"issuers": "rollback"}


async def test_a_full_disk_keeps_the_old_set(
    box: KeeperBox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused as ``store``, nobody is told of a change, and it is taken as soon as there is room."""
    changes: list[int] = []
    box.keeper.watch(lambda: changes.append(1))
    with monkeypatch.context() as patch:
        patch.setattr(TrustStore, "save", _full)
        assert await box.rule_of(authority.issuers(2), name="issuers") == "store"
        assert box.problems() == {"issuers": "store"}
    assert "OSError" in caplog.text

    await box.takes(authority.issuers(2))

    assert box.keeper.held.have["issuers"] == 2
    assert changes == [1]


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_what_is_missing_changes_nothing_and_is_no_problem(box: KeeperBox) -> None:
    """The caller fetches it and offers the document again."""
    before = box.keeper.held
    document = authority.status(2, lists={"cards": box.shelf.packed(cards(size=9), 2)})

    missing = await box.take(document, blob=lambda _: None)

    assert isinstance(missing, Missing)
    assert box.keeper.held is before
    assert box.keeper.problems == ()
    await box.takes(document)


async def test_documents_are_taken_one_at_a_time(box: KeeperBox) -> None:
    """A newer one that comes while an older is being stored is judged by what that left, and nothing is lost."""
    versions = range(2, 8)

    answers = await asyncio.gather(*(box.take(authority.issuers(version)) for version in versions))

    assert all(isinstance(answer, Step) for answer in answers)
    assert box.keeper.held.have["issuers"] == 7
    box.switch_on()
    assert box.keeper.held.have["issuers"] == 7


async def test_the_event_loop_runs_while_a_document_is_judged_and_stored(
    box: KeeperBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of millions takes its time; scanning goes on by the old set until the new one is complete."""
    threads: set[int] = set()
    real = TrustStore.save

    def save(self: TrustStore, held: trust_rules.Held) -> trust_rules.Held:
        threads.add(threading.get_ident())
        return real(self, held)

    monkeypatch.setattr(TrustStore, "save", save)
    await box.takes(authority.issuers(2))

    assert threads
    assert threading.get_ident() not in threads


# -- birth ---------------------------------------------------------------------------------------------------------


async def test_a_node_without_a_root_takes_it_only_as_the_one_it_is_born_with(tmp_path: Path) -> None:
    """No broker gives a node its first root: only the folder of this box does."""
    box = KeeperBox(tmp_path / "home")
    assert box.keeper.is_empty

    assert await box.rule_of(authority.root(), role="root") == "no_root"
    assert await box.rule_of(authority.issuers(1), role="issuers") == "no_root"
    await box.born()

    assert not box.keeper.is_empty
    assert box.keeper.trust.root is not None


async def test_another_citys_root_is_refused(box: KeeperBox) -> None:
    """A stick of another city, or a forged one, replaces nothing: not beside the cache and not after it was lost."""
    other = authority.root(city="110000", by=["root-b", "root-c"])

    offer = {"role": "root", "is_birth": True, "source": Source.FOLDER, "name": "root.1.json"}
    assert await box.rule_of(other, **offer) == "other_bytes"
    shutil.rmtree(box.home / "cache")
    box.switch_on()

    assert await box.rule_of(other, **offer) == "born"
    assert box.problems()["root.1.json"] == "born"


async def test_a_deleted_cache_is_rebuilt_from_the_same_root_wherever_it_comes_from(box: KeeperBox) -> None:
    """The node knows it by its SM3, and the floors outlive the cache: nothing older comes back."""
    await box.takes(authority.issuers(2))
    held = box.keeper.held
    shutil.rmtree(box.home / "cache")
    box.switch_on()
    assert box.keeper.is_empty
    assert set(box.problems()) == {"root 1", "issuers", "status", "roster"}

    assert isinstance(await box.take(authority.root(), role="root", name="root"), Step)
    assert await box.rule_of(authority.issuers(1), name="issuers") == "rollback"
    await box.takes(authority.issuers(2))

    assert box.keeper.held.have == {"root": 1, "issuers": 2}
    assert box.keeper.held.floors == held.floors


async def test_what_was_wrong_at_start_is_no_problem_once_it_is_mended(tmp_path: Path) -> None:
    """A list that was damaged on disk comes again from the city, and the page stops speaking of it."""
    box = await KeeperBox(tmp_path / "home").born()
    shelf = box.shelf
    status = authority.status(
        1, lists={"cards": shelf.packed(cards(CardState.REVOKED), 1)}, hashed={"codes": shelf.hashed([b"x"], 1)}
    )
    await box.takes(authority.issuers(1), status)
    for sm3 in box.keeper.held.blobs:
        (box.home / "cache" / sm3.hex()).write_bytes(b"damaged")
    box.switch_on()
    assert box.problems() == {"cards": "size", "codes": "size"}
    assert judge(box, index=0).verdict.reason is Reason.STATUS_MISSING

    await box.takes(status)

    assert box.problems() == {}
    assert judge(box, index=0).verdict.reason is Reason.REVOKED
    box.switch_on()
    assert box.problems() == {}


async def test_a_damaged_state_is_told_for_as_long_as_the_node_runs(box: KeeperBox) -> None:
    """The floors are gone with it, which nothing that comes later mends."""
    (box.home / "state").write_bytes(b"rubbish")
    box.switch_on()
    assert box.problems() == {"state": "damaged"}

    await box.born()

    assert box.problems() == {"state": "damaged"}


@pytest.mark.parametrize("is_allowed", [False, True])
async def test_public_test_keys_are_refused_unless_allowed(tmp_path: Path, is_allowed: bool) -> None:
    """Anybody could sign (contracts 3.1); where they are allowed, that can be asked."""
    box = KeeperBox(tmp_path / "home", allow_test_keys=is_allowed)
    root1, issuers7 = vectors.document("root1"), vectors.document("issuers7")
    assert not box.keeper.uses_test_keys

    if is_allowed:
        assert isinstance(await box.take(root1, role="root", is_birth=True), Step)
        await box.takes(issuers7)
    else:
        assert await box.rule_of(root1, role="root", is_birth=True) == "test_key"

    assert box.keeper.uses_test_keys == is_allowed


async def test_a_node_without_an_encryption_key_takes_no_roster(tmp_path: Path) -> None:
    """It could not open it."""
    box = await KeeperBox(tmp_path / "home", decrypt_roster=None).born()

    assert await box.rule_of(authority.roster(1, shelf=box.shelf)) == "roster_key"


# -- the clock -----------------------------------------------------------------------------------------------------


async def test_documents_raise_the_floor_of_the_clock(tmp_path: Path) -> None:
    """A newer root or status document proves that its `issued_at` has passed; an issuers document does not."""
    box = KeeperBox(tmp_path / "home")
    assert box.time.now().lo_ms == BUILD_DATE_MS
    await box.born()
    assert box.time.now().lo_ms == BEGIN_MS

    await box.takes(authority.status(1, issued_at_ms=LATER_MS))
    assert box.time.now().lo_ms == LATER_MS
    await box.takes(authority.issuers(1))
    assert box.time.now().lo_ms == LATER_MS


async def test_a_node_that_starts_without_a_floor_has_what_its_documents_prove(box: KeeperBox) -> None:
    """The clock's file is gone; what is verified again raises the floor (contracts 4)."""
    await box.takes(
        authority.status(2, issued_at_ms=LATER_MS, lists={"cards": box.shelf.packed(cards(CardState.REVOKED), 1)})
    )
    (box.home / "clock").unlink(missing_ok=True)

    box.switch_on()

    assert box.time.now().lo_ms == LATER_MS
    assert box.time.alarm is None


async def test_a_document_from_the_future_is_held_and_raises_nothing(box: KeeperBox) -> None:
    """Its signer's clock or ours is wrong, which is an alarm; its revocations count."""
    box.hear(BEGIN_MS + DAY_MS)

    await box.takes(authority.status(2, issued_at_ms=BEGIN_MS + 90 * DAY_MS))

    assert box.time.alarm is ClockAlarm.FLOOR_ABOVE_TIME
    assert box.time.now().lo_ms == BEGIN_MS + DAY_MS
    assert box.keeper.held.have["status"] == 2


async def test_a_root_with_other_keys_lowers_a_floor_that_was_driven_up(box: KeeperBox) -> None:
    """With stolen keys the clock was driven years ahead; the root that replaces them sets it to its own date."""
    await box.takes(authority.status(2, issued_at_ms=BEGIN_MS + 900 * DAY_MS))
    assert box.time.now().lo_ms == BEGIN_MS + 900 * DAY_MS

    await box.takes(authority.root(2, keys=OTHER_KEYS, issued_at_ms=LATER_MS))

    assert box.time.now().lo_ms == LATER_MS
    assert not box.time.is_anchored
    box.switch_on()
    assert box.time.now().lo_ms == LATER_MS
    assert box.keeper.held.have["root"] == 2


async def test_a_root_that_adds_a_key_resets_nothing(box: KeeperBox) -> None:
    """Floor and anchor stay as long as none of the former keys is dropped."""
    box.hear(LATER_MS)
    more = {**KEYS, "time": ("time-a", "time-b"), "status": ("status-a", "status-b")}

    await box.takes(authority.root(2, keys=more, issued_at_ms=BEGIN_MS + DAY_MS))

    assert box.time.now().lo_ms == LATER_MS
    assert box.time.is_anchored


async def test_the_clock_is_reset_before_a_root_with_other_keys_counts(
    box: KeeperBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the power goes, the root comes again and resets again: no cut leaves the new root with the old floor."""
    await box.takes(authority.status(2, issued_at_ms=BEGIN_MS + 900 * DAY_MS))
    box.time.save()
    rotated = authority.root(2, keys=OTHER_KEYS, issued_at_ms=LATER_MS)

    def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(TrustStore, "save", cut)
        with pytest.raises(PowerCut):
            await box.take(rotated)
    box.switch_on()
    assert box.keeper.held.have["root"] == 1
    await box.takes(rotated)

    assert box.time.now().lo_ms == LATER_MS
    box.switch_on()
    assert (box.keeper.held.have["root"], box.time.now().lo_ms) == (2, LATER_MS)


async def test_a_reset_that_is_not_saved_takes_no_root(box: KeeperBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut would bring the former floor back, and that root would never reset it again."""
    rotated = authority.root(2, keys=OTHER_KEYS, issued_at_ms=LATER_MS)
    with monkeypatch.context() as patch:
        patch.setattr(Timekeeper, "_write", lambda _self: False)
        assert await box.rule_of(rotated) == "store"

    assert box.keeper.held.have["root"] == 1
    await box.takes(rotated)
    assert box.time.now().lo_ms == LATER_MS


# -- age -----------------------------------------------------------------------------------------------------------


async def test_age_counts_from_the_last_verified_time_alone(box: KeeperBox) -> None:
    """A broker passes receipts and withholds status: the clock goes right, and the trust grows old all the same."""
    box.hear(BEGIN_MS)
    signed = authority.time(BEGIN_MS, nonce=NONCE, status_version=1, issuers_version=1)
    assert isinstance(await box.take(signed, nonces={NONCE: 0}), Step)
    assert box.keeper.age_since_ms == BEGIN_MS
    seen = []
    for day in (0, 1, 2, 3, 7, 14, 15, 40):
        box.wait(BEGIN_MS + day * DAY_MS - box.time.now().lo_ms + 1_000)
        box.hear(BEGIN_MS + day * DAY_MS + 1_000)  # a receipt
        verdict = judge(box).verdict
        seen.append((day, verdict.evidence.rung, verdict.reason))
        assert verdict.evidence.anchored
        assert judge(box, index=0).verdict.reason is Reason.REVOKED

    assert seen == [
        (0, Rung.FRESH, Reason.VALID),
        (1, Rung.AGING, Reason.VALID),
        (2, Rung.AGING, Reason.VALID),
        (3, Rung.STALE, Reason.VALID_STALE),
        (7, Rung.STALE, Reason.VALID_STALE),
        (14, Rung.OLD, Reason.TRUST_OLD),
        (15, Rung.OLD, Reason.TRUST_OLD),
        (40, Rung.OLD, Reason.TRUST_OLD),
    ]


async def test_a_time_that_names_newer_versions_makes_nothing_young(box: KeeperBox) -> None:
    """Age counts from it only once all that it names is held (contracts 3.6)."""
    signed = authority.time(LATER_MS, nonce=NONCE, status_version=2, issuers_version=1)

    step = await box.take(signed, nonces={NONCE: 0})

    assert isinstance(step, Step)
    assert step.newer == {"status"}
    assert box.keeper.age_since_ms == BEGIN_MS  # when the held one was issued
    await box.takes(authority.status(2))
    assert box.keeper.age_since_ms == LATER_MS
    box.switch_on()
    assert box.keeper.age_since_ms == LATER_MS


async def test_a_roster_is_destroyed_60_days_after_its_lease(box: KeeperBox) -> None:
    """Not a moment sooner, by the lower end of the time; blob and manifest are gone from the disk."""
    roster = box.keeper.trust.roster
    assert roster is not None
    blob = box.home / "cache" / roster.manifest.sm3.hex()
    box.hear(BEGIN_MS + 90 * DAY_MS - 1)
    await box.keeper.age()
    assert box.keeper.trust.roster is not None
    assert blob.exists()

    box.wait(1)
    box.hear(BEGIN_MS + 90 * DAY_MS)
    await box.keeper.age()

    assert box.keeper.trust.roster is None
    assert not blob.exists()
    box.switch_on()
    assert box.keeper.held.have == {"root": 1, "issuers": 1, "status": 1}


async def test_a_roster_whose_time_is_over_is_not_taken(box: KeeperBox) -> None:
    """It would have to be destroyed at once."""
    box.hear(BEGIN_MS + 90 * DAY_MS)

    assert await box.rule_of(authority.roster(2, shelf=box.shelf)) == "lease"


async def test_a_disk_that_fails_is_asked_again_a_minute_later(box: KeeperBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too old goes with the next try; the node does not end for it."""
    box.hear(BEGIN_MS + 90 * DAY_MS)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            assert box.keeper.trust.roster is not None
            monkeypatch.setattr(TrustStore, "save", real)
        else:
            raise asyncio.CancelledError

    real = TrustStore.save
    monkeypatch.setattr(TrustStore, "save", _full)
    monkeypatch.setattr("edge.trust_keeper.asyncio.sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        await box.keeper.run()

    assert pauses == [AGE_S, AGE_S]
    assert box.keeper.trust.roster is None


async def test_the_city_may_order_the_roster_forgotten(box: KeeperBox) -> None:
    """It is gone from memory and disk; the same version does not come back, a newer one does."""
    roster = authority.roster(1, shelf=box.shelf, people={CARRIER: SOMEBODY})
    assert box.keeper.trust.roster is not None
    manifest = box.keeper.trust.roster.manifest
    blob = Blob(sm3=manifest.sm3, length=manifest.length)
    assert box.keeper.blob(blob) is not None
    await box.rule_of(b"rubbish", name="roster")

    await box.keeper.forget_roster()

    assert box.keeper.trust.roster is None
    assert box.keeper.blob(blob) is None
    assert box.problems() == {}
    assert await box.rule_of(roster) == "other_bytes"
    await box.takes(authority.roster(2, shelf=box.shelf))


async def test_a_roster_that_cannot_be_destroyed_is_told_to_whoever_ordered_it(
    box: KeeperBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The city must not believe it is gone."""
    monkeypatch.setattr(TrustStore, "save", _full)

    with pytest.raises(TrustError, match="store"):
        await box.keeper.forget_roster()

    assert box.keeper.trust.roster is not None


def test_a_problem_says_its_source_in_the_log_and_nothing_of_its_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads where it lies."""
    keeper = KeeperBox(tmp_path / "home").keeper

    keeper.note(Problem(file="issuers.json", rule="threshold"), source=Source.FOLDER)

    assert caplog.messages == ["trust: issuers.json (folder) is not used: threshold"]
    assert NODE not in caplog.text
