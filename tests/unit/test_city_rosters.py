"""`ehc-city roster`: from an operator's table to what a node finds under any of a person's carriers."""

import json
import sqlite3
from pathlib import Path

import pytest

from edge.roster import Person, PersonState, birth_carrier, card_carrier, id_carrier, index_carrier
from tests.support.city_cli import HIDDEN, ID_NO, NODE, ROSTER, City

BIRTH_NO = "N370054321"
VERSION_1 = Path(__file__).parents[1] / "support" / "city_authority_1.sql"


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> City:
    return City.founded(tmp_path / "city", capsys)


def test_a_roster_reaches_only_its_node(city: City, tmp_path: Path) -> None:
    """An imported table becomes a blob this node opens, with the cards given to an identity number added."""
    card = city("card", "issue", "--id-no", ID_NO)
    city("node", "add", "370881-0043")
    assert city("roster", "import", str(ROSTER), "--node", NODE)["people"] == 4
    published = city("publish", "--to", str(tmp_path / "usb"), "--node", NODE)

    roster = city.trust(tmp_path / "usb").trust.roster
    assert published["rosters"] == {NODE: 5, "370881-0043": 0}
    assert roster is not None
    by_card = roster.find(card_carrier(bytes.fromhex(card["ref"])))
    by_number = roster.find(id_carrier(ID_NO))
    lost = roster.find(index_carrier("B" * 64))
    assert by_card is not None
    assert by_number is not None
    assert lost is not None
    assert (by_card.name, by_card.id_no, by_card.aliases) == ("张小雨", ID_NO, (id_carrier(ID_NO),))
    assert by_number.aliases == (card_carrier(bytes.fromhex(card["ref"])),)
    assert [dose["n"] for dose in by_number.doses] == [1, 2]
    assert lost.state is PersonState.LOST


def test_what_rosters_hold_is_the_citys_choice(city: City) -> None:
    """Identity numbers and tags stay out of rosters where city.json says so."""
    file = city.folder / "city.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"roster_id_no": False, "roster_tags": False}))
    city("roster", "import", str(ROSTER), "--node", NODE)
    city("publish")

    (city.folder / "published" / "roster.json").write_bytes(
        (city.folder / "published" / "nodes" / NODE / "roster.json").read_bytes()
    )
    for blob in (city.folder / "published" / "nodes" / NODE).iterdir():
        (city.folder / "published" / blob.name).write_bytes(blob.read_bytes())
    trust = city.trust()
    assert trust.trust.roster is not None
    person = trust.trust.roster.find(id_carrier(ID_NO))
    assert person is not None
    assert (person.id_no, person.tags) == (None, ())


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (",2,2017-12-25,,,,M370012345,,,", "name"),
        ("张小雨,3,2017-12-25,,,,M370012345,,,", "sex"),
        ("张小雨,2,2017-13-25,,,,M370012345,,,", "birth"),
        ("张小雨,2,20171225,,,,M370012345,,,", "birth"),
        ("张小雨,2,2017-12-25,110100201712250061,,,,,,", "id_no"),
        ("张小雨,2,2017-12-25,,zz,,,,,", "card"),
        ("张小雨,2,2017-12-25,,,AA;AA,,,,", "index"),
        ("张小雨,2,2017-12-25,,,,370012345,,,", "birth_no"),
        ("张小雨,2,2017-12-25,,,,M370012345,gone,,", "state"),
        ("张小雨,2,2017-12-25,,,,M370012345,,a b,", "tags"),
        ("张小雨,2,2017-12-25,,,,M370012345,,,0201:1", "doses"),
        ("张小雨,2,2017-12-25,,,,M370012345,,,0201:1:2018-02-30", "doses"),
        ("张小雨,2,2017-12-25,,,,,,,", "id_no"),
        ("张小雨,2,2017-12-25", "-"),
        ('张小雨,2,"2017-12-25"x,,,,,,,', "-"),
        ("王小宝,1,2026-10-01,11010020171225006X,,,,,,", "id"),
        ("张小雨,2,2017-12-25,,,,M370012345,,,,a b", "person"),
        ("张小雨,1,2017-12-25,,,,M370012345,,,,p1", "person"),
        ("张小雨,2,2017-12-26,,,,M370012345,,,,p1", "person"),
        ("张小雨,2,2017-12-25,11010119900307109X,,,,,,,p1", "person"),
    ],
)
def test_a_wrong_line_is_named_without_anybodys_data(city: City, tmp_path: Path, line: str, column: str) -> None:
    """The first wrong line stops the import, named by number and column; what stood there is not said."""
    columns = ["name,sex,birth,id_no,card,index,birth_no,state,tags,doses", "person"]
    cells = [f"张小雨,2,2017-12-25,{ID_NO},,,,,,", "p1"]
    with_person = slice(2 if column == "person" else 1)
    file = tmp_path / "people.csv"
    file.write_text("\n".join([",".join(columns[with_person]), ",".join(cells[with_person]), line]), encoding="utf-8")

    code, error = city.fails("roster", "import", str(file), "--node", NODE)

    assert code == 1
    assert f"第 3 行，{column} 列" in error
    assert not [word for word in HIDDEN if word in error]


