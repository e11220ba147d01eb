"""Health: whether what we serve can be believed."""

import re

import pytest

from realtime.state.freshness import Freshness, Quality
from realtime.web.health import overall
from tests.web.served import NOW, Serve, Served, small_state


async def test_a_live_server_is_ok(server: Served) -> None:
    """With fresh data the answer is 200 and `ok`, with the age, the cursor and the dialect, and no faults."""
    answer = await server.get("/api/health")

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer.json["timestamp"])
    assert {field: value for field, value in answer.json.items() if field != "timestamp"} == {
        "status": "ok",
        "version": "0.1.0",
        "clusters": [
            {
                "name": "hopper",
                "quality": "live",
                "dataAgeSeconds": 4.1,
                "cursor": server.cursor,
                "dialect": "exporter",
                "faults": [],
            }
        ],
    }


async def test_before_the_first_data_it_is_starting(serve: Serve) -> None:
    """A server that knows nothing yet is `starting`, which a load balancer sees as 503, and invents no age and no cursor."""
    server = await serve()

    answer = await server.get("/api/health")
    assert (answer.status, answer.json["status"]) == (503, "starting")
    assert answer.json["clusters"] == [{"name": "hopper", "quality": "starting", "faults": []}]


async def test_a_source_that_never_answered_is_down(serve: Serve) -> None:
    """A source that does not answer and never did is `down`, 503, with the poller's problem as a fault."""
    server = await serve()
    server.hub.freshen(Freshness(polled=True, problem="the source refuses us", reachable=False))

    answer = await server.get("/api/health")
    assert (answer.status, answer.json["status"]) == (503, "down")
    assert answer.json["clusters"][0]["faults"] == [
        {"code": "POLL_FAILED", "detail": "the source refuses us"}
    ]


async def test_old_data_of_a_lost_source_is_down(server: Served) -> None:
    """When the source stops answering, the state stays live until it is old, and is then down."""
    server.hub.freshen(Freshness(NOW, polled=True, problem="no answer", reachable=False))
    fresh = await server.get("/api/health")
    server.clock.ms += 180_001
    old = await server.get("/api/health")

    assert (fresh.status, fresh.json["status"]) == (200, "ok")
    assert (old.status, old.json["status"]) == (503, "down")
    assert old.json["clusters"][0]["cursor"] == server.cursor


async def test_old_data_is_degraded(server: Served) -> None:
    """A source that answers with old samples makes the server `degraded`, which still serves."""
    server.clock.ms += 180_001

    answer = await server.get("/api/health")
    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert answer.json["clusters"][0]["quality"] == "stale"


async def test_held_series_are_a_fault(serve: Serve) -> None:
    """Topics that are shown as they last were are named in a fault."""
    server = await serve()
    source = {"pbs": {"dialect": "seed", "decidedBy": "code", "main": True, "held": ["nodes", "users"]}}
    server.publish(small_state() | {"source": source})
    server.hub.freshen(Freshness(NOW, polled=True, partial=True))

    body = (await server.get("/api/health")).json
    assert body["status"] == "degraded"
    assert body["clusters"][0]["quality"] == "partial"
    assert body["clusters"][0]["dialect"] == "seed"
    (fault,) = body["clusters"][0]["faults"]
    assert fault["code"] == "PARTIAL"
    assert "nodes, users" in fault["detail"]


async def test_every_cluster_is_listed(serve: Serve) -> None:
    """One cluster without data degrades the whole and is listed beside the one that lives."""
    server = await serve(clusters=("hopper", "vanda"))
    server.publish(small_state())

    answer = await server.get("/api/health")
    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert [(each["name"], each["quality"]) for each in answer.json["clusters"]] == [
        ("hopper", "live"),
        ("vanda", "starting"),
    ]


@pytest.mark.parametrize(
    ("qualities", "word"),
    [
        ("live", "ok"),
        ("live live", "ok"),
        ("starting", "starting"),
        ("down", "down"),
        ("down starting", "down"),
        ("down live", "degraded"),
        ("stale", "degraded"),
        ("partial live", "degraded"),
        ("stale down", "degraded"),
    ],
)
def test_one_word_for_all(qualities: str, word: str) -> None:
    """The server is ok only if every cluster is live, and unserving only if none has anything to show."""
    assert overall([Quality(each) for each in qualities.split()]) == word
