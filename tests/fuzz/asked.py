"""Any query asks for something, or is refused by a RequestError in few words that any JSON can hold; what it asks for does not depend on the
order of its words; and no glob, however made, holds up the server.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote

import orjson
from hypothesis import strategies as st
from multidict import MultiDict
from yarl import URL

from realtime.config import Settings
from realtime.errors import RequestError
from realtime.state.view import TOPICS, View, matches
from realtime.web.asked import cursor_of, integer, items, screen_of, view_of
from tests.fuzz.target import Take, Target

SETTINGS: Final = Settings.model_construct()

LONGEST_DETAIL: Final = 800
"""64 characters of what was said, which as escapes are ten each, and a sentence."""

MOST_SECONDS: Final = 0.5
"""For making the view and matching one long name, on a machine that does other things too. What is not linear takes minutes."""

NAMES: Final = ("a" * 256, "hopper-01", "hopper-" * 30, "")


def view(query: MultiDict[str]) -> View | str:
    """The view that is asked for, or the code of the refusal."""
    try:
        return view_of(query, SETTINGS)
    except RequestError as refusal:
        judge(refusal)
        return refusal.code


def judge(refusal: RequestError) -> None:
    assert refusal.code in ("unknown_topic", "bad_glob", "bad_parameter"), refusal.code
    assert 400 <= refusal.status < 500
    assert len(refusal.detail) < LONGEST_DETAIL
    orjson.dumps(refusal.detail)


def take(data: bytes) -> None:
    query = MultiDict(URL("/?" + data.decode("utf-8", "surrogateescape"), encoded=True).query)
    began = time.perf_counter()
    asked = view(query)
    if isinstance(asked, View):
        globs = items(query, "nodes")
        for name in NAMES:
            shown = asked.shows("nodes", name)
            if asked.nodes:
                assert shown == any(matches([glob], name) for glob in globs), (globs, name)
            else:
                assert shown
        assert asked.topics == tuple(topic for topic in TOPICS if topic in asked.topics)
        assert asked == View.of(asked.topics, asked.nodes)
        assert all(glob.isprintable() and 0 < len(glob) <= SETTINGS.max_glob_length for glob in asked.nodes)
    assert time.perf_counter() - began < MOST_SECONDS
    backwards = MultiDict(reversed([*query.items()]))
    assert view(backwards) == asked
    for name, most in (("limit", 10_000), ("wait", 60)):
        try:
            number = integer(query, name, least=0, most=most)
        except RequestError as refusal:
            judge(refusal)
        else:
            assert number is None or (0 <= number <= most and set(query[name]) <= set("0123456789"))
    try:
        screen = screen_of(query)
    except RequestError as refusal:
        judge(refusal)
    else:
        assert screen is None or (screen.isprintable() and 0 < len(screen) <= 64)
    cursor_of(query.get("since"))


@contextmanager
def ready() -> Iterator[Take]:
    yield take


said: Final = st.one_of(
    st.sampled_from(["hopper", "x" * 65, "x" * 129, " ", "\n", "\x1b", "\u202e", "\udcff", "7"]),
    st.sampled_from(TOPICS),
    st.text("ah*?[]!-^&|~\\\n\u202e", max_size=12),
)
numbers: Final = st.sampled_from(
    ["0", "7", "60", "61", "-1", "+1", "1_0", "\u0663", "\u00b2", "9" * 20, "1.0", " 1", ""]
)
parameters: Final = st.one_of(
    st.tuples(
        st.sampled_from(["topics", "nodes", "nodes", "screen", "since"]),
        st.lists(said, max_size=4).map(",".join),
    ),
    st.tuples(st.sampled_from(["limit", "wait"]), numbers),
)


def query_of(parameters: list[tuple[str, str]]) -> bytes:
    return "&".join(
        f"{name}={quote(value, safe=',', errors='surrogateescape')}" for name, value in parameters
    ).encode()


TARGET = Target(
    ready,
    (
        b"topics=nodes,queues&nodes=hopper-0*,gn-[12]?&since=k3f9-7&screen=lobby",
        b"topics=nodes&topics=summary&nodes=*&limit=5&wait=25&cluster=hopper",
        b"topics=nodes&nodes=" + b"*a" * 60 + b"b," + b"*[a-z]" * 20 + b"," + b"?" * 100,
        b"nodes=[!a],[]],[[a],[a--b],[z-a],[a-z-9],%5B%5D,%E5%A4%A7*",
        b"screen=%E5%A4%A7%E5%A0%82&nodes=%ff*,%ed%a0%80",
    ),
    (
        *b"topics= nodes= screen= limit= wait= since= cluster= & , ; = % + # * ? [ ] ! ^ - && || ~~ -- [[ ( ) 0 -1 hopper-01".split(),
        *b"%00 %0a %2c %ff %ed%a0%80 %f0%9f%98%80 *a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b 99999999999999999999".split(),
        *(topic.encode() for topic in TOPICS),
        b"\\",
    ),
    st.lists(parameters, max_size=5).map(query_of),
    examples=1_500,
)
