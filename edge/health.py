"""How the node is, as the local interface and the command line see it: values only, nothing personal.

Implements `edge.api.view.NodeView`. Every call answers at once from memory.
"""

import itertools
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, assert_never

from drivers.feedback.desk import DeviceStatus, FeedbackDesk
from drivers.keep_open import KeptOpenReader
from drivers.reader import ReaderState
from edge.day_view import DayEntry, DayView
from edge.freshness import freshness_of
from edge.gm import default_backend
from edge.intake import Intake, Verifier
from edge.sam_inventory import SamEntry, SamInventory
from edge.timekeeper import Timekeeper
from edge.trust_import import import_folder
from edge.trust_keeper import TrustKeeper
from edge.trust_report import import_report, problem_members, trust_report
from edge.verdict import OUTCOME_OF
from edge.verify import Examination
from sync.ledger import OutboxCounts


class Health:
    """One running node.

    Args:
        node: Its name.
        allow_test_keys: Whether the configuration accepts public test keys.
        readers: All of them.
        feedback: The lamps, voices and printers beside them.
        sams: The terminal's own cards.
        counts: Where the ledger stands.
        is_returned: Whether the city did not take a record, by its id, or it is damaged.
        is_damaged: Whether the outbox was found damaged at this start.
        uplink: State of the link, in the words of `NodeView.status`.
        keeper: What is relied on.
        timekeeper: The time.
        wall_ms: The shown clock.
        monotonic_ns: The clock of the readers' states.
        intake: Knows whether records can be stored.
        verifier: Judges a text.
        day_view: The last verdicts.
    """

    def __init__(
        self,
        *,
        node: str,
        allow_test_keys: bool,
        readers: Sequence[KeptOpenReader],
        feedback: FeedbackDesk,
        sams: SamInventory,
        counts: Callable[[], OutboxCounts],
        is_returned: Callable[[bytes], bool],
        is_damaged: bool,
        uplink: Callable[[], dict[str, Any]],
        keeper: TrustKeeper,
        timekeeper: Timekeeper,
        wall_ms: Callable[[], int],
        monotonic_ns: Callable[[], int],
        intake: Intake,
        verifier: Verifier,
        day_view: DayView,
    ) -> None:
        self._node = node
        self._allow_test_keys = allow_test_keys
        self._readers = readers
        self._feedback = feedback
        self._sams = sams
        self._counts = counts
        self._is_returned = is_returned
        self._is_damaged = is_damaged
        self._uplink = uplink
        self._keeper = keeper
        self._timekeeper = timekeeper
        self._wall_ms = wall_ms
        self._monotonic_ns = monotonic_ns
        self._intake = intake
        self._verifier = verifier
        self._day_view = day_view
        self._version = _version()
        self._backend = default_backend().name

    def status(self) -> dict[str, Any]:
        """Return how the node is; members as `NodeView.status` lists them."""
        return {
            "node": self._node,
            "version": self._version,
            "now_ms": self._wall_ms(),
            "readers": [self._reader(reader) for reader in self._readers],
            "feedback": [_device(name, status) for name, status in self._feedback.statuses.items()],
            "sams": [_sam(entry) for entry in self._sams.entries(now=self._timekeeper.now())],
            "uplink": self._uplink(),
            "queue": self._queue(),
            "trust": self._trust_members(),
            "clock": self._clock(),
            "store": self._store(),
            "crypto": {"backend": self._backend},
        }

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """Return the last verdicts, newest first, at most `limit`."""
        counts = self._counts()
        return [
            _shown(entry, counts=counts, is_returned=self._is_returned(entry.id))
            for entry in itertools.islice(self._day_view, limit)
        ]

    def examine(self, text: str) -> Examination:
        """Judge a text; nothing is recorded and no replay key inserted."""
        return self._verifier.examine(text)[0]

    def trust(self) -> dict[str, Any]:
        """Return all that is held of the trust documents."""
        return trust_report(self._keeper.held, now=self._timekeeper.now(), problems=self._keeper.problems)

    async def import_trust(self, folder: Path) -> dict[str, Any]:
        """Take the documents of a folder."""
        return import_report(await import_folder(folder, keeper=self._keeper))

    def line(self) -> str:
        """Return one line for ``systemctl status``."""
        status = self.status()
        lost = [reader["name"] for reader in status["readers"] if reader["state"] != "ready"]
        parts = [
            f"queue {status['queue']['waiting']}",
            f"link {status['uplink']['state']}",
            f"trust {status['trust'].get('rung', 'empty')}",
            "readers ready" if not lost else f"waiting for {', '.join(lost)}",
        ]
        if "damaged" in status["store"]:
            parts.insert(0, "OUTBOX WAS DAMAGED")
        if not status["store"]["writable"]:
            parts.insert(0, "NOT SAVING")
        if self._allow_test_keys:
            parts.insert(0, "TEST KEYS ALLOWED")
        return "; ".join(parts)

    def _reader(self, reader: KeptOpenReader) -> dict[str, Any]:
        status = reader.status
        return _known(
            name=reader.name,
            state=_state(reader),
            cause=status.cause,
            trouble=status.trouble,
            since_ms=self._wall_ms() - (self._monotonic_ns() - status.since_monotonic_ns) // 1_000_000,
            dropped=reader.dropped_count or None,
            unrecorded=self._intake.noise_count(reader.name) or None,
        )

    def _store(self) -> dict[str, Any]:
        lost = self._counts().lost
        return _known(
            writable=self._intake.not_saved_cause is None,
            cause=self._intake.not_saved_cause,
            damaged=True if self._is_damaged or lost else None,
            set_aside=lost or None,
        )

    def _queue(self) -> dict[str, Any]:
        counts = self._counts()
        oldest = counts.oldest_waiting_id
        # The milliseconds of a UUIDv7 are the shown clock (contracts 5.1).
        oldest_ms = None if oldest is None else int.from_bytes(oldest[:6], "big")
        return _known(waiting=counts.waiting, quarantined=counts.quarantined, oldest_ms=oldest_ms)

    def _trust_members(self) -> dict[str, Any]:
        held = self._keeper.trust
        freshness = freshness_of(held, now=self._timekeeper.now(), age_since_ms=self._keeper.age_since_ms)
        return _known(
            empty=held.root is None,
            test_keys=self._allow_test_keys,
            rung=None if freshness.rung is None else freshness.rung.value,
            age_s=freshness.age_s,
            root=None if held.root is None else held.root.version,
            issuers=None if held.issuers is None else held.issuers.version,
            status=None if held.status is None else held.status.version,
            roster=None if held.roster is None else held.roster.manifest.version,
            problems=problem_members(self._keeper.problems),
        )

    def _clock(self) -> dict[str, Any]:
        now = self._timekeeper.now()
        alarm = self._timekeeper.alarm
        return _known(
            anchored=self._timekeeper.is_anchored,
            lo_ms=now.lo_ms,
            hi_ms=now.hi_ms,
            alarm=None if alarm is None else alarm.value,
        )


