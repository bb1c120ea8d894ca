"""Who may ask, rule by rule, from the head of a request alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api.access import Access
from edge.api.guard import LOOPBACK_HOSTS, Asked, Refusal, judge_address, judge_caller

TOKEN = "s3cret" * 8
ALLOWED = LOOPBACK_HOSTS | {"clinic.lan"}


@pytest.fixture
def access():
    return Access(token=TOKEN, monotonic_s=lambda: 0.0, random_bytes=lambda size: b"\x07" * size)


@pytest.fixture
def session(access):
    return access.redeem(access.mint_link())


def asked(**changes):
    return Asked(**{"method": "GET", "hosts": ("127.0.0.1:8480",)} | changes)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8480", "localhost:8480", "LOCALHOST:1", "[::1]:8480", "[::1]", "clinic.lan:8480"]
)
def test_own_names_are_let_in(host):
    """Every name of this box is good, with any port and in any case."""
    assert judge_address(asked(hosts=(host,)), hosts_allowed=ALLOWED) is None


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("",),
        ("127.0.0.1:8480", "127.0.0.1:8480"),
        ("evil.example",),
        ("evil.example:8480",),
        ("127.0.0.1.evil.example",),
        ("localhost.",),
        ("localhost:",),
        ("localhost:port",),
        ("localhost:8480:8480",),
        ("user@localhost",),
        ("localhost/",),
        ("localhost, evil.example",),
        (" localhost",),
        ("::1",),
        ("[::1",),
        ("127.0.0.2",),
        ("0.0.0.0",),
        ("2130706433",),
        ("localhost\n",),
    ],
)
def test_foreign_names_are_refused(hosts):
    """A name that is not this box's own, none, or two of them: a foreign name was pointed here (DNS rebinding)."""
    assert judge_address(asked(hosts=hosts), hosts_allowed=ALLOWED) is Refusal.WRONG_HOST


@given(st.text())
def test_no_host_crashes_the_judge(host):
    """Whatever stands in Host, the answer is yes or no."""
    refusal = judge_address(asked(hosts=(host,)), hosts_allowed=ALLOWED)

    assert refusal in {None, Refusal.WRONG_HOST}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_own_origin_is_let_in(method):
    """A request that this box's own page sent carries exactly the address it was sent to."""
    head = asked(method=method, origins=("http://127.0.0.1:8480",))

    assert judge_address(head, hosts_allowed=ALLOWED) is None


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:9999",
        "http://127.0.0.1",
        "https://127.0.0.1:8480",
        "http://localhost:8480",
        "http://127.0.0.1:8480/",
        "null",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_foreign_origin_is_refused_on_every_method(method, origin):
    """Another scheme, name or port is another origin, and its pages get no answer."""
    head = asked(method=method, origins=(origin,))

    assert judge_address(head, hosts_allowed=ALLOWED) is Refusal.WRONG_ORIGIN


def test_second_origin_must_match_too():
    """One right Origin does not excuse a wrong one."""
    head = asked(origins=("http://127.0.0.1:8480", "http://evil.example"))

    assert judge_address(head, hosts_allowed=ALLOWED) is Refusal.WRONG_ORIGIN


def test_nobody_is_refused(access):
    """Without session and token there is no access."""
    assert judge_caller(asked(), access=access) is Refusal.NO_ACCESS


def test_session_may_read(access, session):
    """A session may read without naming its origin, as browsers do."""
    assert judge_caller(asked(session=session), access=access) is None


def test_unknown_session_is_refused(access):
    """A cookie that no link gave opens nothing."""
    assert judge_caller(asked(session="0" * 64), access=access) is Refusal.NO_ACCESS


@pytest.mark.parametrize("site", ["cross-site", "same-site", "strange"])
def test_request_made_by_another_page_is_refused(access, session, site):
    """What the browser itself calls foreign is refused, though the cookie is right; another port is foreign too."""
    assert judge_caller(asked(session=session, fetch_site=site), access=access) is Refusal.WRONG_ORIGIN


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_request_of_the_own_page_is_let_in(access, session, site):
    """What the browser calls its own page, or typed, is let in."""
    assert judge_caller(asked(session=session, fetch_site=site), access=access) is None


def test_session_writes_only_with_origin_and_json(access, session):
    """An unsafe method with a cookie needs the page's own origin and a JSON body, which no foreign form can send."""
    head = {"method": "POST", "session": session}
    origin = ("http://127.0.0.1:8480",)

    assert judge_caller(asked(**head, media_type="application/json"), access=access) is Refusal.WRONG_ORIGIN
    assert judge_caller(asked(**head, origins=origin, media_type="text/plain"), access=access) is Refusal.NOT_JSON
    assert judge_caller(asked(**head, origins=origin, media_type="application/json"), access=access) is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_token_needs_no_origin(access, scheme):
    """A program with the token writes without an origin: nothing adds a token by itself."""
    head = asked(method="POST", authorizations=(f"{scheme} {TOKEN}",), media_type="text/plain")

    assert judge_caller(head, access=access) is None


@pytest.mark.parametrize(
    "authorizations",
    [
        ("",),
        ("Bearer",),
        ("Bearer ",),
        ("Bearer wrong",),
        (f"Bearer  {TOKEN}",),
        (f"Basic {TOKEN}",),
        (TOKEN,),
        (f"Bearer {TOKEN}", f"Bearer {TOKEN}"),
    ],
)
def test_wrong_token_is_refused_though_the_session_is_good(access, session, authorizations):
    """Who brings an Authorization is judged by it alone."""
    head = asked(session=session, authorizations=authorizations)

    assert judge_caller(head, access=access) is Refusal.NO_ACCESS


def test_repr_hides_what_opens(session):
    """A request's head can be printed without giving access away."""
    shown = repr(asked(session=session, authorizations=(f"Bearer {TOKEN}",)))

    assert session not in shown
    assert TOKEN not in shown
