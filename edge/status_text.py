"""The status of a running node as aligned lines for a terminal; the same members as `GET /api/v1/status`. Pure."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from edge.messages import Messages

_CHINA = timezone(timedelta(hours=8))  # the clinics' clocks
# What a device, a program or a file is called could command the terminal, or turn the line round.
_UNSHOWN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_UNSHOWN = "\N{REPLACEMENT CHARACTER}"
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def status_lines(status: Mapping[str, Any], *, messages: Messages) -> list[str]:
    """Return one line for each thing the status bar shows, labels in one column."""
    lines = aligned(_rows(status, messages=messages))
    if status["api"]["state"] == "port_taken":
        lines.insert(0, messages.text("status.port_taken"))
    if status["trust"]["test_keys"]:
        lines.insert(0, messages.text("status.test_keys"))
    return lines


def shown(line: str) -> str:
    """Return a line that a terminal shows and does not obey."""
    return "".join(_UNSHOWN if unicodedata.category(each) in _UNSHOWN_CATEGORIES else each for each in line)


def aligned(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return rows of label and text as lines, the labels in one column."""
    rows = list(rows)
    width = max((_columns(label) for label, _ in rows), default=0)
    return [f"{label}{' ' * (width - _columns(label))}  {text}".rstrip() for label, text in rows]


def time_text(unix_ms: int) -> str:
    """Return a time as the clinics' clocks show it."""
    return datetime.fromtimestamp(unix_ms / 1000, tz=UTC).astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S")


def duration_text(seconds: int, *, messages: Messages) -> str:
    """Return a duration in its largest unit of which there are two or more."""
    for unit, size_s in (("day", _DAY_S), ("hour", _HOUR_S), ("minute", _MINUTE_S)):
        if seconds >= 2 * size_s:
            return messages.text(f"unit.{unit}", n=seconds // size_s)
    return messages.text("unit.second", n=seconds)


def _rows(status: Mapping[str, Any], *, messages: Messages) -> Iterator[tuple[str, str]]:
    yield messages.text("status.node"), f"{status['node']}  ({status['version']})"
    readers = status["readers"] or [{"name": messages.text("status.readers_none"), "state": None}]
    for place, reader in enumerate(readers):
        state = "" if reader["state"] is None else f"  {messages.text('state.' + reader['state'])}"
        yield "" if place else messages.text("status.readers"), f"{reader['name']}{state}"
        if "cause" in reader:
            yield "", "  " + why_lost(reader, messages=messages)
        if "unrecorded" in reader:
            yield "", "  " + messages.text("status.unrecorded", count=reader["unrecorded"])
    for place, device in enumerate(status["feedback"]):
        yield "" if place else messages.text("status.feedback"), _device(device, messages=messages)
    for place, sam in enumerate(status["sams"]):
        yield "" if place else messages.text("status.sams"), _sam(sam, messages=messages)
    yield messages.text("status.network"), messages.text("state." + status["uplink"]["state"])
    yield messages.text("status.queue"), _queue(status["queue"], messages=messages)
    yield from _trust(status["trust"], messages=messages)
    yield messages.text("status.clock"), _clock(status["clock"], messages=messages)
    yield messages.text("status.store"), messages.text("status.store_" + _store_state(status["store"]))
    if status["store"].get("damaged"):
        yield "", messages.text("status.store_damaged", lost=status["store"].get("set_aside", 0))
    yield messages.text("status.crypto"), messages.text("status.crypto_" + status["crypto"]["backend"])


def why_lost(reader: Mapping[str, Any], *, messages: Messages) -> str:
    """Return why a reader is lost and what brings it back; what its family knows beyond the cause goes first."""
    known = messages.keys()
    trouble = f"trouble.{reader.get('trouble', '')}"
    return messages.text(trouble if trouble in known else "lost." + reader["cause"])


def _device(device: Mapping[str, Any], *, messages: Messages) -> str:
    cause = f"  {messages.text('lost.' + device['cause'])}" if "cause" in device else ""
    return f"{device['name']}  {messages.text('device.' + device['state'])}{cause}"


def _sam(sam: Mapping[str, Any], *, messages: Messages) -> str:
    text = messages.text("sam." + sam["state"], days=sam.get("days_left", 0), until=sam.get("valid_until", "?"))
    facts = [sam.get("number", "?"), text]
    if "type" in sam:
        facts.append(messages.text("status.sam_type", type=sam["type"], terminal=sam.get("terminal_no", "?")))
    facts += [sam[name] for name in ("place", "purpose", "responsible", "reader") if name in sam]
    facts += [messages.text("unread." + unread["cause"], file=unread["file"]) for unread in sam.get("unread", ())]
    return "  ".join(facts)


def _store_state(store: Mapping[str, Any]) -> str:
    if store["writable"]:
        return "writable"
    return "no_city_key" if store.get("cause") == "no_city_key" else "broken"


def _queue(queue: Mapping[str, Any], *, messages: Messages) -> str:
    text = messages.text("status.queue_counts", waiting=queue["waiting"], quarantined=queue["quarantined"])
    if "oldest_ms" in queue:
        text += "  " + messages.text("status.queue_oldest", oldest=time_text(queue["oldest_ms"]))
    return text


def _trust(trust: Mapping[str, Any], *, messages: Messages) -> Iterator[tuple[str, str]]:
    label = messages.text("status.trust")
    if trust["empty"]:
        yield label, messages.text("status.trust_empty")
    else:
        versions = {name: trust.get(name, "-") for name in ("root", "issuers", "status", "roster")}
        yield label, messages.text("status.trust_versions", **versions)
        if "rung" in trust:
            age = duration_text(trust["age_s"], messages=messages) if "age_s" in trust else "?"
            yield "", messages.text("status.trust_age", rung=messages.text("rung." + trust["rung"]), age=age)
    for problem in trust.get("problems", ()):
        yield "", messages.text("status.trust_problem", file=problem["file"], rule=problem["rule"])


def _clock(clock: Mapping[str, Any], *, messages: Messages) -> str:
    if "hi_ms" in clock:
        width_s = (clock["hi_ms"] - clock["lo_ms"]) / 1000
        return f"{time_text(clock['lo_ms'])}  " + messages.text("status.clock_anchored", width_s=f"{width_s:.1f}")
    return messages.text("status.clock_unanchored", lo=time_text(clock["lo_ms"]))


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "FW" else 1 for character in text)
