"""A real browser (Debian's Chromium), a server to look at, and a folder for pictures.

All tests here and their fixtures share one event loop, so that the browser is started once.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser.closed import Closed
from tests.browser.stage import Complaints, Stage, Wire
from tests.web.guarded import lock
from tests.web.served import State, real_state

CHROMIUM: Final = os.environ.get("REALTIME_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS: Final = (
    "--no-sandbox",  # for root, as in a container
    "--disable-gpu",
    "--disable-quic",
    # It is to ask nobody but the server under test.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE_MS: Final = 15_000
"""After so long an expectation about a page has failed."""

PICTURES: Final = Path(
    os.environ.get("REALTIME_PICTURES") or Path(__file__).parents[2] / "build" / "pictures"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, headless."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


Start = Callable[..., Awaitable[Stage]]
"""`await start(state, clusters=("a", "b"), heartbeat_seconds=0.5)`"""


@pytest_asyncio.fixture(loop_scope="session")
async def start() -> AsyncIterator[Start]:
    """Starts a server of which `state` is true, or nothing known yet if it is None."""
    async with AsyncExitStack() as stack:

        async def one(state: State | None, clusters: tuple[str, ...] = ("hopper",), **settings: Any) -> Stage:
            stage = Stage(clusters, settings)
            await stage.start(state)
            stack.push_async_callback(stage.end)
            return stage

        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def server(start: Start) -> Stage:
    """One cluster, `hopper`, as a real exporter saw it: 46 nodes."""
    return await start(real_state())


@pytest_asyncio.fixture(loop_scope="session")
async def closed(start: Start, tmp_path: Path) -> Closed:
    """The same, behind a file of tokens."""
    path, tokens, settings = lock(tmp_path)
    return Closed(await start(real_state(), **settings), path, tokens)


@pytest_asyncio.fixture(loop_scope="session")
async def wire(server: Stage) -> AsyncIterator[Wire]:
    """A way to `server` that can be cut, frozen and healed: open `wire.url` instead of `server.url`."""
    wire = Wire(server)
    await wire.start()
    yield wire
    await wire.end()


@pytest.fixture
def complaints() -> Complaints:
    """What the pages of this test must not do: any of it that the test does not `expect` fails it."""
    return Complaints()


async def leave(context: BrowserContext) -> None:
    """Close; a page that has failed a test may be in the middle of a request that the test was to answer, and waits for it."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        for page in context.pages:
            await page.unroute_all(behavior="ignoreErrors")
        await context.close()


OpenPage = Callable[..., Awaitable[Page]]
"""`await open_page(1920, 1080, theme="dark", scale=2, has_touch=True)`"""


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, complaints: Complaints) -> AsyncIterator[OpenPage]:
    """Opens an empty page of some size, in a browser context of its own."""
    async with AsyncExitStack() as stack:

        async def one(
            width: int = 1280,
            height: int = 800,
            *,
            theme: Literal["light", "dark"] = "light",
            scale: float = 1,
            **options: Any,
        ) -> Page:
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=theme,
                device_scale_factor=scale,
                **options,
            )
            stack.push_async_callback(leave, context)
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            complaints.listen(page)
            return page

        yield one
    assert complaints.unexpected == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: OpenPage) -> Page:
    """An empty page of 1280×800."""
    return await open_page()


TakePicture = Callable[..., Awaitable[Path]]
"""`await pictures(page, "dashboard-dark")`, with any option of playwright's `screenshot`."""


@pytest.fixture
def pictures() -> TakePicture:
    """Keeps pictures of pages in `build/pictures/`, or in the folder that REALTIME_PICTURES names."""

    async def take(page: Page, name: str, **options: Any) -> Path:
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        await page.screenshot(path=path, **options)
        return path

    return take
