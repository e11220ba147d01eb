"""What the dashboard shows, as its readers see it, and what it should show of a state. The second is written from what the protocol says of
the fields, and knows nothing of how the page does it.
"""

from collections.abc import Mapping
from typing import Any, Final

from playwright.async_api import Page

from tests.web.served import PATIENCE_SECONDS, State, real_state

Seen = dict[str, Any]

READ: Final = """() => {
    const every = (selector, read) => {
        const found = [];
        const walk = (root) => {
            for (const element of root.querySelectorAll("*")) {
                if (element.matches(selector)) found.push(read(element));
                if (element.shadowRoot) walk(element.shadowRoot);
            }
        };
        walk(document);
        return found;
    };
    const inside = (host, selector, read) => [...document.querySelector(host)?.shadowRoot.querySelectorAll(selector) ?? []].map(read);
    const text = (element) => element.textContent.replace(/\\s+/g, " ").trim();
    return {
        headlines: Object.fromEntries(inside("rt-headlines", ".tile", (tile) => [
            text(tile.querySelector("h2")), `${text(tile.querySelector(".big"))}; ${text(tile.querySelector(".sub"))}`,
        ])),
        offers: Object.fromEntries(inside("rt-headlines", ".key li", (item) => text(item).split(" ").reverse())),
        nodes: Object.fromEntries(every(".tile[data-name]", (tile) => [tile.dataset.name, [
            [...tile.classList].filter((name) => name !== "tile").join(" "),
            text(tile.querySelector(".saying")),
            tile.querySelector(".star") !== null,
            tile.querySelectorAll(".bars:not(.whole) .used").length,
            tile.querySelectorAll(".bars:not(.whole) .free").length,
        ]])),
        queues: Object.fromEntries(inside("rt-queues", ".row", (row) => [text(row.children[0]), text(row.children[2])])),
        users: Object.fromEntries(inside("rt-users", ".row", (row) => [text(row.children[0]), text(row.children[2])])),
        room: inside("rt-room", ".row", (row) => `${text(row.children[0])}: ${text(row.children[2])}`),
    };
}"""


WORDS: Final = """() => {
    const found = [];
    const walk = (node) => {
        if (node.nodeType === Node.TEXT_NODE) found.push(node.data);
        if (["STYLE", "SCRIPT", "NOSCRIPT"].includes(node.nodeName)) return;
        for (const child of [...node.childNodes, ...node.shadowRoot?.childNodes ?? []]) walk(child);
    };
    walk(document.body);
    return found.join(" ").replace(/\\s+/g, " ").trim();
}"""
"""All text of a page, seen or not, also what is in shadow roots, where playwright's `inner_text` does not look."""

