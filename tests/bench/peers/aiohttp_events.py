"""aiohttp as barely as it can be, for server-sent events: a chunk made once, written to every connection's transport."""

import asyncio

from aiohttp import web

from tests.bench.peers.peer import Peer, chunk, run
from tests.bench.peers.site import listen


async def serve(peer: Peer) -> None:
    transports: set[asyncio.Transport] = set()

    async def connect(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        transport = request.transport
        assert transport is not None
        transports.add(transport)
        try:
            await asyncio.Event().wait()
        finally:
            transports.discard(transport)
        return response

    await listen(connect, peer.port)
    async for message in peer.messages():
        prepared = chunk(message)
        for transport in transports:
            transport.write(prepared)


if __name__ == "__main__":
    run(serve)
