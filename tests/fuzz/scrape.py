"""Whatever a source answers, poll after poll, a poll ends; every message that readers then hear, and every body that REST would give, is one
that is documented; and a reader who applies what it hears holds what is true.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson
from hypothesis import strategies as st

from realtime.config import Settings
from realtime.pbs.assemble import Assembler
from realtime.pbs.names import MEANINGS
from realtime.pbs.trend import Trend
from realtime.source.poller import Poller
from realtime.state.store import Store
from realtime.state.view import TOPICS, View
from realtime.stream.hub import Hub
from realtime.web import shapes
from tests import told
from tests.client import ClientModel
from tests.fakes import FakeClock, FakeOutlet, FakeSource
from tests.fuzz.exposition import BETWEEN, TARGET as EXPOSITION
from tests.fuzz.target import Take, Target, silence

SCRAPE_SECONDS: Final = 60

LABELS: Final = (b"node", b"queue", b"user", b"status", b"state", b"job", b"instance")

SETTINGS: Final = Settings.model_construct()


async def told_of(bodies: list[bytes]) -> None:
    """Let a poller find these bodies, one a minute, and someone listen."""
    clock, source, outlet, model = FakeClock(), FakeSource(), FakeOutlet(), ClientModel()
    store = Store("epoch", TOPICS, tombstones=2)
    hub = Hub("hopper", store, SETTINGS, now_ms=clock.now_ms, clock=clock)
    poller = Poller(
        source,
        Assembler(),
        Trend(5),
        hub.publish,
        hub.freshen,
        now_ms=clock.now_ms,
        interval_seconds=SCRAPE_SECONDS,
        refetch_seconds=SCRAPE_SECONDS,
        torn_scrape_seconds=SCRAPE_SECONDS,
        clock=clock,
        backoff_max_seconds=SCRAPE_SECONDS,
    )
    hub.subscribe(View(), None, outlet)
    for number, body in enumerate(bodies):
        source.newest, source.body = number, body
        await poller.poll()
        await hub.fan_out()
        await hub.sweep()
        clock.seconds += SCRAPE_SECONDS
    for message in outlet.heard:
        told.frame(message)
        model.hear(message)
    if not hub.known:
        assert model.state is None
        return
    assert model.state == orjson.loads(hub.edition(View()).state)
    assert model.cursor == str(store.cursor)
    entities = {topic: store.entities(topic) for topic in TOPICS}
    rest: dict[str, Any] = {
        "/api/jobs": shapes.jobs(entities["summary"], entities["users"], entities["queues"], limit=None),
        "/api/nodes": shapes.nodes(entities["nodes"].values()),
        "/api/queues": shapes.queues(entities["queues"]),
        "/api/stats/cluster": shapes.stats(entities["summary"]),
    }
    for path, content in rest.items():
        told.body("GET", path, 200, "application/json", orjson.dumps(content))


@contextmanager
def ready() -> Iterator[Take]:
    with asyncio.Runner() as runner, silence() as assert_silent:

        def take(data: bytes) -> None:
            runner.run(told_of(data.split(BETWEEN)))
            assert_silent()

        yield take


numbers: Final = st.sampled_from(
    [b"1", b"0", b"2", b"4", b"8", b"64", b"3.5", b"-1", b"0.04", b"1e6", b"1e20", b"1e308", b"9007199254740992", b"NaN", b"-Inf"]
)  # fmt: skip
keys: Final = st.sampled_from(
    [
        b"a",
        b"b",
        b"a b",
        b"vnode",
        b"----",
        b"R",
        b"Hold",
        b"",
        b"\\n",
        b"\xff",
        b"\xe5\xa4\xa7",
        b"\x1b[2J",
        b"__proto__",
    ]
)
ends: Final = st.sampled_from([b"\n", b"\n", b" 1794166412000\n", b" 999999999999999999\n", b" -1\n"])


@st.composite
def a_sample(draw: st.DrawFn) -> bytes:
    """Of a metric that means something."""
    metric = draw(st.sampled_from(sorted(MEANINGS)))
    _, label = MEANINGS[metric]
    labels = [b'%s="%s"' % (label.encode(), draw(keys))] if label else []
    labels += draw(
        st.lists(
            st.sampled_from([b'job="p"', b'job="q"', b'instance="i"', b'state="down,free"', b'state="x"']),
            max_size=1,
        )
    )
    return b"%s{%s} %s%s" % (metric.encode(), b",".join(labels), draw(numbers), draw(ends))


TARGET = Target(
    ready,
    EXPOSITION.seeds,
    (
        BETWEEN, b" 1\n", b" 0\n", b" -1\n", b" 1e308\n", b" 9007199254740992\n", b" 9e15 1794166412000\n", b" 0.1\n", b" NaN\n",
        b" 5 999999999999999999\n", b" 5 -1\n", *(b'%s="\\n",' % label for label in LABELS), *(b'%s="a b",' % label for label in LABELS),
        *(b'%s="\xff",' % label for label in LABELS), *(b'%s="down,free",' % label for label in LABELS),
    ),
    st.lists(st.lists(a_sample(), max_size=12).map(b"".join), min_size=1, max_size=5).map(BETWEEN.join),
    examples=300,
)  # fmt: skip
