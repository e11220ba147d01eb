"""One connected reader of one view.

Law 3: a subscriber has a cursor, not a queue. A slow reader costs one integer, hears *less often*, never *wrong*, and never delays
another.

What it was last told is its cursor. While more than a little waits to be sent to it, it is lagging and is told nothing; once that has
drained it is told, in one message, whatever its cursor has missed. Writing never waits.
"""

from typing import Final, Protocol

from realtime.state.cursor import Cursor
from realtime.state.freshness import Quality
from realtime.stream.edition import Edition
from realtime.stream.messages import Message


class Outlet(Protocol):
    """A connection, as seen from here: bytes go out, or wait, or it is gone. Nothing in it blocks."""

    def send(self, message: Message) -> int:
        """Hand over a message, and return what is unsent then. To a connection that is closing it is nothing."""

    def unsent(self) -> int:
        """Bytes handed over that the kernel has not taken."""

    def taken(self) -> int:
        """A number that grows with what the other side takes, as far as can be told."""

    def owed(self) -> bool:
        """Whether there is anything that it was given and has not taken, as far as can be told."""

    def handed_over(self) -> int:
        """Bytes of messages that it was given."""

    def end(self, message: Message, code: int) -> None:
        """Say a last message and close, politely."""

    def abort(self) -> None:
        """Close at once and drop what is unsent."""


NOTHING: Final = -1
"""The value of `taken` while nothing is outstanding: what is sent next cannot have waited since before that."""


class Subscriber:
    """A view, a cursor, and where to write."""

    __slots__ = (
        "_max_unsent",
        "edition",
        "left",
        "outlet",
        "quality",
        "revision",
        "spoken_at",
        "stuck_since",
        "taken",
        "waiting",
    )

    def __init__(self, edition: Edition, outlet: Outlet, cursor: Cursor | None, *, max_unsent: int) -> None:
        self.edition = edition
        self.outlet = outlet
        self.revision: int | None = None if cursor is None else cursor.revision
        """What the reader was last told; None: nothing yet."""
        self.quality: Quality | None = None
        """What the reader was last told of the data's quality."""
        self.spoken_at = 0.0
        """When anything was last sent, by the hub's clock."""
        self.left = False
        """Whether it has unsubscribed: a fan-out or a sweep under way may still come across it."""
        self.waiting = False
        """Whether bytes waited to be sent when last looked at: only then anyone looks again soon."""
        self.taken = NOTHING
        self.stuck_since = 0.0
        """Since when the other side has taken nothing of what it was sent, as far as anyone has looked."""
        self._max_unsent = max_unsent

    @property
    def lagging(self) -> bool:
        """Whether too much waits to be sent to tell it more."""
        return self.outlet.unsent() > self._max_unsent

    def tell(self, message: Message, now: float) -> None:
        """Send, and remember what the reader then knows."""
        if self.outlet.send(message) and not self.waiting:
            self.watch_drain(now)
        if message.revision is not None:
            self.revision = message.revision
        self.spoken_at = now

    def watch_drain(self, now: float) -> None:
        """Bytes wait to be sent: the sweeper looks after it from now on."""
        self.stuck(now)
        self.waiting = True

    def take_over(self, other: "Subscriber") -> None:
        """Wait for the same bytes as the subscriber that this one replaces: asking anew does not make a stalled connection young."""
        self.waiting, self.taken, self.stuck_since = other.waiting, other.taken, other.stuck_since

    def beat(self, now: float, at: int, quality: Quality, data_age_ms: int | None) -> None:
        """Send a heartbeat: still at this cursor, and the data is this old."""
        self.edition.counts.heartbeats += 1
        self.tell(self.edition.heartbeat(self.revision, at, quality, data_age_ms), now)
        self.quality = quality

    def catch_up(self, now: float) -> None:
        """Tell what was missed, unless it lags."""
        if self.left or (self.waiting and self.outlet.unsent() > self._max_unsent):
            self.edition.counts.passed_over += 1
            return
        message = self.edition.after(self.revision)
        if message is None:
            self.edition.counts.unmoved += 1
            return
        # As `tell`, written out, since every delivery passes here.
        if self.outlet.send(message) and not self.waiting:
            self.watch_drain(now)
        self.revision = message.revision
        self.spoken_at = now

    def stuck(self, now: float) -> float:
        """For how long the other side has taken nothing of what it was sent, as far as anyone has looked; 0 if it took anything or all."""
        outlet = self.outlet
        taken = outlet.taken()
        self.waiting = outlet.unsent() > 0
        if not outlet.owed():
            self.taken, self.stuck_since = NOTHING, now
        elif taken > self.taken:
            self.taken, self.stuck_since = taken, now
        return now - self.stuck_since
