"""The dashboard where tokens are asked for: it asks for one, keeps none, and goes on from where it stood."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web
from playwright.async_api import Page, Route, expect

from realtime.web.caller import Role
from tests.browser.axe import violations
from tests.browser.closed import REFUSED, Closed, Diary, kept
from tests.browser.conftest import OpenPage
from tests.browser.screen import OVERFLOWING, TWO_FRAMES, WORDS, shows, thousands
from tests.browser.stage import OUTAGE, Complaints, Stage, holds
from tests.web.served import real_state

KIND = "data-freshness"
SOON = "Math.random = () => 0.05"
"""It comes back after a random time, up to half a minute: let that be short."""
ATTACK = '<img src=x onerror="window.hacked=1">'
LONG = f"{'x' * 60} {'and a long sentence ' * 20}"
"""More than any refusal has to say."""


async def asks(page: Page, *, over: bool = False) -> None:
    """Wait until the page asks for a token: alone, or above old numbers."""
    await expect(page.get_by_role("form", name="Log in")).to_be_visible()
    await expect(page.locator("html")).to_have_attribute(KIND, "locked" if over else "asking")


async def enter(page: Page, token: str) -> None:
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Log in").click()


async def is_in(page: Page) -> None:
    """Wait until the page is let in, and knows that it is by its cookie."""
    await expect(page.locator("html")).to_have_attribute(KIND, "live")
    await expect(page.locator("rt-login")).to_have_count(0)
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()


async def logged_in(closed: Closed, page: Page, role: Role = Role.VIEWER) -> None:
    await page.goto(closed.url)
    await enter(page, closed.tokens[role])
    await is_in(page)


# -- the way in


async def test_without_a_token_it_asks_for_one_and_for_nothing_else(closed: Closed, page: Page) -> None:
    """A page that is not let in is a form and its field has the keyboard; it tries the door now and then, and no other address."""
    diary = Diary(page)
    await page.clock.install()
    await page.goto(closed.url)
    await asks(page)
    await expect(page.get_by_label("Token")).to_be_focused()
    await expect(page.get_by_role("form")).to_contain_text("This server asks for a token.")
    await expect(page.locator("rt-headlines, rt-node-map, rt-history, rt-pill, .wall")).to_have_count(0)
    for _ in range(15):
        # An answer that is on its way must not be taken for silence.
        await holds(page, "document.querySelector('rt-dashboard').feed.status.link === 'closed'")
        await page.clock.fast_forward(8_000)
    await asks(page)

    asked = {each.replace(closed.url, "").replace("ws" + closed.url[4:], "") for each in diary.asked}
    assert {each for each in asked if "/assets/" not in each} == {"GET /", "GET /favicon.svg", "WS /api/ws"}
    assert 2 <= diary.count("WS ") <= 6


async def test_a_token_lets_it_in(closed: Closed, page: Page) -> None:
    """With a token it shows what the server says, history too; a reload asks for none."""
    await page.goto(closed.url)
    await asks(page)
    await enter(page, f"  {closed.tokens[Role.VIEWER]}\n")
    await is_in(page)
    await shows(page, closed.truth())
    await expect(page.locator("rt-history canvas")).to_have_count(2)

    await page.reload()
    await is_in(page)
    await shows(page, closed.truth())


async def test_the_token_is_in_the_cookie_and_nowhere_else(closed: Closed, page: Page) -> None:
    """No script, address, history, storage, console or field has the token, and the cookie is of this site alone and outlives the browser."""
    diary = Diary(page)
    token = closed.tokens[Role.VIEWER]
    await logged_in(closed, page)

    (cookie,) = await kept(page)
    until = cookie.pop("expires")
    assert cookie == {
        "name": "realtime",
        "value": token,
        "domain": "127.0.0.1",
        "path": "/",
        "httpOnly": True,
        "secure": False,
        "sameSite": "Strict",
    }
    days = await page.evaluate("until => (until - Date.now() / 1000) / 86400", until)
    assert days == pytest.approx(400, abs=0.01)
    assert not await diary.holds(token)
    assert diary.count("POST ") == 1


async def test_a_token_that_is_none_is_said_to_be(closed: Closed, page: Page, complaints: Complaints) -> None:
    """What is wrong with a token is a sentence at its field, which keeps the keyboard; nothing typed is sent where it is nothing."""
    complaints.expect(REFUSED)
    diary = Diary(page)
    await page.goto(closed.url)
    field = page.get_by_label("Token")
    for typed, problem, questions in (
        ("", "Enter a token.", 0),
        ("   ", "Enter a token.", 0),
        ("rt_wrong", "This token is not known here.", 1),
        ("", "Enter a token.", 1),
        ("rt_wrong-again", "This token is not known here.", 2),
    ):
        await enter(page, typed)
        await expect(page.get_by_role("alert").filter(has_text=problem)).to_be_visible()
        await expect(field).to_have_accessible_description(problem)
        await expect(field).to_be_focused()
        assert await field.get_attribute("aria-invalid") == "true"
        assert diary.count("POST ") == questions
    assert await kept(page) == []

    await enter(page, closed.tokens[Role.KIOSK])
    await is_in(page)


async def test_a_token_that_has_expired_is_told_from_an_unknown_one(
    closed: Closed, page: Page, complaints: Complaints
) -> None:
    """The server's reason is what is said."""
    complaints.expect(REFUSED)
    await page.goto(closed.url)
    token = closed.tokens[Role.VIEWER]
    closed.write(
        *(
            line.replace(" viewer", " until=2020-01-01T00:00:00Z viewer")
            for line in closed.path.read_text().split("\n")
        )
    )
    await closed.gate._proofs.refresh()  # type: ignore[union-attr]
    await enter(page, token)
    await expect(page.get_by_role("form")).to_contain_text("This token has expired.")


