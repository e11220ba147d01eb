"""Whatever is asked of any address, by any method, in any query, headers and body, the answer is one that is documented, nothing is logged as a
failure, nothing of the caller stays behind, and whoever asks next is answered as before.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

import orjson
from hypothesis import strategies as st

from realtime.web import listening
from realtime.web.access import GATE
from realtime.web.routes import ROUTES
from tests.fuzz import wire
from tests.fuzz.target import Take, Target, silence
from tests.web.served import Served, served, small_state, until

QUICK: Final[dict[str, Any]] = {"long_poll_max_seconds": 0.01, "max_requests_per_second": 100_000}
"""Nobody waits for what does not come, nor is refused for asking so often."""

PATHS: Final = sorted({route.path.format(id="hopper-01", name="x.js").encode() for route in ROUTES})

CALLS: Final = [
    b"%s %s" % (route.method.encode(), route.path.format(id="1", name="x.js").encode())
    for route in ROUTES
    if route.method != "GET"
]

HANDSHAKE: Final = b"\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="

QUERIES: Final = (
    b"?topics=nodes&nodes=hopper-*,[!g]*&since=epoch-1",
    b"?cluster=hopper&limit=1&offset=1&state=free,busy&name=h*",
    b"?timeRange=1h&screen=lobby",
    b"?ticket=x&wait=0&since=%ff",
)

HEADERS: Final = (
    b'\nIf-None-Match: "a", W/"b"\nLast-Event-ID: epoch-1\nOrigin: https://page.example',
    b"\nX-Forwarded-For: 203.0.113.9, ::1\nX-Forwarded-Proto: https\nCookie: a=b; realtime=c\nAuthorization: Bearer x",
    b'\nContent-Type: application/json\n\n{"token":"x"}',
    HANDSHAKE
    + b"\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\nSec-WebSocket-Protocol: x",
)

WORDS: Final = (
    b"?", b"&", b"=", b",", b"/", b"//", b"..", b"%", b"%00", b"%0d%0a", b"%2f", b"%ff", b"%ed%a0%80", b"\xff", b"\xe5\xa4\xa7", b"+", b"#",
    b"topics=", b"nodes=", b"name=", b"state=", b"limit=", b"offset=", b"cluster=", b"since=", b"wait=", b"timeRange=", b"screen=", b"ticket=",
    b"\nIf-None-Match: ", b"\nLast-Event-ID: ", b"\nOrigin: ", b"\nX-Forwarded-For: ", b"\nX-Forwarded-Proto: https", b"\nCookie: ",
    b"\nAuthorization: ", b"\nAccept: ", b"\nAccept-Encoding: gzip", b"\nRange: bytes=0-", b"\nContent-Length: 5", b"\nContent-Encoding: gzip",
    b"\nUpgrade: websocket", b"\nExpect: 100-continue", b"\nSec-Fetch-Site: none", b"http://[", b"http://x", b"*", b'"', b"W/", b"127.0.0.1",
    b"203.0.113.9", b"::1%eth0", b"9" * 20, HANDSHAKE, *(method + b" " for method in wire.METHODS), b'\n\n{"token":"', b"\n\n[", b"\xf0\x9f\x98\x80",
)  # fmt: skip


odd: Final = st.sampled_from(
    [b"", b"0", b"1", b"-1", b"9" * 20, b"x" * 300, b"\xff", b"%ff", b"%ed%a0%80", b"\xe5\xa4\xa7", b"%0d%0aX: y", b"a b", b"[", b"]", b"*", b'"', b"nodes"]
)  # fmt: skip
parameters: Final = st.tuples(
    st.sampled_from(
        b"topics nodes name state limit offset cluster since wait timeRange screen ticket".split()
    ),
    odd | st.sampled_from([b"hopper", b"hopper-*", b"free,down", b"1h", b"epoch1-1"]),
).map(b"=".join)
paths: Final = st.one_of(
    st.sampled_from(PATHS), st.sampled_from(CALLS), odd.map(lambda name: b"/api/nodes/" + name)
)
headers: Final = st.tuples(
    st.sampled_from(
        b"If-None-Match Last-Event-ID Origin X-Forwarded-For X-Forwarded-Proto Cookie Authorization Accept Accept-Encoding Range Expect "
        b"Upgrade Sec-WebSocket-Key Sec-WebSocket-Version Sec-WebSocket-Extensions Sec-WebSocket-Protocol Content-Encoding".split()
    ),
    odd
    | st.sampled_from(
        [
            b"websocket",
            b"https",
            b"gzip",
            b"Bearer \xff",
            b"realtime=\xff",
            b"http://[",
            b"203.0.113.9, 1",
            b"100-continue",
        ]
    ),
).map(b": ".join)


@st.composite
def a_request(draw: st.DrawFn, more: st.SearchStrategy[list[bytes]]) -> bytes:
    """Of an address that there is, with parameters and headers that are looked at."""
    query = b"&".join(draw(st.lists(parameters, max_size=3)))
    shake = draw(
        st.sampled_from([b"", b"", HANDSHAKE, HANDSHAKE.rpartition(b"\n")[0] + b"\nSec-WebSocket-Key: \xff"])
    )
    lines = [*draw(st.lists(headers, max_size=3)), *draw(more)]
    body = draw(st.sampled_from([b"", b"", b'\n\n{"token":"x"}', b"\n\n[]", b"\n\n\xff"]))
    path = b"/api/ws" if shake and draw(st.booleans()) else draw(paths)
    return path + b"?" + query + shake + b"".join(b"\n" + line for line in lines) + body


async def look(server: Served, data: bytes) -> wire.Said:
    """Ask, and look after what is left."""
    asked = wire.Asked.read(data)
    said = await wire.ask(server, asked)
    wire.judge(asked, said)
    await until(lambda: not server.listeners() and not server.connections())
    limits = server.app[GATE].limits
    assert (limits.open, limits.by_ip, limits.by_token) == (0, {}, {})
    return said


async def look_twice(server: Served, data: bytes) -> None:
    await look(server, data)
    state = await wire.ask(server, wire.Asked(b"GET", b"/api/state?topics=summary"))
    assert orjson.loads(state.body)["state"] == {"summary": small_state()["summary"]}


@contextmanager
def ready() -> Iterator[Take]:
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        assert_silent = stack.enter_context(silence())
        stack.enter_context(patch.object(listening, "LINGERING_SECONDS", 0.01))
        server = served(**QUICK)
        runner.run(server.start())
        stack.callback(lambda: runner.run(server.end()))
        server.publish(small_state())

        def take(data: bytes) -> None:
            runner.run(look_twice(server, data))
            assert_silent()

        yield take


TARGET = Target(
    ready,
    (
        *(path + query for path in PATHS for query in (b"", *QUERIES)),
        *(
            path + more
            for path in (b"/api/nodes", b"/api/ws?topics=x", b"POST /api/session")
            for more in HEADERS
        ),
        *CALLS,
    ),
    (*PATHS, *WORDS),
    a_request(st.just([])),
    examples=400,
)
