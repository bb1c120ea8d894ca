"""The files of the page: a fixed table, read once. No path from outside ever reaches the file system.

The page's words are `edge.messages` and, for what only the page says, ``web/zh.toml`` and ``web/en.toml``; both go
out as one JSON file a language.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from edge.messages import Language

PAGE = "/"

_SHARED_GROUPS = (
    "outcome",
    "reason",
    "carrier",
    "named",
    "rung",
    "delivery",
    "note",
    "state",
    "lost",
    "trouble",
    "sam",
    "status",
    "unit",
)

_TABLE = (
    (PAGE, "web/index.html", "text/html"),
    ("/app.js", "web/app.js", "text/javascript"),
    ("/elements.js", "web/elements.js", "text/javascript"),
    ("/status.js", "web/status.js", "text/javascript"),
    ("/words.js", "web/words.js", "text/javascript"),
    ("/style.css", "web/style.css", "text/css"),
    ("/icon.svg", "web/icon.svg", "image/svg+xml"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file as it is served.

    Attributes:
        body: Its bytes, UTF-8.
        media_type: Without parameters.
    """

    body: bytes
    media_type: str


def load() -> Mapping[str, StaticFile]:
    """Every file by the path it is served under."""
    files = {path: StaticFile(body=_read(name), media_type=media_type) for path, name, media_type in _TABLE}
    for language in Language:
        files[f"/texts.{language}.json"] = StaticFile(body=_texts(language), media_type="application/json")
    return files


def openapi() -> StaticFile:
    """The description of the interface; it is served to those who have access."""
    return StaticFile(body=_read("api/openapi.json"), media_type="application/json")


def _texts(language: Language) -> bytes:
    shared = tomllib.loads(_read(f"messages/{language}.toml").decode())
    groups = {name: shared[name] for name in _SHARED_GROUPS}
    groups["page"] = tomllib.loads(_read(f"web/{language}.toml").decode())
    return json.dumps(groups, ensure_ascii=False).encode()


def _read(name: str) -> bytes:
    return resources.files("edge").joinpath(name).read_bytes()
