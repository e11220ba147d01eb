"""What happened, in plain numbers."""

import pytest

from realtime.counts import Door, Durations, Telling


class Stream:
    """A connection to which nine bytes were handed."""

    def handed_over(self) -> int:
        return 9


def test_durations_are_counted_at_the_first_bound_that_holds_them() -> None:
    """A duration counts where it is at most the bound, and beyond all bounds in a place of its own."""
    durations = Durations((0.1, 1.0))
    for seconds in (0.0, 0.1, 0.5, 2.0):
        durations.note(seconds)

    assert durations.counts == [2, 1, 1]
    assert durations.seconds == 2.6


def test_diffs_are_what_is_left_of_what_was_told() -> None:
    """Diffs are those told in fan-outs and as answers, less the snapshots among them."""
    counts = Telling(brought=100, unmoved=20, passed_over=5)
    counts.answers.update(diff=3, new=7, current=9, later=2)
    counts.snapshots.update(new=7, horizon=1)

    assert counts.diffs == 100 - 20 - 5 + 3 - 1


@pytest.mark.parametrize(
    ("ours", "theirs", "close"),
    [
        (1012, 1012, ("sse", "server", "1012")),
        (4501, None, ("sse", "server", "4501")),
        (0, 1000, ("sse", "reader", "1000")),
        (0, 4711, ("sse", "reader", "other")),
        (0, None, ("sse", "reader", "none")),
    ],
)
def test_a_close_is_counted_by_who_ended_it(
    ours: int, theirs: int | None, close: tuple[str, str, str]
) -> None:
    """A stream's end is counted under our code if we ended it, else the reader's, of whose own inventions no label is made."""
    door, stream = Door(), Stream()
    door.enter("sse", stream)
    door.leave(stream, ours=ours, theirs=theirs)

    assert door.closes == {close: 1}
    assert (door.connects["sse"], door.handed_over["sse"], door.open) == (1, 9, {})
