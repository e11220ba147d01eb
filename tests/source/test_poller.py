"""Law 4: a failed poll changes freshness and nothing else."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

import pytest
from structlog.contextvars import get_contextvars

from realtime.errors import SourceEmpty, SourceError, SourceMalformed, SourceUnavailable
from realtime.pbs.assemble import Assembler
from realtime.pbs.trend import Trend
from realtime.source.poller import SET_ASIDE, Poller, in_slices
from realtime.source.sample import Group
from realtime.state.freshness import Freshness
from realtime.state.grid import Grid
from realtime.state.store import Store
from realtime.state.view import TOPICS
from tests.fakes import FakeClock, FakeSource


class Polled:
    """A poller whose publications and freshness are kept."""

    def __init__(self, interval_seconds: float = 5) -> None:
        self.clock = FakeClock()
        self.source = FakeSource()
        self.store = Store("k3f9", TOPICS, tombstones=100)
        self.freshness = Freshness()
        self.publications = 0
        self.unknown: int | SourceError = 0
        """How many groups are strangers, or why nobody knows."""
        self.groups: set[Group] = set()
        """What was asked about last."""
        self.poller = Poller(
            self.source,
            Assembler(),
            Trend(180),
            self.publish,
            self.freshen,
            now_ms=self.clock.now_ms,
            interval_seconds=interval_seconds,
            refetch_seconds=30,
            backoff_max_seconds=60,
            torn_scrape_seconds=2,
            strangers=self.strangers,
            clock=self.clock,
        )

    def publish(self, state: Mapping[str, Mapping[str, Any]], at: int) -> bool:
        self.publications += 1
        return self.store.commit(state, at)

    def freshen(self, freshness: Freshness) -> None:
        self.freshness = freshness

    async def strangers(self, groups: set[Group]) -> int:
        self.groups = groups
        if isinstance(self.unknown, SourceError):
            raise self.unknown
        return self.unknown

    async def scrape(self, jobs: int, *, late_ms: int = 0) -> None:
        """The source has a new scrape, by a clock that is so late; poll until nothing more is fetched for it."""
        at = self.clock.now_ms() - late_ms
        self.source.newest = at
        self.source.body = (
            f'pbs_node_state{{node="a"}} 1 {at}\npbs_node_jobs{{node="a"}} {jobs} {at}\n'.encode()
        )
        await self.poller.poll()
        await self.poller.poll()

    async def scrape_in_part(self, *, nodes: dict[str, tuple[int, int]]) -> None:
        """Poll once; each node has so many jobs, and is of a scrape so many ms before the newest."""
        at = self.clock.now_ms()
        self.source.newest = at
        self.source.body = "".join(
            f'pbs_node_state{{node="{name}"}} 1 {at - late}\npbs_node_jobs{{node="{name}"}} {jobs} {at - late}\n'
            for name, (jobs, late) in nodes.items()
        ).encode()
        await self.poller.poll()

    @property
    def jobs(self) -> dict[str, int]:
        """Jobs on each node, as readers see them."""
        return {name: node["jobCount"] for name, node in self.store.entities("nodes").items()}


@pytest.fixture
def polled() -> Polled:
    return Polled()


@pytest.mark.parametrize(
    "failure",
    [SourceUnavailable("nothing listens"), SourceMalformed("not the format"), SourceEmpty("holds nothing")],
)
@pytest.mark.parametrize("where", ["newest", "body"])
async def test_a_failed_poll_changes_freshness_and_nothing_else(
    polled: Polled, failure: SourceError, where: str
) -> None:
    """A failed poll changes freshness and nothing else. An outage is never an empty cluster."""
    await polled.scrape(3)
    before = (polled.store.cursor, polled.store.entities("nodes"), polled.publications)
    polled.clock.seconds += 60
    polled.source.newest = polled.clock.now_ms()
    setattr(polled.source, where, failure)

    await polled.poller.poll()

    assert (polled.store.cursor, polled.store.entities("nodes"), polled.publications) == before
    assert polled.freshness.problem == str(failure)
    assert polled.freshness.data_age_ms(polled.clock.instant) == 60_000
    assert polled.freshness.reachable is not isinstance(failure, SourceUnavailable)


@pytest.mark.parametrize("body", [b"", b"# nothing\n", b"go_goroutines 7 1794166412000\n"])
async def test_an_empty_answer_is_no_empty_cluster(polled: Polled, body: bytes) -> None:
    """A source that answers with no PBS sample has failed, and what was known stays."""
    await polled.scrape(3)
    polled.clock.seconds += 60
    polled.source.newest, polled.source.body = None, body

    await polled.poller.poll()

    assert polled.store.entities("nodes")["a"]["jobCount"] == 3
    assert "no current PBS metrics" in polled.freshness.problem
    assert polled.freshness.code == "EXPORTER_DOWN"


async def test_what_vanished_in_an_empty_answer_is_back_with_the_next(polled: Polled) -> None:
    """After an empty answer the same samples are taken in again, changed or not."""
    await polled.scrape(3)
    polled.source.newest, polled.source.body = None, b""
    await polled.poller.poll()
    polled.clock.seconds += 60

    await polled.scrape(4)

    assert polled.store.entities("nodes")["a"]["jobCount"] == 4
    assert polled.freshness.problem == ""


async def test_a_node_lost_in_an_empty_answer_is_still_removed_in_the_end(polled: Polled) -> None:
    """A node that was last listed before an empty answer, and never after it, is removed after its grace."""
    await polled.scrape(3)
    polled.source.newest, polled.source.body = None, b""
    await polled.poller.poll()
    for _ in range(2):
        polled.clock.seconds += 100
        at = polled.clock.now_ms()
        polled.source.newest, polled.source.body = at, f'pbs_node_state{{node="b"}} 1 {at}\n'.encode()
        await polled.poller.poll()
        assert list(polled.store.entities("nodes")) == ["a", "b"]
        polled.clock.seconds += 49
        await polled.poller.poll()
    polled.clock.seconds += 31

    await polled.poller.poll()

    assert list(polled.store.entities("nodes")) == ["b"]


async def test_half_a_storage_is_not_believed(polled: Polled) -> None:
    """While the source says that part of its storage is missing, nothing is removed and the quality says partial."""
    await polled.scrape(3)
    polled.source.partial = True
    polled.source.newest, polled.source.body = 99, b""

    await polled.poller.poll()

    assert list(polled.store.entities("nodes")) == ["a"]
    assert polled.freshness.partial
    assert polled.freshness.code == "PARTIAL"


async def test_nothing_is_fetched_while_nothing_is_new(polled: Polled) -> None:
    """A new scrape is fetched twice, since it may become visible in pieces; after that only probes are sent until the refetch is due."""
    await polled.scrape(3)
    assert polled.source.fetches == 2
    for _ in range(5):
        polled.clock.seconds += 5
        await polled.poller.poll()
    assert polled.source.fetches == 2

    polled.clock.seconds += 5
    await polled.poller.poll()

    assert polled.source.fetches == 3
    assert polled.source.probes == 8


async def test_the_second_half_of_a_scrape_is_seen_one_poll_later(polled: Polled) -> None:
    """What the first fetch of a scrape did not yet show is shown one poll later, though the probe says nothing new."""
    at = polled.clock.now_ms()
    polled.source.newest = at
    polled.source.body = f'pbs_node_state{{node="a"}} 1 {at}\n'.encode()
    await polled.poller.poll()
    polled.source.body += f'pbs_node_state{{node="b"}} 1 {at}\n'.encode()

    await polled.poller.poll()

    assert list(polled.store.entities("nodes")) == ["a", "b"]


async def test_an_unchanged_scrape_is_no_revision(polled: Polled) -> None:
    """A scrape with new timestamps and old values makes the data younger and moves no cursor."""
    await polled.scrape(3)
    cursor = polled.store.cursor
    polled.clock.seconds += 15
    await polled.scrape(3)

    assert polled.store.cursor == cursor
    assert polled.freshness.data_age_ms(polled.clock.instant) == 0


async def test_the_scrape_interval_is_learned(polled: Polled) -> None:
    """The interval is the median distance of scrapes: an outage between two of them does not stretch it."""
    for seconds in (15, 15, 15, 600, 15, 15):
        polled.clock.seconds += seconds
        await polled.scrape(3)

    assert polled.freshness.interval_ms == 15_000


async def test_one_outage_is_no_interval(polled: Polled) -> None:
    """Until three distances of scrapes are known nothing is learned, so that a gap after the first is not taken for the rule."""
    await polled.scrape(3)
    polled.clock.seconds += 7_200
    await polled.scrape(3)

    assert polled.freshness.interval_ms is None


async def test_the_age_is_that_of_the_exporter_and_of_nothing_else(polled: Polled) -> None:
    """A recording rule that goes on ticking does not make an exporter's old samples young."""
    await polled.scrape(3)
    at = polled.clock.now_ms()
    polled.clock.seconds += 60
    rule = f"pbs_rule:total 1 {polled.clock.now_ms()}\n".encode()
    assert isinstance(polled.source.body, bytes)
    polled.source.newest, polled.source.body = polled.clock.now_ms(), polled.source.body + rule
    await polled.poller.poll()

    assert polled.freshness.sampled_at == at


