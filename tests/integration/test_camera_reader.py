"""The camera reader on real pipes and files, with the real decoders; the rest of it on sources made up here."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.readers.camera import CameraReader, CameraSettings, camera_source
from drivers.reading import Reading
from drivers.transport import camera
from drivers.transport.camera import Symbology
from drivers.transport.frames import FRAMES_HELD_MAX, Frame, LiveFrames, PixelFormat
from drivers.transport.mjpeg_stream import MjpegPipe, RecordedFrames
from edge.classify import classify
from edge.verdict import Carrier
from tests.support.camera_pipe import CameraPipe
from tests.support.pictures import avi, jpeg, on_paper, qr_picture, symbol_picture
from tests.support.waiting import LIMIT_S, until

A, B = "EHC1:A", "EHC1:B"
NOTHING = Frame(pixel_format=PixelFormat.GREY, width=64, height=48, data=bytes(64 * 48))
S = 1_000_000_000


def showing(text: str) -> Frame:
    """A grey frame with this code."""
    picture = qr_picture(text)
    return Frame(pixel_format=PixelFormat.GREY, width=picture.width, height=picture.height, data=picture.tobytes())


class Film:
    """A `FrameSource` of frames at times of its own clock, lost at its end."""

    def __init__(self, *scenes: tuple[int, Frame]) -> None:
        self.scenes = deque(scenes)
        self.now_ns = 0
        self.dropped_count = 3

    async def frame(self) -> Frame:
        if not self.scenes:
            raise ReaderLostError(LostCause.UNPLUGGED)
        self.now_ns, frame = self.scenes.popleft()
        return frame

    @asynccontextmanager
    async def open(self, _settings: CameraSettings) -> AsyncIterator["Film"]:
        yield self


async def read_all(reader: CameraReader) -> list[Reading]:
    """What a reader reads until its camera is lost."""
    found = []

    async def read() -> None:
        async with reader, aclosing(reader.readings()) as readings:
            async for reading in readings:
                found.append(reading)

    with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
        await read()
    return found


def camera_of(film: Film, **settings: float) -> CameraReader:
    options = CameraSettings(source="-", **settings)
    return CameraReader("camera-1", settings=options, open_source=film.open, clock_ns=lambda: film.now_ns)


async def test_a_code_held_before_the_camera_is_one_reading() -> None:
    """Shown for a while, missed now and then, taken away and shown again: two readings, at the times it came."""
    code = showing(A)
    film = Film((0, NOTHING), (S, code), (2 * S, NOTHING), (2 * S + 1, code), (5 * S, NOTHING), (6 * S, code))

    readings = await read_all(camera_of(film, same_code_s=2.0))

    assert [(reading.text, reading.read_at_monotonic_ns) for reading in readings] == [(A, S), (A, 6 * S)]
    assert (readings[0].reader, readings[0].data) == ("camera-1", A.encode())


async def test_after_a_loss_the_same_code_is_read_again() -> None:
    """Who comes back after the camera was away shows the code anew; what was dropped stays counted."""
    film = Film((0, showing(A)))
    reader = camera_of(film)

    first = await read_all(reader)
    film.scenes.append((1, showing(A)))
    second = await read_all(reader)

    assert [reading.text for reading in first + second] == [A, A]
    assert reader.dropped_count == 6


@pytest.mark.parametrize("pixel_format", PixelFormat)
async def test_every_format_of_frames_is_read(pixel_format: PixelFormat) -> None:
    """Brightness alone, between colours, or packed as a JPEG."""
    picture = qr_picture(A)
    data = {
        PixelFormat.GREY: picture.tobytes(),
        PixelFormat.YUYV: b"".join(bytes((level, 128)) for level in picture.tobytes()),
        PixelFormat.MJPG: jpeg(picture.convert("RGB")),
    }[pixel_format]
    frame = Frame(pixel_format=pixel_format, width=picture.width, height=picture.height, data=data)

    (reading,) = await read_all(camera_of(Film((0, frame))))

    assert reading.text == A


async def test_a_vaccine_carton_is_known_as_gs1() -> None:
    """A GS1 Data Matrix comes up with its AIM prefix, as from a scanner."""
    picture = symbol_picture("(01)06901234567892(10)A1", symbology=Symbology.DATA_MATRIX, is_gs1=True)
    frame = Frame(pixel_format=PixelFormat.GREY, width=picture.width, height=picture.height, data=picture.tobytes())

    (reading,) = await read_all(camera_of(Film((0, frame))))

    assert reading.text == "]d2010690123456789210A1"
    assert classify(reading.text).carrier is Carrier.GS1


async def test_two_codes_in_one_frame_are_two_readings() -> None:
    """A card beside another."""
    sheet = on_paper(qr_picture(A), size=(400, 200))
    sheet.paste(qr_picture(B), (270, 50))
    frame = Frame(pixel_format=PixelFormat.GREY, width=400, height=200, data=sheet.tobytes())

    assert {reading.text for reading in await read_all(camera_of(Film((0, frame))))} == {A, B}


async def test_a_broken_frame_is_dropped_and_counted() -> None:
    """The next one is read."""
    film = Film((0, Frame(pixel_format=PixelFormat.MJPG, data=b"\xff\xd8\xff\xd9")), (1, showing(A)))
    reader = camera_of(film)

    assert [reading.text for reading in await read_all(reader)] == [A]
    assert reader.dropped_count == film.dropped_count + 1


async def test_readings_need_an_open_camera() -> None:
    """To read a closed one is a bug, and it has dropped nothing."""
    reader = camera_of(Film())

    with pytest.raises(RuntimeError):
        await anext(reader.readings())
    assert reader.dropped_count == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("source", ""),
        ("source", "a\0b"),
        ("width", 159),
        ("height", 4097),
        ("fps", 0),
        ("same_code_s", -0.1),
        ("same_code_s", float("nan")),
        ("same_code_s", 60.1),
    ],
)
def test_settings_out_of_range_are_refused(option: str, value: object) -> None:
    """The text names the setting, as the person wrote it."""
    with pytest.raises(ValueError, match=f"^{option}: expected "):
        CameraSettings(**{"source": "/dev/video0", option: value})


def test_a_camera_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can read pictures, the configuration is refused at the start."""
    monkeypatch.setattr(camera, "find_spec", lambda name: None)

    with pytest.raises(ValueError, match="extra camera"):
        CameraSettings(source="/dev/video0")


