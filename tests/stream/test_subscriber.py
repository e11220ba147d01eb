"""Law 3: a subscriber has a cursor, not a queue."""

from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import given, settings, strategies as st

from realtime.config import Settings
from realtime.state.cursor import Cursor
from realtime.state.store import Store
from realtime.state.view import TOPICS, View
from realtime.stream.hub import Hub
from tests.client import ClientModel
from tests.fakes import FakeClock, FakeOutlet

KIB = 1024


def publish(hub: Hub, x: int, *, size: int = 2000) -> None:
    hub.publish({"nodes": {"a": {"x": x, "ballast": "y" * size}}}, x)


async def test_a_slow_reader_costs_one_integer_hears_less_often_and_never_wrong(
    make_hub: Callable[..., Hub], clock: FakeClock
) -> None:
    """A slow reader costs one integer, hears less often, never wrong, and never delays another."""
    hub = make_hub(max_unsent_kib=1)
    publish(hub, 0)
    slow, quick = FakeOutlet(room=0), FakeOutlet()
    hub.subscribe(View(), None, slow)
    hub.subscribe(View(), None, quick)
    held = len(slow.messages)
    for x in range(1, 101):
        publish(hub, x)
        await hub.fan_out()
    assert len(slow.messages) == held
    assert sum(type_ == "diff" for type_ in quick.types()) == 100

    slow.room = float("inf")
    await hub.sweep()

    client = ClientModel()
    for message in slow.heard:
        client.hear(message)
    assert client.state is not None
    assert client.state["nodes"]["a"]["x"] == 100
    assert client.count("diff") == 1


async def test_a_reader_that_accepts_nothing_is_cut_off(
    make_hub: Callable[..., Hub], clock: FakeClock
) -> None:
    """A reader that accepted no byte for the slow reader's timeout is aborted; one that accepts a little now and then is not."""
    hub = make_hub(slow_reader_timeout_seconds=30, heartbeat_seconds=300)
    publish(hub, 0)
    stalled, trickling = FakeOutlet(room=0), FakeOutlet(room=0)
    hub.subscribe(View(), None, stalled)
    hub.subscribe(View(), None, trickling)
    for _ in range(4):
        await hub.sweep()
        clock.seconds += 10
        trickling.room += 1

    await hub.sweep()

    assert (stalled.aborted, trickling.aborted) == (True, False)
    assert [subscriber.outlet for subscriber in hub.subscribers()] == [trickling]


async def test_a_reader_that_vanished_is_cut_off(make_hub: Callable[..., Hub], clock: FakeClock) -> None:
    """A reader that acknowledges nothing of what the kernel took for it is aborted after a heartbeat and twice the slow reader's timeout; one
    that acknowledges, be it late, and one to whom nothing was sent since, are not.
    """
    hub = make_hub(slow_reader_timeout_seconds=30, heartbeat_seconds=15)
    here, late, vanished = FakeOutlet(), FakeOutlet(), FakeOutlet()
    for outlet in (here, late, vanished):
        hub.subscribe(View(), None, outlet)
    await hub.sweep()
    vanished_at = clock.seconds
    late.acknowledged = late.written
    vanished.acknowledged = vanished.written
    while not vanished.aborted and clock.seconds < vanished_at + 1_000:
        clock.seconds += 1
        # What it was sent before the last look reaches it just before the next.
        late.acknowledged += (late.written - late.acknowledged) if clock.seconds % 29 == 0 else 0
        await hub.sweep()

    assert 30 < clock.seconds - vanished_at <= 15 + 2 * 30
    assert not here.aborted
    assert not late.aborted
    assert hub.counts.cut_off == 1


async def test_what_was_just_sent_is_not_called_lost(make_hub: Callable[..., Hub], clock: FakeClock) -> None:
    """A reader to whom nothing was sent for longer than a slow reader's timeout is not cut off for the message that is on its way."""
    hub = make_hub(slow_reader_timeout_seconds=3, heartbeat_seconds=300)
    outlet = FakeOutlet()
    hub.subscribe(View(), None, outlet)
    for _ in range(20):
        clock.seconds += 2
        await hub.sweep()
    outlet.acknowledged = outlet.written
    publish(hub, 1)
    await hub.fan_out()
    await hub.sweep()
    clock.seconds += 2
    await hub.sweep()

    assert not outlet.aborted


async def test_a_stall_is_timed_from_the_last_byte_taken(
    make_hub: Callable[..., Hub], clock: FakeClock
) -> None:
    """A reader that was quiet for hours is not cut off for the first message that waits a moment."""
    hub = make_hub(slow_reader_timeout_seconds=30, heartbeat_seconds=300)
    outlet = FakeOutlet()
    hub.subscribe(View(), None, outlet)
    clock.seconds += 10_000
    await hub.sweep()
    outlet.room = outlet.written
    publish(hub, 1)
    await hub.fan_out()

    clock.seconds += 29
    await hub.sweep()

    assert outlet.unsent() > 0
    assert not outlet.aborted


@settings(max_examples=60)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["publish", "fan_out", "sweep", "take", "remove"]), st.integers(0, 3)),
        max_size=40,
    )
)
async def test_whatever_the_pace_every_reader_ends_with_the_truth(steps: list[tuple[str, int]]) -> None:
    """However publishing, writing and draining interleave, each reader's copy follows its cursor and ends as the state."""
    clock = FakeClock()
    hub = Hub(
        "h",
        Store("k3f9", TOPICS, tombstones=2),
        Settings.model_validate({"max_unsent_kib": 1, "slow_reader_timeout_seconds": 3600}),
        now_ms=clock.now_ms,
        clock=clock,
    )
    outlets = [FakeOutlet(room=0) for _ in range(4)]
    views = [View(), View(("nodes",)), View(("nodes",), ("n-[01]",)), View(("queues",))]
    nodes: dict[str, Any] = {}
    for outlet, view in zip(outlets, views, strict=True):
        hub.subscribe(view, Cursor("alien", 7), outlet)
    for number, (step, which) in enumerate(steps):
        match step:
            case "publish":
                nodes[f"n-{which}"] = {"x": number, "ballast": "z" * 600}
                hub.publish({"nodes": dict(nodes), "queues": {"q": {"x": number // 5}}}, number)
            case "remove":
                nodes.pop(f"n-{which}", None)
                hub.publish({"nodes": dict(nodes)}, number)
            case "fan_out":
                await hub.fan_out()
            case "sweep":
                await hub.sweep()
            case "take":
                outlets[which].room += 900
    hub.publish({"nodes": {"end": {}}}, 99)
    for outlet in outlets:
        outlet.room = float("inf")
    await hub.fan_out()
    await hub.sweep()

    for outlet, view in zip(outlets, views, strict=True):
        client = ClientModel()
        for message in outlet.heard:
            client.hear(message)
        expected = ClientModel()
        expected.hear(orjson.loads(hub.edition(view).snapshot("new").json))
        assert client.state == expected.state
