"""The stream over WebSocket, with commands."""

import asyncio
import json
from hashlib import sha256
from typing import Any

import pytest
import websockets
from aiohttp import WSMsgType
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from realtime.state.view import TOPICS
from realtime.stream.messages import squeezing
from tests.client import ClientModel
from tests.resilience.rude import PING, TEXT, frame
from tests.web.served import AGE_MS, NOW, UPGRADE, Serve, Served, Socket, node, small_state, until

UNKNOWN_CURSORS = ["alien-1", "garbage", "-", "x" * 5000, "1", "{epoch}-99999", "{epoch}-0x1", "\u2603-1"]


def epoch(server: Served) -> str:
    return server.hub.store.epoch


async def quiet(socket: Socket) -> None:
    """Assert that nothing more was said: the next thing heard is the pong."""
    await socket.say(type="ping")
    await socket.take("pong")


# -- what is heard


async def test_hello_snapshot_heartbeat(server: Served) -> None:
    """A new reader hears who speaks, the whole state, and how fresh it is."""
    async with server.socket() as socket:
        hello, snapshot, heartbeat = await socket.take("hello", "snapshot", "heartbeat")

    assert hello == {
        "type": "hello",
        "protocol": 1,
        "server": "0.1.0",
        "build": "abc",
        "heartbeatSeconds": 15,
        "clusters": ["hopper"],
        "topics": list(TOPICS),
    }
    assert snapshot == {
        "type": "snapshot",
        "cluster": "hopper",
        "cursor": server.cursor,
        "at": NOW,
        "reason": "new",
        "state": small_state(),
    }
    assert heartbeat == {
        "type": "heartbeat",
        "cluster": "hopper",
        "cursor": server.cursor,
        "at": NOW,
        "quality": "live",
        "dataAgeMs": AGE_MS,
    }


async def test_a_change_is_a_diff(server: Served) -> None:
    """What changes is told as a merge patch from the reader's cursor: changed fields, and null for what is gone."""
    before = server.cursor
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        server.clock.ms += 5000
        nodes = small_state()["nodes"]
        del nodes["gn-1"]
        nodes["hopper-02"]["usedGpus"] = 3
        server.publish({"nodes": nodes})
        (diff,) = await socket.take("diff")

    assert diff == {
        "type": "diff",
        "cluster": "hopper",
        "from": before,
        "cursor": server.cursor,
        "at": NOW + 5000,
        "patch": {"nodes": {"gn-1": None, "hopper-02": {"usedGpus": 3}}},
    }


async def test_before_there_is_data_it_waits(serve: Serve) -> None:
    """A reader who comes before the first poll hears that the server is starting, and later a snapshot."""
    server = await serve()
    async with server.socket() as socket:
        _, heartbeat = await socket.take("hello", "heartbeat")
        assert heartbeat == {"type": "heartbeat", "cluster": "hopper", "at": NOW, "quality": "starting"}
        server.publish(small_state())
        (snapshot,) = await socket.take("snapshot")

    assert (snapshot["reason"], snapshot["state"]) == ("new", small_state())


async def test_who_hears_nothing_hears_a_heartbeat(serve: Serve) -> None:
    """An idle reader is told again and again that the server lives, and how old the data has become."""
    server = await serve(heartbeat_seconds=0.05, sweep_interval_seconds=0.01)
    server.publish(small_state())
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        server.clock.ms += 1000
        first, second = await socket.take("heartbeat", "heartbeat")

    assert first["cursor"] == second["cursor"] == server.cursor
    assert second["dataAgeMs"] == AGE_MS + 1000


async def test_a_view_is_chosen_in_the_query(server: Served) -> None:
    """Topics and globs of the query limit the snapshot and every diff; a change elsewhere is not heard."""
    async with server.socket("?topics=nodes&nodes=hopper-*") as socket:
        _, snapshot, _ = await socket.take("hello", "snapshot", "heartbeat")
        assert {topic: list(entities) for topic, entities in snapshot["state"].items()} == {
            "nodes": ["hopper-01", "hopper-02"]
        }
        server.publish({"users": {}})
        nodes = small_state()["nodes"]
        server.publish({"nodes": nodes | {"gn-1": node("gn-1", "free"), "hopper-03": node("hopper-03")}})
        (diff,) = await socket.take("diff")

    assert list(diff["patch"]["nodes"])[-1:] == ["hopper-03"]
    assert diff["from"] == snapshot["cursor"]


