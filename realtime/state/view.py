"""Which slice of the state a subscriber asked for."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache
from typing import Self

from realtime.errors import RequestError

TOPICS = ("summary", "nodes", "queues", "users", "trend", "source", "events")
"""Every topic, in the order in which a view lists them."""


@dataclass(frozen=True, slots=True)
class View:
    """Some topics and, of the nodes, those that match a glob. Canonical: two views that show the same by construction are equal."""

    topics: tuple[str, ...] = TOPICS
    nodes: tuple[str, ...] = ()
    """Globs as of a shell (`*`, `?`, `[…]`), of which one must match the node's whole name; none: every node."""
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        # Kept here, since a publication asks thousands of views, more than any cache of patterns would hold.
        if self.nodes:
            object.__setattr__(self, "_pattern", _pattern(self.nodes))

    @classmethod
    def of(
        cls,
        topics: Iterable[str] = (),
        nodes: Iterable[str] = (),
        *,
        max_globs: int = 32,
        max_glob_length: int = 128,
    ) -> Self:
        """Make a reader's words canonical; no topics means all of them.

        Raises RequestError: unknown topic, too many globs, or a glob that no node's name could match.
        """
        wanted = set(topics)
        if unknown := wanted.difference(TOPICS):
            raise RequestError(
                "unknown_topic", f"unknown topic {min(unknown)[:64]!r}; allowed: {', '.join(TOPICS)}"
            )
        globs = tuple(sorted(set(nodes)))
        if len(globs) > max_globs:
            raise RequestError("bad_glob", f"nodes: {len(globs)} globs; allowed: at most {max_globs}")
        for glob in globs:
            if not glob or len(glob) > max_glob_length or not glob.isprintable():
                raise RequestError(
                    "bad_glob",
                    f"nodes: a glob has 1 to {max_glob_length} printable characters, such as hopper-0*",
                )
        chosen = tuple(topic for topic in TOPICS if not wanted or topic in wanted)
        if "nodes" not in chosen or "*" in globs:
            globs = ()
        return cls(chosen, globs)

    def shows(self, topic: str, key: str) -> bool:
        """Whether an entity of one of this view's topics is part of it."""
        return topic != "nodes" or self._pattern is None or self._pattern.match(key) is not None


def matches(globs: Collection[str], name: str) -> bool:
    """Whether one of the globs matches the whole name, case and all."""
    return _pattern(tuple(globs)).match(name) is not None


@lru_cache(maxsize=1024)
def _pattern(globs: tuple[str, ...]) -> re.Pattern[str]:
    # fnmatch's patterns use atomic groups, so a glob of many stars cannot make a name's match explode.
    return re.compile("|".join(translate(glob) for glob in globs))
