"""Where a reader stands: a place in one line of revisions."""

from typing import NamedTuple, Self


class Cursor(NamedTuple):
    """`<epoch>-<revision>`: opaque to clients, the same on WebSocket, SSE, REST and long-poll."""

    epoch: str
    """Random id of one line of revisions. Another epoch means: forget what you know."""

    revision: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.revision}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The cursor that `text` spells; None if it is none of ours, which a reader is never blamed for."""
        epoch, _, revision = text.rpartition("-")
        if not epoch or len(revision) > 18 or not (revision.isascii() and revision.isdecimal()):
            return None
        return cls(epoch, int(revision))
