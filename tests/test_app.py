import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from realtime.app import Server, build, serving
from realtime.clock import now_ms
from realtime.config import Cluster, Settings
from realtime.errors import HostError, SourceUnavailable
from realtime.loading import load
from realtime.source.source import Source
from tests.fakes import FakeSource


def labels(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"cluster": cluster, "job": job} for cluster, job in pairs]


class Sites:
    """What one source holds, of however many clusters: each `job` has one node with so many jobs, in a new scrape at each probe."""

    def __init__(self, **jobs: int) -> None:
        self.jobs = jobs
        self.named: set[str] | Exception | None = None
        """Whom the source names; None: whoever reports."""

    def source(self, cluster: Cluster, _: Settings) -> Source:
        """What of it a cluster's labels choose."""
        return Site(self, cluster.pbs_exporter_labels.get("job"))


class Site(FakeSource):
    """A source that holds what the sites say."""

    def __init__(self, sites: Sites, job: str | None) -> None:
        super().__init__()
        self.sites = sites
        self.job = job

    async def probe(self) -> int:
        return now_ms()

    async def fetch(self) -> bytes:
        at = now_ms()
        return "".join(
            f'pbs_node_state{{node="{job}",job="{job}"}} 1 {at}\npbs_node_jobs{{node="{job}",job="{job}"}} {jobs} {at}\n'
            for job, jobs in self.sites.jobs.items()
            if self.job in (None, job)
        ).encode()

    async def groups(self) -> list[dict[str, str]]:
        named = self.sites.named
        if isinstance(named, Exception):
            raise named
        return labels(*(("", job) for job in self.sites.jobs if named is None or job in named))


@asynccontextmanager
async def site_served(sites: Sites) -> AsyncIterator[Server]:
    settings = load(api_port=0, poll_interval_seconds=0.05, backoff_max_seconds=0.05)
    async with asyncio.timeout(10), serving(settings, sites.source) as server:
        yield server


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


def shown(server: Server) -> dict[str, list[str]]:
    """The nodes of each cluster."""
    return {name: [*each.hub.store.entities("nodes")] for name, each in server.feeds.items()}


async def test_clusters_are_looked_for_until_the_source_has_some() -> None:
    """A source that is empty at the start is asked again, and says meanwhile what is wrong; then each of its clusters is served."""
    sites = Sites()
    async with site_served(sites) as server:
        await until(lambda: server.feeds["pbs"].hub.freshness.code == "EXPORTER_DOWN")
        sites.jobs = {"hopper": 1, "vanda": 2}

        await until(lambda: shown(server) == {"hopper": ["hopper"], "vanda": ["vanda"]})


async def test_a_cluster_that_comes_later_is_never_mixed_into_the_first() -> None:
    """From the first reading that holds a second cluster nothing of it is shown as the first one's; then each is served by itself."""
    sites = Sites(hopper=1)
    async with site_served(sites) as server:
        one = server.feeds["pbs"].hub
        async with one_reader(server) as told:
            await until(lambda: shown(server) == {"pbs": ["hopper"]})
            sites.jobs["vanda"] = 2
            await until(lambda: shown(server) == {"hopper": ["hopper"], "vanda": ["vanda"]})

            assert [*one.store.entities("nodes")] == ["hopper"]
            assert "vanda" not in await told()


async def test_while_the_source_cannot_say_who_reports_what_is_shown_grows_old() -> None:
    """Where nobody can tell whose a new exporter is, what was shown stays, older and older, and it is said why; then it goes on, unmixed."""
    sites = Sites(hopper=1)
    async with site_served(sites) as server:
        hub = server.feeds["pbs"].hub
        await until(lambda: hub.freshness.sampled_at is not None)
        sites.named = SourceUnavailable("the source refuses to say")
        sites.jobs = {"hopper": 7, "vanda": 2}
        await until(lambda: hub.freshness.problem == "the source refuses to say")
        sampled_at = hub.freshness.sampled_at
        polls = server.feeds["pbs"].poller.counts.outcomes
        await until(lambda: polls["POLL_FAILED"] >= 3)

        assert [node["jobCount"] for node in hub.store.entities("nodes").values()] == [1]
        assert hub.freshness.sampled_at == sampled_at

        sites.named = None
        await until(lambda: shown(server) == {"hopper": ["hopper"], "vanda": ["vanda"]})