@pytest.mark.parametrize("answer", ["refusal", "no answer", "somebody else's"])
async def test_whatever_answers_is_text(
    closed: Closed, page: Page, complaints: Complaints, answer: str
) -> None:
    """A refusal is never read as HTML, and what is no answer of the server's is said to be none; the form can be used again."""
    complaints.expect("Failed to load resource")

    async def reply(route: Route) -> None:
        if answer == "refusal":
            await route.fulfill(status=401, json={"status": 401, "detail": ATTACK, "code": "bad_token"})
        elif answer == "no answer":
            await route.abort()
        else:
            await route.fulfill(status=502, content_type="text/html", body=ATTACK)

    await page.route("**/api/session", reply)
    await page.goto(closed.url)
    await enter(page, "rt_any")
    told = f"{ATTACK}." if answer == "refusal" else "The server cannot be reached."
    await expect(page.get_by_role("alert").filter(has_text=told)).to_be_visible()
    await expect(page.locator("img")).to_have_count(0)
    assert await page.evaluate("window.hacked") is None

    await page.unroute("**/api/session")
    await enter(page, closed.tokens[Role.VIEWER])
    await is_in(page)


async def test_a_browser_that_keeps_no_cookie_is_told_of(closed: Closed, page: Page) -> None:
    """Where the token is right and yet the page is not let in, it says what stands in the way."""
    await page.route("**/api/session", lambda route: route.fulfill(json={"role": "viewer"}))
    await page.goto(closed.url)
    await enter(page, closed.tokens[Role.VIEWER])
    await expect(page.get_by_role("form")).to_contain_text("this browser has not kept the login")
    await expect(page.get_by_label("Token")).to_have_value("")
    await asks(page)


async def test_a_token_is_sent_once_however_often_the_button_is_pressed(closed: Closed, page: Page) -> None:
    """While a token is on its way there is no second one."""
    released = asyncio.Event()

    async def hold(route: Route) -> None:
        await released.wait()
        await route.continue_()

    diary = Diary(page)
    await page.route("**/api/session", hold)
    await page.goto(closed.url)
    button = page.get_by_role("button", name="Log in")
    await page.get_by_label("Token").fill(closed.tokens[Role.VIEWER])
    await button.click()
    await expect(button).to_have_attribute("aria-disabled", "true")
    for _ in range(3):
        await button.click(force=True)
    released.set()
    await is_in(page)
    assert diary.count("POST ") == 1


# -- a login that ends


