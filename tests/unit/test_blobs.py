"""Blobs fetched in pieces: whatever comes, in whatever order, only the right bytes are ever handed out."""

import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import blobs
from sync.asking import PIECE_BYTES_MAX, BlobPiece, Fetch
from sync.blobs import RETRY_S_MAX, TIMEOUT_S, WINDOW, BlobFetcher
from tests.support.small_city import NODE, sm3

BLOB = random.Random(7).randbytes(5 * PIECE_BYTES_MAX + 1234)
SMALL = random.Random(8).randbytes(3000)
ROOM = 1 << 20


def fetcher(folder: Path, *, bytes_max: int = ROOM) -> BlobFetcher:
    return BlobFetcher(folder, hash=sm3, bytes_max=bytes_max)


def piece(blob: bytes, offset: int, *, length: int = PIECE_BYTES_MAX, total: int | None = None) -> BlobPiece:
    data = blob[offset : offset + length]
    return BlobPiece(node=NODE, sm3=sm3(blob), offset=offset, total=total or len(blob), data=data)


def answer(blob: bytes, fetch: Fetch) -> BlobPiece:
    return piece(blob, fetch.offset, length=fetch.length)


def asked(fetching: BlobFetcher, now_s: float) -> list[Fetch]:
    """Everything it asks for at that time."""
    fetches = []
    while (fetch := fetching.next_piece(now_s)) is not None:
        fetches.append(fetch)
    return fetches


def part(folder: Path, blob: bytes) -> Path:
    return folder / f"{sm3(blob).hex()}.part"


def test_a_blob_comes_in_pieces_and_is_handed_out_once(tmp_path: Path) -> None:
    """Asked for in stretches of 32 KiB, whole when the SM3 is right, and its file goes when it is wanted no longer."""
    fetching = fetcher(tmp_path / "parts")
    assert fetching.want({sm3(BLOB): len(BLOB)}) == frozenset()

    offsets = []
    while fetches := asked(fetching, now_s=1.0):
        for fetch in fetches:
            assert fetch.length <= PIECE_BYTES_MAX
            offsets.append(fetch.offset)
            fetching.take(answer(BLOB, fetch), now_s=1.1)

    assert offsets == list(range(0, len(BLOB), PIECE_BYTES_MAX))
    finished = fetching.next_finished()
    assert finished is not None
    assert finished.path.read_bytes() == BLOB
    assert fetching.next_finished() is None
    assert fetching.wake_s() == math.inf
    fetching.want({})
    assert not finished.path.exists()


