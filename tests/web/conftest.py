"""What the tests of the web start: a server on a real socket (see served.py)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.web.certificate import Certificate
from tests.web.served import Serve, Served, served, small_state


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server that knows nothing yet: `await serve(clusters=("a", "b"), heartbeat_seconds=0.1)`."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Served:
            server = served(**settings)
            await server.start()
            stack.push_async_callback(server.end)
            return server

        yield start


@pytest.fixture
async def server(serve: Serve) -> Served:
    """One cluster, `hopper`, of which the small state is true."""
    server = await serve()
    server.publish(small_state())
    return server


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path)


@pytest.fixture
async def encrypted(serve: Serve, certificate: Certificate) -> Served:
    """As `server`, over HTTPS."""
    server = await serve(**certificate.settings)
    server.publish(small_state())
    return server
