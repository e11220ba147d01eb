"""The streams as an AsyncAPI document."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from pydantic_asyncapi.v3 import AsyncAPI

from realtime.app import Server, now_ms, serving
from realtime.config import Cluster, Settings
from realtime.loading import load
from realtime.source.simulator import SimulatedCluster, SimulatedSource
from realtime.source.source import Source
from tests import told
from tests.readers import TRANSPORTS, Reader


def test_it_is_asyncapi() -> None:
    """The document is one of AsyncAPI 3.0."""
    AsyncAPI.model_validate(told.ASYNCAPI)
    assert told.ASYNCAPI["asyncapi"] == "3.0.0"


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
