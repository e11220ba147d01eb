"""picows: its core API's `send` to every connection, over aiofastnet, which it uses by default."""

import logging

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from tests.bench.peers.peer import BACKLOG, Peer, run


class Reader(WSListener):
    def __init__(self, transports: set[WSTransport]) -> None:
        super().__init__()
        self.transports = transports

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transports.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transports.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


async def serve(peer: Peer) -> None:
    logging.getLogger("picows").setLevel(logging.ERROR)
    transports: set[WSTransport] = set()

    def connect(_: WSUpgradeRequest) -> Reader:
        return Reader(transports)

    await ws_create_server(connect, "127.0.0.1", peer.port, backlog=BACKLOG)
    async for message in peer.messages():
        payload = message.encode()
        for transport in transports:
            transport.send(WSMsgType.TEXT, payload)


if __name__ == "__main__":
    run(serve)
