"""Which codes have come into a camera's view, sans-IO: a code in view is seen in each frame and is one showing.

It stays in view, as far as is told here, until it has not been seen for a while: in a hand that shakes, every third
frame has no code that can be read.
"""

from collections.abc import Collection

CODES_MAX = 64
"""Remembered at a time; a sheet of labels has fewer. One more, and the one that was seen longest ago is forgotten."""


class InView:
    """What is in view.

    Args:
        same_code_ns: So long not seen, a code has left; 0: each frame that shows it is a showing.
    """

    def __init__(self, *, same_code_ns: int) -> None:
        self._same_code_ns = same_code_ns
        self._seen_ns: dict[bytes, int] = {}

    def entering(self, codes: Collection[bytes], *, now_ns: int) -> list[bytes]:
        """Take what one frame shows; return the codes that were not in view, in order and each once.

        Args:
            codes: What was read in the frame.
            now_ns: When it was seen, on any clock that never goes back.
        """
        self._seen_ns = {code: at for code, at in self._seen_ns.items() if now_ns - at < self._same_code_ns}
        new = [code for code in dict.fromkeys(codes) if code not in self._seen_ns]
        for code in codes:
            self._seen_ns.pop(code, None)
            self._seen_ns[code] = now_ns
        for code in list(self._seen_ns)[:-CODES_MAX]:
            del self._seen_ns[code]
        return new

    def clear(self) -> None:
        """Forget all: the camera was away."""
        self._seen_ns.clear()
