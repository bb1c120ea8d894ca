"""What may be asked, how much of it and how slowly, over real sockets (faults.md, row 21)."""

import asyncio
import logging

import pytest

from edge.api import access as limits
from edge.api import server
from edge.verdict import Carrier, Evidence, Reason, Subject, Verdict
from tests.support.api_box import bearer, serving, text_body
from tests.support.raw_http import connect, exchange, parse, read_all, request


@pytest.fixture
async def box(tmp_path):
    async with serving(tmp_path) as served:
        yield served


async def test_verify_gives_the_verdict_without_roster_data(box):
    """The verdict goes out, what the roster added does not, and nothing is recorded."""
    subject = Subject(kind=Carrier.ID_NUMBER, id_no="11010020171225006X", name="张测试", sex=1)
    box.node.verdicts["11010020171225006X"] = Verdict(
        reason=Reason.ROSTER_MATCH_CODE_UNVERIFIED, subject=subject, evidence=Evidence(lo_ms=1, anchored=False)
    )
    rows = list(box.node.rows)

    answer = await box.ask_with_token("/api/v1/verify", method="POST", body=text_body("11010020171225006X"))

    assert answer.json == {
        "outcome": "ACCEPT_PENDING",
        "reason": "ROSTER_MATCH_CODE_UNVERIFIED",
        "also": [],
        "subject": {"kind": "id_number", "id_no": "1101************6X"},
        "evidence": {"lo": 1, "anchored": False},
    }
    assert box.node.rows == rows


@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 20_000, b'{"text": 1}', b"\xff\xfe", b'{"text": "\\ud800"}'])
async def test_wrong_body_is_refused(box, body):
    """A body that is not one text is refused and examined by nobody."""
    answer = await box.ask_with_token("/api/v1/verify", method="POST", body=body)

    assert (answer.status, answer.json) == (400, {"error": "bad_request"})
    assert box.node.examined == []


async def test_body_that_breaks_off_or_is_ill_framed_is_dropped(box, caplog):
    """A client that goes away in the middle of its body, or frames it wrongly, makes no noise and no verdict."""
    head = request("/api/v1/verify", method="POST", headers=[("Host", box.host), bearer()])[:-2]

    _, writer = await connect(port=box.addresses.port)
    writer.write(head + b"Content-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    answer = await exchange(head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n", port=box.addresses.port)

    assert answer.status == 400
    assert (await box.ask("/healthz")).status == 200
    assert box.node.examined == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_verify_is_limited_and_comes_back(box):
    """After the burst the answer is to wait, with the seconds; after them there is a verdict again."""
    for _ in range(limits.VERIFY_BURST):
        assert (await box.ask_with_token("/api/v1/verify", method="POST", body=text_body())).status == 200

    refused = await box.ask_with_token("/api/v1/verify", method="POST", body=text_body())
    examined = len(box.node.examined)
    box.clock.now_s += int(refused.headers["retry-after"])
    granted = await box.ask_with_token("/api/v1/verify", method="POST", body=text_body())

    assert (refused.status, refused.json) == (429, {"error": "too_often"})
    assert examined == limits.VERIFY_BURST
    assert granted.status == 200


@pytest.mark.parametrize("limit", ["0", "101", "x", "-1", "%00"])
async def test_wrong_limit_is_refused(box, limit):
    """A limit that is not 1 to 100 is refused."""
    assert (await box.ask_with_token(f"/api/v1/recent?limit={limit}")).status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
async def test_other_methods_are_refused(box, method):
    """A route answers to its own method and says which."""
    answer = await box.ask_with_token("/api/v1/status", method=method)

    assert answer.status in {400, 405}
    assert box.node.state["node"].encode() not in answer.body


