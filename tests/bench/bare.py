"""What aiohttp itself costs: a server with one handler of each kind and nothing else.

    python -m tests.bench.bare LOOP [FILE]

`/body` answers with the file's bytes, `/ws` is a WebSocket that is never written to, `/events` a stream without events (aiohttp-sse).
"""

import sys
from pathlib import Path

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from realtime.config import NO_COMMENT_PING_SECONDS
from tests.bench import child


def application(body: bytes) -> web.Application:
    """As aiohttp's own documentation writes such a server."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async def websocket(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    async def events(request: web.Request) -> EventSourceResponse:
        async with sse_response(request, ping_interval=NO_COMMENT_PING_SECONDS) as response:
            await response.wait()
        return response

    app = web.Application()
    app.add_routes([web.get("/body", answer), web.get("/ws", websocket), web.get("/events", events)])
    return app


async def serve(body: bytes) -> None:
    runner = web.AppRunner(application(body), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    await child.answer(runner.addresses[0][1], child.SETTLE)


def main() -> None:
    event_loop, *files = sys.argv[1:]
    child.run(event_loop, serve(Path(files[0]).read_bytes() if files else b""))


if __name__ == "__main__":
    main()
