"""Frames out of a port: what every reader does whose device only ever speaks in frames."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from drivers.framing.framer import Framer
from drivers.framing.prompting import Prompts

_NS_PER_S = 1_000_000_000


class Port(Protocol):
    """As much of a `BytePort` as this needs."""

    async def read(self, *, timeout_s: float | None) -> bytes:
        """Wait for bytes; return what has come, or nothing if nothing came in time (None: no limit)."""
        ...

    def write(self, data: bytes) -> None:
        """Hand over a few bytes for the device, without waiting."""
        ...


async def frames(
    port: Port, *, framer: Framer, clock_ns: Callable[[], int], prompts: Prompts
) -> AsyncGenerator[tuple[bytes, int], None]:
    """Yield each code and when its last byte was read.

    Whoever takes a code slowly is asked for no further one meanwhile: the prompt for the next goes out when it is
    wanted.

    Raises:
        ReaderLostError: The device is gone.
    """
    while True:
        deadline_ns = framer.next_deadline_ns
        if deadline_ns is None and (prompt := prompts.due(clock_ns())):
            port.write(prompt)
        wake_ns = deadline_ns if deadline_ns is not None else prompts.next_due_ns
        data = await port.read(timeout_s=None if wake_ns is None else max(0.0, (wake_ns - clock_ns()) / _NS_PER_S))
        now_ns = clock_ns()
        # Bytes although the deadline is over: the program was held up and they may have waited in the kernel. To take
        # that for silence would cut a code in two.
        is_late = bool(data) and deadline_ns is not None and now_ns >= deadline_ns
        codes = framer.feed(data, now_ns=now_ns, is_late=is_late)
        if data:
            prompts.heard(now_ns)
        for code in codes:
            yield code, now_ns
        if codes:
            prompts.answered()
