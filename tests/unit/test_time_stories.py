"""What a box says of cards while its clocks lie, stop, sleep or start again: verdicts of the vectors' trust.

The box is a timekeeper with its file and clocks that the story sets; the verifier is the real one. Whatever the wall
clock shows, a verdict rests on the interval alone.
"""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ClockAlarm
from edge.timekeeper import Timekeeper, resume
from edge.trust import TrustSet, open_hashed, open_issuers, open_list, open_root, open_status
from edge.verdict import Interval, Outcome, Reason, Rung, Verdict
from edge.verify import examine
from tests.support.cards import Never, holder_card, shown, text
from tests.support.set_boot import SetBoot
from tests.support.trust_folder import text_of
from tests.support.vectors import document, load

T = load("trust")["now_ms"]
E_S = 1_577_808_000
MS = 1_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEAR_MS = 366 * DAY_MS
Y2099_MS = 4_070_908_800_000
UNANCHORED = "box without an anchor: hi unknown"

GOOD = text_of("static")
REVOKED = text_of("revoked")
EXPIRED = text_of("expired before lo", context_name=UNANCHORED)


def trust_of(*, status_name: str = "status31") -> TrustSet:
    """The vectors' documents with their lists."""
    root = open_root(document("root1"))
    status = open_status(document(status_name), root=root)
    lists = load("status_list")
    snapshot, hashed = base64.b64decode(lists["snapshot31"]), base64.b64decode(lists["hashed"]["blob"])
    return TrustSet(
        root=root,
        issuers=open_issuers(document("issuers7"), root=root),
        status=status,
        lists={"cards-a": open_list(snapshot, info=status.lists["cards-a"])},
        hashed={"national": open_hashed(hashed, info=status.hashed["national"])},
    )


TRUST = trust_of()


