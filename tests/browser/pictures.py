"""`python -m tests.browser.pictures`: the pictures in the README, `docs/dashboard.png` and `docs/kiosk.png`.

A simulated cluster of a fixed seed, at a fixed time, in a browser whose clock stands there: so the same sources make the same pictures, but for
the fonts of the machine.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, async_playwright

from realtime.pbs.assemble import Assembler
from realtime.pbs.trend import SEEDED, Trend
from realtime.source.exposition import Exposition
from realtime.source.simulator import SimulatedCluster, SimulatedSource
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.stage import Stage
from tests.steps import finish

DOCS: Final = Path(__file__).parents[2] / "docs"

NOW: Final = datetime(2026, 11, 19, 14, 2, 11, tzinfo=UTC)
"""A working afternoon, when clusters are full."""

NOW_MS: Final = round(NOW.timestamp() * 1000)

DAYS: Final = 8
SEED: Final = 3
TICKS: Final = 40
"""Of a minute each, watched before the picture: what happens in them are the recent events."""

PICTURES: Final = {"dashboard": ("/", 1280, 800), "kiosk": ("/kiosk", 1920, 1080)}
"""File → page, and the size of its window; of the dashboard the whole page is shown, however long it is."""


async def main() -> None:
    """Make both pictures."""
    stage = await simulated()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, (path, width, height) in PICTURES.items():
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark",
                reduced_motion="reduce",
                timezone_id="UTC",
            )
            page = await context.new_page()
            await page.clock.set_fixed_time(NOW)
            await page.goto(stage.url + path)
            await settled(page)
            await page.screenshot(path=DOCS / f"{name}.png", full_page=name == "dashboard")
            await context.close()
        await browser.close()
    await stage.end()


async def settled(page: Page) -> None:
    """Wait until there are numbers, and lines where lines belong."""
    await page.locator("rt-headlines rt-sparkline .line").last.wait_for()
    for plot in await page.locator("rt-history .plot").all():
        await plot.locator("canvas").wait_for()


async def simulated() -> Stage:
    """A server that has watched the cluster for a while."""
    cluster = SimulatedCluster(seed=SEED)
    began_ms = NOW_MS - TICKS * 60_000
    cluster.live_through(DAYS * 86_400, began_ms)
    source = SimulatedSource(cluster, now_ms=lambda: now_ms)
    exposition, assembler, trend = Exposition(), Assembler(), Trend(180)
    topics: dict[str, Any] | None = None
    for now_ms in range(began_ms, NOW_MS + 1, 60_000):
        await source.probe()
        reading = finish(exposition.read(await source.fetch(), now_ms))
        topics = finish(assembler.assemble(reading.changed, reading.gone, now_ms))
    assert topics is not None
    grid = trend.grid(NOW_MS / 1000)
    trend.seed(grid, await source.history(SEEDED, grid))

    # Told so often, the age stands still too.
    stage = Stage(("hopper",), {"heartbeat_seconds": 0.5})
    await stage.start()
    stage.now.clock.ms = NOW_MS
    stage.now.site.histories["hopper"] = source.history
    stage.publish({**topics, "trend": trend.entities()})
    return stage


if __name__ == "__main__":
    asyncio.run(main())
