"""What the operator hears of frames that were dropped: by the node of their topic, each once a minute at most, pure."""

from collections import Counter
from collections.abc import Iterator, Mapping

from sync import topics

SAID_EVERY_S = 60.0
"""A box with a foreign key tries for ever; an operator needs to read of it, not to read of nothing else."""
NODES_MAX = 10_000
"""Names for which drops are counted apart, a kilobyte each at most; a city has 6,000 nodes."""

_WHY = {
    "topic": "主题有误 no topic of ours",
    "type": "类型与主题不符 another type of frame than its topic's",
    "form": "格式有误 malformed",
    "signer": "签名密钥未登记 signed with a key that this city does not know",
    "signature": "签名无效 signature does not verify",
    "node": "报文中的节点与主题不符 made for another node than its topic's",
    "busy": "该节点待处理报文过多 too many of this node's frames wait already",
    "limit": "该节点每小时下载量已用完 this node has had its bytes for the hour",
    "order": "回复的指令不存在 answers no order of ours",
}


class DropReport:
    """Which frames were dropped, by the node of their topic."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._unsaid: set[str] = set()
        self._said_s: dict[str, float] = {}

    def add(self, topic: str, *, rules: Mapping[str, int]) -> None:
        """Count frames that came on `topic`, by the rule they broke."""
        place = topics.parse_up(topic)
        node = "?" if place is None else place[0]  # no node's name: nobody's words get into our lines
        if node not in self._counts and len(self._counts) >= NODES_MAX:
            node = "?"
        self._counts.setdefault(node, Counter()).update(rules)
        self._unsaid.add(node)

    def lines(self, now_s: float) -> Iterator[str]:
        """What is to be said now.

        Args:
            now_s: Monotonic seconds.
        """
        for node in sorted(self._unsaid):
            if now_s - self._said_s.get(node, float("-inf")) < SAID_EVERY_S:
                continue
            self._unsaid.remove(node)
            self._said_s[node] = now_s
            counts = sorted(self._counts[node].items())
            rules = "; ".join(f"{rule} {count} ({_WHY.get(rule, rule)})" for rule, count in counts)
            yield f"已丢弃的报文 dropped so far from {node}: {rules}"
