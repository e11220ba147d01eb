"""The pages and what they load: what the bundler made (hatch_build.py), read once at the start and served from memory.

A name with a hash in it never means anything else, so a browser may keep it for ever; everything else is asked for anew each time, which
costs a 304. So a page and its scripts are always of one build.
"""

import gzip
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from realtime.web.problem import problem
from realtime.web.site import SITE

DIST: Final = Path(__file__).parents[1] / "dashboard" / "dist"

NOT_BUILT: Final = "the pages are not built: run `make dashboard`, or install anew where npm can be had, and restart the server"

TYPES: Final = {
    ".html": "text/html",
    # The type by which modules are meant to be known (RFC 9239); the machine's own table may say otherwise.
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""Suffix → content type. What is of no such suffix is not served."""

FOR_EVER: Final = "public, max-age=31536000, immutable"

POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; object-src 'none'; "
    # Who may read the data by script may show a page in a frame, too: signage software does.
    "frame-ancestors 'self' {framers}; "
    # No text becomes HTML or a script, whatever a node or a user is called: only lit's own templates do.
    "require-trusted-types-for 'script'; trusted-types lit-html"
)
"""Nothing from anywhere else, nothing inline, no eval."""

PAGE_HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    # A wall display keeps its screen awake and fills it; no page needs more.
    "Permissions-Policy": "screen-wake-lock=(self), fullscreen=(self), camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
}


class File:
    """What stands at one address."""

    def __init__(self, path: Path, *, for_ever: bool) -> None:
        self.body = path.read_bytes()
        self.content_type = TYPES[path.suffix]
        self.tag = sha256(self.body).hexdigest()[:16]
        self.cache_control = FOR_EVER if for_ever else "no-cache"

    @cached_property
    def gzipped(self) -> bytes:
        """The body compressed, once: the whole of both pages takes some 10 ms."""
        return gzip.compress(self.body, mtime=0)


def read(dist: Path) -> dict[str, File]:
    """Address → file; empty if nothing was built."""
    return {
        _address(name): File(path, for_ever=name.startswith("assets/"))
        for path in sorted(dist.rglob("*"))
        if path.suffix in TYPES and (name := path.relative_to(dist).as_posix())
    }


def _address(name: str) -> str:
    return "/" if name == "index.html" else f"/{name.removesuffix('.html')}"


async def page(request: web.Request) -> web.Response:
    """A file by its address: 304 if the reader has it, compressed if the reader takes that."""
    files = request.app[PAGES]
    if not files:
        return problem(503, NOT_BUILT, code="not_built")
    file = files.get(request.path)
    if file is None:
        raise web.HTTPNotFound
    packed = _takes_gzip(request)
    # A strong tag names bytes, and these differ.
    tag = f"{file.tag}-gzip" if packed else file.tag
    headers: dict[str, str] = {
        hdrs.CACHE_CONTROL: file.cache_control,
        hdrs.ETAG: f'"{tag}"',
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
        hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
    }
    if file.content_type == TYPES[".html"]:
        framers = " ".join(request.app[SITE].settings.cors_origin)
        headers |= PAGE_HEADERS | {"Content-Security-Policy": POLICY.format(framers=framers)}
    tags = request.if_none_match
    if tags is not None and any(each.value in (tag, "*") for each in tags):
        return web.Response(status=304, headers=headers)
    if packed:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(
        body=file.gzipped if packed else file.body,
        content_type=file.content_type,
        charset="utf-8",
        headers=headers,
    )


def _takes_gzip(request: web.Request) -> bool:
    for each in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(","):
        coding, _, quality = (part.strip() for part in each.partition(";"))
        if coding == "gzip":
            return quality.replace(" ", "").rstrip("0") not in {"q=", "q=0."}
    return False


PAGES: Final = web.AppKey("pages", dict[str, File])
