"""The way to the city: which receipts are heard, what a hello says, what the status page shows."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from edge.city_link import CityLink, link_status
from edge.ledger import NotSavedError
from edge.settings import parse
from edge.transaction import Kind, Transaction
from edge.trust_import import import_folder
from sync.asking import Ask
from sync.errors import StoreError
from sync.ledger import EpochChange, EpochReason
from sync.message import OutboxMessage
from sync.uplink import LinkState
from sync.wire import decode_frame
from tests.support import authority, vectors
from tests.support.authority import KEYS
from tests.support.keeper_box import KeeperBox
from tests.support.memory_store import MemoryStore
from tests.support.set_boot import SetBoot, timekeeper_at
from tests.support.trust_folder import write_folder

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


def _link(box: KeeperBox, *, ledger: _Seals | None = None, extra: str = "") -> CityLink:
    box.home.mkdir(exist_ok=True)
    toml = f'[node]\nname = "{NODE}"\norg = "o"\ndata_dir = "{box.home}"\n[uplink]\nenabled = true\n{extra}'
    return CityLink(
        parse(toml.encode()),
        outbox=cast(Any, MemoryStore()),
        signing=vectors.key("node"),
        boot=SetBoot(wall_ms=T),
        keeper=box.keeper,
        timekeeper=timekeeper_at(lo_ms=T, hi_ms=T + 400, boot=SetBoot(wall_ms=T)),
        ledger=cast(Any, ledger),
    )


@pytest.fixture
async def box(tmp_path: Path) -> KeeperBox:
    """A node that holds the vectors' trust."""
    box = KeeperBox(tmp_path / "home", allow_test_keys=True)
    await import_folder(write_folder(tmp_path / "stick"), keeper=box.keeper)
    return box


@pytest.fixture
def empty(tmp_path: Path) -> KeeperBox:
    """A node that holds nothing."""
    return KeeperBox(tmp_path / "empty")


def _is_heard(box: KeeperBox, *, name: str) -> bool:
    frame = decode_frame(bytes.fromhex(vectors.load("ledger")[name]))
    return _link(box)._verify_receipt(frame.keyid, frame.signed, frame.signature)


def test_only_a_receipt_key_of_the_root_is_heard(box: KeeperBox, empty: KeeperBox) -> None:
    """The status key is the city's too, and signs no receipts (contracts 5.4)."""
    assert _is_heard(box, name="receipt_frame")
    assert not _is_heard(box, name="receipt_signed_by_status_key")
    assert not _is_heard(empty, name="receipt_frame")


def test_a_changed_receipt_is_not_heard(box: KeeperBox) -> None:
    """Its signature is over its payload."""
    frame = decode_frame(bytes.fromhex(vectors.load("ledger")["receipt_frame"]))

    assert not _link(box)._verify_receipt(frame.keyid, frame.signed + b"x", frame.signature)


@pytest.mark.parametrize(
    ("names", "signer", "is_obeyed"),
    [
        (("config-a",), "config-a", True),
        (("config-a", "config-b"), "config-b", True),
        (("config-a",), "status-a", False),
        (("config-a",), "stranger", False),
        ((), "status-a", False),
        (None, "config-a", False),
    ],
)
async def test_only_a_config_key_of_the_root_gives_orders(
    empty: KeeperBox, names: tuple[str, ...] | None, signer: str, is_obeyed: bool
) -> None:
    """Every other key of the city, of the same root or of none, orders nothing (contracts 5.3)."""
    key, frame = authority.key(signer), b"an order"
    if names is not None:
        root = authority.root(keys={**KEYS, "config": names} if names else KEYS)
        await empty.take(root, role="root", is_birth=True)

    assert _link(empty)._verify_order(key.public.keyid, frame, key.sign(frame)) == is_obeyed


async def test_a_role_that_needs_two_signatures_gives_no_orders(
    empty: KeeperBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame has one; a city that wants two for orders gives none."""
    await empty.take(authority.root(keys={**KEYS, "config": KEYS["root"]}), role="root", is_birth=True)
    key, root = authority.key("root-a"), empty.keeper.trust.root
    assert root is not None
    link = _link(empty)
    assert link._verify_order(key.public.keyid, b"x", key.sign(b"x"))

    two = replace(root, roles={**root.roles, "config": replace(root.roles["config"], threshold=2)})
    monkeypatch.setattr(type(empty.keeper), "trust", property(lambda _: replace(empty.keeper.held.trust, root=two)))

    assert not link._verify_order(key.public.keyid, b"x", key.sign(b"x"))


def test_a_hello_says_what_is_held(box: KeeperBox) -> None:
    """Clock, boot, versions of documents and of the lists that are good on disk."""
    facts = _link(box)._facts()

    assert (facts.boot, facts.boottime_ms, facts.lo_ms, facts.hi_ms) == (b"B" * 16, 0, T, T + 400)
    assert facts.have == {"root": 1, "issuers": 7, "status": 31}
    assert facts.lists == {"cards-a": 31, "national": 4}
    assert _link(box)._interval() == (T, T + 400)


def test_a_node_with_nothing_says_nothing(empty: KeeperBox) -> None:
    """No versions, no lists."""
    facts = _link(empty)._facts()

    assert (facts.have, facts.lists) == ({}, {})


def test_an_unknown_issuer_asks_for_the_next_issuers_once_in_ten_minutes(
    box: KeeperBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many such codes are shown, however often (contracts 4)."""
    now_s = 1_000.0
    monkeypatch.setattr("edge.city_link.time.monotonic", lambda: now_s)
    link = _link(box)
    asked = []
    for passed_s in (0, 1, 300, 598, 599, 600, 601, 1199, 1200):
        now_s = 1_000.0 + passed_s
        link.ask_early()
        if link._downlink._due_s == float("-inf"):
            frame = link._downlink.next_frame(now_s)
            assert frame is not None
            assert Ask.from_payload(frame[2]).docs == {"issuers": 8}
            asked.append(passed_s)

    assert asked == [0, 600, 1200]


async def test_a_change_of_what_is_held_makes_the_link_look_again(empty: KeeperBox) -> None:
    """Documents from a stick may be all that was wanted from the city, or say what else there is."""
    link = _link(empty)
    wishes: list[int] = []
    link._downlink.watch(lambda: wishes.append(1))

    await empty.born()

    assert wishes == [1]


async def test_a_hello_that_the_city_orders_is_the_uplinks(box: KeeperBox) -> None:
    """It is said on the next occasion, whether one is due or not."""
    link = _link(box)

    link._documents._say_hello()

    assert link._uplink._is_hello_due


async def test_a_new_epoch_begins_with_an_audit_of_what_was(box: KeeperBox) -> None:
    """Old epoch, its last seq and head, what is missing, why (contracts 5.4)."""
    ledger = _Seals()

    message = await _link(box, ledger=ledger)._audit(CHANGE)

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


async def test_an_audit_that_cannot_be_sealed_is_the_stores_trouble(box: KeeperBox) -> None:
    """The uplink pauses and tries again; it must not end."""
    with pytest.raises(StoreError):
        await _link(box, ledger=_Seals(cause="no_city_key"))._audit(CHANGE)


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


def test_tls_files_reach_the_broker(box: KeeperBox) -> None:
    """All three, or a plain link on this box."""
    tls = 'host = "far"\n[uplink.tls]\nca = "ca.pem"\ncert = "c.pem"\nkey = "k.pem"\n'

    assert _link(box, extra=tls).status()["state"] == "connecting"
