"""The wall display: it shows what is true, says what is doubtful, and comes back by itself from whatever may happen."""

import re
from typing import Any, Final

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, Route, expect

from realtime.web.pages import PAGES
from tests.browser.conftest import PATIENCE_MS, OpenPage, Start
from tests.browser.screen import expected, fits, seen
from tests.browser.stage import OUTAGE, Complaints, Stage, Wire
from tests.web.served import node, real_state, small_state

ATTACK: Final = '<img src=x onerror="window.hacked=1">'

SIZES: Final = ((1920, 1080), (3840, 2160))

SOON: Final = "Math.random = () => 0.001"
"""Whatever is put off by chance, such as a fresh page after a deploy, comes at once."""

BOXES: Final = """() => [...document.querySelectorAll("h1, rt-pill, .clock, .column > *")].map((element) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return [element.localName, left, top, width, height];
})"""


@pytest_asyncio.fixture(loop_scope="session")
async def wall(open_page: OpenPage) -> Page:
    """An empty page of 1920×1080; its system prefers light."""
    return await open_page(1920, 1080)


def many_nodes(count: int) -> dict[str, dict[str, dict[str, Any]]]:
    """The real state with so many nodes, in every state."""
    kinds: tuple[dict[str, Any], ...] = (
        {"state": "free", "usedGpus": 3},
        {"state": "busy", "usedGpus": 8, "jobCount": 2},
        {"state": "free", "usedGpus": 0},
        {"state": "offline", "usedGpus": 8, "jobCount": 1},
        {"state": "down", "usedGpus": 0},
    )
    shape: dict[str, Any] = {"totalGpus": 8, "totalCpus": 112, "usedCpus": 40}
    nodes = {f"gn-{place:04}": node(f"gn-{place:04}", **(shape | kinds[place % 5])) for place in range(count)}
    return real_state() | {"nodes": nodes}


async def shows(page: Page, stage: Stage) -> None:
    """Wait until the overview shows what `/api/state` says."""
    state = (await stage.truth())["state"]
    wanted = expected(state)
    del wanted["headlines"]["Memory in use"]  # there is no place for it beside GPUs
    found: dict[str, Any] = {}
    for _ in range(300):
        found = await seen(page)
        queues = found.pop("queues")
        # The longest queues, as many as there is place for.
        if (
            all(found[part] == wanted[part] for part in ("headlines", "offers", "nodes", "room"))
            and len(queues) >= 5
            and queues.items() <= wanted["queues"].items()
        ):
            return
        await page.wait_for_timeout(50)
    assert found == wanted


async def loaded_once(page: Page) -> None:
    """From now on a reload is noticed."""
    await page.evaluate("globalThis.first = true")


async def is_first(page: Page) -> bool:
    return bool(await page.evaluate("globalThis.first === true"))


async def pass_seconds(page: Page, seconds: int) -> None:
    """Let so much time pass on a page whose clock is installed, in steps that it does not take for a sleep."""
    for _ in range(0, seconds, 8):
        await page.clock.fast_forward(8000)


async def is_called(page: Page, kind: str) -> None:
    await expect(page.locator("html")).to_have_attribute("data-freshness", kind, timeout=PATIENCE_MS)


# -- what is true


async def test_it_shows_what_the_server_says(server: Stage, wall: Page) -> None:
    """What is on the wall is the state of `/api/state`, at first and after each change."""
    await wall.goto(f"{server.url}/kiosk")
    await shows(wall, server)
    await is_called(wall, "live")
    await expect(wall.locator("h1")).to_have_text("hopper")

    server.change("nodes", "hopper-04", usedGpus=2, usedCpus=30, jobCount=1, state="free")
    server.change("summary", "jobs", running=4321, held=1)
    server.change("queues", "medium", runningJobs=1234, queuedJobs=5)
    await shows(wall, server)