def _state(reader: KeptOpenReader) -> str:
    match reader.status.state:
        case ReaderState.OPEN:
            return "ready"
        case ReaderState.OPENING | ReaderState.CLOSED:
            return "opening"
        case ReaderState.LOST:
            return "lost"
        case _:
            assert_never(reader.status.state)


def _device(name: str, status: DeviceStatus) -> dict[str, Any]:
    return _known(name=name, state=status.state.value, cause=status.cause, dropped=status.dropped_count or None)


def _sam(entry: SamEntry) -> dict[str, Any]:
    register, info = entry.registered, entry.info
    return _known(
        number=register.number or None,
        state=entry.state.value,
        type=None if info is None else info.type,
        terminal_no=None if info is None else info.terminal_no,
        valid_from=None if info is None or info.valid_from is None else info.valid_from.isoformat(),
        valid_until=None if info is None or info.valid_until is None else info.valid_until.isoformat(),
        days_left=entry.days_left,
        reader=entry.reader,
        place=register.place or None,
        purpose=register.purpose or None,
        responsible=register.responsible or None,
        unread=[{"file": unread.file, "cause": unread.cause.value} for unread in entry.unread] or None,
    )


def _shown(entry: DayEntry, *, counts: OutboxCounts, is_returned: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": entry.id.hex(),
        "at_ms": entry.at_ms,
        "reader": entry.reader,
        "carrier": entry.carrier.value,
        "outcome": OUTCOME_OF[entry.reason].value,
        "reason": entry.reason.value,
        "delivery": _delivery(entry, counts=counts, is_returned=is_returned),
        "seq": entry.seq,
    }
    return shown | _known(name=entry.name, notes=list(entry.notes) or None)


def _delivery(entry: DayEntry, *, counts: OutboxCounts, is_returned: bool) -> str:
    """Say where a record is; "sent" only where a heard receipt covers it now."""
    if not entry.is_saved:
        return "unsaved"
    if is_returned:
        return "returned"
    is_settled = entry.seq is not None and entry.epoch == counts.epoch and entry.seq <= counts.acked
    return "sent" if is_settled or entry.is_of_former_epoch else "saved"


def _known(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _version() -> str:
    try:
        return version("ehc-edge")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"
