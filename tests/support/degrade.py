"""Pictures of codes made worse, the way cameras and people do: by Pillow alone, the same again from the same seed.

Each way has its strengths, the weakest first; what a strength is stands at its function. A picture is a grey frame of
`SIZE` with one code in its middle, some 300 pixels wide before it is made worse.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from PIL import Image, ImageChops, ImageFilter

SIZE = (640, 480)
PAPER = 200  # a sheet in a clinic's light
INK = 40

Way = Callable[[Image.Image, float, random.Random], Image.Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """One picture made worse.

    Attributes:
        way: How, a key of `WAYS`.
        strength: How much.
        picture: The frame.
    """

    way: str
    strength: float
    picture: Image.Image


def blur(frame: Image.Image, strength: float, _rng: random.Random) -> Image.Image:
    """Out of focus: a Gauss blur of so many pixels."""
    return frame.filter(ImageFilter.GaussianBlur(strength))


def rotation(frame: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Held at a slant: turned by so many degrees, one way or the other."""
    return frame.rotate(strength * rng.choice((-1, 1)), Image.Resampling.BILINEAR, fillcolor=PAPER)


def noise(frame: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Too little light: each pixel off by up to so many grey levels, evenly spread."""
    drawn = Image.frombytes("L", frame.size, rng.randbytes(frame.width * frame.height))
    scaled = drawn.point([round(level * 2 * strength / 255) for level in range(256)])
    return ImageChops.add(frame, scaled, offset=-round(strength))


def contrast(frame: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """A screen gone dark or a faded print: what is left of the contrast, 1 being all, round some middle grey."""
    middle = rng.uniform(60, 200)
    return frame.point([round(min(255, max(0, middle + (level - 120) * strength))) for level in range(256)])


def perspective(frame: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Seen from the side: one edge shorter by this share of it."""
    width, height = frame.size
    inset_x, inset_y = strength * width / 2, strength * height / 2
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    seen = [(inset_x, inset_y), (width, 0.0), (width, height), (inset_x, height - inset_y)]
    frame = frame.rotate(90 * rng.randrange(4), fillcolor=PAPER)
    return frame.transform(
        frame.size,
        Image.Transform.PERSPECTIVE,
        _plane(seen, corners),
        Image.Resampling.BILINEAR,
        fillcolor=PAPER,
    )


def moire(frame: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """A telephone's screen before a camera: a grid of dark lines, this much darker, met by a coarser grid of pixels."""
    fine = frame.resize((frame.width * 3, frame.height * 3), Image.Resampling.NEAREST)
    cell = Image.new("L", (3, 3), 255)
    for place in range(3):
        cell.putpixel((2, place), round(255 * (1 - strength)))
        cell.putpixel((place, 2), round(255 * (1 - strength)))
    grid = Image.new("L", fine.size)
    row = Image.new("L", (fine.width, 3))
    for x in range(0, fine.width, 3):
        row.paste(cell, (x, 0))
    for y in range(0, fine.height, 3):
        grid.paste(row, (0, y))
    screen = ImageChops.multiply(fine, grid)
    screen = screen.rotate(rng.uniform(1, 6), Image.Resampling.NEAREST, fillcolor=PAPER)
    return screen.resize(frame.size, Image.Resampling.NEAREST)


def small(frame: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Far away: only this share of its width, at a place between the pixels, on a sheet that fills the frame."""
    width, height = round(frame.width * strength), round(frame.height * strength)
    away = ImageChops.offset(frame, rng.randrange(4), rng.randrange(4)).resize((width, height), Image.Resampling.BOX)
    sheet = Image.new("L", frame.size, PAPER)
    sheet.paste(away, (rng.randrange(frame.width - width), rng.randrange(frame.height - height)))
    return sheet


WAYS: Mapping[str, tuple[Way, tuple[float, ...]]] = MappingProxyType(
    {
        "blur": (blur, (1.0, 2.0, 3.0, 4.0)),
        "rotation": (rotation, (5.0, 15.0, 30.0, 45.0)),
        "noise": (noise, (30.0, 60.0, 90.0, 120.0)),
        "contrast": (contrast, (0.5, 0.25, 0.12, 0.06)),
        "perspective": (perspective, (0.1, 0.2, 0.3, 0.4)),
        "moire": (moire, (0.2, 0.4, 0.6, 0.8)),
        "small": (small, (0.6, 0.45, 0.35, 0.25)),
    }
)


def framed(code: Image.Image) -> Image.Image:
    """A code on a sheet before a camera, as large as the frame has room for, at most half of its width."""
    share = min(SIZE[0] / 2 / code.width, SIZE[1] * 0.9 / code.height)
    size = (round(code.width * share), round(code.height * share))
    printed = code.resize(size, Image.Resampling.BOX).point(
        [INK + level * (PAPER - INK) // 255 for level in range(256)]
    )
    sheet = Image.new("L", SIZE, PAPER)
    sheet.paste(printed, ((SIZE[0] - size[0]) // 2, (SIZE[1] - size[1]) // 2))
    return sheet


def degraded(code: Image.Image, *, rng: random.Random) -> Iterator[Degraded]:
    """One picture of each way and strength."""
    frame = framed(code)
    for way, (make_worse, strengths) in WAYS.items():
        for strength in strengths:
            yield Degraded(way=way, strength=strength, picture=make_worse(frame, strength, rng))


def _plane(seen: list[tuple[float, float]], meant: list[tuple[float, float]]) -> list[float]:
    """The eight numbers by which Pillow finds for each point of the picture the one it comes from."""
    rows = []
    for (x, y), (u, v) in zip(seen, meant, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    return _solved(rows)


def _solved(rows: list[list[float]]) -> list[float]:
    """Gauss and Jordan, with the largest pivot: each row ends with its right side."""
    for at in range(len(rows)):
        pivot = max(range(at, len(rows)), key=lambda row: math.fabs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [value / rows[at][at] for value in rows[at]]
        for other in range(len(rows)):
            if other != at:
                factor = rows[other][at]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[at], strict=True)]
    return [row[-1] for row in rows]
