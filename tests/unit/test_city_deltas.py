"""The deltas that `ehc-city publish` makes: whoever holds a former list gets to the present one, or to a snapshot."""

import random
from pathlib import Path

import pytest

from city import deltas
from edge.status_delta import apply_delta
from edge.status_list import CardState, StatusList
from edge.trust import ListInfo
from tests.support.city_cli import City

CARDS = 6


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> City:
    return City.founded(tmp_path / "city", capsys)


def published(city: City) -> tuple[ListInfo, StatusList]:
    """The first list as the city publishes it now."""
    loaded = city.trust()
    assert loaded.problems == ()
    assert loaded.trust.status is not None
    return loaded.trust.status.lists["cards-1"], loaded.trust.lists["cards-1"]


def followed(city: City, held: StatusList, *, info: ListInfo, version: int) -> StatusList:
    """What a node that holds a list makes of the deltas from its version on."""
    for delta in info.deltas:
        if delta.from_version >= version:
            blob = (city.folder / "published" / delta.blob.sm3.hex()).read_bytes()
            assert len(blob) == delta.blob.length
            held = apply_delta(held, blob, size=info.size)
    return held


def blobs(city: City) -> set[str]:
    return {file.name for file in (city.folder / "published").iterdir() if not file.suffix and file.is_file()}


def test_a_chain_of_deltas_leads_to_the_fresh_snapshot(city: City, rng: random.Random) -> None:
    """From whatever version a node starts, the deltas end at the bytes of the snapshot, with cards back in use too."""
    refs = [city("card", "issue")["ref"] for _ in range(CARDS)]
    versions = []
    for turn in range(8):
        for _ in range(rng.randint(0, 2)):
            city("card", rng.choice(["suspend", "revoke", "reinstate"]), rng.choice(refs))
        if turn % 3 == 2:
            refs.append(city("card", "issue")["ref"])
        city("publish")
        versions.append(published(city))

    newest, fresh = versions[-1]
    for info, held in versions:
        assert followed(city, held, info=newest, version=info.version) == fresh
    assert [delta.from_version for delta in newest.deltas[1:]] == [delta.to_version for delta in newest.deltas[:-1]]
    assert newest.deltas[-1].to_version == newest.version


def test_a_card_back_in_use_is_in_a_delta(city: City) -> None:
    """Reinstating a card is a change like any other: it leads from revoked to valid, not to nothing."""
    ref = city("card", "issue")["ref"]
    city("card", "revoke", ref)
    city("publish")
    before, held = published(city)
    city("card", "reinstate", ref)
    city("publish")
    after, _ = published(city)

    assert held.state(0) is CardState.REVOKED
    assert followed(city, held, info=after, version=before.version).state(0) is CardState.VALID


def test_an_unchanged_list_keeps_version_and_chain(city: City) -> None:
    """Publishing again what is the same adds no delta."""
    city("card", "suspend", city("card", "issue")["ref"])
    city("publish")
    before, _ = published(city)
    city("publish")

    assert published(city)[0] == before
    assert len(before.deltas) == 1


def test_old_deltas_are_dropped_in_order(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last ones are kept, and their blobs go one publishing after the document named them last."""
    monkeypatch.setattr(deltas, "DELTAS_MAX", 2)
    ref = city("card", "issue")["ref"]
    seen: list[str] = []
    for action in ("suspend", "revoke", "reinstate", "revoke"):
        city("card", action, ref)
        city("publish")
        seen.append(published(city)[0].deltas[-1].blob.sm3.hex())

    info, _ = published(city)
    assert [delta.blob.sm3.hex() for delta in info.deltas] == seen[-2:]
    assert [name in blobs(city) for name in seen] == [False, True, True, True]


def test_a_list_that_grew_is_followed(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with more places than before is reached from the smaller one."""
    monkeypatch.setattr("city.publish.LIST_STEP_CARDS", 4)
    city("card", "issue")
    city("publish")
    before, held = published(city)
    for _ in range(6):
        city("card", "issue")
    city("publish")
    after, fresh = published(city)

    assert (held.size, fresh.size) == (4, 8)
    assert followed(city, held, info=after, version=before.version) == fresh


@pytest.mark.parametrize("fault", ["snapshot gone", "snapshot damaged", "document damaged", "document gone", "smaller"])
def test_a_chain_that_cannot_go_on_begins_anew(city: City, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Where the former list cannot be read or was larger, there is a snapshot and no delta that leads nowhere."""
    ref = city("card", "issue")["ref"]
    city("publish")
    folder = city.folder / "published"
    snapshot = folder / published(city)[0].snapshot.sm3.hex()
    match fault:
        case "snapshot gone":
            snapshot.unlink()
        case "snapshot damaged":
            snapshot.write_bytes(b"x")
        case "document damaged":
            (folder / "status.json").write_text('{"payload": "e30="}')
        case "document gone":
            (folder / "status.json").unlink()
        case "smaller":
            monkeypatch.setattr("city.publish.LIST_STEP_CARDS", 4)
    city("card", "revoke", ref)
    city("publish")

    info, held = published(city)
    assert info.deltas == ()
    assert held.state(0) is CardState.REVOKED
