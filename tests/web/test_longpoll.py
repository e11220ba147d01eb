"""The stream for those who can only ask."""

import asyncio

import pytest

from tests.client import ClientModel
from tests.web.served import Answer, Serve, Served, small_state, until


async def asking(server: Served, path: str) -> "asyncio.Task[Answer]":
    """A question under way, whose reader listens."""
    before = len(server.listeners())
    task = asyncio.create_task(server.get(path))
    await until(lambda: len(server.listeners()) > before)
    return task


async def test_who_knows_nothing_is_answered_at_once(server: Served) -> None:
    """Without `since` the answer is the snapshot that a stream begins with, and its cursor."""
    answer = await server.get("/api/changes")

    assert answer.status == 200
    assert answer.json["type"] == "snapshot"
    assert (answer.json["reason"], answer.json["state"]) == ("new", small_state())
    assert answer.headers["X-Cursor"] == answer.json["cursor"] == server.cursor
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert (answer.headers["X-Data-Age"], answer.headers["X-Data-Quality"]) == ("4.1", "live")


async def test_who_has_missed_something_is_answered_at_once(server: Served) -> None:
    """With an old cursor the answer is one diff from there."""
    cursor = server.cursor
    server.publish({"users": {}})
    server.publish({"queues": {}})

    answer = await server.get(f"/api/changes?since={cursor}")
    assert answer.json["type"] == "diff"
    assert (answer.json["from"], answer.headers["X-Cursor"]) == (cursor, server.cursor)
    assert set(answer.json["patch"]) == {"users", "queues"}


@pytest.mark.parametrize("wait", ["0", "1"])
async def test_when_nothing_happens_there_is_no_content(server: Served, wait: str) -> None:
    """After `wait` seconds without a change the answer is 204 with the cursor to ask with again."""
    async with asyncio.timeout(3):
        answer = await server.get(f"/api/changes?since={server.cursor}&wait={wait}")

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["X-Cursor"] == server.cursor
    assert answer.headers["X-Data-Quality"] == "live"
    assert server.listeners() == []


async def test_a_change_wakes_who_waits(server: Served) -> None:
    """Whoever waits is answered as soon as something is published, with the diff from the cursor asked with."""
    cursor = server.cursor
    asked = await asking(server, f"/api/changes?since={cursor}&wait=60")
    server.publish({"users": {}})

    answer = await asked
    assert (answer.status, answer.json["type"], answer.json["from"]) == (200, "diff", cursor)
    assert answer.headers["X-Cursor"] == server.cursor
    assert server.listeners() == []


async def test_a_change_elsewhere_wakes_nobody(server: Served) -> None:
    """Whoever waits for one topic is not woken by another, and not by heartbeats."""
    asked = await asking(server, f"/api/changes?since={server.cursor}&topics=queues&wait=60")
    server.publish({"users": {}})
    await server.hub.fan_out()
    server.clock.ms += 1_000_000
    await server.hub.sweep()
    assert not asked.done()
    server.publish({"queues": {}})

    assert list((await asked).json["patch"]) == ["queues"]


async def test_asking_again_and_again_holds_the_truth(server: Served) -> None:
    """Whoever asks with each answer's cursor misses nothing, over changes, silence and an epoch that ends."""
    model = ClientModel()
    cursor = "another-1"
    for count in range(5):
        answer = await server.get(f"/api/changes?since={cursor}&wait=0")
        if answer.status == 200:
            model.hear(answer.json)
        cursor = answer.headers["X-Cursor"]
        if count != 2:
            server.publish({"users": {"ann": {"name": "ann", "runningJobs": count + 7}}})
    model.hear((await server.get(f"/api/changes?since={cursor}")).json)

    assert model.state == small_state() | {"users": {"ann": {"name": "ann", "runningJobs": 11}}}
    assert (model.count("snapshot"), model.count("diff")) == (1, 4)


