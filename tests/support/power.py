"""A power cut, or a disk that fails, at the n-th thing a program asks of its files."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

OPERATIONS = ("open", "fsync", "replace", "unlink", "mkdir")


class PowerCut(BaseException):
    """Nothing after this happens: no handler of a program sees it."""


@contextmanager
def fails_at(number: int, *, error: Callable[[], BaseException] = PowerCut) -> Iterator[Callable[[], int]]:
    """Let the n-th operation (from 1) fail and every one after it, as after a cut.

    A file whose sync fails keeps the first half of its bytes: what was not synced may be lost, and in part.

    Yields:
        How many operations were asked for.
    """
    asked = 0

    def failing(operation: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            nonlocal asked
            asked += 1
            if asked < number:
                return operation(*args, **kwargs)
            if operation is fsync and stat.S_ISREG((found := os.fstat(args[0])).st_mode):
                os.ftruncate(args[0], found.st_size // 2)
            raise error()

        return called

    fsync = os.fsync
    with pytest.MonkeyPatch.context() as patch:
        for name in OPERATIONS:
            patch.setattr(os, name, failing(getattr(os, name)))
        yield lambda: asked
