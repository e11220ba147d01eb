"""The client module in a real browser, under the pages' own policy, through everything that happens to servers and networks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page

from realtime.stream.messages import squeezing
from tests.browser.conftest import OpenPage, Start
from tests.browser.stage import OUTAGE, Complaints, Stage, Wire, holds
from tests.command import serving
from tests.upstream import free_port
from tests.web.served import real_state

CONNECT: Final = """async (options) => {
    const { connect } = await import("/client.js");
    globalThis.loaded = Math.random();
    globalThis.heard = [];
    globalThis.feed = connect(options);
    feed.addEventListener("change", ({ detail }) => heard.push(detail.kind));
    feed.addEventListener("status", ({ detail }) => heard.at(-1) === detail.link || heard.push(detail.link));
    feed.addEventListener("build", ({ detail }) => heard.push(`build ${detail.before} ${detail.build}`));
}"""

NO_ICON: Final = r"404 \(Not Found\)"
"""A browser's own question for an icon, where the address is no page."""

OPEN: Final = "feed.status.link === 'open'"
LOST: Final = "feed.status.link === 'reconnecting'"


async def follow(page: Page, url: str, path: str = "/bare", **options: Any) -> None:
    """Connect from a page that holds nothing else, with the policy that our pages have."""
    await page.goto(f"{url}{path}")
    await page.evaluate(CONNECT, options)


async def holds_the_truth(page: Page, stage: Stage) -> None:
    """Wait until the page holds what `/api/state` says."""
    truth = await stage.truth()
    await holds(page, f"feed.status.cursor === '{truth['cursor']}'")
    assert await page.evaluate("feed.state") == truth["state"]


@pytest.mark.parametrize("transport", ["websocket", "sse", "longpoll"])
async def test_the_page_holds_what_the_server_has(server: Stage, page: Page, transport: str) -> None:
    """By every transport, after a snapshot and after each of some changes, the page's state is that of `/api/state`."""
    await follow(page, server.url, transports=[transport])
    await holds(page, OPEN)
    await holds_the_truth(page, server)
    for used in range(5):
        server.change("nodes", "hopper-01", usedCpus=used, stateDetail=None)
        server.change("queues", f"q{used}", name="<b>", runningJobs=used)
        await holds_the_truth(page, server)

    assert await page.evaluate("feed.status.transport") == transport
    assert await page.evaluate("heard.filter((kind) => kind === 'snapshot').length") == 1


async def test_the_browser_reads_compressed_frames(start: Start, page: Page) -> None:
    """Chromium offers compression, and reads large messages compressed and small ones plain, in one connection."""
    server = await start(real_state(), compress_min_bytes=200)
    await follow(page, server.url, transports=["websocket"])
    await holds(page, OPEN)
    (outlet,) = [listener.outlet for listener in server.now.listeners()]
    assert outlet._encode is squeezing(15, 200)  # type: ignore[attr-defined]
    for used in range(5):
        server.change("nodes", "hopper-01", usedCpus=used)
        await holds_the_truth(page, server)
        server.change("users", "ann", name=f"{used} " * 400)
        await holds_the_truth(page, server)

    assert await page.evaluate("heard.filter((kind) => kind === 'snapshot').length") == 1


async def test_the_age_and_the_quality_are_the_servers(server: Stage, page: Page) -> None:
    """When the source stops, the page is told quality and age, and holds what it held; when it is back, that too."""
    await follow(page, server.url)
    await holds(page, "feed.status.quality === 'live'")
    before = await page.evaluate("feed.state")
    server.age(3_600)
    await holds(page, "feed.status.quality === 'stale' && feed.dataAgeMs() >= 3_600_000")
    server.age(4_000, reachable=False)
    await holds(page, "feed.status.quality === 'down' && feed.dataAgeMs() >= 4_000_000")
    assert await page.evaluate("feed.state") == before
    server.freshen()
    await holds(page, "feed.status.quality === 'live' && feed.dataAgeMs() < 60_000")


