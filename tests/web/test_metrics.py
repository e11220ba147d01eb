"""The server's own figures."""

import asyncio
import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as families

import realtime
from realtime.counts import Polls
from realtime.state.freshness import Freshness
from realtime.web.sse import EventWire
from tests.web.served import NOW, Serve, Served, Socket, node, small_state, until

OPERATIONS = (Path(realtime.__file__).parents[1] / "docs" / "operations.md").read_text()


async def figures(server: Served) -> dict[str, float]:
    """Every sample, as `name{label=value,…}` without `realtime_`."""
    answer = await server.get("/metrics")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    return {
        f"{sample.name.removeprefix('realtime_')}{{{','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))}}}": sample.value
        for family in families(answer.body.decode())
        for sample in family.samples
    }


async def names(server: Served) -> set[str]:
    """Of every family."""
    return {family.name for family in families((await server.get("/metrics")).body.decode())}


async def test_every_figure_is_documented_and_the_reverse(server: Served) -> None:
    """docs/operations.md has each family that is served, and no other."""
    told = {
        name.removesuffix("_total") for name in re.findall(r"^\| `(realtime_\w+)`", OPERATIONS, re.MULTILINE)
    }
    served = {name for name in await names(server) if name.startswith("realtime_")}

    assert told == served


async def test_what_is_true_now_is_looked_at(server: Served) -> None:
    """Age, quality, revision, entities, removals and faults are those of the moment."""
    server.publish(small_state() | {"nodes": {"hopper-01": node("hopper-01")}})
    server.hub.freshen(Freshness(NOW, problem="no", code="POLL_FAILED"))
    server.clock.ms += 2_500

    found = await figures(server)

    assert found["data_age_seconds{cluster=hopper}"] == 2.5
    assert found["quality{cluster=hopper,quality=live}"] == 1
    assert found["quality{cluster=hopper,quality=down}"] == 0
    assert found["revision{cluster=hopper}"] == 2
    assert found["entities{cluster=hopper,topic=nodes}"] == 1
    assert found["tombstones{cluster=hopper}"] == 2
    assert found["faults{cluster=hopper,code=POLL_FAILED}"] == 1
    assert found["build_info{build=,protocol=1,version=0.1.0}"] == 1
    assert found["process_open_fds{}"] > 3


async def test_before_the_first_data_there_is_no_age(serve: Serve) -> None:
    """What is unknown is absent, not zero."""
    server = await serve()
    found = await figures(server)

    assert not any(name.startswith(("data_age", "published_timestamp")) for name in found)
    assert found["quality{cluster=hopper,quality=starting}"] == 1


async def test_readers_are_counted_while_they_are_here(server: Served) -> None:
    """Readers stand by transport while they are here, and in the counts of those who came and went after that."""
    async with server.socket() as socket, server.events() as stream:
        await socket.take("hello", "snapshot", "heartbeat")
        await stream.take("hello", "snapshot", "heartbeat")
        poll = asyncio.create_task(server.get(f"/api/changes?since={server.cursor}"))
        await until(lambda: len(server.listeners()) == 3)
        here = await figures(server)
        server.publish(small_state() | {"queues": {}})
        changed = await poll
        await socket.take("diff")
        await stream.take("diff")
    await until(lambda: not server.site.door.open)
    gone = await figures(server)

    for transport in ("websocket", "sse", "longpoll"):
        assert here[f"readers{{cluster=hopper,transport={transport}}}"] == 1
        assert gone[f"readers{{cluster=hopper,transport={transport}}}"] == 0
        assert gone[f"connects_total{{transport={transport}}}"] == 1
    assert gone["closes_total{code=1000,side=reader,transport=websocket}"] == 1
    assert gone["closes_total{code=none,side=reader,transport=sse}"] == 1
    assert gone["handed_over_bytes_total{transport=longpoll}"] == len(changed.body)
    assert gone["messages_total{cluster=hopper,type=diff}"] == 3
    assert gone["messages_total{cluster=hopper,type=snapshot}"] == 2
    assert gone["messages_total{cluster=hopper,type=heartbeat}"] >= 3
    # One diff for the three, who stood at one cursor of one view.
    assert gone["encoded_messages_total{cluster=hopper,type=diff}"] == 1
    assert gone["fan_out_seconds_count{cluster=hopper}"] >= 1
    assert gone["commit_seconds_count{cluster=hopper}"] == 2


async def test_bytes_never_count_backwards(server: Served) -> None:
    """What was handed to a stream is counted the same while it is open and when it has closed."""
    name = "handed_over_bytes_total{transport=sse}"
    async with server.events() as stream:
        await stream.take("hello", "snapshot", "heartbeat")
        (wire,) = server.site.door.open
        assert isinstance(wire, EventWire)
        open_ = (await figures(server))[name]
        assert open_ == wire.handed_over() > 100
    await until(lambda: not server.site.door.open)

    assert (await figures(server))[name] >= open_


@pytest.mark.parametrize(
    ("since", "answer"),
    [("", "new"), ("strange-1", "epoch"), ("now", "current"), ("before", "diff")],
)
async def test_subscriptions_are_counted_by_what_they_brought(
    server: Served, since: str, answer: str
) -> None:
    """A subscription brought nothing, a diff, or a snapshot for a reason."""
    before = server.cursor
    # One field of many, so that the diff is smaller than the snapshot.
    server.publish(small_state() | {"users": {"ann": {"name": "ann", "runningJobs": 2}}})
    cursor = {"now": server.cursor, "before": before}.get(since, since)
    await server.get(f"/api/changes?wait=0&since={cursor}")

    assert (await figures(server))[f"subscriptions_total{{answer={answer},cluster=hopper}}"] == 1


