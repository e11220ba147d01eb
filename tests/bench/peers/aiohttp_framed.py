"""aiohttp, told as barely as it can be: a frame made once, written to every connection's transport. No views, no cursors, no back-pressure."""

import asyncio

from aiohttp import web

from tests.bench.peers.peer import Peer, run, text_frame
from tests.bench.peers.site import listen


async def serve(peer: Peer) -> None:
    transports: set[asyncio.Transport] = set()

    async def connect(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        transport = request.transport
        assert transport is not None
        transports.add(transport)
        try:
            async for _ in socket:
                pass
        finally:
            transports.discard(transport)
        return socket

    await listen(connect, peer.port)
    async for message in peer.messages():
        frame = text_frame(message)
        for transport in transports:
            transport.write(frame)


if __name__ == "__main__":
    run(serve)