class Box:
    """A box that is switched on and off; between two boots only its file remains.

    Attributes:
        boot: Its clocks in this boot.
        keeper: What it knows of the time.
    """

    def __init__(self, folder: Path, *, wall_ms: int = T) -> None:
        self._file = folder / "clock"
        self._boots = 0
        self.switch_on(wall_ms=wall_ms)

    def switch_on(self, *, wall_ms: int = T) -> None:
        """A new boot; what was not saved is gone."""
        self._boots += 1
        self.boot = SetBoot(wall_ms=wall_ms)
        self.boot.boot_id = self._boots.to_bytes(16, "big")
        self.boot.b_ns = 20_000 * MS
        self.start_again()

    def start_again(self) -> None:
        """The program is started again in the same boot."""
        assert TRUST.issuers is not None
        expires_ms = TRUST.issuers.expires_at_ms
        self.keeper: Timekeeper = resume(self._file, boot=self.boot, trust_expires_ms=lambda: expires_ms)

    def wait(self, ms: int) -> None:
        """Time passes, in suspend as well."""
        self.boot.b_ns += ms * MS
        self.boot.shown_ms += ms

    def hear(self, time_ms: int, *, took_ms: int = 200) -> None:
        """A signed answer arrives."""
        self.keeper.hear(time_ms, self.boot.b_ns - took_ms * MS, self.boot.b_ns)

    def judge(self, card: str, *, trust: TrustSet = TRUST, age_since_ms: int | None = None) -> Verdict:
        """What it says of a card."""
        now = self.keeper.now()
        return examine(card, trust=trust, now=now, replay=Never(), age_since_ms=age_since_ms).verdict

    def saved(self) -> bytes:
        """The bytes of its file."""
        return self._file.read_bytes()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A box that was anchored once and saved that an hour ago, before this boot."""
    box = Box(tmp_path)
    box.hear(T - HOUR_MS)
    assert box.keeper.save()
    box.switch_on()
    return box


@pytest.mark.parametrize("off_ms", [2 * YEAR_MS, -2 * YEAR_MS, 40 * YEAR_MS, -T])
def test_a_wall_clock_that_is_off_erases_no_revocation(box: Box, off_ms: int) -> None:
    """Two years ahead, two behind, 1970: a revoked card stays REVOKED, a good one keeps its verdict."""
    box.hear(T)
    before = [box.judge(card) for card in (REVOKED, GOOD)]

    box.boot.shown_ms += off_ms
    after = [box.judge(card) for card in (REVOKED, GOOD)]

    assert after == before
    assert [verdict.reason for verdict in after] == [Reason.REVOKED, Reason.VALID]


def test_a_wall_clock_two_years_behind_leaves_an_expired_card_expired(box: Box) -> None:
    """The saved floor proves the end of the card, with no network and the RTC in the past."""
    box.switch_on(wall_ms=T - 2 * YEAR_MS)

    verdict = box.judge(EXPIRED)

    assert verdict.reason is Reason.EXPIRED
    assert verdict.evidence.hi_ms is None


def test_without_the_floor_an_expired_card_is_unsure_and_never_valid(tmp_path: Path) -> None:
    """A box that never heard anything accepts it as pending at most: it neither knows nor pretends."""
    verdict = Box(tmp_path, wall_ms=T).judge(EXPIRED)

    assert verdict.outcome is not Outcome.REFUSE
    assert verdict.reason is not Reason.VALID
    assert Reason.CLOCK_UNSURE in (verdict.reason, *verdict.also)


def test_no_advisory_clock_of_2099_poisons_the_floor(box: Box) -> None:
    """NTP, RTC, modem or phone may set the shown clock to 2099: neither verdicts nor the file ever learn of it."""
    box.switch_on(wall_ms=Y2099_MS)
    assert box.keeper.save()
    box.hear(T + HOUR_MS)
    assert box.keeper.save()
    box.switch_on(wall_ms=Y2099_MS)

    assert T + HOUR_MS <= box.keeper.now().lo_ms <= T + HOUR_MS + 20_000
    assert box.keeper.alarm is None
    assert box.judge(GOOD).outcome is Outcome.ACCEPT


def test_a_file_that_says_2099_without_proof_is_not_believed(tmp_path: Path) -> None:
    """A bit that flipped, or a hand that wrote: the operator is told, the floor is the build date."""
    box = Box(tmp_path)
    box.hear(T)
    box.keeper.save()
    (tmp_path / "clock").write_bytes(box.saved().replace(b"1 17", b"1 40", 1))
    box.switch_on()

    assert box.keeper.alarm is ClockAlarm.SAVED_FLOOR_DAMAGED
    assert box.keeper.now().lo_ms < T
    assert box.judge(GOOD).outcome is Outcome.ACCEPT


def test_a_reboot_between_anchor_and_scan_takes_the_upper_end_and_keeps_the_lower(box: Box) -> None:
    """What was shown a minute ago is no longer provably fresh, so it is pending: neither refused nor VALID."""
    box.hear(T)
    box.keeper.save()
    box.wait(60_000)
    card = text(shown(time_s=T // 1000 + 60 - E_S))
    assert box.judge(card).reason is Reason.VALID

    box.switch_on()

    assert box.keeper.now().hi_ms is None
    assert (box.judge(card).reason, box.judge(card).outcome) == (Reason.CLOCK_UNSURE, Outcome.ACCEPT_PENDING)
    assert (box.judge(GOOD).reason, box.judge(GOOD).also) == (Reason.VALID_STALE, (Reason.CLOCK_UNSURE,))


def test_a_restart_in_the_same_boot_loses_no_lower_end(box: Box) -> None:
    """A killed program goes on from the saved floor, with all the time that passed since."""
    box.hear(T)
    box.keeper.save()
    box.wait(8 * HOUR_MS)
    box.start_again()

    lo_ms = box.keeper.now().lo_ms

    assert T + 8 * HOUR_MS - 5_761 <= lo_ms <= T + 8 * HOUR_MS  # 200 ppm of eight hours


def test_a_suspend_of_eight_hours_passes_as_eight_hours(box: Box) -> None:
    """What was shown before it is stale after it; what is shown then is fresh, within 200 ppm of eight hours."""
    box.hear(T)
    before = text(shown(time_s=T // 1000 - E_S))
    assert box.judge(before).reason is Reason.VALID

    box.wait(8 * HOUR_MS)

    assert box.judge(before).reason is Reason.PRESENTATION_STALE
    after = text(shown(holder_card(), time_s=(T + 8 * HOUR_MS) // 1000 - E_S))
    assert box.judge(after).reason is Reason.VALID
    now = box.keeper.now()
    assert now.hi_ms is not None
    assert now.lo_ms <= T + 8 * HOUR_MS <= now.hi_ms
    assert now.hi_ms - now.lo_ms <= 2 * 5_760 + 202


def test_six_months_in_a_cupboard_are_never_fresh(box: Box) -> None:
    """Switched off, the box cannot know how long; switched on and heard, it knows: no rung of either is FRESH."""
    box.hear(T)
    assert box.judge(GOOD).evidence.rung is Rung.FRESH
    box.keeper.save()

    box.switch_on(wall_ms=T + 183 * DAY_MS)
    unheard = box.judge(GOOD, age_since_ms=T)
    box.hear(T + 183 * DAY_MS)
    heard = box.judge(GOOD, age_since_ms=T)

    assert (unheard.evidence.rung, unheard.reason) == (Rung.STALE, Reason.VALID_STALE)
    assert (heard.evidence.rung, heard.outcome) == (Rung.OLD, Outcome.ACCEPT_PENDING)


def test_six_months_asleep_in_a_cupboard_are_never_fresh(box: Box) -> None:
    """In suspend the box's own clock runs on: it knows at once, without the network."""
    box.hear(T)

    box.wait(183 * DAY_MS)

    assert box.judge(GOOD, age_since_ms=T).evidence.rung is Rung.OLD


