"""The cards and codes that the demo's person shows, and what the node must say of each. All people are invented."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.ehc_code import base45_decode, code_text
from tests.support.id_texts import citizen, foreigner_2023
from tests.support.symbol import read_symbol
from tests.support.town import Town

ROSTER = Path(__file__).parent.parent.parent / "config" / "roster.example.csv"
INDEX_IN_ROSTER = "A" * 64  # 李娜 of the roster
PRESENTATION_LATE_S = 600


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One thing that is shown.

    Attributes:
        label: What it is, in Chinese.
        text: Makes the code, at the moment it is shown.
        reason: What the verdict must give.
    """

    label: str
    text: Callable[[], str] = field(repr=False)
    reason: str


def prepare(town: Town) -> list[Exhibit]:
    """Give out the cards, publish, and return about twenty things to show, in order."""
    people = Cards(town)
    exhibits = [*people.signed(), *unsigned()]
    town.publish()
    return exhibits


def after_the_cut(town: Town) -> list[Exhibit]:
    """Five more, for the time without a network."""
    people = Cards(town)
    # Not published: cards given out after the list was made, of which the box can only say that it does not know.
    first = people.issue(name="王芳", sex=2, birth=date(1961, 3, 8))
    second = people.issue(name="刘洋", sex=1, birth=date(1988, 11, 30))
    new = "刚发的卡 new card, not yet in the list"
    return [
        Exhibit(new, _same(first), "STATUS_NOT_COVERED"),
        Exhibit(new, _same(second), "STATUS_NOT_COVERED"),
        Exhibit("改动过的卡 forged card", _same(forged(second)), "BAD_SIGNATURE"),
        Exhibit("国家静态码 national", _same("FEDCBA9876543210" * 4 + ":1"), "PENDING_CITY"),
        Exhibit("出生医学证明，在名册 a newborn in the roster", _same("M370012345"), "ROSTER_MATCH_CODE_UNVERIFIED"),
    ]


class Cards:
    """The card office: gives out cards through `ehc-city card`."""

    def __init__(self, town: Town) -> None:
        self._town = town

    def issue(self, *, name: str, sex: int, birth: date, home: Path | None = None, **options: str) -> str:
        """A card with the holder's data; its code as printed."""
        return str(self._issue(name=name, sex=sex, birth=birth, home=home, **options)["code"])

    def signed(self) -> Iterator[Exhibit]:
        """Cards with the city's signature, good and bad."""
        issued = (datetime.now(UTC) - timedelta(days=300)).date().isoformat()
        picture = self._town.folder / "card.png"
        good = self.issue(name="张伟", sex=1, birth=date(1985, 7, 6), qr=str(picture))
        yield Exhibit("签名静态码，印刷的二维码 signed card, printed", lambda: read_symbol(picture), "VALID")
        in_roster = self._town.city("card", "issue", "--id-no", "11010020171225006X")
        yield Exhibit("名册中儿童的卡 card of a child in the roster", _same(in_roster["code"]), "VALID")
        phone = self._issue(name="孙丽", sex=2, birth=date(1990, 2, 3), kind="holder")
        shown = _Once(lambda: self._presented(phone["ref"]))
        yield Exhibit("手机动态出示 shown by phone", shown, "VALID")
        late = lambda: self._presented(phone["ref"], "--ago", str(PRESENTATION_LATE_S))  # noqa: E731
        yield Exhibit("十分钟前的截图 ten minutes old", late, "PRESENTATION_STALE")
        yield Exhibit("手机卡的打印件 phone card on paper", _same(phone["code"]), "PRESENTATION_MISSING")
        revoked, suspended = self._issue(), self._issue()
        self._town.city("card", "revoke", revoked["ref"])
        yield Exhibit("已注销的卡 revoked card", _same(revoked["code"]), "REVOKED")
        self._town.city("card", "suspend", suspended["ref"])
        yield Exhibit("已挂失的卡 suspended card", _same(suspended["code"]), "SUSPENDED")
        expired = self._issue(issued=issued, days="100")
        yield Exhibit("已过期的卡 expired card", _same(expired["code"]), "EXPIRED")
        yield Exhibit("别的城市的密钥 issuer nobody knows", _same(self._stranger()), "UNKNOWN_ISSUER")
        yield Exhibit("改动过的卡 forged card", _same(forged(good)), "BAD_SIGNATURE")
        yield Exhibit("同一动态码再次 the phone's code again", shown, "REPLAYED")

    def _issue(self, **options: Any) -> dict[str, Any]:
        home = options.pop("home", None)
        words = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
        card: dict[str, Any] = self._town.city("card", "issue", *words, home=home)
        return card

    def _presented(self, ref: str, *words: str) -> str:
        return str(self._town.city("card", "show", ref, *words)["code"])

    def _stranger(self) -> str:
        """A card of another city, whose keys this node never heard of."""
        home = self._town.folder / "elsewhere"
        self._town.city("init", "--city", "370200", home=home)
        return self.issue(name="周杰", sex=1, birth=date(1970, 1, 1), home=home)


def unsigned() -> Iterator[Exhibit]:
    """What carries no signature, and what is no health card at all."""
    other = "0123456789ABCDEF" * 4
    yield Exhibit("国家静态码，在名册 national, in the roster", _same(INDEX_IN_ROSTER + ":1"), "ROSTER_MATCH")
    yield Exhibit("国家静态码，不在名册 national, unknown", _same(other + ":1"), "PENDING_CITY")
    lost = _same("B" * 64 + ":1")
    yield Exhibit("国家静态码，已挂失 national, reported lost", lost, "SUSPENDED")
    dynamic = f"{other}:0:07EDF114B1651BA63D112011E74C1EC3"
    yield Exhibit("国家动态码 national, dynamic", _same(dynamic), "PENDING_CITY")
    yield Exhibit("身份证号，在名册 identity number", _same("11010020171225006X"), "ROSTER_MATCH_CODE_UNVERIFIED")
    yield Exhibit("出生医学证明 birth certificate", _same("M370012399"), "PENDING_CITY")
    yield Exhibit("医保电子凭证 insurance code", _same("424" + "1" * 25), "NOT_A_HEALTH_CARD")
    yield Exhibit("微信付款码 payment code", _same("134567890123456789"), "NOT_A_HEALTH_CARD")
    yield Exhibit("支付宝付款码 payment code", _same("281234567890123456"), "NOT_A_HEALTH_CARD")
    yield Exhibit("药品追溯码 drug trace code", _same("81234567890123456789"), "NOT_A_HEALTH_CARD")
    yield Exhibit("乱码 rubbish", _same("hello, 世界"), "MALFORMED")


def forged(code: str) -> str:
    """The same card with one bit of its reference changed."""
    data = bytearray(base45_decode(code.partition(":")[2]))
    data[9] ^= 1
    return code_text(bytes(data))


class _Once:
    """A code that is made at its first showing and stays the same."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._text: str | None = None

    def __call__(self) -> str:
        self._text = self._text or self._make()
        return self._text


def _same(text: str) -> Callable[[], str]:
    return lambda: text


def identity_cards() -> Iterator[tuple[str, bytes, str]]:
    """What is laid on the identity-card reader: what it is, its 256 bytes of text, and the reason it must give."""
    yield "居民身份证，在名册 identity card, in the roster", citizen(name="王小宝"), "ROSTER_MATCH_CODE_UNVERIFIED"
    yield "外国人永久居留身份证 a foreigner's, unknown", foreigner_2023(), "PENDING_CITY"
