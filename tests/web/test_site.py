"""What every handler needs."""

import asyncio

import pytest

from realtime.errors import RequestError
from tests.web.served import served


async def test_the_first_cluster_serves_who_names_none() -> None:
    """A cluster is found by its name; without one it is the first that is configured."""
    site = served(("b", "a")).site

    assert site.hub(None).name == "b"
    assert site.hub("a").name == "a"


@pytest.mark.parametrize("name", ["", "A", "c", "x" * 10_000])
async def test_an_unknown_cluster_lists_the_known(name: str) -> None:
    """An unknown cluster is a 404 that lists those that there are, in few words."""
    with pytest.raises(RequestError) as refusal:
        served(("b", "a")).site.hub(name)

    assert (refusal.value.code, refusal.value.status) == ("unknown_cluster", 404)
    assert refusal.value.detail == f"unknown cluster {name[:64]!r}; allowed: b, a"


async def test_readers_come_back_at_different_times() -> None:
    """Times to come back are spread between one second and the configured bound."""
    site = served(retry_max_ms=5000).site
    times = [site.retry_ms() for _ in range(500)]

    assert min(times) >= 1000
    assert max(times) <= 5000
    assert max(times) - min(times) > 3000


async def test_asking_again_is_for_when_it_may_help() -> None:
    """After a 503 it may help to ask again when keys are fetched again, when the next poll is due, or, of a restart, at a time of one's own."""
    site = served(retry_max_ms=5000, poll_interval_seconds=7, jwt_keys_retry_seconds=11).site
    restarts = {site.retry_seconds("restarting") for _ in range(50)}

    assert site.retry_seconds("no_keys") == 11
    assert site.retry_seconds("no_data_yet") == site.retry_seconds("source_failed") == 7
    assert len(restarts) > 40
    assert max(restarts) <= 5


async def test_a_goodbye_is_remembered_until_it_is_said() -> None:
    """Work in the background is listed while it lasts, so that a shutdown can wait for it, and no longer."""
    site = served().site
    said = asyncio.Event()
    site.in_background(said.wait())
    assert len(site.closing) == 1

    said.set()
    await asyncio.gather(*site.closing)
    assert site.closing == set()
