"""websockets: `broadcast()`, which its documentation calls the most efficient way to send a message to many; uvloop, as it advises."""

from websockets.asyncio.server import ServerConnection, broadcast, serve as listen

from tests.bench.peers.peer import BACKLOG, Peer, run


async def serve(peer: Peer) -> None:
    connections: set[ServerConnection] = set()

    async def connect(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.discard(connection)

    async with listen(connect, "127.0.0.1", peer.port, compression=None, backlog=BACKLOG):
        async for message in peer.messages():
            broadcast(connections, message)


if __name__ == "__main__":
    run(serve)
