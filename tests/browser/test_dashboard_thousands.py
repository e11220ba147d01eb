"""The dashboard with thousands of nodes: all in view as cells, found and walked as few are, and never in the way of the next diff."""

from itertools import combinations
from statistics import median
from typing import Any

from playwright.async_api import CDPSession, Page, expect

from tests.browser.conftest import Start
from tests.browser.screen import NODES, TWO_FRAMES, offer, thousands
from tests.browser.stage import Complaints

CHANGED = 100
"""Two percent."""

FRAME_MS = 16.0
"""A diff that costs less script than this costs no frame."""


async def script_ms(session: CDPSession) -> float:
    """For how long scripts have run in this page."""
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return 1000 * float(next(each["value"] for each in metrics if each["name"] == "ScriptDuration"))


async def test_a_diff_costs_no_frame(start: Start, page: Page, record_property: Any) -> None:
    """At 5,000 nodes, of which 2 % change, a diff is received, applied and shown with less script than a frame has time for."""
    state = thousands()
    server = await start(state)
    await page.goto(server.url)
    total = page.locator("rt-headlines .nodes .sub")
    await expect(total).to_contain_text("of 5,000 have room")
    await page.locator("rt-node-map").scroll_into_view_if_needed()
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    running, costs = page.locator("rt-headlines .running .big"), []
    for turn in range(1, 12):
        for i in range(CHANGED):
            name = f"node-{(i * 37 + turn) % NODES + 1:04}"
            state["nodes"][name] = {**state["nodes"][name], "usedGpus": (i + turn) % 8, "usedCpus": 10 * turn}
        state["summary"]["jobs"] = {**state["summary"]["jobs"], "running": 10_000 + turn}
        before = await script_ms(session)
        server.publish(state)
        await expect(running).to_have_text(f"{10_000 + turn:,}")
        costs.append(await script_ms(session) - before)
    record_property("script_ms_per_diff", round(median(costs), 1))

    # With what the test's own questions to the page cost.
    assert median(costs) < FRAME_MS, costs


async def test_thousands_are_walked_and_pointed_at(start: Start, page: Page) -> None:
    """Cells on a canvas have names, details and a keyboard as tiles have; a search that leaves few shows these as tiles."""
    state = thousands()
    server = await start(state)
    await page.goto(server.url)
    cells = page.locator("rt-node-cells")
    await expect(cells).to_be_visible()
    await cells.locator("[tabindex='0']").focus()
    columns = await page.evaluate(
        "document.querySelector('rt-node-map').shadowRoot.querySelector('rt-node-cells').columns"
    )
    for key, place in (("ArrowRight", 2), ("ArrowDown", 2 + columns), ("End", NODES), ("Home", 1)):
        await page.keyboard.press(key)
        cell = cells.locator(f"[data-name='node-{place:04}']")
        await expect(cell).to_be_focused()
        await expect(cell).to_be_in_viewport()
        await expect(cell).to_have_attribute("aria-posinset", str(place))
        await expect(page.get_by_role("tooltip", name=f"Details of node-{place:04}")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Details of node-0001")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(cells.locator("[data-name='node-0001']")).to_be_focused()

    where = await page.evaluate(
        "(name) => { const { x, y, width } = document.querySelector('rt-node-map').boxOf(name); return [x + width / 2, y + width / 2]; }",
        "node-0123",
    )
    await page.mouse.move(*where)
    await expect(page.get_by_role("tooltip", name="Details of node-0123")).to_be_visible()
    await page.mouse.click(*where)
    await expect(page.get_by_role("dialog", name="Details of node-0123")).to_be_visible()
    assert page.url == f"{server.url}/?node=node-0123"
    await page.keyboard.press("Escape")

    await page.get_by_role("searchbox").fill("node-001?")
    await expect(page.locator("rt-node-tiles [data-name]")).to_have_count(10)


PAINTED = """() => {
    const cells = document.querySelector("rt-node-map").shadowRoot.querySelector("rt-node-cells");
    const canvas = cells.shadowRoot.querySelector("canvas");
    const context = canvas.getContext("2d");
    const corner = canvas.getBoundingClientRect();
    const found = {};
    for (const { name } of cells.nodes) {
        const box = cells.boxOf(name);
        if (box.top < Math.max(0, corner.top) || box.bottom > Math.min(innerHeight, corner.bottom)) continue;
        const area = [box.x - corner.x, box.y - corner.y, box.width, box.height].map((length) => Math.round(length));
        const { data } = context.getImageData(...area);
        // Sums of 4 by 4 pixels, channel by channel.
        const sums = new Array(64).fill(0);
        data.forEach((part, i) => {
            const [x, y] = [((i >> 2) % area[2]) >> 2, Math.floor((i >> 2) / area[2]) >> 2];
            sums[(y * 4 + x) * 4 + (i % 4)] += part;
        });
        found[name] = sums;
    }
    return found;
}"""
"""Name → a coarse picture of its cell, of those in view."""

Look = list[int]


def alike(one: Look, other: Look) -> bool:
    """But for what rounding at the edges of a glyph may do."""
    return all(abs(a - b) <= 40 for a, b in zip(one, other, strict=True))


async def test_what_is_painted_is_what_is_true(start: Start, page: Page, complaints: Complaints) -> None:
    """Cells that offer the same look the same and others look different, after diffs and wherever the page was scrolled to."""
    complaints.expect("willReadFrequently")
    state = thousands()
    server = await start(state)
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(server.url)
    await expect(page.locator("rt-node-cells")).to_be_visible()
    for turn in range(3):
        await page.evaluate(f"scrollTo(0, 900 + {turn} * 700)")
        for i in range(0, NODES, 7):
            name = f"node-{i + 1:04}"
            state["nodes"][name] = {**state["nodes"][name], "usedGpus": (i + turn) % 9}
        state["summary"]["jobs"] = {**state["summary"]["jobs"], "running": 500 + turn}
        server.publish(state)
        await expect(page.locator("rt-headlines .running .big")).to_have_text(f"{500 + turn}")
        await page.evaluate(TWO_FRAMES)
        painted: dict[str, Look] = await page.evaluate(PAINTED)
        assert len(painted) > 500
        looks: dict[Any, Look] = {}
        for name, look in painted.items():
            node = state["nodes"][name]
            what = offer(node)
            told = (what, node["usedGpus"] if what == "room" else None, "stateInferred" in node)
            assert alike(look, looks.setdefault(told, look)), (name, told)
        assert len(looks) > 9
        assert not any(alike(one, other) for one, other in combinations(looks.values(), 2))
