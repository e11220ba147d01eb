"""What is logged, and how."""

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
import structlog

from realtime import logs
from realtime.app import serving
from realtime.loading import load
from tests.readers import WebSocketReader
from tests.upstream import VictoriaMetrics


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(form: str, level: str = "info") -> tuple[structlog.typing.FilteringBoundLogger, io.StringIO]:
    """A logger, and what it writes to."""
    stream = io.StringIO()
    logs.to_stderr(level, form, stream)
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log, stream


def test_json_is_an_object_a_line() -> None:
    """Each event is one line of JSON with its time, its level and what is bound meanwhile."""
    log, stream = logged("json")
    with structlog.contextvars.bound_contextvars(poll="ab12"):
        log.info("published", cursor="e-1", revision=1)
    log.warning("two\nlines")

    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {"event": "published", "level": "info", "poll": "ab12", "cursor": "e-1", "revision": 1}
    assert second["event"] == "two\nlines"


@pytest.mark.parametrize("form", ["console", "json"])
def test_libraries_are_heard_the_same_way(form: str) -> None:
    """What a library warns of comes out in the same form, with its name; what it only informs of does not."""
    _, stream = logged(form, "debug")
    logging.getLogger("asyncio").warning("socket.send() raised %s", "exception")
    logging.getLogger("asyncio").info("nothing")

    (line,) = stream.getvalue().splitlines()
    assert "socket.send() raised exception" in line
    assert "asyncio" in line
    assert form != "json" or json.loads(line)["logger"] == "asyncio"


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_tells_no_values(form: str) -> None:
    """A traceback names lines of code, and no value that a variable had."""
    log, stream = logged(form)
    try:
        raise_with("s3cr3t" + "-word")
    except ValueError:
        log.exception("failed")

    assert "raise_with" in stream.getvalue()
    assert "s3cr3t-word" not in stream.getvalue()


def raise_with(secret: str) -> None:
    hidden = secret
    raise ValueError(len(hidden))


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_comes_from_elsewhere_stays_text(form: str) -> None:
    """A control character, a lone surrogate or a huge number from a caller neither reaches the terminal nor stops the log."""
    log, stream = logged(form)
    log.info("refused", path="/\x1b[2J\nforged", name="\udcff", number=2**70)

    (line,) = stream.getvalue().splitlines()
    assert "\x1b" not in line
    assert str(2**70) in line


def test_less_than_the_level_is_not_logged() -> None:
    """Below its level nothing is written."""
    log, stream = logged("json", "warn")
    log.info("nothing")

    assert stream.getvalue() == ""


def lines(stream: io.StringIO, **fields: Any) -> list[dict[str, Any]]:
    """What was logged with these fields."""
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [event for event in events if fields.items() <= event.items()]


async def test_a_number_on_a_wall_leads_to_its_sample(
    victoria_metrics: VictoriaMetrics, job_name: str, capture: Callable[[str], str]
) -> None:
    """From a screen's cursor the log leads to the publication, its poll, that poll's questions and the sample's time; and the source, asked
    about that time, says the number again.
    """
    victoria_metrics.import_text(capture("at-1795366406"), time.time_ns() // 1_000_000 - 45_000, job=job_name)
    victoria_metrics.flush()
    _, stream = logged("json", "debug")
    settings = load(
        prometheus_url=victoria_metrics.url,
        prometheus_token="s3cr3t",
        pbs_exporter_job_name=job_name,
        api_port=0,
    )
    async with (
        serving(settings) as server,
        aiohttp.ClientSession() as session,
        WebSocketReader(session, server.url, {"topics": "nodes"}) as wall,
    ):
        await wall.until(lambda client: client.state is not None)
        assert wall.client.state is not None
        shown = wall.client.state["nodes"]["hopper-01"]["jobCount"]
        cursor = wall.client.cursor

        (published,) = lines(stream, event="published", cursor=cursor)
        of_poll = {"poll": published["poll"], "cluster": "pbs"}
        asked = lines(stream, event="asking", **of_poll)
        (polled,) = lines(stream, event="polled", **of_poll)
        question = {
            "query": f'pbs_node_jobs{{node="hopper-01",job="{job_name}"}}',
            "time": polled["sampled_at"] / 1000,
        }
        async with session.get(f"{victoria_metrics.url}/api/v1/query", params=question) as response:
            (found,) = (await response.json())["data"]["result"]

    assert published["revision"] == int(str(cursor).rpartition("-")[2])
    assert [each["path"] for each in asked][:2] == ["api/v1/query", "federate"]
    assert job_name in asked[1]["params"]["match[]"]
    assert int(found["value"][1]) == shown
    assert "s3cr3t" not in stream.getvalue()
    assert victoria_metrics.url not in stream.getvalue()
