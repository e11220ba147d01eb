"""python-socketio on uvicorn (with uvloop, which it prefers where it is installed): `emit` to everyone."""

import socketio
import uvicorn

from tests.bench.peers.peer import BACKLOG, asked


def main() -> None:
    peer = asked()
    server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")

    async def tell() -> None:
        async for body in peer.bodies():
            await server.emit("message", body)

    async def start() -> None:
        server.start_background_task(tell)

    uvicorn.run(
        socketio.ASGIApp(server, on_startup=start),
        host="127.0.0.1",
        port=peer.port,
        loop=peer.loop,
        backlog=BACKLOG,
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
