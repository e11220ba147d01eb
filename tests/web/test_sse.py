"""The stream as server-sent events."""

import asyncio
import re
from typing import Any

import orjson
import pytest

from tests.client import ClientModel
from tests.web.served import AGE_MS, NOW, PATIENCE_SECONDS, Serve, Served, small_state, until


async def chunked(raw: Any) -> bytes:
    """One chunk of a chunked body; empty at its end."""
    size = int((await raw.until(b"\r\n")).removesuffix(b"\r\n"), 16)
    async with asyncio.timeout(PATIENCE_SECONDS):
        data: bytes = await raw.reader.readexactly(size + 2)
    assert data.endswith(b"\r\n")
    return data[:-2]


async def test_the_bytes_of_a_stream(server: Served) -> None:
    """A stream is a chunk an event: the retry line, then event, id where there is a cursor, and one line of data each."""
    async with server.raw(b"GET /api/events?topics=queues HTTP/1.1\r\nHost: x\r\n\r\n") as raw:
        head = (await raw.until(b"\r\n\r\n")).decode()
        retry, hello, snapshot, heartbeat = [await chunked(raw) for _ in range(4)]
        server.publish({"queues": {}})
        diff = await chunked(raw)

    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert re.fullmatch(rb"retry: \d{4,5}\n\n", retry)
    assert hello == b"event: hello\ndata: " + server.site.hello.json + b"\n\n"
    cursor = f"{server.hub.store.epoch}-1".encode()
    assert snapshot == (
        b"event: snapshot\nid: %s\n"
        b'data: {"type":"snapshot","cluster":"hopper","cursor":"%s","at":%d,"reason":"new","state":{"queues":'
        b'{"small":{"name":"small","runningJobs":2,"queuedJobs":0,"totalJobs":2},'
        b'"large":{"name":"large","runningJobs":0,"queuedJobs":1,"totalJobs":1}}}}\n\n'
        % (cursor, cursor, NOW)
    )
    assert heartbeat == (
        b"event: heartbeat\nid: %s\n"
        b'data: {"type":"heartbeat","cluster":"hopper","cursor":"%s","at":%d,"quality":"live","dataAgeMs":%d}\n\n'
        % (cursor, cursor, NOW, AGE_MS)
    )
    assert re.fullmatch(rb'event: diff\nid: \S+-2\ndata: \{"type":"diff",[^\n]+\}\n\n', diff)


async def test_the_headers_of_a_stream(server: Served) -> None:
    """The headers keep proxies from storing, changing or withholding the stream."""
    async with server.events() as stream:
        headers = stream.response.headers

    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["Transfer-Encoding"] == "chunked"
    assert "Content-Encoding" not in headers


async def test_each_reader_is_given_another_time_to_come_back(serve: Serve) -> None:
    """The retry lines of many readers differ and stay within a second and the configured bound."""
    server = await serve(retry_max_ms=4000)
    times = set()
    for _ in range(20):
        async with server.session.get(server.url("/api/events")) as response:
            times.add(int((await response.content.readuntil(b"\n\n")).removeprefix(b"retry: ")))

    assert len(times) > 5
    assert min(times) >= 1000
    assert max(times) <= 4000


async def test_a_stream_holds_the_truth(server: Served) -> None:
    """Hello, snapshot, heartbeat, then a diff for every change, until the reader's copy is the state."""
    model = ClientModel()
    async with server.events() as stream:
        for message in await stream.take("hello", "snapshot", "heartbeat"):
            model.hear(message)
        for count in range(3):
            server.publish({"users": {"ann": {"name": "ann", "runningJobs": count + 5}}})
            (diff,) = await stream.take("diff")
            model.hear(diff)

    assert model.state == small_state() | {"users": {"ann": {"name": "ann", "runningJobs": 7}}}
    assert model.cursor == server.cursor


async def test_before_there_is_data_it_waits(serve: Serve) -> None:
    """A stream opened before the first poll is a 200 that says `starting`, without id, and goes on with a snapshot."""
    server = await serve()
    async with server.events() as stream:
        await stream.take("hello")
        event = await stream.next()
        assert event is not None
        assert list(event.fields) == ["event", "data"]
        assert event.message == {"type": "heartbeat", "cluster": "hopper", "at": NOW, "quality": "starting"}
        server.publish(small_state())
        (snapshot,) = await stream.take("snapshot")

    assert snapshot["state"] == small_state()