async def test_a_login_that_ends_leaves_the_last_state_and_a_form(closed: Closed, page: Page) -> None:
    """When the token is revoked the numbers stay and look old, and another token goes on from there without a reload."""
    await page.add_init_script(SOON)
    await logged_in(closed, page)
    state = closed.truth()
    await page.evaluate("window.mark = 1")
    await page.get_by_role("searchbox").focus()
    room = "getComputedStyle(document.documentElement).getPropertyValue('--room')"
    lively = await page.evaluate(room)
    diary = Diary(page)

    closed.list_only(Role.ADMIN)
    await asks(page, over=True)
    form = page.get_by_role("form", name="Log in")
    await expect(form).to_contain_text(
        re.compile(r"The login ended at \d\d:\d\d:\d\d\.\s*The numbers are \d+ s old\.")
    )
    await expect(page.locator("rt-pill")).to_contain_text(re.compile(r"logged out\s+data \d+ s old"))
    await expect(page.get_by_role("button", name="Log out")).to_have_count(0)
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await shows(page, state)
    assert await page.evaluate(room) != lively
    # It has come back by itself, and was refused.
    await holds(page, "document.querySelector('rt-dashboard').status.code === 4500")
    await asks(page, over=True)
    closed.stage.change("summary", "jobs", running=777)
    await shows(page, state)

    await page.locator("rt-history").get_by_role("button", name="7 d").click()
    assert diary.count("/api/analytics") == 0
    await expect(page.locator("rt-history .says").first).to_contain_text(
        "Not loaded: the server cannot be reached"
    )
    await expect(page.locator("rt-history")).not_to_contain_text("Loading")
    await enter(page, closed.tokens[Role.ADMIN])
    await is_in(page)
    await shows(page, closed.truth())
    await page.wait_for_function(
        "() => document.querySelector('rt-history').plots.jobs?.data[1].length === 336"
    )
    assert await page.evaluate("window.mark") == 1
    assert await page.evaluate(room) == lively


async def test_a_login_that_is_given_back_needs_nobody(closed: Closed, page: Page) -> None:
    """A page whose token is listed again goes on by itself, and the form is gone."""
    await page.add_init_script(SOON)
    await logged_in(closed, page)
    closed.list_only()
    await asks(page, over=True)
    closed.list_only(*Role)
    await closed.gate._proofs.refresh()  # type: ignore[union-attr]
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await is_in(page)


async def test_another_login_sees_what_it_may_and_no_more(closed: Closed, page: Page) -> None:
    """Who comes back as a kiosk has no users on screen, not even old ones; who comes back as a viewer has all of them."""
    await page.add_init_script(SOON)
    await logged_in(closed, page)
    await expect(page.locator("rt-users .row").first).to_be_visible()
    closed.list_only(Role.KIOSK)
    await asks(page, over=True)
    await enter(page, closed.tokens[Role.KIOSK])
    await is_in(page)
    await expect(page.locator("rt-users")).to_have_count(0)
    assert await page.evaluate("document.querySelector('rt-dashboard').state.users") is None
    # Enough that no diff from the kiosk's cursor would tell of the others.
    closed.stage.change("users", "newcomer", name="newcomer", runningJobs=999)

    closed.list_only(Role.VIEWER)
    await asks(page, over=True)
    await enter(page, closed.tokens[Role.VIEWER])
    await is_in(page)
    await shows(page, closed.truth())


@pytest.mark.parametrize(("before", "after"), [(Role.VIEWER, Role.KIOSK), (Role.KIOSK, Role.VIEWER)])
async def test_a_cookie_that_becomes_another_is_seen_by_the_page_that_is_open(
    closed: Closed, page: Page, before: Role, after: Role
) -> None:
    """When another tab has logged in by another role, the next link shows what that one may see: never old people, never some of them."""
    await logged_in(closed, page, before)
    # As another program's page would: no other tab tells.
    token = closed.tokens[after]
    await page.evaluate(
        "async (token) => { await fetch('api/session', { method: 'POST', body: JSON.stringify({ token }) }) }",
        token,
    )
    user = next(iter(closed.truth()["users"]))
    closed.stage.change("users", user, runningJobs=4321)
    topics = "document.querySelector('rt-dashboard').status.topics"
    # What opened less than a second ago does not come back yet.
    again = "window.dispatchEvent(new Event('online'))"
    await holds(page, f"({again}, {topics}.includes('users') === {str(after is Role.VIEWER).lower()})")
    await is_in(page)
    if after is Role.VIEWER:
        await shows(page, closed.truth())
    else:
        await expect(page.locator("rt-users")).to_have_count(0)
        assert user not in await page.evaluate(WORDS)
        assert await page.evaluate("document.querySelector('rt-dashboard').state.users") is None


