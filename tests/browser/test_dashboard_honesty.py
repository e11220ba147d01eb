"""The dashboard while something is wrong: it says what, since when and how old its numbers are, and recovers without being loaded again."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, Start
from tests.browser.screen import shows
from tests.browser.stage import OUTAGE, Complaints, Stage
from tests.web.served import real_state

KIND = "data-freshness"


async def opened(page: Page, server: Stage) -> None:
    """The page is there, and marked, so that a page that was loaded anew is found out."""
    await page.goto(server.url)
    await expect(page.locator("html")).to_have_attribute(KIND, "live")
    await page.evaluate("window.mark = 1")


async def never_loaded_again(page: Page) -> None:
    assert await page.evaluate("window.mark") == 1


@pytest.mark.parametrize(
    ("reachable", "kind", "sentence"),
    [
        (True, "stale", r"has had no new sample since .*\d\d:\d\d.*The numbers are 6 min old"),
        (False, "down", r"The source does not answer.*\d\d:\d\d.*The numbers are 6 min old"),
    ],
)
async def test_a_source_that_stops_is_told_of(
    server: Stage, page: Page, reachable: bool, kind: str, sentence: str
) -> None:
    """Old data says so in one sentence, its colour drains, and its numbers stay; when the source is back, all is as before."""
    await opened(page, server)
    room = "getComputedStyle(document.documentElement).getPropertyValue('--room')"
    lively = await page.evaluate(room)
    server.age(375, reachable=reachable)
    await expect(page.locator("html")).to_have_attribute(KIND, kind)
    await expect(page.locator("rt-notice")).to_contain_text(re.compile(sentence, re.DOTALL))
    await expect(page.locator("rt-pill")).to_contain_text("data 6 min old")
    await shows(page, (await server.truth())["state"])
    assert await page.evaluate(room) != lively

    server.freshen()
    await expect(page.locator("html")).to_have_attribute(KIND, "live")
    await expect(page.locator("rt-notice")).not_to_contain_text(re.compile(r"\w"))
    assert await page.evaluate(room) == lively
    await never_loaded_again(page)


async def test_a_server_that_is_away_is_told_of(server: Stage, page: Page, complaints: Complaints) -> None:
    """A page that has lost its server says so, keeps its numbers and says how old they are, and goes on when the server is back."""
    complaints.expect(OUTAGE)
    # It comes back after a random time, up to half a minute: let that be short.
    await page.add_init_script("Math.random = () => 0.05")
    await opened(page, server)
    await server.kill()
    await expect(page.locator("html")).to_have_attribute(KIND, "reconnecting")
    await expect(page.locator("rt-notice")).to_contain_text(
        re.compile(r"The server has been away since \d\d:\d\d:\d\d.*The numbers are \d+ s old", re.DOTALL)
    )
    await shows(page, real_state())

    state = real_state()
    state["summary"]["jobs"]["running"] = 7
    await server.start(state)
    await expect(page.locator("html")).to_have_attribute(KIND, "live", timeout=PATIENCE_MS)
    await shows(page, state)
    await never_loaded_again(page)


async def test_a_page_of_an_older_build_says_so(server: Stage, page: Page, complaints: Complaints) -> None:
    """After a deploy the page offers to load itself anew, and does not do so under its reader's eyes."""
    complaints.expect(OUTAGE)
    await page.add_init_script("Math.random = () => 0.05")
    await opened(page, server)
    await server.leave()
    await server.start(real_state(), build="def")
    offer = page.get_by_role("button", name="A new version: load it")
    await expect(offer).to_be_visible(timeout=PATIENCE_MS)
    await never_loaded_again(page)
    await offer.click()
    await expect(page.locator("html")).to_have_attribute(KIND, "live")
    assert await page.evaluate("window.mark") is None
    await expect(offer).to_have_count(0)


async def test_the_age_of_the_data_goes_on_by_itself(start: Start, page: Page) -> None:
    """Between two messages the page counts on how old its data is."""
    server = await start(real_state(), heartbeat_seconds=60)
    await opened(page, server)
    await expect(page.locator("rt-pill")).to_contain_text(re.compile(r"data [4-6] s old"))
    await page.wait_for_function(
        "() => parseInt(document.querySelector('rt-pill').shadowRoot.querySelector('.age').textContent.slice(5)) >= 8"
    )


async def test_a_server_without_data_shows_no_numbers(start: Start, page: Page) -> None:
    """Before the first poll there is a sentence and not one number; the first state is shown as soon as it is there."""
    server = await start(None)
    await page.goto(server.url)
    await expect(page.locator("html")).to_have_attribute(KIND, "starting")
    await expect(page.locator("rt-notice")).to_contain_text("its source has told it nothing yet")
    await expect(page.locator("rt-pill")).to_contain_text("age unknown")
    for part in ("rt-headlines", "rt-node-map", "rt-room", "rt-queues", "rt-users", "rt-events"):
        assert not re.search(r"\d", await page.locator(part).inner_text())

    server.publish(real_state())
    await shows(page, real_state())
    await expect(page.locator("html")).to_have_attribute(KIND, "live")


async def test_a_fault_of_the_source_is_told_of(server: Stage, page: Page) -> None:
    """A fault that makes numbers doubtful is said in the exporter's own sentence, with the moment at which it was seen."""
    await opened(page, server)
    key = next(iter(real_state()["source"]))
    state = real_state()
    state["source"][key]["faults"] = [
        {"code": "PBSNODES_FAILED", "detail": "nodes are shown as they last were"}
    ]
    state["events"]["1"] = {
        "at": server.now.clock.ms,
        "kind": "source.fault",
        "key": key,
        "to": "PBSNODES_FAILED",
    }
    server.publish(state)
    await expect(page.locator("html")).to_have_attribute(KIND, "fault")
    await expect(page.locator("rt-notice")).to_contain_text("Nodes are shown as they last were. Since ")
    await expect(page.locator("rt-events")).to_contain_text("pbsnodes fails")
    server.change("source", key, faults=None)
    await expect(page.locator("html")).to_have_attribute(KIND, "live")


async def test_each_kind_of_trouble_looks_different(server: Stage, page: Page) -> None:
    """The sentence's ground, or its frame, is another for each kind, and so is the word."""
    await opened(page, server)
    looks = await page.evaluate(
        """async () => {
            const notice = document.querySelector("rt-notice");
            const found = {};
            for (const kind of ["partial", "fault", "stale", "down", "reconnecting", "closed", "starting"]) {
                const copy = document.createElement("rt-notice");
                copy.freshness = { kind, what: "x", since: "", how: "" };
                notice.after(copy);
                await copy.updateComplete;
                const style = getComputedStyle(copy.shadowRoot.querySelector(".notice"));
                const glyph = copy.shadowRoot.querySelector("svg").innerHTML;
                found[kind] = [style.background, style.border, glyph].join(" ");
                copy.remove();
            }
            return found;
        }"""
    )
    assert len(set(looks.values())) == len(looks)
