"""Whatever is said on a WebSocket, in text, in other frames or in bytes that are no frame, each command is obeyed or answered by an `error`, in
order; after ten in a row that are not obeyed it is closed with 4501; no other connection notices, and nothing is logged as a failure. Who
hears all that was said to it holds what is true.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any, Final, NamedTuple, Self

import orjson
from hypothesis import strategies as st

from realtime.state.view import TOPICS, View
from tests import told
from tests.client import ClientModel
from tests.fuzz.target import Take, Target, silence
from tests.fuzz.wire import BINARY, CLOSE, PING, PONG, TEXT, Asked, everything, frame, heard
from tests.web.served import PATIENCE_SECONDS, UPGRADE, Served, Socket, served, small_state, until

CLUSTERS: Final = ("hopper", "vanda")

KINDS: Final = {b"\0": BINARY, b"\1": None, b"\2": TEXT, b"\3": PING}
"""How a line begins that is no text frame: binary, bytes as they are, a text frame in two pieces around a ping, a ping."""

MOST_FRAMES: Final = 60
"""Fewer than the commands that may come at once."""

MOST_IN_A_ROW: Final = 10

PROTOCOL_ERRORS: Final = (1002, 1007, 1009)
"""With which RFC 6455 (section 7.4.1) has a server close what is no WebSocket."""

OURS: Final = (1000, 4501)

OFFER: Final = (
    b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits\r\n"
)


class Story(NamedTuple):
    """An input, read: how the connection is opened, what is said on it, and what must be answered."""

    handshake: bytes
    said: bytes
    answers: list[str]
    """Types, without snapshots and diffs."""
    code: int | None
    """With which it must end; None: that cannot be told, since not all that was said were frames."""

    @classmethod
    def read(cls, data: bytes) -> Self:
        query, *lines = data.split(b"\n")
        target = Asked.read(b"/api/ws" + query.removeprefix(b"z")).target.partition(b"#")[0]
        handshake = UPGRADE.replace(b"/api/ws", target if target.startswith(b"/api/ws?") else b"/api/ws")
        if query.startswith(b"z"):
            handshake = handshake.replace(b"Host: x\r\n", b"Host: x\r\n" + OFFER)
        frames: list[bytes] = []
        answers: list[str] = []
        in_a_row = 0
        for line in lines[:MOST_FRAMES]:
            kind = KINDS.get(line[:1], TEXT)
            payload = line[1:] if line[:1] in KINDS else line
            if kind is None:
                frames.append(payload)
                return cls(handshake, b"".join(frames), answers, None)
            if line.startswith(b"\2"):
                half = len(payload) // 2
                frames += [
                    frame(TEXT, payload[:half], final=False),
                    frame(PING, b"between"),
                    frame(0, payload[half:]),
                ]
            elif kind == PING:
                frames.append(frame(PING, payload[:125]))
                continue
            else:
                frames.append(frame(kind, payload))
            if kind == TEXT and not is_text(payload):
                return cls(handshake, b"".join(frames), answers, 1007)
            answer = answer_to(payload) if kind == TEXT else "error"
            answers += [answer] if answer else []
            in_a_row = in_a_row + 1 if answer == "error" else 0
            if in_a_row == MOST_IN_A_ROW:
                return cls(handshake, b"".join(frames), answers, 4501)
        return cls(handshake, b"".join([*frames, frame(CLOSE, (1000).to_bytes(2, "big"))]), answers, 1000)


def is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def answer_to(text: bytes) -> str:
    """The type of a command's answer, as docs/protocol.md has it; empty for one that is obeyed in silence."""
    try:
        command = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "error"
    if not isinstance(command, dict):
        return "error"
    cluster = command.get("cluster")
    match command.get("type"):
        case "ping":
            return "pong"
        case "authenticate":
            return "authenticated" if isinstance(command.get("token"), str | None) else "error"
        case "unsubscribe":
            return "" if cluster is None or cluster in CLUSTERS else "error"
        case "subscribe":
            topics, nodes = command.get("topics"), command.get("nodes")
            sound = (
                (cluster is None or cluster in CLUSTERS)
                and (topics is None or (is_texts(topics) and set(topics) <= set(TOPICS)))
                and (nodes is None or (is_texts(nodes) and are_globs(nodes)))
                and isinstance(command.get("since"), str | None)
            )
            return "heartbeat" if sound else "error"
    return "error"


def is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def are_globs(nodes: list[str]) -> bool:
    return len(set(nodes)) <= 32 and all(0 < len(glob) <= 128 and glob.isprintable() for glob in nodes)


