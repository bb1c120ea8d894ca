"""Who stands in which node's roster: from a table an operator brings to the blob that only the node can read.

The table is CSV in UTF-8 with a header line. Errors name the line and the column, never what stood there. A person's
carriers each get a record of their own in the blob, in which `aliases` names the others (contracts 3.5); so do the
cards this city gave to their identity number, and the number of the birth certificate a child had before it.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from city.authority.cards import CardRegister
from city.errors import AuthorityError
from city.store import Database
from edge.identity import valid_id_number
from edge.roster import Person, PersonState, birth_carrier, card_carrier, id_carrier, index_carrier

COLUMNS = ("name", "sex", "birth", "id_no", "card", "index", "birth_no", "state", "tags", "doses", "person")
REQUIRED_COLUMNS = ("name", "sex", "birth")
PEOPLE_MAX = 50_000
"""In one node's table: more than twice the largest township served by one clinic; 50,000 make a blob of 15 MB."""

COLUMNS_HELP = """\
columns (the first three are required, the rest may be missing or empty; lists are separated by ;):
  name      as registered
  sex       0 1 2 9 (GB/T 2261.1: 1 male, 2 female)
  birth     YYYY-MM-DD
  id_no     identity number, 18 characters
  card      references of EHC1 cards, 16 hex characters each (cards given to id_no are added by themselves)
  index     indices of national codes, 48 or 64 hex characters each
  birth_no  birth-certificate number: a letter and nine digits; given once together with id_no it stays known
            as the same child's, even if later tables leave it out
  state     active (default), suspended, lost, deceased; to mark one carrier only, give it a line of its own
  tags      words such as chronic
  doses     vaccine:number:YYYY-MM-DD
  person    any word: lines with the same one are one person, for carriers that differ in state
"""

_LIST_SEPARATOR = ";"
_CARD = re.compile(r"[0-9a-f]{16}")
_INDEX = re.compile(r"[0-9A-F]{48}|[0-9A-F]{64}")
_BIRTH_NO = re.compile(r"[A-Z][0-9]{9}")
_WORD = re.compile(r"[^\s:;,]{1,32}")
_NAME_CHARS_MAX = 64


class RosterTableError(AuthorityError):
    """A line of a table cannot be used; nothing of the table was taken. The text names no person."""

    def __init__(self, line: int, *, column: str, expected: str) -> None:
        super().__init__(f"line {line}, column {column}: {expected}")
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One line of a table; ``repr`` shows nothing of it."""

    name: str = field(repr=False)
    sex: int = field(repr=False)
    birth: date = field(repr=False)
    id_no: str | None = field(default=None, repr=False)
    cards: tuple[str, ...] = field(default=(), repr=False)
    indices: tuple[str, ...] = field(default=(), repr=False)
    birth_no: str | None = field(default=None, repr=False)
    state: PersonState = field(default=PersonState.ACTIVE, repr=False)
    tags: tuple[str, ...] = field(default=(), repr=False)
    doses: tuple[tuple[str, int, str], ...] = field(default=(), repr=False)
    person: str | None = field(default=None, repr=False)

    def carriers(self) -> tuple[str, ...]:
        """Every carrier string the table gives for this person."""
        return (
            *(card_carrier(bytes.fromhex(card)) for card in self.cards),
            *(index_carrier(index) for index in self.indices),
            *([] if self.id_no is None else [id_carrier(self.id_no)]),
            *([] if self.birth_no is None else [birth_carrier(self.birth_no)]),
        )


def read_table(text: str) -> list[Resident]:
    """The people of a CSV table.

    Raises:
        RosterTableError: The first line that cannot be used.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    residents: list[Resident] = []
    seen: dict[str, int] = {}
    people: dict[str, Resident] = {}
    line = 0
    try:
        _check_header(reader.fieldnames or ())
        line = 1
        for row in reader:
            line = reader.line_num
            resident = _resident(row, line=line)
            for carrier in resident.carriers():
                if carrier in seen:
                    column = carrier.partition(":")[0]
                    raise RosterTableError(line, column=column, expected=f"stands in line {seen[carrier]} already")
                seen[carrier] = line
            _check_person(resident, line=line, people=people)
            residents.append(resident)
            if len(residents) > PEOPLE_MAX:
                raise RosterTableError(line, column="name", expected=f"at most {PEOPLE_MAX} people")
    except csv.Error as exc:
        raise RosterTableError(line + 1, column="-", expected="a line of CSV") from exc
    return residents


