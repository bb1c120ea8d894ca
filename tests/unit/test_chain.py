"""The chain of contracts 5.2, against the vectors."""

from sync import cbor, chain
from tests.support.small_city import sm3
from tests.support.vectors import load


def test_the_chain_of_the_vectors() -> None:
    """h(0) and every h(n) come out as the vectors have them."""
    ledger = load("ledger")
    head = chain.start(ledger["node"], ledger["epoch"], hash=sm3)
    assert head.hex() == ledger["h0"]
    for record in ledger["records"]:
        message_id = cbor.decode(bytes.fromhex(record["cbor"]), bytes_max=2**16)["id"]
        digest = sm3(bytes.fromhex(record["body"]))

        head = chain.link(head, seq=record["seq"], message_id=message_id, digest=digest, hash=sm3)

        assert head.hex() == record["h"]


def test_every_input_changes_the_head() -> None:
    """A record that is moved, renamed or changed gives another head."""
    start = chain.start("node-1", 1, hash=sm3)
    heads = {
        chain.link(start, seq=1, message_id=b"a" * 16, digest=b"d" * 32, hash=sm3),
        chain.link(start, seq=2, message_id=b"a" * 16, digest=b"d" * 32, hash=sm3),
        chain.link(start, seq=1, message_id=b"b" * 16, digest=b"d" * 32, hash=sm3),
        chain.link(start, seq=1, message_id=b"a" * 16, digest=b"e" * 32, hash=sm3),
        chain.link(chain.start("node-1", 2, hash=sm3), seq=1, message_id=b"a" * 16, digest=b"d" * 32, hash=sm3),
        chain.link(chain.start("node-2", 1, hash=sm3), seq=1, message_id=b"a" * 16, digest=b"d" * 32, hash=sm3),
    }

    assert len(heads) == 6
