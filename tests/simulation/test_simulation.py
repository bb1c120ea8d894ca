"""Boxes and a city over months: no verdict is wrong, and the simulation would say so if one were."""

import pytest

from edge.gm import keys
from edge.verdict import Reason
from tests.simulation.campaign import report, run
from tests.simulation.faults import FAULTS
from tests.simulation.judge import Tally
from tests.simulation.life import Life
from tests.simulation.network import Pattern
from tests.simulation.world import World
from tests.support.signature_double import SignatureDouble

EVERY_REASON = {
    Reason.VALID,
    Reason.VALID_STALE,
    Reason.CLOCK_UNSURE,
    Reason.OUT_OF_REGION,
    Reason.STATUS_NOT_COVERED,
    Reason.UNKNOWN_ISSUER,
    Reason.ISSUER_WITHDRAWN,
    Reason.WRONG_SCOPE,
    Reason.REVOKED,
    Reason.SUSPENDED,
    Reason.EXPIRED,
    Reason.NOT_YET_VALID,
    Reason.REPLAYED,
    Reason.PRESENTATION_STALE,
    Reason.PRESENTATION_FUTURE,
    Reason.PRESENTATION_MISSING,
}
OF_MONTHS = {Reason.TRUST_OLD, Reason.STATUS_MISSING}
FORGED = {Reason.BAD_SIGNATURE, Reason.MALFORMED}
FORGED_OF_MONTHS = {Reason.UNSUPPORTED_VERSION, Reason.UNKNOWN_ISSUER}
EVENTS = {"lies", "boots", "power cuts", "shutdowns", "program restarts", "suspends", "late answers", "caches damaged"}
EVENTS_OF_MONTHS = {"caches lost", "clock files lost"}


@pytest.fixture
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures cost microseconds: the one place where the double takes the place of SM2."""
    double = SignatureDouble()
    monkeypatch.setattr(keys, "default_backend", lambda: double)


def said(tally: Tally) -> str:
    """The figures, for whoever reads the log."""
    lines = "\n".join(report(tally))
    print(lines)
    return lines


@pytest.mark.usefixtures("_double")
def test_no_verdict_is_wrong(seed: int) -> None:
    """Two weeks of whatever boxes, brokers and people do: wrong accepts 0, wrong rejects 0, and every reason is met."""
    tally = run(seed=seed, boxes=18, days=14)

    assert not +tally.wrong, said(tally)
    assert tally.reasons.keys() >= EVERY_REASON
    assert tally.forged.keys() >= FORGED
    assert tally.events.keys() >= EVENTS


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("_double")
def test_no_verdict_is_wrong_in_a_season(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """200 boxes for 120 days: wrong accepts 0, wrong rejects 0; the unsure share is printed."""
    tally = run(seed=seed, boxes=200, days=120)

    with capsys.disabled():
        print(f"\nsimulation, seed {seed}")
        said(tally)
    assert not +tally.wrong
    assert tally.reasons.keys() >= EVERY_REASON | OF_MONTHS
    assert tally.forged.keys() >= FORGED | FORGED_OF_MONTHS
    assert tally.events.keys() >= EVENTS | EVENTS_OF_MONTHS


@pytest.mark.usefixtures("_double")
def test_a_box_that_is_switched_on_twice_knows_the_time() -> None:
    """Taken from the cupboard in the evening it is on when somebody presses the switch in the morning."""
    seed, number, tally = 766389747, 175, Tally()  # what a campaign found
    world = World(seed, days=120, cards=250)

    Life(world, number=number, seed=seed, pattern=tuple(Pattern)[number % len(Pattern)], tally=tally).live()

    assert not +tally.wrong, said(tally)
    assert tally.events["boots"] > 100


def test_sm2_and_its_double_give_the_same_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small city under real signatures: the same days give the same verdicts, none of them wrong."""
    real = run(seed=5, boxes=6, days=4, cards=12)
    double = SignatureDouble()
    monkeypatch.setattr(keys, "default_backend", lambda: double)

    quick = run(seed=5, boxes=6, days=4, cards=12)

    assert real.reasons == quick.reasons
    assert real.reasons.total() > 100
    assert real.forged.total() == quick.forged.total()
    assert (real.unsure_reasons, real.events) == (quick.unsure_reasons, quick.events)
    assert not +real.wrong


def test_a_run_can_be_had_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed decides everything: a campaign that found something finds it again."""
    double = SignatureDouble()
    monkeypatch.setattr(keys, "default_backend", lambda: double)

    assert run(seed=7, boxes=6, days=3, cards=12) == run(seed=7, boxes=6, days=3, cards=12)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fault in the node, the judge counts what that fault makes wrong."""
    plant, found = FAULTS[fault]
    plant(monkeypatch)

    tally = run(seed=1, boxes=30, days=14, cards=60, is_enough=lambda tally: found <= (+tally.wrong).keys())

    assert found <= (+tally.wrong).keys(), said(tally)
