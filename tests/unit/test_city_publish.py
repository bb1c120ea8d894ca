"""`ehc-city publish`, `issuer` and the states of cards: what a node finds in the lists."""

from pathlib import Path

import pytest

from city.__main__ import main
from edge.trust import IssuerState
from tests.support.city_cli import NODE, ROSTER, City

NATIONAL = "A" * 64


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> City:
    return City.founded(tmp_path / "city", capsys)


def test_states_of_cards_reach_the_lists(city: City) -> None:
    """Suspending, revoking and reinstating change the next published list, and the list's version only then."""
    refs = [city("card", "issue")["ref"] for _ in range(3)]
    city("publish")
    city("publish")
    before = city.trust().trust.status
    city("card", "suspend", refs[0])
    city("card", "revoke", refs[1])
    city("card", "revoke", refs[2])
    city("card", "reinstate", refs[2])
    city("publish")
    trust = city.trust().trust

    assert [trust.lists["cards-1"].state(index).value for index in range(3)] == ["suspended", "revoked", "valid"]
    assert before is not None
    assert trust.status is not None
    assert [status.lists["cards-1"].version for status in (before, trust.status)] == [2, 4]
    assert [status.lists["cards-2"].version for status in (before, trust.status)] == [1, 1]
    assert [row["state"] for row in city("card", "list")["cards"]] == ["suspended", "revoked", "valid"]


def test_a_national_code_is_named_in_the_hashed_list(city: City) -> None:
    """Revoking an opaque index puts its prefix into the hashed list; reinstating takes it out again."""
    city("card", "revoke", NATIONAL.lower())
    city("publish")
    assert city.trust().trust.hashed["national"].contains(bytes.fromhex(NATIONAL))

    city("card", "reinstate", NATIONAL)
    city("publish")
    assert not city.trust().trust.hashed["national"].contains(bytes.fromhex(NATIONAL))


def test_an_issuer_withdrawn_stays_withdrawn(city: City) -> None:
    """Retiring and withdrawing reach the issuers document; a withdrawal cannot be taken back."""
    city("issuer", "retire", "1")
    city("issuer", "withdraw", "2")
    city("publish")

    issuers = city.trust().trust.issuers
    assert issuers is not None
    states = {entries[0].status_list: entries[0].state for entries in issuers.by_kid.values()}
    assert states == {"cards-1": IssuerState.RETIRED, "cards-2": IssuerState.WITHDRAWN}
    assert city.fails("issuer", "retire", "2")[0] == 1
    assert city.fails("issuer", "retire", "9")[0] == 1
    assert [row["state"] for row in city("issuer", "list")["issuers"]] == ["retired", "withdrawn"]


def test_a_copied_folder_is_whole_and_holds_nothing_else(city: City, tmp_path: Path) -> None:
    """Publishing to a folder copies the documents and exactly the blobs they name."""
    city("card", "revoke", city("card", "issue")["ref"])
    city("publish", "--to", str(tmp_path / "usb"), "--node", NODE)

    loaded = city.trust(tmp_path / "usb")
    assert loaded.problems == ()
    assert loaded.trust.roster is not None
    assert loaded.trust.status is not None
    lists = [*loaded.trust.status.lists.values(), *loaded.trust.status.hashed.values()]
    named = {entry.snapshot.sm3.hex() for entry in lists}
    named |= {delta.blob.sm3.hex() for info in loaded.trust.status.lists.values() for delta in info.deltas}
    documents = {"root.1.json", "issuers.json", "status.json", "roster.json"}
    assert {file.name for file in (tmp_path / "usb").iterdir()} == named | documents | {
        loaded.trust.roster.manifest.sm3.hex()
    }


def test_a_missing_or_damaged_key_is_named_and_not_quoted(city: City) -> None:
    """Publishing without a role's key fails; a key file's content is never printed."""
    key = city.folder / "keys" / "status.key"
    key.write_text("ff" * 32)
    assert "ffff" not in city.fails("publish")[1]
    key.unlink()
    code, error = city.fails("publish")

    assert code == 1
    assert "status.key" in error


def test_old_lists_stay_for_one_publishing(city: City) -> None:
    """Whoever has just read the former status document still finds its lists; after that they are gone."""
    seen = []
    for _ in range(3):
        city("card", "issue")
        city("card", "suspend", city("card", "list")["cards"][-1]["ref"])
        city("publish")
        status = city.trust().trust.status
        assert status is not None
        seen.append(status.lists["cards-1"].snapshot.sm3.hex())

    blobs = {file.name for file in (city.folder / "published").iterdir()}
    assert [name in blobs for name in seen] == [False, True, True]


def test_a_copy_that_cannot_be_written_is_named(city: City, tmp_path: Path) -> None:
    """Publishing to a place that is a file fails with its name."""
    (tmp_path / "usb").write_text("")

    assert "usb" in city.fails("publish", "--to", str(tmp_path / "usb"))[1]
    assert city.fails("publish", "--to", str(tmp_path / "x"), "--node", "other")[0] == 1


def test_people_are_told_how_lists_reach_nodes(city: City, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that changes a list says how it gets to the nodes, in both languages."""
    ref = city("card", "issue")["ref"]
    for words in (
        ["card", "suspend", ref],
        ["card", "revoke", ref],
        ["issuer", "retire", "1"],
        ["roster", "import", str(ROSTER), "--node", NODE],
        ["publish"],
    ):
        assert main([*words, "--home", str(city.folder)]) == 0
        said = capsys.readouterr().out
        assert "自行下载" in said
        assert "fetch it by themselves" in said
        assert "publish --to DIR --node NAME" in said

    assert main(["publish", "--to", str(tmp_path / "usb"), "--node", NODE, "--home", str(city.folder)]) == 0
    assert "carry its files" in capsys.readouterr().out
