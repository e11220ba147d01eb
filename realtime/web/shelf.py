"""Prepared REST bodies, each encoded once and sent to everyone who asks while its cursor holds."""

from typing import Final, NamedTuple

from aiohttp import web

from realtime.state.cursor import Cursor

MAX_BYTES: Final = 32 * 2**20
"""Twenty times all nodes of a cluster of 5,000. What is more than that are filters that nobody repeats."""

OVERHEAD_BYTES: Final = 1_000
"""Of the tuple, the strings and the headers behind one body."""

Key = tuple[str, str]
"""Cluster, and path with query as they were sent."""


class Prepared(NamedTuple):
    """A body, the cursor that it is true at (as a tag too), and the headers that go with it."""

    cursor: Cursor
    etag: str
    body: bytes
    headers: dict[str, str]


class Shelf:
    """Bodies by key; emptied when they would be more than `MAX_BYTES`."""

    def __init__(self) -> None:
        self._bodies: dict[Key, Prepared] = {}
        self.size = 0
        """Bytes of bodies kept."""

    def get(self, key: Key) -> Prepared | None:
        """The body under this key, whatever its cursor."""
        return self._bodies.get(key)

    def put(self, key: Key, prepared: Prepared) -> None:
        """Keep a body in place of the one before."""
        before = self._bodies.pop(key, None)
        self.size -= _weight(key, before) if before else 0
        if self.size + _weight(key, prepared) > MAX_BYTES:
            self._bodies.clear()
            self.size = 0
        self._bodies[key] = prepared
        self.size += _weight(key, prepared)


def _weight(key: Key, prepared: Prepared) -> int:
    """Bytes that it costs to keep a body: its own, its path's, and the objects around them."""
    return len(prepared.body) + len(key[1]) + OVERHEAD_BYTES


SHELF: Final = web.AppKey("shelf", Shelf)