async def test_only_many_new_series_are_set_aside_from_the_collector(polled: Polled) -> None:
    """A cluster of thousands is set aside once, when it is first seen; what others make while a poll is under way never is, or the cycles of
    connections that came then would stay for ever.
    """

    class Crowded(FakeSource):
        made: list[list[object]]

        async def fetch(self) -> bytes:
            body = await super().fetch()
            # As when hundreds connect.
            self.made = [[] for _ in range(50_000)]
            return body

    before = gc.get_freeze_count()
    large = {f"gn-{number}": (1, 0) for number in range(SET_ASIDE)}
    polled.poller._source = polled.source = Crowded()
    try:
        await polled.scrape_in_part(nodes={"a": (1, 0)})
        assert gc.get_freeze_count() == before
        await polled.scrape_in_part(nodes=large)
        aside = gc.get_freeze_count()
        polled.clock.seconds += 15
        await polled.scrape_in_part(nodes=large)
        assert aside > before + 2 * SET_ASIDE
        # Those that were made before have gone since.
        assert gc.get_freeze_count() <= aside - 50_000
    finally:
        gc.unfreeze()


async def test_half_a_scrape_is_not_shown(polled: Polled) -> None:
    """While a scrape is visible in part everyone goes on seeing the one before, and it is fetched again soon; whole, it is shown."""
    await polled.scrape_in_part(nodes={"a": (1, 0), "b": (1, 0)})
    polled.clock.seconds += 15

    await polled.scrape_in_part(nodes={"a": (2, 0), "b": (1, 15_000)})

    assert polled.jobs == {"a": 1, "b": 1}
    assert polled.poller.counts.outcomes["torn"] == 1
    assert polled.freshness.data_age_ms(polled.clock.instant) == 15_000
    assert polled.poller.pause_seconds() < 0.5

    await polled.scrape_in_part(nodes={"a": (2, 0), "b": (2, 0)})

    assert polled.jobs == {"a": 2, "b": 2}
    assert polled.poller.pause_seconds() == 5


