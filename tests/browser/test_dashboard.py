"""The page at `/`: it shows what the server says, and nothing else."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from realtime.errors import SourceUnavailable
from tests.browser.conftest import OpenPage, Start
from tests.browser.screen import shows
from tests.browser.stage import Complaints, Stage
from tests.web.served import node, real_state, small_state

ATTACK = '<img src=x onerror="window.hacked=1">'


async def test_it_shows_what_the_server_says(server: Stage, page: Page) -> None:
    """What is on screen is the state of `/api/state`, at first and after each change."""
    await page.goto(server.url)
    await shows(page, (await server.truth())["state"])

    server.change("nodes", "hopper-04", usedGpus=2, usedCpus=30, jobCount=1, state="free")
    server.change("nodes", "hopper-05", state="offline", stateDetail="draining", stateInferred=None)
    server.change("queues", "small", runningJobs=1234, queuedJobs=5)
    server.change("users", "newcomer", name="newcomer", runningJobs=999)
    server.change("summary", "jobs", running=4321, held=1)
    server.change("summary", "gpus", utilization=99.4)
    await shows(page, (await server.truth())["state"])

    state = real_state()
    del state["nodes"]["hopper-07"]
    state["nodes"]["hopper-99"] = {**state["nodes"]["hopper-08"], "id": "hopper-99", "name": "hopper-99"}
    server.publish(state)
    await shows(page, (await server.truth())["state"])


async def test_a_change_is_noticed_and_soon_calm(server: Stage, open_page: OpenPage) -> None:
    """A number that changes is tinted for a moment, and not at all for readers who want no motion."""
    running = "document.querySelector('rt-headlines').shadowRoot.querySelector('.running .big').getAnimations().length"
    for motion, tints in (("no-preference", 1), ("reduce", 0)):
        page = await open_page(reduced_motion=motion)
        await page.goto(server.url)
        big = page.locator("rt-headlines .running .big")
        await expect(big).to_have_text(re.compile(r"\d"))
        assert await page.evaluate(running) == 0
        server.change("summary", "jobs", running=1000 + tints)
        await expect(big).to_have_text(f"1,00{tints}")
        assert await page.evaluate(running) == tints
        await page.wait_for_function(f"() => {running} === 0")


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_text_from_the_source_stays_text(start: Start, open_page: OpenPage, theme: Any) -> None:
    """Names of clusters, nodes, queues and users, keys of events and sentences of faults are never read as HTML."""
    state = small_state()
    for name in (ATTACK, "</style><script>window.hacked=1</script>", "__proto__", "javascript:hacked=1"):
        state["nodes"][name] = node(name, "down", jobCount=3)
        state["queues"][name] = {"name": name, "runningJobs": 1, "queuedJobs": 1, "totalJobs": 2}
        state["users"][name] = {"name": name, "runningJobs": 1}
    state["source"][ATTACK] = {"faults": [{"code": "FROZEN", "detail": ATTACK}]}
    state["events"]["1"] = {
        "at": 1_794_166_400_000,
        "kind": "node.state",
        "key": ATTACK,
        "from": ATTACK,
        "to": ATTACK,
    }
    server = await start(state, clusters=(ATTACK, "other"))
    page = await open_page(theme=theme)
    await page.goto(f"{server.url}/?search={ATTACK}&node={ATTACK}")

    await expect(page.get_by_role("heading", name=ATTACK, level=1)).to_be_visible()
    await expect(page.locator("rt-notice")).to_contain_text(ATTACK)
    await expect(page.locator("rt-details h2")).to_have_text(ATTACK)
    for part in ("rt-queues", "rt-users", "rt-events"):
        await expect(page.locator(part)).to_contain_text(ATTACK)
    await page.get_by_role("searchbox").fill("")
    await expect(page.locator("rt-node-tiles [data-name]")).to_have_count(len(state["nodes"]))
    await expect(page.locator("img, script:not([src])")).to_have_count(0)
    assert await page.evaluate("window.hacked") is None


async def test_what_is_not_known_is_said_to_be_unknown(server: Stage, page: Page) -> None:
    """A field that the source does not tell is "unknown" in the details, and never 0."""
    server.publish({**real_state(), "nodes": {"bare": {"id": "bare", "name": "bare", "state": "free"}}})
    await page.goto(f"{server.url}/?node=bare")
    details = page.get_by_role("dialog", name="Details of bare")
    await expect(details).to_be_visible()
    told = await details.locator("dt, dd").all_text_contents()
    facts = dict(zip(told[::2], (text.strip() for text in told[1::2]), strict=True))

    assert facts == {
        "State": "free",
        "Since": "before this server began to watch",
        "Jobs": "unknown",
        "GPUs": "unknown",
        "CPUs": "unknown",
        "Memory": "unknown",
    }
    await expect(page.locator("rt-node-tiles .saying")).to_have_text("room")


async def test_a_cluster_without_gpus_shows_its_cpus(server: Stage, page: Page) -> None:
    """Where there is no GPU there is no tile for them, and a node's bar is its CPUs."""
    state = real_state()
    for entity in state["nodes"].values():
        entity.update(totalGpus=0, usedGpus=0)
    state["summary"]["gpus"] = {"total": 0, "used": 0, "free": 0}
    server.publish(state)
    await page.goto(server.url)

    await expect(page.locator("rt-headlines h2")).to_have_text(
        ["Nodes", "Running jobs", "Queued jobs", "CPUs in use", "Memory in use"]
    )
    await expect(page.locator("rt-node-tiles .bars.whole")).to_have_count(len(state["nodes"]))
    await expect(page.locator("rt-room")).to_contain_text(re.compile(r"CPUs? free on one node"))
    await expect(page.locator("rt-history")).not_to_contain_text("GPUs")