TWO_FRAMES: Final = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""After these a scroll or another size of the window is painted."""

OVERFLOWING: Final = """() => {
    const found = [];
    const walk = (root) => {
        for (const element of root.querySelectorAll("*")) {
            const style = getComputedStyle(element);
            const meant = style.textOverflow === "ellipsis" || style.overflowX !== "visible" || element.closest("svg, canvas, .u-wrap");
            if (!meant && element.clientWidth && element.scrollWidth > element.clientWidth + 1)
                found.push(`${element.localName}.${element.className} ${element.scrollWidth} > ${element.clientWidth}`);
            if (element.shadowRoot) walk(element.shadowRoot);
        }
    };
    walk(document);
    return found;
}"""
"""What sticks out of its own box and is not cut on purpose."""

FITS: Final = """() => {
    const faults = [];
    const walk = (root) => {
        for (const element of root.querySelectorAll("*")) {
            if (element.shadowRoot) walk(element.shadowRoot);
            const box = element.getBoundingClientRect();
            if (!box.width || !box.height || getComputedStyle(element).clipPath !== "none") continue;
            const name = `${element.localName}.${element.getAttribute("class") ?? ""}`;
            if (box.left < -1 || box.top < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1)
                faults.push(`${name} is beyond the screen`);
            if (element.localName !== "svg" && !element.closest("svg") && element.scrollHeight > element.clientHeight + 3 && element.clientHeight)
                faults.push(`${name} is ${element.clientHeight} high and its content ${element.scrollHeight}`);
        }
    };
    walk(document);
    const root = document.scrollingElement;
    if (root.scrollHeight > innerHeight || root.scrollWidth > innerWidth) faults.push("there is something to scroll");
    return faults;
}"""
"""What does not fit: boxes beyond the screen, content that is higher than its box."""

NODES: Final = 5_000


def thousands(nodes: int = NODES) -> dict[str, dict[str, Any]]:
    """The real cluster, many times over."""
    state = real_state()
    few = list(state["nodes"].values())
    state["nodes"] = {
        name: {**few[i % len(few)], "id": name, "name": name}
        for i in range(nodes)
        for name in [f"node-{i + 1:04}"]
    }
    return state


async def seen(page: Page) -> Seen:
    """What is on screen now."""
    found: Seen = await page.evaluate(READ)
    return found


async def shows(page: Page, state: State) -> None:
    """Wait until the page shows this state, and nothing else."""
    wanted = expected(state)
    found: Seen = {}
    for _ in range(PATIENCE_SECONDS * 20):
        found = await seen(page)
        if found == wanted:
            return
        await page.wait_for_timeout(50)
    assert found == wanted


def expected(state: State) -> Seen:
    """What should be on screen."""
    nodes, summary = state["nodes"], state["summary"]
    offers = {name: offer(node) for name, node in nodes.items()}
    counts = {
        what: list(offers.values()).count(what) for what in ("room", "full", "offline", "down", "unknown")
    }
    jobs, used = summary["jobs"], {kind: summary[kind] for kind in ("gpus", "cpus", "memory")}
    headlines = {
        "Nodes": f"{counts['room']:,}; of {len(nodes):,} {'has' if counts['room'] == 1 else 'have'} room",
        "Running jobs": f"{jobs['running']:,}; ",
        "Queued jobs": f"{jobs['queued']:,}; and {jobs['held']:,} held",
        "GPUs in use": f"{percent(used['gpus'])} %; {used['gpus']['used']:,} of {used['gpus']['total']:,}",
        "CPUs in use": f"{percent(used['cpus'])} %; {used['cpus']['used']:,} of {used['cpus']['total']:,}",
        "Memory in use": f"{percent(used['memory'])} %; {tib(used['memory']['used'])} of {tib(used['memory']['total'])} TiB",
    }
    return {
        "headlines": headlines,
        "offers": {what: f"{n:,}" for what, n in counts.items() if n or what != "unknown"},
        "nodes": {name: tile(node) for name, node in nodes.items()},
        "queues": {
            name: f"{queue['runningJobs']:,} + {queue['queuedJobs']:,}{'*' * ('queuedInferred' in queue)}"
            for name, queue in state["queues"].items()
        },
        "users": {
            user["name"]: f"{user['runningJobs']:,}"
            for user in sorted(
                state["users"].values(), key=lambda user: (-user["runningJobs"], user["name"].lower())
            )[:7]
        },
        "room": [
            f"{step} {'GPU' if step == 1 else 'GPUs'}: {n:,} {'node' if n == 1 else 'nodes'}"
            for step in (1, 2, 4, 8)
            for n in [sum(free_gpus(node) >= step for node in nodes.values())]
        ],
    }


def offer(node: Mapping[str, Any]) -> str:
    """What a node offers."""
    if node["state"] == "free":
        full = any(
            0 < node[f"total{kind}"] <= node[f"used{kind}"]
            for kind in ("Gpus", "Cpus")
            if f"used{kind}" in node
        )
        return "full" if full else "room"
    return "full" if node["state"] == "busy" else str(node["state"])


def free_gpus(node: Mapping[str, Any]) -> int:
    """How many a job can have there."""
    return int(node["totalGpus"] - node["usedGpus"]) if offer(node) == "room" else 0


def tile(node: Mapping[str, Any]) -> list[Any]:
    """Class, words, star, and the bars of its GPUs: in use, free."""
    what, free, jobs = offer(node), free_gpus(node), node.get("jobCount")
    words = f"{what}, {jobs} job{'s' * (jobs != 1)}" if jobs else what
    if what == "room":
        words = f"{free} GPU{'s' * (free != 1)} free"
    return [what, words, "stateInferred" in node, node["usedGpus"], free]


def percent(usage: Mapping[str, Any]) -> int:
    """As half-up as the page's."""
    return int(usage["utilization"] + 0.5)


def tib(gib: float) -> str:
    """Of a cluster with tens of TiB."""
    return f"{gib / 1024:.0f}"


async def fits(page: Page) -> None:
    """Wait until nothing is beyond the screen, cut in two or scrolled: what has changed its size is measured first."""
    faults: list[str] = []
    for _ in range(40):
        faults = await page.evaluate(FITS)
        if not faults:
            return
        await page.wait_for_timeout(50)
    assert faults == []
