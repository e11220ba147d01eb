"""Any file of tokens is read, or refused by a ConfigError that repeats none of it; whoever is let in is listed, and any text that a caller may
show is a token that is known or is refused as any other.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hypothesis import strategies as st

from realtime.errors import ConfigError, RequestError
from realtime.web.caller import Role
from realtime.web.tokens import Tokens, line_of
from tests.fuzz.target import Take, Target, silence

TOKEN: Final = "rt_" + "A" * 43
DIGEST: Final = sha256(TOKEN.encode()).hexdigest()
NOW: Final = 1_794_166_412.0


async def known(tokens: Tokens, shown: str) -> bool:
    try:
        caller = await tokens.caller(shown)
    except RequestError as error:
        refusal = error
    else:
        assert tokens.stands(caller)
        assert caller.role in Role
        assert TOKEN not in caller.name.split()
        return True
    assert refusal.status == 401
    assert shown not in refusal.detail or len(shown) < 8
    return False


async def look(path: Path, data: bytes) -> None:
    """Let the file that holds this be read, and words of it be shown."""
    try:
        tokens = Tokens(path, now=lambda: NOW)
    except ConfigError as problem:
        text = str(problem).removeprefix(f"auth_tokens_file: {path}")
        assert not any(word in text for word in data.decode("utf-8", "replace").split() if len(word) > 30), (
            text
        )
        return
    shown = data.decode("utf-8", "surrogateescape")
    for token in (shown, *shown.split()[:5], "\udcff", ""):
        assert not await known(tokens, token) or token == TOKEN
    if await known(tokens, TOKEN):
        assert DIGEST.encode() in data


@contextmanager
def ready() -> Iterator[Take]:
    with TemporaryDirectory() as folder, asyncio.Runner() as runner, silence() as assert_silent:
        path = Path(folder) / "tokens"

        def take(data: bytes) -> None:
            path.write_bytes(data)
            runner.run(look(path, data))
            assert_silent()

        yield take


a_line: Final = st.builds(
    lambda *words: b" ".join(word for word in words if word),
    st.sampled_from([b"kiosk", b"viewer", b"admin", b"root", b"# kiosk", b""]),
    st.sampled_from(
        [
            b"sha256:" + DIGEST.encode(),
            b"sha256:" + b"0" * 64,
            b"sha256:" + b"G" * 64,
            b"sha256:",
            TOKEN.encode(),
            b"",
        ]
    ),
    st.sampled_from(
        [
            b"",
            b"until=2027-01-31",
            b"until=2027-01-31T00:00:00Z",
            b"until=0001-01-01T00:00:00+23:59",
            b"until=9999-12-31T23:59:59-23:59",
            b"until=tomorrow",
            b"until=",
            b"until=2025-01-01",
            b"until=\xff",
        ]
    ),
    st.sampled_from([b"", b"lobby", b"# by the door", TOKEN.encode(), b"\xe5\xa4\xa7", b"\x1c", b"\xc2\x85"]),
)

TARGET = Target(
    ready,
    (
        "\n".join(line_of(TOKEN, role, name=f"the {role}") for role in Role).encode(),
        f"# walls\nkiosk sha256:{DIGEST} until=2027-01-31T00:00:00Z lobby # by the door\n\n".encode(),
        f"admin sha256:{DIGEST} until=0001-01-01T00:00:00+23:59\n".encode(),
        f"viewer {TOKEN}\n".encode(),
    ),
    (
        *(
            b"kiosk ",
            b"viewer ",
            b"admin ",
            b"sha256:",
            DIGEST.encode(),
            TOKEN.encode(),
            b" until=",
            b"#",
            b"name",
        ),
        *b"2027-01-31T00:00:00Z 9999-12-31T23:59:59.999999-23:59 0001-01-01T00:00:00+23:59 20270131T000000".split(),
        *(b"\n", b"\r", b" ", b"\t", b"\x1c", b"\x85", b"\xe2\x80\xa8", b"\x00", b"\xff"),
    ),
    st.lists(a_line, min_size=1, max_size=3).map(b"\n".join),
    examples=500,
)
