"""Which card is new on a reader, whatever the reader says of a card that lies still."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from drivers.presence import ATTEMPTS_MAX, GONE_COUNT, LOOK_AGAIN_COUNT, Presence

A, B = b"a", b"b"


def gone(presence: Presence) -> None:
    for _ in range(GONE_COUNT):
        presence.nothing()


def looks(presence: Presence, *, finds: int) -> int:
    """How often a card is looked at that is found so often and not new."""
    return sum(presence.found() for _ in range(finds))


def test_a_card_is_read_when_it_is_found_first() -> None:
    """The first find of a card leads to a reading."""
    presence = Presence()

    assert presence.found()
    assert presence.read(A)


def test_a_card_that_stays_is_not_read_at_every_find() -> None:
    """While it lies there it is looked at from time to time, and is not new."""
    presence = Presence()
    presence.found()
    presence.read(A)

    assert looks(presence, finds=LOOK_AGAIN_COUNT - 1) == 0
    assert looks(presence, finds=1) == 1
    assert not presence.read(A)
    assert looks(presence, finds=LOOK_AGAIN_COUNT - 1) == 0


def test_one_find_that_fails_is_no_leaving() -> None:
    """A reader that finds a still card every other time reads it once."""
    presence = Presence()
    presence.found()
    presence.read(A)

    readings = 0
    for _ in range(5 * LOOK_AGAIN_COUNT):
        presence.nothing()
        if presence.found():
            readings += presence.read(A)

    assert readings == 0


def test_a_card_that_left_is_new() -> None:
    """Taken away and laid down again, the same card is read again."""
    presence = Presence()
    presence.found()
    presence.read(A)

    gone(presence)

    assert presence.found()
    assert presence.read(A)


def test_another_card_without_a_gap_is_new() -> None:
    """A card that took the place of another is seen at the next look."""
    presence = Presence()
    presence.found()
    presence.read(A)

    assert looks(presence, finds=LOOK_AGAIN_COUNT) == 1
    assert presence.read(B)


def test_a_card_that_cannot_be_read_is_counted_once() -> None:
    """It is tried a few times, then from time to time, and counts once however long it lies there."""
    presence = Presence()
    for _ in range(ATTEMPTS_MAX):
        assert presence.found()
        presence.failed()

    assert presence.unread_count == 1
    for _ in range(3):
        assert looks(presence, finds=LOOK_AGAIN_COUNT - 1) == 0
        assert presence.found()
        presence.failed()
    gone(presence)
    assert presence.unread_count == 1
    assert presence.found()


def test_a_card_that_goes_before_it_was_read_is_counted() -> None:
    """A card pulled too early is a showing without a reading."""
    presence = Presence()
    presence.found()
    presence.failed()

    gone(presence)
    gone(presence)

    assert presence.unread_count == 1


def test_a_card_given_up_that_goes_is_not_counted_twice() -> None:
    """Giving up has counted it."""
    presence = Presence()
    for _ in range(ATTEMPTS_MAX):
        presence.found()
        presence.failed()

    gone(presence)

    assert presence.unread_count == 1


def test_a_second_attempt_that_succeeds_counts_nothing() -> None:
    """A card that is being laid down is not counted for its first failure."""
    presence = Presence()
    presence.found()
    presence.failed()

    assert presence.found()
    assert presence.read(A)
    gone(presence)
    assert presence.unread_count == 0


def test_a_card_moved_to_where_it_can_be_read_is_read() -> None:
    """Given up, it is looked at again, and a reading then is a reading."""
    presence = Presence()
    for _ in range(ATTEMPTS_MAX):
        presence.found()
        presence.failed()

    assert looks(presence, finds=LOOK_AGAIN_COUNT) == 1
    assert presence.read(A)


def test_a_read_card_that_is_not_read_again_is_no_failure() -> None:
    """A reader that finds a still card and refuses to read it twice makes no count grow."""
    presence = Presence()
    presence.found()
    presence.read(A)

    for _ in range(5):
        assert looks(presence, finds=LOOK_AGAIN_COUNT) == 1
        presence.failed()
    gone(presence)

    assert presence.unread_count == 0


@given(st.lists(st.sampled_from(["nothing", "fails", "a", "b"]), max_size=60))
def test_a_showing_is_read_at_most_once(steps: list[str]) -> None:
    """Between two leavings no card is new twice in a row, and nothing is counted as unread more often than shown."""
    presence, new, showings, gaps = Presence(), [], 1, 0
    for step in steps:
        if step == "nothing":
            presence.nothing()
            gaps += 1
            if gaps == GONE_COUNT:
                new.append(b"")
                showings += 1
            continue
        gaps = 0
        if not presence.found():
            continue
        if step == "fails":
            presence.failed()
        elif presence.read(step.encode()):
            new.append(step.encode())

    assert all(first != second for first, second in pairwise(new) if first)
    assert presence.unread_count <= showings
