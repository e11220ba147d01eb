"""The pages, as browsers get them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from realtime.web.pages import DIST, PAGES, read
from tests.web.served import Served, served

FILES: Final = {
    "index.html": "<!doctype html>" + "<p>dashboard</p>" * 100,
    "kiosk.html": "<!doctype html><p>kiosk</p>",
    "client.js": "export const connect = 1;",
    "favicon.svg": "<svg/>",
    "sources": "of no suffix",
    "assets/dashboard-4F2A.js": "let a;",
    "assets/theme-77AB.css": "p{}",
    "assets/shared-1.js.LEGAL.txt": "MIT",
    "assets/secret.map": "{}",
}

TYPES: Final = {
    "/": "text/html",
    "/kiosk": "text/html",
    "/client.js": "text/javascript",
    "/favicon.svg": "image/svg+xml",
    "/assets/dashboard-4F2A.js": "text/javascript",
    "/assets/theme-77AB.css": "text/css",
    "/assets/shared-1.js.LEGAL.txt": "text/plain",
}


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """Pages as the bundler would make them."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
async def site(dist: Path) -> AsyncIterator[Served]:
    """A server with these pages."""
    server = served()
    server.app[PAGES] = read(dist)
    await server.start()
    yield server
    await server.end()


@pytest.mark.parametrize("address", TYPES)
async def test_what_was_built_is_served(site: Served, address: str) -> None:
    """Each file stands at its address, with its type, whole."""
    answer = await site.get(address)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == f"{TYPES[address]}; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    name = {"/": "index.html", "/kiosk": "kiosk.html"}.get(address, address[1:])
    assert answer.body.decode() == FILES[name]


@pytest.mark.parametrize("address", TYPES)
async def test_head_tells_what_get_would(site: Served, address: str) -> None:
    """HEAD has the headers of GET and no body."""
    got, head = await site.get(address), await site.ask("HEAD", address)

    assert head.status == 200
    assert head.body == b""
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
        assert head.headers[name] == got.headers[name]


async def test_a_hashed_name_is_kept_for_ever_and_nothing_else(site: Served) -> None:
    """What may never change under its name need not be asked for again; pages, module and icon are asked for each time."""
    kept = {address: (await site.get(address)).headers["Cache-Control"] for address in TYPES}

    for address, control in kept.items():
        hashed = address.startswith("/assets/")
        assert control == ("public, max-age=31536000, immutable" if hashed else "no-cache")


async def test_who_has_it_is_not_sent_it_again(site: Served) -> None:
    """With the tag that it was given, compressed or not, a reader gets 304 until the page is another."""
    for coding in ("gzip", "identity"):
        first = await site.get("/", Accept_Encoding=coding)
        again = await site.get("/", Accept_Encoding=coding, If_None_Match=first.tag)
        assert (again.status, again.body, again.tag) == (304, b"", first.tag)
        assert again.headers["Cache-Control"] == "no-cache"
    assert (await site.get("/kiosk", If_None_Match=first.tag)).status == 200


async def test_a_strong_tag_names_bytes(site: Served) -> None:
    """The compressed page and the plain one are other bytes, and have other tags."""
    packed = await site.get("/", Accept_Encoding="gzip")
    plain = await site.get("/", Accept_Encoding="identity")

    assert packed.tag != plain.tag
    assert not packed.tag.startswith("W/")
    assert packed.body == plain.body  # unpacked by the reader
    assert int(packed.headers["Content-Length"]) < len(plain.body)
    assert "Accept-Encoding" in packed.headers.getall("Vary")
    assert "Accept-Encoding" in plain.headers.getall("Vary")


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.00", False),
        ("identity", False),
        ("", False),
        ("x-gzip", False),
    ],
)
async def test_only_who_takes_gzip_gets_it(site: Served, accepted: str, packed: bool) -> None:
    """A body is compressed for those who say that they take that."""
    answer = await site.get("/", Accept_Encoding=accepted)

    assert (answer.headers.get("Content-Encoding") == "gzip") == packed


@pytest.mark.parametrize(
    "address",
    [
        "/assets/secret.map",
        "/assets/old-0000.js",
        "/assets/..%2Findex.html",
        "/assets/%2Fetc%2Fpasswd",
        "/sources",
    ],
)
async def test_nothing_else_is_served(site: Served, address: str) -> None:
    """Files of other kinds, names of builds that are gone and ways out of the folder are 404, which nobody keeps."""
    answer = await site.get(address)

    assert answer.status == 404
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", ["/", "/kiosk"])
async def test_a_page_loads_nothing_from_elsewhere(site: Served, address: str) -> None:
    """The policy allows this server's own files and nothing inline; it is the same on both pages."""
    headers = (await site.get(address)).headers

    assert headers["Content-Security-Policy"] == (
        "default-src 'self'; base-uri 'none'; form-action 'self'; object-src 'none'; "
        "frame-ancestors 'self' https://page.example; require-trusted-types-for 'script'; trusted-types lit-html"
    )
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "screen-wake-lock=(self)" in headers["Permissions-Policy"]


async def test_pages_of_allowed_origins_may_import_the_client(site: Served) -> None:
    """`/client.js` is read as the API is: by pages of the origins in CORS_ORIGIN, and by no others."""
    allowed = await site.get("/client.js", Origin="https://page.example")
    other = await site.get("/client.js", Origin="https://evil.example")

    assert allowed.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize("address", TYPES)
async def test_without_pages_the_reason_is_told(address: str, tmp_path: Path) -> None:
    """Where nothing was built each address says so, and what to do; the API is served all the same."""
    server = served()
    server.app[PAGES] = read(tmp_path / "missing")
    await server.start()
    answer = await server.get(address)
    clusters = await server.get("/api/clusters")
    await server.end()

    assert answer.status == 503
    assert answer.json["code"] == "not_built"
    assert "make dashboard" in answer.json["detail"]
    assert clusters.status == 200


def test_what_was_really_built_is_whole() -> None:
    """`make dashboard` has made both pages, and everything that they name is there."""
    files = read(DIST)

    assert {"/", "/kiosk", "/client.js", "/favicon.svg"} <= files.keys()
    for address in ("/", "/kiosk"):
        html = files[address].body.decode()
        named = re.findall(r'(?:src|href)="([^"]*)"', html)
        assert any(name.endswith(".js") for name in named)
        for name in named:
            assert f"/{name}" in files, name
        assert not re.search(r"<style|<script(?![^>]* src=)|style=|\son\w+=", html)
    source = DIST.parent / "src" / "realtime-client.js"
    assert files["/client.js"].body == source.read_bytes()
