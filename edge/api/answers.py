"""What goes in and out: a request's body read with suspicion, a verdict written without roster data. Pure."""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from edge.verdict import Carrier, Subject, Verdict
from edge.verdict_json import verdict_to_json

TEXT_CHARS_MAX = 4096
"""An enrolment code, the longest thing a reader brings, has about 800."""

RECENT_MAX = 100
RECENT_DEFAULT = 20

_OWN_MEMBER: Mapping[Carrier, str] = MappingProxyType(
    {
        Carrier.EHC1: "card_ref",
        Carrier.NATIONAL_STATIC: "index",
        Carrier.NATIONAL_DYNAMIC: "index",
        Carrier.ID_NUMBER: "id_no",
        Carrier.BIRTH_CERTIFICATE: "birth_no",
    }
)
"""The member of a subject that stands in the carrier itself; a carrier that is not named here carries none."""


def read_verify(body: bytes) -> str | None:
    """The text of a `POST /api/v1/verify` body, None when the body is not exactly ``{"text": "..."}``."""
    return _read_one(body, name="text")


def read_folder(body: bytes) -> str | None:
    """The folder of a `POST /api/v1/trust/import` body, None when it is not exactly ``{"dir": "/..."}``."""
    text = _read_one(body, name="dir")
    return text if text is not None and text.startswith("/") and "\0" not in text else None


def read_limit(value: str | None) -> int | None:
    """The ``limit`` of `GET /api/v1/recent`: the default when absent, None when it is not 1 to `RECENT_MAX`."""
    if value is None:
        return RECENT_DEFAULT
    if not (value.isascii() and value.isdecimal() and len(value) <= len(str(RECENT_MAX))):
        return None
    limit = int(value)
    return limit if 1 <= limit <= RECENT_MAX else None


def verify_answer(verdict: Verdict) -> dict[str, Any]:
    """The answer to `POST /api/v1/verify`: the verdict of contracts 4 without anything that came from the roster.

    Name, sex and birth may be the roster's, and so may an identifier that this kind of carrier does not carry itself:
    only what the caller showed goes back to it.
    """
    return verdict_to_json(replace(verdict, subject=_as_shown(verdict.subject)))


def photo_result(verdict: Verdict, *, symbology: str) -> dict[str, Any]:
    """One code of the answer to `POST /api/v1/photo`: its kind, and what `verify_answer` says of it."""
    return {"symbology": symbology, **verify_answer(verdict)}


def _as_shown(subject: Subject) -> Subject:
    own = _OWN_MEMBER.get(subject.kind)
    return Subject(kind=subject.kind, **({own: getattr(subject, own)} if own else {}))


def _read_one(body: bytes, *, name: str) -> str | None:
    """The text of an object with that one member."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict) or asked.keys() != {name}:
        return None
    text = asked[name]
    if not isinstance(text, str) or len(text) > TEXT_CHARS_MAX or not _is_encodable(text):
        return None
    return text


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can write and no reader can send
        return False
    return True
