"""A code as a picture, for a card's print or a test's screen; the one door to segno."""

import os
from pathlib import Path
from typing import Any

from city.errors import AuthorityError

_QUIET_ZONE_MODULES = 4  # ISO/IEC 18004 6.3.8
_SCALE_PX = 6  # a 6-M symbol becomes 294 px: readable from a screen at arm's length


def check_picture(path: Path) -> None:
    """Whether `write_picture` could write this file, before anything is done that cannot be undone.

    Raises:
        AuthorityError: Another ending, segno is not installed, or no file can be written there.
    """
    if path.suffix.lower() not in {".svg", ".png"}:
        raise AuthorityError(f"{path.name}: a picture ends in .svg or .png")
    _segno()
    place = path if path.exists() else path.parent
    if path.is_dir() or not path.parent.is_dir() or not os.access(place, os.W_OK):
        raise AuthorityError(f"{path.name}: cannot be written, its folder is not there or is not yours")


def write_picture(path: Path, text: str) -> None:
    """Write the QR symbol of a code as SVG or PNG, by the file's ending.

    Raises:
        AuthorityError: Another ending, segno is not installed, or the file cannot be written.
    """
    check_picture(path)
    # Level M as contracts 1 counts: version 6 for a static card, 10 for a presentation.
    symbol = _segno().make_qr(text, error="m", boost_error=False)
    try:
        symbol.save(str(path), scale=_SCALE_PX, border=_QUIET_ZONE_MODULES)
    except OSError as exc:
        raise AuthorityError(f"{path.name}: cannot be written") from exc


def _segno() -> Any:
    try:
        import segno
    except ImportError as exc:
        raise AuthorityError("pictures need the extra: pip install 'ehc-edge[city]'") from exc
    return segno
