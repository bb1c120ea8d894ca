"""Which path is answered by what. The tables below are the whole interface.

What only the command line may do stands in a table that the TCP door never gets: no check there could be forgotten.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from edge.api import answers, static
from edge.api.access import LINK_LIFE_S, SESSION_LIFE_S, Access
from edge.api.gate import Door, add_headers, answer_json, error, gate, too_often
from edge.api.photo import Photos
from edge.api.view import NodeView

BODY_BYTES_MAX = 32_768
"""The longest text with every character as a JSON escape, and its braces. Photographs have a limit of their own."""

BODY_WAIT_S = 5.0
"""A body of that size comes in at once or not at all."""


class Page(Protocol):
    """The page that browsers open, wherever the request came in."""

    @property
    def is_open(self) -> bool:
        """Whether it has its port, which another program may have."""
        ...

    def new_link(self) -> str | None:
        """A fresh one-time link; None while it is not open."""
        ...


def application(*, door: Door, view: NodeView, access: Access, page: Page, photos: Photos) -> web.Application:
    """The interface as it stands behind one door.

    Args:
        door: Which.
        view: The node, as far as the interface may see it.
        access: Who may ask.
        page: Whether there is a page, and links to it.
        photos: The photographs of all doors.
    """
    files = static.load()
    api = _Api(door=door, view=view, access=access, page=page, refused_page=files[static.PAGE])
    open_gets: Mapping[str, Handler] = {
        **{path: _serving(file) for path, file in files.items()},
        "/healthz": _healthz,
        "/login": api.login,
    }
    closed = [
        web.get("/api/v1/openapi.json", _serving(static.openapi())),
        web.get("/api/v1/status", api.status),
        web.get("/api/v1/recent", api.recent),
        web.post("/api/v1/verify", api.verify),
        web.post("/api/v1/photo", photos.post),
    ]
    socket_only = [
        web.post("/api/v1/link", api.link),
        web.get("/api/v1/trust", api.trust),
        web.post("/api/v1/trust/import", api.import_trust),
    ]

    app = web.Application(
        middlewares=[gate(door=door, access=access, open_paths=frozenset(open_gets))],
        client_max_size=BODY_BYTES_MAX,
    )
    app.add_routes([web.get(path, handler) for path, handler in open_gets.items()])
    app.add_routes(closed)
    if door.hosts_allowed is None:
        app.add_routes(socket_only)
    app.on_response_prepare.append(add_headers)
    return app


class _Api:
    """The answers that need the node; whoever gets here has passed the gate."""

    def __init__(
        self,
        *,
        door: Door,
        view: NodeView,
        access: Access,
        page: Page,
        refused_page: static.StaticFile,
    ) -> None:
        self._door = door
        self._view = view
        self._access = access
        self._page = page
        self._refused_page = refused_page

    async def status(self, _request: web.Request) -> web.Response:
        page = {"state": "open" if self._page.is_open else "port_taken"}
        return answer_json({**self._view.status(), "api": page})

    async def recent(self, request: web.Request) -> web.Response:
        limit = answers.read_limit(request.query.get("limit"))
        if limit is None:
            return error("bad_request", status=400)
        return answer_json({"recent": self._view.recent(limit)})

    async def verify(self, request: web.Request) -> web.Response:
        body = await _body(request)
        if isinstance(body, web.Response):
            return body
        text = answers.read_verify(body)
        if text is None:
            return error("bad_request", status=400)
        wait_s = self._access.verify_wait_s()
        if wait_s > 0:
            return too_often(wait_s)
        return answer_json(answers.verify_answer(self._view.examine(text).verdict))

    async def login(self, request: web.Request) -> web.Response:
        session = self._access.redeem(request.query.get("code", ""))
        if session is None:
            return _serve(self._refused_page, status=403)  # the page says why by itself
        answer = web.Response(status=303, headers={hdrs.LOCATION: "/"})
        answer.set_cookie(
            self._door.cookie, session, max_age=SESSION_LIFE_S, path="/", httponly=True, samesite="Strict"
        )
        return answer

    async def link(self, _request: web.Request) -> web.Response:
        link = self._page.new_link()
        if link is None:
            return error("port_taken", status=503)
        return answer_json({"link": link, "expires_in_s": LINK_LIFE_S})

    async def trust(self, _request: web.Request) -> web.Response:
        return answer_json(self._view.trust())

    async def import_trust(self, request: web.Request) -> web.Response:
        body = await _body(request)
        if isinstance(body, web.Response):
            return body
        folder = answers.read_folder(body)
        if folder is None:
            return error("bad_request", status=400)
        return answer_json(await self._view.import_trust(Path(folder)))


async def _body(request: web.Request) -> bytes | web.Response:
    """The body, or the answer to one that does not come whole and in time."""
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            return await request.read()
    except TimeoutError:
        answer = error("too_slow", status=408)
        answer.force_close()
        return answer
    except (web.RequestPayloadError, ConnectionError):  # a body that breaks off, or is not framed as HTTP says
        return error("bad_request", status=400)


def login_link(*, door: Door, access: Access) -> str:
    """A fresh one-time link for a browser."""
    return f"{door.url}/login?code={access.mint_link()}"


async def _healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _serving(file: static.StaticFile) -> Handler:
    async def serve(_request: web.Request) -> web.Response:
        return _serve(file)

    return serve


def _serve(file: static.StaticFile, *, status: int = 200) -> web.Response:
    return web.Response(body=file.body, status=status, content_type=file.media_type, charset="utf-8")
