"""What the city does with one frame, and what it says of its own accord: all of `serve` but the link and the loop.

One thread uses it. Nothing is answered that was not stored before. The keys follow the newest root and the nodes their
folder, so neither a rotation nor a new node needs a restart.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from city.allowance import Allowance
from city.asks import AskDesk
from city.errors import AuthorityError
from city.frames import DroppedError
from city.home import Home
from city.ingest import Ingest
from city.ingest_store import SqliteIngestStore
from city.notices import Notice, Noticeboard
from city.opening import KeyRing
from city.orders import Given, OrderBook, OrderDesk
from city.shelf import Shelf
from city.store import CityStoreError
from edge.errors import ConfigError
from edge.gm import PublicKey
from sync import topics
from sync.errors import WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What follows from a frame or a look.

    Attributes:
        notices: To publish, in this order.
        lines: For the operator, free of personal data.
        dropped: Frames that got no answer, or less than they asked for, by rule.
    """

    notices: tuple[Notice, ...] = ()
    lines: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)


class Desk:
    """The city's side of every node.

    Args:
        home: The city's folder.
        store: The open ingest store.
        now_ms: The city's clock, Unix milliseconds.
        monotonic_s: For what is counted by the hour.

    Raises:
        AuthorityError: A key is not here.
        ConfigError: There is no city here, or its root is damaged.
    """

    def __init__(
        self,
        home: Home,
        *,
        store: SqliteIngestStore,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._home = home
        self._store = store
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._shelf = Shelf(home.published)
        self._board = Noticeboard(self._shelf)
        self._allowance = Allowance(home.settings().node_bytes_per_hour)
        self._keys: dict[str, Sequence[PublicKey]] = {}
        self._nodes_seen: object = None
        self._orders = OrderDesk(OrderBook(home.orders), node_keys=self._keys_of)
        self._root_version = self._shelf.root_version()
        self._ingest, self._asks = self._with_keys()

    def knows(self, node: str) -> bool:
        """Whether a node was made."""
        return node in self._keys

    @property
    def node_count(self) -> int:
        """How many nodes are known."""
        return len(self._keys)

    def begin(self) -> Reaction:
        """What a new link begins with: everything, for a broker started again holds nothing."""
        self._board.forget()
        self._orders.forget()
        return self.look()

    def look(self) -> Reaction:
        """What changed since the last look: documents, orders; new nodes and new keys are known from now on."""
        lines = [*self._look_for_keys(), *self._look_for_nodes()]
        withheld = self._store.nodes()
        notices = list(self._board.changes(withheld=withheld))
        fresh = self._orders.look(now_ms=self._now_ms())
        notices += [_order(given) for given in fresh if withheld.get(given.order.node) is None]
        return Reaction(notices=tuple(notices), lines=tuple(lines))

    def handle(self, data: bytes, *, topic: str) -> Reaction:
        """Take one frame: judged, committed, and what is to be answered.

        Args:
            data: The frame as it came.
            topic: Where it came.

        Raises:
            CityStoreError: It could not be committed; nothing is answered.
        """
        place = topics.parse_up(topic)
        try:
            match place:
                case (node, "ask"):
                    return self._take_ask(data, topic=topic, node=node)
                case (node, "result"):
                    return self._take_result(data, topic=topic)
                case _:
                    return self._take_record(data, topic=topic)
        except DroppedError as drop:
            return Reaction(dropped={drop.rule: 1})
        except WireError:
            return Reaction(dropped={"form": 1})

    def _take_ask(self, data: bytes, *, topic: str, node: str) -> Reaction:
        answers = self._asks.handle(
            data,
            topic=topic,
            now_ms=self._now_ms,
            now_s=self._monotonic_s(),
            is_cloned=self._store.cloned_at_ms(node) is not None,
        )
        return Reaction(notices=answers.notices, dropped={"limit": 1} if answers.is_limited else {})

    def _take_result(self, data: bytes, *, topic: str) -> Reaction:
        try:
            result = self._orders.handle(data, topic=topic, now_ms=self._now_ms())
        except OSError as exc:
            raise CityStoreError("orders: an answer cannot be written") from exc
        outcome = "已执行 done" if result.ok else "未执行 not done"
        return Reaction(lines=(f"指令 order {result.id.hex()} {result.node}: {outcome}",))

    def _take_record(self, data: bytes, *, topic: str) -> Reaction:
        before = self._ingest.dropped
        answer = self._ingest.handle(data, topic=topic, now_ms=self._now_ms())
        if answer is None:
            return Reaction(dropped=Counter(self._ingest.dropped) - Counter(before))
        notices = [Notice(topic=answer.topic, document=answer.frame)]
        if answer.hello is not None and self._store.cloned_at_ms(answer.node) is None:
            roster = self._board.roster_for(answer.node, held=answer.hello.have.get("roster", 0))
            notices += [] if roster is None else [roster]
            notices += [_order(given) for given in self._orders.open_for(answer.node, now_ms=self._now_ms())]
        lines = tuple(f"警告 ALARM {answer.node}: {alarm}" for alarm in answer.alarms)
        return Reaction(notices=tuple(notices), lines=lines)

    def _keys_of(self, node: str) -> Sequence[PublicKey]:
        return self._keys.get(node, ())

    def _with_keys(self) -> tuple[Ingest, AskDesk]:
        """Whatever signs or opens, with the keys of the newest root."""
        keys = self._home.keys
        ingest = Ingest(
            store=self._store,
            node_keys=self._keys_of,
            receipt_key=keys.receipt(),
            key_ring=KeyRing(keys.decryption()),
        )
        asks = AskDesk(
            shelf=self._shelf, node_keys=self._keys_of, time_key=keys.role("time"), allowance=self._allowance
        )
        return ingest, asks

    def _look_for_keys(self) -> list[str]:
        version = self._shelf.root_version()
        if version == self._root_version:
            return []
        self._root_version = version
        try:
            self._ingest, self._asks = self._with_keys()
        except (AuthorityError, ConfigError) as exc:
            return [f"根文件已更新但密钥不可用，沿用原有密钥 a new root, but the former keys stay: {exc}"]
        return [f"已启用新的根文件 root {version} is in use"]

    def _look_for_nodes(self) -> list[str]:
        folder = self._home.nodes_folder
        seen = (folder.stat().st_mtime_ns, frozenset(folder.glob("*.json")))
        if seen == self._nodes_seen:
            return []
        self._nodes_seen = seen
        try:
            self._keys = {node.name: (node.signing,) for node in self._home.nodes()}
        except ConfigError as exc:
            return [f"配置错误，沿用原有节点 configuration, the former nodes stay: {exc}"]
        return []


def _order(given: Given) -> Notice:
    return Notice(topic=topics.down(given.order.node, leaf="order"), document=given.frame)