async def test_readers_of_one_view_get_the_same_bytes(server: Served) -> None:
    """Nothing in a message belongs to one connection: two readers hear the very same text."""
    async with server.socket() as one, server.socket("?topics=") as other:
        texts: list[list[str]] = [
            [await socket.connection.receive_str(timeout=5) for _ in range(3)] for socket in (one, other)
        ]
        server.publish({"users": {}})
        for socket, heard in zip((one, other), texts, strict=True):
            heard.append(await socket.connection.receive_str(timeout=5))

    assert texts[0] == texts[1]


async def test_a_library_of_another_make_understands_it(server: Served) -> None:
    """The hand-made frames are WebSocket to a client that shares no code with us: short, medium and long ones."""
    big = {f"user{number}": {"name": f"user{number}", "runningJobs": number} for number in range(3000)}
    model = ClientModel()
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/api/ws", max_size=2**24) as socket:
        for _ in range(3):
            model.hear(json.loads(await socket.recv()))
        server.publish({"users": big})
        model.hear(json.loads(await socket.recv()))
        server.publish({"users": big | {"ann": {"name": "ann"}}})
        model.hear(json.loads(await socket.recv()))
        await (await socket.ping())
        await socket.send('{"type":"ping"}')
        model.hear(json.loads(await socket.recv()))

    assert [message["type"] for message in model.heard[:2]] == ["hello", "snapshot"]
    assert model.heard[-1] == {"type": "pong"}
    assert model.state is not None
    assert model.state["users"] == big | {"ann": {"name": "ann"}}
    await until(lambda: not server.listeners())


# -- compression: shared frames, each compressed on its own


async def publish_small_and_large(server: Served, turn: int) -> None:
    """Two diffs: one too large to go plain and unlike any before it, one small."""
    said = "".join(sha256(b"%d %d" % (turn, i)).hexdigest() for i in range(20))
    for bob in (turn, -turn):
        server.publish(
            {"users": {"ann": {"name": "ann", "said": f"{said} {said}"}, "bob": {"name": "bob", "turn": bob}}}
        )
        await server.hub.fan_out()


@pytest.mark.parametrize("bits", range(9, 16))
async def test_every_window_is_served(serve: Serve, bits: int) -> None:
    """aiohttp's own client, whose inflater goes on from message to message, reads plain and compressed frames mixed, for each window."""
    server = await serve(compress_min_bytes=600)
    server.publish(small_state())
    model = ClientModel()
    async with server.session.ws_connect(server.url("/api/ws"), compress=bits) as connection:
        await until(server.listeners)
        assert server.listeners()[0].outlet._encode is squeezing(bits, 600)  # type: ignore[attr-defined]
        socket = Socket(connection)
        for turn in range(1, 6):
            await publish_small_and_large(server, turn)
        await socket.say(type="ping")
        while model.heard[-1:] != [{"type": "pong"}]:
            model.hear(await socket.next())

    assert model.count("diff") == 10
    assert model.state is not None
    assert model.state["users"] == server.hub.store.entities("users")


@pytest.mark.parametrize("without_takeover", [False, True])
@pytest.mark.parametrize("bits", [None, 9, 12, 14])
async def test_an_independent_client_reads_compressed_frames(
    serve: Serve, bits: int | None, without_takeover: bool
) -> None:
    """The `websockets` library reads them, with context takeover and without, whatever window it asked for."""
    server = await serve(compress_min_bytes=600)
    server.publish(small_state())
    offer = ClientPerMessageDeflateFactory(
        server_max_window_bits=bits, server_no_context_takeover=without_takeover
    )
    model = ClientModel()
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/api/ws", extensions=[offer]) as socket:
        assert [type(each).__name__ for each in socket.protocol.extensions] == ["PerMessageDeflate"]
        for turn in range(1, 6):
            await publish_small_and_large(server, turn)
        await socket.send('{"type":"ping"}')
        while model.heard[-1:] != [{"type": "pong"}]:
            model.hear(json.loads(await socket.recv()))

    assert model.count("diff") == 10
    assert model.state is not None
    assert model.state["users"] == server.hub.store.entities("users")


