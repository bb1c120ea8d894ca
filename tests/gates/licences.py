"""No GPL or AGPL in what a box runs: walks the runtime dependencies of ehc-edge, its extras included.

Prints one line a package, and exits 1 naming what it refuses. A package without any licence statement is refused too.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement

RUNTIME_EXTRAS = ("", "camera", "city", "city-postgres", "ticket")
# LGPL is a library's licence and allowed; the word boundary keeps it apart from GPL.
REFUSED = re.compile(r"\bA?GPL|\bGNU (Affero )?General Public", re.IGNORECASE)


def main() -> int:
    """Print the table; 0 when nothing is refused."""
    bad = 0
    for name, licence in sorted(runtime_licences("ehc-edge").items()):
        refused = not licence or (REFUSED.search(licence) and " OR " not in licence.upper())
        bad += bool(refused)
        print(f"{'REFUSED' if refused else 'ok':8}{name:22}{licence or 'no licence stated'}")
    return 1 if bad else 0


def runtime_licences(root: str) -> dict[str, str]:
    """Every distribution that `root` needs at run time, with its licence in its own words."""
    found: dict[str, str] = {}
    waiting = [(root, extra) for extra in RUNTIME_EXTRAS]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        dist = distribution(name)
        found[dist.metadata["Name"]] = licence_of(dist)
        for needed in requirements_of(dist, extra=extra) - seen:
            seen.add(needed)
            waiting.append(needed)
    return found


def requirements_of(dist: Distribution, *, extra: str) -> set[tuple[str, str]]:
    """What `dist` with one extra asks for on this machine: (name, extra) pairs."""
    wanted: set[tuple[str, str]] = set()
    for line in dist.requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            wanted |= {(requirement.name, each) for each in ("", *requirement.extras)}
    return wanted


def licence_of(dist: Distribution) -> str:
    """The SPDX expression, else the classifiers, else the first line of the old free-text field."""
    return next(filter(None, licence_statements(dist)), "")


def licence_statements(dist: Distribution) -> Iterator[str]:
    """Where a distribution can state its licence, best first."""
    yield dist.metadata.get("License-Expression", "")
    classifiers = [c for c in dist.metadata.get_all("Classifier", []) if c.startswith("License ::")]
    yield " OR ".join(c.rpartition(" :: ")[2] for c in classifiers)
    yield (dist.metadata.get("License", "").strip().splitlines() or [""])[0]


if __name__ == "__main__":
    sys.exit(main())
