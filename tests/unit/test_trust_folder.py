"""Reading the trust folder: what is used, what is left out and why, and replacing files."""

import base64
import json
import os
from pathlib import Path

import pytest

from edge import dsse, gm
from edge.roster import index_carrier
from edge.trust import TrustSet
from edge.trust_folder import Problem, load_directory
from tests.support.vectors import document, key, load

NODE = "370881-0042"


def put(folder: Path, data: bytes, *, name: str | None = None) -> Path:
    path = folder / (name or gm.sm3(data).hex())
    path.write_bytes(data)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with everything in it, as `verify --trust` takes it."""
    for name, vector in (("root.1.json", "root1"), ("issuers.json", "issuers7"), ("status.json", "status31")):
        put(tmp_path, document(vector), name=name)
    put(tmp_path, json.dumps(load("roster")["manifest"]).encode(), name="roster.json")
    for blob in (load("status_list")["snapshot31"], load("status_list")["hashed"]["blob"], load("roster")["blob"]):
        put(tmp_path, base64.b64decode(blob))
    return tmp_path


def problems(folder: Path, *, allow_test_keys: bool = True) -> set[tuple[str, str]]:
    loaded = load_directory(
        folder, node=NODE, decrypt_roster=key("node_encryption").decrypt, allow_test_keys=allow_test_keys
    )
    return {(problem.file, problem.rule) for problem in loaded.problems}


def test_a_whole_folder_is_used_whole(folder: Path) -> None:
    """Root, issuers, status, lists and roster are there, and nothing is left out."""
    loaded = load_directory(folder, node=NODE, decrypt_roster=key("node_encryption").decrypt)

    assert loaded.problems == ()
    assert loaded.uses_test_keys
    trust = loaded.trust
    assert trust.root is not None
    assert trust.issuers is not None
    assert trust.status is not None
    assert list(trust.lists) == ["cards-a"]
    assert list(trust.hashed) == ["national"]
    assert trust.roster is not None
    assert trust.roster.find(index_carrier("A" * 64)) is not None


@pytest.mark.parametrize("context", load("ehc1")["contexts"], ids=lambda context: context["name"])
def test_documents_of_every_context_of_the_vectors_load(context: dict[str, str], tmp_path: Path) -> None:
    """The documents that the card vectors are judged under all verify."""
    for name, role in (("root.1.json", "root"), ("issuers.json", "issuers"), ("status.json", "status")):
        put(tmp_path, document(context[role]), name=name)
    for blob in ("snapshot31", "snapshot30"):
        put(tmp_path, base64.b64decode(load("status_list")[blob]))
    put(tmp_path, base64.b64decode(load("status_list")["hashed"]["blob"]))

    loaded = load_directory(tmp_path)

    assert loaded.problems == ()
    assert loaded.trust.root is not None
    assert loaded.trust.issuers is not None
    assert loaded.trust.status is not None
    assert loaded.trust.roster is None


def test_an_empty_or_missing_folder_is_an_empty_trust_set(tmp_path: Path) -> None:
    """A node that was never given documents starts, and says what is missing."""
    for path in (tmp_path, tmp_path / "absent"):
        loaded = load_directory(path)

        assert loaded.trust == TrustSet()
        assert loaded.problems == (Problem(file="root.1.json", rule="missing"),)
        assert not loaded.uses_test_keys


@pytest.mark.parametrize("name", ["root.1.json", "issuers.json", "status.json"])
def test_a_missing_document_is_named(folder: Path, name: str) -> None:
    """What is not there is reported under its name."""
    (folder / name).unlink()

    assert problems(folder) == {(name, "missing")}


def test_missing_and_wrong_blobs_are_not_in_the_set(folder: Path) -> None:
    """A list that is absent, or whose bytes are others, is left out and named."""
    snapshot = base64.b64decode(load("status_list")["snapshot31"])
    (folder / gm.sm3(snapshot).hex()).write_bytes(snapshot[:-1] + b"\0")
    (folder / gm.sm3(base64.b64decode(load("status_list")["hashed"]["blob"])).hex()).unlink()

    loaded = load_directory(folder)

    assert loaded.trust.status is not None
    assert not loaded.trust.lists
    assert not loaded.trust.hashed
    assert loaded.problems == (Problem(file="cards-a", rule="blob"), Problem(file="national", rule="missing"))


def test_a_blob_longer_than_signed_is_not_read(folder: Path) -> None:
    """Reading stops one byte after what the signed document says."""
    snapshot = base64.b64decode(load("status_list")["snapshot31"])
    (folder / gm.sm3(snapshot).hex()).write_bytes(snapshot + bytes(1000))

    assert problems(folder) == {("cards-a", "size")}


@pytest.mark.parametrize(
    ("vector", "name", "rule"),
    [
        ("root1_signed_twice_by_one_key", "root.1.json", "threshold"),
        ("root1_key_twice", "root.1.json", "key_twice"),
        ("issuers8_critical", "issuers.json", "critical"),
        ("issuers8_as_status", "status.json", "threshold"),
    ],
)
def test_a_document_that_does_not_verify_is_left_out(folder: Path, vector: str, name: str, rule: str) -> None:
    """The problem names the file and the rule it broke."""
    put(folder, document(vector), name=name)

    assert problems(folder) == {(name, rule)}


def test_the_last_root_of_the_chain_decides(folder: Path) -> None:
    """Root 2 replaces the status key: what the old one signed no longer verifies, the rest does."""
    put(folder, document("root2"), name="root.2.json")

    loaded = load_directory(folder)

    assert loaded.trust.root is not None
    assert loaded.trust.root.version == 2
    assert loaded.trust.issuers is not None
    assert loaded.trust.status is None
    assert loaded.problems == (Problem(file="status.json", rule="threshold"),)


@pytest.mark.parametrize(
    ("vector", "rule"), [("root2_one_signature", "threshold"), ("root3_skips_2", "version"), ("root1", "version")]
)
def test_a_broken_chain_ends_at_its_last_good_root(folder: Path, vector: str, rule: str) -> None:
    """A root that does not follow leaves the one before it in use."""
    put(folder, document(vector), name="root.2.json")

    loaded = load_directory(folder)

    assert loaded.trust.root is not None
    assert loaded.trust.root.version == 1
    assert loaded.trust.status is not None
    assert loaded.problems == (Problem(file="root.2.json", rule=rule),)


def test_test_keys_are_refused_where_they_must_be(folder: Path) -> None:
    """A daemon that was not told to allow them trusts no root of published keys."""
    assert problems(folder, allow_test_keys=False) == {("root.1.json", "test_key")}


def real_root(folder: Path) -> gm.PrivateKey:
    """A root nobody else knows the keys of, all roles under one key."""
    only = gm.generate()
    keyid = only.public.keyid.hex()
    roles = {name: {"keyids": [keyid], "threshold": 1} for name in ("root", "issuers", "status", "roster")}
    root = {
        "version": 1,
        "issued_at": 0,
        "expires_at": 1,
        "city": "370800",
        "keys": {keyid: only.public.compressed.hex()},
        "roles": roles,
        "city_encryption_key": only.public.compressed.hex(),
        "receipt_keyids": [keyid],
    }
    put(folder, dsse.sign(json.dumps(root).encode(), role="root", keys=[only]), name="root.1.json")
    return only


def test_an_issuer_list_with_a_test_key_is_refused_too(tmp_path: Path) -> None:
    """Under a real root, a published issuer key still is not trusted."""
    only = real_root(tmp_path)
    members = base64.b64decode(load("trust")["issuers7"]["payload"])
    put(tmp_path, dsse.sign(members, role="issuers", keys=[only]), name="issuers.json")

    loaded = load_directory(tmp_path, allow_test_keys=False)

    assert loaded.trust.root is not None
    assert loaded.trust.issuers is None
    assert Problem(file="issuers.json", rule="test_key") in loaded.problems
    assert not loaded.uses_test_keys
    assert load_directory(tmp_path).uses_test_keys


def test_roster_is_left_out_for_its_reasons(folder: Path) -> None:
    """Another node's roster and a missing blob are reported; a node without any roster has nothing to report."""
    other = load_directory(folder, node="370881-0043", decrypt_roster=key("node_encryption").decrypt)
    assert other.trust.roster is None
    assert other.problems == (Problem(file="roster.json", rule="node"),)

    (folder / gm.sm3(base64.b64decode(load("roster")["blob"])).hex()).unlink()
    assert problems(folder) == {("roster", "missing")}

    (folder / "roster.json").unlink()
    assert problems(folder) == set()


def test_things_that_are_no_files_do_not_hang_the_start(folder: Path) -> None:
    """A folder, a pipe or an overlong file in place of a document is reported and passed by."""
    for name, make in (
        ("issuers.json", lambda path: path.mkdir()),
        ("status.json", os.mkfifo),
        ("roster.json", lambda path: path.write_bytes(bytes(64 * 1024 + 1))),
    ):
        (folder / name).unlink()
        make(folder / name)

    assert problems(folder) == {("issuers.json", "unreadable"), ("status.json", "unreadable"), ("roster.json", "size")}
