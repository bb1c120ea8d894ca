"""The lines of a ticket, fitted to the paper; pure.

A Chinese receipt printer holds the characters of GBK. A line with any other is drawn instead of sent as text. What no
printer shows, control characters above all, never reaches it: a name from a card could hold the printer's commands.
"""

UNSHOWN = "〓"  # the mark for a character that cannot be set


def shown(line: str) -> str:
    """Return the line with `UNSHOWN` for every character that has no picture: control, private use, unassigned."""
    return "".join(character if character.isprintable() else UNSHOWN for character in line)


def is_in_gbk(line: str) -> bool:
    """Whether the printer's own characters can show the line."""
    try:
        line.encode("gbk")
    except UnicodeEncodeError:
        return False
    return True


def columns_of(text: str) -> int:
    """Return how many columns the text is wide: one for each ASCII character, two for each other."""
    return sum(1 if character.isascii() else 2 for character in text)


def wrapped(line: str, *, columns: int) -> list[str]:
    """Return the line in pieces that fit the paper, at least one.

    Args:
        line: Any text.
        columns: Width of the paper, 2 or more.
    """
    pieces, width = [""], 0
    for character in line:
        wide = columns_of(character)
        if width + wide > columns:
            pieces.append("")
            width = 0
        pieces[-1] += character
        width += wide
    return pieces
