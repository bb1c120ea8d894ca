"""The command line `ehc-city`, run in this process on a folder of its own, and what its documents are to a node."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from city import commands
from city.__main__ import main
from city.authority.cards import CardKind, CardRegister
from city.authority.issuers import IssuerBook
from city.authority.keys import write_new
from city.errors import AuthorityError
from city.home import Home
from edge import ehc_code, settings
from edge.gm import PrivateKey, private_key, public_key
from edge.roster import PersonState, card_carrier, id_carrier, index_carrier
from edge.status_list import CardState
from edge.trust import IssuerState
from edge.trust_store import Loaded, load_directory
from tests.support.symbol import grey_pixels, read_symbol

NODE = "370881-0042"
NATIONAL = "A" * 64
ROSTER = Path(__file__).parents[2] / "config" / "roster.example.csv"
ID_NO = "11010020171225006X"
HIDDEN = ("张小雨", "11010020171225006X", "2017-12-25")


class City:
    """Runs commands on one folder and reads their JSON."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *words: str) -> Any:
        code = main([*words, "--home", str(self.folder), "--json"])
        output = self._capsys.readouterr()
        assert code == 0, output.err
        return json.loads(output.out)

    def fails(self, *words: str) -> tuple[int, str]:
        code = main([*words, "--home", str(self.folder)])
        output = self._capsys.readouterr()
        assert output.out == ""
        return code, output.err

    def node_key(self, name: str) -> PrivateKey:
        return private_key(bytes.fromhex((self.folder / "nodes" / NODE / name).read_text().strip()))

    def trust(self, folder: Path | None = None) -> Loaded:
        decrypt = self.node_key("node-encryption.key").decrypt
        return load_directory(folder or self.folder / "published", decrypt_roster=decrypt, node=NODE)


def city_home(city: City) -> Home:
    return Home(city.folder)


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> City:
    city = City(tmp_path / "city", capsys)
    city("init", "--node", NODE)
    return city


def test_a_new_city_publishes_what_a_node_verifies(city: City) -> None:
    """Right after init the published folder is a whole trust folder under keys nobody else has."""
    loaded = city.trust()

    assert loaded.problems == ()
    assert not loaded.uses_test_keys
    assert loaded.trust.root is not None
    assert loaded.trust.root.city == "370800"
    assert loaded.trust.issuers is not None
    assert sorted(loaded.trust.lists) == ["cards-1", "cards-2"]
    assert list(loaded.trust.hashed) == ["national"]


def test_init_overwrites_nothing(city: City) -> None:
    """A second init of the same folder fails and leaves every key as it was."""
    before = {path.name: path.read_bytes() for path in (city.folder / "keys").iterdir()}

    code, error = city.fails("init")

    assert code == 1
    assert "无法执行 cannot be done" in error
    assert before == {path.name: path.read_bytes() for path in (city.folder / "keys").iterdir()}
    assert city.fails("node", "add", NODE)[0] == 1


def test_init_never_joins_somebodys_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds anything, such as a source package called city, is left as it is."""
    (tmp_path / "__init__.py").write_text("")

    assert main(["init", "--home", str(tmp_path)]) == 1
    assert "--home" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["__init__.py"]


def test_init_takes_an_empty_folder(tmp_path: Path) -> None:
    """A folder that was made for it, such as a mounted disk, is as good as none."""
    assert main(["init", "--home", str(tmp_path)]) == 0
    assert (tmp_path / "city.json").exists()


@pytest.mark.parametrize(
    ("names", "said"), [(["a", "all"], "a node's name"), (["a", "b", "a"], "a: 重复 named twice"), (["a/b"], "name")]
)
def test_init_looks_at_every_name_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str], said: str
) -> None:
    """A node's name that is none or comes twice is refused before anything is made."""
    words = [word for name in names for word in ("--node", name)]

    assert main(["init", "--home", str(tmp_path / "a" / "city"), *words]) == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("step", ["found_city", "add_node", "publish"])
def test_a_failed_init_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, is_there: bool
) -> None:
    """Wherever it fails, everything it made is gone, and a folder that was there stays, empty."""
    home = tmp_path / "a" / "city"
    if is_there:
        home.mkdir(parents=True)
    whole = getattr(commands, step)

    def fail(*args: Any, **options: Any) -> None:
        whole(*args, **options)
        raise AuthorityError("the disk is full")

    monkeypatch.setattr(commands, step, fail)
    assert main(["init", "--home", str(home), "--node", NODE]) == 1
    assert list(tmp_path.rglob("*")) == ([home.parent, home] if is_there else [])

    monkeypatch.setattr(commands, step, whole)
    assert main(["init", "--home", str(home), "--node", NODE]) == 0


