"""What the options of code scanners have in common, and how a wrong one is named.

The text of each ValueError is ``key: expected ...``, which `edge.settings` passes on to the person with the place of
the reader before it.
"""

GAP_MS_MIN, GAP_MS_MAX = 5, 900
MARK_BYTES_MAX = 64  # a prefix or suffix; scanners allow at most about 20
COMMAND_BYTES_MAX = 64  # one write that a port always takes whole


def expect(is_right: bool, expectation: str) -> None:  # noqa: FBT001
    """Raise ValueError with the expectation unless it holds."""
    if not is_right:
        raise ValueError(expectation)


def check_path(port: str) -> None:
    """Refuse what cannot be the path of a device file."""
    expect(bool(port) and "\0" not in port, "port: expected the path of a device file")


def check_gap_ms(gap_ms: int) -> None:
    """Refuse a silence that is no pause between two scans."""
    expect(GAP_MS_MIN <= gap_ms <= GAP_MS_MAX, f"gap_ms: expected {GAP_MS_MIN}..{GAP_MS_MAX}")


def check_marks(**marks: str) -> None:
    """Refuse a prefix or suffix, by its key, that is too long or holds NUL."""
    for key, mark in marks.items():
        is_short = len(mark.encode()) <= MARK_BYTES_MAX
        expect(is_short and "\0" not in mark, f"{key}: expected at most {MARK_BYTES_MAX} bytes without NUL")


def check_commands(*, is_optional: bool, **commands: str) -> None:
    """Refuse a command, by its key, that is not written in hex."""
    least = 0 if is_optional else 1
    for key, command in commands.items():
        expectation = f"{key}: expected {least}..{COMMAND_BYTES_MAX} bytes in hex"
        try:
            expect(least <= len(bytes.fromhex(command)) <= COMMAND_BYTES_MAX, expectation)
        except ValueError as error:
            raise ValueError(expectation) from error
