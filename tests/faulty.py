"""A source that fails on demand: a real server on a real socket whose next answers are scripted.

faulty_upstream.script(status(503), reset())   # the next two requests, whatever they ask
faulty_upstream.script(truncated(), path="/federate")   # the next fetch, and nothing else
faulty_upstream.otherwise = good(text)   # everything that the script does not say
"""

import asyncio
import gzip
import json
import socket
import struct
import zlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import ClientSession, web
from yarl import URL

from realtime.config import Cluster
from tests.upstream import now_ms, stamped

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_OF_A_FAILURE = "goroutine 17 at /secret/upstream/path"
"""In the body of every failure, so that a test sees whether it reaches somebody."""


class Asked(NamedTuple):
    """One request as it arrived."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class FaultyUpstream:
    """The server; `asked` are the requests so far."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.otherwise: Answer = good("")
        self._script: defaultdict[str, deque[Answer]] = defaultdict(deque)

    def script(self, *answers: Answer, path: str = "") -> None:
        """Answer the next requests so, one each; with `path`, only those whose path ends with it."""
        self._script[path].extend(answers)

    def cluster(self, **keys: object) -> Cluster:
        """The configuration of a cluster whose source this is; `keys` as in the YAML file."""
        return Cluster.model_validate({"name": "test", "prometheus_url": self.url} | keys)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(request.path, dict(request.query), dict(request.headers)))
        for path, answers in self._script.items():
            if answers and path and request.path.endswith(path):
                return await answers.popleft()(request)
        if self._script[""]:
            return await self._script[""].popleft()(request)
        return await self.otherwise(request)


@asynccontextmanager
async def faulty() -> AsyncIterator[FaultyUpstream]:
    """A FaultyUpstream that listens; whatever still runs when it ends is cut off."""
    upstream = FaultyUpstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", upstream.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.05, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield upstream
    finally:
        await runner.cleanup()


def good(text: str, at_ms: int | None = None, *, partial: bool = False) -> Answer:
    """What a source with these samples answers to a probe and a fetch, as of 1 s ago unless told."""

    async def answer(request: web.Request) -> web.StreamResponse:
        at = now_ms() - 1_000 if at_ms is None else at_ms
        body = stamped(text, at)
        if request.path.endswith("/federate"):
            reply = web.Response(text=body, content_type="text/plain")
            reply.enable_compression()
            return reply
        vector = [{"metric": {}, "value": [now_ms() / 1_000, str(at / 1_000)]}] if body else []
        series = vector if request.path.endswith("/query") else []
        answered = {"status": "success", "data": {"resultType": "vector", "result": series}}
        return web.json_response({"isPartial": True} | answered if partial else answered)

    return answer


@asynccontextmanager
async def forwarding(url: str) -> AsyncIterator[Callable[..., Answer]]:
    """`forward()`: what the real source at this URL answers; `forward(change)`: with its body changed."""
    async with ClientSession(auto_decompress=False) as session:

        def forward(change: Callable[[bytes], bytes] | None = None) -> Answer:
            async def answer(request: web.Request) -> web.StreamResponse:
                asked = URL(url + request.raw_path, encoded=True)
                packing = "identity" if change else request.headers["Accept-Encoding"]
                async with session.get(asked, headers={"Accept-Encoding": packing}) as reply:
                    body = await reply.read()
                kept = [name for name in ("Content-Type", "Content-Encoding") if name in reply.headers]
                headers = {name: reply.headers[name] for name in kept}
                return web.Response(
                    status=reply.status, body=change(body) if change else body, headers=headers
                )

            return answer

        yield forward


def query_result(result: object, *, partial: bool = False) -> Answer:
    """A query's answer with this `data.result`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "success", "isPartial": partial, "data": {"result": result}})

    return answer


def slow(seconds: float) -> Answer:
    """An answer that begins after so long."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await good("")(request)

    return answer


