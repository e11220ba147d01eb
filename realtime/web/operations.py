"""What every route takes and answers: the table that `openapi.py` makes its document of. A test holds it to the URL table, and every answer
that other tests get to it.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from realtime.config import Settings
from realtime.state.grid import TIME_RANGES
from realtime.state.view import TOPICS
from realtime.stream.protocol import NEWS
from realtime.web import bodies
from realtime.web.admission import NO_KEYS, NO_ROLE
from realtime.web.analytics import DEFAULT_RANGE
from realtime.web.asked import LONGEST_NAME
from realtime.web.longpoll import DEFAULT_WAIT
from realtime.web.rest import MOST_ROWS, STATES

JSON: Final = "application/json"
HTML: Final = "text/html"

Schema = Mapping[str, Any]


class Parameter(NamedTuple):
    """One thing that a request may say."""

    name: str
    schema: Schema
    says: str
    place: str = "query"


class Operation(NamedTuple):
    """One method at one address."""

    summary: str
    tag: str
    body: Any = None
    """A type, a list of one, or a tuple of which it is one; None: any JSON object."""
    media: str = JSON
    takes: tuple[Parameter, ...] = ()
    status: int = 200
    headers: tuple[str, ...] = ()
    """Of an answer that is no error."""
    others: Mapping[int, str] = {}
    """What it may answer besides: a problem, or nothing where it is no error."""
    asks: Schema | None = None
    """The JSON body that it may have."""
    alike: tuple[int, ...] = ()
    """Those of the others whose body is of the type all the same."""


HEADERS: Final = {
    "ETag": "the cursor of what is shown; with `If-None-Match` the answer is 304 while it holds",
    "Link": "the other pages (RFC 8288)",
    "X-Cursor": "where the reader then stands",
    "X-Data-Age": "age of the newest sample, seconds; absent if unknown",
    "X-Data-Quality": "what to make of the numbers: `starting`, `live`, `stale`, `partial` or `down`",
    "X-Total-Count": "how many there are on all pages",
}

LIVE: Final = ("ETag", "X-Data-Age", "X-Data-Quality")

UNKNOWN_CLUSTER: Final = {404: "no cluster of that name"}
NO_DATA: Final = UNKNOWN_CLUSTER | {
    304: "the reader has it",
    400: "a parameter is wrong; `detail` names it",
    503: "nothing is known of the cluster yet",
}
NO_HISTORY: Final = UNKNOWN_CLUSTER | {
    400: "a parameter is wrong; `detail` names it",
    502: "the source answered something else",
    503: "the source did not answer",
}
NOBODY_ASKED: Final = {404: "this server asks nobody for a token"}
OTHER_PAGE: Final = {403: "a page of an origin that may not"}
NO_LOGIN: Final = OTHER_PAGE | {
    400: "the body has no token, or one that is too long for a cookie",
    401: "a token that is not known here, or has ended",
}
NO_JWT_LOGIN: Final = NO_LOGIN | {403: f"{OTHER_PAGE[403]}; or {NO_ROLE}", 503: NO_KEYS}
TOKEN: Final[Schema] = {
    "type": "object",
    "properties": {"token": {"type": "string", "minLength": 1}},
    "required": ["token"],
}
UNREADY: Final = {503: "not now; `code` says why"}


def text(name: str, says: str, place: str = "query", **schema: Any) -> Parameter:
    """A parameter that is text."""
    return Parameter(name, {"type": "string", **schema}, says, place)


def number(name: str, says: str, least: int, most: int, **schema: Any) -> Parameter:
    """A parameter that is a whole number."""
    return Parameter(name, {"type": "integer", "minimum": least, "maximum": most, **schema}, says)


def several(name: str, says: str, most: int | None = None, **schema: Any) -> Parameter:
    """A parameter that is several texts, comma-separated (or the parameter repeated)."""
    limit = {} if most is None else {"maxItems": most}
    return Parameter(name, {"type": "array", "items": {"type": "string", **schema}, **limit}, says)


CLUSTER: Final = text("cluster", "a cluster's name; left out: the first")
SCREEN: Final = text(
    "screen",
    "what the reader calls itself, to be listed by `/api/screens`",
    minLength=1,
    maxLength=LONGEST_NAME,
)
SINCE: Final = text("since", "a cursor; there is none that is an error")
TOPICS_ASKED: Final = several("topics", "which topics; left out: all", enum=[*TOPICS])
ID: Final = text("id", "its name", "path")


def operations(settings: Settings) -> dict[tuple[str, str], Operation]:
    """Method and path → what it is, within this server's limits."""

    def globs(name: str) -> Parameter:
        says = "globs (`*`, `?`, `[…]`), of which one must match a node's whole name; left out: every node"
        return several(name, says, settings.max_globs, minLength=1, maxLength=settings.max_glob_length)

    view = (CLUSTER, TOPICS_ASKED, globs("nodes"))
    listening = (*view, SINCE, SCREEN)
    wait = number(
        "wait", "seconds to wait for news", 0, int(settings.long_poll_max_seconds), default=DEFAULT_WAIT
    )
    limit = number("limit", "so many at most", 1, MOST_ROWS)
    time_range = text("timeRange", "how far back", enum=[*TIME_RANGES], default=DEFAULT_RANGE)
    people = {} if settings.auth == "none" else {403: "a topic that is not for this role"}
    logins = {"none": NOBODY_ASKED, "tokens": NO_LOGIN, "jwt": NO_JWT_LOGIN}[settings.auth]
    by_pages = NOBODY_ASKED if settings.auth == "none" else OTHER_PAGE
    no_jobs = {501: "no metric knows single jobs; `detail` names PBS's commands"}

    def page(summary: str, media: str = HTML, **more: Any) -> Operation:
        return Operation(
            summary,
            "pages",
            None,
            media,
            others={304: "the reader has it", 503: "the pages are not built"},
            **more,
        )

    def live(summary: str, body: Any, *takes: Parameter, headers: tuple[str, ...] = LIVE) -> Operation:
        return Operation(summary, "state", body, takes=(CLUSTER, *takes), headers=headers, others=NO_DATA)

    def history(summary: str, body: Any) -> Operation:
        return Operation(summary, "history", body, takes=(CLUSTER, time_range), others=NO_HISTORY)

    def single(summary: str) -> Operation:
        return Operation(summary, "jobs", takes=(ID,), status=501, media="", others=no_jobs)

    return {
        ("GET", "/api/ws"): Operation(
            "The stream over WebSocket",
            "stream",
            media="",
            takes=listening,
            status=101,
            others={403: "a page of an origin that may not", 426: "this is a WebSocket"},
        ),
        ("GET", "/api/events"): Operation(
            "The stream as server-sent events",
            "stream",
            media="text/event-stream",
            takes=(*listening, text("Last-Event-ID", "a cursor; outranks `since`", "header")),
            others=UNKNOWN_CLUSTER | people | {400: NO_DATA[400]},
        ),
        ("GET", "/api/changes"): Operation(
            "One message of the stream, when there is one",
            "stream",
            NEWS,
            takes=(*listening, wait),
            headers=("X-Cursor", "X-Data-Age", "X-Data-Quality"),
            others=UNKNOWN_CLUSTER
            | people
            | {
                204: "nothing happened",
                400: NO_DATA[400],
                503: "nothing is known yet, or the server restarts",
            },
        ),
        ("GET", "/api/state"): Operation(
            "What a subscriber of a view would hold",
            "state",
            bodies.ViewState,
            takes=view,
            headers=LIVE,
            others=NO_DATA | people,
        ),
        ("GET", "/api/jobs"): live("How many jobs, of whom, in which queue", bodies.Jobs, limit),
        ("GET", "/api/nodes"): live(
            "Every node, or those of a state or name; in pages if asked",
            list[bodies.NodeRow],
            several("state", "states of which it is in one", enum=[*STATES]),
            globs("name"),
            limit,
            number("offset", "so many are left out", 0, MOST_ROWS, default=0),
            headers=(*LIVE, "X-Total-Count", "Link"),
        ),
        ("GET", "/api/nodes/{id}"): live("One node", bodies.NodeRow, ID),
        ("GET", "/api/queues"): live("Every queue", list[bodies.QueueRow]),
        ("GET", "/api/stats/cluster"): live("The cluster in a few numbers", bodies.Stats),
        ("GET", "/api/analytics/jobs"): history("Numbers of jobs through time", list[bodies.JobHistory]),
        ("GET", "/api/analytics/resources"): history(
            "Utilization through time", list[bodies.ResourceHistory]
        ),
        ("GET", "/api/health"): Operation(
            "Whether what is served can be believed",
            "operation",
            bodies.Health,
            others={503: "starting, or down"},
            alike=(503,),
        ),
        ("GET", "/api/clusters"): Operation(
            "Which clusters there are", "operation", list[bodies.ClusterHealth]
        ),
        ("GET", "/api/screens"): Operation(
            "The readers that named themselves", "operation", list[bodies.ScreenRow]
        ),
        ("GET", "/api/jobs/{id}"): single("No metric knows a job"),
        ("DELETE", "/api/jobs/{id}"): single("No job is deleted here"),
        ("POST", "/api/jobs/{id}/hold"): single("No job is held here"),
        ("POST", "/api/jobs/{id}/release"): single("No job is released here"),
        ("GET", "/api/session"): Operation("As whom one is let in", "access", bodies.Session),
        ("POST", "/api/session"): Operation(
            "Log in: a token in, a cookie out", "access", bodies.Login, asks=TOKEN, others=logins
        ),
        ("DELETE", "/api/session"): Operation("Log out", "access", media="", status=204, others=by_pages),
        ("POST", "/api/tickets"): Operation(
            "A ticket for one stream", "access", bodies.Ticket, status=201, others=by_pages
        ),
        ("GET", "/livez"): Operation("Whether the event loop answers", "operation", bodies.Alive),
        ("GET", "/readyz"): Operation(
            "Whether there is something to serve, and the server stays",
            "operation",
            bodies.Alive,
            others=UNREADY,
        ),
        ("GET", "/metrics"): Operation("The server's own figures", "operation", media="text/plain"),
        ("GET", "/api/openapi.json"): Operation("This document", "operation"),
        ("GET", "/api/asyncapi.json"): Operation("The same for the streams", "operation"),
        ("GET", "/"): page("The dashboard"),
        ("GET", "/kiosk"): page("The wall display"),
        ("GET", "/docs"): page("These documents, for people"),
        ("GET", "/client.js"): page("The streams' client as a module", "text/javascript"),
        ("GET", "/favicon.svg"): page("The icon", "image/svg+xml"),
        ("GET", "/assets/{name}"): page(
            "What the pages load", "*/*", takes=(text("name", "its name", "path"),)
        ),
    }
