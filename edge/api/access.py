"""Who may ask: one bearer token for programs, one-time links and the sessions made from them for browsers.

Told the time and given its randomness, so every limit is exact in tests. Only digests of codes and session ids are
kept, and they are looked up by digest: how long a lookup takes says nothing about a secret.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from edge.api.rate import Bucket

CODE_BYTES = 16
"""128 random bits in a one-time link: not to be guessed within its life."""

SESSION_BYTES = 32
TOKEN_CHARS_MIN = 32
"""A shorter token is one that somebody made up."""

LINK_LIFE_S = 600
"""Ten minutes: long enough to carry the link from the console to the tablet."""

LINKS_MAX = 8
"""Unused links at a time; a further one drops the oldest."""

SESSION_IDLE_S = 12 * 3600
"""A page that is open asks every two seconds; one that was closed for a shift has to log in again."""

SESSION_LIFE_S = 7 * 86400
SESSIONS_MAX = 16
"""Browsers at a time, more than a clinic has screens; a further one drops the one that was quiet longest."""

VERIFY_BURST = 20
VERIFY_PER_S = 1.0
"""A desk asks once for each person; a program that tries identity numbers one after the other gets nowhere."""


@dataclass(slots=True, kw_only=True)
class _Session:
    started_s: float
    seen_s: float


class Access:
    """The token, the one-time links and the sessions of one run of the daemon.

    Args:
        token: The bearer token, at least `TOKEN_CHARS_MIN` characters (`edge.secret_file`).
        monotonic_s: The monotonic clock in seconds.
        random_bytes: So many bytes from getrandom.
    """

    def __init__(self, *, token: str, monotonic_s: Callable[[], float], random_bytes: Callable[[int], bytes]) -> None:
        if len(token) < TOKEN_CHARS_MIN:
            raise ValueError("token is too short")
        self._token = token.encode()
        self._now_s = monotonic_s
        self._random_bytes = random_bytes
        self._links: dict[bytes, float] = {}
        self._sessions: dict[bytes, _Session] = {}
        self._verify = Bucket(burst=VERIFY_BURST, per_s=VERIFY_PER_S)

    def __repr__(self) -> str:
        return f"Access(links={len(self._links)}, sessions={len(self._sessions)})"

    def mint_link(self) -> str:
        """A new one-time code, 32 hex characters, good once and for `LINK_LIFE_S`."""
        self._forget_expired()
        while len(self._links) >= LINKS_MAX:
            del self._links[next(iter(self._links))]
        code = self._random_bytes(CODE_BYTES).hex()
        self._links[_digest(code)] = self._now_s() + LINK_LIFE_S
        return code

    def redeem(self, code: str) -> str | None:
        """Use a one-time code up.

        Returns:
            The id of a new session, 64 hex characters; None when the code is unknown, used or expired.
        """
        self._forget_expired()
        if self._links.pop(_digest(code), None) is None:
            return None
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen_s)]
        session = self._random_bytes(SESSION_BYTES).hex()
        now_s = self._now_s()
        self._sessions[_digest(session)] = _Session(started_s=now_s, seen_s=now_s)
        return session

    def has_session(self, session: str) -> bool:
        """Whether this id is of a session that lives; asking keeps it from going idle."""
        self._forget_expired()
        found = self._sessions.get(_digest(session))
        if found is None:
            return False
        found.seen_s = self._now_s()
        return True

    def is_token(self, value: str) -> bool:
        """Whether this is the bearer token, compared in constant time."""
        return hmac.compare_digest(self._token, value.encode(errors="backslashreplace"))

    def verify_wait_s(self) -> float:
        """Take one permit to verify: 0.0 when granted, else the seconds until the next one."""
        return self._verify.take(self._now_s())

    def _forget_expired(self) -> None:
        now_s = self._now_s()
        self._links = {key: expires_s for key, expires_s in self._links.items() if now_s < expires_s}
        self._sessions = {
            key: session
            for key, session in self._sessions.items()
            if now_s < session.seen_s + SESSION_IDLE_S and now_s < session.started_s + SESSION_LIFE_S
        }


def _digest(secret: str) -> bytes:
    return sha256(secret.encode(errors="backslashreplace")).digest()
