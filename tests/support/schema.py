"""As much of JSON Schema as the interface's own description uses: enough to hold an answer against it."""

import re

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
_KNOWN = {
    *("type", "required", "properties", "additionalProperties", "items", "enum", "const", "pattern", "minimum"),
    *("maximum", "maxItems", "maxLength", "description", "format", "default", "$ref"),
}


def problems(value, schema, *, document, where="$", is_strict=True):
    """What in a value does not fit a schema, one line each; empty when it fits.

    Args:
        value: Parsed JSON.
        schema: The schema, or a reference into `document`.
        document: Where references point into.
        where: Path of the value.
        is_strict: Whether a member that the schema does not name is a problem, so that nothing stays undescribed.
    """
    assert schema.keys() <= _KNOWN, f"{where}: the schema uses {schema.keys() - _KNOWN}"
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        return problems(
            value, document["components"]["schemas"][name], document=document, where=where, is_strict=is_strict
        )
    found = [f"{where}: {rule}" for rule in _broken(value, schema)]
    if isinstance(value, dict):
        members = schema.get("properties", {})
        found += [f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        found += [f"{where}: {name} is not described" for name in value if is_strict and name not in members]
        for name in value.keys() & members.keys():
            found += problems(
                value[name], members[name], document=document, where=f"{where}.{name}", is_strict=is_strict
            )
    if isinstance(value, list):
        for number, item in enumerate(value):
            found += problems(item, schema["items"], document=document, where=f"{where}[{number}]", is_strict=is_strict)
    return found


def _broken(value, schema):
    types = schema.get("type", list(_TYPES))
    allowed = tuple(_TYPES[name] for name in ([types] if isinstance(types, str) else types))
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        yield "type"
    if "enum" in schema and value not in schema["enum"]:
        yield "enum"
    if "const" in schema and value != schema["const"]:
        yield "const"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield "pattern"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield "maxLength"
    if isinstance(value, list) and len(value) > schema.get("maxItems", len(value)):
        yield "maxItems"
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield "range"