async def test_an_offer_that_would_be_answered_wrongly_is_not_taken(server: Served) -> None:
    """A client that names the largest window is served plain, since aiohttp's answer would not name it and the client would hang up."""
    offer = ClientPerMessageDeflateFactory(server_max_window_bits=15)
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/api/ws", extensions=[offer]) as socket:
        assert socket.protocol.extensions == []
        assert json.loads(await socket.recv())["type"] == "hello"


async def test_compression_can_be_forbidden(serve: Serve) -> None:
    """With `compress_min_bytes` 0 a client that offers compression is not given it."""
    server = await serve(compress_min_bytes=0)
    server.publish(small_state())
    async with server.session.ws_connect(server.url("/api/ws"), compress=15) as connection:
        await Socket(connection).take("hello", "snapshot", "heartbeat")

        assert connection.compress == 0


# -- since


async def test_who_is_up_to_date_hears_no_state(server: Served) -> None:
    """A reader who comes back with the current cursor hears hello and a heartbeat, and then the next change from there."""
    cursor = server.cursor
    async with server.socket(f"?since={cursor}") as socket:
        _, heartbeat = await socket.take("hello", "heartbeat")
        assert heartbeat["cursor"] == cursor
        await quiet(socket)
        server.publish({"users": {}})
        (diff,) = await socket.take("diff")

    assert diff["from"] == cursor


async def test_who_comes_back_hears_one_diff(server: Served) -> None:
    """A reader who comes back with an old cursor hears in one diff whatever it has missed, and then holds the truth."""
    model = ClientModel()
    async with server.socket() as socket:
        for message in await socket.take("hello", "snapshot", "heartbeat"):
            model.hear(message)
    for count in range(3):
        server.publish({"users": {"ann": {"name": "ann", "runningJobs": count + 5}}})
    async with server.socket(f"?since={model.cursor}") as socket:
        for message in await socket.take("hello", "diff", "heartbeat"):
            model.hear(message)
        await quiet(socket)

    assert model.cursor == server.cursor
    assert model.state == small_state() | {"users": {"ann": {"name": "ann", "runningJobs": 7}}}


@pytest.mark.parametrize("cursor", UNKNOWN_CURSORS)
async def test_an_unknown_cursor_is_no_error(server: Served, cursor: str) -> None:
    """A cursor of another epoch, from the future, or that is none, gets a snapshot which says so; in the query and in a command."""
    since = cursor.format(epoch=epoch(server))
    async with server.session.ws_connect(server.url("/api/ws").with_query(since=since)) as connection:
        socket = Socket(connection)
        _, snapshot, _ = await socket.take("hello", "snapshot", "heartbeat")
        await socket.say(type="subscribe", since=since)
        (again, _) = await socket.take("snapshot", "heartbeat")

    assert snapshot["reason"] == again["reason"] == "epoch"
    assert snapshot["state"] == small_state()


async def test_a_cursor_from_before_the_horizon_gets_a_snapshot(serve: Serve) -> None:
    """Where the removals since a cursor are forgotten, a snapshot says so, never a wrong diff."""
    server = await serve(tombstones=0)
    server.publish(small_state())
    cursor = server.cursor
    server.publish({"users": {}})
    async with server.socket(f"?since={cursor}") as socket:
        _, snapshot, _ = await socket.take("hello", "snapshot", "heartbeat")

    assert (snapshot["reason"], snapshot["state"]["users"]) == ("horizon", {})


# -- commands


async def test_a_subscription_replaces_the_one_before(server: Served) -> None:
    """`subscribe` replaces the cluster's view: a snapshot of the new one, and nothing more of the old one."""
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        await socket.say(type="subscribe", topics=["queues"])
        snapshot, _ = await socket.take("snapshot", "heartbeat")
        assert snapshot["state"] == {"queues": small_state()["queues"]}
        assert [subscriber.edition.view.topics for subscriber in server.listeners()] == [("queues",)]
        server.publish({"users": {}})
        server.publish({"queues": {}})
        (diff,) = await socket.take("diff")
        await quiet(socket)

    assert diff["patch"] == {"queues": {"large": None, "small": None}}


async def test_a_subscription_may_resume(server: Served) -> None:
    """`subscribe` with the cursor at which the view stands says nothing twice."""
    async with server.socket("?topics=nodes") as socket:
        _, snapshot, _ = await socket.take("hello", "snapshot", "heartbeat")
        await socket.say(type="subscribe", topics=["nodes"], since=snapshot["cursor"])
        await socket.take("heartbeat")
        await quiet(socket)


