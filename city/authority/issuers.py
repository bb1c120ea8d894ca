"""The issuer keys this city vouches for, in the authority's database."""

import json
from collections.abc import Mapping, Sequence

from city.authority.documents import IssuerRow
from city.errors import AuthorityError
from city.store import Database
from edge.trust import IssuerState


class IssuerBook:
    """Issuers by number; the number names the key file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, number: int, *, row: IssuerRow) -> None:
        """Vouch for a key."""
        self._database.query(
            "INSERT INTO issuer (number, key, org, regions, kinds, not_before, not_after, status_list, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            number,
            row.key,
            row.org,
            json.dumps(row.regions),
            json.dumps(row.kinds),
            row.not_before,
            row.not_after,
            row.status_list,
            row.state.value,
        )

    def issuers(self) -> Mapping[int, IssuerRow]:
        """All of them by number; withdrawn ones stay for ever, a tombstone (contracts 3.2)."""
        rows = self._database.query(
            "SELECT number, key, org, regions, kinds, not_before, not_after, status_list, state FROM issuer"
            " ORDER BY number"
        )
        return {
            number: IssuerRow(
                key=key,
                org=org,
                regions=tuple(json.loads(regions)),
                kinds=tuple(json.loads(kinds)),
                not_before=not_before,
                not_after=not_after,
                status_list=status_list,
                state=IssuerState(state),
            )
            for number, key, org, regions, kinds, not_before, not_after, status_list, state in rows
        }

    def issuer(self, number: int) -> IssuerRow:
        """One of them.

        Raises:
            AuthorityError: There is none of that number.
        """
        issuers = self.issuers()
        if number not in issuers:
            raise AuthorityError(f"no such issuer: there are {_numbers(list(issuers))}")
        return issuers[number]

    def set_state(self, number: int, *, state: IssuerState) -> None:
        """Retire or withdraw an issuer.

        Raises:
            AuthorityError: There is none, or it is withdrawn, which is for ever.
        """
        if self.issuer(number).state is IssuerState.WITHDRAWN and state is not IssuerState.WITHDRAWN:
            raise AuthorityError("a withdrawn issuer stays withdrawn")
        self._database.query("UPDATE issuer SET state = ? WHERE number = ?", state.value, number)


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers) or "none"
