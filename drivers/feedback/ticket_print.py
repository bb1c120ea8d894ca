"""The one door to python-escpos: lines of a ticket into the bytes that a receipt printer obeys (ESC/POS).

Only bytes are made here, by python-escpos's printer without a printer; a port of ours carries them, because its own
ports block. Drawing, by Pillow, blocks too, so this runs in a thread. Both libraries are imported when the first
ticket is printed: that takes a third of a second, and a box without a printer does without them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from drivers.errors import FeedbackError
from drivers.feedback.device import FeedbackCause
from drivers.feedback.ticket_text import UNSHOWN, is_in_gbk, shown, wrapped

_HAN_ON = b"\x1c&"  # FS &: two-byte characters, in printers for China GB 18030
_FEED_LINES = 3  # from the print head to the cutter or the edge to tear at


def rendered(lines: Iterable[str], *, columns: int, dots: int, fonts: Sequence[str], cuts: bool) -> bytes:
    """Return the bytes of a ticket.

    Args:
        lines: Longer ones are wrapped.
        columns: Characters of ASCII on a line.
        dots: Width of the paper in dots.
        fonts: Font files for what is beyond GBK, the first that has every character of a line is taken; without any
            that can be read, those characters become `UNSHOWN`.
        cuts: Whether to cut the paper.

    Raises:
        FeedbackError: The libraries are not installed.
    """
    try:
        from escpos.printer import Dummy
    except ImportError as exc:
        raise FeedbackError(FeedbackCause.NO_LIBRARY) from exc
    printer = Dummy()
    # Without a width of its paper the library prints advice to the program's output.
    printer.profile.profile_data = {**printer.profile.profile_data, "media": {"width": {"pixels": dots}}}
    printer.hw("INIT")
    printer._raw(_HAN_ON)  # noqa: SLF001  # its documented way for bytes of one's own
    usable: list[Any] | None = None
    for line in lines:
        for piece in wrapped(shown(line), columns=columns):
            if not is_in_gbk(piece):
                usable = _usable(fonts, size=2 * dots // columns) if usable is None else usable
                picture = _drawn(piece, fonts=usable, dots=dots) if usable else None
                if picture is not None:
                    printer.image(picture)
                    continue
            printer._raw(_as_text(piece))  # noqa: SLF001
    printer.print_and_feed(_FEED_LINES)
    if cuts:
        printer.cut(feed=False)
    return bytes(printer.output)


def _as_text(piece: str) -> bytes:
    return "".join(c if is_in_gbk(c) else UNSHOWN for c in piece).encode("gb18030") + b"\n"


def _usable(fonts: Sequence[str], *, size: int) -> list[Any]:
    """The fonts that can be read."""
    from PIL import ImageFont

    found = []
    for path in fonts:
        try:
            found.append(ImageFont.truetype(path, size))
        except OSError:  # not installed, or no font
            continue
    return found


def _drawn(piece: str, *, fonts: Sequence[Any], dots: int) -> Any:
    """A picture of the line, black on white; None: a font is broken inside, which only drawing shows."""
    from PIL import Image, ImageDraw

    try:
        font = next((font for font in fonts if _has_all(font, text=piece)), fonts[-1])
        ascent, descent = font.getmetrics()
        picture = Image.new("1", (dots, ascent + descent), 1)  # two tones: grey would be dithered into noise
        ImageDraw.Draw(picture).text((0, 0), piece, font=font, fill=0)
    except OSError:
        return None
    return picture


def _has_all(font: Any, *, text: str) -> bool:
    """Whether no character is drawn as the font draws one that does not exist (U+FFFF is none)."""
    absent = bytes(font.getmask("\uffff"))
    return all(character.isspace() or bytes(font.getmask(character)) != absent for character in text)
