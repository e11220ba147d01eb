import asyncio
import inspect
from collections.abc import Callable

from realtime.state.cursor import Cursor
from realtime.state.freshness import Freshness
from realtime.state.view import View
from realtime.stream.hub import BATCH, IDLE_BYTES, IDLE_EDITIONS, Hub
from realtime.stream.messages import Message
from tests.client import ClientModel
from tests.fakes import FakeClock, FakeOutlet


class SlowToWrite(FakeOutlet):
    """Each write takes a tenth of a millisecond."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock

    def send(self, message: Message) -> int:
        self.clock.seconds += 0.000_1
        return super().send(message)


def publish(hub: Hub, x: int) -> bool:
    return hub.publish({"nodes": {"a": {"x": x}}}, x)


def client_of(outlet: FakeOutlet) -> ClientModel:
    client = ClientModel()
    for message in outlet.heard:
        client.hear(message)
    return client


def test_publish_and_subscribe_are_plain_functions() -> None:
    """`publish` and `subscribe` are plain `def`: no `await` can stand between "what is true now" and "you are listening"."""
    assert not inspect.iscoroutinefunction(Hub.publish)
    assert not inspect.iscoroutinefunction(Hub.subscribe)


async def test_a_publication_in_the_middle_of_a_fan_out_is_lost_on_nobody(
    make_hub: Callable[..., Hub], clock: FakeClock
) -> None:
    """Readers served before and after a publication that comes between two slices all end with the newest state."""
    hub = make_hub(fan_out_slice_ms=1)
    publish(hub, 0)
    outlets = [SlowToWrite(clock) for _ in range(3 * BATCH)]
    for outlet in outlets:
        hub.subscribe(View(), None, outlet)
    publish(hub, 1)
    fanning = asyncio.create_task(hub.fan_out())
    await asyncio.sleep(0)
    served = [outlet for outlet in outlets if "diff" in outlet.types()]
    assert 0 < len(served) < len(outlets)
    publish(hub, 2)
    await fanning
    await hub.fan_out()

    assert [client_of(outlet).state for outlet in outlets] == [client_of(outlets[0]).state] * len(outlets)
    assert client_of(outlets[0]).cursor == "k3f9-3"


async def test_no_older_quality_is_told_after_a_newer(make_hub: Callable[..., Hub], clock: FakeClock) -> None:
    """A reader that a sweep reaches after a poll came in between hears of what the poll found."""
    hub = make_hub(fan_out_slice_ms=1)
    publish(hub, 0)
    hub.freshen(Freshness(sampled_at=clock.now_ms()))
    outlets = [SlowToWrite(clock) for _ in range(2 * BATCH)]
    for outlet in outlets:
        hub.subscribe(View(), None, outlet)
    hub.freshen(Freshness(sampled_at=clock.now_ms() - 3_600_000))
    sweeping = asyncio.create_task(hub.sweep())
    await asyncio.sleep(0)
    assert (outlets[0].heard[-1]["quality"], outlets[-1].heard[-1]["quality"]) == ("stale", "live")
    hub.freshen(Freshness(sampled_at=clock.now_ms()))
    await sweeping

    assert "stale" not in [message.get("quality") for message in outlets[-1].heard]


async def test_who_leaves_in_the_middle_of_a_fan_out_hears_no_more(
    make_hub: Callable[..., Hub], clock: FakeClock
) -> None:
    """A reader that chooses another view between two slices is told nothing more of the first: its patch would fit neither."""
    hub = make_hub(fan_out_slice_ms=1)
    publish(hub, 0)
    outlets = [SlowToWrite(clock) for _ in range(2 * BATCH)]
    subscribers = [hub.subscribe(View(), None, outlet) for outlet in outlets]
    publish(hub, 1)
    fanning = asyncio.create_task(hub.fan_out())
    await asyncio.sleep(0)
    assert "diff" not in outlets[-1].types()
    hub.subscribe(View(("queues",)), None, outlets[-1], instead=subscribers[-1])
    await fanning

    assert outlets[-1].types() == ["snapshot", "heartbeat", "snapshot", "heartbeat"]


async def test_before_anything_is_known_there_is_only_a_heartbeat(hub: Hub, clock: FakeClock) -> None:
    """A reader who comes before the first poll is shown no empty cluster, and gets a snapshot when there is one."""
    outlet = FakeOutlet()
    hub.subscribe(View(), Cursor("k3f9", 4), outlet)
    assert outlet.heard == [
        {"type": "heartbeat", "cluster": "hopper", "at": clock.now_ms(), "quality": "starting"}
    ]

    publish(hub, 1)
    await hub.fan_out()

    assert outlet.types() == ["heartbeat", "snapshot"]


def test_who_has_missed_nothing_gets_a_heartbeat_alone(hub: Hub) -> None:
    """A reader who returns with the current cursor is sent no state."""
    publish(hub, 1)
    outlet = FakeOutlet()

    hub.subscribe(View(), hub.store.cursor, outlet)

    assert outlet.types() == ["heartbeat"]
    assert outlet.heard[0]["cursor"] == "k3f9-1"


def test_who_missed_a_while_gets_one_diff(hub: Hub) -> None:
    """A reader who returns with an older cursor gets one diff from exactly there."""
    for x in range(1, 9):
        publish(hub, x)
    outlet = FakeOutlet()

    hub.subscribe(View(), Cursor("k3f9", 3), outlet)

    assert outlet.types() == ["diff", "heartbeat"]
    assert (outlet.heard[0]["from"], outlet.heard[0]["cursor"]) == ("k3f9-3", "k3f9-8")


async def test_silence_is_broken_by_a_heartbeat_and_by_nothing_sooner(hub: Hub, clock: FakeClock) -> None:
    """A reader to whom nothing was sent for `heartbeat_seconds` gets a heartbeat with its own cursor and the data's age."""
    publish(hub, 1)
    hub.freshen(Freshness(sampled_at=clock.now_ms() - 4_100))
    outlet = FakeOutlet()
    hub.subscribe(View(), None, outlet)
    await hub.sweep()
    outlet.messages.clear()
    clock.seconds += 14.9
    await hub.sweep()
    assert outlet.messages == []

    clock.seconds += 0.1
    await hub.sweep()

    assert outlet.heard == [
        {
            "type": "heartbeat",
            "cluster": "hopper",
            "cursor": "k3f9-1",
            "at": clock.now_ms(),
            "quality": "live",
            "dataAgeMs": 19_100,
        }
    ]


