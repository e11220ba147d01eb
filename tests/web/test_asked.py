"""What a request asks for, read from its query."""

import pytest
from multidict import MultiDict
from yarl import URL

from realtime.config import Settings
from realtime.errors import RequestError
from realtime.state.cursor import Cursor
from realtime.state.view import TOPICS, View
from realtime.web.asked import cursor_of, integer, items, make_view, screen_of, view_of

SETTINGS = Settings(max_globs=2, max_glob_length=8)


@pytest.mark.parametrize(
    ("query", "view"),
    [
        ("", View(TOPICS)),
        ("topics=", View(TOPICS)),
        ("topics=queues,nodes", View(("nodes", "queues"))),
        ("topics=queues&topics=nodes", View(("nodes", "queues"))),
        ("topics=nodes&nodes=b*,a*", View(("nodes",), ("a*", "b*"))),
        ("nodes=a*&nodes=a*", View(TOPICS, ("a*",))),
        ("nodes=,,", View(TOPICS)),
        ("topics=queues&nodes=a*", View(("queues",))),
    ],
)
def test_a_view_is_read_from_the_query(query: str, view: View) -> None:
    """Topics and globs are separated by commas or repeated; empty ones are none."""
    assert view_of(URL(f"/?{query}").query, SETTINGS) == view


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("topics=jobs", "unknown_topic"),
        ("topics=nodes,Nodes", "unknown_topic"),
        ("nodes=a,b,c", "bad_glob"),
        ("nodes=123456789", "bad_glob"),
    ],
)
def test_a_view_beyond_the_limits_is_refused(query: str, code: str) -> None:
    """An unknown topic, and globs beyond this server's settings, are the reader's error."""
    with pytest.raises(RequestError) as refusal:
        view_of(URL(f"/?{query}").query, SETTINGS)

    assert (refusal.value.code, refusal.value.status) == (code, 400)


def test_a_view_of_a_command_is_that_of_a_query() -> None:
    """The same words make the same view, however they arrive."""
    assert make_view(["nodes"], ["a*"], SETTINGS) == view_of(URL("/?topics=nodes&nodes=a*").query, SETTINGS)


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        (None, None),
        ("", None),
        ("ep-7", Cursor("ep", 7)),
        ("garbage", Cursor("", 0)),
        ("ep--1", Cursor("ep-", 1)),
        ("ep-9" + "9" * 30, Cursor("", 0)),
        ("\r\nX: y", Cursor("", 0)),
    ],
)
def test_a_cursor_is_never_refused(text: str | None, cursor: Cursor | None) -> None:
    """No cursor is None; one that was never ours is one of an epoch that no store has."""
    assert cursor_of(text) == cursor


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("60", 60), ("007", 7)])
def test_whole_numbers_within_limits_are_read(text: str, number: int) -> None:
    """Both ends of the limits are allowed."""
    assert integer(MultiDict(wait=text), "wait", least=0, most=60) == number


def test_a_number_that_is_not_given_is_none() -> None:
    """Absent is not zero."""
    assert integer(MultiDict(), "wait", least=1, most=60) is None


@pytest.mark.parametrize(
    "text", ["", "-1", "61", "1.0", "1e1", " 1", "+1", "٣", "²", "1_0", "0x1", "9" * 5000, "NaN"]
)
def test_other_numbers_are_refused(text: str) -> None:
    """What is no whole number in decimal ASCII digits within the limits is refused, with the name and the limits, in few words."""
    with pytest.raises(RequestError) as refusal:
        integer(MultiDict(wait=text), "wait", least=0, most=60)

    assert refusal.value.code == "bad_parameter"
    assert refusal.value.detail.startswith("wait must be a whole number from 0 to 60, not ")
    assert len(refusal.value.detail) < 120


def test_items_are_separated_or_repeated() -> None:
    """Commas and repetition mean the same; empty items are none."""
    assert items(URL("/?a=1,2&b=9&a=,3,").query, "a") == ["1", "2", "3"]
    assert items(URL("/?b=9").query, "a") == []


@pytest.mark.parametrize(
    ("query", "name"),
    [("", None), ("screen=lobby", "lobby"), ("screen=hall%203", "hall 3"), ("screen=大堂", "大堂")],
)
def test_a_screen_may_name_itself(query: str, name: str | None) -> None:
    """Any printable text names a screen; who gives none has no name."""
    assert screen_of(URL(f"/?{query}").query) == name


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\u202e", "x" * 65])
def test_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    """A name that is empty, blank, unprintable or too long is the reader's error, which says what a name is."""
    with pytest.raises(RequestError, match="screen must be 1 to 64 printable characters"):
        screen_of(MultiDict(screen=name))
