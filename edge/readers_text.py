"""What the commands of `ehc-edge readers` found out, as lines for a terminal. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from edge.messages import Messages
from edge.status_text import aligned, time_text, why_lost

_NO_PIN: Final = "sam_pin"
_STATES_OF_DAEMON: Final = frozenset({"ready", "opening", "lost"})


def list_lines(listed: Mapping[str, Any], *, messages: Messages) -> list[str]:
    """Return the lines of `ehc-edge readers list`."""
    rows = list(_list_rows(listed, messages=messages))
    if not listed["readers"]:
        rows.insert(0, (messages.text("readers.configured"), messages.text("status.readers_none")))
    return aligned(rows)


def probe_lines(probed: Mapping[str, Any], *, messages: Messages) -> Iterator[str]:
    """Yield the lines of `ehc-edge readers probe`."""
    if not probed["devices"]:
        yield messages.text("readers.nothing_found")
    for device in probed["devices"]:
        yield f"# {_device(device, messages=messages)}"
        if "device" in device:
            yield f"#   {messages.text('readers.now_at', device=device['device'])}"
        for other in device.get("others", ()):
            yield f"#   {messages.text('readers.also', path=other)}"
        yield from (f"#   {line}" for line in _findings(device, messages=messages))
        if "toml" in device:
            yield from device["toml"].splitlines()
        yield ""
    if "pcsc" in probed:
        yield f"# {messages.text('lost.' + probed['pcsc'])}"


def reading_lines(said: Mapping[str, Any], *, messages: Messages) -> list[str]:
    """Return the lines of `ehc-edge readers test`."""
    rows = [(messages.text("readers.read"), said["reader"])]
    if "carrier" in said:
        rows.append((messages.text("readers.carrier"), messages.text("carrier." + said["carrier"])))
    if "fault" in said:
        rows.append(("", messages.text("readers.fault_" + said["fault"])))
    rows += [("", line) for line in _unread_lines(said.get("unread", ()), messages=messages)]
    if "bytes" in said:
        rows.append((messages.text("readers.length"), messages.text("readers.bytes", count=said["bytes"])))
    if "encoding" in said:
        rows.append((messages.text("readers.encoding"), said["encoding"]))
        rows.append((messages.text("readers.shape"), said["shape"]))
    rows += [(messages.text("readers.product_" + key), text) for key, text in said.get("product", {}).items()]
    return aligned(rows)


def told_line(event: str, members: Mapping[str, Any], *, messages: Messages) -> str:
    """Return the line of one thing that happened while a reader is listened to."""
    if event == "frame":
        members = {**members, "medium": messages.text("readers.medium_" + members["medium"])}
    if event != "chunk":
        return messages.text(f"readers.{event}", **members)
    arrow = "->" if members["sent"] else "<-"
    what = members.get("raw", members.get("shape", messages.text("readers.not_shown")))
    return f"{members['at_ms']:12.3f} ms {arrow} {members['bytes']:5d}  {what}"


def _unread_lines(unread: Iterable[Mapping[str, str]], *, messages: Messages) -> Iterator[str]:
    """What was not read and why; that a try-out shows no PIN to a SAM is no fault of the PIN's."""
    causes: dict[str, list[str]] = {}
    for one in unread:
        causes.setdefault(one["cause"], []).append(one["file"])
    for cause, files in causes.items():
        if cause == _NO_PIN:
            yield messages.text("readers.without_pin", files=" ".join(files))
        else:
            yield messages.text("unread." + cause, file=" ".join(files))


def _list_rows(listed: Mapping[str, Any], *, messages: Messages) -> Iterator[tuple[str, str]]:
    for place, reader in enumerate(listed["readers"]):
        facts = [reader["name"], reader["type"], reader.get("port", "")]
        if "state" in reader:
            facts.append(_state(reader["state"], messages=messages))
        if "since_ms" in reader:
            facts.append(messages.text("readers.since", at=time_text(reader["since_ms"])))
        yield "" if place else messages.text("readers.configured"), "  ".join(filter(None, facts))
        if "cause" in reader:
            yield "", "  " + why_lost(reader, messages=messages)
    for brought in listed["shadowed"]:
        yield "", messages.text("readers.shadowed", **brought)
    if not listed["daemon"]:
        yield "", messages.text("readers.no_daemon")
    for place, device in enumerate(listed["unnamed"]):
        yield "" if place else messages.text("readers.unnamed"), _device(device, messages=messages)


def _state(state: str, *, messages: Messages) -> str:
    group = "state" if state in _STATES_OF_DAEMON else "readers"
    return messages.text(f"{group}.{state}")


def _device(device: Mapping[str, Any], *, messages: Messages) -> str:
    usb = f"USB {device['vendor']}:{device['product']}" if "vendor" in device else ""
    facts = (device["path"], messages.text("readers.kind_" + device["kind"]), usb, device.get("label", ""))
    models = (messages.text("readers.model", model=model) for model in device.get("models", ()))
    return "  ".join(filter(None, (*facts, *models)))


def _findings(device: Mapping[str, Any], *, messages: Messages) -> Iterator[str]:
    if "configured_as" in device:
        yield messages.text("readers.configured_as", name=device["configured_as"])
    if "may_be_sam" in device:
        yield messages.text("readers.may_be_sam", part=device["path"])
    if "held_by" in device:
        programs = ", ".join(f"{program['name']} ({program['pid']})" for program in device["held_by"])
        yield messages.text("readers.held_by", programs=programs)
    if "cause" in device:
        yield messages.text("lost." + device["cause"])
    if "sam_number" in device:
        yield messages.text("readers.answered", number=device["sam_number"])
    if "answer" in device:
        yield messages.text("readers.not_answered")
    if "may_type" in device:
        yield messages.text("readers.may_type", path=device["path"])
