"""What a reader promised and could not do."""


class DriverError(Exception):
    """Root of every error of this package."""


class ReaderLostError(DriverError):
    """The reader is gone or cannot be opened (transient): only `drivers.keep_open` catches it, waits and opens again.

    Args:
        cause: One of the named causes: ``unplugged``, ``permission``, ``busy``, ``missing``, ``io``.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class FrameError(DriverError):
    """One frame is unusable (poison): it is dropped and counted, the stream goes on."""


class UnknownReaderError(DriverError):
    """The configuration names a reader type that is not registered."""
