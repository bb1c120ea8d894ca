"""Recordings of readers that are no text scanners: what is asked is waited for, and what was read is read again."""

import asyncio
import json
import os
import stat
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from drivers.readers.replay import ReplayReader, ReplaySettings
from drivers.reading import Medium, Reading
from drivers.recording import chunk_of
from drivers.transport.hid import HidPort
from edge import readers_watch, settings
from tests.support import id_texts
from tests.support.pty_port import PtyPort
from tests.support.sdt_device import PtySdt, SdtDevice

LIMIT_S = 25.0
NODE = '[node]\nname = "n-1"\norg = "o"\n'


def picked(reader_type: str, **options: Any) -> readers_watch.Picked:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())
    block = f'[[readers]]\nname = "r"\ntype = "{reader_type}"\n[readers.options]\n{lines}'
    return readers_watch.pick(settings.parse((NODE + block).encode()), "r")


def play(path: Path) -> Reading:
    """Read the first thing of a recording as the node would."""

    async def first() -> Reading:
        reader = ReplayReader("r", settings=ReplaySettings(file=str(path)))
        async with reader:
            readings = reader.readings()
            reading = await anext(readings)
            await readings.aclose()
            return reading

    return asyncio.run(asyncio.wait_for(first(), timeout=LIMIT_S))


def test_an_identity_card_reader_is_recorded_with_its_questions_and_plays_to_them(tmp_path: Path) -> None:
    """The card comes out of the recording as it came out of the reader, and its photograph is in neither reading."""
    sdt = PtySdt(PtyPort(tmp_path / "id-card"), make=SdtDevice)
    sdt.plug()
    card, path = id_texts.citizen(), tmp_path / "card.jsonl"

    def tell(event: str, /, **_members: Any) -> None:
        if event == "listening":
            sdt.device.lay(card)
        if event == "frame":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        readers_watch.record(
            picked("sdt", port=str(tmp_path / "id-card"), poll_ms=50),
            path,
            seconds=LIMIT_S,
            keep_content=True,
            tell=tell,
        )
    sdt.unplug()
    reading = play(path)

    assert (reading.medium, reading.data) == (Medium.ID_CARD, card)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert any(chunk_of(line).is_sent for line in path.read_bytes().splitlines()[1:])


def test_a_recording_of_a_typing_scanner_plays_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key by key as the kernel told them; a trace of them shows no content, for a key's number is its letter."""
    fifo, path = tmp_path / "event-kbd", tmp_path / "keys.jsonl"
    os.mkfifo(fifo)
    monkeypatch.setitem(HidPort.__init__.__kwdefaults__, "take", lambda _descriptor: None)  # a pipe cannot be grabbed
    writer = os.open(fifo, os.O_RDWR)
    told: list[dict[str, Any]] = []

    def tell(event: str, /, **members: Any) -> None:
        told.append(members)
        if event == "listening":
            threading.Thread(target=os.write, args=(writer, typed("12"))).start()
        if event == "frame":
            raise KeyboardInterrupt

    scanner = picked("hid-scanner", port=str(fifo))
    with pytest.raises(KeyboardInterrupt):
        readers_watch.record(scanner, path, seconds=LIMIT_S, keep_content=True, tell=tell)
    with pytest.raises(KeyboardInterrupt):
        readers_watch.trace(scanner, seconds=LIMIT_S, raw=False, tell=tell)
    os.close(writer)

    assert play(path).text == "12"
    chunks = [members for members in told if "at_ms" in members]
    assert chunks
    assert not any("shape" in members or "raw" in members for members in chunks)


def typed(digits: str) -> bytes:
    """The records of a keyboard on which digits and Enter are struck (linux/input.h, linux/input-event-codes.h)."""
    codes = [int(digit) + 1 for digit in digits] + [28]
    events = [event for code in codes for event in ((1, code, 1), (0, 0, 0), (1, code, 0), (0, 0, 0))]
    return b"".join(struct.pack("@llHHi", 0, 0, *event) for event in events)
