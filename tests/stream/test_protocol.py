"""Protocol 1 as types."""

import ast
import inspect
import re
from pathlib import Path
from typing import get_args, get_type_hints

import orjson
import pytest

import realtime
from realtime.state.cursor import Cursor
from realtime.state.freshness import Quality
from realtime.stream import messages, protocol
from realtime.stream.messages import Message
from tests import told

CURSOR = Cursor("k3f9", 7)


def types(kinds: tuple[type, ...]) -> set[str]:
    """The `type` of each."""
    return {get_args(get_type_hints(kind)["type"])[0] for kind in kinds}


def test_every_message_has_its_type() -> None:
    """What the server can say is what the types name."""
    said = {
        str(node.args[0].value)
        for node in ast.walk(ast.parse(inspect.getsource(messages)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Message"
        and isinstance(node.args[0], ast.Constant)
    }

    assert types(protocol.MESSAGES) == said


def test_every_command_has_its_type() -> None:
    """What the server obeys is what the types name."""
    source = (Path(realtime.__file__).parent / "web" / "websocket.py").read_text()

    assert types(protocol.COMMANDS) == set(re.findall(r'case "(\w+)":', source))


def test_the_words_for_quality_are_the_same() -> None:
    """The types name every quality."""
    assert get_args(protocol.Quality) == tuple(each.value for each in Quality)


@pytest.mark.parametrize(
    "message",
    [
        messages.hello(server="0.1.0", build="abc", heartbeat_seconds=0.5, clusters=["a"], topics=["nodes"]),
        messages.snapshot("a", CURSOR, 1, "horizon", b'{"nodes":{}}'),
        messages.diff("a", CURSOR, CURSOR, 1, b'{"nodes":{"n":{"usedGpus":null},"m":null}}'),
        messages.heartbeat("a", CURSOR, 1, "live", 5),
        messages.heartbeat("a", None, 1, "starting", None),
        messages.bye(1012, "restart", 1_000),
        messages.error("unknown_topic", "no"),
        messages.authenticated(None),
        messages.authenticated(1_794_166_412_000),
        messages.PONG,
    ],
    ids=lambda message: message.type,
)
def test_messages_are_as_told(message: Message) -> None:
    """Each message that can be made is as its type says."""
    told.frame(orjson.loads(message.json))
