"""A server's life as one reader hears it: what is said, and what is then held and done (see `stories.py`)."""

from collections import deque
from typing import Any, Final, NamedTuple, Self

import orjson

from realtime.config import Settings
from realtime.state.cursor import Cursor
from realtime.state.freshness import Freshness
from realtime.state.store import Store
from realtime.state.view import TOPICS, View
from realtime.stream import messages
from realtime.stream.hub import Hub
from realtime.stream.subscriber import Subscriber
from tests.fakes import FakeClock, FakeOutlet

POLL_SECONDS: Final = 5

Told = dict[str, Any]
Entities = dict[str, dict[str, Any]]


class Said(NamedTuple):
    """A message on its way, and what is true when it is said."""

    message: Told
    truth: Told


class Story:
    """A server's life, and one reader's part in it."""

    def __init__(self, name: str, *topics: str, nodes: tuple[str, ...] = (), tombstones: int = 100) -> None:
        self.name = name
        self.steps: list[Told] = []
        self._view = View(topics or ("summary", "nodes"), nodes)
        self._tombstones = tombstones
        self._clock = FakeClock()
        self._held: Told = {}
        self._way: deque[Said] = deque()
        self._last: Said | None = None
        self._reader: Subscriber | None = None
        self._begin("k3f9")

    def _begin(self, epoch: str) -> None:
        store = Store(epoch, TOPICS, tombstones=self._tombstones)
        settings = Settings.model_construct()
        self._hub = Hub("hopper", store, settings, now_ms=self._clock.now_ms, clock=self._clock)
        self._now: dict[str, Entities] = {topic: {} for topic in TOPICS}

    # -- the server

    def restarts(self) -> Self:
        """Another epoch, in which nothing is known yet."""
        self._leave()
        self._begin("q7xw")
        return self

    def publishes(self, **topics: Entities) -> Self:
        """Make these topics so, whole, as a poll does; the reader, if it is connected, is told."""
        self._clock.seconds += POLL_SECONDS
        self._now |= topics
        self._hub.freshen(Freshness(self._clock.now_ms() - 4_100))
        self._hub.publish(self._now, self._clock.now_ms())
        # As where somebody hears each publication.
        assert self._hub.edition(self._view).revision
        if self._reader is not None:
            self._reader.catch_up(self._clock())
        return self._say()

    def beats(self, **freshness: Any) -> Self:
        """A heartbeat, of data that is so fresh."""
        assert self._reader is not None
        if freshness:
            self._hub.freshen(Freshness(**freshness))
        self._reader.beat(self._clock(), self._clock.now_ms(), self._hub.quality, self._hub.data_age_ms)
        return self._say()

    def ages(self, seconds: int) -> Self:
        """No news for so long."""
        self._clock.seconds += seconds
        return self

    @property
    def sampled_at(self) -> int:
        """When the newest sample was taken."""
        assert self._hub.freshness.sampled_at is not None
        return self._hub.freshness.sampled_at

    def says_goodbye(self, code: int, reason: str) -> Self:
        self._leave()
        bye: Told = orjson.loads(messages.bye(code, reason, 7_340).json)
        self._way.append(Said(bye, {}))
        return self

    def _say(self) -> Self:
        """Send on its way what was said to the reader."""
        if self._reader is not None:
            outlet = self._reader.outlet
            assert isinstance(outlet, FakeOutlet)
            truth = {"state": self._truth(), "cursor": str(self._hub.edition(self._view).cursor)}
            self._way += [Said(message, truth) for message in outlet.heard]
            outlet.messages.clear()
        return self

    def _truth(self) -> Told:
        return {
            topic: {
                key: dict(entity)
                for key, entity in self._hub.store.entities(topic).items()
                if self._view.shows(topic, key)
            }
            for topic in self._view.topics
        }

    # -- the reader

    def connects(self, **more: Any) -> Self:
        """Come, or come back: with the cursor, if there is one. `hello` is the answer, and what was missed; `more` is as of `hears`."""
        self._leave()
        self._way.clear()
        cursor = self._held.get("cursor")
        self.steps.append({"connect": {"since": cursor} if cursor else {}})
        hello = messages.hello(
            server="0.1.0", build="4a8b55221ade", heartbeat_seconds=15, clusters=["hopper"], topics=TOPICS
        )
        self._way.append(Said(orjson.loads(hello.json), {}))
        self._reader = self._hub.subscribe(self._view, Cursor.parse(cursor) if cursor else None, FakeOutlet())
        return self._say().hears(**more)

    def _leave(self) -> None:
        if self._reader is not None:
            self._hub.unsubscribe(self._reader)
            self._reader = None

    def hears(self, **more: Any) -> Self:
        """Hear what is on its way; `more` is what a later server says besides."""
        while self._way:
            self._hear(self._way.popleft(), more)
        return self

    def loses(self) -> Self:
        """The network loses what is on its way."""
        self._way.clear()
        return self

    def hears_again(self) -> Self:
        """The network repeats what was heard last."""
        assert self._last is not None
        self._hear(self._last, {})
        return self

    def hears_of_later(self, message: Told) -> Self:
        """What this server does not say, but a later one may."""
        self.steps.append({"hear": message, "do": "ignore"})
        return self

    def _hear(self, said: Said, more: Told) -> None:
        message = said.message
        held: Told = {}
        match message["type"]:
            case "snapshot":
                do, held = "replace", said.truth
            case "diff" if message["from"] == self._held["cursor"]:
                do, held = "apply", said.truth
            case "diff":
                do = "resume"
            case "heartbeat":
                do, held = "note", {"quality": message["quality"]}
            case "bye":
                do = "leave" if message["code"] >= 4500 else "return"
            case _:
                do = "note"
        changed = {
            name: value
            for name, value in held.items()
            if orjson.dumps(value) != orjson.dumps(self._held.get(name))
        }
        self._held |= held
        self._last = said
        self.steps.append({"hear": message | more, "do": do, **changed})

    def ends(self) -> Told:
        assert not self._way
        return {"name": self.name, "steps": self.steps}
