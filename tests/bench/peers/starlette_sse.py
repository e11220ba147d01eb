"""sse-starlette on uvicorn (with uvloop and httptools, which it prefers where they are installed): a queue and a generator for each reader."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from tests.bench.peers.peer import BACKLOG, asked


def main() -> None:
    peer = asked()
    queues: set[asyncio.Queue[str]] = set()

    async def connect(request: Request) -> EventSourceResponse:
        async def events() -> AsyncIterator[dict[str, str]]:
            queue = asyncio.Queue[str]()
            queues.add(queue)
            try:
                while True:
                    yield {"data": await queue.get()}
            finally:
                queues.discard(queue)

        return EventSourceResponse(events())

    @asynccontextmanager
    async def telling(_: Starlette) -> AsyncIterator[None]:
        async def tell() -> None:
            async for message in peer.messages():
                for queue in queues:
                    queue.put_nowait(message)

        task = asyncio.create_task(tell())
        yield
        task.cancel()

    application = Starlette(routes=[Route("/{path:path}", connect)], lifespan=telling)
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=peer.port,
        loop=peer.loop,
        backlog=BACKLOG,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