async def test_a_restart_is_survived(server: Stage, page: Page, complaints: Complaints) -> None:
    """After a goodbye, and after a death without one, the page keeps what it holds and resumes with the new server, without a reload."""
    complaints.expect(OUTAGE)
    await follow(page, server.url)
    await holds(page, OPEN)
    loaded = await page.evaluate("loaded")
    for end in (server.leave, server.kill):
        before = await page.evaluate("feed.state")
        await end()
        await holds(page, LOST)
        assert await page.evaluate("feed.state") == before
        await server.start(real_state())
        server.change("queues", "new", name="new", runningJobs=1)
        await holds(page, OPEN)
        await holds_the_truth(page, server)

    assert await page.evaluate("loaded") == loaded
    assert await page.evaluate("feed.status.transport") == "websocket"


async def test_another_build_is_said(server: Stage, page: Page) -> None:
    """A page that comes back to a server of another build hears of it."""
    await follow(page, server.url)
    await holds(page, OPEN)
    await server.leave()
    await server.start(real_state(), build="def")
    await holds(page, "heard.includes('build abc def')")


@pytest.mark.parametrize("transport", ["websocket", "sse", "longpoll"])
async def test_a_cut_network_is_survived(
    server: Stage, wire: Wire, page: Page, complaints: Complaints, transport: str
) -> None:
    """By every transport: a network that is cut, and later there again, costs a reconnection that brings one diff."""
    complaints.expect(OUTAGE)
    await follow(page, wire.url, transports=[transport])
    await holds(page, OPEN)
    wire.cut()
    await holds(page, LOST)
    server.change("queues", "meanwhile", name="meanwhile", runningJobs=7)
    wire.heal()
    await holds(page, OPEN)
    await holds_the_truth(page, server)

    assert await page.evaluate("heard.filter((kind) => kind === 'snapshot').length") == 1


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_a_network_that_swallows_everything_is_noticed(
    start: Start, page: Page, complaints: Complaints, transport: str
) -> None:
    """A connection that stays open and brings nothing is left after 2.5 heartbeats."""
    complaints.expect(OUTAGE)
    server = await start(real_state(), heartbeat_seconds=1.0)
    async with wired(server) as wire:
        await follow(page, wire.url, transports=[transport])
        await holds(page, OPEN)
        wire.frozen = True
        await holds(page, f"{LOST} && heard.at(-1) === 'reconnecting'")
        server.change("queues", "meanwhile", name="meanwhile", runningJobs=7)
        wire.cut()
        wire.heal()
        await holds(page, OPEN)
        await holds_the_truth(page, server)


@asynccontextmanager
async def wired(server: Stage) -> AsyncIterator[Wire]:
    wire = Wire(server)
    await wire.start()
    yield wire
    await wire.end()


async def test_an_offline_browser_comes_back_when_it_is_online(
    server: Stage, page: Page, complaints: Complaints
) -> None:
    """A browser that says offline, then online, holds the truth again at once."""
    complaints.expect(OUTAGE)
    await follow(page, server.url, transports=["longpoll"])
    await holds(page, OPEN)
    await page.context.set_offline(True)
    server.change("queues", "meanwhile", name="meanwhile", runningJobs=7)
    await holds(page, LOST)
    await page.context.set_offline(False)
    await holds(page, OPEN)
    await holds_the_truth(page, server)


async def test_a_proxy_without_websockets_is_got_around(
    server: Stage, wire: Wire, page: Page, complaints: Complaints
) -> None:
    """Where WebSockets are refused it is events, and where these are too, long-poll; the page holds the truth within seconds."""
    complaints.expect(OUTAGE)
    wire.refused |= {"/api/ws"}
    await follow(page, wire.url)
    await holds(page, f"{OPEN} && feed.status.transport === 'sse'", seconds=3)
    await holds_the_truth(page, server)
    wire.refused |= {"/api/events"}
    wire.cut()
    wire.heal()
    wire.refused |= {"/api/ws", "/api/events"}
    await holds(page, f"{OPEN} && feed.status.transport === 'longpoll'")
    server.change("queues", "later", name="later", runningJobs=7)
    await holds_the_truth(page, server)


