"""Options of the whole suite: `--campaign` runs the full figures and prints its seed, so a failure can be had again."""

import os
import random

import pytest
from hypothesis import settings

SEED_BITS = 32


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--campaign", action="store_true", help="run the full figures (longer)")
    parser.addoption("--seed", type=int, default=None, help="the seed a former campaign printed")


def pytest_configure(config: pytest.Config) -> None:
    seed = config.getoption("--seed")
    if seed is None:
        seed = int.from_bytes(os.urandom(SEED_BITS // 8)) if config.getoption("--campaign") else 0
    config.stash[SEED] = seed
    settings.register_profile("quick", max_examples=100, deadline=None, derandomize=True)
    settings.register_profile("campaign", max_examples=1_000, deadline=None)
    settings.load_profile("campaign" if config.getoption("--campaign") else "quick")


SEED = pytest.StashKey[int]()


def pytest_report_header(config: pytest.Config) -> str:
    tier = "campaign" if config.getoption("--campaign") else "quick"
    return f"tier: {tier}, seed: {config.stash[SEED]} (again with --seed)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--campaign"):
        return
    skip = pytest.mark.skip(reason="only under ./dev test --campaign")
    for item in items:
        if item.get_closest_marker("campaign"):
            item.add_marker(skip)


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """The run's seed: fixed in the quick tier, fresh and printed in a campaign."""
    return pytestconfig.stash[SEED]


@pytest.fixture
def rng(seed: int) -> random.Random:
    """A random source made from the run's seed."""
    return random.Random(seed)
