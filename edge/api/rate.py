"""A bucket of permits that fills with time: it bounds how often something may be asked. It is told the time."""


class Bucket:
    """Grants `burst` permits at once and `per_s` more each second, never more than `burst` in hand.

    Args:
        burst: Permits in hand at the start and at most, 1 or more.
        per_s: Permits that come back each second.
    """

    def __init__(self, *, burst: int, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._permits = float(burst)
        self._counted_s: float | None = None

    def take(self, now_s: float) -> float:
        """Take one permit.

        Args:
            now_s: The monotonic clock.

        Returns:
            0.0 when granted, else the seconds until the next one.
        """
        if self._counted_s is not None:
            self._permits = min(self._burst, self._permits + (now_s - self._counted_s) * self._per_s)
        self._counted_s = now_s
        if self._permits >= 1:
            self._permits -= 1
            return 0.0
        return (1 - self._permits) / self._per_s
