"""The main job with real programs: what `./dev demo` shows, and a daemon killed at any moment."""

import threading
import time

import pytest

from tests.demo.__main__ import Demo
from tests.demo.deck import ROSTER
from tests.support.city_records import codes_committed
from tests.support.town import Town

KILLS = [20, pytest.param(200, marks=pytest.mark.campaign)]
LIFE_S_MAX = 0.4  # from the open reader to the kill: a few dozen scans
DEMO_PROMISES = 6


@pytest.mark.timeout(180)
def test_every_promise_of_the_demo_holds(tmp_path, capsys):
    """What was saved is at the city exactly once and in order, although network and power went in between."""
    with Town(tmp_path) as town:
        demo = Demo(town)
        demo.run()

        ids = [record["id"] for record in town.records()]

    assert demo.has_held, capsys.readouterr().out
    assert len(demo.promises) == DEMO_PROMISES
    assert ids == demo.saved


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_daemon_loses_nothing_that_was_shown_as_saved(tmp_path, rng, kills):
    """The lamp means saved: what it was shown for is at the city exactly once and in order, whenever the kill came."""
    told: list[bytes] = []
    with Town(tmp_path) as town:
        town.found(roster=ROSTER)
        town.publish()
        town.start_broker()
        town.start_city()
        for number in range(kills):
            town.start_edge(wait_for_city=False)
            told += _scan_until_killed(town, round_number=number, life_s=rng.uniform(0, LIFE_S_MAX))
        town.start_edge()
        town.wait_delivered()
        committed = codes_committed(town.home, node=town.node)
        check = town.city("check", town.node)

    assert len(told) > kills  # the rounds did something
    assert set(told) <= set(committed)  # nothing lost; a kill between commit and lamp may leave one more
    assert sorted(set(committed)) == committed  # each once, in the order in which they were shown
    assert check["unbroken"]


def _scan_until_killed(town: Town, *, round_number: int, life_s: float) -> list[bytes]:
    """Show codes as fast as the lamp answers until the daemon dies; those for which it answered."""
    told: list[bytes] = []
    killer = threading.Timer(life_s, town.kill, ("edge",))
    killer.start()
    try:
        while True:
            # A national static code: unknown to the roster, so the record carries it to the city.
            code = f"{round_number:032X}{time.monotonic_ns():032X}:1".encode()
            if town.offer(code) is None:
                return told
            told.append(code)
    finally:
        killer.join()
