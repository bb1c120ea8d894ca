"""The register of cards: which were given out, under which index, and what became of them.

It lives in the authority's own database. A card's state changes here and reaches the nodes with the next
`ehc-city publish`; opaque national codes, which are not ours, stand in a hashed list instead.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from city.authority.documents import IssuerRow
from city.errors import AuthorityError
from city.store import Database
from edge import ehc_code
from edge.errors import CodeError
from edge.gm import PrivateKey, generate, private_key, random_bytes
from edge.status_list import CardState

REF_BYTES = 8
_NONCE_BYTES = 2
_OPAQUE = re.compile(r"(?:[0-9A-F]{48}|[0-9A-F]{64})")  # contracts 2
_REF = re.compile(r"[0-9a-f]{16}")


class CardKind(StrEnum):
    """What an issuer may give out."""

    STATIC = "static"
    HOLDER = "holder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What a card says of its holder."""

    name: str = field(repr=False)
    sex: int = field(repr=False)
    birth: date = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card as the register knows it; its bytes may name a person."""

    status_list: str
    index: int
    ref: bytes = field(repr=False)
    issuer: int
    kind: CardKind
    issued_day: int
    expiry_day: int
    state: CardState
    data: bytes = field(repr=False)
    holder_key: PrivateKey | None = field(repr=False)

    @property
    def text(self) -> str:
        """The code of the card alone: what is printed of a static one."""
        return ehc_code.code_text(self.data)

    def show(self, time_ms: int) -> str:
        """The code as it is shown: a holder's phone signs the time and a nonce, a static card is as it is.

        Raises:
            AuthorityError: No card can be shown at that time.
        """
        if self.holder_key is None:
            return self.text
        try:
            data = ehc_code.presentation_bytes(
                self.data,
                time_s=time_ms // 1000 - ehc_code.EPOCH_S,
                nonce=random_bytes(_NONCE_BYTES),
                sign=self.holder_key.sign,
            )
        except CodeError as exc:
            raise AuthorityError("--ago: a card is shown from 2020-01-01 on") from exc
        return ehc_code.code_text(data)


class CardRegister:
    """Cards and opaque codes in the authority's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def issue(
        self,
        kind: CardKind,
        *,
        issuer: int,
        row: IssuerRow,
        key: PrivateKey,
        issued_day: int,
        expiry_day: int,
        holder: Holder | None = None,
        id_no: str | None = None,
    ) -> Card:
        """Give out a card under the next index of the issuer's list.

        Args:
            kind: Static, or bound to a holder key that is made here in place of the holder's phone.
            issuer: Its number.
            row: What the city vouches for it; it is not held against it, so that a test can make a wrong card.
            key: The issuer's key.
            issued_day: Days since E.
            expiry_day: Days since E, good to its end.
            holder: Printed into the card, if given.
            id_no: Joins the card to the person in rosters; not printed.

        Raises:
            AuthorityError: A value does not fit the card.
        """
        holder_key = generate() if kind is CardKind.HOLDER else None
        ref = random_bytes(REF_BYTES)
        with self._database.transaction():
            index = self.next_index(row.status_list)
            try:
                data = ehc_code.card_bytes(
                    ehc_code.STATIC_CARD if holder_key is None else ehc_code.HOLDER_CARD,
                    kid=key.public.kid,
                    index=index,
                    card_ref=ref,
                    issued_day=issued_day,
                    expiry_day=expiry_day,
                    sign=key.sign,
                    holder=None if holder is None else (holder.sex, holder.birth, holder.name),
                    holder_key=None if holder_key is None else holder_key.public.compressed,
                )
            except CodeError as exc:
                why = "a value does not fit its field" if holder is None else "a name is 1 to 30 bytes of GB18030"
                raise AuthorityError(f"the card cannot be made: {why}") from exc
            self._database.query(
                "INSERT INTO card (status_list, place, ref, issuer, kind, issued_day, expiry_day, state, id_no, bytes,"
                " holder_key) VALUES (?, ?, ?, ?, ?, ?, ?, 'valid', ?, ?, ?)",
                row.status_list,
                index,
                ref,
                issuer,
                kind,
                issued_day,
                expiry_day,
                id_no,
                data,
                None if holder_key is None else holder_key.to_bytes(),
            )
        return self.find(ref.hex())

    def next_index(self, status_list: str) -> int:
        """The index the next card of a list gets: how many it has."""
        [(index,)] = self._database.query(
            "SELECT coalesce(max(place) + 1, 0) FROM card WHERE status_list = ?", status_list
        )
        return int(index)

    def find(self, name: str) -> Card:
        """A card by its reference (16 hex characters).

        Raises:
            AuthorityError: There is none.
        """
        cards = self._cards("ref = ?", bytes.fromhex(name)) if _REF.fullmatch(name) else []
        if not cards:
            raise AuthorityError("no such card: give its reference, 16 hex characters, as `card list` shows it")
        return cards[0]

    def cards(self) -> Sequence[Card]:
        """All of them, by list and index."""
        return self._cards("TRUE")

    def refs_of(self, id_no: str) -> Sequence[bytes]:
        """References of the cards given to the holder of an identity number."""
        return [ref for (ref,) in self._database.query("SELECT ref FROM card WHERE id_no = ? ORDER BY place", id_no)]

    def set_state(self, name: str, *, state: CardState) -> str:
        """Suspend, revoke or reinstate a card or an opaque national code.

        Args:
            name: A card's reference, or the index of a national code (48 or 64 hex characters).
            state: The new state.

        Returns:
            ``card`` or ``national``: what it was.

        Raises:
            AuthorityError: It is neither.
        """
        if _OPAQUE.fullmatch(name.upper()):
            self._set_opaque(name.upper(), state=state)
            return "national"
        ref = self.find(name.lower()).ref
        self._database.query("UPDATE card SET state = ? WHERE ref = ?", state, ref)
        return "card"

    def states(self, status_list: str) -> Mapping[int, CardState]:
        """Those of a list that are not valid, by index."""
        rows = self._database.query(
            "SELECT place, state FROM card WHERE status_list = ? AND state <> 'valid'", status_list
        )
        return {index: CardState(state) for index, state in rows}

    def opaque(self) -> Sequence[bytes]:
        """Decoded indices of national codes that are no longer good."""
        return [bytes.fromhex(index) for (index,) in self._database.query("SELECT place FROM opaque ORDER BY place")]

    def _set_opaque(self, index: str, *, state: CardState) -> None:
        if state is CardState.VALID:
            self._database.query("DELETE FROM opaque WHERE place = ?", index)
        else:
            self._database.query("INSERT OR REPLACE INTO opaque (place, state) VALUES (?, ?)", index, state)

    def _cards(self, where: str, *parameters: bytes) -> list[Card]:
        rows = self._database.query(
            "SELECT status_list, place, ref, issuer, kind, issued_day, expiry_day, state, bytes, holder_key"  # noqa: S608 - literals of this file
            f" FROM card WHERE {where} ORDER BY status_list, place",
            *parameters,
        )
        return [
            Card(
                status_list=status_list,
                index=index,
                ref=ref,
                issuer=issuer,
                kind=CardKind(kind),
                issued_day=issued_day,
                expiry_day=expiry_day,
                state=CardState(state),
                data=data,
                holder_key=None if holder_key is None else private_key(holder_key),
            )
            for status_list, index, ref, issuer, kind, issued_day, expiry_day, state, data, holder_key in rows
        ]
