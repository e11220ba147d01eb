import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from realtime.app import build, clusters_of, feed, serving, split
from realtime.config import Cluster, Settings
from realtime.errors import HostError, SourceUnavailable
from realtime.loading import load
from realtime.source.source import Source
from tests.fakes import FakeSource

HOPPER = Cluster(name="pbs")


def labels(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"cluster": cluster, "job": job} for cluster, job in pairs]


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ([], []),
        ([("", "")], []),
        ([("", "pbs")], []),
        ([("hopper", "pbs")], []),
        ([("hopper", "pbs"), ("hopper", "other")], []),
        ([("", "b"), ("", "a")], [("a", {"cluster": "", "job": "a"}), ("b", {"cluster": "", "job": "b"})]),
        ([("x", "j"), ("y", "j")], [("x", {"cluster": "x"}), ("y", {"cluster": "y"})]),
        ([("", "j"), ("y", "j")], [("j", {"cluster": "", "job": "j"}), ("y", {"cluster": "y"})]),
        (
            [("hopper", "x"), ("", "hopper")],
            [("hopper", {"cluster": "hopper"}), ("hopper-", {"cluster": "", "job": "hopper"})],
        ),
        (
            [("", "a/b"), ("", "a:b")],
            [("a-b", {"cluster": "", "job": "a/b"}), ("a-b-", {"cluster": "", "job": "a:b"})],
        ),
        (
            [("", ""), ("", "é")],
            [("unlabelled", {"cluster": "", "job": ""}), ("unlabelled-", {"cluster": "", "job": "é"})],
        ),
    ],
)
def test_clusters_are_told_apart_by_their_labels(
    groups: list[tuple[str, str]], found: list[tuple[str, dict[str, str]]]
) -> None:
    """A cluster label makes a cluster, or else a job; one of either is just the one cluster, and none is lost to a like name."""
    clusters = split(HOPPER, labels(*groups))

    assert [(cluster.name, cluster.pbs_exporter_labels) for cluster in clusters] == found


async def test_clusters_are_looked_for_until_the_source_has_some() -> None:
    """A source that is down, or empty, at the start is asked again, and says meanwhile what is wrong."""
    answers: list[list[dict[str, str]] | Exception] = [
        SourceUnavailable("nothing listens"),
        [],
        labels(("", "a"), ("", "b")),
    ]
    problems = []

    class Late(FakeSource):
        async def groups(self) -> list[dict[str, str]]:
            problems.append(one.hub.freshness.code)
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    settings = load(poll_interval_seconds=0.05)
    one = feed(HOPPER, settings, Late())

    found = await clusters_of(one, settings)

    assert [cluster.name for cluster in found] == ["a", "b"]
    assert problems == ["", "POLL_FAILED", "EXPORTER_DOWN"]


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
