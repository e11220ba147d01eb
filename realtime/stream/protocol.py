"""Protocol 1 as types: what is said on a stream, and what a reader may say on a WebSocket. `messages.py` makes these into bytes; the
documents that the server gives of itself are made of them, and tests hold every message to them. `docs/protocol.md` is the same in prose.
"""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from realtime.state.entities import State, Topic

Quality = Literal["starting", "live", "stale", "partial", "down"]
"""What to make of the numbers."""


class Hello(TypedDict):
    """The first message of every connection."""

    type: Literal["hello"]
    protocol: Literal[1]
    server: str
    """The server's version."""
    build: str
    """What is installed there; a page of another build should load itself anew."""
    heartbeatSeconds: float
    """After so long without a message a subscription gets a heartbeat."""
    clusters: list[str]
    """The first is the default."""
    topics: list[Topic]


class Snapshot(TypedDict):
    """A view's whole state. It replaces what the reader held."""

    type: Literal["snapshot"]
    cluster: str
    cursor: str
    """Where the reader now stands; opaque."""
    at: int
    """When this state was published, epoch ms."""
    reason: Literal["new", "epoch", "horizon"]
    """Why it is not a diff."""
    state: State


_From = TypedDict("_From", {"from": str})


class Diff(_From):
    """What takes a reader from one cursor, `from`, to another. To be applied only by a reader who stands at `from`."""

    type: Literal["diff"]
    cluster: str
    cursor: str
    """Where the reader stands after it."""
    at: int
    """When the newer state was published, epoch ms."""
    patch: dict[Topic, dict[str, dict[str, Any] | None]]
    """A JSON Merge Patch (RFC 7396) of the state: what is named replaces, null removes."""


class Heartbeat(TypedDict):
    """Alive, still at this cursor, and the data is this old. It never moves a cursor."""

    type: Literal["heartbeat"]
    cluster: str
    cursor: NotRequired[str]
    """Absent before the first snapshot."""
    at: int
    """When it was made, epoch ms."""
    quality: Quality
    dataAgeMs: NotRequired[int]
    """How old the newest sample was then; absent before the first."""


class Bye(TypedDict):
    """The last message of a connection that the server ends on purpose."""

    type: Literal["bye"]
    code: int
    """A WebSocket close code. From 4500 on: do not come back."""
    reason: str
    retryMs: int
    """Come back after so long."""


class Error(TypedDict):
    """What was asked cannot be served."""

    type: Literal["error"]
    code: str
    detail: str
    """A sentence for people."""


class Pong(TypedDict):
    """The answer to a ping."""

    type: Literal["pong"]


class Authenticated(TypedDict):
    """The answer to authenticate: the stream goes on by leave of the new token."""

    type: Literal["authenticated"]
    expiresAt: NotRequired[int]
    """Epoch ms; absent if the token does not expire."""


MESSAGES = (Hello, Snapshot, Diff, Heartbeat, Bye, Error, Pong, Authenticated)
"""What a server says."""

NEWS = (Snapshot, Diff)
"""What a long-poll answers with."""

ON_WEBSOCKETS_ALONE = (Error, Pong, Authenticated)


class Subscribe(TypedDict):
    """Listen to one view of a cluster, in place of the one before."""

    type: Literal["subscribe"]
    cluster: NotRequired[str | None]
    """Left out: the first."""
    topics: NotRequired[list[Topic] | None]
    """Left out or empty: all."""
    nodes: NotRequired[list[str] | None]
    """Globs, of which one must match a node's whole name. Left out or empty: every node."""
    since: NotRequired[str | None]
    """A cursor of the same view."""


class Unsubscribe(TypedDict):
    """Hear no more of a cluster."""

    type: Literal["unsubscribe"]
    cluster: NotRequired[str | None]
    """Left out: the first."""


class Ping(TypedDict):
    """Ask for a pong."""

    type: Literal["ping"]


class Authenticate(TypedDict):
    """Go on by leave of another token."""

    type: Literal["authenticate"]
    token: str


COMMANDS = (Subscribe, Unsubscribe, Ping, Authenticate)
"""What a reader may say on a WebSocket."""
