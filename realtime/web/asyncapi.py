"""`GET /api/asyncapi.json`: the streams as an AsyncAPI 3.0 document, made of the types of the messages. Long-poll, whose answers are the same
messages, is in the OpenAPI document.
"""

from collections.abc import Mapping
from typing import Any, Final

from realtime.config import Settings
from realtime.stream.messages import PROTOCOL
from realtime.stream.protocol import COMMANDS, MESSAGES, ON_WEBSOCKETS_ALONE
from realtime.web.admission import schemes, who_may
from realtime.web.operations import Operation, operations
from realtime.web.schemas import needed, ref, schemas
from realtime.web.terms import Table, Terms

WEBSOCKET: Final = "/api/ws"
EVENTS: Final = "/api/events"

Asked = Mapping[tuple[str, str], Operation]

OVER_EVENTS: Final = tuple(kind for kind in MESSAGES if kind not in ON_WEBSOCKETS_ALONE)

TYPES: Final = {"http": "http", "apiKey": "httpApiKey"}
"""OpenAPI's types of security schemes in AsyncAPI's words."""


def asyncapi(settings: Settings, version: str, table: Table, *, secure: bool = False) -> dict[str, Any]:
    """The document, for a server with these limits; `secure`: as it is told over an encrypted connection."""
    asked = operations(settings)
    sockets, streams = (table["GET", path] for path in (WEBSOCKET, EVENTS))
    said = {kind.__name__: _message(kind) for kind in (*MESSAGES, *COMMANDS)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "realtime",
            "version": version,
            "description": f"Protocol {PROTOCOL}: a snapshot, then diffs and heartbeats. docs/protocol.md tells what a reader does with them. {who_may(settings)}",
        },
        "defaultContentType": "application/json",
        "channels": {
            "websocket": _stream(WEBSOCKET, asked, (*MESSAGES, *COMMANDS), "one text frame a message")
            | {"bindings": {"ws": _question(asked, WEBSOCKET)}},
            "events": _stream(EVENTS, asked, OVER_EVENTS, "`event` is the message's type, `id` its cursor"),
        },
        "operations": {
            "tellOverWebSocket": _operation("send", "websocket", MESSAGES) | _security(sockets, settings),
            "obey": _operation("receive", "websocket", COMMANDS) | _security(sockets, settings),
            "tellOverEvents": _operation("send", "events", OVER_EVENTS)
            | _security(streams, settings)
            | {"bindings": {"http": _question(asked, EVENTS)}},
        },
        "components": {
            "messages": said,
            "schemas": needed(said),
            "securitySchemes": {
                name: scheme | {"type": TYPES[scheme["type"]]}
                for name, scheme in schemes(settings, secure=secure).items()
            },
        },
    }


def _message(kind: Any) -> dict[str, Any]:
    told = schemas()[kind.__name__]
    return {
        "name": told["properties"]["type"]["const"],
        "summary": told["description"],
        "payload": ref(kind),
    }


def _stream(path: str, asked: Asked, kinds: tuple[Any, ...], says: str) -> dict[str, Any]:
    return {
        "address": path,
        "title": asked["GET", path].summary,
        "description": says,
        "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds},
    }


def _question(asked: Asked, path: str) -> dict[str, Any]:
    """How a stream is asked for."""
    query = {
        each.name: {"description": each.says, **each.schema}
        for each in asked["GET", path].takes
        if each.place == "query"
    }
    return {"method": "GET", "query": {"type": "object", "properties": query}}


def _operation(action: str, stream: str, kinds: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{stream}"},
        "messages": [{"$ref": f"#/channels/{stream}/messages/{kind.__name__}"} for kind in kinds],
    }


def _security(terms: Terms, settings: Settings) -> dict[str, Any]:
    """By which schemes one is let in; the role in prose, since AsyncAPI has no place for it."""
    proofs = terms.proofs(settings)
    told: dict[str, Any] = {"security": [{"$ref": f"#/components/securitySchemes/{each}"} for each in proofs]}
    return told | ({"description": f"For the role `{terms.role}` and those above it."} if proofs else {})
