"""Numbering by offsets: what a new epoch does to seqs."""

from hypothesis import given
from hypothesis import strategies as st

from sync.runs import Run, Runs, first_epoch, renumber


def numbering(runs: Runs, *, next_n: int) -> list[int]:
    """The n of seq 1, 2, 3 ..."""
    found = []
    seq = 1
    for first_seq, (first, last) in runs.spans(after_seq=0, next_n=next_n):
        assert first_seq == seq
        found += range(first, last + 1)
        seq += last - first + 1
    return found


def test_in_the_first_epoch_seq_is_n() -> None:
    """Nothing is renumbered before the second epoch."""
    runs = first_epoch()

    assert runs.next_seq(next_n=8) == 8
    assert runs.n_of(3) == 3
    assert runs.find_seq(7, next_n=8) == 7
    assert runs.find_seq(8, next_n=8) is None


def test_unsettled_records_follow_the_audit() -> None:
    """Seq 1 is the audit, then the unsettled in old order, then whatever comes."""
    runs = renumber(first_epoch(), acked=3, held_n=1, audit_n=6, with_settled=False, left_out=())

    assert numbering(runs, next_n=8) == [6, 4, 5, 7]
    assert runs.find_seq(2, next_n=8) is None
    assert runs.n_of(5) == 8


def test_neighbours_stay_one_run() -> None:
    """A million waiting records are one offset, not a million rows."""
    runs = renumber(first_epoch(), acked=0, held_n=1, audit_n=1_000_001, with_settled=True, left_out=())

    assert len(runs.runs) == 3


def test_nothing_waiting_leaves_only_the_audit() -> None:
    """An epoch may begin with everything settled."""
    runs = renumber(first_epoch(), acked=5, held_n=1, audit_n=6, with_settled=False, left_out=())

    assert numbering(runs, next_n=8) == [6, 7]


def test_the_highest_seq_below_a_record() -> None:
    """Pruning by n asks up to which seq nothing is needed any more."""
    runs = Runs(
        runs=(
            Run(first_seq=1, first_n=6, count=1),
            Run(first_seq=2, first_n=4, count=2),
            Run(first_seq=4, first_n=7),
        )
    )

    assert runs.highest_seq_below(4, next_n=9) == 0
    assert runs.highest_seq_below(5, next_n=9) == 2
    assert runs.highest_seq_below(7, next_n=9) == 3
    assert runs.highest_seq_below(9, next_n=9) == 5


@given(st.data())
def test_epochs_upon_epochs_lose_nothing_and_repeat_nothing(data: st.DataObject) -> None:
    """After any epochs: the audit first, every unsettled record once, in old order, without the damaged ones."""
    runs, next_n, damaged = first_epoch(), 1, set[int]()
    for _ in range(data.draw(st.integers(1, 4))):
        next_n += data.draw(st.integers(0, 6))
        before = numbering(runs, next_n=next_n)
        acked = data.draw(st.integers(0, len(before)))
        held_n = data.draw(st.integers(1, min([next_n, *before[acked:]])))
        with_settled = data.draw(st.booleans())
        damaged |= data.draw(st.sets(st.integers(1, next_n), max_size=3)) - {next_n}

        runs = renumber(
            runs, acked=acked, held_n=held_n, audit_n=next_n, with_settled=with_settled, left_out=sorted(damaged)
        )
        next_n += 1

        after = numbering(runs, next_n=next_n)
        sound = [n for n in before[acked:] if n not in damaged]
        assert after[0] == next_n - 1
        assert after[len(after) - len(sound) :] == sound
        assert len(set(after)) == len(after)
        expected = {*sound, next_n - 1}
        if with_settled:
            expected |= set(range(held_n, next_n - 1)) - damaged
        assert set(after) == expected
        assert all(runs.find_seq(n, next_n=next_n) == seq for seq, n in enumerate(after, start=1))
        assert all(runs.n_of(seq) == n for seq, n in enumerate(after, start=1))