async def test_an_avi_is_played_at_its_pace(tmp_path: Path) -> None:
    """Every frame of a recording is read, the time between them as told, and at its end the camera is lost."""
    path = tmp_path / "camera.avi"
    frames = [jpeg(qr_picture(text)) for text in (A, B, A)]
    path.write_bytes(avi(frames, width=116, height=116))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    reader = CameraReader(
        "camera-1",
        settings=CameraSettings(source=str(path), same_code_s=0),
        open_source=lambda settings: RecordedFrames(settings.source, fps=5, sleep=sleep),
    )
    readings = await read_all(reader)

    assert [reading.text for reading in readings] == [A, B, A]
    assert waits == [0.2] * 4


async def test_a_recording_that_cannot_be_read_is_lost(tmp_path: Path) -> None:
    """A folder, nothing at all, and a recording that is not open."""
    async with RecordedFrames(str(tmp_path), fps=60) as folder:
        with pytest.raises(ReaderLostError, match=LostCause.IO):
            await folder.frame()
    with pytest.raises(ReaderLostError, match=LostCause.MISSING):
        await RecordedFrames(str(tmp_path / "none"), fps=60).__aenter__()
    with pytest.raises(RuntimeError):
        await RecordedFrames(str(tmp_path), fps=60).frame()
    await RecordedFrames(str(tmp_path), fps=60).__aexit__(None, None, None)


async def test_what_stands_at_the_path_decides_what_is_opened(tmp_path: Path) -> None:
    """A pipe, a file, a device that is no camera, a folder, nothing."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(avi([jpeg(qr_picture(A))], width=116, height=116))

    async with camera_source(CameraSettings(source=str(tmp_path / "pipe"))) as source:
        assert isinstance(source, LiveFrames)
    async with camera_source(CameraSettings(source=str(tmp_path / "file"))) as source:
        assert isinstance(source, RecordedFrames)
        assert (await source.frame()).pixel_format is PixelFormat.MJPG
        assert source.dropped_count == 0
    for path, cause in (("/dev/null", LostCause.IO), (tmp_path, LostCause.IO), (tmp_path / "no", LostCause.MISSING)):
        with pytest.raises(ReaderLostError, match=cause):
            await camera_source(CameraSettings(source=str(path))).__aenter__()


async def test_a_pipe_may_be_opened_before_anybody_writes(tmp_path: Path) -> None:
    """The reader waits for the first writer, and is lost only when the last one has gone."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    async with LiveFrames(lambda: MjpegPipe(str(path))) as source:
        waiting = asyncio.ensure_future(source.frame())
        await asyncio.sleep(0)
        with await asyncio.to_thread(path.open, "wb") as writer:
            writer.write(jpeg(qr_picture(A)))
            writer.flush()
            assert (await asyncio.wait_for(waiting, LIMIT_S)).pixel_format is PixelFormat.MJPG
        with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
            await asyncio.wait_for(source.frame(), LIMIT_S)


