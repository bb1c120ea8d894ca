"""Who is answered and who is not, over real sockets (faults.md, row 21)."""

import pytest

from edge.api import access as limits
from tests.support.api_box import TOKEN, bearer, serving, text_body
from tests.support.raw_http import exchange, request

CLOSED = ("/api/v1/status", "/api/v1/recent", "/api/v1/openapi.json", "/api/v1/unknown", "/nothing")
PAGE_FILES = (
    "/",
    "/app.js",
    "/elements.js",
    "/status.js",
    "/words.js",
    "/style.css",
    "/icon.svg",
    "/texts.zh.json",
    "/texts.en.json",
)


@pytest.fixture
async def box(tmp_path):
    async with serving(tmp_path, hosts_allowed=("Clinic.lan",)) as served:
        yield served


async def test_healthz_is_open_and_tells_nothing(box):
    """Whoever names the box learns that it answers, and nothing else."""
    answer = await box.ask("/healthz")

    assert (answer.status, answer.body) == (200, b"ok\n")


@pytest.mark.parametrize("path", PAGE_FILES)
async def test_page_files_are_open(box, path):
    """The page's own files need no access: they hold nothing of the node."""
    answer = await box.ask(path)

    assert answer.status == 200
    assert answer.body


@pytest.mark.parametrize("path", ["/healthz", "/", "/app.js", "/login?code=0", *CLOSED])
async def test_every_answer_has_the_protecting_headers(box, path):
    """Answers and errors alike forbid foreign content, framing, guessing of types, referrers and storing."""
    headers = (await box.ask(path)).headers

    policy = headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'self'"
    assert {"frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["server"] == "ehc-edge"


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize(
    "headers",
    [
        (),
        (bearer("wrong"),),
        (bearer(TOKEN[:-1]),),
        (("Authorization", f"Basic {TOKEN}"),),
        (("Cookie", "ehc_session=0"),),
        (bearer(), bearer()),
    ],
)
async def test_everything_else_needs_access(box, path, headers):
    """Without session and token no route answers, not even whether it exists."""
    answer = await box.ask(path, headers=headers)

    assert answer.status == 401
    assert answer.json == {"error": "no_access"}
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_verify_without_access_examines_nothing(box):
    """A text from nobody never reaches the verifier."""
    answer = await box.ask("/api/v1/verify", method="POST", body=text_body())

    assert answer.status == 401
    assert box.node.examined == []


async def test_token_reads_status_and_recent(box):
    """A program with the token gets what the node says, as it says it."""
    status = await box.ask_with_token("/api/v1/status")
    recent = await box.ask_with_token("/api/v1/recent?limit=2")

    assert status.json == {**box.node.state, "api": {"state": "open"}}
    assert recent.json == {"recent": box.node.rows[:2]}
    assert status.headers["content-type"] == "application/json"


async def test_one_time_link_makes_a_session(box):
    """The link leads to the page with a cookie that no script sees and no foreign page sends; it is access."""
    answer = await box.log_in()

    assert (answer.status, answer.headers["location"]) == (303, "/")
    attributes = {part.strip() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= attributes
    assert not any(part.startswith("Domain") for part in attributes)
    assert (await box.ask_in_session("/api/v1/status")).status == 200


async def test_cookie_is_named_by_its_port(box):
    """Two boxes behind one host name, on two ports, do not log each other out."""
    await box.log_in()

    assert box.cookie.split("=")[0] == f"ehc_session_{box.addresses.port}"


async def test_used_link_gives_no_second_session(box):
    """The second use of a link gets the page, which says why, and no cookie."""
    await box.log_in()

    answer = await box.log_in()

    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")


async def test_expired_link_gives_no_session(box):
    """Ten minutes after it was made the link is worth nothing."""
    box.clock.now_s += limits.LINK_LIFE_S

    answer = await box.log_in()

    assert answer.status == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("query", ["", "?code=", "?code=%ED%A0%80", "?code=%FF", "?code[]=1", "?code=" + "0" * 32])
async def test_wrong_code_gives_no_session(box, query):
    """A code that was never made, or none, opens nothing."""
    answer = await box.ask(f"/login{query}")

    assert answer.status == 403
    assert "set-cookie" not in answer.headers


async def test_idle_session_is_closed(box):
    """After the idle time the cookie is worth nothing."""
    await box.log_in()

    box.clock.now_s += limits.SESSION_IDLE_S

    assert (await box.ask_in_session("/api/v1/status")).status == 401


@pytest.mark.parametrize("path", ["/healthz", "/", "/login?code=0", "/api/v1/status"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.nip.example", "localhost.", "0.0.0.0"])
async def test_foreign_host_name_is_refused_everywhere(box, path, host):
    """A page whose name was pointed at this box (DNS rebinding) gets nothing, not even with the token."""
    answer = await box.ask(path, host=host, headers=[bearer()])

    assert answer.status == 421
    assert answer.json == {"error": "wrong_host"}


async def test_rebound_page_cannot_use_a_link_up(box):
    """A link that is asked for under a foreign name is still good under the right one."""
    target = box.addresses.new_link().removeprefix(box.origin)

    await box.ask(target, host="evil.example")

    assert (await box.log_in()).status == 303


async def test_configured_and_loopback_names_are_let_in(box):
    """The names of the configuration, in any case, and those of loopback reach the box."""
    for host in ("clinic.lan", "CLINIC.LAN:8480", "localhost", "[::1]:80"):
        assert (await box.ask("/healthz", host=host)).status == 200


async def test_request_without_or_with_two_hosts_is_refused(box):
    """One request names one host."""
    none = await exchange(request("/healthz", headers=[bearer()]), port=box.addresses.port)
    two = await box.ask("/healthz", headers=[("Host", "evil.example")])

    assert none.status in {400, 421}
    assert two.status in {400, 421}


@pytest.mark.parametrize("path", ["/healthz", "/", "/api/v1/status"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost:8480"])
async def test_foreign_origin_is_refused_everywhere(box, path, origin):
    """A request that a foreign page made is refused on every route, reading or writing."""
    answer = await box.ask_with_token(path, headers=[("Origin", origin)])

    assert answer.status == 403
    assert answer.json == {"error": "wrong_origin"}


async def test_foreign_page_cannot_read_in_a_session(box):
    """A browser that is logged in and says that another site asks, or another port of this one, gets nothing."""
    await box.log_in()

    for site in ("cross-site", "same-site"):
        answer = await box.ask_in_session("/api/v1/status", headers=[("Sec-Fetch-Site", site)])
        assert answer.status == 403


async def test_no_answer_invites_other_origins(box):
    """A preflight of a foreign page is refused, and no answer holds a CORS header."""
    preflight = await box.ask(
        "/api/v1/verify",
        method="OPTIONS",
        headers=[("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")],
    )
    own = await box.ask_with_token("/api/v1/status", headers=[("Origin", box.origin)])

    assert preflight.status == 403
    assert own.status == 200
    assert not any(name.startswith("access-control") for name in {*preflight.headers, *own.headers})


async def test_session_verifies_only_from_the_own_page_with_json(box):
    """In a session a foreign page's form is refused in every shape it can have, the page's own request answered."""
    await box.log_in()
    own, json_type = ("Origin", box.origin), ("Content-Type", "application/json; charset=utf-8")

    async def verify(*headers):
        answer = await box.ask_in_session("/api/v1/verify", method="POST", headers=headers, body=text_body())
        return answer.status

    assert await verify(json_type) == 403
    assert await verify(("Origin", "null"), json_type) == 403
    assert await verify(own) == 415
    assert await verify(own, ("Content-Type", "text/plain")) == 415
    assert box.node.examined == []
    assert await verify(own, json_type) == 200
