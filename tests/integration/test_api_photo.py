"""Photographs of codes over real sockets: what is read and judged, and what is refused."""

import asyncio
import threading

import pytest

from drivers.errors import DecoderMissingError
from drivers.transport.camera import PICTURE_BYTES_MAX, Symbol, Symbology
from edge.api import access as limits
from edge.api import photo, server
from edge.api.photo import CODES_MAX, IN_HAND_MAX
from edge.verdict import Carrier, Evidence, Reason, Subject, Verdict
from tests.integration.test_api_openapi import DOCUMENT, schema_of
from tests.support.api_box import bearer, serving
from tests.support.pictures import jpeg, png, qr_picture, symbol_picture
from tests.support.raw_http import connect, exchange, parse, read_all, request
from tests.support.schema import problems
from tests.unit.test_camera_decoders import png_of

PATH = "/api/v1/photo"
TEXT = "11010020171225006X"
JPEG, PNG = ("Content-Type", "image/jpeg"), ("Content-Type", "image/png")


@pytest.fixture
async def box(tmp_path):
    async with serving(tmp_path) as served:
        yield served


@pytest.fixture
def decoded(monkeypatch):
    """The symbols that every picture shows; set to an exception, it is raised."""
    found = []

    def decode(picture):
        if isinstance(found[0], Exception):
            raise found[0]
        return found

    monkeypatch.setattr(photo, "decode_still", decode)
    return found


async def ask(box, picture, *, media_type=JPEG):
    return await box.ask_with_token(PATH, method="POST", headers=[media_type], body=picture)


def as_described(answer):
    schema = schema_of(PATH, method="post", status=str(answer.status))
    return problems(answer.json, schema, document=DOCUMENT) == []


@pytest.mark.parametrize("media_type", [JPEG, PNG])
async def test_a_code_in_a_photograph_is_judged_without_roster_data(box, media_type):
    """Its kind and its verdict go out; its text and what the roster added do not, and nothing is recorded."""
    subject = Subject(kind=Carrier.ID_NUMBER, id_no=TEXT, name="张测试", sex=1)
    box.node.verdicts[TEXT] = Verdict(
        reason=Reason.ROSTER_MATCH_CODE_UNVERIFIED, subject=subject, evidence=Evidence(lo_ms=1, anchored=False)
    )
    rows = list(box.node.rows)
    picture = jpeg(qr_picture(TEXT)) if media_type is JPEG else png(qr_picture(TEXT))

    answer = await ask(box, picture, media_type=media_type)

    assert answer.json == {
        "found": 1,
        "results": [
            {
                "symbology": "qr",
                "outcome": "ACCEPT_PENDING",
                "reason": "ROSTER_MATCH_CODE_UNVERIFIED",
                "also": [],
                "subject": {"kind": "id_number", "id_no": "1101************6X"},
                "evidence": {"lo": 1, "anchored": False},
            }
        ],
    }
    assert as_described(answer)
    assert box.node.examined == [TEXT]
    assert box.node.rows == rows


async def test_gs1_is_examined_as_a_scanner_brings_it(box):
    """The AIM prefix stands before the text."""
    await ask(box, png(symbol_picture("(01)06901234567892(10)A1", symbology=Symbology.DATA_MATRIX, is_gs1=True)))

    assert box.node.examined == ["]d2010690123456789210A1"]


async def test_a_photograph_without_a_code_is_an_answer(box):
    """Nothing found is no error."""
    answer = await ask(box, jpeg(qr_picture(TEXT).crop((0, 0, 40, 40))))

    assert (answer.status, answer.json) == (200, {"found": 0, "results": []})
    assert as_described(answer)


async def test_of_many_codes_the_first_are_judged(box, decoded):
    """All are counted."""
    decoded += [Symbol(symbology=Symbology.QR, data=b"%d" % number) for number in range(CODES_MAX + 3)]

    answer = await ask(box, b"-")

    assert answer.json["found"] == CODES_MAX + 3
    assert [result["symbology"] for result in answer.json["results"]] == ["qr"] * CODES_MAX
    assert box.node.examined == [str(number) for number in range(CODES_MAX)]


