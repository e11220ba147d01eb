"""The bodies of REST, as types."""

from typing import get_args, get_type_hints

import pytest

from realtime.pbs.names import JOB_TOTALS, STATUS_WORDS
from realtime.state.view import TOPICS
from realtime.web import bodies, shapes
from realtime.web.caller import Role
from tests.web.served import Serve, real_state

PATHS = (
    "/api/state",
    *(f"/api/state?topics={topic}" for topic in TOPICS),
    "/api/jobs",
    "/api/jobs?limit=1",
    "/api/nodes",
    "/api/nodes/hopper-01",
    "/api/queues",
    "/api/stats/cluster",
    "/api/analytics/jobs?timeRange=1h",
    "/api/analytics/resources?timeRange=7d",
    "/api/health",
    "/api/clusters",
    "/api/changes",
    "/api/nodes/no-such-node",
    "/api/jobs/1",
)


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_served_of_a_real_cluster_is_as_told(serve: Serve, path: str) -> None:
    """Of a real cluster each answer has the fields that its type names, of their types, and no other; `get` holds it to that."""
    server = await serve()
    server.publish(real_state())

    assert (await server.get(path)).body


def test_every_number_of_the_cluster_is_named() -> None:
    """The type has the fields that the shape makes."""
    assert set(get_type_hints(bodies.Stats)) == {*shapes._STATS, "downNodes"}


def test_every_state_of_jobs_is_named() -> None:
    """The type has every state that a job can be in, under the name that it has here."""
    states = {*JOB_TOTALS, *STATUS_WORDS.values(), "total", "pressure", "heldShare"}

    assert set(get_type_hints(bodies.JobSummary)) == states - {"held"} | {"hold"}


def test_every_role_is_named() -> None:
    """A login is told one of the roles that there are."""
    assert set(get_args(get_type_hints(bodies.Login)["role"])) == {str(role) for role in Role}