async def test_what_nobody_knows_whose_it_is_waits(polled: Polled) -> None:
    """A reading of strangers is shown to nobody while a scrape that is visible in part may be waited for, and once: then they are no exporter's."""
    polled.unknown = 1
    await polled.scrape(3)
    assert (polled.jobs, polled.groups) == ({}, {("", "")})
    assert polled.poller.pause_seconds() < 0.5

    polled.clock.seconds += 2
    await polled.scrape(3)
    assert polled.jobs == {"a": 3}
    polled.clock.seconds += 15
    await polled.scrape(4)
    assert polled.jobs == {"a": 4}


async def test_while_nobody_can_say_whose_it_is_nothing_is_shown(polled: Polled) -> None:
    """Where it cannot be told whose a reading is the poll has failed: what is shown stays, grows old, and nothing that was read is lost."""
    await polled.scrape(3)
    polled.clock.seconds += 15
    polled.unknown = SourceUnavailable("the source refuses to say")
    await polled.scrape(4)

    assert polled.jobs == {"a": 3}
    assert polled.freshness.problem == "the source refuses to say"
    assert polled.freshness.data_age_ms(polled.clock.instant) == 15_000

    polled.unknown = 0
    await polled.poller.poll()
    assert polled.jobs == {"a": 4}
    assert polled.freshness.problem == ""


