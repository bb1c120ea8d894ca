"""What goes wrong between an identity-card reader and its device: it costs a question, a showing or the port."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.presence import ATTEMPTS_MAX
from drivers.reader import LostCause
from drivers.readers.id_card import ASKED_COUNT_MAX, SdtTrouble
from tests.support.sdt_device import (
    FIND,
    PHOTO,
    READ,
    SAM_NUMBER,
    SELECT,
    SdtDevice,
    SdtPort,
    answer_frame,
)
from tests.support.sdt_reading import CARD, MS, OTHER, SECOND, Story, on, read_all, texts_of


@pytest.mark.parametrize("at", [SELECT, READ])
async def test_a_card_pulled_in_the_middle_is_no_reading(at: bytes) -> None:
    """Pulled between find and select or select and read, it is counted; the next card is read."""
    device = SdtDevice()
    story: Story = [(0, lambda: device.lay(CARD, pulled_at=at)), (5_000, lambda: device.lay(OTHER))]
    port = SdtPort(device, story=story, ends_ms=10 * SECOND)
    reader = on(port)

    assert [reading.data for reading in await read_all(reader)] == [OTHER]
    assert reader.dropped_count == 1


REFUSALS = [0x10, 0x11, 0x21, 0x23, 0x24, 0x31, 0x32, 0x33, 0x37, 0x3F, 0x40, 0x41, 0x47, 0x80, 0x81, 0x91, 0xFF]


@pytest.mark.parametrize("command", [SELECT, READ])
@pytest.mark.parametrize("status", REFUSALS)
async def test_a_card_that_is_refused_is_tried_a_few_times_and_counted_once(command: bytes, status: int) -> None:
    """Whatever the reader says against it: no reading, no busy loop, and the next card is read."""
    device = SdtDevice(finds_again=True)
    device.faults.status[command] = status
    tries: list[int] = []
    story: Story = [
        (0, lambda: device.lay(CARD)),
        (9_000, lambda: tries.append(device.asked[SELECT])),
        (9_000, device.take),
        (9_500, device.faults.status.clear),
        (14_000, lambda: device.lay(OTHER)),
    ]
    port = SdtPort(device, story=story, ends_ms=25 * SECOND)
    reader = on(port)

    assert [reading.data for reading in await read_all(reader)] == [OTHER]
    assert reader.dropped_count == 1
    assert 1 <= tries[0] <= ATTEMPTS_MAX + 3


@pytest.mark.parametrize("status", [0x24, 0x41, 0x81])
async def test_a_refusal_that_passes_is_not_counted(status: int) -> None:
    """A card that is still being laid down is read at the next attempt."""
    device = SdtDevice()
    device.faults.status[READ] = status
    port = SdtPort(device, story=[(0, lambda: device.lay(CARD)), (200, device.faults.status.clear)], ends_ms=5 * SECOND)
    reader = on(port)

    assert [reading.data for reading in await read_all(reader)] == [CARD]
    assert reader.dropped_count == 0


@pytest.mark.parametrize(
    ("status", "trouble"), [(0x60, SdtTrouble.SAM_SELF_TEST_FAILED), (0x66, SdtTrouble.SAM_NOT_AUTHORISED)]
)
@pytest.mark.parametrize("command", [SAM_NUMBER, FIND, SELECT, READ])
async def test_a_sam_of_no_use_is_a_lost_reader(command: bytes, status: int, trouble: SdtTrouble) -> None:
    """The reader is given up whenever it says so, and the trouble has its name."""
    device = SdtDevice()
    device.lay(CARD)
    device.faults.status[command] = status
    reader = on(SdtPort(device, story=[], ends_ms=30 * SECOND))

    assert await read_all(reader, cause=LostCause.IO) == []
    assert reader.trouble is trouble


async def test_a_silent_port_is_no_reader() -> None:
    """A port on which nobody answers is given up after some questions."""
    device = SdtDevice()
    device.faults.silent = 99
    port = SdtPort(device, story=[], ends_ms=60 * SECOND)
    reader = on(port)

    await read_all(reader, cause=LostCause.IO)

    assert reader.trouble is SdtTrouble.SILENT
    assert device.asked[SAM_NUMBER] == ASKED_COUNT_MAX
    assert port.now_ns <= ASKED_COUNT_MAX * 1_001 * MS


class Parrot(SdtDevice):
    """Another device: whatever it is sent, it answers with lines of its own."""

    def receive(self, data: bytes) -> list[tuple[float, bytes]]:
        return [(0.1, b"\x02+00.00 kg\r\n")]


async def test_another_device_on_the_port_is_told_from_none() -> None:
    """Bytes that are no answers mean another device or another baud."""
    reader = on(SdtPort(Parrot(), story=[], ends_ms=60 * SECOND))

    await read_all(reader, cause=LostCause.IO)

    assert reader.trouble is SdtTrouble.NO_ANSWER


@pytest.mark.parametrize("status", [0x10, 0x21, 0x24, 0x91, 0xFF])
async def test_a_reader_that_cannot_look_for_cards_is_given_up(status: int) -> None:
    """An answer to find that is neither yes nor no is asked for again, and then the reader is of no use."""
    device = SdtDevice()
    device.faults.status[FIND] = status
    reader = on(SdtPort(device, story=[], ends_ms=60 * SECOND))

    await read_all(reader, cause=LostCause.IO)

    assert reader.trouble is SdtTrouble.NOT_WORKING
    assert device.asked[FIND] == ASKED_COUNT_MAX


async def test_a_reader_that_falls_silent_is_lost() -> None:
    """A cable that came off on the reader's side is noticed by silence."""
    device = SdtDevice()

    def fall_silent() -> None:
        device.faults.silent = 99

    port = SdtPort(device, story=[(3_000, fall_silent)], ends_ms=60 * SECOND)
    reader = on(port)

    await read_all(reader, cause=LostCause.IO)

    assert reader.trouble is SdtTrouble.SILENT
    assert port.now_ns < 8 * SECOND * MS