async def test_a_turn_of_quality_is_told_at_once(hub: Hub, clock: FakeClock) -> None:
    """When the data goes stale every reader hears it at the next sweep, and once."""
    publish(hub, 1)
    hub.freshen(Freshness(sampled_at=clock.now_ms()))
    outlet = FakeOutlet()
    await hub.sweep()
    hub.subscribe(View(), None, outlet)
    hub.freshen(Freshness(sampled_at=clock.now_ms() - 3_600_000))

    await hub.sweep()
    await hub.sweep()

    assert [message["quality"] for message in outlet.heard if message["type"] == "heartbeat"] == [
        "live",
        "stale",
    ]


async def test_a_turn_of_quality_reaches_who_lagged(make_hub: Callable[..., Hub], clock: FakeClock) -> None:
    """A reader that lagged when the data went stale hears of it as soon as it has drained."""
    hub = make_hub(max_unsent_kib=1, slow_reader_timeout_seconds=3600)
    hub.publish({"nodes": {"a": {"ballast": "y" * 5000}}}, 1)
    hub.freshen(Freshness(sampled_at=clock.now_ms()))
    outlet = FakeOutlet(room=0)
    hub.subscribe(View(), None, outlet)
    hub.freshen(Freshness(sampled_at=clock.now_ms() - 3_600_000))
    await hub.sweep()
    assert "stale" not in [message.get("quality") for message in outlet.heard]

    outlet.room = float("inf")
    await hub.sweep()

    assert outlet.heard[-1]["quality"] == "stale"


async def test_freshness_alone_is_never_a_diff(hub: Hub) -> None:
    """Ages and qualities change no revision."""
    publish(hub, 1)

    hub.freshen(Freshness(sampled_at=5, problem="gone", reachable=False))

    assert hub.store.revision == 1


