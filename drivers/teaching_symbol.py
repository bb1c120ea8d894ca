"""The QR symbol of `drivers.teaching.TEACH_TEXT`: data, because no program that reads codes need be able to make one.

A test holds it against what a QR library makes of the same text and against what a decoder reads in it.
"""

ROWS = (
    "#######..#...#.##...#.#######",
    "#.....#......#.#.####.#.....#",
    "#.###.#...#.#...#.###.#.###.#",
    "#.###.#.....####...#..#.###.#",
    "#.###.#..##..#.#......#.###.#",
    "#.....#.######..#.#.#.#.....#",
    "#######.#.#.#.#.#.#.#.#######",
    ".........#....##..##.........",
    "#..#.##.####.####..###.#.....",
    "##.###.#..#..###.#....##..###",
    ".#..####...###.##..#...##.#..",
    ".#..##..#.#..#.########...#.#",
    "#..#.####.#.#...####..##.##.#",
    "###.##.##.#..##....#...#.#.##",
    ".##.###..#...#.#.#....###..##",
    "....##...##.##..#.##..##...#.",
    ".##..##...#.#...#.#....#.##.#",
    "...###.##.###.....#.#.#...##.",
    "#.#.#.#.#..######.#..##..####",
    "....##..#...#...#..#######..#",
    "#...#.###...##.#....#####..##",
    "........##.#.#...#..#...##.#.",
    "#######...#...###...#.#.#.##.",
    "#.....#.######.######...#.###",
    "#.###.#.......#.#.#.#####.#..",
    "#.###.#.#.#......#..###.#..#.",
    "#.###.#..#.#..##.###.#.####.#",
    "#.....#..###.####.#.#..#...#.",
    "#######.#.#.##...#####...###.",
)
"""The modules, row by row, dark ones as ``#`` (ISO/IEC 18004: version 3, error correction M)."""

QUIET = 4  # ISO/IEC 18004: light modules around the symbol
_BLOCKS = {"..": "█", ".#": "▀", "#.": "▄", "##": " "}  # what is drawn is the light


def drawn() -> str:
    """Return the symbol for a terminal of light letters on a dark ground, two rows of modules in a line."""
    width = len(ROWS[0]) + 2 * QUIET
    margin = ["." * width] * QUIET
    rows = [*margin, *(f"{'.' * QUIET}{row}{'.' * QUIET}" for row in ROWS), *margin, "." * width]  # an even number
    lines = (zip(rows[at], rows[at + 1], strict=True) for at in range(0, len(rows), 2))
    return "".join("".join(_BLOCKS[upper + lower] for upper, lower in line) + "\n" for line in lines)
