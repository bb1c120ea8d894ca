"""The one gate that every request passes, on every door: judged, answered, and given the same headers.

`edge.api.guard` holds the rules; this is how they meet the HTTP library. A route is closed unless it is named open, so
a new route is closed until somebody says otherwise.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from edge.api.access import Access
from edge.api.guard import Asked, Refusal, judge_address, judge_caller

_STATUS_OF: Mapping[Refusal, int] = MappingProxyType(
    {
        Refusal.WRONG_HOST: 421,
        Refusal.WRONG_ORIGIN: 403,
        Refusal.NO_ACCESS: 401,
        Refusal.NOT_JSON: 415,
    }
)

_ERROR_OF: Mapping[int, str] = MappingProxyType({404: "not_found", 405: "method_not_allowed", 413: "too_large"})

_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Server": "ehc-edge",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A way in, and what it asks of those who come.

    Attributes:
        url: What a browser calls this box: scheme, host and port, no slash at the end.
        port: The TCP port in it.
        hosts_allowed: Names and addresses of this box; None at the Unix socket: its permission has judged.
        cookie: Name of the session cookie.
    """

    url: str
    port: int
    hosts_allowed: frozenset[str] | None
    cookie: str


def gate(*, door: Door, access: Access, open_paths: Collection[str]) -> Middleware:
    """The middleware that lets a request through to its route, or answers it itself."""

    @web.middleware
    async def passes(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _judge(request, door=door, access=access, open_paths=open_paths)
        if refusal is not None:
            return _refuse(refusal)
        try:
            return await handler(request)
        except web.HTTPException as exc:  # raised by the library only: no such path, no such method, too large
            answer = error(_ERROR_OF.get(exc.status, "bad_request"), status=exc.status)
            if hdrs.ALLOW in exc.headers:
                answer.headers[hdrs.ALLOW] = exc.headers[hdrs.ALLOW]
            return answer

    return passes


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on that every answer has, the errors too."""
    response.headers.update(_HEADERS)


def answer_json(value: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """An answer of UTF-8 JSON without blanks."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type="application/json")


def error(name: str, *, status: int) -> web.Response:
    """An answer that says what was wrong by a stable name, and nothing of what was sent."""
    return answer_json({"error": name}, status=status)


def too_often(wait_s: float) -> web.Response:
    """An answer that says when to come again."""
    answer = error("too_often", status=429)
    answer.headers[hdrs.RETRY_AFTER] = str(math.ceil(wait_s))
    return answer


def _judge(request: web.Request, *, door: Door, access: Access, open_paths: Collection[str]) -> Refusal | None:
    if door.hosts_allowed is None:
        return None
    asked = Asked(
        method=request.method,
        hosts=tuple(request.headers.getall(hdrs.HOST, ())),
        origins=tuple(request.headers.getall(hdrs.ORIGIN, ())),
        authorizations=tuple(request.headers.getall(hdrs.AUTHORIZATION, ())),
        fetch_site=request.headers.get("Sec-Fetch-Site"),
        media_type=request.content_type,
        session=request.cookies.get(door.cookie),
    )
    refusal = judge_address(asked, hosts_allowed=door.hosts_allowed)
    if refusal is not None:
        return refusal
    resource = request.match_info.route.resource  # the route that will answer, not the path as it was spelt
    if resource is not None and resource.canonical in open_paths:
        return None
    return judge_caller(asked, access=access)


def _refuse(refusal: Refusal) -> web.Response:
    answer = error(refusal.value, status=_STATUS_OF[refusal])
    if refusal is Refusal.NO_ACCESS:
        answer.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return answer