@pytest.mark.parametrize("silent", [1, ASKED_COUNT_MAX - 1])
async def test_a_lost_answer_is_asked_for_again(silent: int) -> None:
    """One or two answers lost on the line lose no card."""
    device = SdtDevice()

    def fall_silent() -> None:
        device.faults.silent = silent
        device.lay(CARD)

    assert await texts_of(device, [(3_000, fall_silent)]) == [CARD]


async def test_a_wrong_check_byte_costs_a_question() -> None:
    """An answer damaged on the line is dropped, counted, and asked for again."""
    device = SdtDevice()
    port = SdtPort(device, story=[(0, lambda: device.lay(CARD))], ends_ms=20 * SECOND)
    device.faults.wrong_check = 2
    reader = on(port)

    assert [reading.data for reading in await read_all(reader)] == [CARD]
    assert reader.dropped_count == 2


@pytest.mark.parametrize("half_bytes", [1, 4, 5, 7, 9])
async def test_half_an_answer_costs_a_question(half_bytes: int) -> None:
    """An answer that ends in the middle is dropped, and its rest never meets the next."""
    device = SdtDevice()
    device.faults.half, device.faults.half_bytes = 2, half_bytes

    assert await texts_of(device, [(0, lambda: device.lay(CARD))]) == [CARD]


async def test_a_false_header_costs_a_moment() -> None:
    """Noise that looks like the beginning of a long answer swallows the good one only until its time is up."""
    device = SdtDevice()
    device.lay(CARD)
    port = SdtPort(device, story=[], ends_ms=20 * SECOND)
    device.faults.before = answer_frame(0x90, bytes(1284))[:9]
    reader = on(port)

    assert [reading.data for reading in await read_all(reader)] == [CARD]
    assert reader.dropped_count == 1
    assert device.asked[SAM_NUMBER] == 1


async def test_a_late_answer_is_not_taken_for_the_next() -> None:
    """A slow reader whose answers come after their time reads no card wrongly."""
    device = SdtDevice()

    def slow_down() -> None:
        device.faults.delay_s = 1.1
        device.lay(CARD)

    def hurry() -> None:
        device.faults.delay_s = 0.0

    assert await texts_of(device, [(2_000, slow_down), (3_500, hurry)]) == [CARD]


@pytest.mark.parametrize("delay_s", [0.05, 0.3, 0.9])
async def test_a_slow_reader_reads(delay_s: float) -> None:
    """Answers in good time are answers."""
    device = SdtDevice()
    device.faults.delay_s = delay_s

    assert await texts_of(device, [(0, lambda: device.lay(CARD))]) == [CARD]


async def test_what_nobody_asked_for_is_thrown_away() -> None:
    """Answers that come by themselves, a found card and one that was read, lead to no reading."""
    device = SdtDevice()
    port = SdtPort(device, story=[], ends_ms=5 * SECOND)
    forged = answer_frame(0x90, b"\x01\x00\x04\x00" + OTHER + PHOTO)
    port._story = [
        (at_ms * MS, lambda: port.noise(answer_frame(0x9F, bytes(4)) + forged)) for at_ms in range(0, 4_000, 50)
    ]

    assert await read_all(on(port)) == []


@given(
    before=st.binary(max_size=300),
    copies=st.integers(min_value=1, max_value=3),
    cut_at=st.none() | st.integers(min_value=0, max_value=1_300),
    finds_again=st.booleans(),
)
async def test_any_noise_cut_and_echo_gives_the_same_readings(
    before: bytes, copies: int, cut_at: int | None, finds_again: bool
) -> None:
    """Rubbish before an answer, an answer in two pieces or sent twice changes nothing."""
    device = SdtDevice(finds_again=finds_again)
    device.faults.copies, device.faults.cut_at = copies, cut_at

    def disturb() -> None:
        device.faults.before = before

    story: Story = [(at_ms, disturb) for at_ms in range(500, 4_000, 7)]
    story[0:0] = [(0, lambda: device.lay(CARD))]
    story += [(4_000, lambda: device.lay(OTHER))]

    assert await texts_of(device, story) == [CARD, OTHER]


async def test_an_answer_cut_at_every_byte_is_read() -> None:
    """Where the device pauses within an answer makes no difference."""
    for cut_at in range(1, 1_295):
        device = SdtDevice()
        device.lay(CARD)
        device.faults.cut_at = cut_at

        assert await texts_of(device, [], ends_ms=500) == [CARD]


async def test_lengths_that_do_not_fit_are_no_card() -> None:
    """A good frame whose inner lengths are wrong is a card that cannot be read."""
    device = SdtDevice(finds_again=True)
    device.faults.data[READ] = b"\x00\xff\x04\x00" + bytes(255 + 1024)
    port = SdtPort(device, story=[(0, lambda: device.lay(CARD))], ends_ms=20 * SECOND)
    reader = on(port)

    assert await read_all(reader) == []
    assert reader.dropped_count == 1