@pytest.mark.parametrize("cursor", ["alien-1", "garbage", "%0d%0aX-Evil:%201-1", "x" * 4000])
async def test_an_unknown_cursor_is_no_error(server: Served, cursor: str) -> None:
    """A cursor that was never ours gets a snapshot at once, and none of it comes back in a header."""
    answer = await server.get(f"/api/changes?since={cursor}")

    assert (answer.status, answer.json["reason"]) == (200, "epoch")
    assert answer.headers["X-Cursor"] == server.cursor
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize("wait", ["-1", "61", "x", "1.5", "", "9" * 400])
async def test_a_wait_out_of_bounds_is_named(server: Served, wait: str) -> None:
    """A wait that is no whole number of seconds within the limit is a 400 that names both."""
    answer = await server.get(f"/api/changes?wait={wait}")

    assert (answer.status, answer.json["code"]) == (400, "bad_parameter")
    assert answer.json["detail"].startswith("wait must be a whole number from 0 to 60")


async def test_the_longest_wait_is_configured(serve: Serve) -> None:
    """Where the configured limit is below the usual wait, it is the usual wait."""
    server = await serve(long_poll_max_seconds=1.0)
    server.publish(small_state())

    async with asyncio.timeout(4):
        assert (await server.get(f"/api/changes?since={server.cursor}")).status == 204
    assert "from 0 to 1" in (await server.get("/api/changes?wait=2")).json["detail"]


@pytest.mark.parametrize(
    ("query", "status"), [("?topics=jobs", 400), ("?nodes=" + "x" * 129, 400), ("?cluster=nowhere", 404)]
)
async def test_a_query_that_cannot_be_served_is_a_problem(server: Served, query: str, status: int) -> None:
    """The view is checked like that of the streams."""
    answer = await server.get(f"/api/changes{query}")

    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("query", ["?wait=0", "?wait=0&since=ep-1", "?wait=0&since=%0d%0aX-Evil:1-1"])
async def test_before_there_is_data_there_is_no_answer(serve: Serve, query: str) -> None:
    """As long as nothing is known the answer is 503, also to whom brings a cursor of a former life."""
    server = await serve()

    answer = await server.get(f"/api/changes{query}")
    assert (answer.status, answer.json["code"]) == (503, "no_data_yet")
    assert "Retry-After" in answer.headers
    assert "X-Cursor" not in answer.headers


async def test_the_first_data_wakes_who_waits(serve: Serve) -> None:
    """Whoever asks before the first poll and waits is answered by it."""
    server = await serve()
    asked = await asking(server, "/api/changes")
    server.publish(small_state())

    assert (await asked).json["state"] == small_state()


async def test_who_leaves_is_unsubscribed(server: Served) -> None:
    """A reader who gives up waiting is forgotten at once."""
    request = f"GET /api/changes?since={server.cursor} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with server.raw(request):
        await until(server.listeners)
    await until(lambda: not server.listeners())


async def test_a_shutdown_releases_who_waits(serve: Serve) -> None:
    """At shutdown whoever waits is told at once to ask again: 204 with a cursor, 503 without data."""
    server = await serve(clusters=("hopper", "vanda"))
    server.publish(small_state())
    cursor = server.cursor
    with_data = await asking(server, f"/api/changes?since={cursor}&wait=60")
    without = await asking(server, "/api/changes?cluster=vanda&wait=60")
    async with asyncio.timeout(2):
        await server.stop()
        answers = await asyncio.gather(with_data, without)

    assert [answer.status for answer in answers] == [204, 503]
    assert answers[0].headers["X-Cursor"] == cursor
    assert "Retry-After" in answers[1].headers


async def test_a_shutdown_between_data_and_telling_it_is_no_lie(serve: Serve) -> None:
    """Whoever waits without a cursor when the first data and the shutdown come at once is told to ask again, not that nothing happened."""
    server = await serve()
    asked = await asking(server, "/api/changes?wait=60")
    await server.hush()
    server.publish(small_state())
    await server.stop()

    answer = await asked
    assert (answer.status, answer.json["code"]) == (503, "restarting")
    assert "Retry-After" in answer.headers
