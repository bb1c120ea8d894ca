"""Which module drives which type of feedback device: a literal table, so that only what is configured is imported."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.errors import UnknownFeedbackError
from drivers.feedback.device import FeedbackFamily
from drivers.registry import built_in

FEEDBACK_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "line-file": "drivers.feedback.line_file:FAMILY",
        "serial-signal": "drivers.feedback.serial_signal:FAMILY",
        "ticket": "drivers.feedback.ticket:FAMILY",
        "voice": "drivers.feedback.voice:FAMILY",
    }
)


def load(type_name: str, *, table: Mapping[str, str] = FEEDBACK_TYPES) -> FeedbackFamily:
    """Import the family of a type of device.

    Args:
        type_name: The type as the configuration names it.
        table: Type name to ``module:attribute``, the attribute being a `FeedbackFamily`.

    Raises:
        UnknownFeedbackError: No such type; the text lists those known, for the person who wrote the configuration.
    """
    if type_name not in table:
        known = ", ".join(sorted(table))
        raise UnknownFeedbackError(f"unknown type of feedback device {type_name!r}; known: {known}")
    return built_in(table[type_name], wanted=FeedbackFamily)