async def test_who_unsubscribes_hears_nothing_more(server: Served) -> None:
    """After `unsubscribe` no change is heard until `subscribe`; a second one does nothing."""
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        await socket.say(type="unsubscribe")
        await socket.say(type="unsubscribe", cluster="hopper")
        await quiet(socket)
        assert server.listeners() == []
        server.publish({"users": {}})
        await server.hub.fan_out()
        await quiet(socket)
        await socket.say(type="subscribe", topics=["users"])
        snapshot, _ = await socket.take("snapshot", "heartbeat")

    assert snapshot["state"] == {"users": {}}


async def test_one_connection_may_follow_two_clusters(serve: Serve) -> None:
    """A connection holds one view a cluster; each message names its own, and one can be given up without the other."""
    server = await serve(clusters=("hopper", "vanda"))
    server.publish(small_state())
    server.publish({"queues": {"v": {"name": "v"}}}, "vanda")
    async with server.socket("?topics=queues") as socket:
        hello, first, _ = await socket.take("hello", "snapshot", "heartbeat")
        await socket.say(type="subscribe", cluster="vanda", topics=["queues"])
        second, _ = await socket.take("snapshot", "heartbeat")
        assert hello["clusters"] == ["hopper", "vanda"]
        assert [first["cluster"], second["cluster"]] == ["hopper", "vanda"]
        assert second["state"] == {"queues": {"v": {"name": "v"}}}

        server.publish({"queues": {}}, "vanda")
        (diff,) = await socket.take("diff")
        assert (diff["cluster"], diff["from"]) == ("vanda", second["cursor"])

        await socket.say(type="unsubscribe", cluster="hopper")
        await quiet(socket)
        server.publish({"queues": {}})
        server.publish({"queues": {"w": {"name": "w"}}}, "vanda")
        (diff,) = await socket.take("diff")
        assert diff["cluster"] == "vanda"
        assert [subscriber.outlet for subscriber in server.listeners()] == [
            *(subscriber.outlet for subscriber in server.site.hub("vanda").subscribers())
        ]
    await until(lambda: not server.listeners())


async def test_the_query_chooses_the_cluster(serve: Serve) -> None:
    """`cluster=` of the query subscribes to that cluster alone."""
    server = await serve(clusters=("hopper", "vanda"))
    server.publish({}, "vanda")
    async with server.socket("?cluster=vanda") as socket:
        _, snapshot, _ = await socket.take("hello", "snapshot", "heartbeat")

    assert snapshot["cluster"] == "vanda"


MISTAKES: list[tuple[Any, str, str]] = [
    ("not json", "bad_message", "must be JSON"),
    ("", "bad_message", "must be JSON"),
    ("{'type':'ping'}", "bad_message", "must be JSON"),
    ("[" * 5000, "bad_message", "must be JSON"),
    ("[]", "bad_message", 'an object with a "type"'),
    ('"ping"', "bad_message", 'an object with a "type"'),
    ("null", "bad_message", 'an object with a "type"'),
    ("{}", "bad_message", 'an object with a "type"'),
    ('{"type":1}', "bad_message", 'an object with a "type"'),
    ('{"type":["ping"]}', "bad_message", 'an object with a "type"'),
    ('{"type":"Ping"}', "unknown_type", "unknown type 'Ping'; allowed: subscribe, unsubscribe, ping"),
    ('{"type":"' + "x" * 9000 + '"}', "unknown_type", "allowed: subscribe, unsubscribe, ping"),
    ('{"type":"subscribe","topics":"nodes"}', "bad_message", "topics must be an array of strings"),
    ('{"type":"subscribe","topics":{"nodes":1}}', "bad_message", "topics must be an array of strings"),
    ('{"type":"subscribe","topics":[1]}', "bad_message", "topics must be an array of strings"),
    ('{"type":"subscribe","nodes":[null]}', "bad_message", "nodes must be an array of strings"),
    ('{"type":"subscribe","cluster":["hopper"]}', "bad_message", "cluster must be a string"),
    ('{"type":"unsubscribe","cluster":1}', "bad_message", "cluster must be a string"),
    ('{"type":"subscribe","since":17}', "bad_message", "since must be a string"),
    ('{"type":"subscribe","topics":["jobs"]}', "unknown_topic", "unknown topic 'jobs'; allowed: summary"),
    ('{"type":"subscribe","cluster":"x"}', "unknown_cluster", "unknown cluster 'x'; allowed: hopper"),
    ('{"type":"unsubscribe","cluster":""}', "unknown_cluster", "unknown cluster ''; allowed: hopper"),
    ('{"type":"subscribe","nodes":[""]}', "bad_glob", "1 to 128 printable characters"),
    ('{"type":"subscribe","nodes":["a\\u0000"]}', "bad_glob", "1 to 128 printable characters"),
    (json.dumps({"type": "subscribe", "nodes": [f"n{n}" for n in range(33)]}), "bad_glob", "at most 32"),
    (b'{"type":"ping"}', "bad_message", "commands are JSON in text frames"),
]


