"""The description of the interface, held against what is really served."""

import json

import pytest

from drivers.transport.camera import Symbology
from edge.api import answers, static
from edge.api.access import Access
from edge.api.gate import Door
from edge.api.guard import LOOPBACK_HOSTS, Refusal
from edge.api.photo import CODES_MAX, Photos
from edge.api.routes import application
from edge.api.server import ApiSettings, start
from edge.clock import ClockAlarm
from edge.verdict import Carrier, Evidence, Reason, Rung, Subject, Verdict
from tests.support.node_view import STATUS, FakeNode, row
from tests.support.raw_http import exchange, request
from tests.support.schema import problems

DOCUMENT = json.loads(static.openapi().body)
TOKEN = "0123456789abcdef" * 4


def new_access():
    return Access(token=TOKEN, monotonic_s=lambda: 0.0, random_bytes=lambda size: b"\x05" * size)


class NoPage:
    """A page whose port another program has."""

    is_open = False

    def new_link(self):
        return None


def routes(*, hosts_allowed):
    door = Door(url="http://127.0.0.1:1", port=1, hosts_allowed=hosts_allowed, cookie="c")
    view, access = FakeNode(), new_access()
    app = application(door=door, view=view, access=access, page=NoPage(), photos=Photos(view=view, access=access))
    found = {(route.method, route.resource.canonical) for route in app.router.routes()}
    return {(method, path) for method, path in found if method != "HEAD" and path not in static.load()}