async def test_who_logs_in_is_in_in_every_tab(closed: Closed, page: Page) -> None:
    """Another tab's form goes away by itself, and its wall display is let in."""
    wall = await page.context.new_page()
    for each, address in ((page, closed.url), (wall, f"{closed.url}/kiosk")):
        await each.goto(address)
        await expect(each.locator("html")).to_have_attribute(KIND, "asking")
    other = await page.context.new_page()
    await logged_in(closed, other)
    await is_in(page)
    await expect(wall.locator("html")).to_have_attribute(KIND, "live")


async def test_a_server_that_goes_away_meanwhile_does_not_take_the_form(
    closed: Closed, page: Page, complaints: Complaints
) -> None:
    """What is typed stays while the server restarts; a token that is tried meanwhile is not called wrong."""
    complaints.expect(OUTAGE)
    await page.add_init_script(SOON)
    await page.goto(closed.url)
    await asks(page)
    await page.get_by_label("Token").fill(closed.tokens[Role.VIEWER])
    await closed.stage.kill()
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("form")).to_contain_text("The server cannot be reached.")
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await expect(page.locator("html")).not_to_have_attribute(KIND, "asking")
    await expect(page.get_by_label("Token")).to_have_value(closed.tokens[Role.VIEWER])

    await closed.stage.start(real_state())
    await page.get_by_role("button", name="Log in").click()
    await is_in(page)


# -- the way out


async def test_who_logs_out_is_out_in_every_tab(closed: Closed, page: Page) -> None:
    """After a logout there is no cookie, and no number on any page of this browser."""
    await logged_in(closed, page)
    other = await page.context.new_page()
    await other.goto(closed.url)
    await is_in(other)
    # What is looked for afterwards is found before.
    assert re.search(rf"hopper.*{next(iter(closed.truth()['users']))}", await page.evaluate(WORDS))
    await page.get_by_role("button", name="Log out").click()
    for each in (page, other):
        await asks(each)
        await expect(each.get_by_role("form")).to_contain_text("You are logged out.")
        await expect(each.get_by_role("heading", level=1)).to_have_text("realtime")
        words = await each.evaluate(WORDS)
        assert not re.search(r"hopper|\d", words), words
    assert await kept(page) == []
    await page.reload()
    await asks(page)
    await expect(page.get_by_role("form")).to_contain_text("This server asks for a token.")


async def test_a_logout_that_fails_is_said_to_have(
    closed: Closed, page: Page, complaints: Complaints
) -> None:
    """While the server does not answer nobody is logged out, and so it says."""
    complaints.expect("Failed to load resource")
    await logged_in(closed, page)
    await page.route("**/api/session", lambda route: route.abort())
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "You are still logged in: the server cannot be reached."
    )
    await expect(page.locator("html")).to_have_attribute(KIND, "live")
    assert len(await kept(page)) == 1


# -- where nobody is asked


async def test_where_nobody_is_asked_nothing_of_this_is_to_be_seen(server: Stage, page: Page) -> None:
    """With `auth: none` there is no form and no way out, also in a browser with a cookie of former times; no token is asked for."""
    await page.context.add_cookies([{"name": "realtime", "value": "rt_former", "url": server.url}])
    diary = Diary(page)
    async with page.expect_response("**/api/session") as answer:
        await page.goto(server.url)
    assert await (await answer.value).json() == {"role": "admin", "cookie": False}
    await shows(page, (await server.truth())["state"])
    await page.evaluate(TWO_FRAMES)

    await expect(page.locator("rt-login")).to_have_count(0)
    await expect(page.get_by_role("button", name="Log out")).to_have_count(0)
    assert diary.count("POST ") + diary.count("DELETE ") == 0


