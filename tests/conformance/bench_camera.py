"""A camera for the conformance suite: JPEGs through a named pipe, a real kernel and real decoders behind it.

Each frame that shows a code is a showing here (``same_code_s`` 0), or the suite's repeated codes would be one.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from drivers.readers.camera import CameraReader, CameraSettings
from tests.conformance.bench import Bench
from tests.support.camera_pipe import CameraPipe
from tests.support.pictures import jpeg, qr_picture
from tests.support.waiting import until

ENDS_BYTES = 24  # of a frame that are cut one by one; between them one byte in `STEP`
STEP = 4


class CameraBench(Bench):
    """A camera whose frames another program sends."""

    def __init__(self, folder: Path) -> None:
        self._pipe = CameraPipe(folder / "camera")
        settings = CameraSettings(source=str(self._pipe.path), same_code_s=0)
        self.reader = CameraReader("camera-1", settings=settings)

    def plug(self) -> None:
        self._pipe.plug()

    def unplug(self) -> None:
        self._pipe.unplug()

    async def send(self, data: bytes) -> None:
        await asyncio.to_thread(self._pipe.write, data)
        await until(lambda: self._pipe.unread_count() == 0)

    def frames(self, *codes: str) -> list[bytes]:
        return [jpeg(qr_picture(code, module_px=2), quality=20) for code in codes]

    def cuts(self, frame: bytes) -> Iterable[int]:
        """Its first and last bytes, where the markers are, and each `STEP`-th between: a frame is about 900 bytes."""
        inner = range(ENDS_BYTES, len(frame) - ENDS_BYTES, STEP)
        return [*range(1, ENDS_BYTES), *inner, *range(len(frame) - ENDS_BYTES, len(frame))]


BENCHES: dict[str, Callable[[Path], Bench]] = {"camera-pipe": CameraBench}