async def test_nodes_are_found_and_the_link_keeps_what_was_asked(server: Stage, page: Page) -> None:
    """Search and filter narrow the map and stand in the address, so that the link shows others the same."""
    await page.goto(server.url)
    tiles = page.locator("rt-node-tiles [data-name]")
    await expect(tiles).to_have_count(46)
    await page.keyboard.press("/")
    await page.keyboard.type("hopper-0")
    await expect(tiles).to_have_count(9)
    await page.get_by_role("group", name="Show nodes that are").get_by_role("button", name="down").click()
    down = [name for name, each in real_state()["nodes"].items() if each["state"] == "down" and "-0" in name]
    await expect(tiles).to_have_count(len(down))
    assert page.url == f"{server.url}/?search=hopper-0&show=down"

    await page.reload()
    await expect(tiles).to_have_count(len(down))
    await expect(page.get_by_role("searchbox")).to_have_value("hopper-0")
    await page.get_by_role("searchbox").fill("no such node")
    await expect(page.locator("rt-node-map")).to_contain_text("No node is like that.")
    await page.get_by_role("searchbox").fill("")
    await page.get_by_role("button", name="all", exact=True).click()
    await expect(tiles).to_have_count(46)
    assert page.url == f"{server.url}/"


async def test_another_cluster_is_a_click_away(start: Start, page: Page) -> None:
    """Of several clusters one is shown, the others can be chosen, and the address says which."""
    server = await start(real_state(), clusters=("hopper", "vanda"))
    server.publish(small_state(), "vanda")
    await page.goto(server.url)
    await expect(page.locator("rt-node-tiles [data-name]")).to_have_count(46)
    await page.get_by_role("navigation", name="Clusters").get_by_role("button", name="vanda").click()

    await expect(page.get_by_role("heading", level=1)).to_have_text("vanda")
    await expect(page.locator("rt-node-tiles [data-name]")).to_have_count(3)
    assert page.url == f"{server.url}/?cluster=vanda"
    await page.wait_for_function("() => document.title.startsWith('vanda: 1 of 3 nodes has room')")


async def test_the_theme_is_the_systems_until_one_is_chosen(server: Stage, open_page: OpenPage) -> None:
    """Light or dark follows the system; what was chosen is remembered."""
    page = await open_page(theme="dark")
    await page.goto(server.url)
    root = page.locator("html")
    await expect(root).to_have_attribute("data-theme", "dark")
    await page.emulate_media(color_scheme="light")
    await expect(root).to_have_attribute("data-theme", "light")
    await page.get_by_role("button", name="Light / dark").click()
    await expect(root).to_have_attribute("data-theme", "dark")
    await page.reload()
    await expect(root).to_have_attribute("data-theme", "dark")


PLOTTED = "document.querySelector('rt-history').plots.jobs?.data[1]"


async def test_the_history_is_broken_where_nothing_is_known(server: Stage, page: Page) -> None:
    """A gap in the history is a gap in the line; another range is asked for and stands in the address."""
    server.now.history.gaps = {3, 4}
    await page.goto(server.url)
    await page.wait_for_function(f"() => {PLOTTED}")
    line = await page.evaluate(PLOTTED)
    assert [place for place, value in enumerate(line) if value is None] == [3, 4]

    await page.get_by_role("group", name="Time range").get_by_role("button", name="7 d").click()
    await page.wait_for_function(f"() => {PLOTTED}?.length === 336")
    assert page.url == f"{server.url}/?range=7d"


async def test_a_history_that_cannot_be_had_is_said_to_be(
    server: Stage, page: Page, complaints: Complaints
) -> None:
    """A source that does not give the history is told of where the charts would be, with its reason; a new try mends it."""
    complaints.expect("status of 503")
    server.now.history.failure = SourceUnavailable("the source did not answer within 10 s")
    await page.goto(server.url)
    history = page.locator("rt-history")
    await expect(history).to_contain_text("could not be loaded")
    await expect(history).to_contain_text("the source did not answer within 10 s")
    server.now.history.failure = None
    await history.get_by_role("button", name="Try again").first.click()
    await page.wait_for_function(f"() => {PLOTTED}")
    await expect(history).not_to_contain_text("could not be loaded")
