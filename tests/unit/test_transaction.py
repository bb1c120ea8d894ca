"""The record: exactly the bytes of the vectors, and nothing else is taken for one."""

import contextlib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.transaction import (
    RECORD_BYTES_MAX,
    Kind,
    Moment,
    Step,
    Terminal,
    Transaction,
    TransactionError,
    from_cbor,
    to_cbor,
    uuid7,
)
from edge.verdict import Carrier, Evidence, Reason, Rung, Subject, Verdict
from sync import cbor
from tests.support import vectors

RECORDS = [bytes.fromhex(record["cbor"]) for record in vectors.load("ledger")["records"]]
USE = next(record for record in RECORDS if from_cbor(record).kind is Kind.USE)


def _full() -> Transaction:
    return Transaction(
        id=b"i" * 16,
        kind=Kind.VOID,
        step=Step.IMMUNIZE,
        at=Moment(boot=b"b" * 16, boottime_ms=1, lo_ms=2, hi_ms=None, wall_ms=4),
        terminal=Terminal(node="n-1", reader="r", sam_no="s"),
        verdict=Verdict(
            reason=Reason.PENDING_CITY,
            also=(Reason.DECEASED,),
            subject=Subject(
                kind=Carrier.ID_NUMBER, id_no="11010020171225006X", name="王小宝", sex=1, birth=date(2017, 12, 25)
            ),
            evidence=Evidence(kid=b"kkkk", rung=Rung.OLD, anchored=False),
        ),
        code=b"11010020171225006X",
        org="o",
        dept="d",
        operator="p",
        data={"lot": "202609A1", "dose": 1},
        refers=b"r" * 16,
    )


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_reads_and_writes_as_the_same_bytes(record: bytes) -> None:
    """Another implementation's records survive our reading them."""
    assert to_cbor(from_cbor(record)) == record


def test_a_transaction_with_every_member_survives() -> None:
    """What is written is what is read."""
    assert from_cbor(to_cbor(_full())) == _full()


def test_the_smallest_transaction_survives() -> None:
    """What is unknown is absent, and is unknown again when read."""
    at = Moment(boot=bytes(16), boottime_ms=0, lo_ms=0, hi_ms=5, wall_ms=0)
    small = Transaction(id=bytes(16), kind=Kind.AUDIT, step=None, at=at, terminal=Terminal(node="n"))

    record = to_cbor(small)

    assert from_cbor(record) == small
    assert cbor.decode(record, bytes_max=RECORD_BYTES_MAX).keys() == {"id", "kind", "at", "terminal", "data"}


def test_carrier_and_subject_come_from_the_verdict() -> None:
    """One source for who was meant."""
    members = cbor.decode(to_cbor(_full()), bytes_max=RECORD_BYTES_MAX)

    assert members["carrier"] == "id_number"
    assert members["subject"]["id_no"] == "11010020171225006X"
    assert members["verdict"]["outcome"] == "ACCEPT_PENDING"


def test_nothing_personal_shows_in_repr() -> None:
    """A transaction may stand in a trace."""
    shown = repr(_full())

    assert "11010020171225006X" not in shown
    assert "王小宝" not in shown


def _changed(**members: Any) -> bytes:
    record = cbor.decode(USE, bytes_max=RECORD_BYTES_MAX) | members
    return cbor.encode({name: value for name, value in record.items() if value is not ...})


@pytest.mark.parametrize(
    ("record", "named"),
    [
        (b"", "cbor"),
        (b"\x01", "cbor"),
        (USE + b"\x00", "cbor"),
        (bytes(RECORD_BYTES_MAX + 1), "cbor"),
        (_changed(colour="red"), "record"),
        (_changed(id=b"short"), "record.id"),
        (_changed(id=...), "id"),
        (_changed(kind="party"), "record.kind"),
        (_changed(step="dance"), "record.step"),
        (_changed(at=5), "at"),
        (_changed(at={"lo": True}), "at.lo"),
        (_changed(at={"lo": 5}), "record.at"),
        (_changed(terminal={"reader": "r"}), "record.terminal"),
        (_changed(terminal={"node": 5}), "terminal.node"),
        (_changed(data=[]), "record.data"),
        (_changed(org=5), "record.org"),
        (_changed(verdict=...), "verdict"),
        (_changed(subject=...), "verdict"),
        (_changed(verdict={}), "verdict."),
        (_changed(carrier="id_number"), "carrier"),
    ],
)
def test_what_is_no_record_is_refused_by_the_name_of_its_member(record: bytes, named: str) -> None:
    """The city keeps such a record as it came."""
    with pytest.raises(TransactionError) as caught:
        from_cbor(record)

    assert str(caught.value).startswith(named)


@given(st.binary(max_size=400))
def test_rubbish_raises_nothing_else(rubbish: bytes) -> None:
    """Any bytes are a record or are refused."""
    with contextlib.suppress(TransactionError):
        from_cbor(rubbish)


@given(st.integers(0, len(USE) - 1), st.integers(0, 255))
def test_a_changed_byte_raises_nothing_else(at: int, byte: int) -> None:
    """A record that is nearly right is read or refused, too."""
    with contextlib.suppress(TransactionError):
        from_cbor(USE[:at] + bytes([byte]) + USE[at + 1 :])


def test_a_uuid_holds_the_shown_clock_and_the_random_bytes() -> None:
    """The example of RFC 9562 A.6: time 017F22E279B0, random parts CC3 and 18C4DC0C0C07398F."""
    made = uuid7(0x017F22E279B0, random=bytes.fromhex("0cc318c4dc0c0c07398f"))

    assert made.hex() == "017f22e279b07cc398c4dc0c0c07398f"


def test_times_beyond_48_bits_still_make_a_uuid() -> None:
    """A clock that is far off must not stop a record."""
    assert len(uuid7(-1, random=bytes(10))) == 16
    assert len(uuid7(1 << 60, random=bytes(10))) == 16


def test_the_random_part_has_its_size() -> None:
    """Fewer bytes would be a bug of the caller."""
    with pytest.raises(ValueError, match="10 bytes"):
        uuid7(0, random=b"")
