"""What a request asks for, read from its query: cluster, view, cursor, numbers. Bad input is a RequestError that names the parameter."""

from collections.abc import Iterable, Sequence
from typing import Final

from aiohttp import web
from multidict import MultiMapping

from realtime.config import Settings
from realtime.errors import RequestError
from realtime.state.cursor import Cursor
from realtime.state.view import TOPICS, View
from realtime.stream.hub import Hub
from realtime.web.site import SITE

LONGEST_NAME: Final = 64
"""Characters in a screen's name: a room and its place, on one line of a list."""


def hub_of(request: web.Request) -> Hub:
    """`cluster=`; the first if none is named."""
    return request.app[SITE].hub(request.query.get("cluster"))


def known_hub_of(request: web.Request) -> Hub:
    """As `hub_of`, for what can only be answered with data. Raises RequestError (503) before the first poll."""
    hub = hub_of(request)
    if not hub.known:
        problem = hub.freshness.problem
        raise RequestError(
            "no_data_yet",
            f"no data of cluster {hub.name} yet" + (f": {problem}" if problem else ""),
            status=503,
        )
    return hub


def view_of(query: MultiMapping[str], settings: Settings, seen: Sequence[str] = TOPICS) -> View:
    """`topics=` and `nodes=`: comma-separated, or repeated."""
    return make_view(items(query, "topics"), items(query, "nodes"), settings, seen)


def make_view(
    topics: Iterable[str], nodes: Iterable[str], settings: Settings, seen: Sequence[str] = TOPICS
) -> View:
    """A view within this server's limits, of the topics that the caller may see; RequestError (403) if it names another."""
    wanted = set(topics)
    if hidden := wanted.intersection(TOPICS).difference(seen):
        raise RequestError(
            "forbidden_topic",
            f"topic {min(hidden)} is not for this token; allowed: {', '.join(seen)}",
            status=403,
        )
    return View.of(
        wanted or seen, nodes, max_globs=settings.max_globs, max_glob_length=settings.max_glob_length
    )


def cursor_of(text: str | None) -> Cursor | None:
    """A cursor, be it one that was never ours: that reader gets a snapshot, never an error."""
    if not text:
        return None
    return Cursor.parse(text) or Cursor("", 0)


def integer(query: MultiMapping[str], name: str, *, least: int, most: int) -> int | None:
    """A whole number within limits; None if it is not given."""
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise RequestError(
            "bad_parameter", f"{name} must be a whole number from {least} to {most}, not {text[:64]!r}"
        )
    return int(text)


def screen_of(query: MultiMapping[str]) -> str | None:
    """`screen=`, what a reader calls itself; None if it does not."""
    name = query.get("screen")
    if name is not None and not (name.strip() and name.isprintable() and len(name) <= LONGEST_NAME):
        raise RequestError("bad_parameter", f"screen must be 1 to {LONGEST_NAME} printable characters")
    return name


def items(query: MultiMapping[str], name: str) -> list[str]:
    """A parameter's values, comma-separated or repeated."""
    return [item for text in query.getall(name, []) for item in text.split(",") if item]