async def test_a_proxy_that_holds_streams_back_is_got_around(
    server: Stage, wire: Wire, page: Page, complaints: Complaints
) -> None:
    """Where a stream opens and says nothing, the next transport serves; until then nothing wrong is shown."""
    complaints.expect(OUTAGE)
    wire.refused |= {"/api/ws"}
    wire.swallowed |= {"/api/events"}
    await page.clock.install()
    await follow(page, wire.url)
    await holds(page, "feed.status.transport === 'sse'")
    assert await page.evaluate("feed.status.link") != "open"
    await page.clock.run_for(11_000)
    await holds(page, f"{OPEN} && feed.status.transport === 'longpoll'")
    await holds_the_truth(page, server)


async def test_an_unknown_cluster_is_a_refusal_with_the_reason(server: Stage, page: Page) -> None:
    """What can never be served is said in the server's words."""
    await follow(page, server.url, cluster="nope")
    await holds(page, "feed.status.link === 'closed' && feed.status.reason.includes('allowed: hopper')")
    assert await page.evaluate("feed.status.retryAt - Date.now()") > 10_000


async def test_a_name_that_is_a_script_is_a_name(server: Stage, page: Page) -> None:
    """Names that would be something else to JavaScript or HTML are held as they are."""
    for name in ("__proto__", "constructor", "<img src=x onerror=alert(1)>"):
        server.change("queues", name, name=name, runningJobs=1)
    await follow(page, server.url)
    await holds(page, OPEN)

    assert await page.evaluate("Object.keys(feed.state.queues)") == list(
        (await server.truth())["state"]["queues"]
    )
    assert await page.evaluate("({}).name === undefined")


async def test_pages_of_allowed_origins_may_use_it(
    start: Start, open_page: OpenPage, complaints: Complaints
) -> None:
    """A page of an origin in CORS_ORIGIN imports the module from here and follows this server by every transport."""
    elsewhere = await start(None)
    server = await start(real_state(), cors_origin=(elsewhere.url,))
    complaints.expect("foreign request")
    complaints.expect(NO_ICON)
    for transport in ("websocket", "sse", "longpoll"):
        page = await open_page()
        # Our policy would not let it, but they have another: here none, since this is no page.
        await page.goto(f"{elsewhere.url}/favicon.svg")
        await page.evaluate(
            """async ([url, transport]) => {
                const { connect } = await import(`${url}/client.js`);
                globalThis.feed = connect({ url, transports: [transport] });
            }""",
            [server.url, transport],
        )
        await holds(page, OPEN)
        await holds_the_truth(page, server)


async def test_a_killed_process_and_its_successor(page: Page, complaints: Complaints, tmp_path: Path) -> None:
    """The command itself, killed and started anew on its port: the page resumes by itself, with its truth, without a reload."""
    complaints.expect(OUTAGE)
    complaints.expect(NO_ICON)
    port = str(free_port())
    for life in range(2):
        with serving("demo", "--port", port, folder=tmp_path, POLL_INTERVAL_SECONDS="0.2") as running:
            if life == 0:
                await follow(page, running.url, "/favicon.svg")
                loaded = await page.evaluate("loaded")
            await holds(page, OPEN)
            cursor = await page.evaluate("feed.status.cursor")
            await holds(page, f"feed.status.cursor !== '{cursor}'")
            running.process.kill()
            await asyncio.to_thread(running.process.wait)
        await holds(page, LOST)

    assert await page.evaluate("loaded") == loaded
    assert await page.evaluate("heard.filter((kind) => kind === 'snapshot').length") == 2
