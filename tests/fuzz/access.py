"""Whatever a caller writes into Authorization, cookies, tickets, origins and addresses: who shows no token sees no data, who shows a kiosk's
sees no user, and who shows no admin's sees nobody's screen and no figure of the server's. Nothing is logged as a failure, or with a token.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

from hypothesis import strategies as st

from realtime.web import listening
from realtime.web.access import GATE
from realtime.web.caller import Role
from realtime.web.tokens import line_of
from tests.fuzz import requests, wire
from tests.fuzz.target import Take, Target, silence
from tests.web.served import Served, served, small_state

TOKENS: Final = {role: "rt_" + role.value[0] * 43 for role in Role}

SEEN_BY: Final = {
    b'"hopper-02"': (Role.KIOSK, Role.VIEWER, Role.ADMIN),
    b'"runningJobs"': (Role.KIOSK, Role.VIEWER, Role.ADMIN),
    b'"ann"': (Role.VIEWER, Role.ADMIN),
    b"realtime_": (Role.ADMIN,),
}
"""What is said → the roles to whom it may be said."""

EVIL: Final = (b"http://evil.example", b"null", b"http://x.evil.example", b"http://[")

DOCUMENTS: Final = (
    b"/api/openapi.json",
    b"/api/asyncapi.json",
    b"/docs",
    b"/client.js",
    b"/assets/",
    b"/favicon.svg",
)
"""They tell everybody what fields there are."""


async def look(server: Served, data: bytes) -> None:
    said = await requests.look(server, data)
    assert server.app[GATE].visits == set()
    asked = wire.Asked.read(data)
    shown = [role for role, token in TOKENS.items() if token.encode() in data and not is_foreign(asked)]
    if not any(each in data for each in DOCUMENTS):
        for words, roles in SEEN_BY.items():
            assert words not in said.body or set(roles) & set(shown), (words, shown, said)
    if not shown:
        assert (
            said.status != 200
            or said.media.partition(";")[0] not in ("application/json", "text/event-stream")
            or any(each in data for each in (*DOCUMENTS, b"livez", b"readyz"))
        ), said


def is_foreign(asked: wire.Asked) -> bool:
    """Whether all that is shown is a cookie, by a page of another origin: the browser has shown it, and not the caller."""
    shown = {line.partition(b":")[0].lower() for line in asked.headers if b"rt_" in line}
    origins = [
        line.partition(b":")[2].strip()
        for line in asked.headers
        if line.partition(b":")[0].lower() == b"origin"
    ]
    return shown == {b"cookie"} and b"rt_" not in asked.body and len(origins) == 1 and origins[0] in EVIL


async def start(**settings: Any) -> Served:
    server = served(**settings)
    await server.start()
    server.publish(small_state())
    return server


@contextmanager
def ready() -> Iterator[Take]:
    with ExitStack() as stack:
        path = Path(stack.enter_context(TemporaryDirectory())) / "tokens"
        path.write_text("\n".join(line_of(token, role, name=role) for role, token in TOKENS.items()))
        runner = stack.enter_context(asyncio.Runner())
        assert_silent = stack.enter_context(silence())
        stack.enter_context(patch.object(listening, "LINGERING_SECONDS", 0.01))
        server = runner.run(start(auth="tokens", auth_tokens_file=str(path), **requests.QUICK))
        stack.callback(lambda: runner.run(server.end()))

        def take(data: bytes) -> None:
            runner.run(look(server, data))
            assert_silent()

        yield take


SHOWN: Final = [
    form % token.encode()
    for token in TOKENS.values()
    for form in (
        b"\nAuthorization: Bearer %s",
        b"\nCookie: realtime=%s",
        b"\nCookie: __Host-realtime=%s\nX-Forwarded-Proto: https",
        b"\nCookie: realtime=%s\nOrigin: http://x",
    )
]

tokens: Final = st.sampled_from([*(token.encode() for token in TOKENS.values()), b"rt_", b"\xff", b""])
shown_so: Final = st.builds(
    lambda form, token: form % token,
    st.sampled_from(
        [
            b"Authorization: Bearer %s",
            b"Authorization: %s",
            b"Cookie: realtime=%s",
            b"Cookie: a=b; realtime=%s; c",
            b"Cookie: __Host-realtime=%s",
        ]
    ),
    tokens,
)
origins: Final = st.sampled_from(
    [
        b"Origin: http://x",
        *(b"Origin: " + each for each in EVIL),
        b"X-Forwarded-Proto: https",
        b"Sec-Fetch-Site: cross-site",
    ]
)

TARGET = Target(
    ready,
    (
        *requests.PATHS,
        *(
            path + shown
            for path in (b"/api/jobs", b"/api/state", b"/api/events", b"/metrics", b"/api/screens")
            for shown in SHOWN
        ),
        *(b"/api/ws" + requests.HANDSHAKE + shown for shown in SHOWN),
        *(b'POST /api/session\n\n{"token":"%s"}' % token.encode() for token in TOKENS.values()),
        b"DELETE /api/session\nOrigin: http://evil.example",
        *(b"POST /api/tickets" + shown for shown in SHOWN[:4]),
        b"/api/nodes\nX-Forwarded-For: 203.0.113.9, 127.0.0.1\nX-Forwarded-For: garbage, ::ffff:203.0.113.9",
    ),
    (
        *requests.PATHS,
        *requests.WORDS,
        *SHOWN,
        *(token.encode() for token in TOKENS.values()),
        b"Bearer",
        b"bearer ",
        b"Basic ",
        b"realtime=",
        b"; ",
        b"__Host-",
    ),
    requests.a_request(st.lists(shown_so | origins, max_size=3)),
    examples=400,
)
