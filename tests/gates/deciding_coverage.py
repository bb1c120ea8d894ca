"""Code that parses or decides is covered whole: every module of the sans-IO contract, every branch.

Reads what the last pytest run with ``--cov`` left, the modules of the import contract, and the few that decide without
being pure. Exits 1 naming each module that is not at 100 %.
"""

import contextlib
import io
import sys
import tomllib
from pathlib import Path

import coverage

CONTRACT = "parsing and deciding touch no port, file, clock, log or loop"
# These decide too, and may not be pure: they store, watch or are told the time by the loop.
DECIDING_TOO = (
    "city.asks",
    "city.deltas",
    "city.desk",
    "city.ingest",
    "city.orders",
    "city.rotation",
    "drivers.feedback.desk",
    "drivers.keep_open",
    "drivers.readers.framed",
    "drivers.readers.id_card",
    "drivers.readers.pcsc_slots",
    "drivers.scanner_models",
    "edge.api.access",
    "edge.boot",
    "edge.city_documents",
    "edge.clock_file",
    "edge.driver_options",
    "edge.intake",
    "edge.sam_memory",
    "edge.settings",
    "edge.timekeeper",
    "edge.trust_import",
    "edge.trust_keeper",
    "edge.trust_store",
    "edge.trust_watch",
    "sync.blobs",
    "sync.order_book",
)


def main() -> int:
    """Print what is missing; 0 when nothing is."""
    contracts = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    modules = next(contract["source_modules"] for contract in contracts if contract["name"] == CONTRACT)
    patterns = [pattern for module in (*modules, *DECIDING_TOO) for pattern in patterns_of(module)]
    data = coverage.Coverage()
    data.load()
    report = io.StringIO()
    with contextlib.suppress(coverage.exceptions.NoDataError):
        total = data.report(include=patterns, file=report, skip_covered=True, show_missing=True)
        print(f"deciding code: {total:.2f} % of lines and branches covered")
        if total == 100:
            return 0
    print(report.getvalue())
    return 1


def patterns_of(module: str) -> list[str]:
    """The files of a module or package."""
    path = module.replace(".", "/")
    return [f"{path}/*.py"] if Path(path).is_dir() else [f"{path}.py"]


if __name__ == "__main__":
    sys.exit(main())
