"""Running an identity-card reader through a story on a clock of its own."""

from collections.abc import Callable
from typing import Any

import pytest

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.readers.id_card import SdtReader, SdtSettings
from drivers.reading import Reading
from tests.support import id_texts
from tests.support.sdt_device import SdtDevice, SdtPort

MS = 1_000_000
CARD = id_texts.citizen()
OTHER = id_texts.hmt()
SECOND = 1_000

Story = list[tuple[int, Callable[[], object]]]


def on(port: SdtPort, **settings: Any) -> SdtReader:
    """A reader on this port."""
    return SdtReader(
        "id-1",
        settings=SdtSettings(**{"port": "/dev/id-card"} | settings),
        open_port=lambda _: port,
        clock_ns=lambda: port.now_ns,
    )


async def read_all(reader: SdtReader, *, cause: LostCause = LostCause.UNPLUGGED) -> list[Reading]:
    """Open, read until the port is lost, close."""
    readings: list[Reading] = []

    async def read() -> None:
        async with reader:
            async for reading in reader.readings():
                readings.append(reading)

    with pytest.raises(ReaderLostError, match=cause):
        await read()
    return readings


async def texts_of(device: SdtDevice, story: Story, *, ends_ms: int = 20 * SECOND, **settings: Any) -> list[bytes]:
    """What is read in a story, until it ends."""
    port = SdtPort(device, story=story, ends_ms=ends_ms)
    return [reading.data for reading in await read_all(on(port, **settings))]