@settings(max_examples=60)
@given(data=st.data())
def test_pieces_in_any_order_and_cut_give_the_blob(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any cut of the blob, in any order, with doubles and overlaps, between restarts: the blob or not yet."""
    folder = tmp_path_factory.mktemp("parts")
    fetching = fetcher(folder)
    fetching.want({sm3(SMALL): len(SMALL)})
    stretches = st.tuples(st.integers(0, len(SMALL) - 1), st.integers(1, 1500))

    for begin, length in data.draw(st.lists(stretches, max_size=12)):
        fetching.take(piece(SMALL, begin, length=length), now_s=1.0)
        if data.draw(st.booleans()):
            fetching = fetcher(folder)
            fetching.want({sm3(SMALL): len(SMALL)})
    now_s = 1.0
    while (finished := fetching.next_finished()) is None:
        now_s += 1.0
        fetches = asked(fetching, now_s)
        assert len(fetches) <= WINDOW
        for fetch in data.draw(st.permutations(fetches)):
            fetching.take(answer(SMALL, fetch), now_s=now_s)
        assert now_s < 100.0

    assert finished.path.read_bytes() == SMALL


@settings(max_examples=60)
@given(
    hostile=st.lists(
        st.builds(
            BlobPiece,
            node=st.just(NODE),
            sm3=st.sampled_from([sm3(SMALL), sm3(BLOB), b"?" * 32]),
            offset=st.integers(0, 4000),
            total=st.sampled_from([len(SMALL), len(SMALL) - 1, 2**62]),
            data=st.binary(min_size=1, max_size=2000),
        ),
        max_size=12,
    )
)
def test_hostile_pieces_only_delay(hostile: list[BlobPiece], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wrong bytes, offsets and totals never come out and never keep the right blob from coming."""
    folder = tmp_path_factory.mktemp("parts")
    fetching = fetcher(folder)
    fetching.want({sm3(SMALL): len(SMALL)})

    for each in hostile:
        if each.offset + len(each.data) <= each.total:  # what the wire lets through
            fetching.take(each, now_s=1.0)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= len(SMALL)
    now_s = 1.0
    while (finished := fetching.next_finished()) is None:
        now_s = max(now_s, min(fetching.wake_s(), now_s + 100.0)) + 0.01
        for fetch in asked(fetching, now_s):
            fetching.take(answer(SMALL, fetch), now_s=now_s)
        assert now_s < 1000.0

    assert finished.path.read_bytes() == SMALL


def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """What is on disk is not asked for again."""
    before = fetcher(tmp_path)
    before.want({sm3(BLOB): len(BLOB)})
    for offset in (0, PIECE_BYTES_MAX, 3 * PIECE_BYTES_MAX):  # the third waits in memory for the one before it
        before.take(piece(BLOB, offset), now_s=1.0)

    after = fetcher(tmp_path)
    after.want({sm3(BLOB): len(BLOB)})

    assert asked(after, 1.0)[0].offset == 2 * PIECE_BYTES_MAX


def test_a_blob_that_was_whole_is_whole_after_a_restart(tmp_path: Path) -> None:
    """Its file is read and hashed, and nothing is asked for."""
    part(tmp_path, SMALL).write_bytes(SMALL)
    fetching = fetcher(tmp_path)
    fetching.want({sm3(SMALL): len(SMALL)})

    assert asked(fetching, 1.0) == []
    assert fetching.next_finished() is not None


@pytest.mark.parametrize("found", [bytes(len(SMALL)), SMALL + b"?", b"symlink", b"folder"])
def test_a_file_that_is_not_right_is_begun_anew(tmp_path: Path, found: bytes) -> None:
    """Zeros after a power cut, too many bytes, a link to another file: thrown away."""
    path = part(tmp_path, SMALL)
    if found == b"symlink":
        (tmp_path / "other").write_bytes(b"other")
        path.symlink_to(tmp_path / "other")
    elif found == b"folder":
        path.mkdir()
    else:
        path.write_bytes(found)
    fetching = fetcher(tmp_path)
    fetching.want({sm3(SMALL): len(SMALL)})

    (fetch,) = asked(fetching, 100.0)
    fetching.take(answer(SMALL, fetch), now_s=100.0)

    assert fetch.offset == 0
    if found == b"folder":  # nobody but an operator can mend this
        assert fetching.next_finished() is None
        assert fetching.wake_s() == 100.0 + blobs.REST_S
    else:
        assert fetching.next_finished() is not None
    if found == b"symlink":
        assert (tmp_path / "other").read_bytes() == b"other"


def test_a_wrong_blob_is_thrown_away_and_asked_for_ever_more_seldom(tmp_path: Path) -> None:
    """Whoever spoils pieces costs one blob an hour in the end, and a spoiled one is never handed out."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(SMALL): len(SMALL)})
    starts, now_s = [], 0.0

    while now_s < 86_400.0:
        for fetch in asked(fetching, now_s):
            starts.append(now_s)
            wrong = BlobPiece(
                node=NODE, sm3=sm3(SMALL), offset=fetch.offset, total=len(SMALL), data=bytes(fetch.length)
            )
            fetching.take(wrong, now_s=now_s)
            fetching.take(answer(SMALL, fetch), now_s=now_s)  # while it rests nothing is taken
        assert fetching.next_finished() is None
        assert not part(tmp_path, SMALL).exists()
        now_s = fetching.wake_s()

    assert len(starts) < 24 + 7
    assert starts[-1] - starts[-2] == blobs.REST_S_MAX


def test_a_silent_city_is_asked_ever_more_seldom(tmp_path: Path) -> None:
    """A blob nobody sends costs no storm: at most one ask in 15 minutes in the end."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(BLOB): len(BLOB), sm3(SMALL): len(SMALL)})
    count, now_s = 0, 0.0

    while now_s < 86_400.0:
        count += len(asked(fetching, now_s))
        assert fetching.wake_s() > now_s
        now_s = fetching.wake_s()

    assert count < 2 * (86_400 / RETRY_S_MAX + 10)
    fetching.connected()
    assert len(asked(fetching, now_s)) == 2


def test_a_dead_blob_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """One that nobody sends waits for itself."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(BLOB): len(BLOB), sm3(SMALL): len(SMALL)})

    fetches = asked(fetching, 1.0)
    fetching.take(answer(SMALL, fetches[1]), now_s=1.1)

    assert [fetch.sm3 for fetch in fetches] == [sm3(BLOB), sm3(SMALL)]
    finished = fetching.next_finished()
    assert finished is not None
    assert finished.sm3 == sm3(SMALL)


def test_a_slow_link_is_not_asked_twice_for_long(tmp_path: Path) -> None:
    """When an answer takes longer than we wait, it is taken all the same, and we wait longer the next time."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(BLOB): len(BLOB)})
    round_trip_s = 1.6 * TIMEOUT_S
    on_the_way: list[tuple[float, Fetch]] = []
    count, now_s = 0, 0.0

    while fetching.next_finished() is None:
        fetches = asked(fetching, now_s)
        count += len(fetches)
        on_the_way += [(now_s + round_trip_s, fetch) for fetch in fetches]
        now_s = min([fetching.wake_s(), *(at_s for at_s, _ in on_the_way)])
        for at_s, fetch in on_the_way:
            if at_s <= now_s:
                fetching.take(answer(BLOB, fetch), now_s=now_s)
        on_the_way = [each for each in on_the_way if each[0] > now_s]
        assert now_s < 1000.0

    assert count <= 6 + 3


def test_a_lost_piece_shrinks_the_window_and_a_late_answer_opens_nothing(tmp_path: Path) -> None:
    """Clean answers widen it; what is late is asked for one by one, and an answer to either asking measures nothing."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(BLOB): len(BLOB)})
    (first,) = asked(fetching, 1.0)
    fetching.take(answer(BLOB, first), now_s=1.1)
    lost = asked(fetching, 2.0)
    assert [fetch.offset for fetch in lost] == [PIECE_BYTES_MAX, 2 * PIECE_BYTES_MAX]

    now_s = fetching.wake_s()
    (again,) = asked(fetching, now_s)
    assert again == lost[0]
    fetching.take(answer(BLOB, again), now_s=now_s + 0.1)
    (following,) = asked(fetching, now_s + 0.2)

    assert following == lost[1]
    assert fetching.wake_s() == now_s + 0.2 + 2 * TIMEOUT_S


def test_a_piece_that_comes_while_we_wait_ends_the_waiting(tmp_path: Path) -> None:
    """Asking goes on at once, and patience begins anew."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(BLOB): len(BLOB)})
    asked(fetching, 1.0)
    (fetch,) = asked(fetching, fetching.wake_s())
    now_s = fetching.wake_s()
    assert asked(fetching, now_s) == []
    assert fetching.wake_s() > now_s

    fetching.take(answer(BLOB, fetch), now_s=now_s)

    assert [each.offset for each in asked(fetching, now_s)] == [PIECE_BYTES_MAX]


def test_what_came_otherwise_is_not_waited_for(tmp_path: Path) -> None:
    """Pieces cut elsewhere than asked for answer the ask all the same."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(SMALL): len(SMALL), sm3(BLOB): len(BLOB)})
    asked(fetching, 1.0)
    fetching.take(piece(BLOB, 0, length=10), now_s=1.0)
    asked(fetching, 1.0)
    for offset in (5, PIECE_BYTES_MAX):
        fetching.take(piece(BLOB, offset), now_s=1.0)

    (_, held) = fetching._parts.values()
    assert held.size == 2 * PIECE_BYTES_MAX
    assert [asked.end > held.size for asked in held.asked.values()] == [True]


def test_at_most_a_window_is_on_the_way(tmp_path: Path) -> None:
    """Many blobs at once share it; who waits for room is told no time before an answer is late."""
    many = [random.Random(number).randbytes(100) for number in range(WINDOW + 2)]
    fetching = fetcher(tmp_path)
    fetching.want({sm3(blob): len(blob) for blob in many})

    assert len(asked(fetching, 1.0)) == WINDOW
    assert fetching.wake_s() == 1.0 + TIMEOUT_S


def test_a_hole_is_asked_for_and_no_more(tmp_path: Path) -> None:
    """Between what is there and what came early only the missing bytes are asked for."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(SMALL): len(SMALL)})
    fetching.take(piece(SMALL, 500, length=100), now_s=1.0)
    fetching.take(piece(SMALL, 550, length=200), now_s=1.0)
    fetching.take(piece(SMALL, 500, length=10), now_s=1.0)  # a shorter double of the first

    (fetch,) = asked(fetching, 1.0)
    assert (fetch.offset, fetch.length) == (0, 500)
    fetching.take(answer(SMALL, fetch), now_s=1.0)
    fetching.take(answer(SMALL, fetch), now_s=1.0)

    assert asked(fetching, 1.0)[0].offset == 750


def test_what_comes_too_early_does_not_grow_without_end(tmp_path: Path) -> None:
    """A few pieces wait, none beyond the window, and no more than that are held."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(BLOB): len(BLOB)})
    for offset in (*range(1, 50), 5 * PIECE_BYTES_MAX):
        fetching.take(piece(BLOB, offset, length=1), now_s=1.0)

    (held,) = fetching._parts.values()
    assert len(held.ahead) == WINDOW


def test_there_is_no_more_than_the_room(tmp_path: Path) -> None:
    """What does not fit is refused by name; when the order changes, the more urgent stays."""
    fetching = fetcher(tmp_path, bytes_max=len(BLOB))
    big, small = sm3(BLOB), sm3(SMALL)

    assert fetching.want({small: len(SMALL), big: len(BLOB)}) == {big}
    fetching.take(piece(SMALL, 0, length=100), now_s=1.0)
    assert fetching.want({big: len(BLOB), small: len(SMALL)}) == {small}
    assert not part(tmp_path, SMALL).exists()
    assert fetching.want({number.to_bytes(32, "big"): 1 for number in range(blobs.PARTS_MAX + 1)}) == {
        blobs.PARTS_MAX.to_bytes(32, "big")
    }


def test_another_length_begins_anew(tmp_path: Path) -> None:
    """The signed document that counts now says how long the blob is."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(SMALL): len(SMALL) + 1})
    fetching.take(piece(SMALL, 0, length=100, total=len(SMALL) + 1), now_s=1.0)
    fetching.want({sm3(SMALL): len(SMALL)})

    assert asked(fetching, 1.0)[0].offset == 0


def test_files_of_a_former_run_go_when_room_is_needed(tmp_path: Path) -> None:
    """They stay for a want that comes later, unless they take the room or are too many; other files always stay."""
    old = part(tmp_path, BLOB)
    old.write_bytes(BLOB[:1000])
    (tmp_path / "notes.txt").write_bytes(b"mine")
    fetcher(tmp_path).want({sm3(SMALL): len(SMALL)})
    assert old.exists()

    fetcher(tmp_path, bytes_max=len(SMALL) + 999).want({sm3(SMALL): len(SMALL)})
    assert not old.exists()

    for number in range(blobs.STALE_MAX + 1):
        part(tmp_path, bytes([number])).write_bytes(b"")
    fetcher(tmp_path).want({})
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_blob_needs_no_piece(tmp_path: Path) -> None:
    """A roster of nobody is whole at once; an empty one under a wrong name never is."""
    fetching = fetcher(tmp_path)
    fetching.want({b"?" * 32: 0, sm3(b""): 0})

    assert asked(fetching, 1e6) == []
    assert fetching.wake_s() == math.inf
    finished = fetching.next_finished()
    assert finished is not None
    assert finished.sm3 == sm3(b"")
    assert finished.path.read_bytes() == b""

    (tmp_path / "in the way").write_bytes(b"")
    fetching = fetcher(tmp_path / "in the way")
    fetching.want({sm3(b""): 0})
    assert fetching.next_finished() is None


def test_a_disk_that_fails_only_delays(tmp_path: Path) -> None:
    """The piece is asked for again later."""
    folder = tmp_path / "parts"
    folder.write_bytes(b"in the way")
    fetching = fetcher(folder)
    fetching.want({sm3(SMALL): len(SMALL)})
    (fetch,) = asked(fetching, 1.0)
    fetching.take(answer(SMALL, fetch), now_s=1.0)

    assert asked(fetching, 2.0) == []
    assert fetching.wake_s() == 1.0 + blobs.REST_S
    folder.unlink()
    (fetch,) = asked(fetching, 61.0)
    fetching.take(answer(SMALL, fetch), now_s=61.0)
    assert fetching.next_finished() is not None


def test_a_file_that_cannot_be_read_back_is_not_finished(tmp_path: Path) -> None:
    """What was written and is gone counts as wrong."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(SMALL): len(SMALL)})
    fetching.take(piece(SMALL, 0, length=1000), now_s=1.0)
    part(tmp_path, SMALL).unlink()
    fetching.take(piece(SMALL, 1000), now_s=1.0)

    assert fetching.next_finished() is None
    assert asked(fetching, 1.0) == []


def test_pieces_of_other_blobs_change_nothing(tmp_path: Path) -> None:
    """Of one nobody wants, of one that is whole, of another length."""
    fetching = fetcher(tmp_path)
    fetching.want({sm3(SMALL): len(SMALL)})

    assert not fetching.fits(piece(BLOB, 0))
    assert not fetching.fits(piece(SMALL, 0, total=len(SMALL) + 1))
    fetching.take(piece(BLOB, 0), now_s=1.0)
    fetching.take(piece(SMALL, 0, total=len(SMALL) + 1), now_s=1.0)
    assert list(tmp_path.iterdir()) == []
    fetching.take(piece(SMALL, 0), now_s=1.0)
    assert not fetching.fits(piece(SMALL, 0))
