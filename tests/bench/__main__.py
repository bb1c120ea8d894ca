"""`./dev bench NAME`: JSON lines with `name, value, unit`; a `ratio` is a rate, ours divided by the raw library's.

1 = equal, more is better, met when `ratio >= budget`. A line without `ratio` is a cost, met when `value <= budget`.
Ours and the raw library take turns in short rounds, so that a machine whose speed drifts treats both alike.
"""

import argparse
import sys
from collections.abc import Callable

from tests.bench import camera, cards, ledger, lists, scan, verify

BENCHES: dict[str, Callable[[], None]] = {
    "camera": camera.main,
    "cards": cards.main,
    "verify": verify.main,
    "ledger": ledger.main,
    "lists": lists.main,
    "scan": scan.main,
}


def main() -> int:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHES))
    BENCHES[parser.parse_args().name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