async def test_the_collector_works_while_the_source_is_asked_who_reports(polled: Polled) -> None:
    """No answer of the source is awaited while garbage is left lying."""
    seen = []

    async def strangers(_: set[Group]) -> int:
        seen.append(gc.isenabled())
        return 0

    polled.poller._strangers = strangers
    await polled.scrape(1)

    assert set(seen) == {True}


async def test_a_reading_is_known_by_its_labels(polled: Polled) -> None:
    """Whose a reading is, is asked by its `cluster` and `job` labels, each pair once, as far as anything changed."""
    at = polled.source.newest = polled.clock.now_ms()
    series = [("", "", "a"), ("x", "", "b"), ("x", "j", "c"), ("x", "j", "d")]
    lines = [f'pbs_node_jobs{{cluster="{x}",job="{job}",node="{node}"}} 1 {at}\n' for x, job, node in series]
    polled.source.body = "".join(lines).encode()
    await polled.poller.poll()
    assert polled.groups == {("", ""), ("x", ""), ("x", "j")}

    polled.source.body = "".join(lines[:3]).encode() + lines[3].replace("} 1", "} 2").encode()
    await polled.poller.poll()
    assert polled.groups == {("x", "j")}


async def test_a_body_from_before_the_probe_is_no_news(polled: Polled) -> None:
    """Where another server answers the fetch than the probe, and lags behind it, nobody is taken back."""
    await polled.scrape_in_part(nodes={"a": (1, 0), "b": (1, 0)})
    before = polled.source.body
    polled.clock.seconds += 15
    await polled.scrape_in_part(nodes={"a": (2, 0), "b": (2, 0)})
    polled.source.newest = polled.clock.now_ms() + 15_000
    polled.source.body = before

    await polled.poller.poll()

    assert polled.jobs == {"a": 2, "b": 2}
    assert polled.poller.counts.outcomes["older"] == 1

    await polled.scrape_in_part(nodes={"a": (3, -15_000), "b": (3, -15_000)})
    assert polled.jobs == {"a": 3, "b": 3}


async def test_a_failure_ends_the_wait_for_a_scrape(polled: Polled) -> None:
    """After a failed poll a torn scrape has its time anew."""
    await polled.scrape_in_part(nodes={"a": (1, 0), "b": (1, 0), "c": (1, 0)})
    polled.clock.seconds += 15
    await polled.scrape_in_part(nodes={"a": (2, 0), "b": (1, 15_000), "c": (1, 15_000)})
    polled.source.newest = SourceUnavailable("gone")
    await polled.poller.poll()
    polled.clock.seconds += 60
    await polled.scrape_in_part(nodes={"a": (7, 0), "b": (1, 75_000), "c": (7, 0)})

    assert polled.jobs == {"a": 1, "b": 1, "c": 1}


