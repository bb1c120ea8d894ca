"""A code as a picture, for a card's print or a test's screen; the one door to segno."""

from pathlib import Path

from city.errors import AuthorityError

_QUIET_ZONE_MODULES = 4  # ISO/IEC 18004 6.3.8
_SCALE_PX = 6  # a 6-M symbol becomes 294 px: readable from a screen at arm's length


def write_picture(path: Path, text: str) -> None:
    """Write the QR symbol of a code as SVG or PNG, by the file's ending.

    Raises:
        AuthorityError: Another ending, segno is not installed, or the file cannot be written.
    """
    if path.suffix.lower() not in {".svg", ".png"}:
        raise AuthorityError(f"{path.name}: a picture ends in .svg or .png")
    try:
        import segno
    except ImportError as exc:
        raise AuthorityError("pictures need the extra: pip install 'ehc-edge[city]'") from exc
    # Level M as contracts 1 counts: version 6 for a static card, 10 for a presentation.
    symbol = segno.make_qr(text, error="m", boost_error=False)
    try:
        symbol.save(str(path), scale=_SCALE_PX, border=_QUIET_ZONE_MODULES)
    except OSError as exc:
        raise AuthorityError(f"{path.name}: cannot be written") from exc
