"""What the delivery promised and could not do."""


class SyncError(Exception):
    """Root of every error of this package."""


class StoreError(SyncError):
    """The outbox cannot be opened or written: nothing was stored, and whoever asked must be told so."""


class StoreBusyError(StoreError):
    """Another daemon holds the outbox file; the process exits with 75."""


class StoreDamagedError(StoreError):
    """A page of the outbox file cannot be read; what lies on other pages still can."""


class LinkLostError(SyncError):
    """The broker is gone or out of reach (transient): only `sync.uplink` catches it, waits with jitter, connects again.

    Args:
        cause: One of the named causes: ``refused``, ``timeout``, ``tls``, ``auth``, ``closed``, ``resolve``.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class MessageRefusedError(SyncError):
    """The broker refused one publish (MQTT 5 reason code >= 0x80), for example by its ACL.

    Args:
        reason_code: The code of the PUBACK, such as 0x87 (not authorized).
    """

    def __init__(self, reason_code: int) -> None:
        super().__init__(f"reason code 0x{reason_code:02x}")
        self.reason_code = reason_code


class WireError(SyncError):
    """Bytes that should be a frame or its payload are none (poison): drop them and count."""
