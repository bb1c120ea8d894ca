"""The readers that the conformance suite is run against: what each family's ``bench_*`` module brings.

The environment's ``EHC_EDGE_BENCHES`` names further modules with benches, for drivers that are not ours.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tests.conformance import bench_camera, bench_id_card, bench_other_driver, bench_pcsc, bench_replay, bench_scanners
from tests.conformance.bench import Bench

BENCHES: dict[str, Callable[[Path], Bench]] = {
    **bench_camera.BENCHES,
    **bench_id_card.BENCHES,
    **bench_other_driver.BENCHES,
    **bench_pcsc.BENCHES,
    **bench_replay.BENCHES,
    **bench_scanners.BENCHES,
}
for _module in os.environ.get("EHC_EDGE_BENCHES", "").split():
    BENCHES |= import_module(_module).BENCHES
