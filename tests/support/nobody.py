"""Rights given up: to root no device is ever forbidden, and never exclusive."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534  # Debian's uid of an account without rights


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up the rights of root, if the tests have them."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