async def test_heartbeats_are_events_with_an_id(serve: Serve) -> None:
    """An idle stream carries heartbeats that a page's script can hear, and from which it can resume."""
    server = await serve(heartbeat_seconds=0.05, sweep_interval_seconds=0.01)
    server.publish(small_state())
    async with server.events() as stream:
        await stream.take("hello", "snapshot", "heartbeat")
        event = await stream.next()

    assert event is not None
    assert (event.fields["event"], event.fields["id"]) == ("heartbeat", server.cursor)


async def test_a_browser_resumes_where_it_was(server: Served) -> None:
    """With Last-Event-ID a stream begins with what was missed, as one diff."""
    cursor = server.cursor
    server.publish({"users": {}})
    async with server.events("", Last_Event_ID=cursor) as stream:
        _, diff, _ = await stream.take("hello", "diff", "heartbeat")

    assert (diff["from"], diff["patch"]) == (cursor, {"users": {"ann": None, "bob": None}})


async def test_since_does_the_same(server: Served) -> None:
    """`since=` resumes too; the current cursor gets hello and a heartbeat and no state."""
    async with server.events(f"?since={server.cursor}") as stream:
        await stream.take("hello", "heartbeat")
        server.publish({"users": {}})
        await stream.take("diff")


async def test_the_last_event_id_outranks_since(server: Served) -> None:
    """A browser that reconnects repeats its first URL: what it heard last is the newer cursor."""
    first = server.cursor
    server.publish({"users": {}})
    second = server.cursor
    async with server.events(f"?since={first}", Last_Event_ID=second) as stream:
        _, heartbeat = await stream.take("hello", "heartbeat")
        assert heartbeat["cursor"] == second
        server.publish({"queues": {}})
        (diff,) = await stream.take("diff")
    assert diff["from"] == second

    async with server.events(f"?since={second}", Last_Event_ID="") as stream:
        _, diff = await stream.take("hello", "diff")
    assert diff["from"] == second


@pytest.mark.parametrize("cursor", ["alien-1", "garbage", "x" * 4000, "%00"])
async def test_an_unknown_cursor_is_no_error(server: Served, cursor: str) -> None:
    """A cursor that was never ours gets a snapshot which says so, from the header and from the query."""
    async with server.events("", Last_Event_ID=cursor) as stream:
        _, by_header = await stream.take("hello", "snapshot")
    async with server.events(f"?since={cursor}") as stream:
        _, by_query = await stream.take("hello", "snapshot")

    assert by_header["reason"] == by_query["reason"] == "epoch"


async def test_a_view_is_chosen_in_the_query(serve: Serve) -> None:
    """Cluster, topics and globs limit what a stream tells."""
    server = await serve(clusters=("hopper", "vanda"))
    server.publish(small_state(), "vanda")
    async with server.events("?cluster=vanda&topics=nodes,users&nodes=gn-*") as stream:
        _, snapshot = await stream.take("hello", "snapshot")

    assert snapshot["cluster"] == "vanda"
    assert list(snapshot["state"]) == ["nodes", "users"]
    assert list(snapshot["state"]["nodes"]) == ["gn-1"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?topics=jobs", 400, "unknown_topic"),
        ("?nodes=" + "x" * 129, 400, "bad_glob"),
        ("?cluster=nowhere", 404, "unknown_cluster"),
    ],
)
async def test_a_query_that_cannot_be_served_is_a_problem(
    server: Served, query: str, status: int, code: str
) -> None:
    """A bad parameter is a problem with its status before any stream begins: a browser must not try it again."""
    answer = await server.get(f"/api/events{query}")

    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert server.listeners() == []


