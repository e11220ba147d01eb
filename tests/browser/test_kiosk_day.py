"""A wall display that is left alone for a day: its memory does not grow."""

import asyncio
import random
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

import pytest
from playwright.async_api import CDPSession, Page, expect

from tests.browser.conftest import OpenPage, Start
from tests.browser.stage import holds
from tests.web.served import NOW, State, real_state

POLLS_AN_HOUR: Final = 720
"""One in five seconds, each of which brings a change: 17,280 diffs a day."""

TINT_MS: Final = 2000
"""Longer than anything is tinted."""

LAPSE: Final = """(() => {
    const { setTimeout, clearTimeout, WebSocket } = globalThis;
    let due = [];
    globalThis.lapse = { diffs: 0 };
    globalThis.setTimeout = (run, ms, ...rest) => {
        if (ms < 5000) return setTimeout(run, ms, ...rest);
        due.push({ run, at: 5000 * lapse.diffs + ms });
        return undefined;
    };
    function pass() {
        lapse.diffs += 1;
        const now = due.filter(({ at }) => at <= 5000 * lapse.diffs);
        due = due.filter(({ at }) => at > 5000 * lapse.diffs);
        for (const { run } of now) run();
    }
    globalThis.WebSocket = class extends WebSocket {
        constructor(...address) {
            super(...address);
            this.addEventListener("message", ({ data }) => data.startsWith('{"type":"diff"') && pass());
        }
    };
    Math.random = () => 0.999;
})()"""
"""A day in a minute: for timers of five seconds and more (pages that take turns, the drift) each diff is five seconds. What comes at random,
as the fresh page of the day after, comes as late as it may: after this day.
"""


class Memory(NamedTuple):
    """What a page holds once everything that it has let go is collected."""

    heap: int
    """Bytes of JavaScript."""
    nodes: int
    """Of the DOM, those in no document too."""
    listeners: int


def polls(hours: int) -> Iterator[State]:
    """What an eventful cluster says, poll by poll: nodes fill and fail, come and go, queues grow and shrink, minutes and events pass."""
    dice = random.Random(5)
    state = {topic: dict(entities) for topic, entities in real_state().items()}
    names = list(state["nodes"])
    trend: deque[dict[str, Any]] = deque(maxlen=180)
    events: deque[tuple[int, dict[str, Any]]] = deque(maxlen=200)
    number = 0

    def happen(at: int, **event: Any) -> None:
        nonlocal number
        number += 1
        events.append((number, {"at": at, **event}))

    for poll in range(-2400, hours * POLLS_AN_HOUR + 1):
        at = NOW + poll * 5000
        for name in dice.sample(names, 2):
            before = state["nodes"].get(name) or {"id": name, "name": name, "state": "free", "totalGpus": 8}
            now = dice.choice(("free", "free", "free", "busy", "busy", "offline", "down"))
            used = 8 if now == "busy" else dice.randint(0, 8)
            state["nodes"][name] = {**before, "state": now, "usedGpus": used, "jobCount": dice.randint(0, 9)}
            if now != before["state"]:
                happen(at, kind="node.state", key=name, **{"from": before["state"], "to": now})
        if poll % 90 == 0:
            name = dice.choice(names)
            if state["nodes"].pop(name, None):
                happen(at, kind="node.removed", key=name)
        for queue in dice.sample(list(state["queues"]), 2):
            running, queued = dice.randint(0, 60), dice.randint(0, 60)
            state["queues"][queue] = {
                "name": queue, "runningJobs": running, "queuedJobs": queued, "totalJobs": running + queued,
            }  # fmt: skip
        if poll % POLLS_AN_HOUR == 0:
            # A user's queue that lives for an hour.
            state["queues"] = {name: row for name, row in state["queues"].items() if not name.startswith("R")}
            state["queues"][f"R{poll}"] = {
                "name": f"R{poll}",
                "runningJobs": 1,
                "queuedJobs": 0,
                "totalJobs": 1,
            }
        state["summary"]["jobs"] = {
            **state["summary"]["jobs"], "running": dice.randint(20, 90), "queued": dice.randint(0, 90),
        }  # fmt: skip
        state["summary"]["gpus"] = {**state["summary"]["gpus"], "utilization": dice.randint(0, 1000) / 10}
        if poll % 12 == 0:
            numbers = {"runningJobs": dice.uniform(20, 90), "queuedJobs": dice.uniform(0, 90)}
            trend.append(
                {"ts": at, "gpuUtilization": dice.uniform(0, 100), "cpuUtilization": 50.0, **numbers}
            )
            state["trend"] = {str(point["ts"]): point for point in trend}
        state["events"] = {str(key): event for key, event in events}
        if poll >= 0:
            yield {topic: dict(entities) for topic, entities in state.items()}


async def measured(page: Page, cdp: CDPSession) -> Memory:
    """Let what is tinted grow calm (also what is on no page any more), collect, and look."""
    assert await page.evaluate("document.querySelector('main').className") == "overview"
    await page.wait_for_timeout(TINT_MS)
    for _ in range(3):
        await cdp.send("HeapProfiler.collectGarbage")
    told = (await cdp.send("Performance.getMetrics"))["metrics"]
    counts = {metric["name"]: int(metric["value"]) for metric in told}
    return Memory(counts["JSHeapUsedSize"], counts["Nodes"], counts["JSEventListeners"])


@pytest.mark.parametrize(("motion", "hours"), [("reduce", 24), ("no-preference", 2)])
# The page draws each of 17,280 diffs by itself, which takes 4 ms of an idle machine's time and more of a busy one's.
@pytest.mark.timeout(600)
async def test_a_day_leaves_no_trace_in_memory(
    start: Start, open_page: OpenPage, motion: Literal["reduce", "no-preference"], hours: int
) -> None:
    """After a day's diffs, with pages that took turns each minute, the heap and the DOM are as large as after the first hour. (With tints for
    what changes, which cost more to draw than to remember: after two hours.)
    """
    said = polls(hours)
    server = await start(next(said))
    # Small: most of the work is painting. The layout is that of any size.
    page = await open_page(480, 270, reduced_motion=motion)
    await page.add_init_script(LAPSE)
    await page.goto(f"{server.url}/kiosk?pages=overview,nodes,queues,events&seconds=60")
    await expect(page.locator("rt-node-tiles [data-name]").first).to_be_visible()
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("Performance.enable")
    (reader,) = server.now.listeners()

    memory: list[Memory] = []
    for poll, state in enumerate(said, 1):
        server.publish(state)
        # Each diff is sent before the next poll, so that no two become one; every so often the page is waited for.
        await server.hub.fan_out()
        while reader.outlet.unsent():
            await asyncio.sleep(0.001)
        if poll % 48 == 0:
            await holds(page, f"lapse.diffs >= {poll}")
        if poll % (POLLS_AN_HOUR * max(1, hours // 4)) == 0 or poll == POLLS_AN_HOUR:
            memory.append(await measured(page, cdp))
    assert await page.evaluate("lapse.diffs") == hours * POLLS_AN_HOUR

    first, last = memory[0], memory[-1]
    # 30 bytes a diff over a day. What the engine learns of hot code in the first hours is less than that.
    assert last.heap - first.heap < 500_000, memory
    assert last.nodes - first.nodes < 100, memory
    assert last.listeners == first.listeners, memory