async def test_a_server_that_ceases_to_ask_is_believed(
    closed: Closed, page: Page, complaints: Complaints
) -> None:
    """A page that is open while tokens are no longer asked for loses its way out, without a reload."""
    complaints.expect(OUTAGE)
    await page.add_init_script(SOON)
    await logged_in(closed, page)
    await closed.stage.leave()
    closed.stage.settings |= {"auth": "none", "auth_tokens_file": ""}
    await closed.stage.start(real_state())
    await expect(page.get_by_role("button", name="Log out")).to_have_count(0)
    await expect(page.locator("html")).to_have_attribute(KIND, "live")


# -- for everyone


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("over", [False, True])
async def test_the_form_is_accessible(
    closed: Closed, open_page: OpenPage, complaints: Complaints, theme: Any, over: bool
) -> None:
    """axe-core finds nothing in the form, alone and above old numbers, with what went wrong and without, in both themes."""
    complaints.expect(REFUSED)
    page = await open_page(theme=theme, reduced_motion="reduce")
    await page.add_init_script(SOON)
    if over:
        await logged_in(closed, page)
        closed.list_only()
    else:
        await page.goto(closed.url)
    await asks(page, over=over)
    assert await violations(page) == []
    await enter(page, "rt_wrong")
    await expect(page.get_by_role("form")).to_contain_text("This token is not known here.")
    assert await violations(page) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_the_way_out_is_accessible(closed: Closed, open_page: OpenPage, theme: Any) -> None:
    """axe-core finds nothing in a page that is logged in, as a kiosk, on a phone."""
    page = await open_page(390, 844, theme=theme, reduced_motion="reduce")
    await logged_in(closed, page, Role.KIOSK)
    await expect(page.locator("rt-history canvas")).to_have_count(2)
    assert await violations(page) == []


