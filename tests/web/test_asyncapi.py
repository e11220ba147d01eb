"""The streams as an AsyncAPI document."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from jsonschema_rs import Draft7Validator
from pydantic_asyncapi.v3 import AsyncAPI

import realtime
from realtime.app import Server, serving
from realtime.clock import now_ms
from realtime.config import Cluster, Settings
from realtime.loading import load
from realtime.source.simulator import SimulatedCluster, SimulatedSource
from realtime.source.source import Source
from realtime.web.asyncapi import asyncapi
from realtime.web.routes import terms
from tests import told
from tests.readers import TRANSPORTS, Reader

SCHEMA = Path(realtime.__file__).parent / "dashboard/node_modules/@asyncapi/specs/schemas/3.0.0.json"
"""AsyncAPI's own; pydantic-asyncapi does not look at security schemes."""

TOKENS: Any = Settings.model_construct(auth="tokens")
JWT: Any = Settings.model_construct(auth="jwt")


@pytest.mark.parametrize("settings", [told.SETTINGS, TOKENS, JWT], ids=["none", "tokens", "jwt"])
def test_it_is_asyncapi(settings: Settings) -> None:
    """The document is one of AsyncAPI 3.0, whoever is let in."""
    document = orjson.loads(orjson.dumps(asyncapi(settings, "0.1.0", terms())))

    AsyncAPI.model_validate(document)
    assert [
        each.message for each in Draft7Validator(orjson.loads(SCHEMA.read_bytes())).iter_errors(document)
    ] == []
    assert document["asyncapi"] == "3.0.0"


def test_who_may_is_said_of_every_stream() -> None:
    """Each stream names the schemes of which one is enough, and each is told; where nobody is asked there is none, and it is said."""
    open_to_all, closed = (asyncapi(each, "0.1.0", terms()) for each in (told.SETTINGS, TOKENS))
    told_of = {
        name: [each["$ref"].rpartition("/")[2] for each in operation["security"]]
        for name, operation in closed["operations"].items()
    }

    assert set(map(tuple, told_of.values())) == {("bearer", "cookie", "ticket")}
    assert list(closed["components"]["securitySchemes"]) == ["bearer", "cookie", "ticket"]
    assert not any(operation["security"] for operation in open_to_all["operations"].values())
    assert "Nobody is asked for a token." in open_to_all["info"]["description"]


def test_every_message_of_a_channel_is_told_by_an_operation() -> None:
    """What a channel carries is said or obeyed there, and all else is not."""
    for name, channel in told.ASYNCAPI["channels"].items():
        operated = {
            each["$ref"].rpartition("/")[2]
            for operation in told.ASYNCAPI["operations"].values()
            if operation["channel"]["$ref"] == f"#/channels/{name}"
            for each in operation["messages"]
        }
        assert operated == set(channel["messages"])


@pytest.fixture
async def simulated() -> AsyncIterator[Server]:
    """A server of a simulated cluster that changes twenty times a second."""

    def source(_: Cluster, __: Settings) -> Source:
        return SimulatedSource(SimulatedCluster(46, seed=2, pace=0.3), now_ms=now_ms)

    settings = load(
        api_port=0,
        poll_interval_seconds=0.05,
        refetch_seconds=0.05,
        heartbeat_seconds=0.05,
        compress_min_bytes=1,
    )
    async with serving(settings, source) as server:
        yield server


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_is_said_of_a_cluster_is_as_told(simulated: Server, transport: type[Reader]) -> None:
    """Every frame about a cluster that lives, on each transport, is as the document tells; the reader fails at the first that is not."""
    async with aiohttp.ClientSession() as session, transport(session, simulated.url) as reader:
        await reader.until(lambda client: len(client.heard) >= 20, 20)


async def test_answers_to_commands_are_as_told(simulated: Server) -> None:
    """Commands as the document tells them are obeyed, and what comes back is told there too."""
    commands: list[dict[str, Any]] = [
        {"type": "ping"},
        {"type": "subscribe", "topics": ["nodes"], "nodes": ["hopper-0*"], "since": None},
        {"type": "unsubscribe"},
        {"type": "authenticate", "token": "x"},
    ]
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{simulated.url}/api/ws", max_msg_size=0) as socket,
        asyncio.timeout(10),
    ):
        for command in commands:
            told.frame(command, sent=False)
            await socket.send_json(command)
        await socket.send_str("nonsense")
        heard = set()
        while "error" not in heard:
            message = await socket.receive_json()
            told.frame(message)
            heard.add(message["type"])

    assert {"hello", "snapshot", "heartbeat", "pong", "authenticated", "error"} <= heard
