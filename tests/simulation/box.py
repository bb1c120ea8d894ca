"""One box: the node's own rules of time, trust and verdict, put together as the daemon does, on hardware that fails.

What is real: `edge.clock`, `edge.clock_file`, `edge.trust_rules`, `edge.trust_recheck`, `edge.trust_state`,
`edge.replay`, `edge.verify`. What is simulated: the crystal, the power, the disk. Between two runs of the program only
the disk remains, and every byte on it is read and verified again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from edge import clock, clock_file, gm, trust_rules
from edge.clock import Answer, ClockAlarm, SavedFloor
from edge.errors import TrustError
from edge.examination import Examination, ReplayEntry
from edge.replay import ReplayCache
from edge.trust_documents import Blob
from edge.trust_held import Buffer, Held, Missing, Step
from edge.trust_recheck import recheck
from edge.trust_rules import Terms
from edge.trust_state import kept_of, read_state, write_state
from edge.verdict import Interval
from edge.verify import examine
from sync import wire

PPM: Final = 1_000_000
NS_PER_MS: Final = 1_000_000
SAVE_NS: Final = 600 * 10**9  # contracts 4: lo is saved every 10 minutes
NONCES_MAX: Final = 8  # as `sync.downlink`


@dataclass(slots=True, kw_only=True)
class Disk:
    """What remains when the program ends.

    Attributes:
        floor: The file of the clock; None: there is none, or it is damaged.
        state: What is known of documents.
        cache: Documents and blobs by SM3.
        shown: Replay keys, committed with their records.
    """

    floor: bytes | None = None
    state: bytes = b""
    cache: dict[bytes, bytes] = field(default_factory=dict)
    shown: list[ReplayEntry] = field(default_factory=list)


class Box:
    """A node.

    Args:
        node: Its name.
        root: The document it is born with.
        at_ms: True time when it is first switched on.
        ppm: By how much more true time passes than the crystal counts.

    Attributes:
        held: What it holds.
        clock: What it knows of the time.
        replay: What was shown to it.
        alarms: What the clock had to say.
        refused: How many documents broke which rule.
        sent_b: Nonces whose answer is awaited.
        is_on: Whether it runs.
        is_awake: Whether it is not suspended.
        longest_trip_ms: The longest round trip of an answer in this run, by its own clock.
        saved_ms: The floor that was saved last.
        wall_ms: The shown clock, which anybody may set to anything; nothing here asks it.
    """

    def __init__(self, node: str, *, root: bytes, at_ms: int, ppm: int) -> None:
        self.node = node
        self.disk = Disk()
        self.alarms: list[ClockAlarm] = []
        self.refused: dict[str, int] = {}
        self.wall_ms = at_ms
        self.saved_ms = 0
        self._root = root
        self._boots = 0
        self._ppm = ppm
        self._base_ms, self._base_b = at_ms, 0
        self.is_awake = True
        self.switch_on(at_ms, ppm=ppm)

    # -- power -----------------------------------------------------------------------------------------------------

    def switch_on(self, at_ms: int, *, ppm: int) -> None:
        """A new boot: the box's own clock begins at 0 and has a speed of today."""
        self._boots += 1
        self._base_ms, self._base_b, self._ppm = at_ms, 0, ppm
        self.start(at_ms)

    def start(self, at_ms: int) -> None:
        """The program starts: it knows what is on the disk, and verifies all of it."""
        self.is_on = True
        self.b = self._b_at(at_ms)
        self._saved_b = self.b
        self.longest_trip_ms = 0
        self.sent_b: dict[bytes, int] = {}
        saved = None if self.disk.floor is None else clock_file.parse(self.disk.floor)
        self.clock = clock.start(saved=saved, boot_id=self.boot_id, now_b_ns=self.b)
        self.held = Held()
        if self.disk.state:
            self.held = recheck(read_state(self.disk.state), read=self._read, terms=self.terms()).held
        self.replay = ReplayCache()
        for entry in self.remembered():
            self.replay.insert(entry)
        self.offer(self._root, role="root")
        past_ms = trust_rules.proven_past_ms(self.held)
        if past_ms is not None:
            self._raise_floor(past_ms)

    def stop(self, at_ms: int, *, is_clean: bool) -> None:
        """The program ends, in order or with the power."""
        self.advance(at_ms)
        if is_clean:
            self.save_floor(self.b)
        held = self.held
        self.disk.state = write_state(kept_of(held))  # which every change has committed before
        self.disk.cache = {gm.sm3(document): document for document in (*held.roots, *held.documents.values())}
        self.disk.cache |= {sm3: bytes(blob) for sm3, blob in held.blobs.items()}
        self.is_on = False

    def remembered(self) -> list[ReplayEntry]:
        """The replay keys on the disk."""
        return self.disk.shown

    @property
    def boot_id(self) -> bytes:
        """Of this boot."""
        return self._boots.to_bytes(16, "big")

    # -- time ------------------------------------------------------------------------------------------------------

    def advance(self, at_ms: int, *, ppm: int | None = None) -> None:
        """True time passes up to a moment; the floor was saved whenever it was due.

        Args:
            at_ms: The moment.
            ppm: The crystal's speed from now on; None: as before.
        """
        self.b = self._b_at(at_ms)
        due_b = self._saved_b + (self.b - self._saved_b) // SAVE_NS * SAVE_NS
        if self.is_awake and due_b > self._saved_b:
            self.save_floor(due_b)
        if ppm is not None:
            self._base_ms, self._base_b, self._ppm = at_ms, self.b, ppm
        self.held = trust_rules.aged(self.held, lo_ms=self.now().lo_ms)

    def suspend(self, at_ms: int) -> None:
        """It sleeps: the crystal counts on, nothing else happens."""
        self.advance(at_ms)
        self.is_awake = False

    def wake(self, at_ms: int) -> None:
        """It goes on where it was."""
        self.advance(at_ms)
        self._saved_b = self.b
        self.is_awake = True

    def now(self) -> Interval:
        """The time as it can be proven."""
        return clock.interval(self.clock, now_b_ns=self.b)

    def save_floor(self, at_b: int) -> None:
        """Make lo the floor and save it."""
        self.clock = clock.settle(self.clock, now_b_ns=at_b)
        self._saved_b = at_b
        self._write_floor()

    def ask(self, nonce: bytes) -> None:
        """A question goes out."""
        self.sent_b[nonce] = self.b
        while len(self.sent_b) > NONCES_MAX:
            del self.sent_b[next(iter(self.sent_b))]

    # -- what comes in ---------------------------------------------------------------------------------------------

    def offer(
        self, document: bytes, *, role: str | None = None, blob: Callable[[Blob], bytes | None] = lambda _: None
    ) -> Step | Missing | None:
        """A document comes; None: it broke a rule."""
        try:
            if not self.held.chain and role == "root":
                step: Step | Missing = trust_rules.born(document, held=self.held)
            else:
                step = trust_rules.take(self.held, document, terms=self.terms(blob), role=role)
        except TrustError as refusal:
            self.refused[refusal.rule] = self.refused.get(refusal.rule, 0) + 1
            return None
        if isinstance(step, Step):
            self._keep(step)
        return step

    def hear_receipt(self, frame: bytes) -> None:
        """A receipt comes: it moves the clock and nothing else (contracts 3.6)."""
        root = self.held.trust.root
        receipt = wire.decode_frame(frame)
        nonce, time_ms, node = receipt.payload[:16], int.from_bytes(receipt.payload[16:24], "big"), receipt.payload[24:]
        key = None if root is None or receipt.keyid not in root.receipt_keyids else root.keys[receipt.keyid]
        signed = wire.pae(receipt.type, receipt.payload)
        if key is None or not key.verify(signed, signature=receipt.signature) or node != self.node.encode():
            self.refused["receipt"] = self.refused.get("receipt", 0) + 1
        else:
            self.take_receipt(nonce, time_ms)

    def take_receipt(self, nonce: bytes, time_ms: int) -> None:
        """One that is signed."""
        self._hear(nonce, time_ms)

    # -- what people show ------------------------------------------------------------------------------------------

    def scan(self, text: str) -> Examination:
        """Say what a text is worth, and record that."""
        now = self.now()
        self.replay.expire(lo_ms=now.lo_ms)
        self.disk.shown = [entry for entry in self.disk.shown if entry.expires_after_ms >= now.lo_ms]
        examination = examine(
            text, trust=self.held.trust, now=now, replay=self.replay, age_since_ms=self.held.current_ms
        )
        if examination.replay is not None:
            self.replay.insert(examination.replay)
            self.disk.shown.append(examination.replay)
        return examination

    # -- within ----------------------------------------------------------------------------------------------------

    def terms(self, blob: Callable[[Blob], bytes | None] = lambda _: None) -> Terms:
        """What a document is judged by."""
        return Terms(node=self.node, lo_ms=self.now().lo_ms, blob=blob, nonces=self.sent_b.keys())

    def _keep(self, step: Step) -> None:
        """As the daemon: the clock is reset before the root counts, raised after the document is stored."""
        if step.reset_floor_ms is not None:
            self.clock = clock.reset(issued_at_ms=step.reset_floor_ms, now_b_ns=self.b)
            self._write_floor()
        self.held = step.held
        if step.raise_floor_ms is not None:
            self._raise_floor(step.raise_floor_ms)
        if step.time is not None:
            self._hear(step.time.nonce, step.time.time_ms)

    def _hear(self, nonce: bytes, time_ms: int) -> None:
        sent_b = self.sent_b.pop(nonce, None)  # one nonce, one answer
        if sent_b is None:
            return
        issuers = self.held.trust.issuers
        self.longest_trip_ms = max(self.longest_trip_ms, (self.b - sent_b) // NS_PER_MS)
        self.clock, alarm = clock.hear(
            self.clock,
            answer=Answer(time_ms=time_ms, sent_b_ns=sent_b, heard_b_ns=self.b),
            trust_expires_ms=None if issuers is None else issuers.expires_at_ms,
        )
        self._say(alarm)

    def _raise_floor(self, time_ms: int) -> None:
        self.clock, alarm = clock.raise_floor(self.clock, time_ms=time_ms, now_b_ns=self.b)
        self._say(alarm)

    def _say(self, alarm: ClockAlarm | None) -> None:
        if alarm is not None:
            self.alarms.append(alarm)

    def _write_floor(self) -> None:
        self.saved_ms = self.clock.floor.time_ms
        self.disk.floor = clock_file.encode(SavedFloor(floor=self.clock.floor, boot_id=self.boot_id))

    def _read(self, sm3: bytes, bytes_max: int) -> Buffer:
        """As the store reads: what is there, if it is what it is named by."""
        data = self.disk.cache.get(sm3)
        if data is None:
            raise TrustError("missing")
        if len(data) > bytes_max:
            raise TrustError("size")
        if gm.sm3(data) != sm3:
            raise TrustError("blob")
        return data

    def _b_at(self, at_ms: int) -> int:
        elapsed_ns = (at_ms - self._base_ms) * NS_PER_MS
        return self._base_b + elapsed_ns * PPM // (PPM + self._ppm)