async def test_the_newest_frames_win(tmp_path: Path) -> None:
    """Of many frames that came while nobody asked, the last few are given out; the others are counted."""
    pipe = CameraPipe(tmp_path / "pipe")
    pipe.plug()
    frames = [jpeg(qr_picture(f"EHC1:{number}", module_px=1), quality=20) for number in range(9)]
    async with LiveFrames(lambda: MjpegPipe(str(pipe.path))) as source:
        pipe.write(b"".join(frames))
        given = [(await source.frame()).data for _ in range(FRAMES_HELD_MAX)]
        pipe.write(b"\xff\xd8\xff\x00")
        pipe.unplug()
        with pytest.raises(ReaderLostError):
            await source.frame()

        assert given == frames[-FRAMES_HELD_MAX:]
        assert (source.overtaken_count, source.dropped_count) == (9 - FRAMES_HELD_MAX, 1)


async def test_a_slow_decoder_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a frame is decoded in its thread, the loop turns; what is read next is the newest."""
    pipe = CameraPipe(tmp_path / "pipe")
    pipe.plug()
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def wait() -> None:
        begun.set()
        await go_on.wait()

    def slow(luma: camera.Luma) -> list[camera.Symbol]:
        asyncio.run_coroutine_threadsafe(wait(), loop).result(LIMIT_S)
        return camera.read_with_zxing(luma)

    monkeypatch.setattr("drivers.readers.camera.decode_frame", slow)
    reader = CameraReader("camera-1", settings=CameraSettings(source=str(pipe.path), same_code_s=0))
    frames = [jpeg(qr_picture(f"EHC1:{number}", module_px=2), quality=20) for number in range(9)]
    async with reader, aclosing(reader.readings()) as readings:
        reading = asyncio.ensure_future(anext(readings))
        pipe.write(frames[0])
        await asyncio.wait_for(begun.wait(), LIMIT_S)
        pipe.write(b"".join(frames[1:]))
        go_on.set()
        texts = [(await reading).text] + [(await anext(readings)).text for _ in range(FRAMES_HELD_MAX)]

    assert texts == ["EHC1:0", "EHC1:7", "EHC1:8"]
    pipe.unplug()


class Device:
    """A `FrameDevice` on one end of a pipe, which hands out what the test puts in."""

    def __init__(self) -> None:
        self.readable, self.wakes = os.pipe()
        self.frames: list[Frame] = []
        self.lost: ReaderLostError | None = None
        self.dropped_count = 0
        self.is_closed = False

    def fileno(self) -> int:
        return self.readable

    def take(self) -> list[Frame]:
        frames, self.frames = self.frames, []
        if self.lost and not frames:
            raise self.lost
        return frames

    def close(self) -> None:
        os.close(self.readable)
        os.close(self.wakes)
        self.is_closed = True


async def test_a_camera_that_is_silent_for_too_long_is_lost() -> None:
    """One that streams is never silent: it hangs, and is closed and opened again."""
    device = Device()

    async with LiveFrames(lambda: device, silence_s_max=0.01) as source:
        with pytest.raises(ReaderLostError, match=LostCause.IO):
            await source.frame()

    assert device.is_closed


async def test_what_was_seen_before_a_loss_is_given_out() -> None:
    """Frames that are held come out first, then the loss."""
    device = Device()
    device.frames = [NOTHING, showing(A)]
    device.lost = ReaderLostError(LostCause.UNPLUGGED)

    async with LiveFrames(lambda: device) as source:
        assert [await source.frame(), await source.frame()] == [NOTHING, showing(A)]
        with pytest.raises(ReaderLostError):
            await source.frame()


async def test_a_device_opened_for_nobody_is_closed() -> None:
    """Cancelled while the thread opens it, it is closed as soon as it is open; unopened, it gives no frame."""
    device = Device()
    source = LiveFrames(lambda: device)

    opening = asyncio.ensure_future(source.__aenter__())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])

    await until(lambda: device.is_closed)
    assert source.dropped_count == 0
    with pytest.raises(RuntimeError):
        await source.frame()


async def test_a_pipe_that_fails_is_lost(tmp_path: Path) -> None:
    """Missing, or failing under the reader."""
    with pytest.raises(ReaderLostError, match=LostCause.MISSING):
        MjpegPipe(str(tmp_path / "none"))
    device = MjpegPipe(str(tmp_path))  # a folder opens, and cannot be read
    with pytest.raises(ReaderLostError, match=LostCause.IO):
        device.take()
    device.close()


async def test_what_is_before_the_camera_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither code nor picture stands in a log line or a repr."""
    caplog.set_level(logging.DEBUG)
    frame = showing(A)

    readings = await read_all(camera_of(Film((0, frame))))

    assert readings
    assert A not in caplog.text + repr(readings)
    assert "data" not in repr(frame)
