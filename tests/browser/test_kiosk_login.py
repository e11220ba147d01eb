"""The wall display where tokens are asked for: nobody can type one there, so it comes in the address once, or the wall says that it must."""

import re
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, async_playwright, expect

from realtime.web.access import FORBIDDEN
from realtime.web.caller import Role
from realtime.web.limits import Refusal
from realtime.web.terms import Terms
from tests.browser.axe import violations
from tests.browser.closed import REFUSED, Closed, Diary, kept
from tests.browser.conftest import ARGUMENTS, CHROMIUM, OpenPage
from tests.browser.screen import WORDS, fits
from tests.browser.stage import OUTAGE, Complaints, Stage
from tests.browser.test_login import logged_in

KIND = "data-freshness"
ATTACK = '<img src=x onerror="window.hacked=1">'
DO = "open this page once with #token=… of a kiosk token at the end of its address."
"""What the wall says that must be done, whatever the reason."""

SIZES = ((1920, 1080), (3840, 2160), (1080, 1920))


@pytest_asyncio.fixture(loop_scope="session")
async def wall(open_page: OpenPage) -> Page:
    """An empty page of 1920×1080."""
    return await open_page(1920, 1080)


async def is_called(page: Page, kind: str) -> None:
    await expect(page.locator("html")).to_have_attribute(KIND, kind)


async def says(page: Page, why: str) -> None:
    """Wait until the wall says why it shows nothing new, and what to do."""
    await expect(page.locator("rt-notice .what")).to_have_text(f"{why} {DO}")


def with_token(closed: Closed, query: str = "", role: Role = Role.KIOSK) -> str:
    """The address that is opened once."""
    return f"{closed.url}/kiosk{query}#token={closed.tokens[role]}"


async def knows(closed: Closed, *roles: Role) -> None:
    """Have the server let in these roles' tokens alone, from now on."""
    closed.list_only(*roles)
    await closed.gate._proofs.refresh()  # type: ignore[union-attr]


async def come_back(page: Page) -> None:
    """Have the page try again now, as when the network returns."""
    await page.evaluate("window.dispatchEvent(new Event('online'))")


@pytest.mark.parametrize("size", SIZES)
async def test_without_a_token_it_says_what_to_do(
    closed: Closed, open_page: OpenPage, size: tuple[int, int]
) -> None:
    """A wall that is not let in has one sentence, in its middle, with its own address below; it asks at the stream's door and nowhere else."""
    page = await open_page(*size)
    diary = Diary(page)
    await page.goto(f"{closed.url}/kiosk?screen=lobby")
    await is_called(page, "asking")
    await says(page, "This screen is not logged in:")
    await expect(page.locator("rt-notice .how")).to_have_text(f"{closed.url}/kiosk?screen=lobby#token=…")
    await expect(page.locator("main, rt-pill, input, button")).to_have_count(0)
    await fits(page)
    assert diary.count("/api/") == diary.count("/api/ws") == 1