@given(off_days=st.integers(0, 3_000), up_ms=st.integers(0, 10 * DAY_MS), since_days=st.integers(-10, 3_000))
def test_without_an_upper_end_no_trust_is_fresh(
    tmp_path_factory: pytest.TempPathFactory, *, off_days: int, up_ms: int, since_days: int
) -> None:
    """However long it was off and up, whatever the wall clock says: STALE at best until somebody answers."""
    box = Box(tmp_path_factory.mktemp("box"), wall_ms=T + off_days * DAY_MS)
    box.keeper.raise_floor(T)
    box.wait(up_ms)

    verdict = box.judge(GOOD, age_since_ms=T - since_days * DAY_MS)

    assert verdict.evidence.rung in (Rung.STALE, Rung.OLD, Rung.LAPSED)
    assert verdict.reason in (Reason.VALID_STALE, Reason.TRUST_OLD)


def test_a_document_issued_above_hi_raises_nothing_and_alarms(box: Box) -> None:
    """Its signer's clock or ours is wrong: cards go on being judged as before, and the file stays as it was."""
    box.hear(T)
    before = box.judge(GOOD)

    box.keeper.raise_floor(T + 300 * DAY_MS)

    assert box.keeper.alarm is ClockAlarm.FLOOR_ABOVE_TIME
    assert box.judge(GOOD) == before
    assert box.keeper.save()
    assert box.saved().startswith(b"1 %d " % T)


def test_a_time_beyond_the_issuers_expiry_is_no_clock(box: Box) -> None:
    """The vectors' time of after the issuers' end anchors nothing and moves no lower end."""
    assert TRUST.issuers is not None
    before = box.keeper.now()

    box.hear(TRUST.issuers.expires_at_ms + 1)

    assert box.keeper.alarm is ClockAlarm.ANSWER_AFTER_TRUST
    assert box.keeper.now() == before


def test_a_root_that_changes_the_keys_resets_a_clock_that_was_driven_ahead(box: Box) -> None:
    """With a stolen key the clock ran 300 days ahead and expired good cards; the new root lets the truth back in."""
    box.hear(T + 300 * DAY_MS)
    box.keeper.save()
    box.switch_on()
    card = text_of("ends within 90 days", context_name=UNANCHORED)
    assert box.judge(card).reason is Reason.EXPIRED
    box.hear(T)
    assert (box.keeper.alarm, box.keeper.is_anchored) == (ClockAlarm.ANSWER_BELOW_FLOOR, False)

    assert box.keeper.reset(open_root(document("root1")).issued_at_ms)
    box.start_again()
    unsure = box.judge(card)
    box.hear(T)

    assert unsure.outcome is not Outcome.REFUSE
    assert box.keeper.now() == Interval(lo_ms=T, hi_ms=T + 201)
    assert box.judge(card).reason is Reason.VALID


def test_only_a_root_lowers_the_floor(box: Box) -> None:
    """Answers and documents of the past, restarts and reboots leave it where it is."""
    floor_ms = box.keeper.now().lo_ms
    box.hear(T - YEAR_MS)
    box.keeper.raise_floor(T - YEAR_MS)
    box.keeper.save()
    box.start_again()
    box.switch_on(wall_ms=0)

    assert box.keeper.now().lo_ms >= floor_ms


@given(wall_ms=st.integers(0, 2**43), jumps=st.lists(st.integers(-(2**42), 2**42), max_size=2))
def test_no_wall_clock_changes_a_verdict_or_the_file(
    tmp_path_factory: pytest.TempPathFactory, *, wall_ms: int, jumps: list[int]
) -> None:
    """Two boxes that differ in their wall clocks alone say and save the same."""
    right, wrong = Box(tmp_path_factory.mktemp("right")), Box(tmp_path_factory.mktemp("wrong"), wall_ms=wall_ms)
    for jump_ms in (0, *jumps):
        wrong.boot.shown_ms += jump_ms
        for box in (right, wrong):
            box.wait(HOUR_MS)
            box.hear(T + box.boot.b_ns // MS)
            box.keeper.save()
        assert right.saved() == wrong.saved()
        for card in (GOOD, REVOKED, EXPIRED):
            assert right.judge(card) == wrong.judge(card)
