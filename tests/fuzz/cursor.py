"""Any text is a cursor or is none, and a reader with any text has one answer: what a cursor spells is that cursor, and whoever shows anything
else gets a snapshot, never an error and never a diff.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson
from hypothesis import strategies as st

from realtime.state.cursor import Cursor
from realtime.state.store import Store
from realtime.state.view import View
from realtime.stream.edition import Edition
from realtime.web.asked import cursor_of
from tests.client import merge
from tests.fuzz.target import Take, Target

EPOCH: Final = "k3f9"
TOPICS: Final = ("nodes",)
LARGE: Final = {"large": {"text": "x" * 200}}
"""So that no diff is larger than a snapshot."""

PAST: Final[tuple[dict[str, dict[str, Any]], ...]] = (
    {},
    LARGE | {"a": {"x": 1}, "b": {"x": 1, "y": 2}},
    LARGE | {"a": {"x": 2}},
    LARGE | {"a": {"x": 2}, "c": {}},
    LARGE | {"c": {}},
)
"""What the store held at each revision; the removal of `b` is forgotten when `a` goes."""

REMEMBERED: Final = 2
"""The oldest of these from which there is a diff."""


def edition() -> Edition:
    store = Store(EPOCH, TOPICS, tombstones=1)
    for at, nodes in enumerate(PAST[1:], 1):
        store.commit({"nodes": nodes}, at)
    return Edition("hopper", store, View(TOPICS))


@contextmanager
def ready() -> Iterator[Take]:
    now = edition()

    def take(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        spelled = {str(Cursor(EPOCH, revision)): revision for revision in range(len(PAST))}
        # Zeroes before a number do not make it another.
        head, _, digits = text.rpartition("-")
        known = spelled.get(f"{head}-{digits.lstrip('0') or '0'}" if digits and len(digits) <= 18 else text)

        cursor = cursor_of(text)
        message = now.since(cursor)

        assert (cursor is None) == (text == "")
        if known == len(PAST) - 1:
            assert message is None
            return
        assert message is not None
        told = orjson.loads(message.json)
        assert told["cursor"] == str(Cursor(EPOCH, len(PAST) - 1))
        if told["type"] == "snapshot":
            assert told["state"] == {"nodes": PAST[-1]}
            assert told["reason"] == ("new" if text == "" else "epoch" if known is None else "horizon")
            assert known is None or known < REMEMBERED
            return
        assert known is not None
        assert told["from"] == str(Cursor(EPOCH, known))
        assert merge({"nodes": PAST[known]}, told["patch"]) == {"nodes": PAST[-1]}

    yield take


made: Final = st.builds(
    lambda *parts: "".join(parts).encode("utf-8", "surrogateescape"),
    st.sampled_from([EPOCH, EPOCH, "", "k3f", "K3F9", "\udcff"]),
    st.sampled_from(["-", "-", "", "--"]),
    st.sampled_from(["", "0", "00", "+", "_", "-", " "]),
    st.sampled_from(
        ["1", "2", "3", "4", "5", "\u0662", "\u00b2", "9" * 18, "9" * 19, "x", "1.0", "1_0", "\n"]
    ),
)

TARGET = Target(
    ready,
    tuple(str(Cursor(EPOCH, revision)).encode() for revision in range(7)),
    (*"k3f9 - 0 1 2 3 4 9 +1 _ \u0663 \u00b2".encode().split(), b" ", b"\n", b"\xff", b"9" * 18),
    made,
    examples=600,
)