async def test_what_is_always_in_part_is_waited_for_once(polled: Polled) -> None:
    """Samples that stay late when their time is over are shown as they are, and nobody waits for them again; more than these are waited for."""
    await polled.scrape_in_part(nodes={"a": (1, 0), "b": (1, 0), "c": (1, 0)})
    polled.clock.seconds += 15
    await polled.scrape_in_part(nodes={"a": (2, 0), "b": (2, 0), "c": (1, 15_000)})
    polled.clock.seconds += 2
    await polled.scrape_in_part(nodes={"a": (2, 0), "b": (2, 0), "c": (1, 17_000)})
    assert polled.jobs == {"a": 2, "b": 2, "c": 1}

    polled.clock.seconds += 15
    await polled.scrape_in_part(nodes={"a": (3, 0), "b": (3, 0), "c": (1, 32_000)})
    assert polled.jobs == {"a": 3, "b": 3, "c": 1}

    polled.clock.seconds += 15
    await polled.scrape_in_part(nodes={"a": (4, 0), "b": (3, 15_000), "c": (1, 47_000)})
    assert polled.jobs == {"a": 3, "b": 3, "c": 1}


@pytest.mark.parametrize("set_by_ms", [-3_600_000, 3_600_000])
async def test_a_clock_that_is_set_does_not_make_old_data_young(polled: Polled, set_by_ms: int) -> None:
    """While nothing new comes the data grows older, wherever the wall clock is set; and everything is fetched anew when that is due."""
    await polled.scrape(3)
    fetches = polled.source.fetches
    polled.clock.set_by_ms = set_by_ms
    polled.clock.seconds += 600

    await polled.poller.poll()

    assert polled.freshness.data_age_ms(polled.clock.instant) == 600_000 + max(0, set_by_ms)
    assert polled.source.fetches == fetches + 1


async def test_a_clock_that_is_ahead_does_not_make_old_data_young(polled: Polled) -> None:
    """Samples from the future count from when they were first seen."""
    at = polled.clock.now_ms() + 3_600_000
    polled.source.newest, polled.source.body = at, f'pbs_node_state{{node="a"}} 1 {at}\n'.encode()
    await polled.poller.poll()
    polled.clock.seconds += 600

    await polled.poller.poll()

    assert polled.freshness.data_age_ms(polled.clock.instant) == 600_000
    (source,) = polled.store.entities("source").values()
    assert [fault["code"] for fault in source["faults"]] == ["CLOCK_SKEW"]


async def test_a_sample_without_a_timestamp_is_no_younger_than_the_newest(polled: Polled) -> None:
    """Where lines have no timestamps, as behind a proxy that drops them, the data is as old as the probe says, however often it is fetched."""
    polled.source.newest = polled.clock.now_ms() - 1_000
    polled.source.body = b'pbs_node_state{node="a"} 1\npbs_node_jobs{node="a"} 3\n'
    for _ in range(3):
        await polled.poller.poll()
        polled.clock.seconds += 300

    assert polled.source.fetches == 3
    assert polled.freshness.data_age_ms(polled.clock.instant) == 901_000


async def test_what_a_source_that_lost_its_last_scrapes_tells_again_is_no_news(polled: Polled) -> None:
    """A source that was killed or put back tells an older scrape: what is shown stays, refetched or not, grows old, and goes on with the next one."""
    for jobs in (1, 2):
        polled.clock.seconds += 60
        await polled.scrape(jobs)
    cursor = polled.store.cursor
    for times in range(1, 11):
        polled.clock.seconds += 10
        await polled.scrape(1, late_ms=60_000 + times * 10_000)
    assert (polled.store.cursor, polled.freshness.problem) == (cursor, "")
    assert polled.freshness.data_age_ms(polled.clock.instant) == 100_000
    assert polled.poller.counts.outcomes == {"fetched": 4, "older": 20}

    await polled.scrape(3)

    assert polled.store.entities("nodes")["a"]["jobCount"] == 3
    assert polled.freshness.data_age_ms(polled.clock.instant) == 0


async def test_a_source_whose_clock_was_set_back_is_believed_after_three_scrapes(polled: Polled) -> None:
    """A source that goes on from an earlier time has lost nothing: its numbers are shown again, with the age that its clock gives them."""
    await polled.scrape(1)
    shown = []
    for jobs in range(2, 8):
        polled.clock.seconds += 15
        await polled.scrape(jobs, late_ms=3_600_000)
        shown.append(polled.store.entities("nodes")["a"]["jobCount"])

    assert shown == [1, 1, 1, 5, 6, 7]
    assert polled.freshness.data_age_ms(polled.clock.instant) == 3_600_000