async def test_it_is_done_by_keyboard(closed: Closed, page: Page, complaints: Complaints) -> None:
    """In, out, and in again above old numbers, without a mouse; `/` in a token is no search."""
    complaints.expect(REFUSED)
    await page.add_init_script(SOON)
    await page.goto(closed.url)
    await expect(page.get_by_label("Token")).to_be_focused()
    await page.keyboard.type("rt/wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("form")).to_contain_text("This token is not known here.")
    # It is selected, so that typing replaces it.
    await page.keyboard.type(closed.tokens[Role.VIEWER])
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Log in")).to_be_focused()
    await page.keyboard.press("Enter")
    await is_in(page)

    closed.list_only(Role.KIOSK)
    await asks(page, over=True)
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await page.get_by_role("button", name="Light / dark").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Token")).to_be_focused()
    await page.keyboard.type(closed.tokens[Role.KIOSK])
    await page.keyboard.press("Enter")
    await is_in(page)

    await page.get_by_role("button", name="Light / dark").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Log out")).to_be_focused()
    await page.keyboard.press("Enter")
    await asks(page)
    await expect(page.get_by_label("Token")).to_be_focused()


async def test_what_keeps_passwords_can_keep_the_token(closed: Closed, page: Page) -> None:
    """The form is outside of any shadow root, and its fields say what they are for."""
    await page.goto(closed.url)
    await asks(page)
    fields = await page.evaluate(
        "[...document.forms[0].elements].map((each) => [each.type, each.name, each.autocomplete ?? '', each.hidden])"
    )
    assert fields == [
        ["text", "username", "username", True],
        ["password", "password", "current-password", False],
        ["submit", "", "", False],
    ]
    # Should it ever be sent without a script, the token would stand in no address.
    assert await page.evaluate("[document.forms[0].method, document.forms[0].action]") == [
        "post",
        f"{closed.url}/api/session",
    ]


@pytest.mark.parametrize("over", [False, True])
async def test_the_form_fits_every_screen(
    closed: Closed, page: Page, complaints: Complaints, over: bool
) -> None:
    """From a small phone to a large screen nothing of the form has to be scrolled sideways, and it never takes more than half of a screen's height."""
    complaints.expect(REFUSED)
    await page.add_init_script(SOON)
    if over:
        await logged_in(closed, page)
        closed.list_only()
    else:
        await page.goto(closed.url)
    await asks(page, over=over)
    answer: dict[str, Any] = {"status": 401}
    await page.route("**/api/session", lambda route: route.fulfill(status=401, json=answer))
    for refusal in (LONG, "this token is not known here"):
        answer["detail"] = refusal
        await enter(page, "rt_any")
        await expect(page.get_by_role("form")).to_contain_text(refusal[1:100])
        for width, height in ((320, 568), (390, 844), (820, 1180), (1280, 800), (1920, 1080), (640, 360)):
            await page.set_viewport_size({"width": width, "height": height})
            await page.evaluate(TWO_FRAMES)
            assert await page.evaluate("document.documentElement.scrollWidth") == width
            assert await page.evaluate(OVERFLOWING) == []
            await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
            bar = await page.evaluate("document.querySelector('.bar').getBoundingClientRect().bottom")
            assert refusal is LONG or bar <= height / 2, (width, height)
            await page.evaluate("scrollTo(0, 0)")


@pytest.mark.parametrize("nodes", [46, 120])
async def test_who_may_see_no_people_has_no_empty_list_of_them(
    closed: Closed, page: Page, nodes: int
) -> None:
    """For a kiosk's token there is no card of users, and the others have its place, however wide the page."""
    if nodes > 46:
        closed.stage.publish(thousands(nodes))
    await logged_in(closed, page, Role.KIOSK)
    await expect(page.locator("rt-users")).to_have_count(0)
    for width in (390, 820, 1280):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.evaluate(TWO_FRAMES)
        boxes = await page.evaluate(
            """[...document.querySelectorAll(".side > *")].map((card) => {
                const { left, right, top, bottom } = card.getBoundingClientRect();
                return [card.localName, left, right, top, bottom];
            })"""
        )
        assert [name for name, *_ in boxes] == ["rt-room", "rt-queues", "rt-events"]
        side = await page.evaluate(
            "(({ left, right }) => [left, right])(document.querySelector('.side').getBoundingClientRect())"
        )
        assert [min(left for _, left, *_ in boxes), max(right for _, _, right, *_ in boxes)] == pytest.approx(
            side
        )
        *_, right, top, bottom = boxes[-1]
        assert bottom - top >= 190
        # No hole beside the last one: it goes as far as the side does.
        assert right == pytest.approx(side[1])
        assert await page.evaluate(OVERFLOWING) == []


@asynccontextmanager
async def at_path(stage: Stage) -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that serves a stage below `/hpc/`, without streams, and what was asked of it."""
    asked: list[str] = []

    async def pass_on(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        path = request.path_qs.removeprefix("/hpc")
        if not request.path.startswith("/hpc/") or path.startswith(("/api/ws", "/api/events")):
            return web.Response(status=502)
        headers = {
            name: request.headers[name]
            for name in ("Cookie", "Origin", "Host", "Content-Type")
            if name in request.headers
        }
        async with (
            ClientSession() as session,
            session.request(
                request.method, stage.url + path, headers=headers, data=await request.read()
            ) as answer,
        ):
            named = ("Content-Type", "Set-Cookie", "X-Data-Age", "X-Data-Quality", "Content-Security-Policy")
            passed = {name: answer.headers[name] for name in named if name in answer.headers}
            return web.Response(status=answer.status, headers=passed, body=await answer.read())

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def test_behind_a_path_it_asks_for_nothing_else(
    closed: Closed, page: Page, complaints: Complaints
) -> None:
    """A proxy may serve it at a path; there it logs in, follows by long-poll, and logs out, below that path."""
    complaints.expect(OUTAGE)
    complaints.expect(REFUSED)
    async with at_path(closed.stage) as (url, asked):
        await page.goto(f"{url}/hpc/")
        await asks(page)
        await enter(page, closed.tokens[Role.VIEWER])
        await is_in(page)
        await shows(page, closed.truth())
        await page.get_by_role("button", name="Log out").click()
        await asks(page)
        await page.close()
    assert [each for each in asked if not re.match("[A-Z]+ /hpc/", each)] == []
    assert {"POST /hpc/api/session", "DELETE /hpc/api/session"} <= set(asked)
