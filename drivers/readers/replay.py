"""A recording as a reader: the type that was recorded reads it, in the recording's own time.

What was recorded plays once from its first line, then the reader waits, as a device that nobody uses: a chunk that is
appended to the file is read as if it were sent now. Taking the file away unplugs the device. So a shop floor, a lesson
or a test has a reader where there is none, and a clinic's fault can be seen again somewhere else.
"""

import asyncio
import dataclasses
import inspect
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, get_args, get_origin, get_type_hints

from drivers import registry
from drivers.errors import ReaderLostError, UnknownReaderError
from drivers.reader import Feedback, LostCause, OpenableReader, ReaderFamily
from drivers.reading import Reading
from drivers.recording import RecordingHeader
from drivers.transport.byte_port import BytePort
from drivers.transport.replay import RecordedFile

TYPE: Final = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """Which recording.

    Attributes:
        file: Its path, absolute or from where the program runs.

    Raises:
        ValueError: There is no path.
    """

    file: str

    def __post_init__(self) -> None:
        if not self.file or "\0" in self.file:
            raise ValueError("file: expected the path of a recording")


class ReplayReader:
    """An `OpenableReader` that plays a recording.

    Args:
        name: The reader's name in the configuration.
        settings: Which recording.
        clock_ns: The monotonic clock of the reader that was recorded.
    """

    def __init__(self, name: str, *, settings: ReplaySettings, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.name = name
        self._path = Path(settings.file)
        self._clock_ns = clock_ns
        self._closing = AsyncExitStack()
        self._file: RecordedFile | None = None
        self._inner: OpenableReader | None = None
        self._dropped_before = 0

    @property
    def dropped_count(self) -> int:
        """Frames that the recorded type dropped, and lines of the file that are no chunks."""
        bad = 0 if self._file is None else self._file.bad_count
        return self._dropped_before + bad + (0 if self._inner is None else self._inner.dropped_count)

    @property
    def taken_count(self) -> int:
        """Chunks of the file that have been read since it was opened."""
        return 0 if self._file is None else self._file.taken_count

    async def __aenter__(self) -> Self:
        """Open the file and make the reader that it was recorded from.

        Raises:
            ReaderLostError: There is no such file, or nothing that can be played.
        """
        file = await RecordedFile.open(self._path)
        inner = await asyncio.to_thread(self._reader_of, file)
        await self._closing.enter_async_context(inner)
        self._file, self._inner = file, inner
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()
        self._dropped_before = self.dropped_count
        self._file = self._inner = None

    async def readings(self) -> AsyncGenerator[Reading, None]:
        """Yield what the recorded type reads.

        Raises:
            ReaderLostError: The file is gone.
        """
        if self._inner is None:
            raise RuntimeError("the reader is used outside its async with")
        async with aclosing(self._inner.readings()) as readings:
            async for reading in readings:
                yield reading

    async def signal(self, feedback: Feedback) -> None:
        """Hand the feedback to the recorded type: a command of its goes nowhere."""
        if self._inner is not None:
            await self._inner.signal(feedback)

    def _reader_of(self, file: RecordedFile) -> OpenableReader:
        try:
            return reader_of(file.header, self.name, port=file, path=self._path, clock_ns=self._clock_ns)
        except (UnknownReaderError, ValueError, TypeError) as exc:
            raise ReaderLostError(LostCause.IO) from exc


def is_replayable(family: ReaderFamily) -> bool:
    """Say whether a family reads a stream of bytes that somebody else can hand to it."""
    return {"open_port", "clock_ns"} <= inspect.signature(family.build).parameters.keys()


def port_of(family: ReaderFamily) -> Callable[[Any], AbstractAsyncContextManager[BytePort]]:
    """Return what makes the real port of such a family, from what the family asks of it."""
    opens: Callable[[Any], AbstractAsyncContextManager[BytePort]]
    opens = inspect.signature(family.build).parameters["open_port"].default
    return opens


def reader_of(
    header: RecordingHeader, name: str, *, port: object, path: Path, clock_ns: Callable[[], int]
) -> OpenableReader:
    """Make the reader that a recording was made with, on another port.

    Args:
        header: What the recording says.
        name: The reader's name.
        port: A `BytePort`, itself the context in which it is open.
        path: What stands for the device file, if the type has one.
        clock_ns: The clock of the recording.

    Raises:
        UnknownReaderError: No such type here.
        ValueError: A type that reads no bytes, or an option that it does not take.
        TypeError: An option is missing.
    """
    family = registry.load(header.reader_type)
    if header.reader_type == TYPE or not is_replayable(family):
        raise ValueError("type: expected one that reads a stream of bytes")
    settings = settings_of(family.settings_type, options=header.options, port=str(path))
    return family.build(name, settings=settings, open_port=lambda _parameters: port, clock_ns=clock_ns)


def settings_of(wanted: type, *, options: Mapping[str, Any], port: str) -> Any:
    """Make the settings of a type from the options in a recording.

    Raises:
        ValueError: An option that the type does not have or take.
        TypeError: An option is missing, or of another kind.
    """
    hints = get_type_hints(wanted)
    names = {option.name for option in dataclasses.fields(wanted)}
    if unknown := options.keys() - names:
        raise ValueError(f"{min(unknown)}: expected an option that this type of reader has")
    given = dict(options) | ({"port": port} if "port" in names else {})
    return wanted(**{name: _value(value, hint=hints[name]) for name, value in given.items()})


def _value(value: Any, *, hint: Any) -> Any:
    """Make of a JSON value what a setting is declared to be; only what JSON does not have needs making."""
    arguments = get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return settings_of(hint, options=value, port="")
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(member, hint=arguments[0]) for member in value)
    if isinstance(value, dict) and len(arguments) == 2:
        return {_value(key, hint=arguments[0]): _value(member, hint=arguments[1]) for key, member in value.items()}
    return value


FAMILY = ReaderFamily(settings_type=ReplaySettings, build=ReplayReader)
