"""Whose frame is next: nodes take turns, so that one that sends much does not slow the others, pure.

Bounded twice: what one node has waiting, beyond which its newest is dropped (it sends again, contracts 5.4), and what
waits in all, beyond which nothing more is to be read from the broker.
"""

from collections import OrderedDict, deque
from typing import Final

NODE_FRAMES_MAX: Final = 16
"""Waiting of one node: its window of 4 batches twice, a hello, and asks."""
BYTES_MAX: Final = 67_108_864
"""Waiting in all: 64 MiB, the largest backlog of 32 nodes, or a hello of each of 6,000 ten times over."""


class Turns:
    """Frames that wait, by node; the first of each in turn.

    Args:
        node_frames_max: See `NODE_FRAMES_MAX`.
        bytes_max: See `BYTES_MAX`.
    """

    def __init__(self, *, node_frames_max: int = NODE_FRAMES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._node_frames_max = node_frames_max
        self._bytes_max = bytes_max
        self._waiting: OrderedDict[str, deque[tuple[str, bytes]]] = OrderedDict()
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be read before something was taken."""
        return self._bytes >= self._bytes_max

    def put(self, node: str, *, topic: str, data: bytes) -> bool:
        """Let a frame wait; False if it was dropped because its node has too many waiting.

        Args:
            node: Whose turn it waits for.
            topic: Where it came.
            data: The frame.
        """
        frames = self._waiting.setdefault(node, deque())
        if len(frames) >= self._node_frames_max:
            return False
        frames.append((topic, data))
        self._bytes += len(data)
        return True

    def take(self) -> tuple[str, bytes] | None:
        """Topic and data of the next frame, None if none waits; its node has its next turn after all others."""
        if not self._waiting:
            return None
        node, frames = self._waiting.popitem(last=False)
        topic, data = frames.popleft()
        self._bytes -= len(data)
        if frames:
            self._waiting[node] = frames
        return topic, data
