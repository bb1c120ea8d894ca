"""`ehc-edge readers test|trace|record`: one configured reader is opened and listened to; nothing of it is stored.

What a person shows is never shown again: a code is told by its kind, length and shape. Only what is asked for by name,
`--raw` and `--keep-content`, gives bytes away. The daemon and these commands cannot have one device at the same time.
"""

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drivers import registry, shape
from drivers.errors import ReaderLostError
from drivers.framing.framer import Framing
from drivers.reader import LostCause, OpenableReader, ReaderFamily
from drivers.readers.replay import TYPE as REPLAY_TYPE
from drivers.readers.replay import is_replayable, port_of
from drivers.reading import Medium, Reading
from drivers.recording import Content, RecordedChunk, RecordingHeader, chunk_line, header_line
from drivers.transport.tap import TappedPort
from edge import settings
from edge.card_content import ResidentHealthCard, SamInfo, SocialSecurityCard, UnreadableCard, UnreadableSam
from edge.classify import Classified, classify
from edge.errors import CodeError, ReaderCommandError
from edge.readers_command import device_of, holders
from edge.settings import ReaderSettings, Settings
from edge.verdict import Carrier

RECORDING_BYTES_MAX: Final = 4 * 1024 * 1024  # ten thousand codes
SHAPE_CHARS_MAX: Final = 60  # of a code; more says nothing about a scanner's settings

_TEXT_TYPE: Final = "serial-scanner"  # the type whose bytes are text, so that their shape says nothing
_NOT_RECORDED: Final = frozenset({"port", "model"})
_NS_PER_MS: Final = 1_000_000

