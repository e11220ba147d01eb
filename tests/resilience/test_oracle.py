"""The judge is judged: it must call wrong what is wrong; and the line, which must not make right ones wrong."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest

from tests.client import ClientModel
from tests.resilience.line import Line
from tests.resilience.numbered import (
    EVERY,
    GPUS,
    NAMES,
    QUEUES,
    USERS,
    NumberedExporter,
    last_change,
    node_fields,
    scrape_of,
)
from tests.resilience.oracle import Oracle, Standing


def state_at(scrape: int) -> dict[str, Any]:
    """What a reader of everything holds of a scrape."""
    return {
        "summary": {"jobs": {"running": scrape}},
        "nodes": {name: node_fields(last_change(number, scrape)) for number, name in enumerate(NAMES)},
        "queues": {name: {"runningJobs": scrape} for name in QUEUES},
        "users": {name: {"runningJobs": scrape} for name in USERS},
    }


@pytest.fixture
def oracle() -> Iterator[Oracle]:
    """One whose exporter nobody scrapes: it has told a hundred."""
    exporter = NumberedExporter()
    exporter.scrape = 100
    yield Oracle(exporter, 4_000)
    exporter.close()


def hold(oracle: Oracle, standing: Standing, state: dict[str, Any], cursor: str) -> None:
    client = ClientModel()
    client.state, client.cursor = state, cursor
    oracle.hear({}, standing, {"type": "snapshot"}, client)


def test_what_was_told_is_right(oracle: Oracle) -> None:
    """Readers who hold a scrape whole, at one cursor the same, and ever newer ones, are right."""
    one, other = Standing(), Standing()
    for scrape in range(40, 60):
        for reader in (one, other):
            hold(oracle, reader, state_at(scrape), f"e-{scrape}")

    assert (oracle.wrong, oracle.checked, oracle.cursors, one.scrape) == ([], 40, 20, 59)


@pytest.mark.parametrize("topic", ["summary", "nodes", "queues", "users"])
def test_half_a_scrape_is_wrong(oracle: Oracle, topic: str) -> None:
    """A state of which one topic is of another scrape was never true."""
    hold(oracle, Standing(), state_at(50) | {topic: state_at(51)[topic]}, "e-1")

    assert "was never true" in oracle.wrong[0]


@pytest.mark.parametrize("field", ["jobCount", "usedGpus", "state"])
@pytest.mark.parametrize("number", [0, len(NAMES) - 1])
def test_one_wrong_number_is_wrong(oracle: Oracle, field: str, number: int) -> None:
    """A single field of a single node that is not the scrape's is seen, also in a view of nodes alone."""
    state = state_at(50)
    node = state["nodes"][NAMES[number]]
    node[field] = "down" if field == "state" else node[field] + EVERY * GPUS * 7
    hold(oracle, Standing(), state, "e-1")

    assert "was never true" in oracle.wrong[0]
    assert scrape_of({"nodes": state["nodes"]}, 100) is None


@pytest.mark.parametrize(("topic", "key"), [("nodes", "gn-07"), ("queues", "short"), ("users", "ann")])
def test_what_is_missing_is_wrong(oracle: Oracle, topic: str, key: str) -> None:
    """A state without one of the nodes, queues or users was never true: nothing is lost."""
    state = state_at(50)
    del state[topic][key]
    hold(oracle, Standing(), state, "e-1")

    assert "was never true" in oracle.wrong[0]


def test_two_states_at_one_cursor_are_wrong(oracle: Oracle) -> None:
    """Whoever stands at a cursor holds what others held there, be it true of another scrape."""
    hold(oracle, Standing(), state_at(50), "e-1")
    hold(oracle, Standing(), deepcopy(state_at(51)), "e-1")

    assert oracle.wrong == ["two states of {} at e-1"]


def test_what_was_not_told_yet_is_wrong(oracle: Oracle) -> None:
    """A scrape from the future is invented, however well."""
    hold(oracle, Standing(), state_at(oracle.exporter.scrape + 1), "e-1")

    assert "not told yet" in oracle.wrong[0]


def test_going_back_is_wrong(oracle: Oracle) -> None:
    """A reader is taken back only if the source was."""
    reader = Standing()
    hold(oracle, reader, state_at(50), "e-2")
    hold(oracle, reader, state_at(49), "f-1")
    assert oracle.wrong == ["{} went back from scrape 50 to 49"]

    oracle.may_go_back = True
    hold(oracle, reader, state_at(48), "f-2")
    assert len(oracle.wrong) == 1


def test_old_data_that_is_called_live_is_wrong(oracle: Oracle) -> None:
    """Nothing older than what is stale may be called live."""
    for quality, age in (("live", 4_000), ("stale", 9_000), ("live", 4_001)):
        oracle.hear(
            {}, Standing(), {"type": "heartbeat", "quality": quality, "dataAgeMs": age}, ClientModel()
        )

    assert [wrong for wrong in oracle.wrong if "4001" in wrong] == oracle.wrong != []


async def test_a_line_tells_nothing_after_what_it_lost() -> None:
    """What comes after bytes that were lost is lost too, on every connection that was there, as TCP has it: else readers would hear what nobody said."""
    told = 0

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal told
        with suppress(ConnectionError):
            while True:
                told += 1
                writer.write(b"%d\n" % told)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    async with server, Line(server.sockets[0].getsockname()[1]) as line:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(line.url.rpartition(":")[2]))
        heard = [await reader.readline()]
        for lost in (True, False):
            line.lost = lost
            before = told
            while told < before + 1_000:
                await asyncio.sleep(0)
        line.cut()
        with suppress(ConnectionError):
            heard += (await reader.read()).splitlines(keepends=True)
        writer.close()

    numbers = [int(each) for each in heard if each.endswith(b"\n")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) < 1_000