def schema_of(path, *, method="get", status="200"):
    return DOCUMENT["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]


def test_every_route_is_described_and_every_description_served():
    """The document's paths and methods are exactly the routes, the page's files aside."""
    described = {
        (method.upper(), path)
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
        if method != "parameters"
    }

    assert described == routes(hosts_allowed=None)
    assert described - routes(hosts_allowed=LOOPBACK_HOSTS) == {
        ("POST", "/api/v1/link"),
        ("GET", "/api/v1/trust"),
        ("POST", "/api/v1/trust/import"),
    }


def test_routes_described_as_open_are_the_open_ones():
    """What the document says needs no access is healthz, the login and the socket's own route."""
    without = {
        path for path, methods in DOCUMENT["paths"].items() for each in methods.values() if each.get("security") == []
    }

    assert without == {"/healthz", "/login", "/api/v1/link", "/api/v1/trust", "/api/v1/trust/import"}


def test_numbers_described_are_those_of_the_code():
    """Limits and words stand in the document as the code has them."""
    limit = DOCUMENT["paths"]["/api/v1/recent"]["get"]["parameters"][0]["schema"]
    text = DOCUMENT["paths"]["/api/v1/verify"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    photo = schema_of("/api/v1/photo", method="post")
    schemas = DOCUMENT["components"]["schemas"]

    assert (limit["maximum"], limit["default"]) == (answers.RECENT_MAX, answers.RECENT_DEFAULT)
    assert text["properties"]["text"]["maxLength"] == answers.TEXT_CHARS_MAX
    assert schemas["Status"]["properties"]["clock"]["properties"]["alarm"]["enum"] == list(ClockAlarm)
    assert schemas["Reason"]["enum"] == list(Reason)
    assert schemas["Carrier"]["enum"] == list(Carrier)
    assert schemas["Evidence"]["properties"]["rung"]["enum"] == list(Rung)
    assert schemas["PhotoResult"]["properties"]["symbology"]["enum"] == list(Symbology)
    assert schemas["PhotoResult"]["properties"].items() >= schemas["Verdict"]["properties"].items()
    assert photo["properties"]["results"]["maxItems"] == CODES_MAX
    assert set(schemas["Error"]["properties"]["error"]["enum"]) >= set(Refusal)


def test_every_reference_leads_somewhere():
    """No reference of the document is broken, and every schema is used."""
    text = json.dumps(DOCUMENT)
    schemas = DOCUMENT["components"]["schemas"]

    assert {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]} == set(schemas)


@pytest.fixture
async def ask():
    node = FakeNode()
    node.rows.append(row(reason=Reason.VALID, delivery="unsaved", seq=None))
    node.state["clock"]["alarm"] = ClockAlarm.ANSWERS_DISAGREE.value
    node.state["store"] = {"writable": False, "cause": "StoreError"}
    node.state["queue"]["oldest_ms"] = node.state["uplink"]["next_try_ms"] = 1
    node.state["trust"]["problems"] = [{"file": "issuers.json", "rule": "threshold"}]
    node.verdicts["EHC1:X"] = Verdict(
        reason=Reason.VALID_STALE,
        also=(Reason.CLOCK_UNSURE,),
        subject=Subject(kind=Carrier.EHC1, card_ref=bytes(8)),
        evidence=Evidence(kid=bytes(4), issuers=1, status=2, lo_ms=3, hi_ms=4, anchored=True, age_s=5, rung=Rung.STALE),
    )
    for text, subject in (
        ("ID", Subject(kind=Carrier.ID_NUMBER, id_no="11010020171225006X")),
        ("BIRTH", Subject(kind=Carrier.BIRTH_CERTIFICATE, birth_no="A123456789")),
        ("INDEX", Subject(kind=Carrier.NATIONAL_STATIC, index="AB" * 32)),
    ):
        node.verdicts[text] = Verdict(reason=Reason.PENDING_CITY, subject=subject, evidence=Evidence())
    async with start(settings=ApiSettings(), view=node, access=new_access(), socket_path=None) as addresses:

        async def ask(target, *, method="GET", body=b"", token=TOKEN):
            headers = [("Host", f"127.0.0.1:{addresses.port}"), ("Authorization", f"Bearer {token}")]
            sent = request(target, method=method, headers=headers, body=body)
            return await exchange(sent, port=addresses.port)

        yield ask


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/recent", "/api/v1/openapi.json"])
async def test_answers_fit_their_description(ask, path):
    """Every member that goes out is described, and every described member that is required goes out."""
    answer = await ask(path)

    is_strict = path != "/api/v1/openapi.json"
    assert problems(answer.json, schema_of(path), document=DOCUMENT, is_strict=is_strict) == []


@pytest.mark.parametrize("text", ["EHC1:X", "ID", "BIRTH", "INDEX", "rubbish"])
async def test_verdicts_fit_their_description(ask, text):
    """Verdicts of every kind of carrier are as described."""
    answer = await ask("/api/v1/verify", method="POST", body=json.dumps({"text": text}).encode())

    assert problems(answer.json, schema_of("/api/v1/verify", method="post"), document=DOCUMENT) == []


@pytest.mark.parametrize(
    ("target", "method", "body", "status"),
    [
        ("/api/v1/verify", "POST", b"{}", "400"),
        ("/api/v1/verify", "POST", b"x" * 100_000, "413"),
        ("/api/v1/recent?limit=0", "GET", b"", "400"),
    ],
)
async def test_errors_fit_their_description(ask, target, method, body, status):
    """An error is named as described, with the status described."""
    answer = await ask(target, method=method, body=body)

    assert str(answer.status) == status
    schema = schema_of(target.partition("?")[0], method=method.lower(), status=status)
    assert problems(answer.json, schema, document=DOCUMENT) == []


async def test_refusal_fits_its_description(ask):
    """Whoever has no access is told so as described."""
    answer = await ask("/api/v1/status", token="no")

    assert problems(answer.json, schema_of("/api/v1/status", status="401"), document=DOCUMENT) == []


def test_the_check_finds_what_does_not_fit():
    """The checker itself sees a missing, an undescribed and a wrong member."""
    wrong = {**STATUS, "api": {"state": "open"}, "clock": {"anchored": 1}, "more": 1}
    del wrong["node"]

    found = problems(wrong, DOCUMENT["components"]["schemas"]["Status"], document=DOCUMENT)

    assert sorted(found) == [
        "$.clock.anchored: type",
        "$.clock: lo_ms is missing",
        "$: more is not described",
        "$: node is missing",
    ]
