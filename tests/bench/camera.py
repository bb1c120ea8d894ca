"""Codes in bad pictures: how many are read and how long a frame takes, by ours and by each decoder alone.

A frame is 640 x 480 grey pixels in memory; unpacking a JPEG is not in it. Milliseconds are of the CPU, in one thread.
``still`` is what reads a photograph (zxing-cpp, pyzbar where that finds nothing, then zxing-cpp on a smoothed picture),
``live`` what reads a camera's frames (zxing-cpp); ``zxing`` and ``pyzbar`` are the same libraries with nothing round
them but a comparison. pyzbar cannot read Data Matrix, so all shares are given without those, too. A reading that is not
the code shown is worse than none and is counted apart.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import thread_time

import zxingcpp
from PIL import Image
from pyzbar import pyzbar

from drivers.transport.camera import Luma, Symbol, Symbology, decode_frame, read_still
from tests.bench.turns import report
from tests.support.degrade import degraded
from tests.support.pictures import qr_picture, symbol_picture

SEED = 20261123
SAMPLES = 6
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"  # base45, as EHC1 has it
QR_6M_CHARS, QR_10M_CHARS = 154, 311  # ISO/IEC 18004 table 7: what an alphanumeric QR code of that size holds

_ZXING_FORMATS = [
    zxingcpp.BarcodeFormat.QRCode,
    zxingcpp.BarcodeFormat.DataMatrix,
    zxingcpp.BarcodeFormat.Code128,
    zxingcpp.BarcodeFormat.EAN13,
    zxingcpp.BarcodeFormat.EAN8,
]
_PYZBAR_KINDS = [
    pyzbar.ZBarSymbol.QRCODE,
    pyzbar.ZBarSymbol.CODE128,
    pyzbar.ZBarSymbol.EAN13,
    pyzbar.ZBarSymbol.EAN8,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A frame and the code in it."""

    way: str
    symbology: Symbology
    text: str
    luma: Luma


@dataclass(slots=True, kw_only=True)
class Score:
    """What a decoder made of some frames."""

    frames: int = 0
    read: int = 0
    wrong: int = 0
    taken_s: float = 0.0

    def count(self, texts: list[str], *, shown: Shown, taken_s: float) -> None:
        """Count one frame."""
        self.frames += 1
        self.read += shown.text in texts
        self.wrong += any(text != shown.text for text in texts)
        self.taken_s += taken_s

    @property
    def share(self) -> float:
        """Frames read, of all."""
        return self.read / self.frames

    @property
    def frame_ms(self) -> float:
        """Milliseconds a frame."""
        return 1000 * self.taken_s / self.frames


Decoder = Callable[[Luma], list[str]]


def main() -> None:
    """Print the seed and four lines, for all, for each way, and for what pyzbar can read."""
    print(json.dumps({"name": "camera_seed", "value": SEED, "unit": "seed"}), flush=True)
    scores = measure(shown_frames(random.Random(SEED), samples=SAMPLES))
    ways = list(dict.fromkeys(way for way, _, _ in scores))
    for way in ways:
        _report(f"camera_{way}", {name: _sum(scores, name=name, way=way) for name in DECODERS})
    _report("camera_no_data_matrix", {name: _sum(scores, name=name, but=Symbology.DATA_MATRIX) for name in DECODERS})
    everything = {name: _sum(scores, name=name) for name in DECODERS}
    _report("camera_all", everything)
    report("camera_all_wrong", everything["still"].wrong, "frames", budget=0)


def measure(frames: Iterator[Shown]) -> dict[tuple[str, Symbology, str], Score]:
    """Let every decoder read every frame, in turns; scores by way, kind of code and decoder."""
    scores: dict[tuple[str, Symbology, str], Score] = {}
    for number, shown in enumerate(frames):
        names = list(DECODERS)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            begin = thread_time()
            texts = DECODERS[name](shown.luma)
            taken_s = thread_time() - begin
            score = scores.setdefault((shown.way, shown.symbology, name), Score())
            score.count(texts, shown=shown, taken_s=taken_s)
    return scores


def shown_frames(rng: random.Random, *, samples: int) -> Iterator[Shown]:
    """Frames of new codes of each kind, each made worse in every way."""
    for _ in range(samples):
        for symbology, text, code in _codes(rng):
            for each in degraded(code, rng=rng):
                pixels = each.picture.tobytes()
                luma = Luma(pixels=pixels, width=each.picture.width, height=each.picture.height)
                yield Shown(way=each.way, symbology=symbology, text=text, luma=luma)


def _codes(rng: random.Random) -> Iterator[tuple[Symbology, str, Image.Image]]:
    for chars in (QR_6M_CHARS, QR_10M_CHARS):
        text = "EHC1:" + "".join(rng.choices(ALPHABET, k=chars - 5))
        yield Symbology.QR, text, qr_picture(text)
    trace = "8" + "".join(rng.choices("0123456789", k=19))
    for symbology in (Symbology.DATA_MATRIX, Symbology.CODE_128):
        yield symbology, trace, symbol_picture(trace, symbology=symbology)


def _texts(symbols: list[Symbol]) -> list[str]:
    return [symbol.payload.decode("latin-1") for symbol in symbols]


def _zxing_alone(luma: Luma) -> list[str]:
    pixels = memoryview(luma.pixels).cast("B", (luma.height, luma.width))
    return [each.bytes.decode("latin-1") for each in zxingcpp.read_barcodes(pixels, formats=_ZXING_FORMATS)]


def _pyzbar_alone(luma: Luma) -> list[str]:
    found = pyzbar.decode((luma.pixels, luma.width, luma.height), symbols=_PYZBAR_KINDS)
    return [each.data.decode("latin-1") for each in found]


DECODERS: dict[str, Decoder] = {
    "still": lambda luma: _texts(read_still(luma)),
    "live": lambda luma: _texts(decode_frame(luma)),
    "zxing": _zxing_alone,
    "pyzbar": _pyzbar_alone,
}


def _sum(
    scores: dict[tuple[str, Symbology, str], Score], *, name: str, way: str | None = None, but: Symbology | None = None
) -> Score:
    total = Score()
    for (its_way, symbology, its_name), score in scores.items():
        if its_name == name and way in (None, its_way) and symbology is not but:
            total.frames += score.frames
            total.read += score.read
            total.wrong += score.wrong
            total.taken_s += score.taken_s
    return total


def _report(name: str, scores: dict[str, Score]) -> None:
    """The share read and the time of each; the ratio is ours on stills by the better of the two alone."""
    best = max(scores["zxing"].share, scores["pyzbar"].share)
    report(f"{name}_still", scores["still"].share, "of frames read", ratio=scores["still"].share / best, budget=1.0)
    for other in ("live", "zxing", "pyzbar"):
        report(f"{name}_{other}", scores[other].share, "of frames read")
    for each, score in scores.items():
        report(f"{name}_{each}_ms", score.frame_ms, "ms a frame")
