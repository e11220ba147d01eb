from hashlib import sha512

import orjson
import pytest
from hypothesis import given, strategies as st
from websockets.frames import Frame, Opcode

from realtime.state.cursor import Cursor
from realtime.stream import messages
from realtime.stream.messages import Message, squeezing

HERE = Cursor("k3f9", 1041)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_is_what_an_independent_library_would_send(size: int) -> None:
    """Our text frame equals that of the websockets package at every length encoding."""
    payload = b"x" * size

    assert messages.text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_an_event_has_its_type_its_cursor_and_one_line_of_data() -> None:
    """A server-sent event names its type, carries the cursor as id, and keeps a newline in a name inside its JSON."""
    message = messages.diff("h\n", Cursor("k3f9", 1040), HERE, 7, b'{"nodes":{}}')

    assert message.event == (
        b"event: diff\nid: k3f9-1041\n"
        b'data: {"type":"diff","cluster":"h\\n","from":"k3f9-1040","cursor":"k3f9-1041","at":7,"patch":{"nodes":{}}}\n\n'
    )


def test_a_message_without_cursor_has_no_id() -> None:
    """An event that says nothing of the cursor leaves the browser's last id alone."""
    assert b"id:" not in messages.error("x", "y").event


@given(st.binary(max_size=5000))
def test_a_chunk_is_its_length_in_hex_and_its_bytes(payload: bytes) -> None:
    """What a chunk says of its length is true."""
    size, _, rest = messages.chunk(payload).partition(b"\r\n")

    assert int(size, 16) == len(payload)
    assert rest == payload + b"\r\n"


def test_bytes_are_made_once() -> None:
    """Every reader of a message is given the same object, on each transport."""
    message = messages.heartbeat("h", HERE, 1, "live", 5)

    assert message.frame is message.frame
    assert message.event is message.event
    assert message.chunk is message.chunk


def test_messages_are_those_of_the_contract() -> None:
    """Each message has the members of the protocol, and what is unknown is absent."""
    said = [
        messages.hello(server="1", build="b", heartbeat_seconds=15.0, clusters=["h"], topics=["nodes"]),
        messages.snapshot("h", HERE, 7, "new", b"{}"),
        messages.heartbeat("h", HERE, 7, "live", 4100),
        messages.heartbeat("h", None, 7, "starting", None),
        messages.bye(1012, "restart", 7340),
        messages.error("unknown_topic", "d"),
        messages.PONG,
    ]

    assert [orjson.loads(message.json) for message in said] == [
        {
            "type": "hello",
            "protocol": 1,
            "server": "1",
            "build": "b",
            "heartbeatSeconds": 15,
            "clusters": ["h"],
            "topics": ["nodes"],
        },
        {"type": "snapshot", "cluster": "h", "cursor": "k3f9-1041", "at": 7, "reason": "new", "state": {}},
        {
            "type": "heartbeat",
            "cluster": "h",
            "cursor": "k3f9-1041",
            "at": 7,
            "quality": "live",
            "dataAgeMs": 4100,
        },
        {"type": "heartbeat", "cluster": "h", "at": 7, "quality": "starting"},
        {"type": "bye", "code": 1012, "reason": "restart", "retryMs": 7340},
        {"type": "error", "code": "unknown_topic", "detail": "d"},
        {"type": "pong"},
    ]


def test_a_compressed_frame_is_made_once_a_window_and_only_where_it_pays() -> None:
    """Readers of one window share a frame, which is marked as compressed; a message that would not become smaller stays plain."""
    text = Message("diff", b'{"type":"diff","patch":"%s"}' % (b"abcd" * 500))
    random = Message("diff", sha512(b"x").digest())

    assert text.squeezed(15) is text.squeezed(15)
    assert text.squeezed(15)[0] == 0xC1
    assert len(text.squeezed(15)) < len(text.frame) / 10
    assert random.squeezed(15) is random.frame


def test_only_messages_of_some_size_are_compressed() -> None:
    """A reader who negotiated compression gets small messages plain, in the frame that all others get."""
    small, large = Message("diff", b"x" * 99), Message("diff", b"x" * 100)
    encode = squeezing(15, 100)

    assert encode(small) is small.frame
    assert encode(large) is large.squeezed(15)
    assert squeezing(15, 100) is encode