async def test_a_quiet_wall_says_nothing_but_its_age(server: Stage, wall: Page) -> None:
    """While all is well there is no sentence, only the word, the age of the data, and the time of day."""
    await wall.goto(f"{server.url}/kiosk")
    await expect(wall.locator("rt-pill")).to_have_text(re.compile(r"live\s+data \d s old"))
    await expect(wall.locator("rt-notice, footer")).to_have_count(0)
    await expect(wall.locator(".clock time")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    assert await wall.evaluate("getComputedStyle(document.querySelector('h1')).cursor") == "none"


async def test_a_view_is_chosen_in_the_address(server: Stage, wall: Page) -> None:
    """Globs choose the nodes, and the wall says which; topics choose what is shown."""
    await wall.goto(f"{server.url}/kiosk?nodes=hopper-0*&topics=nodes,queues")
    await expect(wall.locator("rt-node-tiles [data-name]")).to_have_count(9)
    await expect(wall.locator(".scope")).to_have_text("of the nodes only hopper-0*")
    await expect(wall.locator("rt-queues")).to_be_visible()
    await expect(wall.locator("rt-headlines, rt-events")).to_have_count(0)


async def test_a_cluster_is_chosen_in_the_address(start: Start, wall: Page) -> None:
    """`cluster=` shows that one; one that is not there is said to be unknown, and no other is shown in its place."""
    server = await start(real_state(), clusters=("hopper", "vanda"))
    server.publish(small_state(), "vanda")
    await wall.goto(f"{server.url}/kiosk?cluster=vanda")
    await expect(wall.locator("h1")).to_have_text("vanda")
    await expect(wall.locator("rt-node-tiles [data-name]")).to_have_count(3)

    await wall.goto(f"{server.url}/kiosk?cluster=nowhere")
    await expect(wall.locator("rt-notice")).to_contain_text(
        "unknown cluster 'nowhere'; allowed: hopper, vanda"
    )
    await expect(wall.locator("main")).to_have_count(0)


@pytest.mark.parametrize(
    ("asked", "theme"), [("", "dark"), ("theme=light", "light"), ("theme=auto", "light")]
)
async def test_a_theme_is_chosen_in_the_address(server: Stage, wall: Page, asked: str, theme: str) -> None:
    """It is dark, or as asked for, or as the system prefers (here: light)."""
    await wall.goto(f"{server.url}/kiosk?{asked}")
    await is_called(wall, "live")
    await expect(wall.locator("html")).to_have_attribute("data-theme", theme)
    if asked == "theme=auto":
        await wall.emulate_media(color_scheme="dark")
        await expect(wall.locator("html")).to_have_attribute("data-theme", "dark")


async def test_users_are_not_shown_unless_they_may(server: Stage, wall: Page) -> None:
    """Who runs what is nobody's business on a wall, and does not even reach it, unless the address says `users=show`."""
    await wall.goto(f"{server.url}/kiosk?pages=queues&screen=lobby")
    await expect(wall.locator("rt-queues .row").first).to_be_visible()
    await expect(wall.locator("rt-users")).to_have_count(0)
    (row,) = (await server.now.get("/api/screens")).json
    assert "users" not in row["view"]["topics"]

    await wall.goto(f"{server.url}/kiosk?pages=queues&users=show")
    names = "|".join(real_state()["users"])
    await expect(wall.locator("rt-users .row").first).to_contain_text(re.compile(names))


async def test_pages_take_turns(server: Stage, wall: Page) -> None:
    """Each page stays for its seconds, and the header says which it is."""
    await wall.clock.install()
    await wall.goto(f"{server.url}/kiosk?pages=overview,queues,events&seconds=5")
    for page, part in (
        ("overview", "rt-node-map"),
        ("queues", "rt-queues"),
        ("events", "rt-events"),
        ("overview", "rt-node-map"),
    ):
        await expect(wall.locator(".turns [aria-current]")).to_have_text(page)
        await expect(wall.locator(part)).to_be_visible()
        await wall.clock.fast_forward(5000)


async def test_what_is_wrong_with_the_address_is_said_in_one_line(server: Stage, wall: Page) -> None:
    """Mistakes in the address are named on the wall, and everything else in it holds."""
    await wall.goto(
        f"{server.url}/kiosk?pages=overview,foo&seconds=1&theme=light&users=yes&topics=jobs&nodes=hopper-0*"
    )
    await expect(wall.locator("footer")).to_have_text(
        "In this page's address: users cannot be yes, but hide, show · topics cannot be jobs, but summary, nodes, queues, users, trend, source, events"
        " · pages cannot be foo, but overview, nodes, queues, events · seconds can be 5 to 3600, not 1"
    )
    await expect(wall.locator("rt-node-tiles [data-name]")).to_have_count(9)
    await expect(wall.locator("html")).to_have_attribute("data-theme", "light")
    await fits(wall)


async def test_text_from_the_source_stays_text(start: Start, wall: Page) -> None:
    """Names of clusters, nodes, queues and users, and sentences of faults, are never read as HTML."""
    state = small_state()
    state["nodes"][ATTACK] = node(ATTACK, "down", jobCount=3)
    state["queues"][ATTACK] = {"name": ATTACK, "runningJobs": 9, "queuedJobs": 1, "totalJobs": 10}
    state["users"][ATTACK] = {"name": ATTACK, "runningJobs": 9}
    state["events"]["1"] = {
        "at": 1_794_166_400_000,
        "kind": "node.state",
        "key": ATTACK,
        "from": "free",
        "to": "down",
    }
    state["source"][ATTACK] = {"faults": [{"code": "FROZEN", "detail": ATTACK}]}
    server = await start(state, clusters=(ATTACK,))
    for pages in ("overview", "queues"):
        await wall.goto(f"{server.url}/kiosk?pages={pages}&users=show&nodes={ATTACK},*")
        await expect(wall.locator("h1")).to_have_text(ATTACK)
        await expect(wall.locator("rt-notice")).to_contain_text(ATTACK)
        await expect(wall.locator("rt-queues")).to_contain_text(ATTACK)
        assert await wall.evaluate("globalThis.hacked") is None


# -- what is doubtful


@pytest.mark.parametrize(
    ("kind", "seconds", "reachable", "sentence"),
    [("stale", 400, True, "no new sample"), ("down", 400, False, "The source does not answer")],
)
async def test_old_numbers_are_old_and_stay(
    server: Stage, wall: Page, kind: str, seconds: float, reachable: bool, sentence: str
) -> None:
    """When the source fails the numbers stay, drained of colour, below a sentence with their age; then it is over."""
    await wall.goto(f"{server.url}/kiosk")
    await shows(wall, server)
    colour = "getComputedStyle(document.querySelector('rt-headlines')).getPropertyValue('--room')"
    live = await wall.evaluate(colour)

    server.age(seconds, reachable=reachable)
    await is_called(wall, kind)
    await expect(wall.locator("rt-notice")).to_contain_text(sentence)
    await expect(wall.locator("rt-notice")).to_contain_text("6 min old")
    await shows(wall, server)
    assert await wall.evaluate(colour) != live
    await fits(wall)

    server.freshen()
    await is_called(wall, "live")
    await expect(wall.locator("rt-notice")).to_have_count(0)
    assert await wall.evaluate(colour) == live


async def test_before_there_is_data_it_says_so(start: Start, wall: Page) -> None:
    """A server that knows nothing yet is a sentence in the middle of the wall, and no number."""
    server = await start(None)
    await wall.goto(f"{server.url}/kiosk")
    await is_called(wall, "starting")
    await expect(wall.locator("rt-notice")).to_contain_text("has told it nothing yet")
    await expect(wall.locator("main, rt-pill")).to_have_count(0)
    await fits(wall)

    server.publish(real_state())
    await shows(wall, server)


async def test_a_fault_is_named(server: Stage, wall: Page) -> None:
    """What an exporter gets wrong stands above numbers that are otherwise live."""
    await wall.goto(f"{server.url}/kiosk")
    await is_called(wall, "live")
    (source,) = (await server.truth())["state"]["source"]
    server.change("source", source, faults=[{"code": "QSTAT_FAILED", "detail": "it does not list the jobs"}])
    await is_called(wall, "fault")
    await expect(wall.locator("rt-notice")).to_contain_text("It does not list the jobs.")
    await fits(wall)


async def test_a_page_that_has_failed_says_so_and_loads_itself_anew(
    start: Start, wall: Page, complaints: Complaints
) -> None:
    """An error in the page drains it, since it may have stopped changing, and soon there is a new one."""
    complaints.expect("uncaught: broken")
    server = await start(real_state(), heartbeat_seconds=30.0)
    await wall.clock.install()
    await wall.add_init_script(SOON)
    await wall.goto(f"{server.url}/kiosk")
    await is_called(wall, "live")
    await loaded_once(wall)
    await wall.evaluate("() => { Promise.reject(new Error('broken')); }")
    await is_called(wall, "closed")
    await expect(wall.locator("rt-notice")).to_contain_text(
        "This page has failed, and will soon load itself anew."
    )
    assert await is_first(wall)

    async with wall.expect_event("load"):
        await pass_seconds(wall, 31)
    await is_called(wall, "live")


# -- what may happen


async def test_it_outlives_the_server(server: Stage, wall: Page, complaints: Complaints) -> None:
    """While the server is gone the last numbers stay, below a sentence; when it is back, without a reload, they are its own."""
    complaints.expect(OUTAGE)
    await wall.goto(f"{server.url}/kiosk")
    await shows(wall, server)
    await loaded_once(wall)
    await server.kill()
    await is_called(wall, "reconnecting")
    await expect(wall.locator("rt-notice")).to_contain_text("The server has been away since")
    await expect(wall.locator("rt-node-tiles [data-name]")).to_have_count(46)
    await fits(wall)

    state = real_state()
    state["summary"]["jobs"]["running"] = 777
    await server.start(state)
    await shows(wall, server)
    await is_called(wall, "live")
    assert await is_first(wall)


async def test_a_network_is_cut_and_healed(
    server: Stage, wire: Wire, wall: Page, complaints: Complaints
) -> None:
    """A broken network is said to be one, and outlived without a reload; what changed meanwhile is shown."""
    complaints.expect(OUTAGE)
    await wall.goto(f"{wire.url}/kiosk")
    await shows(wall, server)
    await loaded_once(wall)
    wire.cut()
    await is_called(wall, "reconnecting")
    server.change("summary", "jobs", running=888)
    wire.heal()
    await shows(wall, server)
    await is_called(wall, "live")
    assert await is_first(wall)


async def test_after_a_deploy_there_is_a_fresh_page(start: Start, wall: Page, complaints: Complaints) -> None:
    """When the server comes back as another build the page is loaded anew, but not before there is something to show."""
    complaints.expect(OUTAGE)
    server = await start(real_state(), heartbeat_seconds=30.0)
    await wall.clock.install()
    await wall.add_init_script(SOON)
    await wall.goto(f"{server.url}/kiosk")
    await shows(wall, server)
    await loaded_once(wall)
    await server.leave()
    await server.start(None, build="def")
    await server.watched()
    await pass_seconds(wall, 16)
    await expect(wall.locator("rt-node-tiles [data-name]")).to_have_count(46)
    assert await is_first(wall)

    server.publish(real_state())
    await is_called(wall, "live")
    async with wall.expect_event("load"):
        await pass_seconds(wall, 16)
    await shows(wall, server)


@pytest.mark.parametrize(
    ("refused", "transport"), [(("/api/ws",), "sse"), (("/api/ws", "/api/events"), "longpoll")]
)
async def test_a_proxy_that_breaks_a_transport_is_no_hindrance(
    server: Stage, wire: Wire, wall: Page, complaints: Complaints, refused: tuple[str, ...], transport: str
) -> None:
    """Where WebSockets, or streams at all, do not come through, the wall takes what does; the list of screens tells which."""
    complaints.expect(OUTAGE)
    wire.refused.update(refused)
    await wall.goto(f"{wire.url}/kiosk?screen=hall%203&topics=summary,nodes,queues")
    await shows(wall, server)
    server.change("summary", "jobs", running=999)
    await shows(wall, server)
    await is_called(wall, "live")

    (row,) = (await server.now.get("/api/screens")).json
    assert (row["screen"], row["transport"], row["cluster"]) == ("hall 3", transport, "hopper")
    assert row["view"]["topics"] == ["summary", "nodes", "queues", "source"]


async def test_behind_a_path_it_asks_for_nothing_else(
    server: Stage, wall: Page, complaints: Complaints
) -> None:
    """A proxy may serve it at a path; there it loads and follows what is below that path."""
    complaints.expect(OUTAGE)
    asked: list[str] = []

    async def pass_on(request: web.Request) -> web.Response:
        """Questions only: this proxy has no streams."""
        asked.append(request.path)
        path = request.path_qs.removeprefix("/hpc")
        if not request.path.startswith("/hpc/") or path.startswith(("/api/ws", "/api/events")):
            return web.Response(status=502)
        answer = await server.now.get(path)
        kept = {name: answer.headers[name] for name in answer.headers if name.startswith(("Content-T", "X-"))}
        return web.Response(status=answer.status, headers=kept, body=answer.body)

    app = web.Application()
    app.router.add_get("/{path:.*}", pass_on)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        await wall.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/hpc/kiosk")
        await shows(wall, server)
    finally:
        await wall.close()
        await runner.cleanup()
    assert [path for path in asked if not path.startswith("/hpc/")] == []


async def test_a_script_that_never_comes_is_asked_for_again(
    server: Stage, wall: Page, complaints: Complaints
) -> None:
    """Where the server goes away between the page and its script, the page tries anew; where the script runs, it stays."""
    complaints.expect(r"Failed to load resource|preload")
    page = server.now.app[PAGES]["/kiosk"]
    assert b'content="120"' in page.body
    page.body = page.body.replace(b'content="120"', b'content="1"')
    tries = 0

    async def scripts(route: Route) -> None:
        nonlocal tries
        tries += 1
        await (route.abort() if tries == 1 else route.continue_())

    await wall.route(re.compile(r"/assets/kiosk-\w+\.js$"), scripts)
    await wall.goto(f"{server.url}/kiosk")
    await expect(wall.locator("h1")).to_have_text("hopper")
    assert tries == 2
    await loaded_once(wall)
    await wall.wait_for_timeout(2500)
    assert await is_first(wall)


# -- how it looks


@pytest.mark.parametrize(
    ("count", "size"),
    [*((count, SIZES[0]) for count in (0, 1, 46, 400, 5000)), *((count, SIZES[1]) for count in (46, 5000))],
)
async def test_everything_is_on_the_screen(
    start: Start, open_page: OpenPage, size: tuple[int, int], count: int
) -> None:
    """Nothing is beyond the screen, cut in two or scrolled, on any page, with none, one and 5,000 nodes."""
    state = real_state() if count == 46 else many_nodes(count)
    state["events"] = {
        str(i): {
            "at": 1_794_166_000_000 + i * 1000,
            "kind": "node.state",
            "key": f"hopper-{i % 46:02}",
            "from": "free",
            "to": "busy",
        }
        for i in range(200)
    }
    server = await start(state)
    page = await open_page(*size)
    for shown in ("overview", "nodes", "queues", "events"):
        await page.goto(f"{server.url}/kiosk?pages={shown}")
        await expect(page.locator("main")).to_have_class(shown)
        await fits(page)
    if count == 5000:
        await page.goto(f"{server.url}/kiosk?pages=nodes")
        await expect(page.locator("rt-node-cells canvas")).to_be_visible()


async def test_twice_the_pixels_show_the_same(server: Stage, open_page: OpenPage) -> None:
    """On 4K everything is where it is on 1080p, and twice as large."""
    boxes = []
    for size in SIZES:
        page = await open_page(*size)
        await page.goto(f"{server.url}/kiosk")
        await shows(page, server)
        boxes.append(await page.evaluate(BOXES))
    small, large = boxes
    drift = 4
    assert [name for name, *_ in small] == [name for name, *_ in large]
    for (name, *one), (_, *other) in zip(small, large, strict=True):
        for here, there in zip(one, other, strict=True):
            assert there == pytest.approx(2 * here, abs=2 + drift), name


async def test_the_picture_drifts_and_nothing_scrolls(server: Stage, wall: Page) -> None:
    """Each minute the whole picture is elsewhere by two pixels, and on the screen."""
    await wall.clock.install()
    await wall.goto(f"{server.url}/kiosk")
    await is_called(wall, "live")
    where = "(({ left, top }) => `${left},${top}`)(document.querySelector('h1').getBoundingClientRect())"
    places = set()
    for _ in range(16):
        places.add(await wall.evaluate(where))
        await fits(wall)
        await wall.clock.fast_forward(60_000)
    assert len(places) == 16