@pytest.mark.parametrize(
    "target",
    [
        "/../edge/api/server.py",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/web/index.html",
        "/index.html",
        "/zh.toml",
        "/openapi.json",
        "/app.js/",
        "/app.js/../server.py",
        "/app.js%00",
        "/app.js;x",
        "/APP.JS",
        "\\app.js",
        "/healthz/../api/v1/status",
        "/healthz/%2e%2e/api/v1/status",
        "/healthz%2f..%2fapi%2fv1%2fstatus",
        "/./api/v1/status",
        "/api//v1/status",
        "/api/v1/status/",
        "/api/v1/%73tatus",
        "/?/../api/v1/status",
        "http://127.0.0.1/api/v1/status",
        "http://evil.example/api/v1/status",
        "*",
        "",
        "healthz",
    ],
)
async def test_path_tricks_open_nothing(box, target):
    """No spelling of a path reaches a file that is not in the table or a closed route without access."""
    answer = await box.ask(target)

    page = (await box.ask("/")).body
    assert answer.status in {400, 401, 404} or answer.body == page
    assert box.node.state["node"].encode() not in answer.body
    assert b"root:" not in answer.body


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_large_body_is_refused(box, framing):
    """A body above the limit is refused, however it is framed, and never held whole."""
    body = b'{"text": "' + b"x" * 100_000 + b'"}'
    head = request("/api/v1/verify", method="POST", headers=[("Host", box.host), bearer()])[:-2]
    if framing == "length":
        sent = head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    else:
        sent = head + f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"

    answer = await exchange(sent, port=box.addresses.port)

    assert (answer.status, answer.json) == (413, {"error": "too_large"})
    assert box.node.examined == []


async def test_large_head_is_refused_without_a_word_in_the_log(box, caplog):
    """A head above the limit and bytes that are no HTTP are refused, and nothing of them is logged."""
    for sent in (
        request("/" + "x" * 100_000, headers=[("Host", box.host)]),
        request("/healthz", headers=[("Host", box.host), ("X-Long", "y" * 100_000)]),
        request("/healthz", headers=[("Host", box.host), *(("X", "1") for _ in range(1000))]),
        b"EHC1:SOMEBODYS-CARD\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ):
        assert (await exchange(sent, port=box.addresses.port)).status == 400

    assert caplog.records == []


async def test_slow_head_is_cut_off(tmp_path, monkeypatch):
    """A head that does not arrive in its time ends the connection, though bytes keep coming."""
    monkeypatch.setattr(server, "HEAD_WAIT_S", 0.3)
    async with serving(tmp_path) as box, asyncio.timeout(5):
        reader, writer = await connect(port=box.addresses.port)

        async def drip():
            writer.write(request("/healthz", headers=[("Host", box.host), ("X-Slow", "")])[:-4])
            for _ in range(1000):
                writer.write(b"x")
                await asyncio.sleep(0.05)

        dripping = asyncio.ensure_future(drip())
        received = await read_all(reader)
        dripping.cancel()
        writer.close()

    assert received == b""


async def test_slow_body_is_cut_off(tmp_path, monkeypatch):
    """A body that does not arrive in its time is refused and the connection closed."""
    monkeypatch.setattr("edge.api.routes.BODY_WAIT_S", 0.2)
    monkeypatch.setattr(server, "LINGER_S", 0.1)
    async with serving(tmp_path) as box, asyncio.timeout(5):
        reader, writer = await connect(port=box.addresses.port)
        head = request("/api/v1/verify", method="POST", headers=[("Host", box.host), bearer()])[:-2]
        writer.write(head + b"Content-Length: 100\r\n\r\n{")
        answer = parse(await read_all(reader))
        writer.close()

    assert (answer.status, answer.json) == (408, {"error": "too_slow"})
    assert box.node.examined == []


async def test_connections_are_bounded(tmp_path, monkeypatch):
    """Above the limit a connection is closed at once; when one ends there is room again."""
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 2)
    async with serving(tmp_path) as box, asyncio.timeout(5):
        held = [await connect(port=box.addresses.port) for _ in range(2)]
        refused = await box.ask("/healthz")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        while (await box.ask("/healthz")).status != 200:
            await asyncio.sleep(0.01)

    assert refused.status == 0
