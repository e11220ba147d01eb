import time

import pytest

from realtime.errors import RequestError
from realtime.state.view import TOPICS, View


def test_no_words_mean_everything() -> None:
    """A view of nothing named shows every topic and every node."""
    view = View.of()

    assert view == View(TOPICS, ())
    assert view.shows("nodes", "anything")


def test_a_view_is_canonical() -> None:
    """Order and repetition make no other view."""
    assert View.of(["queues", "nodes", "nodes"], ["b*", "a*", "b*"]) == View.of(
        ["nodes", "queues"], ["a*", "b*"]
    )


def test_globs_that_filter_nothing_are_dropped() -> None:
    """A star, and globs where no nodes are shown, make the same view as none."""
    assert View.of(["nodes"], ["*", "a*"]) == View(("nodes",))
    assert View.of(["queues"], ["a*"]) == View(("queues",))


def test_globs_match_whole_names_of_nodes_only() -> None:
    """A glob must match a node's whole name, case and all, and touches no other topic."""
    view = View.of([], ["hopper-0?", "gn-[12]*"])

    assert [
        name
        for name in ("hopper-01", "hopper-011", "Hopper-01", "gn-2x", "gn-3")
        if view.shows("nodes", name)
    ] == [
        "hopper-01",
        "gn-2x",
    ]
    assert view.shows("queues", "gn-3")


@pytest.mark.parametrize(
    ("topics", "globs", "code"),
    [
        (["jobs"], [], "unknown_topic"),
        ([], [""], "bad_glob"),
        ([], ["x" * 129], "bad_glob"),
        ([], ["a\nb"], "bad_glob"),
        ([], [f"n{i}" for i in range(33)], "bad_glob"),
    ],
)
def test_what_cannot_be_shown_is_refused(topics: list[str], globs: list[str], code: str) -> None:
    """Unknown topics and impossible globs are the reader's error, which names what is allowed."""
    with pytest.raises(RequestError) as refusal:
        View.of(topics, globs)

    assert refusal.value.code == code


def test_a_glob_of_many_stars_is_matched_in_linear_time() -> None:
    """No glob makes matching explode: sixty stars against a long name cost no more than fifty times one star."""

    def cost(glob: str) -> float:
        view = View.of(["nodes"], [glob])
        view.shows("nodes", "a")
        start = time.perf_counter()
        for _ in range(50):
            view.shows("nodes", "a" * 200)
        return time.perf_counter() - start

    assert cost("*a" * 60 + "b") < 50 * max(cost("*b"), 1e-4)
