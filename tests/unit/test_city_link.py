"""The way to the city: which receipts are heard, what a hello says, what the status page shows."""

from pathlib import Path
from typing import Any, cast

import pytest

from edge.city_link import CityLink, link_status, lists_held, versions_held
from edge.ledger import NotSavedError
from edge.settings import parse
from edge.transaction import Kind, Transaction
from edge.trust import TrustSet
from sync.errors import StoreError
from sync.ledger import EpochChange, EpochReason
from sync.message import OutboxMessage
from sync.uplink import LinkState
from sync.wire import decode_frame
from tests.support import vectors
from tests.support.memory_store import MemoryStore
from tests.support.set_boot import SetBoot, timekeeper_at
from tests.support.trust_folder import trust_set, write_folder

NODE = "370881-0042"
T = 1_795_399_200_000
CHANGE = EpochChange(
    former=1, epoch=2, last_seq=9, acked=4, head=b"h" * 32, missing=((5, 6),), reason=EpochReason.CITY_AHEAD
)


class _Seals:
    """A ledger that hands back what it should seal."""

    def __init__(self, *, cause: str | None = None) -> None:
        self.sealed: list[Transaction] = []
        self._cause = cause

    async def seal(self, transaction: Transaction) -> OutboxMessage:
        if self._cause is not None:
            raise NotSavedError(self._cause)
        self.sealed.append(transaction)
        return OutboxMessage(message_id=transaction.id, body=b"sealed", key_id=b"k" * 8)


def _link(trust: TrustSet, *, ledger: _Seals | None = None, extra: str = "") -> CityLink:
    toml = f'[node]\nname = "{NODE}"\norg = "o"\n[uplink]\nenabled = true\n{extra}'
    return CityLink(
        parse(toml.encode()),
        outbox=cast(Any, MemoryStore()),
        signing=vectors.key("node"),
        boot=SetBoot(wall_ms=T),
        trust=lambda: trust,
        timekeeper=timekeeper_at(lo_ms=T, hi_ms=T + 400, boot=SetBoot(wall_ms=T)),
        ledger=cast(Any, ledger),
    )


@pytest.fixture
def trust(tmp_path: Path) -> TrustSet:
    """The vectors' trust."""
    return trust_set(write_folder(tmp_path))


def _is_heard(trust: TrustSet, *, name: str) -> bool:
    frame = decode_frame(bytes.fromhex(vectors.load("ledger")[name]))
    return _link(trust)._verify_receipt(frame.keyid, frame.signed, frame.signature)


def test_only_a_receipt_key_of_the_root_is_heard(trust: TrustSet) -> None:
    """The status key is the city's too, and signs no receipts (contracts 5.4)."""
    assert _is_heard(trust, name="receipt_frame")
    assert not _is_heard(trust, name="receipt_signed_by_status_key")
    assert not _is_heard(TrustSet(), name="receipt_frame")


def test_a_changed_receipt_is_not_heard(trust: TrustSet) -> None:
    """Its signature is over its payload."""
    frame = decode_frame(bytes.fromhex(vectors.load("ledger")["receipt_frame"]))

    assert not _link(trust)._verify_receipt(frame.keyid, frame.signed + b"x", frame.signature)


def test_a_hello_says_what_is_held(trust: TrustSet) -> None:
    """Clock, boot, versions of documents and of the lists that are good on disk."""
    facts = _link(trust)._facts()

    assert (facts.boot, facts.boottime_ms, facts.lo_ms, facts.hi_ms) == (b"B" * 16, 0, T, T + 400)
    assert facts.have == {"root": 1, "issuers": 7, "status": 31}
    assert facts.lists == {"cards-a": 31, "national": 4}
    assert _link(trust)._interval() == (T, T + 400)


def test_a_node_with_nothing_says_nothing() -> None:
    """No versions, no lists."""
    assert (versions_held(TrustSet()), lists_held(TrustSet())) == ({}, {})


async def test_a_new_epoch_begins_with_an_audit_of_what_was(trust: TrustSet) -> None:
    """Old epoch, its last seq and head, what is missing, why (contracts 5.4)."""
    ledger = _Seals()

    message = await _link(trust, ledger=ledger)._audit(CHANGE)

    (audit,) = ledger.sealed
    assert message.message_id == audit.id
    assert (audit.kind, audit.step, audit.terminal.node) == (Kind.AUDIT, None, NODE)
    assert audit.data == {
        "event": "new_epoch",
        "former_epoch": 1,
        "last_seq": 9,
        "acked": 4,
        "head": b"h" * 32,
        "missing": [[5, 6]],
        "missing_more": False,
        "reason": "city_ahead",
    }


async def test_an_audit_that_cannot_be_sealed_is_the_stores_trouble(trust: TrustSet) -> None:
    """The uplink pauses and tries again; it must not end."""
    with pytest.raises(StoreError):
        await _link(trust, ledger=_Seals(cause="no_city_key"))._audit(CHANGE)


@pytest.mark.parametrize(
    ("state", "members"),
    [
        (LinkState(is_connected=True, cause="timeout", trouble="odd"), {"state": "connected", "trouble": "odd"}),
        (LinkState(), {"state": "connecting"}),
        (LinkState(cause="timeout"), {"state": "connecting", "cause": "timeout"}),
        (LinkState(cause="closed", next_try_s=12.5), {"state": "offline", "cause": "closed", "next_try_ms": T + 2500}),
        (LinkState(cause="closed", next_try_s=9.0), {"state": "offline", "cause": "closed", "next_try_ms": T}),
        (LinkState(cause="auth", next_try_s=10.0), {"state": "refused", "cause": "auth", "next_try_ms": T}),
        (LinkState(cause="refused_0x87"), {"state": "refused", "cause": "refused_0x87"}),
        (LinkState(cause="tls"), {"state": "refused", "cause": "tls"}),
        (LinkState(cause="refused"), {"state": "connecting", "cause": "refused"}),
    ],
)
def test_the_status_page_says_whether_to_wait_or_to_mend(state: LinkState, members: dict[str, Any]) -> None:
    """A network comes back by itself; a certificate does not."""
    assert link_status(state, monotonic_s=10.0, wall_ms=T) == members


def test_tls_files_reach_the_broker(trust: TrustSet) -> None:
    """All three, or a plain link on this box."""
    tls = 'host = "far"\n[uplink.tls]\nca = "ca.pem"\ncert = "c.pem"\nkey = "k.pem"\n'

    assert _link(trust, extra=tls).status()["state"] == "connecting"
