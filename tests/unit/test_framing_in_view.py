"""Which codes have come into a camera's view."""

from drivers.framing.in_view import CODES_MAX, InView

A, B = b"EHC1:A", b"EHC1:B"


def test_a_code_that_stays_is_one_showing() -> None:
    """However long it is held before the camera."""
    view = InView(same_code_ns=100)

    told = [view.entering([A], now_ns=now_ns) for now_ns in range(0, 2_000, 50)]

    assert told == [[A]] + [[]] * 39


def test_a_code_that_is_missed_in_some_frames_has_not_left() -> None:
    """A gap shorter than the bound is a hand that shakes."""
    view = InView(same_code_ns=100)

    assert [view.entering(codes, now_ns=now_ns) for codes, now_ns in [([A], 0), ([], 50), ([A], 99)]] == [[A], [], []]


def test_a_code_that_left_and_came_back_is_a_new_showing() -> None:
    """From the bound on."""
    view = InView(same_code_ns=100)

    view.entering([A], now_ns=0)

    assert view.entering([A], now_ns=100) == [A]


def test_codes_beside_each_other_are_told_once_each_in_order() -> None:
    """Two in one frame, one of them twice, and one of them there before."""
    view = InView(same_code_ns=100)

    assert view.entering([B, A, B], now_ns=0) == [B, A]
    assert view.entering([A, b"C"], now_ns=1) == [b"C"]


def test_without_a_bound_each_frame_is_a_showing() -> None:
    """With 0 nothing is held back, but a frame still tells a code once."""
    view = InView(same_code_ns=0)

    assert [view.entering([A, A], now_ns=now_ns) for now_ns in (0, 0, 1)] == [[A], [A], [A]]


def test_what_is_remembered_is_bounded() -> None:
    """The code seen longest ago is forgotten first."""
    view = InView(same_code_ns=10_000)

    for number in range(CODES_MAX + 1):
        view.entering([b"%d" % number], now_ns=number)

    assert view.entering([b"0"], now_ns=CODES_MAX) == [b"0"]
    assert view.entering([b"2"], now_ns=CODES_MAX) == []


def test_nothing_is_in_view_after_a_loss() -> None:
    """A camera that was away shows everything anew."""
    view = InView(same_code_ns=100)

    view.entering([A], now_ns=0)
    view.clear()

    assert view.entering([A], now_ns=1) == [A]
