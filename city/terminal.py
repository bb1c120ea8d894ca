"""Lines on the standard output, whoever reads them: a reader that has had enough, such as `head`, is no error."""

import os
import sys
from collections.abc import Iterable


def write_lines(lines: Iterable[str]) -> None:
    """Write and flush; once nobody reads any more, what follows is written nowhere and the program goes on."""
    try:
        for line in lines:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
