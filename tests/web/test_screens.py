"""Which screens watch, and how far behind each is."""

import asyncio
from typing import Any

import pytest

from realtime.state.view import TOPICS
from realtime.web.screens import ABSENCE_MS, SCREENS
from tests.web.served import Serve, Served, node, small_state, until

CAME = "2026-11-08T19:33:32.000Z"
"""When the server's clock stands still, as a row tells it."""


@pytest.fixture
async def server(serve: Serve) -> Served:
    """Two clusters whose clock, and that of the list, stands at `NOW`."""
    server = await serve(clusters=("hopper", "vanda"))
    server.app[SCREENS].now_ms = server.clock
    server.publish(small_state())
    server.publish(small_state(), "vanda")
    return server


async def rows(server: Served) -> list[dict[str, Any]]:
    answer = await server.get("/api/screens")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    listed: list[dict[str, Any]] = answer.json
    return listed


async def until_listed(server: Served, *names: str) -> list[dict[str, Any]]:
    """Wait for exactly these screens."""
    async with asyncio.timeout(10):
        while True:
            listed = await rows(server)
            if [row["screen"] for row in listed] == list(names):
                return listed
            await asyncio.sleep(0.002)


async def test_a_screen_on_a_websocket_is_listed(server: Served) -> None:
    """A row tells the name, how and what it watches, since when, at which cursor, how far behind, and what it was told of the data."""
    async with server.socket("?screen=lobby&topics=summary,nodes&nodes=hopper-*") as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        server.clock.ms += 5000

        assert await rows(server) == [
            {
                "screen": "lobby",
                "transport": "websocket",
                "cluster": "hopper",
                "view": {"topics": ["summary", "nodes"], "nodes": ["hopper-*"]},
                "since": CAME,
                "unsentBytes": 0,
                "cursor": server.cursor,
                "behind": 0,
                "quality": "live",
            }
        ]
    await until_listed(server)


async def test_a_screen_on_an_event_stream_is_listed(server: Served) -> None:
    """An event stream that names itself is a row, until its reader is gone."""
    async with server.events("?screen=hall%203&cluster=vanda") as stream:
        await stream.take("hello", "snapshot", "heartbeat")
        (row,) = await rows(server)
    assert (row["screen"], row["transport"], row["cluster"]) == ("hall 3", "sse", "vanda")
    assert row["view"] == {"topics": list(TOPICS), "nodes": []}
    await until_listed(server)


async def test_a_screen_that_polls_is_listed_between_its_questions(server: Served) -> None:
    """Who polls is listed while a question waits and between two, since the first; when it stops asking it is soon gone."""
    path = "/api/changes?screen=lobby&topics=queues"
    await server.get(path)
    server.clock.ms += ABSENCE_MS - 1
    (between,) = await rows(server)
    asked = asyncio.create_task(server.get(f"{path}&since={server.cursor}&wait=60"))
    await until(server.listeners)
    (waiting,) = await rows(server)

    assert between == waiting
    assert (waiting["transport"], waiting["since"], waiting["behind"]) == ("longpoll", CAME, 0)
    server.publish({"queues": {}})
    await asked
    (answered,) = await rows(server)
    assert (answered["cursor"], answered["since"]) == (server.cursor, CAME)
    server.clock.ms += ABSENCE_MS
    assert await rows(server) == []


async def test_a_screen_that_polls_falls_behind(server: Served) -> None:
    """Between two questions a screen is as many revisions behind as its view has changed since its answer."""
    await server.get("/api/changes?screen=lobby&topics=queues")
    server.publish({"users": {}})
    assert [row["behind"] for row in await rows(server)] == [0]
    server.publish({"queues": {}})
    assert [row["behind"] for row in await rows(server)] == [2]


async def test_who_waits_twice_under_one_name_is_two(server: Served) -> None:
    """Two screens of one name that poll at once are two rows."""
    path = f"/api/changes?screen=lobby&since={server.cursor}&wait=60"
    asked = [asyncio.create_task(server.get(path)) for _ in range(2)]
    await until(lambda: len(server.listeners()) == 2)

    await until_listed(server, "lobby", "lobby")
    server.publish({"users": {}})
    await asyncio.gather(*asked)
    await until_listed(server, "lobby")


async def test_who_falls_back_to_another_transport_is_new_there(server: Served) -> None:
    """A screen that gives up polling for a stream is one row, since it came to the stream."""
    await server.get("/api/changes?screen=lobby")
    server.clock.ms += 1000
    async with server.events("?screen=lobby") as stream:
        await stream.take("hello")
        (row,) = await rows(server)

    assert (row["transport"], row["since"]) == ("sse", CAME.replace("32.000", "33.000"))