class RosterBook:
    """The tables as they were brought, in the authority's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, node: str, *, residents: Sequence[Resident]) -> None:
        """Put a table in place of the node's former one; which birth number is whose stays known from both."""
        with self._database.transaction():
            links = [*_birth_numbers(self.residents(node)), *_birth_numbers(residents)]
            self._database.many("INSERT OR REPLACE INTO birth_number (birth_no, id_no) VALUES (?, ?)", links)
            self._database.query("DELETE FROM person WHERE node = ?", node)
            self._database.many(
                "INSERT INTO person (node, line, plain) VALUES (?, ?, ?)",
                ((node, line, _to_json(resident)) for line, resident in enumerate(residents, start=1)),
            )

    def residents(self, node: str) -> list[Resident]:
        """The node's table."""
        rows = self._database.query("SELECT plain FROM person WHERE node = ? ORDER BY line", node)
        return [_from_json(plain) for (plain,) in rows]

    def birth_numbers_of(self, id_no: str) -> Sequence[str]:
        """Birth-certificate numbers that any table, of any node, ever gave for the holder of an identity number."""
        return [
            birth_no
            for (birth_no,) in self._database.query(
                "SELECT birth_no FROM birth_number WHERE id_no = ? ORDER BY birth_no", id_no
            )
        ]


def people_of(
    residents: Sequence[Resident], *, cards: CardRegister, book: RosterBook, with_id_no: bool, with_tags: bool
) -> Iterator[tuple[str, Person]]:
    """Pairs of carrier string and person for `edge.roster.build_roster`.

    Args:
        residents: Whose carriers are unique among them.
        cards: Adds the cards given to an identity number that no line names.
        book: Adds the birth-certificate number a child had before its identity number, if no line names it.
        with_id_no: Whether this city puts identity numbers into rosters.
        with_tags: Whether it puts tags there.
    """
    named = {carrier for resident in residents for carrier in resident.carriers()}
    for lines in _people(residents):
        carriers: dict[str, Resident] = {}
        for line in lines:
            known = () if line.id_no is None else _known_carriers(line.id_no, cards=cards, book=book)
            carriers |= dict.fromkeys([*line.carriers(), *(carrier for carrier in known if carrier not in named)], line)
        for carrier, line in carriers.items():
            yield (
                carrier,
                Person(
                    name=line.name,
                    sex=line.sex,
                    birth=line.birth,
                    id_no=line.id_no if with_id_no else None,
                    state=line.state,
                    tags=line.tags if with_tags else (),
                    doses=tuple({"vaccine": vaccine, "n": n, "day": day} for vaccine, n, day in line.doses),
                    aliases=tuple(other for other in carriers if other != carrier),
                ),
            )


def _check_person(resident: Resident, *, line: int, people: dict[str, Resident]) -> None:
    """Lines of one person agree on who it is; the first that does not is refused."""
    if resident.person is None:
        return
    known = people.setdefault(resident.person, resident)
    if (resident.sex, resident.birth) != (known.sex, known.birth):
        raise RosterTableError(line, column="person", expected="sex and birth as in the person's other lines")
    if known is resident:
        return
    if known.id_no is not None and resident.id_no is not None:
        raise RosterTableError(line, column="person", expected="one id_no a person")
    people[resident.person] = replace(resident, id_no=resident.id_no or known.id_no)


def _people(residents: Sequence[Resident]) -> list[list[Resident]]:
    """The lines of each person, in the order of the table."""
    people: dict[str | int, list[Resident]] = {}
    for number, resident in enumerate(residents):
        people.setdefault(number if resident.person is None else resident.person, []).append(resident)
    return list(people.values())


def _birth_numbers(residents: Sequence[Resident]) -> Iterator[tuple[str, str]]:
    """Birth-certificate and identity number of everybody who has both."""
    for lines in _people(residents):
        for birth_no in filter(None, (line.birth_no for line in lines)):
            for id_no in filter(None, (line.id_no for line in lines)):
                yield birth_no, id_no


def _known_carriers(id_no: str, *, cards: CardRegister, book: RosterBook) -> Iterator[str]:
    """What this city knows of the holder of an identity number without any table."""
    yield from map(card_carrier, cards.refs_of(id_no))
    yield from map(birth_carrier, book.birth_numbers_of(id_no))


def _check_header(names: Sequence[str]) -> None:
    for name in REQUIRED_COLUMNS:
        if name not in names:
            raise RosterTableError(1, column=name, expected="is required")
    if len(set(names)) != len(names) or not set(names) <= set(COLUMNS):
        raise RosterTableError(1, column="-", expected=f"the columns are {' '.join(COLUMNS)}, each once")


