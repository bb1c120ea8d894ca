"""Documents from a folder or a USB stick into what the node holds (contracts 6, layout; 3, rules).

The folder is hostile input and may be another city's: each file is offered as if the network had brought it. Roots go
first and in order, then what they vouch for; blobs are looked up by their SM3 when a document asks for them.
"""

import asyncio
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.errors import TrustError
from edge.trust import BLOB_BYTES_MAX, DOCUMENT_BYTES_MAX, Problem
from edge.trust_documents import Blob
from edge.trust_held import DOCUMENT_ROLES, Missing
from edge.trust_keeper import Offer, Source, TrustKeeper
from edge.trust_text import FOLDER

ROOTS_MAX: Final = 1000  # as many as a chain may have

_BORN: Final = "root.1.json"
_ROOT: Final = re.compile(r"root\.([1-9][0-9]{0,6})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a folder gave.

    Attributes:
        taken: Version by role, of what is held now and was not before.
        problems: What of the folder is not used.
        found: How many documents were there.
    """

    taken: dict[str, int]
    problems: tuple[Problem, ...]
    found: int


async def import_folder(folder: Path, *, keeper: TrustKeeper) -> Imported:
    """Offer everything in a folder; whatever is in it, nothing raises."""
    before = keeper.held.have
    keeper.clear(Source.FOLDER)
    problems = []
    try:
        names = await asyncio.to_thread(_documents, folder)
    except FileNotFoundError:  # a node that the city feeds needs none, but whoever named it must hear of it
        names = []
        problems.append(Problem(file=FOLDER, rule="missing"))
    except OSError:
        names = []
        problems.append(keeper.note(Problem(file=FOLDER, rule="unreadable"), source=Source.FOLDER))
    if keeper.is_empty and _BORN not in names:
        problems.append(keeper.note(Problem(file=_BORN, rule="missing"), source=Source.FOLDER))
    for name in names:
        if keeper.is_empty and not _ROOT.fullmatch(name):
            break  # nothing can be said of the rest
        problem = await _offer(folder, name=name, keeper=keeper)
        if problem is not None:
            problems.append(problem)
    have = keeper.held.have
    return Imported(
        taken={role: version for role, version in have.items() if before.get(role) != version},
        problems=tuple(problems),
        found=len(names),
    )


async def _offer(folder: Path, *, name: str, keeper: TrustKeeper) -> Problem | None:
    """Offer one file; what stands against it."""

    def blob(wanted: Blob) -> bytes | None:
        try:
            return _read(
                folder / wanted.sm3.hex(), bytes_max=min(wanted.length, BLOB_BYTES_MAX), bytes_min=wanted.length
            )
        except (OSError, TrustError):
            return None

    def noted(rule: str) -> Problem:
        return keeper.note(Problem(file=name, rule=rule), source=Source.FOLDER)

    try:
        document = await asyncio.to_thread(_read, folder / name, bytes_max=DOCUMENT_BYTES_MAX)
    except TrustError as refusal:
        return noted(refusal.rule)
    except OSError:
        return noted("unreadable")
    role, is_birth = name.partition(".")[0], name == _BORN
    offer = Offer(source=Source.FOLDER, name=name, role=role, is_birth=is_birth, blob=blob)
    answer = await keeper.take(document, offer=offer)
    if isinstance(answer, Missing):
        return noted("missing")
    # The keeper has noted of a refusal what is worth it.
    return Problem(file=name, rule=answer.rule) if isinstance(answer, TrustError) else None


def _documents(folder: Path) -> list[str]:
    """The names of the documents there, in the order to take them.

    Raises:
        OSError: It cannot be read.
    """
    there = {path.name for path in folder.iterdir()}
    roots = sorted(int(match[1]) for match in map(_ROOT.fullmatch, there) if match)
    names = [f"root.{number}.json" for number in roots[:ROOTS_MAX]]
    return names + [name for role in DOCUMENT_ROLES if (name := f"{role}.json") in there]


def _read(path: Path, *, bytes_max: int, bytes_min: int = 0) -> bytes:
    """The bytes of a regular file; one too many or few refuses it. A pipe somebody put there must not hang the node.

    Its length is asked before any memory is given to it, and is believed no further.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("no regular file")
        if not bytes_min <= found.st_size <= bytes_max:
            raise TrustError("size")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(bytes_max + 1)
    finally:
        os.close(descriptor)
    if len(data) > bytes_max:
        raise TrustError("size")
    return data
