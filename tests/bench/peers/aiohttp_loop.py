"""aiohttp as its documentation has it: `await socket.send_str(…)` to one after the other. Uncompressed, which is not its default."""

from contextlib import suppress

from aiohttp import web

from tests.bench.peers.peer import Peer, run
from tests.bench.peers.site import listen


async def serve(peer: Peer) -> None:
    sockets: set[web.WebSocketResponse] = set()

    async def connect(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        sockets.add(socket)
        try:
            async for _ in socket:
                pass
        finally:
            sockets.discard(socket)
        return socket

    await listen(connect, peer.port)
    async for message in peer.messages():
        for socket in list(sockets):
            with suppress(ConnectionError):
                await socket.send_str(message)


if __name__ == "__main__":
    run(serve)
