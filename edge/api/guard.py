"""Whether a request may be answered at all, from what stands in its head: pure, and the same for every route.

The node's interface is reachable by every page that is open in a browser on the same desk. So a request must name this
box (else a foreign name was pointed at its address: DNS rebinding), must not come from a foreign page, and must bring a
session or the token. A route is closed unless the table of routes says it is open.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from edge.api.access import Access

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})

SAFE_METHODS = frozenset({"GET", "HEAD"})

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[0-9a-z._-]+)(:[0-9]{1,5})?")

_OWN_PAGE = frozenset({None, "same-origin", "none"})
"""Sec-Fetch-Site of a request by this page or typed by the user; None from browsers and programs that send none."""

_MEDIA_TYPES = frozenset({"application/json", "image/jpeg", "image/png"})
"""None that a foreign page can send without asking first (Fetch, "CORS-safelisted request-header")."""


class Refusal(StrEnum):
    """Why a request is not answered; the value is the ``error`` in the answer."""

    WRONG_HOST = "wrong_host"
    WRONG_ORIGIN = "wrong_origin"
    NO_ACCESS = "no_access"
    NOT_JSON = "not_json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The head of a request, every header as often as it came.

    Attributes:
        method: Upper case.
        hosts: Values of Host.
        origins: Values of Origin.
        authorizations: Values of Authorization; ``repr`` hides them.
        fetch_site: Sec-Fetch-Site, None when absent.
        media_type: Media type of the body without parameters, lower case; empty when absent.
        session: The session cookie, None when absent; ``repr`` hides it.
    """

    method: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...] = ()
    authorizations: tuple[str, ...] = field(default=(), repr=False)
    fetch_site: str | None = None
    media_type: str = ""
    session: str | None = field(default=None, repr=False)


def judge_address(asked: Asked, *, hosts_allowed: Collection[str]) -> Refusal | None:
    """The rules for every request: it names this box, and a page that sent it is this box's own.

    Args:
        asked: The request's head.
        hosts_allowed: Names and addresses of this box, lower case, without port; IPv6 in brackets.
    """
    if len(asked.hosts) != 1:
        return Refusal.WRONG_HOST
    host = asked.hosts[0].lower()
    match = _HOST.fullmatch(host)
    if match is None or match["name"] not in hosts_allowed:
        return Refusal.WRONG_HOST
    if any(origin != f"http://{host}" for origin in asked.origins):
        return Refusal.WRONG_ORIGIN
    return None


def judge_caller(asked: Asked, *, access: Access) -> Refusal | None:
    """The rules for every route that is not open, after `judge_address`: who asks, and that no foreign page made it.

    A browser adds its cookie to whatever any page makes it send; a token is never added by itself. So requests with a
    cookie, and only those, must also prove that they come from this box's own page.
    """
    if asked.fetch_site not in _OWN_PAGE:
        return Refusal.WRONG_ORIGIN
    if asked.authorizations:
        return None if _has_token(asked.authorizations, access=access) else Refusal.NO_ACCESS
    if asked.session is None or not access.has_session(asked.session):
        return Refusal.NO_ACCESS
    if asked.method in SAFE_METHODS:
        return None
    if not asked.origins:
        return Refusal.WRONG_ORIGIN
    if asked.media_type not in _MEDIA_TYPES:
        return Refusal.NOT_JSON
    return None


def _has_token(authorizations: tuple[str, ...], *, access: Access) -> bool:
    scheme, _, value = authorizations[0].partition(" ")
    return len(authorizations) == 1 and scheme.lower() == "bearer" and access.is_token(value)