class Stage:
    """A server, and a bystander who must notice nothing."""

    def __init__(self, server: Served, bystander: Socket) -> None:
        self.server = server
        self.bystander = bystander
        self.model = ClientModel()
        self.jobs = 0

    async def look(self, data: bytes) -> None:
        story = Story.read(data)
        self.publish()
        async with asyncio.timeout(PATIENCE_SECONDS), self.server.raw(story.handshake) as raw:
            assert (await raw.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            raw.writer.write(story.said)
            if story.code is None:
                raw.writer.write_eof()
            frames = heard(await everything(raw), whole=story.code is not None)
        self.judge(story, frames, resumes=b"since" in data)
        await until(lambda: len(self.server.listeners()) == 1 and not self.others())
        while self.model.cursor != self.server.cursor:
            self.model.hear((await self.bystander.take("diff"))[0])
        assert self.model.state == orjson.loads(self.server.hub.edition(View()).state)

    def others(self) -> int:
        """Connections that are still there, the bystander's left aside."""
        return self.server.connections() - 1

    def publish(self) -> None:
        self.jobs += 1
        self.server.publish({"users": {"ann": {"name": "ann", "runningJobs": self.jobs}}})

    def judge(self, story: Story, frames: list[tuple[int, bytes]], *, resumes: bool) -> None:
        messages = [orjson.loads(payload) for kind, payload in frames if kind == TEXT]
        for message in messages:
            told.frame(message)
        assert {kind for kind, _ in frames} <= {TEXT, CLOSE, PONG}
        closes = [int.from_bytes(payload[:2], "big") for kind, payload in frames if kind == CLOSE]
        types = [message["type"] for message in messages if message["type"] not in ("snapshot", "diff")]
        if story.code is None:
            assert not closes or closes[0] in (*OURS, *PROTOCOL_ERRORS), closes
        elif types[:2] == ["hello", "error"] and closes == [4501] and len(types) == 2:
            return  # the query cannot be served
        else:
            assert closes == [story.code]
            assert types == ["hello", "heartbeat", *story.answers], (types, story.answers)
        if not resumes:
            models: dict[str, ClientModel] = {}
            for message in messages:
                if "cluster" in message:
                    models.setdefault(message["cluster"], ClientModel()).hear(message)


async def stage(stack: AsyncExitStack) -> Stage:
    server = served(CLUSTERS)
    await server.start()
    stack.push_async_callback(server.end)
    for cluster in CLUSTERS:
        server.publish(small_state(), cluster)
    found = Stage(server, await stack.enter_async_context(server.socket()))
    for message in await found.bystander.take("hello", "snapshot", "heartbeat"):
        found.model.hear(message)
    return found


@contextmanager
def ready() -> Iterator[Take]:
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        assert_silent = stack.enter_context(silence())
        things = AsyncExitStack()
        one = runner.run(stage(things))
        stack.callback(lambda: runner.run(things.aclose()))

        def take(data: bytes) -> None:
            runner.run(one.look(data))
            assert_silent()

        yield take


def command(**fields: Any) -> bytes:
    return orjson.dumps(fields)


odd: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [None, True, 1, "", "a", [], {}, ["nodes"], ["nodes", 1], ["nodez"], [""], ["x" * 129], ["\n"], ["[!a]*", "[z-a]"], [f"n{i}" for i in range(33)], [None], "hopper", "vanda", "epoch1-1"]
)  # fmt: skip
a_command: Final = st.fixed_dictionaries(
    {"type": st.sampled_from(["subscribe", "subscribe", "unsubscribe", "ping", "authenticate"]) | odd},
    optional=dict.fromkeys(("cluster", "topics", "nodes", "since", "token"), odd),
).map(orjson.dumps)
a_line: Final = st.builds(
    lambda start, text: start + text,
    st.sampled_from([b"", b"", b"", b"\0", b"\2", b"\3"]),
    a_command | st.binary(max_size=3),
)
queries: Final = st.sampled_from([b"", b"z", b"?topics=nodes", b"?cluster=vanda&nodes=h*", b"?topics=nodez"])
made: Final = st.builds(
    lambda query, lines: b"\n".join([query, *lines]), queries, st.lists(a_line, max_size=14)
)

COMMANDS: Final = (
    command(type="subscribe"),
    command(type="subscribe", cluster="vanda", topics=["nodes", "users"], nodes=["hopper-0*", "gn-[!2]"]),
    command(type="subscribe", topics=["queues"], since="epoch1-1"),
    command(type="subscribe", cluster=None, topics=None, nodes=[], since=None),
    command(type="subscribe", cluster="emmy", topics="nodes"),
    command(type="unsubscribe"),
    command(type="unsubscribe", cluster="vanda"),
    command(type="ping"),
    command(type="authenticate", token="rt_x"),
    command(type="weather"),
    b"[]",
    b"nonsense",
)

TARGET = Target(
    ready,
    (
        b"",
        *(b"\n" + each for each in COMMANDS),
        b"?topics=nodes&nodes=h*\n" + b"\n".join(COMMANDS),
        b"z?cluster=vanda&screen=lobby\n" + b"\n\2".join(COMMANDS),
        b"?topics=nonsense\n" + COMMANDS[0],
        b"\n" + b"\n".join([b"{}"] * 12),
        b"\n\0" + COMMANDS[0] + b"\n\3hello\n" + COMMANDS[7],
        b"\n" + COMMANDS[0] + b"\n\1\x81\x85\0\0\0\0hello\n",
        b"z\n\1\xc1\x85\0\0\0\0\xf2\x48\xcd\xc9\xc9",
        b"\n\1\x81\xff" + b"\xff" * 12,
        b"\n\1\x88\x82\0\0\0\0\x03\xf3",
        b"\n\xff\n" + COMMANDS[7],
    ),
    (
        b"\n", b"\n\0", b"\n\1", b"\n\2", b"\n\3", *COMMANDS, *(b"\n" + each for each in COMMANDS), b"\n\1\x81\x85", b"\n\1\x09", b"\n\1\x88\x80\0\0\0\0",
        b"\n\1\x88\x82\0\0\0\0\x03\xe8", b"\xc1", b"\x01", b"\x80", b"\xff", b"\\ud800", b'"\\u0000"', b"null", b"true", b"1", b"[]", b"{}", b'"a"',
        b'"type":', b'"subscribe"', b'"cluster":', b'"topics":', b'"nodes":', b'"since":', b'"token":', b'["nodes"]', b'"hopper"', b"{", b"}", b"[", b"]",
        b",", b":", b'"', b"[" * 200, b'"__proto__":', b"?topics=", b"&nodes=", b"z", b"1e999", b"9" * 40,
    ),
    made,
    examples=400,
)  # fmt: skip
