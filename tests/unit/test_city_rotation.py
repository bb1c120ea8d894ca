"""`ehc-city root rotate`: what a node that holds the former root makes of the next one, and which keys sign then."""

import shutil
from pathlib import Path

import pytest

from city import rotation
from city.authority.keys import REPLACEABLE_ROLES
from edge import trust
from edge.errors import TrustError
from edge.trust import Root
from tests.support.city_cli import City


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> City:
    return City.founded(tmp_path / "city", capsys)


def chain(city: City) -> list[Root]:
    """The roots as a node takes them, from the one it was born with."""
    documents = [
        (city.folder / "published" / f"root.{number}.json").read_bytes()
        for number in range(1, city.home.root_version() + 1)
    ]
    roots = [trust.open_root(documents[0])]
    for document in documents[1:]:
        roots.append(trust.next_root(roots[-1], document))
    return roots


def keyids(root: Root, role: str) -> frozenset[bytes]:
    match role:
        case "receipt":
            return root.receipt_keyids
        case "encryption":
            return frozenset({root.city_encryption_key.keyid})
        case _:
            return root.roles[role].keyids


def test_a_root_with_the_same_keys_lasts_longer(city: City) -> None:
    """Without anything to replace the next root has every key of the former and a new end."""
    assert city("root", "rotate") == {"root": 2, "replaced": []}
    first, second = chain(city)

    assert all(keyids(first, role) == keyids(second, role) for role in REPLACEABLE_ROLES)
    assert second.city == first.city
    assert second.expires_at_ms > first.expires_at_ms


@pytest.mark.parametrize("role", REPLACEABLE_ROLES)
def test_a_role_gets_new_keys_and_no_other_does(city: City, role: str) -> None:
    """None of the role's former keys remains, everybody else's stay, and the next publish verifies under the new."""
    city("root", "rotate", "--replace", role)
    city("publish")
    first, second = chain(city)

    assert keyids(first, role).isdisjoint(keyids(second, role))
    assert all(keyids(first, other) == keyids(second, other) for other in REPLACEABLE_ROLES if other != role)
    assert city.trust().problems == ()
    home = city.home
    assert {home.keys.receipt().public.keyid} == second.receipt_keyids
    assert home.keys.encryption().public == second.city_encryption_key
    assert {home.keys.role("time").public.keyid} == second.roles["time"].keyids


def test_documents_of_the_former_root_do_not_verify_before_the_next_publish(city: City) -> None:
    """A replaced key signs nothing under the new root: what it signed is to be signed anew."""
    city("root", "rotate", "--replace", "issuers")
    status = (city.folder / "published" / "status.json").read_bytes()
    issuers = (city.folder / "published" / "issuers.json").read_bytes()
    _, second = chain(city)

    assert trust.open_status(status, root=second).version == 1
    with pytest.raises(TrustError, match="threshold"):
        trust.open_issuers(issuers, root=second)


def test_rotations_follow_each_other(city: City) -> None:
    """Root keys are replaced by root keys, and the chain holds from the first to the last."""
    city("root", "rotate", "--replace", "root", "--replace", "status")
    city("root", "rotate", "--replace", "status")
    city("root", "rotate", "--replace", "root")
    city("publish")

    roots = chain(city)
    assert [root.version for root in roots] == [1, 2, 3, 4]
    assert len({keyids(root, "root") for root in roots}) == 3
    assert city.trust().problems == ()


def test_former_encryption_keys_still_open_records(city: City) -> None:
    """Records outlive keys: the former one stays among those that decrypt."""
    former = city.home.keys.encryption().public
    city("root", "rotate", "--replace", "encryption")

    assert {key.public for key in city.home.keys.decryption()} == {former, city.home.keys.encryption().public}


def test_root_keys_are_brought_and_taken_away(city: City, tmp_path: Path) -> None:
    """Without two root keys there is no new root; from the folder they were taken to they sign, new ones stay there."""
    safe = tmp_path / "safe"
    safe.mkdir()
    for file in (city.folder / "keys").glob("root-*.key"):
        shutil.move(file, safe)
    code, error = city.fails("root", "rotate")
    assert code == 1
    assert "0 of the 2" in error
    assert "--root-keys" in error

    (safe / "root-1.key").rename(tmp_path / "lost.key")
    city("root", "rotate", "--root-keys", str(safe), "--replace", "root")
    assert len(chain(city)) == 2
    assert list((city.folder / "keys").glob("root-*")) == []
    (safe / "root-1.2.key").unlink()
    (safe / "root-2.2.key").unlink()
    assert "1 of the 2" in city.fails("root", "rotate", "--root-keys", str(safe))[1]


def test_an_interrupted_rotation_is_as_if_it_had_not_been(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the root's file is there every former key signs; keys that were made already serve the next rotation."""

    def fail(*_args: object, **_options: object) -> None:
        raise OSError

    whole = rotation.replace_file
    monkeypatch.setattr(rotation, "replace_file", fail)
    assert "root.2.json" in city.fails("root", "rotate", "--replace", "status")[1]
    city("publish")
    assert city.trust().problems == ()

    monkeypatch.setattr(rotation, "replace_file", whole)
    city("root", "rotate", "--replace", "time", "--replace", "status")
    city("publish")
    assert city.trust().problems == ()
    assert sorted(path.name for path in (city.folder / "keys").glob("*.2.key")) == ["status.2.key", "time.2.key"]


def test_a_key_that_the_root_does_not_name_signs_nothing(city: City) -> None:
    """Where the key that took over is lost, its forerunner is not taken in its place."""
    city("root", "rotate", "--replace", "status")
    (city.folder / "keys" / "status.2.key").unlink()

    assert "status.key" in city.fails("publish")[1]


def test_a_damaged_root_is_a_configuration_error(city: City) -> None:
    """Nothing is signed under a root that cannot be read."""
    (city.folder / "published" / "root.1.json").write_text("{}")

    assert city.fails("publish")[0] == 78
    assert city.fails("root", "rotate")[0] == 78
    (city.folder / "published" / "root.1.json").unlink()
    assert "ehc-city init" in city.fails("root", "rotate")[1]


def test_an_unknown_role_is_a_usage_error(city: City) -> None:
    """Only what a root gives keys to can get new ones."""
    with pytest.raises(SystemExit) as exit_:
        city("root", "rotate", "--replace", "issuer-1")
    assert exit_.value.code == 2
