"""Health: whether what we serve can be believed."""

import re
from typing import Any

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
                "dialectDecidedBy": "code",
                "faults": [],
            }
        ],
    }


async def test_before_the_first_data_it_is_starting(serve: Serve) -> None:
    """A server that knows nothing yet is `starting`, which a load balancer sees as 503, and invents no age and no cursor."""
    server = await serve()

    answer = await server.get("/api/health")
    assert (answer.status, answer.json["status"], answer.headers["Retry-After"]) == (503, "starting", "5")
    assert answer.json["clusters"] == [{"name": "hopper", "quality": "starting", "faults": []}]


async def test_a_source_that_never_answered_is_down(serve: Serve) -> None:
    """A source that does not answer and never did is `down`, 503, with the poller's problem as a fault."""
    server = await serve()
    server.hub.freshen(Freshness(problem="the source refuses us", code="SOURCE_REFUSED", reachable=False))

    answer = await server.get("/api/health")
    assert (answer.status, answer.json["status"]) == (503, "down")
    assert answer.json["clusters"][0]["faults"] == [
        {"code": "SOURCE_REFUSED", "detail": "the source refuses us"}
    ]


async def test_old_data_of_a_lost_source_is_down(server: Served) -> None:
    """When the source stops answering, the state stays live until it is old, and is then down."""
    server.hub.freshen(Freshness(NOW, problem="no answer", reachable=False))
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


async def test_what_is_wrong_with_a_source_is_told(serve: Serve) -> None:
    """The faults of every source stand in the answer, beside the dialect of the one that is believed."""
    server = await serve()
    fault = {"code": "PBSNODES_FAILED", "detail": "the nodes are shown as they last were"}
    other = {"code": "DUPLICATE_EXPORTER", "detail": "another exporter reports the same cluster"}
    source: dict[str, dict[str, Any]] = {
        "spare": {"dialect": "exporter", "decidedBy": "code", "faults": [other]},
        "pbs": {"dialect": "seed", "decidedBy": "names", "main": True, "faults": [fault]},
    }
    server.publish(small_state() | {"source": source})
    server.hub.freshen(Freshness(NOW, partial=True))

    body = (await server.get("/api/health")).json
    (cluster,) = body["clusters"]
    assert (body["status"], cluster["quality"]) == ("degraded", "partial")
    assert (cluster["dialect"], cluster["dialectDecidedBy"]) == ("seed", "names")
    assert cluster["faults"] == [other, fault]


async def test_late_samples_are_a_fault(server: Served) -> None:
    """Where the source answers with old samples, health says so in words."""
    server.clock.ms += 180_001

    (fault,) = (await server.get("/api/health")).json["clusters"][0]["faults"]
    assert fault["code"] == "SCRAPE_LATE"


async def test_the_clusters_can_be_asked_for(serve: Serve) -> None:
    """`/api/clusters` lists every cluster as health does, the default one first, and is 200 whatever their state."""
    server = await serve(clusters=("vanda", "hopper"))
    server.publish(small_state(), "hopper")

    answer = await server.get("/api/clusters")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
    assert answer.json == (await server.get("/api/health")).json["clusters"]
    assert [cluster["name"] for cluster in answer.json] == ["vanda", "hopper"]


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


async def test_a_server_without_data_is_alive_and_not_ready(serve: Serve) -> None:
    """Before the first publication the loop answers, and there is nothing to send anyone for."""
    server = await serve(clusters=("hopper", "vanda"))
    alive, ready = await server.get("/livez"), await server.get("/readyz")
    server.publish(small_state(), "vanda")
    later = await server.get("/readyz")

    assert (alive.status, alive.json) == (200, {"status": "ok"})
    assert (ready.status, ready.json["code"], "Retry-After" in ready.headers) == (503, "no_data_yet", True)
    assert (later.status, later.json) == (200, {"status": "ok"})
    assert {each.headers["Cache-Control"] for each in (alive, ready, later)} == {"no-store"}


async def test_a_lost_source_leaves_a_server_ready(server: Served) -> None:
    """Old data is served with its age: a balancer that took the server away would make it none."""
    server.hub.freshen(Freshness(NOW, problem="no answer", reachable=False))
    server.clock.ms += 180_001

    assert (await server.get("/readyz")).status == 200


async def test_a_server_that_stops_is_not_ready(server: Served) -> None:
    """Once it was told to stop it says so, and still serves and lives."""
    server.site.stopping = True

    answer = await server.get("/readyz")
    assert (answer.status, answer.json["code"]) == (503, "restarting")
    assert (await server.get("/livez")).status == 200
    assert (await server.get("/api/state")).status == 200
