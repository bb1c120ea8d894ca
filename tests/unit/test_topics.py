"""Topics of contracts 5.3."""

import pytest

from sync import topics


def test_the_names_of_the_contract() -> None:
    """A node's own topics, the documents for all, and the city's shared subscription."""
    assert topics.up("370881-0042", leaf="batch") == "ehc/1/370881-0042/up/batch"
    assert topics.down("370881-0042", leaf="receipt") == "ehc/1/370881-0042/down/receipt"
    assert topics.document("root") == "ehc/1/all/doc/root"
    assert topics.ingest("ingest") == "$share/ingest/ehc/1/+/up/#"


@pytest.mark.parametrize("name", ["a", "A-9", "370881-0042", "x" * 32])
def test_node_names(name: str) -> None:
    """Letters, digits and hyphens, at most 32."""
    assert topics.is_node_name(name)


@pytest.mark.parametrize("name", ["", "all", "a/b", "+", "#", "节点", "x" * 33, "a\n", "a b"])
def test_what_is_no_node_name(name: str) -> None:
    """Wildcards, separators and the reserved word would reach other nodes' topics."""
    assert not topics.is_node_name(name)
    with pytest.raises(ValueError, match="node name"):
        topics.up(name, leaf="hello")


def test_a_topic_upward_tells_node_and_leaf() -> None:
    """Only topics that a node writes are taken apart."""
    assert topics.parse_up("ehc/1/n-1/up/hello") == ("n-1", "hello")
    for topic in ("ehc/1/all/up/hello", "ehc/1/n-1/down/receipt", "ehc/2/n-1/up/hello", "ehc/1/n-1/up/", "x"):
        assert topics.parse_up(topic) is None