def _resident(row: Mapping[str | None, Any], *, line: int) -> Resident:
    if None in row or None in row.values():
        raise RosterTableError(line, column="-", expected="as many cells as the header has")
    cell = _Cells(row, line=line)
    resident = Resident(
        name=cell.name(),
        sex=int(cell.one("sex", pattern=re.compile("[0129]"), expected="0, 1, 2 or 9") or 0),
        birth=cell.birth(),
        id_no=cell.id_no(),
        cards=cell.many("card", pattern=_CARD, expected="16 hex characters", fold=str.lower),
        indices=cell.many("index", pattern=_INDEX, expected="48 or 64 hex characters", fold=str.upper),
        birth_no=cell.one("birth_no", pattern=_BIRTH_NO, expected="a letter and nine digits") or None,
        state=cell.state(),
        tags=cell.many("tags", pattern=_WORD, expected="words of at most 32 characters"),
        doses=cell.doses(),
        person=cell.one("person", pattern=_WORD, expected="a word of at most 32 characters") or None,
    )
    if not resident.carriers():
        raise RosterTableError(line, column="id_no", expected="at least one of id_no, card, index, birth_no")
    return resident


class _Cells:
    """The cells of one line, each checked as it is taken."""

    def __init__(self, row: Mapping[str | None, Any], *, line: int) -> None:
        self._row = row
        self._line = line

    def one(self, column: str, *, pattern: re.Pattern[str], expected: str) -> str:
        text = self._text(column)
        if (text or column in REQUIRED_COLUMNS) and not pattern.fullmatch(text):
            raise self._error(column, expected=expected)
        return text

    def many(self, column: str, *, pattern: re.Pattern[str], expected: str, fold: Any = str) -> tuple[str, ...]:
        entries = tuple(fold(entry.strip()) for entry in self._text(column).split(_LIST_SEPARATOR) if entry.strip())
        if not all(pattern.fullmatch(entry) for entry in entries) or len(set(entries)) != len(entries):
            raise self._error(column, expected=f"{expected}, each once, separated by {_LIST_SEPARATOR}")
        return entries

    def name(self) -> str:
        text = self._text("name")
        if not text or len(text) > _NAME_CHARS_MAX or not text.isprintable():
            raise self._error("name", expected=f"1 to {_NAME_CHARS_MAX} printable characters")
        return text

    def birth(self) -> date:
        return date.fromisoformat(self._day(self._text("birth"), column="birth"))

    def id_no(self) -> str | None:
        text = self._text("id_no").upper()
        if text and not valid_id_number(text):
            raise self._error("id_no", expected="18 characters with a right check digit (GB 11643)")
        return text or None

    def state(self) -> PersonState:
        text = self._text("state") or PersonState.ACTIVE.value
        try:
            return PersonState(text)
        except ValueError:
            raise self._error("state", expected=" ".join(state.value for state in PersonState)) from None

    def doses(self) -> tuple[tuple[str, int, str], ...]:
        doses = []
        for entry in self._text("doses").split(_LIST_SEPARATOR):
            if not entry.strip():
                continue
            match entry.strip().split(":"):
                case [vaccine, number, day] if _WORD.fullmatch(vaccine) and re.fullmatch("[1-9][0-9]?", number):
                    doses.append((vaccine, int(number), self._day(day, column="doses")))
                case _:
                    raise self._error("doses", expected="vaccine:number:YYYY-MM-DD")
        return tuple(doses)

    def _day(self, text: str, *, column: str) -> str:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            try:
                return date.fromisoformat(text).isoformat()
            except ValueError:
                pass
        raise self._error(column, expected="a day that exists, as YYYY-MM-DD")

    def _text(self, column: str) -> str:
        return str(self._row.get(column, "")).strip()

    def _error(self, column: str, *, expected: str) -> RosterTableError:
        return RosterTableError(self._line, column=column, expected=expected)


def _to_json(resident: Resident) -> str:
    members = {
        "name": resident.name,
        "sex": resident.sex,
        "birth": resident.birth.isoformat(),
        "id_no": resident.id_no,
        "cards": resident.cards,
        "indices": resident.indices,
        "birth_no": resident.birth_no,
        "state": resident.state.value,
        "tags": resident.tags,
        "doses": resident.doses,
        "person": resident.person,
    }
    return json.dumps(members, ensure_ascii=False)


def _from_json(plain: str) -> Resident:
    members = json.loads(plain)
    return Resident(
        name=members["name"],
        sex=members["sex"],
        birth=date.fromisoformat(members["birth"]),
        id_no=members["id_no"],
        cards=tuple(members["cards"]),
        indices=tuple(members["indices"]),
        birth_no=members["birth_no"],
        state=PersonState(members["state"]),
        tags=tuple(members["tags"]),
        doses=tuple((vaccine, n, day) for vaccine, n, day in members["doses"]),
        person=members.get("person"),  # tables brought before there was such a column have none
    )
