"""A listening aiohttp application, for the peers that are made of one."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.bench.peers.peer import BACKLOG


async def listen(handler: Callable[[web.Request], Awaitable[web.StreamResponse]], port: int) -> None:
    """Give every GET to the handler."""
    application = web.Application()
    application.router.add_get("/{any:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
