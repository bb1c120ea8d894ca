"""What a reader promised and could not do."""


class DriverError(Exception):
    """Root of every error of this package."""


class ReaderLostError(DriverError):
    """The reader is gone or cannot be opened (transient): only `drivers.keep_open` catches it, waits and opens again.

    Args:
        cause: One of the named causes, the words of `drivers.reader.LostCause`.
        trouble: What a family knows beyond that, a word of its own.
    """

    def __init__(self, cause: str, *, trouble: str | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.trouble = trouble


class FrameError(DriverError):
    """One frame is unusable (poison): it is dropped and counted, the stream goes on."""


class CardLostError(DriverError):
    """A chip card does not answer any more: it was pulled, or it is dead (poison: the next card works).

    Args:
        slot: Which card, a `drivers.conversation.Slot`.
    """

    def __init__(self, slot: str) -> None:
        super().__init__(slot)
        self.slot = slot


class FeedbackError(DriverError):
    """A lamp, voice or printer did not show something (transient): only `drivers.feedback.desk` catches it.

    Args:
        cause: One of the named causes, the words of `drivers.feedback.device.FeedbackCause`.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class PictureError(DriverError):
    """A picture cannot be decoded (poison): a frame is dropped and counted, a photograph is refused."""


class PictureTooLargeError(PictureError):
    """A picture has more bytes, pixels or scans than is decoded here: refuse it, nothing of it was unpacked."""


class DecoderMissingError(DriverError):
    """The libraries that read codes out of pictures are not installed (the extra ``camera``)."""


class PaperOutError(DriverError):
    """The printer says that it has no paper (transient): `drivers.feedback.desk` catches it, nobody waits for paper."""


class UnknownFeedbackError(DriverError):
    """The configuration names a type of feedback device that is not registered."""


class UnknownReaderError(DriverError):
    """The configuration names a reader type that is not registered."""


class BrokenDriverError(UnknownReaderError):
    """Another package brings the reader type that the configuration names, and it cannot be used (fatal).

    Args:
        type_name: The type.
        package: Who brings it.
        cause: The type of what its import raised, with the name that was missing; or what it is not.
    """

    def __init__(self, type_name: str, *, package: str, cause: str) -> None:
        super().__init__(f"the driver of {type_name!r}, from the package {package}, cannot be used: {cause}")
        self.type_name = type_name
        self.package = package
        self.cause = cause


class ModelError(DriverError):
    """The model that the configuration names cannot be used.

    Args:
        expected: What was expected instead, for the person who wrote the configuration.
    """

    def __init__(self, expected: str) -> None:
        super().__init__(f"model: expected {expected}")
        self.expected = expected
