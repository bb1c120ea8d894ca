"""Which card on a reader has been dealt with already, sans-IO.

A card lies on the reader for seconds and is asked for several times a second, but is one showing. Readers differ in
what they say of a card that has been read and still lies there: nothing is found, it is found again, or one in turn
with the other. So a showing is over only when nothing has been found `GONE_COUNT` times in a row.

A card that has been read, or could not be, is looked at again from time to time: another may have taken its place
without a gap, or it has been moved to where it can be read.
"""

GONE_COUNT = 2
"""One find that fails also happens with a card that lies still."""

ATTEMPTS_MAX = 3
"""A card that is being laid down fails once or twice; one that fails three times is broken or no identity card."""

LOOK_AGAIN_COUNT = 10
"""Finds between two looks at a card that is done with: at the usual pace 3 s, so the reader is not kept busy."""


class Presence:
    """Follows the cards of one reader.

    Attributes:
        unread_count: Showings that ended, or were given up, without the card having been read.
    """

    def __init__(self) -> None:
        self.unread_count = 0
        self._card: bytes | None = None
        self._gone_count = 0
        self._failed_count = 0
        self._looks_left = 0

    def nothing(self) -> None:
        """Say that no card was found."""
        self._gone_count += 1
        if self._gone_count < GONE_COUNT:
            return
        if 0 < self._failed_count < ATTEMPTS_MAX:  # it went before it was given up
            self.unread_count += 1
        self._card = None
        self._failed_count = self._looks_left = 0

    def found(self) -> bool:
        """Say that a card was found; return whether to read it."""
        self._gone_count = 0
        self._looks_left = max(0, self._looks_left - 1)
        return self._looks_left == 0

    def failed(self) -> None:
        """Say that the card that was found could not be read."""
        if self._card is not None:  # most likely the one that has been read, and some readers refuse to read it again
            self._looks_left = LOOK_AGAIN_COUNT
            return
        self._failed_count += 1
        if self._failed_count == ATTEMPTS_MAX:
            self.unread_count += 1
        if self._failed_count >= ATTEMPTS_MAX:
            self._looks_left = LOOK_AGAIN_COUNT

    def read(self, card: bytes) -> bool:
        """Say that the card was read; return whether this is a new showing.

        Args:
            card: What tells it from others, such as a digest.
        """
        is_new = card != self._card
        self._card = card
        self._failed_count = 0
        self._looks_left = LOOK_AGAIN_COUNT
        return is_new