@pytest.mark.parametrize("header", ["name,sex", "name,sex,birth,phone", "name,sex,birth,birth", ""])
def test_a_wrong_header_is_line_one(city: City, tmp_path: Path, header: str) -> None:
    """A missing, unknown or doubled column is said of the header line."""
    file = tmp_path / "people.csv"
    file.write_text(f"{header}\n", encoding="utf-8")

    assert "line 1" in city.fails("roster", "import", str(file), "--node", NODE)[1]


def test_a_table_that_cannot_be_read_is_named(city: City, tmp_path: Path) -> None:
    """A missing file and one in another encoding fail with the reason; so does a node that was never made."""
    gbk = tmp_path / "people.csv"
    gbk.write_bytes("name,sex,birth\n张".encode("gbk"))

    assert "not UTF-8" in city.fails("roster", "import", str(gbk), "--node", NODE)[1]
    assert "cannot be read" in city.fails("roster", "import", str(tmp_path / "none.csv"), "--node", NODE)[1]
    assert "no node of that name" in city.fails("roster", "import", str(ROSTER), "--node", "other")[1]


def test_a_table_has_an_end(city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More people than a clinic can have, or a file of more bytes, are refused whole."""
    monkeypatch.setattr("city.authority.rosters.PEOPLE_MAX", 3)
    assert "at most 3 people" in city.fails("roster", "import", str(ROSTER), "--node", NODE)[1]
    monkeypatch.setattr("city.document_commands.TABLE_BYTES_MAX", 10)
    assert "larger than 10 bytes" in city.fails("roster", "import", str(ROSTER), "--node", NODE)[1]


class Clinic:
    """Brings one table after another for a node and looks people up as the node would."""

    def __init__(self, city: City, folder: Path) -> None:
        self._city = city
        self._folder = folder

    def bring(self, *lines: str, header: str = "name,sex,birth,id_no,index,birth_no,state,person") -> None:
        file = self._folder / "people.csv"
        file.write_text("\n".join([header, *lines]), encoding="utf-8")
        self._city("roster", "import", str(file), "--node", NODE)

    def find(self, carrier: str) -> Person | None:
        self._city("publish", "--to", str(self._folder / "usb"), "--node", NODE)
        roster = self._city.trust(self._folder / "usb").trust.roster
        assert roster is not None
        return roster.find(carrier)


@pytest.fixture
def clinic(city: City, tmp_path: Path) -> Clinic:
    return Clinic(city, tmp_path)


def test_every_carrier_of_a_person_names_the_others(clinic: Clinic) -> None:
    """A person with several carriers has a record under each, and each names all the others."""
    clinic.bring(f"张小雨,2,2017-12-25,{ID_NO},{'A' * 64},{BIRTH_NO},,")
    carriers = {id_carrier(ID_NO), index_carrier("A" * 64), birth_carrier(BIRTH_NO)}

    for carrier in carriers:
        person = clinic.find(carrier)
        assert person is not None
        assert person.name == "张小雨"
        assert set(person.aliases) == carriers - {carrier}


def test_a_newborns_number_stays_the_same_childs(clinic: Clinic) -> None:
    """After a child gets an identity number its birth-certificate number leads to it, even if tables leave it out."""
    clinic.bring(f"王小宝,2,2017-12-25,,,{BIRTH_NO},,")
    before = clinic.find(birth_carrier(BIRTH_NO))
    clinic.bring(f"王小宝,2,2017-12-25,{ID_NO},,{BIRTH_NO},,")
    clinic.bring(f"王小宝,2,2017-12-25,{ID_NO},,,,")
    by_birth, by_id = clinic.find(birth_carrier(BIRTH_NO)), clinic.find(id_carrier(ID_NO))

    assert before is not None
    assert by_birth is not None
    assert by_id is not None
    assert (before.id_no, before.aliases) == (None, ())
    assert (by_birth.id_no, by_birth.aliases) == (ID_NO, (id_carrier(ID_NO),))
    assert by_id.aliases == (birth_carrier(BIRTH_NO),)


def test_a_birth_number_goes_where_a_table_puts_it(clinic: Clinic) -> None:
    """What was remembered of a birth-certificate number gives way to a line that names it for somebody else."""
    clinic.bring(f"张小雨,2,2017-12-25,{ID_NO},,{BIRTH_NO},,")
    clinic.bring(f"张小雨,2,2017-12-25,{ID_NO},,,,", f"王小宝,1,2026-10-01,,,{BIRTH_NO},,")
    other, child = clinic.find(birth_carrier(BIRTH_NO)), clinic.find(id_carrier(ID_NO))

    assert other is not None
    assert child is not None
    assert (other.name, other.aliases, child.aliases) == ("王小宝", (), ())


def test_a_carrier_on_a_line_of_its_own_is_still_the_persons(clinic: Clinic) -> None:
    """Lines of one person name each other's carriers, and each keeps its own state; a link between them is learned."""
    clinic.bring(
        f"张小雨,2,2017-12-25,,{'B' * 64},{BIRTH_NO},lost,p1",
        f"张小雨,2,2017-12-25,{ID_NO},,,,p1",
        f"李娜,2,1990-02-03,,{'A' * 64},,,p2",
    )
    lost, found = clinic.find(index_carrier("B" * 64)), clinic.find(id_carrier(ID_NO))
    clinic.bring(f"张小雨,2,2017-12-25,{ID_NO},,,,")
    later = clinic.find(birth_carrier(BIRTH_NO))

    assert lost is not None
    assert found is not None
    assert (lost.state, found.state) == (PersonState.LOST, PersonState.ACTIVE)
    assert set(lost.aliases) == {birth_carrier(BIRTH_NO), id_carrier(ID_NO)}
    assert set(found.aliases) == {birth_carrier(BIRTH_NO), index_carrier("B" * 64)}
    assert later is not None
    assert later.state is PersonState.ACTIVE


def test_a_database_of_version_1_is_taken_over(city: City, clinic: Clinic) -> None:
    """What an older program wrote is read as it is, and goes on as if it had always been this one's."""
    city.home.authority_db.unlink()
    with sqlite3.connect(city.home.authority_db) as connection:
        connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()

    card, child = clinic.find(card_carrier(bytes.fromhex("a193d93aa7bd710c"))), clinic.find(birth_carrier("M370012345"))

    assert card is not None
    assert child is not None
    assert (card.name, card.aliases, child.name) == ("张小雨", (id_carrier(ID_NO),), "王小宝")
    clinic.bring(f"张小雨,2,2017-12-25,{ID_NO},,{BIRTH_NO},,")
    assert clinic.find(birth_carrier(BIRTH_NO)) is not None
