"""What a page stands on where tokens are asked for, and where a token must never be found."""

import json
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

from realtime.state.view import TOPICS
from realtime.web.caller import Role
from tests.browser.stage import Stage
from tests.web.guarded import Guarded
from tests.web.served import State

REFUSED: Final = "the server responded with a status of 401"
"""What a browser itself says of a token that was tried and refused; no page can keep it quiet."""

TRACES: Final = """() => {
    const found = [];
    const walk = (root) => {
        found.push(root.innerHTML);
        for (const element of root.querySelectorAll("*")) {
            if ("value" in element) found.push(element.value);
            if (element.shadowRoot) walk(element.shadowRoot);
        }
    };
    walk(document.documentElement);
    return JSON.stringify([
        location.href, document.title, document.referrer, document.cookie, history.state, { ...localStorage }, { ...sessionStorage },
        found, performance.getEntriesByType("resource").map((entry) => entry.name),
    ]);
}"""
"""What a page shows, in shadow roots too, holds and remembers."""


class Closed(Guarded):
    """A stage behind a file of tokens, in its present life."""

    def __init__(self, stage: Stage, path: Path, tokens: dict[Role, str]) -> None:
        super().__init__(stage.now, path, tokens)
        self.stage = stage

    @property
    def url(self) -> str:
        return self.stage.url

    def truth(self) -> State:
        """What is true now, people among it."""
        store = self.stage.hub.store
        return {topic: dict(store.entities(topic)) for topic in TOPICS}


class Diary:
    """Every address that a page asked for, and every word that it said."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.said: list[str] = []
        page.on("request", lambda request: self.asked.append(f"{request.method} {request.url}"))
        page.on("websocket", lambda socket: self.asked.append(f"WS {socket.url}"))
        page.on("console", lambda message: self.said.append(message.text))

    def count(self, what: str) -> int:
        """How many requests have this in them."""
        return sum(what in each for each in self.asked)

    async def holds(self, token: str) -> bool:
        """Whether a token is anywhere but in the cookie: on the page, in what it remembers, asked for or said, or where "back" leads."""
        session = await self.page.context.new_cdp_session(self.page)
        entries = (await session.send("Page.getNavigationHistory"))["entries"]
        await session.detach()
        visited = [entry["url"] for entry in entries]
        return token in json.dumps([await self.page.evaluate(TRACES), visited, self.asked, self.said])


async def kept(page: Page) -> list[dict[str, Any]]:
    """The cookies of a page's browser."""
    return [dict(cookie) for cookie in await page.context.cookies()]