def dripping(seconds: float) -> Answer:
    """An answer that begins at once and then takes so long."""

    async def answer(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": _media(request)})
        await reply.prepare(request)
        await reply.write(b"pbs_node_count_free 1 1000\n")
        await asyncio.sleep(seconds)
        return reply

    return answer


def status(code: int) -> Answer:
    """A refusal as the real programs word it: 422 and 400 of a query in JSON, all others in text."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if code == 422:
            error = {"status": "error", "errorType": "422", "error": BODY_OF_A_FAILURE}
            return web.json_response(error, status=code)
        headers = {"Location": "http://elsewhere.invalid/"} if 300 <= code < 400 else {}
        return web.Response(status=code, text=BODY_OF_A_FAILURE, headers=headers)

    return answer


def rejected() -> Answer:
    """How Prometheus rejects a query: 400 and JSON."""

    async def answer(request: web.Request) -> web.StreamResponse:
        error = {"status": "error", "errorType": "bad_data", "error": BODY_OF_A_FAILURE}
        return web.json_response(error, status=400)

    return answer


def truncated(text: str = "pbs_node_count_free 26 1794166412000\npbs_node_count_d") -> Answer:
    """A Content-Length that is not kept."""

    async def answer(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": _media(request)})
        reply.content_length = len(text) + 1_000
        await reply.prepare(request)
        await reply.write(text.encode())
        _hang_up(request)
        return reply

    return answer


def cut_off(text: str = "pbs_node_count_free 26 1794166412000\npbs_node_count_down 1") -> Answer:
    """A body that ends too early where nothing announced its length, as behind an HTTP/1.0 proxy."""
    return _whole(text.encode(), "text/plain")


def empty() -> Answer:
    """200, and not a byte."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"", headers={"Content-Type": _media(request)})

    return answer


def garbage() -> Answer:
    """Bytes that are no text, said to be what was asked for."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(range(256)), headers={"Content-Type": _media(request)})

    return answer


def not_gzip() -> Answer:
    """A body that is not packed as its header says."""

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": _media(request), "Content-Encoding": "gzip"}
        return web.Response(body=b"pbs_node_count_free 26 1794166412000\n", headers=headers)

    return answer


def half_packed() -> Answer:
    """The first half of a packed body: what is unpacked ends with a whole line, and the packing has no end."""
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"pbs_node_count_free 26 1794166412000\n") + packer.flush(zlib.Z_SYNC_FLUSH)

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": _media(request), "Content-Encoding": "gzip"}
        return web.Response(body=packed, headers=headers)

    return answer


def in_members(*contents: bytes, behind: bytes = b"") -> Answer:
    """Each content packed by itself, one after the other, as who packs what passes through may; and what is no member behind them."""
    packed = b"".join(gzip.compress(content) for content in contents) + behind

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": _media(request), "Content-Encoding": "gzip"}
        return web.Response(body=packed, headers=headers)

    return answer


def html(*, declared: bool = True) -> Answer:
    """A login page; if not `declared`, one that says it is what was asked for."""
    page = f"<html><body>{BODY_OF_A_FAILURE}</body></html>\n".encode()

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=page, headers={"Content-Type": "text/html" if declared else _media(request)})

    return answer


def json_instead(*, declared: bool = True) -> Answer:
    """JSON, but no query's answer; if not `declared`, it says it is what was asked for."""
    body = json.dumps({"status": "success", "message": BODY_OF_A_FAILURE}).encode() + b"\n"

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=body, headers={"Content-Type": "application/json" if declared else _media(request)}
        )

    return answer


def gzip_bomb(mib: int = 64) -> Answer:
    """Some KiB that unpack to so many MiB of well-formed samples."""
    line = b"pbs_node_count_free 26 1794166412000\n"
    packed = gzip.compress(line * (mib * 1_048_576 // len(line)))

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": _media(request), "Content-Encoding": "gzip"}
        return web.Response(body=packed, headers=headers)

    return answer


def reset() -> Answer:
    """A connection that is reset before a byte of an answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _hang_up(request)
        return web.Response()

    return answer


def _whole(body: bytes, media: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": media})

    return answer


def _media(request: web.Request) -> str:
    """What the question wants to be answered with."""
    return "text/plain" if request.path.endswith("/federate") else "application/json"


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