def test_private_files_are_the_owners_alone(city: City) -> None:
    """Keys, settings and databases have mode 0600, their folders 0700."""
    for path in (city.folder / "keys", city.folder / "nodes", city.folder / "tls", city.folder / "nodes" / NODE):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir() if file.is_file()} <= {0o600}
    assert stat.S_IMODE((city.folder / "authority.db").stat().st_mode) == 0o600


def test_a_nodes_configuration_is_ready(city: City) -> None:
    """The fragment made for a node is read by the daemon's own settings, and its keys are those the city knows."""
    loaded = settings.load(city.folder / "nodes" / NODE / "edge.toml")
    public = json.loads((city.folder / "nodes" / f"{NODE}.json").read_text())

    assert loaded.node.name == NODE
    assert loaded.uplink.port == 8883
    assert loaded.uplink.tls.cert.read_bytes().startswith(b"-----BEGIN CERTIFICATE")
    assert public_key(bytes.fromhex(public["sign"])) == city.node_key("node.key").public


@pytest.mark.parametrize("name", ["all", "", "a/b", "x" * 33, "city.ingest"])
def test_a_node_needs_a_name_that_topics_allow(city: City, name: str) -> None:
    """A name that could mean another topic or the city itself is refused."""
    assert city.fails("node", "add", name)[0] == 1


@pytest.mark.parametrize("kind", ["static", "holder"])
def test_a_card_is_signed_and_covered_after_publishing(city: City, kind: str) -> None:
    """A card given out verifies under the published issuer key, and its index is covered once published."""
    card = city("card", "issue", "--kind", kind, "--id-no", ID_NO, "--name", "张小雨")
    before = city.trust().trust
    city("publish")
    after = city.trust().trust

    code = ehc_code.parse(card["code"])
    assert after.issuers is not None
    [entry] = after.issuers.by_kid[code.kid]
    assert entry.key.verify(code.issuer_signed, signature=code.issuer_signature)
    assert code.holder_data is not None
    assert (code.holder_data.name, code.holder_data.sex) == ("张小雨", 2)
    assert before.lists["cards-1"].state(code.index) is CardState.NOT_COVERED
    assert after.lists["cards-1"].state(code.index) is CardState.VALID


def test_a_holder_card_is_shown_signed_anew(city: City) -> None:
    """Each showing carries its own time and nonce under the holder's key."""
    ref = city("card", "issue", "--kind", "holder")["ref"]

    first, old = (ehc_code.parse(city("card", "show", ref, "--ago", ago)["code"]) for ago in ("0", "600"))

    assert first.presentation is not None
    assert old.presentation is not None
    assert 599 <= first.presentation.time_s - old.presentation.time_s <= 601
    key = public_key(first.holder_key or b"")
    for presentation in (first.presentation, old.presentation):
        assert key.verify(presentation.signed, signature=presentation.signature)


def test_a_static_card_is_shown_as_it_is(city: City) -> None:
    """Showing a static card gives the code it was printed with."""
    card = city("card", "issue")

    assert city("card", "show", card["ref"])["code"] == card["code"]


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