async def test_who_asks_again_without_reading_is_told_nothing_more(
    make_hub: Callable[..., Hub], clock: FakeClock
) -> None:
    """A connection that subscribes over and over and never reads costs no more bytes, and is cut off in time."""
    hub = make_hub(max_unsent_kib=1, slow_reader_timeout_seconds=30)
    hub.publish({"nodes": {"a": {"ballast": "y" * 5000}}}, 1)
    outlet = FakeOutlet(room=0)
    subscriber = hub.subscribe(View(), None, outlet)
    written = outlet.written
    for _ in range(8):
        clock.seconds += 5
        subscriber = hub.subscribe(View(), None, outlet, instead=subscriber)
        await hub.sweep()

    assert outlet.written == written
    assert outlet.aborted


async def test_who_drains_before_anything_is_known_is_shown_no_empty_cluster(
    hub: Hub, clock: FakeClock
) -> None:
    """A reader whose first bytes waited gets no snapshot before the first publication."""
    outlet = FakeOutlet(room=0)
    hub.subscribe(View(), None, outlet)
    outlet.room = float("inf")

    await hub.sweep()

    assert "snapshot" not in outlet.types()


async def test_who_left_hears_nothing(hub: Hub) -> None:
    """After unsubscribing, once or twice, nothing is written."""
    outlet = FakeOutlet()
    subscriber = hub.subscribe(View(), None, outlet)
    hub.unsubscribe(subscriber)
    hub.unsubscribe(subscriber)

    publish(hub, 1)
    await hub.fan_out()

    assert outlet.types() == ["heartbeat"]
    assert not list(hub.subscribers())


def test_views_that_nobody_reads_are_forgotten(hub: Hub) -> None:
    """Editions of views that come and go do not pile up, and those with readers stay."""
    kept = FakeOutlet()
    hub.subscribe(View(("nodes",), ("kept",)), None, kept)
    for number in range(3 * IDLE_EDITIONS):
        subscriber = hub.subscribe(View(("nodes",), (f"n{number}",)), None, FakeOutlet())
        hub.unsubscribe(subscriber)

    assert len(hub._idle) == IDLE_EDITIONS
    assert list(hub._editions) == [View(("nodes",), ("kept",))]


async def test_what_views_without_readers_hold_prepared_is_bounded(hub: Hub) -> None:
    """Snapshots for whoever comes by add up to a bounded number of bytes, the next sweep sees to that; the latest are kept."""
    hub.publish({"nodes": {f"n{i:03}": {"x": "y" * (IDLE_BYTES // 400)} for i in range(100)}}, 1)
    for number in range(100):
        hub.edition(View(("nodes",), (f"n{number:03}", "n0*"))).snapshot("new")
    await hub.sweep()

    assert sum(edition.size for edition in hub._idle.values()) <= IDLE_BYTES
    assert View(("nodes",), ("n099", "n0*")) in hub._idle


def test_who_comes_back_finds_the_snapshot_that_was_made(hub: Hub) -> None:
    """When all readers of a view leave and return, its snapshot is not made again."""
    publish(hub, 1)
    before, after = FakeOutlet(), FakeOutlet()
    hub.unsubscribe(hub.subscribe(View(), None, before))
    hub.subscribe(View(), None, after)

    assert before.messages[0].type == "snapshot"
    assert before.messages[0] is after.messages[0]


def test_goodbye_is_said_to_each_with_another_time_to_return(hub: Hub) -> None:
    """Closing tells every reader `bye` with a retry time of its own, and leaves nobody subscribed."""
    outlets = [FakeOutlet() for _ in range(3)]
    for outlet in outlets:
        hub.subscribe(View(), None, outlet)
    times = iter((1, 2, 3))

    hub.close(1012, "restart", lambda: next(times))

    assert sorted(outlet.heard[-1]["retryMs"] for outlet in outlets) == [1, 2, 3]
    assert {outlet.ended for outlet in outlets} == {1012}
    assert not list(hub.subscribers())


async def test_run_tells_readers_of_what_is_published(make_hub: Callable[..., Hub]) -> None:
    """A running hub needs nobody to call it."""
    hub = make_hub()
    outlet = FakeOutlet()
    hub.subscribe(View(), None, outlet)
    running = asyncio.create_task(hub.run())
    publish(hub, 1)

    async with asyncio.timeout(5):
        while "snapshot" not in outlet.types():
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running})

    assert client_of(outlet).state is not None
