"""What the node promised and could not do. A bad card is never an exception: it is a `Verdict`."""


class EdgeError(Exception):
    """Root of every error of this package."""


class ConfigError(EdgeError):
    """The configuration cannot be used: the process exits with 78 and says where and what was expected.

    Args:
        where: Path of the key, such as ``uplink.port``, or of the file.
        expected: What would have been right. Never the value found: it may be a secret.
    """

    def __init__(self, where: str, *, expected: str) -> None:
        super().__init__(f"{where}: {expected}")
        self.where = where
        self.expected = expected


class TrustError(EdgeError):
    """A trust document or blob is refused; what was held before stays in use.

    Args:
        rule: The stable name of the rule it broke, such as ``threshold``: for the operator, free of content.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class CodeError(EdgeError):
    """A code is not of the form its kind prescribes; `edge.verify` turns it into a verdict."""


class CardDataError(EdgeError):
    """A value cannot be written as the card's data element prescribes, and nothing was; or a card does not read at all.

    Args:
        rule: What was wrong, ``too_long`` or ``not_encodable``; or which field does not read: free of content.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class KeyFormatError(EdgeError):
    """Bytes that should be a key are none: wrong length, not on the curve, out of range."""


class DecryptError(EdgeError):
    """A ciphertext does not open: a wrong key or changed bytes. Which of the two cannot be known."""


class UnreachableError(EdgeError):
    """No daemon answers; the command that asked exits with 3.

    Args:
        where: The socket it should answer on.
    """

    def __init__(self, where: str) -> None:
        super().__init__(f"no answer on {where}")
        self.where = where


class ReaderCommandError(EdgeError):
    """A command of `ehc-edge readers` cannot do what was asked.

    Args:
        key: Which text says so, a name in the group ``readers`` of the messages.
        is_usage: Whether it was asked wrongly; else what was asked for is not possible here and now.
        values: What stands in the text; nothing personal.
    """

    def __init__(self, key: str, *, is_usage: bool = False, **values: str) -> None:
        super().__init__(key)
        self.key = key
        self.is_usage = is_usage
        self.values = values
