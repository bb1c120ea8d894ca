"""How many bytes a node may have sent down in an hour (contracts 5.4), pure: time comes in.

A full allowance lets a new box fetch everything at once; what was used comes back evenly over the hour.
"""

HOUR_S = 3600.0


class Allowance:
    """Bytes a node, each with its own.

    Args:
        bytes_per_hour: What each has, and gets back in an hour.
    """

    def __init__(self, bytes_per_hour: int) -> None:
        self._most = float(bytes_per_hour)
        self._left: dict[str, tuple[float, float]] = {}  # of nodes whose signature held: no more than were made

    def take(self, node: str, size: int, *, now_s: float) -> bool:
        """Whether so many bytes may be sent now; they count if so.

        Args:
            node: Whose, its signature checked.
            size: Bytes.
            now_s: Monotonic seconds.
        """
        left, at_s = self._left.get(node, (self._most, now_s))
        left = min(self._most, left + (now_s - at_s) * self._most / HOUR_S)
        is_enough = size <= left
        self._left[node] = (left - size if is_enough else left, now_s)
        return is_enough