async def test_each_code_costs_a_permit(box, decoded):
    """A sheet of numbers gets no more answers than as many requests would, and says when to come again."""
    decoded += [Symbol(symbology=Symbology.QR, data=b"%d" % number) for number in range(8)]

    answers = [await ask(box, b"-") for _ in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert all(as_described(answer) and answer.headers["retry-after"] == "1" for answer in answers[2:])
    assert len(box.node.examined) == limits.VERIFY_BURST
    box.clock.now_s += 20
    assert (await ask(box, b"-")).status == 200


@pytest.mark.parametrize(
    ("picture", "status", "name"),
    [
        (b"", 400, "bad_picture"),
        (b"no picture at all", 400, "bad_picture"),
        (jpeg(qr_picture(TEXT))[:-300], 400, "bad_picture"),
        (png(qr_picture(TEXT))[:60], 400, "bad_picture"),
        (png_of(10_000, 5_000), 413, "too_large"),
        (b"\xff\xd8\xff" + bytes(PICTURE_BYTES_MAX), 413, "too_large"),
    ],
    ids=["empty", "text", "cut JPEG", "cut PNG", "50 MP", "8 MiB and more"],
)
async def test_what_cannot_be_read_is_refused(box, picture, status, name):
    """By a name, and examined by nobody; the box goes on."""
    answer = await ask(box, picture)

    assert (answer.status, answer.json) == (status, {"error": name})
    assert as_described(answer)
    assert box.node.examined == []
    assert (await ask(box, jpeg(qr_picture(TEXT)))).json["found"] == 1


async def test_a_picture_of_the_largest_size_is_taken(box, decoded):
    """The limit of this route is its own, to the byte, framed by a length or in chunks."""
    decoded.append(Symbol(symbology=Symbology.EAN_8, data=b"12345670"))
    body = bytes(PICTURE_BYTES_MAX)
    head = request(PATH, method="POST", headers=[("Host", box.host), bearer(), JPEG])[:-2]
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n800000\r\n" + body + b"\r\n0\r\n\r\n"

    assert (await ask(box, body)).status == 200
    assert (await exchange(chunked, port=box.addresses.port)).status == 200


@pytest.mark.parametrize("media_type", ["image/gif", "application/json", "text/plain", "image/jpeg2"])
async def test_other_media_types_are_refused(box, media_type):
    """A token does not make a picture of what says it is none."""
    answer = await ask(box, jpeg(qr_picture(TEXT)), media_type=("Content-Type", media_type))

    assert (answer.status, answer.json) == (415, {"error": "not_picture"})
    assert as_described(answer)


async def test_a_browser_may_send_a_photograph(box):
    """In a session, from the box's own page; a form of a foreign page can not."""
    await box.log_in()
    picture = jpeg(qr_picture(TEXT))
    asked = {"method": "POST", "body": picture}

    assert (await box.ask_in_session(PATH, headers=[JPEG, ("Origin", box.origin)], **asked)).json["found"] == 1
    assert (await box.ask_in_session(PATH, headers=[JPEG], **asked)).status == 403
    assert (await box.ask_in_session(PATH, headers=[JPEG, ("Origin", "http://evil.example")], **asked)).status == 403
    plain = [("Content-Type", "text/plain"), ("Origin", box.origin)]
    assert (await box.ask_in_session(PATH, headers=plain, **asked)).status == 415
    assert (await box.ask(PATH, headers=[JPEG], **asked)).status == 401


async def test_a_box_without_the_extra_says_so(box, decoded):
    """It is not there, which is nobody's mistake."""
    decoded.append(DecoderMissingError())

    answer = await ask(box, b"-")

    assert (answer.status, answer.json) == (501, {"error": "no_decoder"})
    assert as_described(answer)


async def test_one_is_decoded_at_a_time_and_few_are_in_hand(tmp_path, monkeypatch):
    """The second waits for the first, a third is sent away, and the loop turns meanwhile."""
    may_go, running, most = threading.Event(), [], []

    def decode(picture):
        running.append(picture)
        most.append(len(running))
        may_go.wait(10)
        running.remove(picture)
        return []

    monkeypatch.setattr(photo, "decode_still", decode)
    async with serving(tmp_path) as box, asyncio.timeout(10):
        asked = {asyncio.ensure_future(ask(box, b"-")) for _ in range(IN_HAND_MAX + 1)}
        (refused,), waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        may_go.set()
        statuses = [(await answer).status for answer in waiting]

    answer = refused.result()
    assert (answer.status, answer.json, answer.headers["retry-after"]) == (503, {"error": "busy"}, "1")
    assert as_described(answer)
    assert statuses == [200] * IN_HAND_MAX
    assert set(most) == {1}


async def test_slow_body_is_cut_off(tmp_path, monkeypatch):
    """A picture that does not arrive in its time is refused, the connection closed, and its place given free."""
    monkeypatch.setattr(photo, "BODY_WAIT_S", 0.2)
    monkeypatch.setattr(server, "LINGER_S", 0.1)
    async with serving(tmp_path) as box, asyncio.timeout(10):
        for _ in range(IN_HAND_MAX + 1):
            reader, writer = await connect(port=box.addresses.port)
            head = request(PATH, method="POST", headers=[("Host", box.host), bearer(), JPEG])[:-2]
            writer.write(head + b"Content-Length: 100\r\n\r\n{")
            answer = parse(await read_all(reader))
            writer.close()

            assert (answer.status, answer.json) == (408, {"error": "too_slow"})
            assert as_described(answer)


async def test_a_body_that_is_ill_framed_is_refused(box):
    """It is no picture, and makes no noise."""
    head = request(PATH, method="POST", headers=[("Host", box.host), bearer(), JPEG])[:-2]

    answer = await exchange(head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n", port=box.addresses.port)

    assert answer.status == 400
    assert box.node.examined == []


async def test_a_body_that_breaks_off_gives_its_place_free(box, caplog):
    """A client that goes away in the middle of its picture leaves no trace."""
    head = request(PATH, method="POST", headers=[("Host", box.host), bearer(), JPEG])[:-2]

    for _ in range(IN_HAND_MAX + 1):
        _, writer = await connect(port=box.addresses.port)
        writer.write(head + b"Content-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(10):
        while (await ask(box, jpeg(qr_picture(TEXT)))).status == 503:
            await asyncio.sleep(0.01)

    assert box.node.examined == [TEXT]
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


async def test_what_is_in_a_photograph_is_not_logged(box, caplog):
    """Neither text nor picture."""
    caplog.set_level("DEBUG")

    await ask(box, jpeg(qr_picture(TEXT)))
    await ask(box, jpeg(qr_picture(TEXT))[:-300])

    assert TEXT not in caplog.text