async def test_a_token_behind_the_address_becomes_a_cookie(closed: Closed, wall: Page) -> None:
    """It is shown once, is then in the cookie and nowhere else, and the wall is let in, also after a reload."""
    diary = Diary(wall)
    await wall.goto(with_token(closed, "?screen=lobby&seconds=30"))
    await is_called(wall, "live")
    assert wall.url == f"{closed.url}/kiosk?screen=lobby&seconds=30"
    await expect(wall.locator("rt-node-tiles [data-name]")).to_have_count(46)
    await expect(wall.locator("rt-notice, footer")).to_have_count(0)
    (cookie,) = await kept(wall)
    assert (cookie["value"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (
        closed.tokens[Role.KIOSK],
        True,
        "Strict",
        "/",
    )
    assert not await diary.holds(closed.tokens[Role.KIOSK])
    # Nobody was turned away first.
    assert sum(closed.server.site.door.refusals.values()) == 0

    await wall.reload()
    await is_called(wall, "live")
    assert diary.count("POST ") == 1


async def test_a_token_is_shown_once_however_slow_the_page(closed: Closed, wall: Page) -> None:
    """The end of loading, at which the page takes back its refresh and with that all that it waits for, takes back no token."""
    diary = Diary(wall)

    async def slowly(route: Route) -> None:
        await wall.wait_for_load_state("load")
        await wall.evaluate("0")
        await route.continue_()

    await wall.route("**/api/session", slowly)
    await wall.goto(with_token(closed))
    await is_called(wall, "live")
    assert diary.count("POST ") == 1


async def test_a_wall_outlives_its_browser(closed: Closed, tmp_path: Path) -> None:
    """A wall that is switched off and on again needs no token: the browser has kept the login."""
    async with async_playwright() as playwright:
        for address in (with_token(closed), f"{closed.url}/kiosk"):
            context = await playwright.chromium.launch_persistent_context(
                tmp_path / "profile", executable_path=CHROMIUM, args=ARGUMENTS
            )
            (page,) = context.pages
            await page.goto(address)
            await is_called(page, "live")
            assert page.url == f"{closed.url}/kiosk"
            await context.close()


async def test_a_refused_token_is_said_to_be_and_another_tried(
    closed: Closed, wall: Page, complaints: Complaints
) -> None:
    """A wall whose token is none says so with the server's reason; a right one in the same window lets it in."""
    complaints.expect(REFUSED)
    await wall.goto(f"{closed.url}/kiosk#token=rt_wrong")
    await says(wall, "The token in the address is refused:")
    await expect(wall.locator("rt-notice .how")).to_contain_text("This token is not known here.")
    assert wall.url == f"{closed.url}/kiosk"
    await fits(wall)

    await wall.evaluate("globalThis.first = true")
    await wall.goto(with_token(closed))
    await is_called(wall, "live")
    assert wall.url == f"{closed.url}/kiosk"
    assert await wall.evaluate("globalThis.first")


async def test_a_refused_token_takes_away_no_login(
    closed: Closed, wall: Page, complaints: Complaints
) -> None:
    """A wall that is let in by its cookie stays so, and names the token that was not taken in one line."""
    complaints.expect(REFUSED)
    await wall.goto(with_token(closed))
    await is_called(wall, "live")
    await wall.goto(f"{closed.url}/kiosk?theme=light#token=rt_wrong")
    await is_called(wall, "live")
    await expect(wall.locator("footer")).to_have_text(
        "In this page's address: the token was refused (this token is not known here)"
    )
    await fits(wall)


async def test_a_login_that_ends_leaves_old_numbers_and_says_what_to_do(closed: Closed, wall: Page) -> None:
    """After the token was revoked the numbers stay, drained, below the sentence; a token that is listed again is enough, and so is a new one."""
    await wall.add_init_script("Math.random = () => 0.05")
    await wall.goto(with_token(closed))
    await is_called(wall, "live")
    await wall.evaluate("globalThis.first = true")
    await knows(closed, Role.ADMIN)
    await is_called(wall, "locked")
    await says(wall, "The login of this screen has ended:")
    await expect(wall.locator("rt-notice .how")).to_contain_text(re.compile(r"The numbers are \d+ s old\."))
    await expect(wall.locator("rt-pill")).to_contain_text("logged out")
    await expect(wall.locator("rt-node-tiles [data-name]")).to_have_count(46)
    await fits(wall)

    await knows(closed, Role.KIOSK)
    await come_back(wall)
    await is_called(wall, "live")
    await knows(closed, Role.ADMIN)
    await is_called(wall, "locked")
    await wall.goto(with_token(closed, role=Role.ADMIN))
    await is_called(wall, "live")
    assert await wall.evaluate("globalThis.first")


async def test_a_kiosk_that_may_not_see_people_shows_the_rest(closed: Closed, wall: Page) -> None:
    """Where the address asks for users and the token may not see them, there is no empty list of them, and one line that says why."""
    await wall.goto(with_token(closed, "?pages=queues&users=show"))
    await is_called(wall, "live")
    await expect(wall.locator("rt-queues .row").first).to_be_visible()
    await expect(wall.locator("rt-users, rt-notice")).to_have_count(0)
    await expect(wall.locator("footer")).to_have_text(
        "In this page's address: users cannot be shown: this screen's token may not see them"
    )
    await fits(wall)
    await wall.goto(with_token(closed, "?pages=queues&users=show&seconds=30", Role.VIEWER))
    await expect(wall.locator("rt-users .row").first).to_be_visible()
    await expect(wall.locator("footer")).to_have_count(0)


async def test_a_token_behind_a_question_mark_is_taken_away_and_not_used(closed: Closed, wall: Page) -> None:
    """The likeliest mistake puts the token on no wall: it leaves the address at once, and the wall says what to do about it."""
    token = closed.tokens[Role.KIOSK]
    diary = Diary(wall)
    await wall.goto(f"{closed.url}/kiosk?screen=lobby&token={token}&odd={token}")
    why = "A token belongs behind #, not behind ?, where it may have been logged; make a new one:"
    await says(wall, why)
    await expect(wall.locator("rt-notice .how")).to_have_text(f"{closed.url}/kiosk?screen=lobby#token=…")
    await expect(wall.locator("footer")).to_have_text("In this page's address: unknown: odd")
    assert wall.url == f"{closed.url}/kiosk?screen=lobby&odd={token}"
    assert token not in await wall.evaluate(WORDS)
    assert diary.count("POST ") == 0
    await fits(wall)

    await wall.goto(f"{closed.url}/kiosk?token={token}#token={closed.tokens[Role.VIEWER]}")
    await is_called(wall, "live")
    assert wall.url == f"{closed.url}/kiosk"
    await wall.goto(f"{closed.url}/kiosk?token={token}")
    await is_called(wall, "live")
    await expect(wall.locator("footer")).to_have_text(f"In this page's address: {why[:-1]}")


async def test_another_token_in_the_same_window_shows_what_it_may(closed: Closed, wall: Page) -> None:
    """Where a kiosk's token could not show users and a viewer's comes behind it, they are shown, without a reload; and the other way round."""
    await wall.goto(with_token(closed, "?pages=queues&users=show"))
    await expect(wall.locator("footer")).to_contain_text("users cannot be shown")
    await wall.evaluate("globalThis.first = true")
    for role in (Role.VIEWER, Role.KIOSK):
        await wall.evaluate("token => { location.hash = `token=${token}` }", closed.tokens[role])
        shown = int(role is Role.VIEWER)
        await expect(wall.locator("rt-users")).to_have_count(shown)
        await expect(wall.locator("footer")).to_have_count(1 - shown)
        await is_called(wall, "live")
    assert await wall.evaluate("globalThis.first")


async def test_a_refusal_that_is_not_of_people_is_not_taken_for_one(
    closed: Closed, wall: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token without a role is refused whatever is asked for, and so the wall does not say that it may not see people."""
    await wall.goto(with_token(closed))
    await is_called(wall, "live")

    admit = closed.gate._admit

    async def refuse(request: Any, terms: Terms) -> Refusal | None:
        if terms.transport is None:
            return await admit(request, terms)
        return Refusal(403, FORBIDDEN, "forbidden", "this token names no role")

    monkeypatch.setattr(closed.gate, "_admit", refuse)
    await wall.goto(f"{closed.url}/kiosk?pages=queues&users=show&seconds=30")
    await is_called(wall, "closed")
    await expect(wall.locator("rt-notice .what")).to_contain_text("this token names no role")
    await expect(wall.locator("footer")).to_have_count(0)


async def test_who_logs_out_elsewhere_is_out_on_the_wall_too(closed: Closed, wall: Page) -> None:
    """A wall display in another tab of a browser that was logged out shows nothing any more, and follows nothing."""
    dashboard = await wall.context.new_page()
    await logged_in(closed, dashboard)
    await wall.goto(f"{closed.url}/kiosk?pages=queues&users=show")
    await expect(wall.locator("rt-users .row").first).to_be_visible()
    user = next(iter(closed.truth()["users"]))
    assert user in await wall.evaluate(WORDS)
    await dashboard.get_by_role("button", name="Log out").click()
    await is_called(wall, "asking")
    await says(wall, "This screen is not logged in:")
    assert user not in await wall.evaluate(WORDS)


async def test_a_server_that_is_away_is_shown_the_token_later(
    closed: Closed, wall: Page, complaints: Complaints
) -> None:
    """A wall that comes up before its server can answer says so, holds the token, and shows it when it can."""
    complaints.expect(f"{OUTAGE}|Failed to load resource")
    await wall.clock.install()
    tries = 0

    async def fail_once(route: Route) -> None:
        nonlocal tries
        tries += 1
        await (route.abort() if tries == 1 else route.continue_())

    await wall.route("**/api/session", fail_once)
    await wall.goto(with_token(closed))
    await says(wall, "This screen is not logged in:")
    assert wall.url == f"{closed.url}/kiosk"
    await wall.clock.fast_forward(8_000)
    await wall.clock.fast_forward(2_000)
    await is_called(wall, "live")
    assert tries == 2


async def test_a_browser_that_keeps_no_cookie_is_told_of(closed: Closed, wall: Page) -> None:
    """Where the token is right and yet the wall is not let in, it does not ask for the same again."""
    await wall.route("**/api/session", lambda route: route.fulfill(json={"role": "kiosk"}))
    await wall.goto(with_token(closed))
    await says(wall, "This browser keeps no cookies of this site; let it, and then")


async def test_a_refusal_is_text(closed: Closed, wall: Page, complaints: Complaints) -> None:
    """What is said of a token is never read as HTML."""
    complaints.expect(REFUSED)
    await wall.route("**/api/session", lambda route: route.fulfill(status=401, json={"detail": ATTACK}))
    await wall.goto(f"{closed.url}/kiosk#token={ATTACK}")
    await expect(wall.locator("rt-notice")).to_contain_text(ATTACK)
    await expect(wall.locator("img")).to_have_count(0)
    assert await wall.evaluate("globalThis.hacked") is None


async def test_where_nobody_is_asked_a_token_is_only_taken_away(
    server: Stage, wall: Page, complaints: Complaints
) -> None:
    """With `auth: none` a token in the address changes nothing but the address, and without one nothing is asked."""
    complaints.expect("status of 404")
    await wall.goto(f"{server.url}/kiosk#token=rt_of-another-server")
    await is_called(wall, "live")
    await expect(wall.locator("rt-notice, footer")).to_have_count(0)
    assert wall.url == f"{server.url}/kiosk"

    diary = Diary(wall)
    await wall.reload()
    await is_called(wall, "live")
    assert diary.count("/api/session") == 0


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_the_sentence_is_accessible(closed: Closed, wall: Page, theme: Any) -> None:
    """axe-core finds nothing in the sentence, alone and above old numbers, in both themes, but that the page would load itself anew without its script."""
    await wall.goto(f"{closed.url}/kiosk?theme={theme}")
    await says(wall, "This screen is not logged in:")
    assert [each for each in await violations(wall) if "meta-refresh" not in each] == []
    await wall.goto(with_token(closed, f"?theme={theme}"))
    await is_called(wall, "live")
    await knows(closed)
    await is_called(wall, "locked")
    assert [each for each in await violations(wall) if "meta-refresh" not in each] == []