def test_a_copied_folder_is_whole_and_holds_nothing_else(city: City, tmp_path: Path) -> None:
    """Publishing to a folder copies the documents and exactly the blobs they name."""
    city("publish")
    city("publish", "--to", str(tmp_path / "usb"), "--node", NODE)

    loaded = city.trust(tmp_path / "usb")
    assert loaded.problems == ()
    assert loaded.trust.roster is not None
    assert loaded.trust.status is not None
    lists = [*loaded.trust.status.lists.values(), *loaded.trust.status.hashed.values()]
    named = {entry.snapshot.sm3.hex() for entry in lists}
    documents = {"root.1.json", "issuers.json", "status.json", "roster.json"}
    assert {file.name for file in (tmp_path / "usb").iterdir()} == named | documents | {
        loaded.trust.roster.manifest.sm3.hex()
    }


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
    ],
)
def test_a_wrong_line_is_named_without_anybodys_data(city: City, tmp_path: Path, line: str, column: str) -> None:
    """The first wrong line stops the import, named by number and column; what stood there is not said."""
    header = "name,sex,birth,id_no,card,index,birth_no,state,tags,doses"
    file = tmp_path / "people.csv"
    file.write_text(f"{header}\n张小雨,2,2017-12-25,{ID_NO},,,,,,\n{line}\n", encoding="utf-8")

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


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--id-no", "11010020171225006x1"), "--id-no"),
        (("--name", "张小雨"), "--name needs"),
        (("--name", "张小雨", "--sex", "2", "--birth", "2017-02-30"), "--birth"),
        (("--name", "张" * 16, "--sex", "2", "--birth", "2017-12-25"), "cannot be made"),
        (("--issued", "2020-02-30"), "--issued"),
        (("--issuer", "3"), "no such issuer"),
        (("--issued", "2019-12-31"), "--issued: 2020-01-01 to 2199-06-06"),
        (("--issued", "2199-06-07"), "--issued: 2020-01-01 to 2199-06-06"),
        (("--days", "-1"), "--days: 0 to"),
        (("--issued", "2199-06-06", "--days", "1"), "--days: 0 to 0"),
        (("--days", "70000"), "--days: 0 to"),
        (("--name", "张小雨", "--sex", "2", "--birth", "1899-12-31"), "--birth: from 1900-01-01 to 2079-06-06"),
        (("--name", "张小雨", "--sex", "2", "--birth", "2079-06-07"), "--birth: from 1900-01-01 to 2079-06-06"),
        (("--birth", "1899-12-31"), "--birth: from 1900-01-01 to 2079-06-06"),
        (("--qr", "card.jpg"), ".svg or .png"),
        (("--qr", "no-such-folder/card.svg"), "card.svg: cannot be written"),
    ],
)
def test_a_card_that_cannot_be_made_is_refused(city: City, words: tuple[str, ...], expected: str) -> None:
    """Options that make no card fail with exit code 1, say which, and leave the register as it was."""
    code, error = city.fails("card", "issue", *words)

    assert code == 1
    assert expected in error
    assert "--name" in words or "name" not in error
    assert not [word for word in HIDDEN if word in error]
    assert city("card", "list")["cards"] == []


def test_the_last_days_a_card_can_say_are_taken(city: City) -> None:
    """Both ends of every range belong to it."""
    ends = ("--issued", "2199-06-06", "--days", "0")
    for birth in ("1900-01-01", "2079-06-06"):
        card = city("card", "issue", "--name", "张小雨", "--sex", "2", "--birth", birth, *ends)

        holder = ehc_code.parse(card["code"]).holder_data
        assert holder is not None
        assert holder.birth.isoformat() == birth
        assert card["expires"] == "2199-06-06"


