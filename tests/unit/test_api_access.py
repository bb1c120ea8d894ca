"""Token, one-time links and sessions, on a clock and a random source that the test holds."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api import access as limits
from edge.api.access import Access

TOKEN = "t" * 64


class Clock:
    """A monotonic clock that stands until it is moved."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def access(clock):
    numbers = itertools.count(1)
    return Access(token=TOKEN, monotonic_s=clock, random_bytes=lambda size: next(numbers).to_bytes(size))


def test_link_has_128_random_bits(access):
    """A code is the 16 bytes that the random source gave, in hex."""
    assert access.mint_link() == (1).to_bytes(16).hex()


def test_link_gives_a_session_once(access):
    """The first use of a code makes a session, the second does not."""
    code = access.mint_link()

    session = access.redeem(code)

    assert session is not None
    assert len(session) == 64
    assert access.has_session(session)
    assert access.redeem(code) is None


@pytest.mark.parametrize(("age_s", "is_good"), [(limits.LINK_LIFE_S - 1, True), (limits.LINK_LIFE_S, False)])
def test_link_expires_after_ten_minutes(access, clock, age_s, is_good):
    """A code is good until ten minutes have passed, and not from then on."""
    code = access.mint_link()

    clock.now_s += age_s

    assert (access.redeem(code) is not None) is is_good


def test_links_are_bounded_and_the_oldest_goes_first(access):
    """With one link more than there is room for, the oldest no longer works and the others do."""
    codes = [access.mint_link() for _ in range(limits.LINKS_MAX + 1)]

    used = [access.redeem(code) is not None for code in codes]

    assert used == [False] + [True] * limits.LINKS_MAX


@given(st.text())
def test_unknown_code_gives_nothing(code):
    """No text that was not minted opens anything, whatever stands in it."""
    access = Access(token=TOKEN, monotonic_s=Clock(), random_bytes=lambda size: b"\x01" * size)

    assert access.redeem(code) is None
    assert not access.has_session(code)
    assert not access.is_token(code)


def test_lone_surrogates_are_no_secret(access):
    """A value that is no Unicode text is refused like any other."""
    assert access.redeem("\ud800") is None
    assert not access.has_session("\udcff")
    assert not access.is_token("\udcff")


def test_idle_session_ends(access, clock):
    """A session that nobody uses for the idle time ends; each use starts that time anew."""
    session = access.redeem(access.mint_link())

    clock.now_s += limits.SESSION_IDLE_S - 1
    assert access.has_session(session)
    clock.now_s += limits.SESSION_IDLE_S - 1
    assert access.has_session(session)
    clock.now_s += limits.SESSION_IDLE_S
    assert not access.has_session(session)


def test_session_in_use_ends_with_its_life(access, clock):
    """A session ends after its life, however busy it is."""
    session = access.redeem(access.mint_link())
    started_s = clock.now_s

    while clock.now_s < started_s + limits.SESSION_LIFE_S - 3600:
        clock.now_s += 3600
        assert access.has_session(session)
    clock.now_s = started_s + limits.SESSION_LIFE_S

    assert not access.has_session(session)


def test_sessions_are_bounded_and_the_quietest_goes_first(access, clock):
    """With one session more than there is room for, the one that was quiet longest ends."""
    sessions = [access.redeem(access.mint_link()) for _ in range(limits.SESSIONS_MAX)]
    clock.now_s += 1
    alive = [session for session in sessions if session != sessions[3]]
    assert all(access.has_session(session) for session in alive)

    newest = access.redeem(access.mint_link())

    assert access.has_session(newest)
    assert not access.has_session(sessions[3])
    assert all(access.has_session(session) for session in alive)


def test_token_is_compared_whole(access):
    """Only the whole token is the token."""
    assert access.is_token(TOKEN)
    assert not access.is_token(TOKEN[:-1])
    assert not access.is_token(TOKEN + "t")
    assert not access.is_token("")


def test_short_token_is_refused():
    """A token too short to be random is not taken."""
    with pytest.raises(ValueError, match="too short"):
        Access(token="t" * 31, monotonic_s=Clock(), random_bytes=bytes)


def test_verify_permits_run_out_and_come_back(access, clock):
    """After the burst, a permit comes back each second."""
    waits_s = [access.verify_wait_s() for _ in range(limits.VERIFY_BURST + 1)]
    clock.now_s += 1 / limits.VERIFY_PER_S

    assert waits_s[:-1] == [0.0] * limits.VERIFY_BURST
    assert waits_s[-1] > 0
    assert access.verify_wait_s() == 0.0


def test_repr_shows_no_secret(access):
    """The representation counts and does not tell."""
    code = access.mint_link()
    session = access.redeem(access.mint_link())

    shown = repr(access)

    assert shown == "Access(links=1, sessions=1)"
    assert TOKEN not in shown
    assert code not in shown
    assert session not in shown
