"""A driver of somebody else under the conformance suite, by the door that docs/drivers.md shows."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support import other_driver


def test_the_suite_takes_the_benches_that_the_environment_names(tmp_path: Path) -> None:
    """The page's own bench is run by the page's own command: every test of the suite is there for it."""
    other_driver.put_into(tmp_path)
    words = ["--collect-only", "-p", "no:cacheprovider", "-k", "tilde", "tests/conformance"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"EHC_EDGE_BENCHES": "tilde_bench", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_it_comes_back[tilde]" in done.stdout
    assert "test_it_leaks_no_descriptor[tilde]" in done.stdout