async def test_a_subscription_to_nothing_yet_is_counted(serve: Serve) -> None:
    """Before anything is known a subscription brings it later."""
    server = await serve()
    await server.get("/api/changes?wait=0")

    assert (await figures(server))["subscriptions_total{answer=later,cluster=hopper}"] == 1


async def test_the_servers_goodbye_is_counted(server: Served) -> None:
    """Streams that the server ended are counted on its side, with the code."""
    async with server.socket() as socket, server.events() as stream:
        await socket.take("hello", "snapshot", "heartbeat")
        await stream.take("hello", "snapshot", "heartbeat")
        server.hub.close(1012, "restart", lambda: 1_000)
        await socket.take("bye")
        await socket.closed()
        await stream.take("bye")
        await until(lambda: not server.site.door.open)

    found = await figures(server)
    assert found["closes_total{code=1012,side=server,transport=websocket}"] == 1
    assert found["closes_total{code=1012,side=server,transport=sse}"] == 1


async def test_a_slow_reader_is_counted_until_it_is_cut_off(serve: Serve) -> None:
    """A reader that takes nothing is lagging, with what is unsent; publications pass it over; then it is cut off."""
    server = await serve(max_unsent_kib=1, slow_reader_timeout_seconds=30)
    async with server.raw(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n", receive_buffer=4096):
        await until(server.listeners)
        (reader,) = server.listeners()
        server.publish({"users": {"u": {"name": "x" * 2**22}}})
        await until(lambda: reader.lagging)
        server.publish({"users": {"u": {"name": "y"}}})
        await until(lambda: server.hub.counts.passed_over)
        slow = await figures(server)
        await server.cut_off(reader.outlet)
        await until(lambda: not server.site.door.open)
    cut = await figures(server)

    assert slow["lagging_readers{cluster=hopper}"] == 1
    assert slow["unsent_bytes{cluster=hopper}"] > 2**20
    assert slow["passed_over_total{cluster=hopper}"] >= 1
    assert cut["lagging_readers{cluster=hopper}"] == 0
    assert cut["slow_readers_cut_off_total{cluster=hopper}"] == 1
    assert cut["closes_total{code=1006,side=server,transport=sse}"] == 1


async def test_refusals_are_counted_by_code(server: Served) -> None:
    """Requests, commands and streams that are refused are counted under the code that they were told."""
    await server.get("/api/nodes?state=idle")
    await server.get("/api/state?cluster=nowhere")
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        await socket.say(type="dance")
        await socket.take("error")
    found = await figures(server)

    for code in ("bad_parameter", "unknown_cluster", "unknown_type"):
        assert found[f"refusals_total{{code={code}}}"] == 1


async def test_who_was_turned_away_is_counted(server: Served) -> None:
    """Connections that were reset for want of files are counted."""
    server.site.door.turned_away = 7

    assert (await figures(server))["turned_away_total{}"] == 7


async def test_requests_are_counted_by_route(server: Served) -> None:
    """A request counts under its route's pattern, so that callers cannot make labels."""
    for name in ("a", "b", "hopper-01"):
        await server.get(f"/api/nodes/{name}")
        await server.get(f"/{name}")
    await server.ask("PATCH", "/api/nodes")
    found = await figures(server)

    assert found["requests_total{method=GET,route=/api/nodes/{id},status=404}"] == 2
    assert found["requests_total{method=GET,route=/api/nodes/{id},status=200}"] == 1
    assert found["requests_total{method=other,route=none,status=404}"] == 3
    assert found["requests_total{method=other,route=none,status=405}"] == 1


async def test_no_label_holds_what_a_caller_said(server: Served) -> None:
    """Neither a path, a query, a header, a user's name nor an address is to be found in any figure."""
    await server.get("/s3cr3t?token=s3cr3t", Authorization="Bearer s3cr3t", User_Agent="s3cr3t")
    await server.get("/api/nodes/s3cr3t?cluster=s3cr3t")
    async with server.socket("?screen=s3cr3t&nodes=s3cr3t") as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        await leave_with(socket, 4321)
        await until(lambda: not server.site.door.open)
    text = (await server.get("/metrics")).body.decode()

    for word in ("s3cr3t", "ann", "127.0.0.1", "4321"):
        assert word not in text
    assert 'code="other"' in text


async def leave_with(socket: Socket, code: int) -> None:
    await socket.connection.close(code=code)


async def test_polls_are_counted_where_they_are_made(server: Served) -> None:
    """What the poller counts is shown as it counts it."""
    polls = Polls(series=571)
    polls.outcomes.update(fetched=3, POLL_FAILED=1)
    polls.durations.note(0.02)
    server.site.polls = {"hopper": polls}
    found = await figures(server)

    assert found["polls_total{cluster=hopper,outcome=fetched}"] == 3
    assert found["polls_total{cluster=hopper,outcome=POLL_FAILED}"] == 1
    assert found["source_series{cluster=hopper}"] == 571
    assert found["poll_seconds_bucket{cluster=hopper,le=0.01}"] == 0
    assert found["poll_seconds_bucket{cluster=hopper,le=0.025}"] == 1
    assert found["poll_seconds_count{cluster=hopper}"] == 1


async def test_two_servers_have_figures_of_their_own(serve: Serve) -> None:
    """What happened in one server of a process is none of the other's."""
    one, other = await serve(), await serve()
    one.publish(small_state())

    assert (await figures(one))["revision{cluster=hopper}"] == 1
    assert (await figures(other))["revision{cluster=hopper}"] == 0


async def test_openmetrics_is_spoken_to_who_asks(server: Served) -> None:
    """Prometheus, which prefers OpenMetrics, gets it, whole."""
    answer = await server.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert "realtime_revision" in {family.name for family in openmetrics(answer.body.decode())}  # type: ignore[no-untyped-call]
