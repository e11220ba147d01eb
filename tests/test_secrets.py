"""No token or ticket reaches anything that a server writes or tells, whatever is done with it."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from realtime.web.caller import Role
from realtime.web.tokens import line_of, new_token
from tests.command import environment
from tests.upstream import free_port

PATIENCE_SECONDS: Final = 30

TOKENS: Final = {role: new_token() for role in Role}
UNKNOWN: Final = "rt_unknown-but-somebodys-secret"


async def said(port: int, request: bytes) -> bytes:
    """What the server answers to these bytes, as far as it does within a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = b""
    try:
        async with asyncio.timeout(1):
            while some := await reader.read(65_536):
                answer += some
    except (TimeoutError, ConnectionResetError):
        pass
    writer.close()
    return answer


async def misuse(port: int) -> tuple[list[str], str]:
    """Use tokens in every way, right and wrong. Returns the tickets, and all that was answered, but where a ticket is given."""
    url = f"http://127.0.0.1:{port}"
    heard = []
    tickets = []
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> None:
            async with session.request(
                method, url + path, headers=headers, data=body, allow_redirects=False
            ) as answer:
                shown = {name: value for name, value in answer.headers.items() if name != "Set-Cookie"}
                heard.append(repr(shown) + (await answer.content.read(200_000)).decode())

        for token in (*TOKENS.values(), UNKNOWN):
            bearer = {"Authorization": f"Bearer {token}"}
            for headers in (
                bearer,
                {"Authorization": token},
                {"Authorization": f"Basic {token}"},
                {"Cookie": f"realtime={token}"},
                {"Cookie": f"realtime={token}", "Origin": "https://evil.example"},
                bearer | {"If-None-Match": f'"{token}"', "X-Forwarded-For": token},
            ):
                for path in (
                    "/api/state",
                    "/api/nodes?limit=1",
                    f"/api/nodes?limit=1&ticket={token}",
                    f"/api/nodes?limit={token}",
                    f"/api/nodes/{token}",
                    f"/{token}",
                    f"/api/changes?wait=0&ticket={token}",
                    f"/api/changes?wait={token}",
                    "/api/screens",
                ):
                    if token not in path or token is not UNKNOWN:
                        await ask(
                            "GET",
                            path.replace(f"limit={token}", "limit=x").replace(f"wait={token}", "wait=x"),
                            headers,
                        )
            await ask("POST", "/api/session", {}, json.dumps({"token": token}).encode())
            await ask("POST", "/api/session", {}, json.dumps({"token": [token]}).encode())
            await ask("POST", "/api/session", {}, token.encode())
            await ask("DELETE", "/api/session", {"Cookie": f"realtime={token}"})
            await ask("POST", "/api/jobs/1/hold", bearer)
            async with session.post(f"{url}/api/tickets", headers=bearer) as answer:
                if answer.status == 201:
                    tickets.append((await answer.json())["ticket"])
            for query in (
                "",
                f"?ticket={token}",
                f"?ticket={tickets[-1]}",
                f"?ticket={tickets[-1]}&screen=lobby",
            ):
                async with session.ws_connect(
                    f"{url}/api/ws{query}", headers=bearer if not query else {}, protocols=[token]
                ) as socket:
                    await socket.send_json({"type": "authenticate", "token": token})
                    await socket.send_json({"type": "authenticate", "token": [token]})
                    await socket.send_json({"type": "subscribe", "since": token})
                    await socket.send_json({"type": "ping"})
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        async for frame in socket:
                            heard.append(str(frame.data))
                            if '"pong"' in str(frame.data):
                                break
            for request in (
                f"GET /api/ws?ticket={token} HTTP/1.1\r\nHost: x\r\nBad Header: {token}\r\n\r\n",
                f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\x00\r\n\r\n",
                f"GET /{token}\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
                f"{token} / HTTP/1.1\r\n\r\n",
                f"POST /api/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{token}\r\n",
                f"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{token}",
            ):
                heard.append((await said(port, request.encode())).decode(errors="replace"))
        await ask("GET", "/metrics", {"Authorization": f"Bearer {TOKENS[Role.ADMIN]}"})
        await ask("GET", "/api/screens", {"Authorization": f"Bearer {TOKENS[Role.ADMIN]}"})
    return tickets, "\n".join(heard)


async def logged(path: Path, words: str) -> None:
    """Wait until the log has these words."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while words not in path.read_text():  # noqa: ASYNC240 — a file of some lines
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("log_level", ["debug"])
async def test_no_token_is_written_or_told(tmp_path: Path, log_level: str) -> None:
    """After tokens and tickets were used in every way, right and wrong, none stands in the log of the most talkative server, in an answer, in
    `/metrics`, in the list of screens, or in the server's own memory of what it was started with.
    """
    (tmp_path / "tokens").write_text(
        "\n".join(line_of(token, role, name=role) for role, token in TOKENS.items())
    )
    port, path = free_port(), tmp_path / "log"
    variables = environment(
        AUTH="tokens",
        AUTH_TOKENS_FILE="tokens",
        LOG_LEVEL=log_level,
        API_HOST="127.0.0.1",
        PYTHONASYNCIODEBUG="1",
    )
    command = [sys.executable, "-X", "dev", "-m", "realtime", "demo", "--port", str(port)]
    with (
        path.open("w") as log_file,
        subprocess.Popen(  # noqa: ASYNC220 — it only starts it
            command, cwd=tmp_path, env=variables, stdout=log_file, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            await logged(path, "serving")
            tickets, heard = await misuse(port)
            (tmp_path / "tokens").write_text(f"viewer {UNKNOWN}")  # a mistake, as an operator makes it
            await logged(path, "could not be reread")
            process.terminate()
            await asyncio.to_thread(process.wait, PATIENCE_SECONDS)
        finally:
            process.kill()
    log = path.read_text()

    assert "refused" in log
    assert len(tickets) == len(TOKENS)
    for secret in (*TOKENS.values(), UNKNOWN, *tickets):
        assert secret not in log
    for secret in (UNKNOWN, *tickets):
        assert secret not in heard
