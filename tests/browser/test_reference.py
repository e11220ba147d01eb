"""The page that tells what can be asked."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from realtime.web.caller import Role
from realtime.web.tokens import line_of, new_token
from tests import told
from tests.browser.axe import violations
from tests.browser.conftest import OpenPage, Start, TakePicture
from tests.browser.stage import Stage


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_everything_is_told(
    server: Stage, open_page: OpenPage, pictures: TakePicture, theme: Any
) -> None:
    """Every operation, stream and type of both documents is there, accessible in both themes, from this server alone."""
    page = await open_page(theme=theme)
    await page.goto(f"{server.url}/docs")

    paths, channels = told.OPENAPI["paths"], told.ASYNCAPI["channels"]
    types = told.OPENAPI["components"]["schemas"] | told.ASYNCAPI["components"]["schemas"]
    names = [each["operationId"] for methods in paths.values() for each in methods.values()]
    ids = [*names, *(f"channel-{name}" for name in channels), *(f"type-{name}" for name in types)]
    await expect(page.locator("article")).to_have_count(len(ids))
    assert await page.locator("article").evaluate_all("all => all.map(each => each.id).sort()") == sorted(ids)
    links = await page.locator("a[href^='#']").evaluate_all("all => all.map(each => each.hash.slice(1))")
    assert set(links) <= set(ids)
    assert await violations(page) == []
    await pictures(page, f"docs-{theme}")


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_who_may_is_told(
    start: Start, open_page: OpenPage, pictures: TakePicture, tmp_path: Path, theme: Any
) -> None:
    """Where tokens are asked for, each operation says for whom it is, and each scheme by which one shows a token is there."""
    path = tmp_path / "tokens"
    path.write_text(line_of(new_token(), Role.VIEWER))
    server = await start(None, auth="tokens", auth_tokens_file=str(path))
    page = await open_page(theme=theme)
    await page.goto(f"{server.url}/docs")

    said = {
        name: page.locator(f"#{name} .access")
        for name in ("get_metrics", "get_nodes", "get_events", "get_livez")
    }
    await expect(said["get_metrics"]).to_have_text("For the role admin at the least: bearer or cookie")
    await expect(said["get_nodes"]).to_have_text("For any role: bearer or cookie")
    await expect(said["get_events"]).to_have_text("For any role: bearer or cookie or ticket")
    await expect(said["get_livez"]).to_have_text("For everyone")
    await expect(page.locator("#get_nodes pre")).to_contain_text('-H "Authorization: Bearer $TOKEN"')
    await expect(page.locator("#access-cookie")).to_contain_text("realtime in the cookie")
    ids = await page.locator("article").evaluate_all("all => all.map(each => each.id)")
    links = await page.locator("a[href^='#']").evaluate_all("all => all.map(each => each.hash.slice(1))")
    assert set(links) <= set(ids)
    assert await violations(page) == []
    await pictures(page, f"docs-access-{theme}")


async def test_where_nobody_is_asked_that_is_told(server: Stage, open_page: OpenPage) -> None:
    """Without `auth` the page says once that nobody is asked, and no operation says for whom it is."""
    page = await open_page()
    await page.goto(f"{server.url}/docs")

    await expect(page.get_by_text("Nobody is asked for a token.")).to_be_visible()
    await expect(page.locator(".access")).to_have_count(0)


async def test_a_place_in_it_can_be_linked_to(server: Stage, open_page: OpenPage) -> None:
    """An address with a name in it shows what has the name."""
    page = await open_page()
    await page.goto(f"{server.url}/docs#type-Heartbeat")

    await expect(page.locator("#type-Heartbeat")).to_be_in_viewport()


async def test_it_says_what_is_wrong(server: Stage, open_page: OpenPage, complaints: Any) -> None:
    """Where a document cannot be had the page says which, and why."""
    complaints.expect("503")
    page = await open_page()
    await page.route("**/api/asyncapi.json", lambda route: route.fulfill(status=503, body="no"))
    await page.goto(f"{server.url}/docs")

    await expect(page.get_by_role("alert")).to_contain_text("api/asyncapi.json: 503")