@pytest.mark.parametrize(("mistake", "code", "named"), MISTAKES, ids=lambda value: str(value)[:40])
async def test_a_mistake_is_told_and_forgiven(
    server: Served, mistake: str | bytes, code: str, named: str
) -> None:
    """A command that makes no sense is answered with an error that names what is wrong; the connection and its view live on."""
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        if isinstance(mistake, bytes):
            await socket.connection.send_bytes(mistake)
        else:
            await socket.connection.send_str(mistake)
        (error,) = await socket.take("error")
        assert error["code"] == code
        assert named in error["detail"]
        assert len(error["detail"]) < 200
        server.publish({"users": {}})
        await socket.take("diff")
        await quiet(socket)


async def test_too_many_mistakes_in_a_row_end_it(serve: Serve) -> None:
    """The connection is closed with 4501 after `max_bad_commands` mistakes in a row; one good command between them starts anew."""
    server = await serve(max_bad_commands=3)
    async with server.socket() as socket:
        await socket.take("hello", "heartbeat")
        for _ in range(2):
            await socket.connection.send_str("x")
            await socket.connection.send_str("x")
            await socket.say(type="ping")
            await socket.take("error", "error", "pong")
        for _ in range(3):
            await socket.connection.send_str("x")
        await socket.take("error", "error", "error")
        assert await socket.closed() == 4501
    await until(lambda: not server.listeners())


@pytest.mark.parametrize("size", [2**16 + 1, 2**20, 2**23])
async def test_a_command_too_long_is_told_before_the_end(server: Served, size: int) -> None:
    """A command beyond the limit gets an error, then close 1009; nobody else notices."""
    async with server.socket() as other, server.socket() as socket:
        await other.take("hello", "snapshot", "heartbeat")
        await socket.take("hello", "snapshot", "heartbeat")
        sending = asyncio.create_task(socket.connection.send_str("x" * size))
        (error,) = await socket.take("error")
        assert error == {"type": "error", "code": "too_long", "detail": "a command has at most 64 KiB"}
        assert await socket.closed() == 1009
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await until(lambda: len(server.listeners()) == 1)
        server.publish({"users": {}})
        await other.take("diff")


async def test_a_long_command_within_the_limit_is_obeyed(server: Served) -> None:
    """A command just below the limit is read like any other."""
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        await socket.connection.send_str('{"type":"ping"}' + " " * (2**16 - 16))
        await socket.take("pong")


async def test_text_that_is_no_utf8_ends_it(server: Served) -> None:
    """A text frame that is not UTF-8 closes the connection with 1007, as the WebSocket protocol wants, and nobody else's."""
    async with server.raw(UPGRADE) as raw:
        await raw.until(b"\r\n\r\n")
        raw.writer.write(b"\x81\x82\x00\x00\x00\x00\xff\xfe")
        heard = await raw.rest()

    assert b"\x03\xef" in heard[-128:]
    await until(lambda: not server.listeners())


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?topics=jobs", "unknown_topic"),
        ("?cluster=nowhere", "unknown_cluster"),
        ("?nodes=" + "x" * 129, "bad_glob"),
    ],
)
async def test_a_query_that_cannot_be_served_ends_it(server: Served, query: str, code: str) -> None:
    """A bad query is told as an error after hello, then the connection closes with 4501: do not come back with the same."""
    async with server.socket(query) as socket:
        _, error = await socket.take("hello", "error")
        assert error["code"] == code
        assert await socket.closed() == 4501
    assert server.listeners() == []
    await until(lambda: not server.site.sockets)


