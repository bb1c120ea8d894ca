"""Tickets on a printer that answers: what stands on the paper, and what happens without paper."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from drivers.errors import FeedbackError, PaperOutError
from drivers.feedback import ticket_print
from drivers.feedback.announcement import Announcement
from drivers.feedback.device import FeedbackCause
from drivers.feedback.ticket import Connection, TicketPrinter, TicketSettings
from drivers.feedback.ticket_print import rendered
from drivers.reader import Feedback
from tests.support.receipt_printer import NEAR_END, NO_PAPER, PAPER, ReceiptPrinter, print_out
from tests.support.waiting import until

FONT = "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"
COLUMNS, DOTS = 32, 384
LINES = ("济宁市任城区社区卫生服务中心", "挂号凭条  A012", "诊室 3")


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[ReceiptPrinter]:
    printer = ReceiptPrinter(tmp_path / "printer")
    printer.plug()
    yield printer
    printer.unplug()


@pytest.fixture
def settings(tmp_path: Path) -> TicketSettings:
    return TicketSettings(port=str(tmp_path / "printer"), connection=Connection.SERIAL, fonts=(FONT,))


def ticket(*lines: str) -> Announcement:
    return Announcement(feedback=Feedback.ACCEPT, ticket=lines)


def paper_of(*lines: str, fonts: tuple[str, ...] = (FONT,), cuts: bool = True):
    return print_out(rendered(lines, columns=COLUMNS, dots=DOTS, fonts=fonts, cuts=cuts))


def drawn(text: str) -> list[bytes]:
    """The picture of a line, made here: rows of eight dots a byte, 1 is black."""
    font = ImageFont.truetype(FONT, 2 * DOTS // COLUMNS)
    picture = Image.new("1", (DOTS, sum(font.getmetrics())), 1)
    ImageDraw.Draw(picture).text((0, 0), text, font=font, fill=0)
    bits = picture.convert("L").point(lambda value: 0 if value else 1).tobytes()
    assert 100 < bits.count(1) < len(bits) // 10  # there is ink, and paper
    rows = [bits[i : i + DOTS] for i in range(0, len(bits), DOTS)]
    return [bytes(int("".join(map(str, row[i : i + 8])), 2) for i in range(0, DOTS, 8)) for row in rows]


def test_chinese_is_sent_as_text() -> None:
    """What GBK holds comes out of the printer's own characters, line by line, and is cut."""
    paper = paper_of(*LINES)

    assert paper.lines == list(LINES)
    assert paper.cuts == 1
    assert paper_of(*LINES, cuts=False).cuts == 0


def test_a_line_with_a_rare_character_is_drawn() -> None:
    """Only that line is a picture, as wide as the paper; the others stay text."""
    paper = paper_of("姓名", "Zoë 张三", "诊室 3")

    assert paper.texts == ["姓名", "诊室 3"]
    assert paper.pictures == [drawn("Zoë 张三")]


def test_without_a_font_the_rare_character_is_a_mark() -> None:
    """A box without the font prints the rest of the name."""
    assert paper_of("Zoë 张三", fonts=("/nowhere.ttf",)).lines == ["Zo〓 张三"]


def test_a_font_that_is_broken_inside_costs_the_character_not_the_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that rots: the file opens, and fails in the middle of drawing."""

    class Broken:
        def getmask(self, _text: str) -> bytes:
            raise OSError("invalid opcode")

    monkeypatch.setattr(ticket_print, "_usable", lambda _fonts, **_: [Broken()])

    assert paper_of("Zoë 张三").lines == ["Zo〓 张三"]


def test_the_first_font_that_has_every_character_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fonts are tried in order; if none has all, the last is taken."""
    taken = []
    known = {"a.ttf": "ëx", "b.ttf": "ë䶮x", "c.ttf": ""}

    class Font:
        def __init__(self, path: str) -> None:
            self.path = path

        def getmask(self, text: str) -> bytes:
            return text.encode() if text in known[self.path] else b"box"

        def getmetrics(self) -> tuple[int, int]:
            taken.append(self.path)
            raise KeyboardInterrupt  # far enough

    fonts = [Font(path) for path in known]
    for text in ("ëx", "ë 䶮", "㐀"):
        with pytest.raises(KeyboardInterrupt):
            ticket_print._drawn(text, fonts=fonts, dots=DOTS)

    assert taken == ["a.ttf", "b.ttf", "c.ttf"]


def test_a_name_cannot_command_the_printer() -> None:
    """Escape sequences in a line are marks on the paper."""
    assert paper_of("a\x1b@\x10\x04\x04\nb").lines == ["a〓@〓〓〓〓b"]


def test_long_lines_go_on_below() -> None:
    """Sixteen Han characters fill a line of 32 columns."""
    assert paper_of("王" * 17).lines == ["王" * 16, "王"]


def test_nothing_is_printed_on_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    """The library gives no advice on the program's output."""
    paper_of("Zoë")

    assert capfd.readouterr() == ("", "")