Tell = Callable[..., None]
"""Tells a line by the key of its text: ``tell("opened", name=...)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """One reader of the configuration.

    Attributes:
        reader: Its block.
        family: Its type.
        options: What its driver takes.
        configured: The whole configuration.
    """

    reader: ReaderSettings
    family: ReaderFamily
    options: Any
    configured: Settings

    def built(self, **parts: Any) -> OpenableReader:
        """Make the reader, closed."""
        if self.family.needs_talk:
            parts["talk"] = _talk()
        return self.family.build(self.reader.name, settings=self.options, **parts)


def pick(configured: Settings, name: str) -> Picked:
    """Return the reader of that name.

    Raises:
        ReaderCommandError: There is none.
    """
    for place, reader in enumerate(configured.readers):
        if reader.name == name:
            options = settings.reader_options(reader, place=place)
            return Picked(reader=reader, family=registry.load(reader.type), options=options, configured=configured)
    known = ", ".join(reader.name for reader in configured.readers) or "-"
    raise ReaderCommandError("no_such_reader", is_usage=True, name=name, known=known)


def test(picked: Picked, *, seconds: float, tell: Tell) -> dict[str, Any]:
    """Wait for one code or card and say what was read, masked.

    Raises:
        ReaderCommandError: The reader cannot be opened, was lost, or nothing was read.
    """
    try:
        return described(asyncio.run(_first(picked, seconds=seconds, tell=tell)), picked=picked)
    except ReaderLostError as lost:
        raise lost_error(picked.reader, cause=lost.cause) from lost
    except TimeoutError:
        key = "nothing_read_trace" if is_replayable(picked.family) else "nothing_read"
        raise ReaderCommandError(key, name=picked.reader.name, seconds=f"{seconds:g}") from None


def described(reading: Reading, *, picked: Picked) -> dict[str, Any]:
    """Return what may be said of a reading: nothing that names a person."""
    said: dict[str, Any] = {"ok": True, "reader": reading.reader, "medium": reading.medium.value}
    match reading.medium:
        case Medium.CODE:
            code = classify(reading.text, table=settings.carriers(picked.configured.carriers))
            said |= {"carrier": code.carrier.value, "bytes": len(reading.data), "encoding": _encoding(reading.data)}
            said["shape"] = shape.shape_of(reading.data[:SHAPE_CHARS_MAX])
            if product := _product(code):
                said["product"] = product
        case Medium.ID_CARD:
            said |= {"carrier": Carrier.ID_CARD.value, "bytes": len(reading.data)}
        case Medium.ICC:
            said |= _card(reading.content)
    return said


def trace(picked: Picked, *, seconds: float, raw: bool, tell: Tell) -> None:
    """Tell every chunk as it comes, until the time is over.

    Raises:
        ReaderCommandError: The reader has no bytes to show, cannot be opened or was lost.
    """
    began_ns = time.monotonic_ns()
    is_text = picked.reader.type == _TEXT_TYPE

    def hear(chunk: RecordedChunk) -> None:
        at_ms = (time.monotonic_ns() - began_ns) / _NS_PER_MS
        members: dict[str, Any] = {"at_ms": round(at_ms, 3), "bytes": len(chunk.data), "sent": chunk.is_sent}
        if raw:
            members["raw"] = chunk.data.hex(" ")
        elif is_text or chunk.is_sent:
            members["shape"] = shape.shape_of(chunk.data)
        tell("chunk", **members)

    if raw:
        tell("raw_warning")
    _listen(picked, seconds=seconds, hear=hear, tell=tell)


def record(picked: Picked, path: Path, *, seconds: float, keep_content: bool, tell: Tell) -> dict[str, Any]:
    """Write down what the reader sends, until the time is over or the person interrupts.

    Raises:
        ReaderCommandError: The reader has no bytes to record, its content cannot be invented, the file is there
            already or cannot be made, nothing came, or the reader cannot be opened.
    """
    _check_stream(picked)
    if not keep_content and not can_invent(picked):
        raise ReaderCommandError("cannot_invent", is_usage=True, name=picked.reader.name)
    if path.exists():
        raise ReaderCommandError("file_exists", is_usage=True, file=str(path))
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):  # said before a minute of scanning, not after it
        raise ReaderCommandError("folder_failed", is_usage=True, file=str(path))
    if keep_content:
        tell("keep_warning", file=str(path))
    tape = _Tape()
    try:
        _listen(picked, seconds=seconds, hear=tape.hear, tell=tell)
    finally:  # interrupted or lost, what came is what was asked for
        if tape.chunks:
            _write(path, tape.chunks, picked=picked, keep_content=keep_content)
            tell("recorded", file=str(path), chunks=len(tape.chunks))
    if not tape.chunks:
        raise ReaderCommandError("nothing_read", name=picked.reader.name, seconds=f"{seconds:g}")
    return {"ok": True, "file": str(path), "chunks": len(tape.chunks), "content": _content(keep_content).value}


def can_invent(picked: Picked) -> bool:
    """Say whether invented content leaves the frames as they were: no length before them, no check byte behind."""
    if picked.reader.type != _TEXT_TYPE:
        return False
    return bool(picked.options.framing != Framing.LENGTH and not picked.options.lrc)


def recorded_options(options: Any) -> dict[str, Any]:
    """Return what stands in a recording of a driver's settings: whatever differs from its default, a model's defaults
    included; not where the device was.
    """
    differing: dict[str, Any] = {}
    for option in dataclasses.fields(options):
        value = getattr(options, option.name)
        default = option.default if option.default_factory is dataclasses.MISSING else option.default_factory()
        if option.name not in _NOT_RECORDED and value != default:
            differing[option.name] = value  # an enumeration's member is its text, and JSON writes it so
    return differing


def lost_error(reader: ReaderSettings, *, cause: str) -> ReaderCommandError:
    """Say why a reader is not there, and who has it."""
    device = device_of(reader)
    if cause == LostCause.BUSY and device is not None and (held := holders(device)):
        programs = ", ".join(f"{program['name']} ({program['pid']})" for program in held)
        return ReaderCommandError("held", name=reader.name, programs=programs, cause=cause)
    return ReaderCommandError("lost", name=reader.name, cause=cause)


@dataclass(slots=True)
class _Tape:
    """What came so far, up to a limit."""

    chunks: list[RecordedChunk] = field(default_factory=list)
    size_bytes: int = 0

    def hear(self, chunk: RecordedChunk) -> None:
        if self.size_bytes + len(chunk.data) <= RECORDING_BYTES_MAX:
            self.chunks.append(chunk)
            self.size_bytes += len(chunk.data)


async def _first(picked: Picked, *, seconds: float, tell: Tell) -> Reading:
    reader = picked.built()
    async with asyncio.timeout(seconds), reader, aclosing(reader.readings()) as readings:
        tell("waiting", name=picked.reader.name, seconds=f"{seconds:g}")
        async for reading in readings:
            if not isinstance(reading.content, SamInfo | UnreadableSam):  # the box's own card is nobody's
                return reading
            tell("sam_good" if isinstance(reading.content, SamInfo) else "sam_bad")
        raise AssertionError("readings end only by an exception")


def _listen(picked: Picked, *, seconds: float, hear: Callable[[RecordedChunk], None], tell: Tell) -> None:
    _check_stream(picked)
    opens = port_of(picked.family)
    reader = picked.built(open_port=lambda parameters: TappedPort(opens(parameters), hear=hear))
    try:
        asyncio.run(_readings(reader, seconds=seconds, tell=tell))
    except ReaderLostError as lost:
        raise lost_error(picked.reader, cause=lost.cause) from lost


def _check_stream(picked: Picked) -> None:
    if picked.reader.type == REPLAY_TYPE or not is_replayable(picked.family):
        raise ReaderCommandError("no_bytes", is_usage=True, name=picked.reader.name)


async def _readings(reader: OpenableReader, *, seconds: float, tell: Tell) -> None:
    try:
        async with asyncio.timeout(seconds), reader, aclosing(reader.readings()) as readings:
            tell("listening", name=reader.name, seconds=f"{seconds:g}")
            async for reading in readings:
                tell("frame", medium=reading.medium.value, bytes=len(reading.data))
    except TimeoutError:
        return


def _write(path: Path, chunks: list[RecordedChunk], *, picked: Picked, keep_content: bool) -> None:
    header = RecordingHeader(
        reader_type=picked.reader.type,
        options=recorded_options(picked.options),
        content=_content(keep_content),
    )
    kept = chunks if keep_content else anonymous(chunks, options=picked.options)
    data = header_line(header) + b"".join(map(chunk_line, kept))
    try:
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if keep_content else 0o644
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise ReaderCommandError("file_failed", file=str(path), cause=os.strerror(error.errno or 0)) from error


def anonymous(chunks: list[RecordedChunk], *, options: Any) -> list[RecordedChunk]:
    """Return the chunks of a text scanner with invented content, cut as they were; what was sent to it stays."""
    keep = [options.prefix.encode(), options.suffix.encode(), bytes.fromhex(options.ack)]
    stream = shape.invented(b"".join(chunk.data for chunk in chunks if not chunk.is_sent), keep=keep)
    invented, at = [], 0
    for chunk in chunks:
        data = chunk.data
        if not chunk.is_sent:
            data, at = stream[at : at + len(data)], at + len(data)
        invented.append(RecordedChunk(data=data, after_ns=chunk.after_ns, is_sent=chunk.is_sent))
    return invented


def _content(keep_content: bool) -> Content:  # noqa: FBT001
    return Content.KEPT if keep_content else Content.INVENTED


def _encoding(data: bytes) -> str:
    if data.isascii():
        return "ascii"
    for encoding in ("utf-8", "gb18030"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "unknown"


def _card(content: object) -> dict[str, Any]:
    """What kind of card it is, why it could not be read, and which of its files were not."""
    match content:
        case ResidentHealthCard():
            carrier = Carrier.RHC
        case SocialSecurityCard():
            carrier = Carrier.SSC
        case UnreadableCard():
            return {"carrier": Carrier.UNKNOWN.value, "fault": content.fault.value}
        case _:  # of somebody else's driver
            return {"carrier": Carrier.UNKNOWN.value}
    unread = [{"file": one.file, "cause": one.cause.value} for one in content.unread]
    return {"carrier": carrier.value} | ({"unread": unread} if unread else {})


def _product(code: Classified) -> dict[str, str]:
    """What stands on a package: of goods, not of a person."""
    from edge import gs1, trace_code  # only here: most codes are none

    try:
        if code.carrier is Carrier.GS1:
            return gs1.parse(code.text).as_texts()
        if code.carrier is Carrier.TRACE_CODE:
            return trace_code.parse(code.text).as_texts()
    except CodeError:
        pass  # the carrier is told, and that nothing more can be said
    return {}


def _talk() -> Any:
    """What to ask a chip card: without a SAM's PIN, so nothing here can lock one."""
    from edge.card_talk import CardTalk  # only here: most readers read codes
    from edge.gm import random_bytes

    return CardTalk(random_bytes=random_bytes)