async def test_a_clock_that_was_ahead_and_is_set_right_holds_up_nothing(polled: Polled) -> None:
    """Samples from the future are no measure of what is older."""
    await polled.scrape(1, late_ms=-3_600_000)
    polled.clock.seconds += 15

    await polled.scrape(2)

    assert polled.store.entities("nodes")["a"]["jobCount"] == 2


async def test_a_failing_source_is_asked_less_often_and_a_recovered_one_at_once_again(polled: Polled) -> None:
    """Pauses grow with failures, up to a bound, never below the interval, and shrink back with the first answer."""
    polled.source.newest = SourceUnavailable("gone")
    pauses = []
    for _ in range(8):
        await polled.poller.poll()
        pauses.append(polled.poller.pause_seconds())

    assert pauses[0] <= 10
    assert all(5 <= pause <= 60 for pause in pauses)
    assert pauses[-1] >= 30
    await polled.scrape(1)
    assert polled.poller.pause_seconds() == 5


class Remembering(FakeSource):
    """A source whose history comes when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.under_way = 0
        self.may_answer = asyncio.Event()

    async def history(self, fields: Collection[str], grid: Grid) -> dict[str, list[float | None]]:
        self.asked += 1
        self.under_way += 1
        try:
            await self.may_answer.wait()
            return await super().history(fields, grid)
        finally:
            self.under_way -= 1


@pytest.fixture
async def running() -> AsyncIterator[tuple[Polled, Remembering]]:
    """What polls without a pause, beside the test, a source that has one scrape; at the end it is cancelled."""
    polled = Polled(interval_seconds=0)
    polled.poller._source = polled.source = source = Remembering()
    at = polled.clock.now_ms()
    source.newest, source.body = at, f'pbs_node_state{{node="a"}} 1 {at}\n'.encode()
    run = asyncio.create_task(polled.poller.run())
    yield polled, source
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert source.under_way == 0


async def until(condition: Callable[[], bool]) -> None:
    """Let the poller have its turns until the condition is true."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_the_trend_has_its_past_after_the_first_poll(running: tuple[Polled, Remembering]) -> None:
    """The present is published first; then history seeds the trend, once."""
    polled, source = running
    source.past = {"runningJobs": [7.0] * 180}
    await until(lambda: source.asked == 1)
    assert (polled.store.revision, polled.store.entities("trend")) == (1, {})

    source.may_answer.set()
    await until(lambda: len(polled.store.entities("trend")) == 180)

    assert polled.store.revision == 2
    probes = source.probes
    await until(lambda: source.probes > probes + 3)
    assert source.asked == 1


async def test_a_slow_history_delays_no_poll(running: tuple[Polled, Remembering]) -> None:
    """While the trend's past is not there yet new scrapes are asked for and shown; and whoever is cancelled then leaves no question behind."""
    polled, source = running
    await until(lambda: source.asked == 1)
    at = polled.clock.now_ms() + 15_000
    source.newest, source.body = at, f'pbs_node_state{{node="b"}} 1 {at}\n'.encode()

    await until(lambda: "b" in polled.store.entities("nodes"))

    assert polled.store.entities("trend") == {}


async def test_history_is_not_asked_before_the_present_is_shown(polled: Polled) -> None:
    """A source that does not answer is not asked for the past too."""
    polled.poller._source = polled.source = source = Remembering()
    source.newest = SourceUnavailable("gone")
    seed = asyncio.create_task(polled.poller._seed())
    await polled.poller.poll()
    await asyncio.sleep(0)
    assert source.asked == 0

    await polled.scrape(3)
    await until(lambda: source.asked == 1)
    source.may_answer.set()
    await seed


