"""What is held of the trust documents, and what a folder gave, as aligned lines for a terminal. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from edge.messages import Messages
from edge.status_text import aligned, duration_text, time_text

FOLDER = "folder"  # what a problem of the whole folder goes by


def trust_lines(trust: Mapping[str, Any], *, messages: Messages) -> list[str]:
    """Return the lines of `ehc-edge trust show`; the same members as `GET /api/v1/trust`."""
    return aligned(_rows(trust, messages=messages))


def import_lines(imported: Mapping[str, Any], *, messages: Messages) -> list[str]:
    """Return the lines of `ehc-edge trust import`."""
    lines = [
        messages.text("trust.taken", what=messages.text(f"trust.{role}"), version=version)
        for role, version in imported["taken"].items()
    ]
    lines += [_problem(problem, messages=messages) for problem in imported["problems"]]
    if not imported["found"] and FOLDER not in (problem["file"] for problem in imported["problems"]):
        lines.insert(0, messages.text("trust.nothing_found"))
    return lines or [messages.text("trust.nothing_new")]


def _rows(trust: Mapping[str, Any], *, messages: Messages) -> Iterator[tuple[str, str]]:
    for role in ("root", "issuers", "status"):
        yield messages.text(f"trust.{role}"), _document(trust, role=role, messages=messages)
        yield from _inside(role, trust.get(role, {}), messages=messages)
    roster = trust.get("roster")
    text = messages.text("trust.none")
    if roster is not None:
        lease = time_text(roster["lease_end_ms"])
        text = messages.text("trust.roster_held", version=roster["version"], people=roster["people"], lease=lease)
    yield messages.text("trust.roster"), text
    if "rung" in trust:
        text = messages.text("rung." + trust["rung"])
        if "age_s" in trust:
            age = duration_text(trust["age_s"], messages=messages)
            text = messages.text("status.trust_age", rung=text, age=age)
        yield messages.text("trust.age"), text
    floors = (f"{messages.text('trust.' + role)} {version}" for role, version in trust["floors"].items())
    yield messages.text("trust.floors"), " · ".join(floors) or messages.text("trust.none")
    yield messages.text("trust.withdrawn"), str(trust["withdrawn"])
    for place, problem in enumerate(trust["problems"]):
        yield "" if place else messages.text("trust.problems"), _problem(problem, messages=messages)


def _document(trust: Mapping[str, Any], *, role: str, messages: Messages) -> str:
    document = trust.get(role)
    if document is None:
        return messages.text("trust.none")
    text = messages.text(
        "trust.document",
        version=document["version"],
        issued=time_text(document["issued_at_ms"]),
        expires=time_text(document["expires_at_ms"]),
    )
    return text + (messages.text("trust.former") if role in trust["former"] else "")


def _inside(role: str, document: Mapping[str, Any], *, messages: Messages) -> Iterator[tuple[str, str]]:
    """What stands in a document: the city, the keys, the lists."""
    if role == "root" and document:
        born = document.get("born_sm3", "-")
        yield "", messages.text("trust.root_of", city=document["city"], born=born)
    for key in document.get("keys", ()):
        state = messages.text("trust.state_" + key["state"])
        yield "", f"{key['kid']}  {key['org']}  {state}  {' '.join(key['kinds'])}  {' '.join(key['regions'])}"
    for packed in document.get("lists", ()):
        yield "", messages.text("trust.list", **packed) + _missing(packed, messages=messages)
    for hashed in document.get("hashed", ()):
        yield "", messages.text("trust.hashed", **hashed) + _missing(hashed, messages=messages)


def _missing(listed: Mapping[str, Any], *, messages: Messages) -> str:
    return "" if listed["good"] else messages.text("trust.list_missing")


def _problem(problem: Mapping[str, Any], *, messages: Messages) -> str:
    if problem["file"] == FOLDER:
        return messages.text("trust.folder_" + problem["rule"])
    return messages.text("status.trust_problem", file=problem["file"], rule=problem["rule"])