async def test_an_exporter_under_a_new_job_is_the_same_cluster() -> None:
    """Where the old `job` is gone when the new one comes, as where scraping was stopped properly, the one cluster goes on."""
    sites = Sites(hopper=1)
    async with site_served(sites) as server:
        await until(lambda: shown(server) == {"pbs": ["hopper"]})
        sites.jobs = {"renamed": 1}

        await until(lambda: "renamed" in shown(server)["pbs"])


async def test_clusters_that_were_found_stay_until_the_next_start() -> None:
    """Where the old `job` is still visible when the new one comes, both are served, the first by name as the default, though one is gone
    later; and a third is not served before a restart, nor mixed into the others.
    """
    sites = Sites(hopper=1)
    async with site_served(sites) as server:
        await until(lambda: shown(server) == {"pbs": ["hopper"]})
        sites.jobs["renamed"] = 1
        await until(lambda: shown(server) == {"hopper": ["hopper"], "renamed": ["renamed"]})
        sites.jobs = {"renamed": 1, "third": 1}
        await until(lambda: server.feeds["hopper"].hub.freshness.code == "EXPORTER_DOWN")
        polls = server.feeds["renamed"].poller.counts.outcomes
        enough = polls["fetched"] + 3
        await until(lambda: polls["fetched"] >= enough)

        assert shown(server) == {"hopper": ["hopper"], "renamed": ["renamed"]}


@asynccontextmanager
async def one_reader(server: Server) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Someone who hears all that is streamed, up to the end; what that was."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/api/events?topics=nodes") as response,
    ):
        yield response.text


def test_the_build_is_that_of_what_is_installed() -> None:
    """The build is the same for one installation, and short."""
    assert build() == build()
    assert len(build()) == 12


def test_other_pages_are_another_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The build is another one when the pages are: that is what tells those that are open to load themselves anew."""
    monkeypatch.setattr("realtime.app.DIST", tmp_path)
    (tmp_path / "assets").mkdir()
    found = []
    for page in ("one", "other", "one"):
        (tmp_path / "assets" / "page.js").write_text(page)
        found.append(build.__wrapped__())

    assert found[0] == found[2] != found[1]


async def test_a_port_in_use_is_the_hosts_matter() -> None:
    """If the server cannot listen where it should, that is a HostError with the address, and the sources are given back."""
    sources = []

    def fake(_: Cluster, __: Settings) -> Source:
        sources.append(FakeSource())
        return sources[-1]

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostError, match=f"api_port {port}: cannot listen there"):
            async with serving(load(api_host="127.0.0.1", api_port=port), fake):
                pass

    assert [source.closed for source in sources] == [True]


async def test_everything_is_given_back_at_the_end() -> None:
    """After a server has stopped nothing listens, its sources are closed, and none of its tasks is left."""
    source = FakeSource()
    make: Callable[[Cluster, Settings], Source] = lambda _, __: source  # noqa: E731 — the type is the point
    before = asyncio.all_tasks()
    async with serving(load(api_port=0), make) as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/api/health") as response:
            assert (await response.json())["status"] == "starting"
        url = server.url

    assert source.closed
    assert asyncio.all_tasks() == before
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)


async def test_a_bug_in_a_feed_ends_the_server_loudly() -> None:
    """An error that is nobody's fault but ours is not survived in silence."""
    source = FakeSource()
    source.newest = RuntimeError("a bug")

    with pytest.raises(BaseExceptionGroup) as ended:
        async with serving(load(api_port=0), lambda _, __: source):
            await asyncio.Event().wait()

    assert ended.group_contains(RuntimeError, match="a bug")


async def test_a_server_that_drains_goes_on_for_a_while() -> None:
    """After it was told to stop a server says 503 at `/readyz`, to new connections too, and serves all else until its time is over."""
    source = FakeSource()
    make: Callable[[Cluster, Settings], Source] = lambda _, __: source  # noqa: E731 — the type is the point
    stack = AsyncExitStack()
    server = await stack.enter_async_context(serving(load(api_port=0, drain_seconds=1.0), make))
    server.feeds["pbs"].hub.publish({"nodes": {}}, 1)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:

        async def status(path: str) -> int:
            async with session.get(f"{server.url}{path}") as response:
                return response.status

        assert await status("/readyz") == 200
        began = time.monotonic()
        stopping = asyncio.create_task(stack.aclose())
        await asyncio.sleep(0)
        assert (await status("/readyz"), await status("/livez"), await status("/api/state")) == (
            503,
            200,
            200,
        )
        await stopping

    assert time.monotonic() - began >= 1.0