async def test_nothing_is_published_before_its_age_is_known(polled: Polled) -> None:
    """At the moment of the first publication the freshness already tells the age of what is published."""
    ages = []

    def publish(state: Mapping[str, Mapping[str, Any]], at: int) -> bool:
        ages.append(polled.freshness.sampled_at)
        return True

    polled.poller._publish = publish

    await polled.scrape(3)

    assert ages
    assert None not in ages


async def test_a_trend_without_history_is_empty_and_no_fault(running: tuple[Polled, Remembering]) -> None:
    """If history cannot be had, everything else is served."""
    polled, source = running
    source.past = SourceUnavailable("too slow")
    source.may_answer.set()
    await until(lambda: source.asked == 1)
    probes = source.probes

    await until(lambda: source.probes > probes + 3)

    assert polled.store.entities("trend") == {}
    assert list(polled.store.entities("nodes")) == ["a"]
    assert polled.freshness.problem == ""


@pytest.mark.parametrize("where", ["newest", "past"])
async def test_our_own_mistakes_are_loud(polled: Polled, where: str) -> None:
    """An error that is not the source's ends the poller instead of being swallowed, in a poll and beside it."""
    at = polled.clock.now_ms()
    polled.source.newest, polled.source.body = at, f'pbs_node_state{{node="a"}} 1 {at}\n'.encode()
    setattr(polled.source, where, RuntimeError("a bug"))

    async with asyncio.timeout(10):
        with pytest.raises(ExceptionGroup) as ended:
            await polled.poller.run()

    assert ended.group_contains(RuntimeError, match="a bug")


async def test_slices_give_others_their_turn() -> None:
    """Between two slices of pure work another task runs."""
    turns = []

    def work() -> Any:
        for number in range(3):
            turns.append(f"work {number}")
            yield
        return "done"

    async def other() -> None:
        for number in range(3):
            turns.append(f"other {number}")
            await asyncio.sleep(0)

    result, _ = await asyncio.gather(in_slices(work()), other())

    assert result == "done"
    assert turns == ["work 0", "other 0", "work 1", "other 1", "work 2", "other 2"]


async def test_polls_are_counted_by_outcome(polled: Polled) -> None:
    """A poll that fetched, one that saw nothing new and one that failed are told apart, and all have lasted."""
    await polled.scrape(3)
    await polled.poller.poll()
    polled.source.newest = SourceUnavailable("nothing listens")
    await polled.poller.poll()

    counts = polled.poller.counts
    assert counts.outcomes == {"fetched": 2, "unchanged": 1, "POLL_FAILED": 1}
    assert sum(counts.durations.counts) == 4
    assert counts.series == 2


async def test_a_publication_bears_the_polls_id(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is logged while a poll asks and publishes bears one id, another at each poll and for the trend's past, and none when it is over."""
    ids = []

    def publish(state: Mapping[str, Mapping[str, Any]], at: int) -> bool:
        ids.append(get_contextvars()["poll"])
        return polled.publish(state, at)

    monkeypatch.setattr(polled.poller, "_publish", publish)
    await polled.scrape(3)
    polled.clock.seconds += 60
    await polled.scrape(4)
    await polled.poller._seed()

    assert len(set(ids)) == len(ids) == 5
    assert "poll" not in get_contextvars()


async def test_what_is_held_is_no_part_of_the_trend(polled: Polled) -> None:
    """In minutes in which the exporter lists no node, so that they are shown as they were, the trend tells of the jobs alone."""
    for lists in (True, False, False, True, True):
        at = polled.clock.now_ms()
        polled.source.newest = at
        nodes = f'pbs_node_state{{node="a"}} 1 {at}\npbs_node_jobs{{node="a"}} 1 {at}\n' if lists else ""
        polled.source.body = f"{nodes}pbs_node_count_free 1 {at}\nqstat_total_r_jobs 1 {at}\n".encode()
        await polled.poller.poll()
        polled.clock.seconds += 60

    points = polled.store.entities("trend").values()
    assert [point["runningJobs"] for point in points] == [1, 1, 1, 1]
    assert ["freeNodes" in point for point in points] == [True, False, False, True]