def test_a_card_whose_picture_fails_is_not_lost(city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills after the checks leaves a card whose reference is said."""

    def fail(path: Path, text: str) -> None:
        raise AuthorityError(f"{path.name}: cannot be written")

    monkeypatch.setattr("city.authority.qr.write_picture", fail)
    error = city.fails("card", "issue", "--qr", str(tmp_path / "card.svg"))[1]

    [card] = city("card", "list")["cards"]
    assert f"card show {card['ref']} --qr" in error


def test_a_card_is_not_shown_before_its_epoch(city: City) -> None:
    """A time that a presentation cannot say is refused."""
    ref = city("card", "issue", "--kind", "holder")["ref"]

    assert "--ago" in city.fails("card", "show", ref, "--ago", "9999999999")[1]


def test_a_value_that_fits_no_card_is_not_called_a_name(city: City) -> None:
    """Where no name was given, the error talks of none."""
    with city_home(city).authority() as database, pytest.raises(AuthorityError) as raised:
        CardRegister(database).issue(
            CardKind.STATIC,
            issuer=1,
            row=IssuerBook(database).issuer(1),
            key=city_home(city).keys.issuer(1),
            issued_day=0,
            expiry_day=65_536,
        )

    assert "name" not in str(raised.value)


def test_an_old_card_can_be_made(city: City) -> None:
    """A card may be issued as of an earlier day, for moving a register and for tests of expiry."""
    card = city("card", "issue", "--issued", "2026-01-31", "--days", "30")

    assert (card["issued"], card["expires"]) == ("2026-01-31", "2026-03-02")


@pytest.mark.parametrize("ref", ["0123456789abcdef", "nonsense"])
def test_an_unknown_card_is_refused(city: City, ref: str) -> None:
    """Neither showing nor suspending works on a card that was never given out."""
    assert city.fails("card", "show", ref)[0] == 1
    assert city.fails("card", "suspend", ref)[0] == 1


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_card_comes_as_a_picture(city: City, tmp_path: Path, ending: str) -> None:
    """A code is written as a symbol of the kind the file's ending names."""
    pytest.importorskip("segno")
    file = tmp_path / f"card.{ending}"

    ref = city("card", "issue", "--kind", "holder", "--qr", str(file))["ref"]
    size = file.stat().st_size
    city("card", "show", ref, "--qr", str(file))

    assert 0 < size < file.stat().st_size
    assert "cannot be written" in city.fails("card", "show", ref, "--qr", str(tmp_path / "no" / file.name))[1]


def test_a_printed_card_is_read_back_by_two_decoders(city: City, tmp_path: Path) -> None:
    """What is printed is what was issued, whichever decoder looks at it."""
    zxingcpp = pytest.importorskip("zxingcpp")
    file = tmp_path / "card.png"

    code = city("card", "issue", "--name", "张伟", "--sex", "1", "--birth", "1985-07-06", "--qr", str(file))["code"]
    pixels, width, height = grey_pixels(file.read_bytes())
    (symbol,) = zxingcpp.read_barcodes(memoryview(pixels).cast("B", (height, width)))

    assert read_symbol(file) == code
    assert symbol.text == code


def test_people_read_lines_and_programs_json(city: City, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json every command prints lines; the first line of `card issue` is the code alone."""
    home = ["--home", str(city.folder)]
    assert main(["card", "issue", *home]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("EHC1:")
    for words in (
        ["card", "list"],
        ["issuer", "list"],
        ["node", "list"],
        ["publish"],
        ["node", "add", "extra"],
        ["check", NODE],
    ):
        assert main([*words, *home]) == 0
        assert capsys.readouterr().out.strip()


def test_a_folder_without_a_city_is_a_configuration_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command but init exits 78 where no city is, and says what to run."""
    for words in (["card", "list"], ["publish"], ["records"], ["check", NODE], ["serve"], ["restored"]):
        assert main([*words, "--home", str(tmp_path / "none")]) == 78
        assert "ehc-city init" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"city": "37"}, "city"),
        ({"broker_port": "8883"}, "broker_port"),
        ({"org": ""}, "org"),
        ({"broker_host": " "}, "broker_host"),
        ({"roster_tags": 1}, "roster_tags"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_is_named(city: City, change: dict[str, object], named: str) -> None:
    """A setting of city.json that is wrong or unknown exits 78 with its name."""
    file = city.folder / "city.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))

    code, error = city.fails("card", "list")

    assert code == 78
    assert named in error


def test_damaged_files_are_configuration_errors(city: City) -> None:
    """A settings file that is no JSON object and a node's file without keys exit 78."""
    (city.folder / "nodes" / f"{NODE}.json").write_text("{}")
    assert city.fails("publish")[0] == 78
    for text in ("[]", "{"):
        (city.folder / "city.json").write_text(text)
        assert city.fails("publish")[0] == 78


def test_a_missing_or_damaged_key_is_named_and_not_quoted(city: City) -> None:
    """Publishing without a role's key fails; a key file's content is never printed."""
    key = city.folder / "keys" / "status.key"
    key.write_text("ff" * 32)
    assert "ffff" not in city.fails("publish")[1]
    key.unlink()
    code, error = city.fails("publish")

    assert code == 1
    assert "status.key" in error


def test_a_table_has_an_end(city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More people than a clinic can have, or a file of more bytes, are refused whole."""
    monkeypatch.setattr("city.authority.rosters.PEOPLE_MAX", 3)
    assert "at most 3 people" in city.fails("roster", "import", str(ROSTER), "--node", NODE)[1]
    monkeypatch.setattr("city.commands.TABLE_BYTES_MAX", 10)
    assert "larger than 10 bytes" in city.fails("roster", "import", str(ROSTER), "--node", NODE)[1]


def test_a_picture_without_its_library_says_what_to_install(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are an extra; everything else works without it."""
    monkeypatch.setitem(sys.modules, "segno", None)

    assert "ehc-edge[city]" in city.fails("card", "issue", "--qr", str(tmp_path / "card.svg"))[1]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A city below a file cannot be; nothing is left behind."""
    (tmp_path / "file").write_text("")

    assert main(["init", "--home", str(tmp_path / "file" / "city")]) == 1
    assert "cannot be made" in capsys.readouterr().err
    assert main(["init", "--home", str(tmp_path / "x" / ("y" * 300))]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_is_written_once(tmp_path: Path) -> None:
    """New files never replace others, and a folder that is missing is an error with the file's name."""
    write_new(tmp_path / "x", b"1")
    with pytest.raises(AuthorityError, match="x: is there already"):
        write_new(tmp_path / "x", b"2")
    with pytest.raises(AuthorityError, match="y: cannot be written"):
        write_new(tmp_path / "none" / "y", b"2")
    assert (tmp_path / "x").read_bytes() == b"1"


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


def test_people_are_told_to_carry_lists(city: City, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As long as nodes fetch no lists, every command that changes one says how it gets there, in both languages."""
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
        assert "不会自行下载" in said
        assert "do not fetch lists by themselves yet" in said
        assert "publish --to DIR --node NAME" in said

    assert main(["publish", "--to", str(tmp_path / "usb"), "--node", NODE, "--home", str(city.folder)]) == 0
    assert "carry its files" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("card", "show", "nonsense"), 1, {"error": "refused"}),
        (("roster", "import", "{table}", "--node", NODE), 1, {"error": "roster", "line": 2, "column": "sex"}),
        (("publish", "--home", "{none}"), 78, {"error": "config", "where": "{none}"}),
    ],
)
def test_a_program_gets_errors_as_json(
    city: City,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    expected: dict[str, object],
) -> None:
    """With --json stdout is one object whatever happens, and stderr says the same in words."""
    places = {"table": str(tmp_path / "people.csv"), "none": str(tmp_path / "none")}
    Path(places["table"]).write_text("name,sex,birth\n张小雨,3,2017-12-25\n", encoding="utf-8")
    filled = [word.format(**places) for word in words]

    assert main([*filled, "--json", *([] if "--home" in words else ["--home", str(city.folder)])]) == code

    output = capsys.readouterr()
    found = json.loads(output.out)
    wanted = {name: value.format(**places) if isinstance(value, str) else value for name, value in expected.items()}
    assert found["ok"] is False
    assert wanted.items() <= found.items()
    assert output.err.startswith("ehc-city: ")
    assert not [word for word in HIDDEN if word in output.out + output.err]


def test_ctrl_c_is_no_traceback(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command ends with 128 + SIGINT."""

    def interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "publish", interrupt)

    assert main(["publish", "--home", str(city.folder)]) == 130


def test_usage_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that makes no sense exits 2 in both languages."""
    with pytest.raises(SystemExit) as exit_:
        main(["card", "steal"])

    assert exit_.value.code == 2
    assert "用法错误 usage" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["init"], ["card", "issue"], ["roster", "import"]])
def test_help_teaches(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself."""
    with pytest.raises(SystemExit) as exit_:
        main([*words, "--help"])

    assert exit_.value.code == 0
    assert "usage: ehc-city" in capsys.readouterr().out


@pytest.mark.parametrize("broker", ["nowhere", "host:99999999", "host:0", ":1"])
def test_a_broker_is_host_and_port(tmp_path: Path, capsys: pytest.CaptureFixture[str], broker: str) -> None:
    """A broker's address that is none exits 78 before anything is made."""
    assert main(["init", "--home", str(tmp_path / "city"), "--broker", broker]) == 78
    assert not (tmp_path / "city" / "city.json").exists()
    assert "broker" in capsys.readouterr().err


def test_the_broker_listens_where_it_is_told(tmp_path: Path) -> None:
    """Loopback stays loopback, another address listens everywhere, and --listen decides."""
    found = []
    for number, words in enumerate(
        (["--broker", "127.0.0.1:1883"], ["--broker", "city.example:8883"], ["--listen", "192.0.2.1"])
    ):
        home = tmp_path / str(number)
        assert main(["init", "--home", str(home), *words]) == 0
        found.append((home / "broker" / "mosquitto.conf").read_text().splitlines()[1])

    assert found == ["listener 1883 127.0.0.1", "listener 8883 0.0.0.0", "listener 8883 192.0.2.1"]


def test_the_folder_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --home the folder is that of EHC_CITY_HOME."""
    monkeypatch.setenv("EHC_CITY_HOME", str(tmp_path / "there"))

    assert main(["init", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["home"] == str(tmp_path / "there")
