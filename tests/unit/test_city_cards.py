"""`ehc-city card`: cards given out, shown, printed, and refused where they cannot be made."""

import sys
from pathlib import Path

import pytest

from city.authority.cards import CardKind, CardRegister
from city.authority.issuers import IssuerBook
from city.errors import AuthorityError
from edge import ehc_code
from edge.gm import public_key
from edge.status_list import CardState
from tests.support.city_cli import HIDDEN, ID_NO, City
from tests.support.symbol import grey_pixels, read_symbol


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> City:
    return City.founded(tmp_path / "city", capsys)


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
    with city.home.authority() as database, pytest.raises(AuthorityError) as raised:
        CardRegister(database).issue(
            CardKind.STATIC,
            issuer=1,
            row=IssuerBook(database).issuer(1),
            key=city.home.keys.issuer(1),
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


def test_a_picture_without_its_library_says_what_to_install(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are an extra; everything else works without it."""
    monkeypatch.setitem(sys.modules, "segno", None)

    assert "ehc-edge[city]" in city.fails("card", "issue", "--qr", str(tmp_path / "card.svg"))[1]