def test_a_box_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is missing: a named cause, no traceback."""
    monkeypatch.setitem(sys.modules, "escpos.printer", None)

    with pytest.raises(FeedbackError, match=FeedbackCause.NO_LIBRARY):
        paper_of("x")


@pytest.mark.parametrize("answer", [PAPER, NEAR_END, b"", b"\xff"], ids=["paper", "near end", "silent", "nonsense"])
async def test_a_printer_with_paper_prints(printer: ReceiptPrinter, settings: TicketSettings, answer: bytes) -> None:
    """Asked once; one that is near its end, or does not know the question, is trusted."""
    printer.answer = answer
    device = TicketPrinter("printer", settings=settings)

    await device.show(ticket(*LINES))
    await until(lambda: printer.received.endswith(b"\x1dVB\x00"))
    await device.close()

    assert (printer.paper.lines, printer.asked_count) == (list(LINES), 1)


async def test_a_printer_without_paper_prints_nothing(printer: ReceiptPrinter, settings: TicketSettings) -> None:
    """What it cannot print is left out; with paper the next is printed, and only that."""
    device = TicketPrinter("printer", settings=settings)
    printer.answer = NO_PAPER

    with pytest.raises(PaperOutError):
        await device.show(ticket("1"))
    assert printer.received == b""
    printer.answer = PAPER
    await device.show(ticket("2"))
    await until(lambda: printer.received.endswith(b"\x1dVB\x00"))
    await device.close()

    assert printer.paper.lines == ["2"]


async def test_a_printer_that_need_not_be_asked_is_not(printer: ReceiptPrinter, settings: TicketSettings) -> None:
    """The question can be switched off."""
    device = TicketPrinter("printer", settings=replace(settings, asks_paper=False))

    await device.show(ticket("1"))
    await until(lambda: printer.received.endswith(b"\x1dVB\x00"))
    await device.close()

    assert printer.asked_count == 0


@pytest.mark.parametrize("connection", [Connection.SERIAL, Connection.DEVICE])
async def test_a_long_ticket_waits_for_a_slow_printer(
    printer: ReceiptPrinter, settings: TicketSettings, connection: Connection
) -> None:
    """A ticket larger than what the kernel buffers arrives whole."""
    device = TicketPrinter("printer", settings=replace(settings, connection=connection))
    lines = tuple(f"Zoë {number}" for number in range(40))

    await device.show(ticket(*lines))
    await until(lambda: printer.received.endswith(b"\x1dVB\x00"))
    await device.close()

    assert len(printer.received) > 40_000
    assert len(printer.paper.pictures) == 40


async def test_a_ticket_cut_off_leaves_nothing_behind(settings: TicketSettings, tmp_path: Path) -> None:
    """A printer that takes nothing: cancelled, the port is closed, so that the next ticket begins anew."""
    printer = ReceiptPrinter(tmp_path / "printer")
    printer._port.plug()  # nobody reads
    device = TicketPrinter("printer", settings=replace(settings, asks_paper=False))
    sending = asyncio.ensure_future(device.show(ticket(*(f"Zoë {number}" for number in range(40)))))
    await until(lambda: printer._port.unread_count() >= 0 and device._held._port is not None)

    sending.cancel()
    await asyncio.wait([sending])

    assert sending.cancelled()
    assert device._held._port is None
    printer._port.unplug()


async def test_a_network_printer_that_hangs_up_is_named() -> None:
    """Gone in the middle of a ticket: unplugged; nobody there: missing."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = TicketSettings(port="127.0.0.1", connection=Connection.NETWORK, tcp_port=port)
    device = TicketPrinter("printer", settings=settings)

    with pytest.raises(FeedbackError, match=FeedbackCause.UNPLUGGED):
        await device.show(ticket("1"))
    server.close()
    await server.wait_closed()
    with pytest.raises(FeedbackError, match=FeedbackCause.MISSING):
        await device.show(ticket("2"))


async def test_a_network_printer_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled in the middle, the connection is dropped after a moment and does not hold up the end."""
    monkeypatch.setattr("drivers.transport.tcp_port.CLOSE_LIMIT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = TicketSettings(
            port="127.0.0.1", connection=Connection.NETWORK, tcp_port=server.getsockname()[1], asks_paper=False
        )
        device = TicketPrinter("printer", settings=settings, render=lambda lines, **_: bytes(32 * 1024 * 1024))
        sending = asyncio.ensure_future(device.show(ticket("1")))
        await until(lambda: device._held._port is not None)
        await asyncio.sleep(0)

        sending.cancel()
        done, _ = await asyncio.wait([sending], timeout=5)

        assert done == {sending}
        assert sending.cancelled()


async def test_a_file_that_is_no_device_takes_what_it_is_sent(tmp_path: Path) -> None:
    """A plain file cannot answer, so it is trusted to have paper."""
    path = tmp_path / "spool"
    path.touch()
    device = TicketPrinter("printer", settings=TicketSettings(port=str(path), connection=Connection.DEVICE))

    await device.show(ticket("1"))
    await device.close()

    assert print_out(path.read_bytes().removeprefix(b"\x10\x04\x04")).lines == ["1"]