async def test_commands_change_what_is_listed(server: Served) -> None:
    """A WebSocket has a row for each cluster that it is subscribed to, and one without a cluster when it is to none."""
    async with server.socket("?screen=lobby") as socket:
        await socket.say(type="subscribe", cluster="vanda", topics=["queues"])
        await socket.take("hello", "snapshot", "heartbeat", "snapshot")
        listed = await rows(server)
        assert [(row["cluster"], row["view"]["topics"]) for row in listed] == [
            ("hopper", list(TOPICS)),
            ("vanda", ["queues"]),
        ]

        await socket.say(type="unsubscribe", cluster="hopper")
        await socket.say(type="unsubscribe", cluster="vanda")
        await socket.say(type="ping")
        await socket.take("pong")
        assert await rows(server) == [
            {"screen": "lobby", "transport": "websocket", "since": CAME, "unsentBytes": 0}
        ]


async def test_who_does_not_read_falls_behind(serve: Serve) -> None:
    """A screen that reads nothing is listed with what waits for it, and with the revisions that it has not been told."""
    server = await serve(max_unsent_kib=1)
    server.publish(small_state())
    request = b"GET /api/events?screen=lobby HTTP/1.1\r\nHost: x\r\n\r\n"
    async with server.raw(request, receive_buffer=4096):
        await until(server.listeners)
        count = 0
        while not (listed := await rows(server)) or not listed[0].get("behind"):
            count += 1
            server.publish({"nodes": {"gn-1": node("gn-1", stateDetail=f"{count}" * 100_000)}})

    assert listed[0]["unsentBytes"] > 1024
    assert listed[0]["cursor"] != server.cursor
    await until_listed(server)


async def test_before_there_is_data_there_is_no_cursor(serve: Serve) -> None:
    """A screen that waits for the first poll is listed without cursor, and with the quality that it was told."""
    server = await serve()
    async with server.events("?screen=lobby") as stream:
        await stream.take("hello", "heartbeat")
        (row,) = await rows(server)

    assert row["quality"] == "starting"
    assert row.keys().isdisjoint({"cursor", "behind"})


async def test_a_cursor_from_the_future_is_not_ahead(server: Served) -> None:
    """A reader that claims a cursor of later is nothing behind."""
    async with server.events(f"?screen=lobby&since={server.hub.store.epoch}-99") as stream:
        await stream.take("hello")
        assert [row["behind"] for row in await rows(server)] == [0]


async def test_screens_stand_in_the_order_of_their_names(server: Served) -> None:
    """Rows are sorted by name, and those of one name by when they came."""
    async with server.events("?screen=b"), server.socket("?screen=a"):
        await until_listed(server, "a", "b")
        server.clock.ms += 1
        async with server.events("?screen=a"):
            listed = await until_listed(server, "a", "a", "b")

    assert [row["transport"] for row in listed] == ["websocket", "sse", "sse"]


async def test_who_has_no_name_is_not_listed(server: Served) -> None:
    """Readers without a name are nobody's business."""
    async with server.events() as stream, server.socket() as socket:
        await stream.take("hello", "snapshot")
        await socket.take("hello", "snapshot")
        await server.get("/api/changes")
        assert await rows(server) == []


@pytest.mark.parametrize("name", ["", "%20", "%0A", "a%00b", "%E2%80%AE", "x" * 65])
async def test_a_name_that_nobody_can_read_is_refused(server: Served, name: str) -> None:
    """A name that is empty, unprintable or too long is a 400 that says what a name is; on a WebSocket an error and 4501."""
    detail = "screen must be 1 to 64 printable characters"
    for path in ("/api/events", "/api/changes"):
        answer = await server.get(f"{path}?screen={name}")
        assert (answer.status, answer.json["code"], answer.json["detail"]) == (400, "bad_parameter", detail)
    async with server.socket(f"?screen={name}") as socket:
        _, error = await socket.take("hello", "error")
        assert (error["code"], error["detail"]) == ("bad_parameter", detail)
        assert await socket.closed() == 4501
    assert await rows(server) == []


async def test_a_cluster_that_is_not_there_lists_nobody(server: Served) -> None:
    """A named WebSocket whose query cannot be served is not a screen."""
    async with server.socket("?screen=lobby&cluster=nowhere") as socket:
        await socket.take("hello", "error")
        assert await rows(server) == []


async def test_who_polls_and_stays_away_is_forgotten(server: Served) -> None:
    """Of screens that stopped polling nothing is kept once another comes."""
    screens = server.app[SCREENS]
    for count in range(50):
        await server.get(f"/api/changes?screen=hall-{count}&topics=queues")
    server.clock.ms += ABSENCE_MS
    await server.get("/api/changes?screen=lobby&topics=queues")

    assert len(screens._between) == 1
