"""Photographs of codes: taken in, decoded in a thread, and judged like texts that were typed.

A photograph is the largest thing that the interface takes and the dearest to answer, so it has bounds of its own: few
are in hand at all doors together, one of them is decoded at a time, and each code in it costs a permit of the same
bucket as `POST /api/v1/verify`. The picture is gone when the answer is; nothing of it is stored or logged.
"""

import asyncio

from aiohttp import hdrs, web

from drivers.errors import DecoderMissingError, PictureError, PictureTooLargeError
from drivers.text import TextEncoding, decode
from drivers.transport.camera import PICTURE_BYTES_MAX, decode_still
from edge.api import answers
from edge.api.access import Access
from edge.api.gate import answer_json, error, too_often
from edge.api.view import NodeView

MEDIA_TYPES = frozenset({"image/jpeg", "image/png"})

CODES_MAX = 16
"""Of one photograph; a card has one or two. Those beyond are counted and not judged."""

BODY_WAIT_S = 15.0
"""8 MiB within it is what a weak wireless network of a clinic carries."""

IN_HAND_MAX = 2
"""Photographs at all doors, one being decoded and one coming in: 16 MiB, and up to 285 MB while one is read."""

BUSY_RETRY_S = 1


class Photos:
    """The photographs of all doors.

    Args:
        view: The node, as far as the interface may see it.
        access: Holds the permits.
    """

    def __init__(self, *, view: NodeView, access: Access) -> None:
        self._view = view
        self._access = access
        self._in_hand = 0
        self._decoding = asyncio.Lock()

    async def post(self, request: web.Request) -> web.Response:
        """Answer `POST /api/v1/photo`."""
        if request.content_type not in MEDIA_TYPES:
            return error("not_picture", status=415)
        if self._in_hand >= IN_HAND_MAX:
            answer = error("busy", status=503)
            answer.headers[hdrs.RETRY_AFTER] = str(BUSY_RETRY_S)
            return answer
        wait_s = self._access.verify_wait_s()
        if wait_s > 0:
            return too_often(wait_s)
        self._in_hand += 1
        try:
            picture = await _body(request)
            return picture if isinstance(picture, web.Response) else await self._answer(picture)
        finally:
            self._in_hand -= 1

    async def _answer(self, picture: bytes) -> web.Response:
        try:
            async with self._decoding:
                symbols = await asyncio.to_thread(decode_still, picture)
        except DecoderMissingError:
            return error("no_decoder", status=501)
        except PictureTooLargeError:
            return error("too_large", status=413)
        except PictureError:
            return error("bad_picture", status=400)
        results = []
        for number, symbol in enumerate(symbols[:CODES_MAX]):
            # The first is paid for; else a sheet of identity numbers would get more answers than there are permits.
            wait_s = self._access.verify_wait_s() if number else 0.0
            if wait_s > 0:
                return too_often(wait_s)
            text = decode(symbol.payload, encoding=TextEncoding.AUTO)
            results.append(answers.photo_result(self._view.examine(text).verdict, symbology=symbol.symbology))
        return answer_json({"found": len(symbols), "results": results})


async def _body(request: web.Request) -> bytes | web.Response:
    """The picture, or the answer to one that does not come whole, in time and within its limit."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > PICTURE_BYTES_MAX:
                    return error("too_large", status=413)
    except TimeoutError:
        answer = error("too_slow", status=408)
        answer.force_close()
        return answer
    except (web.RequestPayloadError, ConnectionError):  # a body that breaks off, or is not framed as HTTP says
        return error("bad_request", status=400)
    return bytes(body)
