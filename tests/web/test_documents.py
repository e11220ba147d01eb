"""What a server says of itself."""

from pathlib import Path

import pytest

from tests import told
from tests.web.guarded import guarded
from tests.web.served import Serve, Served


@pytest.mark.parametrize("path", ["/api/openapi.json", "/api/asyncapi.json"])
async def test_a_document_is_served(server: Served, path: str) -> None:
    """Both are there as JSON, and those that the tests hold answers to."""
    answer = await server.get(path)

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == (told.OPENAPI if "openapi" in path else told.ASYNCAPI)


async def test_a_document_tells_this_servers_limits(serve: Serve) -> None:
    """A server with other limits says so."""
    server = await serve(max_globs=3)
    document = (await server.get("/api/openapi.json")).json

    (nodes,) = (
        each for each in document["paths"]["/api/state"]["get"]["parameters"] if each["name"] == "nodes"
    )
    assert nodes["schema"]["maxItems"] == 3


@pytest.mark.parametrize("path", ["/api/openapi.json", "/api/asyncapi.json"])
async def test_a_document_names_the_cookie_that_its_reader_gets(
    serve: Serve, tmp_path: Path, path: str
) -> None:
    """Who logs in by the connection on which the document was read gets a cookie of the name that it tells: behind a proxy with TLS another."""
    closed = await guarded(serve, tmp_path)
    named, got = [], []
    for headers in ({}, {"X-Forwarded-Proto": "https"}):
        document = (await closed.server.get(path, **headers)).json
        named.append(document["components"]["securitySchemes"]["cookie"]["name"])
        login = await closed.server.ask("POST", "/api/session", **closed.bearer(), **headers)
        got.append(login.headers["Set-Cookie"].partition("=")[0])

    assert named == got == ["realtime", "__Host-realtime"]
