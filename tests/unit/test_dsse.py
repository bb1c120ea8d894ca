"""The envelope and strict JSON: what is taken, what is refused, and that nothing else is ever raised."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import dsse
from edge.errors import TrustError
from tests.support.vectors import document, key, load

SIZE_MAX = 1024 * 1024


def rule_of(data: bytes, *, size_max: int = SIZE_MAX) -> str:
    with pytest.raises(TrustError) as caught:
        dsse.parse(data, size_max=size_max)
    return caught.value.rule


def test_pae_is_as_published() -> None:
    """The example of the DSSE specification."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_document_of_the_vectors_is_signed_by_its_keys() -> None:
    """The root of the vectors carries two signatures that hold."""
    envelope = dsse.parse(document("root1"), size_max=SIZE_MAX)
    keys = {key("root", index).public.keyid: key("root", index).public for index in range(3)}

    assert envelope.payload_type == dsse.payload_type("root")
    assert dsse.signers(envelope, keys=keys) == {key("root", 0).public.keyid, key("root", 2).public.keyid}


def test_a_key_that_signed_twice_counts_once() -> None:
    """Thresholds count distinct keys."""
    envelope = dsse.parse(document("root1_signed_twice_by_one_key"), size_max=SIZE_MAX)
    keys = {key("root", index).public.keyid: key("root", index).public for index in range(3)}

    assert len(envelope.signatures) == 2
    assert dsse.signers(envelope, keys=keys) == {key("root", 0).public.keyid}


def test_a_bad_signature_does_not_hide_a_good_one_of_the_same_key() -> None:
    """Whoever adds a broken signature to a document does not take its validity away."""
    good = json.loads(dsse.sign(b"{}", role="issuers", keys=[key("issuers_role")]))
    broken = dict(good["signatures"][0], sig=base64.b64encode(bytes(64)).decode())
    good["signatures"].insert(0, broken)

    envelope = dsse.parse(json.dumps(good).encode(), size_max=SIZE_MAX)

    keyid = key("issuers_role").public.keyid
    assert dsse.signers(envelope, keys={keyid: key("issuers_role").public}) == {keyid}


def test_what_is_signed_here_reads_back() -> None:
    """Any payload and role survive signing and parsing, byte for byte."""
    envelope = dsse.parse(
        dsse.sign(b"\0 any bytes \xff", role="roster", keys=[key("node"), key("issuer")]), size_max=SIZE_MAX
    )

    keys = {held.public.keyid: held.public for held in (key("node"), key("issuer"), key("receipt"))}
    assert envelope.payload == b"\0 any bytes \xff"
    assert envelope.payload_type == "application/vnd.ehc.roster+json"
    assert dsse.signers(envelope, keys=keys) == {key("node").public.keyid, key("issuer").public.keyid}


def test_another_type_is_another_signature() -> None:
    """The type is signed: a document cannot be passed off as one of another role."""
    members = json.loads(dsse.sign(b"{}", role="issuers", keys=[key("issuers_role")]))
    members["payloadType"] = dsse.payload_type("status")

    envelope = dsse.parse(json.dumps(members).encode(), size_max=SIZE_MAX)

    assert not dsse.signers(envelope, keys={key("issuers_role").public.keyid: key("issuers_role").public})


def test_size_is_judged_before_anything_else() -> None:
    """A document one byte too long is refused whatever stands in it."""
    data = document("root1")

    assert dsse.parse(data, size_max=len(data)).payload
    assert rule_of(data, size_max=len(data) - 1) == "size"
    assert rule_of(b"[" * (SIZE_MAX + 1)) == "size"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff{}",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"[]",
        b"1",
        b"{} {}",
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b'{"a": 1.0}',
        b'{"a": 1e3}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
)
def test_json_that_can_be_read_two_ways_is_refused(data: bytes) -> None:
    """Member names twice, numbers that are no integers, other encodings, rubbish and endless nesting are refused."""
    with pytest.raises(TrustError, match="json"):
        dsse.strict_json(data)


def test_integers_and_text_are_read() -> None:
    """Ordinary JSON objects come through as they are."""
    assert dsse.strict_json('{"a": -1, "b": ["名", true, null, {}]}'.encode()) == {"a": -1, "b": ["名", True, None, {}]}


def changed(**members: object) -> bytes:
    return json.dumps({**load("trust")["root1"], **members}).encode()


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (changed(payloadType=1), "envelope"),
        (changed(payloadType="application/vnd.ehc.root+json\ud800"), "envelope"),
        (changed(signatures={}), "envelope"),
        (changed(signatures=[1]), "envelope"),
        (changed(signatures=[{"sig": ""}]), "envelope"),
        (changed(signatures=[{"keyid": "zz", "sig": ""}]), "envelope"),
        (changed(signatures=[{"keyid": "ab", "sig": 1}]), "member"),
        (changed(signatures=[{"keyid": "ab", "sig": "a"}]), "member"),
        (changed(signatures=[{"keyid": "ab", "sig": ""}] * 33), "envelope"),
        (changed(payload=None), "member"),
        (changed(payload="YQ=="[:3]), "member"),
        (changed(payload="YQ==YQ=="), "member"),
        (changed(payload="Y Q=="), "member"),
        (changed(payload="-_--"), "member"),
        (b"{}", "envelope"),
    ],
)
def test_malformed_envelopes_are_refused(data: bytes, rule: str) -> None:
    """Missing members, members of another kind and base64 of another kind refuse the document."""
    assert rule_of(data) == rule


@given(data=st.binary(max_size=300))
def test_any_bytes_raise_nothing_but_the_documented_error(data: bytes) -> None:
    """Random bytes are refused with `TrustError`."""
    assert rule_of(data) in {"json", "envelope"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    members=st.fixed_dictionaries(
        {}, optional={"payloadType": JSON, "payload": JSON, "signatures": st.lists(JSON, max_size=3) | JSON}
    )
)
def test_any_json_raises_nothing_but_the_documented_error(members: dict[str, object]) -> None:
    """Members of whatever kind give an envelope or `TrustError`."""
    try:
        envelope = dsse.parse(json.dumps(members).encode(), size_max=SIZE_MAX)
    except TrustError:
        return
    assert not dsse.signers(envelope, keys={key("node").public.keyid: key("node").public})