# -- the connection


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upgrade": "websocket", "Connection": "Upgrade"},
        {"Upgrade": "h2c", "Connection": "Upgrade"},
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec_WebSocket_Version": "99",
            "Sec_WebSocket_Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        },
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec_WebSocket_Version": "13",
            "Sec_WebSocket_Key": "x",
        },
    ],
)
async def test_a_plain_request_is_told_to_upgrade(server: Served, headers: dict[str, str]) -> None:
    """GET without a proper upgrade is a 426 problem that says what this is and what else there is."""
    answer = await server.get("/api/ws", **headers)

    assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")
    assert answer.json["error"] == "this is a WebSocket; /api/events has the same as server-sent events"
    assert server.listeners() == []


async def test_a_key_of_bytes_that_are_no_text_is_no_handshake(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """A handshake whose key is no ASCII is a request without a proper upgrade, and no failure of ours."""
    request = UPGRADE.replace(b"Sec-WebSocket-Key: MDEy", b"Sec-WebSocket-Key: \xff\xff\xff\xff")
    async with server.raw(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as raw:
        said = await raw.until(b"\r\n")

    assert said.startswith(b"HTTP/1.1 426 ")
    assert not caplog.records


async def test_who_closes_is_unsubscribed(server: Served) -> None:
    """A reader that closes politely is forgotten, and hears its own code."""
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        assert len(server.listeners()) == 1
        await socket.connection.close(code=1000)

        assert socket.connection.close_code == 1000
    await until(lambda: not server.listeners() and not server.site.sockets)


async def test_who_vanishes_is_unsubscribed(server: Served) -> None:
    """A reader whose connection breaks is forgotten, and the next publication disturbs nobody."""
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        response = socket.connection._response
        assert response.connection is not None
        assert response.connection.transport is not None
        response.connection.transport.abort()
        await until(lambda: not server.listeners() and not server.site.sockets)
    server.publish({"users": {}})
    assert (await server.get("/api/jobs")).json["byUser"] == []


async def test_many_come_and_go(server: Served) -> None:
    """After a hundred readers came and went, nothing of them is left."""

    async def visit() -> None:
        async with server.socket() as socket:
            await socket.take("hello", "snapshot", "heartbeat")

    await asyncio.gather(*(visit() for _ in range(100)))
    await until(lambda: not server.listeners() and not server.site.sockets and not server.site.closing)


async def test_control_frames_do_not_break_shared_ones(server: Served) -> None:
    """Pings, answered by aiohttp, and shared frames, written by us, interleave on one connection without harm."""
    model = ClientModel()
    pongs = 0
    async with server.session.ws_connect(server.url("/api/ws"), autoping=False) as connection:
        for number in range(50):
            await connection.ping(b"%d" % number)
            server.publish({"users": {"ann": {"name": "ann", "runningJobs": 100 + number}}})
            await asyncio.sleep(0)
        final = server.cursor
        while pongs < 50 or model.cursor != final:
            message = await connection.receive(timeout=5)
            if message.type is WSMsgType.PONG:
                assert message.data == b"%d" % pongs
                pongs += 1
            else:
                assert message.type is WSMsgType.TEXT
                model.hear(json.loads(message.data))

    assert model.state is not None
    assert model.state["users"] == {"ann": {"name": "ann", "runningJobs": 149}}


async def test_who_does_not_answer_pings_is_closed(serve: Serve) -> None:
    """A peer that went away without a word is found by the ping that it does not answer."""
    server = await serve(slow_reader_timeout_seconds=0.2)
    server.publish(small_state())
    async with server.session.ws_connect(server.url("/api/ws"), autoping=False) as connection:
        message = await connection.receive(timeout=5)
        while message.type in (WSMsgType.TEXT, WSMsgType.PING):
            message = await connection.receive(timeout=5)

        assert message.type in (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR)
    await until(lambda: not server.listeners())


async def test_a_reader_that_reads_nothing_is_cut_off(serve: Serve) -> None:
    """A WebSocket that takes no byte for the time allowed is aborted; the others hear everything."""
    server = await serve(sweep_interval_seconds=0.01, max_unsent_kib=1)
    server.publish(small_state() | {"users": {f"u{n}": {"name": "x" * 2**20} for n in range(16)}})
    async with (
        server.socket("?topics=queues") as other,
        server.raw(UPGRADE, receive_buffer=4096),
    ):
        await other.take("hello", "snapshot", "heartbeat")
        await until(lambda: any(subscriber.waiting for subscriber in server.listeners()))
        (outlet,) = [subscriber.outlet for subscriber in server.listeners() if subscriber.waiting]
        await server.cut_off(outlet)
        server.publish({"queues": {}})
        await other.take("diff")
        await until(lambda: len(server.site.sockets) == 1)


async def test_who_reads_nothing_and_answers_no_ping_leaves_nothing_behind(serve: Serve) -> None:
    """A WebSocket that is closed for an unanswered ping, with megabytes unsent, is gone with them; no sweep is needed."""
    server = await serve(slow_reader_timeout_seconds=0.2, sweep_interval_seconds=10, shutdown_seconds=0.1)
    server.publish(small_state() | {"users": {f"u{n}": {"name": "x" * 2**20} for n in range(16)}})
    async with server.raw(UPGRADE, receive_buffer=4096):
        await until(server.listeners)
        await until(lambda: not server.listeners())
        await until(lambda: not server.connections())


async def test_commands_after_the_close_are_nothing(server: Served) -> None:
    """A reader who talks on after it was told to go is not obeyed, and leaves nothing behind."""
    async with server.socket("?topics=nope") as socket:
        await socket.take("hello", "error")

        async def talk_on() -> None:
            while True:
                await socket.say(type="subscribe")

        with pytest.raises(ConnectionError):
            await talk_on()
    await until(lambda: not server.site.closing and not server.site.sockets)
    assert server.listeners() == []


async def test_a_command_behind_a_large_snapshot_is_answered(server: Served) -> None:
    """A reader that asks while megabytes are still on their way to it is no stalled one: it gets them, and its answers."""
    nodes = {f"n{number}": node(f"n{number}", stateDetail="x" * 2_000) for number in range(4_000)}
    server.publish({"nodes": nodes})
    async with server.socket("?topics=nodes") as socket:
        await socket.say(type="ping")
        await socket.say(type="subscribe", topics=["queues"])
        heard = await socket.take("hello", "snapshot", "pong", "snapshot")

    assert len(heard[1]["state"]["nodes"]) == 4_000
    assert list(heard[3]["state"]) == ["queues"]


async def test_commands_have_a_pace(serve: Serve) -> None:
    """Some commands at once are obeyed; past that each is an error, and who goes on is told to come back later."""
    server = await serve(max_commands_per_second=1, max_bad_commands=3)
    server.publish(small_state())
    async with server.socket() as socket:
        await socket.take("hello", "snapshot")
        for _ in range(14):
            await socket.say(type="ping")
        heard = await socket.take(*["pong"] * 11, *["error"] * 3)

        assert {error["code"] for error in heard[11:]} == {"too_fast"}
        assert await socket.closed() == 1013


FLOOD = 3_000


async def test_a_flood_of_mistakes_is_ended_when_it_is_enough(server: Served) -> None:
    """Of thousands of mistakes that come at once hardly more than `max_bad_commands` are looked at: the close does not wait for the rest."""
    most = server.site.settings.max_bad_commands
    async with server.raw(UPGRADE) as raw:
        await raw.until(b"snapshot")
        raw.writer.write(frame(TEXT, b"x") * FLOOD)
        await raw.rest()
    await until(lambda: not server.connections())

    assert most <= server.site.door.refusals["bad_message"] < 2 * most


async def test_a_flood_of_pings_leaves_others_their_turn(server: Served) -> None:
    """While thousands of pings that came at once are answered, others have their turn after each."""
    async with server.raw(UPGRADE) as raw, server.raw() as other:
        await raw.until(b"snapshot")
        raw.writer.write(frame(PING, b"first") + frame(PING, b"") * FLOOD + frame(PING, b"last"))
        await raw.until(b"first")
        other.writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        asked = asyncio.create_task(other.until(b"200 OK"))
        done, _ = await asyncio.wait(
            {asked, asyncio.create_task(raw.until(b"last"))}, return_when=asyncio.FIRST_COMPLETED
        )

        assert asked in done
