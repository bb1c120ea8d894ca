"""An identity-card reader with every fault one has had, on a clock of its own: no device, no waiting."""

import logging
from types import TracebackType
from typing import Any, Self

import pytest

from drivers.errors import ReaderLostError
from drivers.reader import Feedback, LostCause
from drivers.readers.id_card import ASKED_COUNT_MAX, SdtReader, SdtSettings
from drivers.reading import Medium
from drivers.transport.serial_port import SerialParameters
from tests.support import id_texts
from tests.support.sdt_device import (
    FIND,
    PHOTO,
    SAM_ID_TEXT,
    SAM_NUMBER,
    SdtDevice,
    SdtPort,
)
from tests.support.sdt_reading import CARD, MS, OTHER, SECOND, Story, on, read_all, texts_of

DEVICES = pytest.mark.parametrize("finds_again", [False, True])


@DEVICES
async def test_a_card_is_one_reading(finds_again: bool) -> None:
    """A card that lies there for seconds is read once: the text alone, with name, time and medium."""
    device = SdtDevice(finds_again=finds_again)
    port = SdtPort(device, story=[(SECOND, lambda: device.lay(CARD))], ends_ms=15 * SECOND)

    (reading,) = await read_all(on(port))

    assert (reading.reader, reading.medium, reading.data) == ("id-1", Medium.ID_CARD, CARD)
    assert reading.text == ""
    assert SECOND * MS <= reading.read_at_monotonic_ns <= 2 * SECOND * MS


@DEVICES
async def test_the_same_card_laid_down_again_is_read_again(finds_again: bool) -> None:
    """It must have left in between."""
    device = SdtDevice(finds_again=finds_again)
    story: Story = [(0, lambda: device.lay(CARD)), (4_000, device.take), (6_000, lambda: device.lay(CARD))]

    assert await texts_of(device, story) == [CARD, CARD]


@DEVICES
async def test_another_card_in_its_place_is_read(finds_again: bool) -> None:
    """A card that is swapped without a gap is a card of its own."""
    device = SdtDevice(finds_again=finds_again)
    story: Story = [(0, lambda: device.lay(CARD)), (2_000, lambda: device.lay(OTHER))]

    assert await texts_of(device, story) == [CARD, OTHER]


class FlickeringDevice(SdtDevice):
    """Finds a card that lies still every other time."""

    def _judged(self, command: bytes) -> tuple[int, bytes]:
        if command == FIND and self.asked[FIND] % 2:
            return 0x80, b""
        return super()._judged(command)


async def test_a_reader_that_finds_a_still_card_every_other_time_reads_it_once() -> None:
    """One find that fails is no leaving."""
    device = FlickeringDevice(finds_again=True)

    assert await texts_of(device, [(0, lambda: device.lay(CARD))]) == [CARD]


async def test_a_still_card_does_not_keep_the_reader_busy() -> None:
    """A card that stays is looked at every few seconds, not at every poll."""
    device = SdtDevice(finds_again=True)

    await texts_of(device, [(0, lambda: device.lay(CARD))], ends_ms=31 * SECOND)

    assert 5 <= device.read_count <= 12
    assert device.asked[FIND] > 90


async def test_the_photograph_does_not_leave_the_driver() -> None:
    """What goes up is the text; nothing of the reader holds the photograph afterwards."""
    device = SdtDevice()
    device.lay(CARD)
    port = SdtPort(device, story=[], ends_ms=5 * SECOND)
    reader = on(port)

    (reading,) = await read_all(reader)

    assert len(reading.data) == 256
    assert PHOTO not in reader._framer._pending


async def test_a_loose_cable_shows_no_card_twice() -> None:
    """A card that lies there through a loss is the same showing."""
    devices = [SdtDevice(finds_again=True), SdtDevice(finds_again=True)]
    for device in devices:
        device.lay(CARD)
    ports = [SdtPort(device, story=[], ends_ms=5 * SECOND) for device in devices]
    reader = SdtReader(
        "id-1",
        settings=SdtSettings(port="/dev/id-card"),
        open_port=lambda _: ports[0],
        clock_ns=lambda: ports[0].now_ns,
    )

    first = await read_all(reader)
    del ports[0]
    second = await read_all(reader)

    assert ([reading.data for reading in first], second) == ([CARD], [])


