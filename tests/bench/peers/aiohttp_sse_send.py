"""aiohttp-sse: `await response.send(…)` to one after the other. Its example has a queue for each reader besides, which costs more."""

from contextlib import suppress

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from tests.bench.peers.peer import Peer, run
from tests.bench.peers.site import listen


async def serve(peer: Peer) -> None:
    responses: set[EventSourceResponse] = set()

    async def connect(request: web.Request) -> web.StreamResponse:
        async with sse_response(request) as response:
            responses.add(response)
            try:
                await response.wait()
            finally:
                responses.discard(response)
        return response

    await listen(connect, peer.port)
    async for message in peer.messages():
        for response in list(responses):
            with suppress(ConnectionError):
                await response.send(message)


if __name__ == "__main__":
    run(serve)
