"""The driver of docs/drivers.md for the conformance suite: the page's own bench, the reader as a node has it."""

import importlib
from collections.abc import Callable
from pathlib import Path

from drivers import registry
from edge import settings
from tests.conformance.bench import Bench
from tests.support import other_driver

NODE = '[node]\nname = "n-1"\norg = "o"\n'


def _bench(folder: Path) -> Bench:
    packages = folder / "packages"
    packages.mkdir()
    other_driver.put_into(packages)
    shown = other_driver.file_of("edge.toml")
    with other_driver.installed(packages):
        (make,) = importlib.import_module("tilde_bench").BENCHES.values()
        (reader,) = settings.parse((NODE + shown).encode()).readers
        bench: Bench = make(folder)
        here = settings.ReaderSettings(name=reader.name, type=reader.type, options={"port": str(folder / "scanner")})
        bench.reader = registry.load(here.type).build(here.name, settings=settings.reader_options(here))
    return bench


BENCHES: dict[str, Callable[[Path], Bench]] = {"other-driver": _bench}
