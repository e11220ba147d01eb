"""The dashboard for everyone: by keyboard, by touch, on a phone, with a screen reader, in both themes."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import OpenPage, Start
from tests.browser.screen import OVERFLOWING, TWO_FRAMES, thousands
from tests.browser.stage import Stage
from tests.web.served import real_state


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("trouble", ["live", "stale", "down", "starting"])
async def test_it_is_accessible(start: Start, open_page: OpenPage, theme: Any, trouble: str) -> None:
    """axe-core finds nothing, in both themes, whatever the freshness, with details open."""
    server = await start(None if trouble == "starting" else real_state())
    if trouble in {"stale", "down"}:
        server.age(375, reachable=trouble == "stale")
    page = await open_page(theme=theme, reduced_motion="reduce")
    await page.goto(f"{server.url}/?node=hopper-07")
    await expect(page.locator("html")).to_have_attribute("data-freshness", trouble)
    await expect(page.get_by_role("dialog")).to_have_count(0 if trouble == "starting" else 1)
    await expect(page.locator("rt-history canvas")).to_have_count(2)

    assert await violations(page) == []


async def test_thousands_of_nodes_are_accessible(start: Start, open_page: OpenPage) -> None:
    """axe-core finds nothing in the map of cells either."""
    server = await start(thousands(1_000))
    page = await open_page(theme="dark", reduced_motion="reduce")
    await page.goto(server.url)
    await expect(page.locator("rt-node-cells")).to_have_count(1)
    await page.locator("rt-node-cells [tabindex='0']").focus()

    assert await violations(page) == []


async def focused(page: Page) -> str | None:
    """The node that has the keyboard."""
    name: str | None = await page.evaluate(
        """() => {
            let element = document.activeElement;
            while (element?.shadowRoot) element = element.shadowRoot.activeElement;
            return element?.dataset?.name ?? null;
        }"""
    )
    return name


async def test_the_map_is_walked_by_keyboard(server: Stage, page: Page) -> None:
    """One tab stop for all nodes; arrows walk, Enter opens the details and takes the keyboard there, Escape brings it back."""
    await page.goto(server.url)
    await expect(page.locator("rt-node-tiles [data-name]")).to_have_count(46)
    assert await page.locator("rt-node-tiles [tabindex='0']").count() == 1
    await page.get_by_role("searchbox").focus()
    await page.keyboard.press("Tab")
    assert await focused(page) == "hopper-01"
    await expect(page.get_by_role("tooltip", name="Details of hopper-01")).to_be_visible()

    columns = await page.evaluate(
        "document.querySelector('rt-node-map').shadowRoot.querySelector('rt-node-tiles').columns"
    )
    for key, place in (
        ("ArrowRight", 2),
        ("ArrowDown", 2 + columns),
        ("ArrowLeft", 1 + columns),
        ("ArrowUp", 1),
        ("ArrowUp", 1),
        ("End", 46),
        ("ArrowRight", 46),
        ("Home", 1),
        ("ArrowRight", 2),
    ):
        await page.keyboard.press(key)
        await expect(page.locator(f"rt-node-tiles [data-name='hopper-{place:02}']")).to_be_focused()

    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Details of hopper-02")
    await expect(dialog.get_by_role("button", name="Close the details")).to_be_focused()
    assert page.url == f"{server.url}/?node=hopper-02"
    server.change("nodes", "hopper-02", jobCount=77)
    await expect(dialog).to_contain_text("77")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    assert await focused(page) == "hopper-02"
    assert page.url == f"{server.url}/"


async def test_a_node_is_pointed_at(server: Stage, page: Page) -> None:
    """A mouse over a node shows its details, a click keeps them, and away from it they are gone."""
    await page.goto(server.url)
    tile = page.locator("rt-node-tiles [data-name='hopper-11']")
    details = page.locator("rt-details")
    await tile.hover()
    await expect(details).to_contain_text("hopper-11")
    await page.mouse.move(5, 5)
    await expect(details).to_be_hidden()
    await tile.click()
    await page.mouse.move(5, 5)
    await expect(page.get_by_role("dialog", name="Details of hopper-11")).to_be_visible()

    state = real_state()
    del state["nodes"]["hopper-11"]
    server.publish(state)
    await expect(details).to_contain_text("The source no longer lists this node.")
    await details.get_by_role("button").click()
    await expect(details).to_be_hidden()


@pytest.mark.parametrize("names", ["short", "long"])
async def test_nothing_is_wider_than_the_screen(start: Start, page: Page, names: str) -> None:
    """From a small phone to a large screen nothing has to be scrolled sideways, and nothing sticks out of its card."""
    state = real_state()
    if names == "long":
        for topic in ("nodes", "queues", "users"):
            state[topic] = {
                f"{name}.a-very-long-name.of-a-cluster.example.org": {
                    **entity,
                    "name": f"{name}.a-very-long-name.of-a-cluster.example.org",
                }
                for name, entity in state[topic].items()
            }
        for queue in state["queues"].values():
            queue.update(runningJobs=123_456, queuedJobs=654_321, queuedInferred=True)
    server = await start(state)
    server.age(375)
    await page.goto(f"{server.url}/?node={next(iter(state['nodes']))}")
    await expect(page.get_by_role("dialog")).to_be_visible()
    for width in (320, 390, 820, 1280, 1920):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.evaluate(TWO_FRAMES)

        assert await page.evaluate("document.documentElement.scrollWidth") == width
        assert await page.evaluate(OVERFLOWING) == []


async def test_on_a_phone_details_come_by_touch(server: Stage, open_page: OpenPage) -> None:
    """A tap on a node opens its details in view, at the lower edge."""
    page = await open_page(390, 844, has_touch=True, is_mobile=True)
    await page.goto(server.url)
    await page.locator("rt-node-tiles [data-name='hopper-30']").tap()
    details = page.get_by_role("dialog", name="Details of hopper-30")
    await expect(details).to_be_in_viewport(ratio=1)
