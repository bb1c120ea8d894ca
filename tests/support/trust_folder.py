"""Trust folders for tests: the documents of a vector's context, laid out as a city lays them out."""

import base64
from pathlib import Path
from typing import Any

from edge.gm import sm3
from edge.trust import TrustSet
from edge.trust_folder import load_directory
from tests.support import vectors

FRESH = "fresh, time known"


def context(name: str = FRESH) -> dict[str, Any]:
    """A context of ehc1.json."""
    return next(context for context in vectors.load("ehc1")["contexts"] if context["name"] == name)


def text_of(case: str, *, context_name: str = FRESH) -> str:
    """The text of a case of a context."""
    return next(found["text"] for found in context(context_name)["cases"] if found["name"] == case)


def write_folder(folder: Path, *, name: str = FRESH) -> Path:
    """Write the trust folder of a context: documents, and every blob the vectors have, named by its SM3."""
    folder.mkdir(parents=True, exist_ok=True)
    described = context(name)
    (folder / "root.1.json").write_bytes(vectors.document(described["root"]))
    (folder / "issuers.json").write_bytes(vectors.document(described["issuers"]))
    (folder / "status.json").write_bytes(vectors.document(described["status"]))
    lists = vectors.load("status_list")
    blobs = [value for key, value in lists.items() if key.startswith("snapshot")] + [lists["hashed"]["blob"]]
    for blob in map(base64.b64decode, blobs):
        (folder / sm3(blob).hex()).write_bytes(blob)
    return folder


def trust_set(folder: Path) -> TrustSet:
    """The trust set of such a folder."""
    return load_directory(folder).trust