async def test_http_1_0_is_told_without_chunks(server: Served) -> None:
    """A reader of HTTP/1.0 gets the same events as they are, up to the end of the connection."""
    async with server.raw(b"GET /api/events HTTP/1.0\r\n\r\n") as raw:
        head = await raw.until(b"\r\n\r\n")
        events = [await raw.until(b"\n\n") for _ in range(4)]
        server.publish({"users": {}})
        events.append(await raw.until(b"\n\n"))
        await server.stop()
        rest = await raw.rest()

    assert b"chunked" not in head.lower()
    assert events[0].startswith(b"retry: ")
    kinds = [event.split(b"\n")[0] for event in events[1:]]
    assert kinds == [b"event: hello", b"event: snapshot", b"event: heartbeat", b"event: diff"]
    assert re.fullmatch(rb'event: bye\ndata: \{"type":"bye",[^\n]+\}\n\n', rest)


async def test_who_leaves_is_unsubscribed(server: Served) -> None:
    """A reader who closes its connection is forgotten at once, not with the next write."""
    async with server.events() as stream:
        await stream.take("hello")
        assert len(server.listeners()) == 1
    await until(lambda: not server.listeners())


async def test_who_half_closes_has_left(server: Served) -> None:
    """A reader who shuts down its sending side is taken to have left."""
    async with server.raw(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n") as raw:
        await raw.until(b"event: heartbeat")
        raw.writer.write_eof()
        await until(lambda: not server.listeners())


async def test_many_come_and_go(server: Served) -> None:
    """After a hundred readers came and went, nothing of them is left."""

    async def visit() -> None:
        async with server.events() as stream:
            await stream.take("hello", "snapshot", "heartbeat")

    await asyncio.gather(*(visit() for _ in range(100)))
    await until(lambda: not server.listeners())


async def test_a_reader_that_reads_nothing_is_cut_off(serve: Serve) -> None:
    """A reader that takes no byte for the time allowed is aborted and never holds up the others, who hear every change."""
    server = await serve(sweep_interval_seconds=0.01, max_unsent_kib=1)
    server.publish(small_state() | {"users": {f"u{n}": {"name": "x" * 2**20} for n in range(16)}})
    model = ClientModel()
    async with (
        server.raw(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n", receive_buffer=4096) as stuck,
        server.events("?topics=queues") as other,
    ):
        for message in await other.take("hello", "snapshot", "heartbeat"):
            model.hear(message)
        await until(lambda: any(subscriber.waiting for subscriber in server.listeners()))
        (outlet,) = [subscriber.outlet for subscriber in server.listeners() if subscriber.waiting]
        cutting = asyncio.create_task(server.cut_off(outlet))
        for changes in range(10):
            server.publish({"queues": {"q": {"name": "q", "runningJobs": changes}}})
            (diff,) = await other.take("diff")
            model.hear(diff)
        await cutting
        await stuck.reset()
        server.publish({"queues": {}})
        model.hear((await other.take("diff"))[0])
    assert model.state == {"queues": {}}
    assert model.count("diff") == 11
    await until(lambda: not server.connections())


async def test_a_slow_reader_hears_less_often_and_never_wrong(serve: Serve) -> None:
    """A reader that pauses while much changes hears one diff for all of it, and then holds the truth."""
    server = await serve(sweep_interval_seconds=0.01, max_unsent_kib=64)
    server.publish(small_state())
    model = ClientModel()
    async with server.raw(b"GET /api/events?topics=users HTTP/1.0\r\n\r\n", receive_buffer=4096) as raw:
        await until(server.listeners)
        (subscriber,) = server.listeners()
        count = 0
        while not subscriber.lagging:
            count += 1
            server.publish({"users": {"u": {"name": f"{count:x>65536}"}}})
            await server.hub.fan_out()
        told = subscriber.revision
        for _ in range(50):
            count += 1
            server.publish({"users": {"u": {"name": f"{count}"}}})
            await server.hub.fan_out()
        assert subscriber.revision == told

        heard = b""
        while model.cursor != server.cursor:
            async with asyncio.timeout(PATIENCE_SECONDS):
                heard += await raw.reader.read(2**20)
            *events, heard = heard.split(b"\n\n")
            for event in events:
                if b"\ndata: " in event:
                    model.hear(orjson.loads(event.split(b"\ndata: ")[1]))

    assert model.state == {"users": {"u": {"name": f"{count}"}}}
    assert model.count("diff") == count - 49