async def test_the_number_of_the_sam_is_there_for_a_probe() -> None:
    """Opened, the reader says what its SAM calls itself."""
    reader = on(SdtPort(SdtDevice(), story=[], ends_ms=SECOND))

    async with reader:
        assert reader.sam_number == SAM_ID_TEXT
        assert reader.trouble is None


@pytest.mark.parametrize("status", [0x21, 0x23, 0x91, 0x80])
async def test_a_reader_that_does_not_tell_its_number_reads(status: int) -> None:
    """Any answer shows that such a reader is there."""
    device = SdtDevice()
    device.faults.status[SAM_NUMBER] = status
    port = SdtPort(device, story=[(0, lambda: device.lay(CARD))], ends_ms=20 * SECOND)
    reader = on(port)

    assert [reading.data for reading in await read_all(reader)] == [CARD]
    assert reader.sam_number is None


class ClosingPort(SdtPort):
    """Says whether it is open."""

    is_open = False

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_open = False


async def test_an_opening_that_fails_leaves_no_port_open() -> None:
    """The port is closed again if what is on it is no such reader, and can be opened once more."""
    device = SdtDevice()
    device.faults.silent = ASKED_COUNT_MAX
    port = ClosingPort(device, story=[], ends_ms=60 * SECOND)
    reader = on(port)

    with pytest.raises(ReaderLostError):
        await reader.__aenter__()

    assert not port.is_open
    async with reader:
        assert port.is_open
    assert not port.is_open


async def test_reading_a_closed_reader_is_a_bug() -> None:
    """A reader is opened before it is read."""
    with pytest.raises(RuntimeError):
        await anext(on(SdtPort(SdtDevice(), story=[], ends_ms=SECOND)).readings())


async def test_it_has_no_lamp() -> None:
    """A signal is ignored, open or not."""
    device = SdtDevice()
    reader = on(SdtPort(device, story=[], ends_ms=SECOND))

    await reader.signal(Feedback.ACCEPT)
    async with reader:
        await reader.signal(Feedback.REFUSE)

    assert set(device.asked) == {SAM_NUMBER}


async def test_the_port_gets_its_parameters() -> None:
    """What the configuration says of the line reaches the port; the factory's 115200 is what stands there by itself."""
    asked: list[SerialParameters] = []

    def open_port(parameters: SerialParameters) -> SdtPort:
        asked.append(parameters)
        raise ReaderLostError(LostCause.BUSY)

    for settings in (SdtSettings(port="/dev/id"), SdtSettings(port="/dev/id", baud=9_600)):
        with pytest.raises(ReaderLostError, match="busy"):
            await SdtReader("id-1", settings=settings, open_port=open_port).__aenter__()

    assert asked == [SerialParameters(path="/dev/id", baud=115_200), SerialParameters(path="/dev/id", baud=9_600)]


@pytest.mark.parametrize(
    ("wrong", "expectation"),
    [
        ({"port": ""}, "port: expected"),
        ({"port": "a\0b"}, "port: expected"),
        ({"baud": 299}, "baud: expected 300..921600"),
        ({"baud": 921_601}, "baud: expected 300..921600"),
        ({"poll_ms": 19}, "poll_ms: expected 20..2000"),
        ({"poll_ms": 2_001}, "poll_ms: expected 20..2000"),
        ({"answer_ms": 99}, "answer_ms: expected 100..5000"),
        ({"answer_ms": 5_001}, "answer_ms: expected 100..5000"),
        ({"read_ms": 499}, "read_ms: expected 500..20000"),
        ({"read_ms": 20_001}, "read_ms: expected 500..20000"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], expectation: str) -> None:
    """A wrong setting is named together with what was expected."""
    with pytest.raises(ValueError, match=expectation):
        SdtSettings(**{"port": "/dev/id-card"} | wrong)


async def test_what_was_read_is_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    """A card names a person: it is shown nowhere."""
    caplog.set_level(logging.DEBUG)
    device = SdtDevice()

    port = SdtPort(device, story=[(0, lambda: device.lay(CARD))], ends_ms=5 * SECOND)
    reader = on(port)
    readings = await read_all(reader)

    shown = repr(readings) + caplog.text + repr(vars(reader))
    assert id_texts.ID_NO not in shown
    assert "data" not in repr(readings)
