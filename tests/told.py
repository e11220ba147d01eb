"""Holds what a server really says to the documents that it gives of itself. What tests read goes through here, so every body and every frame
that any of them gets is one that is documented.
"""

import re
from functools import cache
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator

from realtime.config import Settings
from realtime.web.asyncapi import asyncapi
from realtime.web.openapi import openapi
from realtime.web.routes import terms

SETTINGS = Settings.model_construct()
OPENAPI: dict[str, Any] = orjson.loads(orjson.dumps(openapi(SETTINGS, "0.1.0", terms())))
ASYNCAPI: dict[str, Any] = orjson.loads(orjson.dumps(asyncapi(SETTINGS, "0.1.0", terms())))

PROBLEM = "application/problem+json"


def closed(value: Any) -> Any:
    """A schema that allows no field but those that it names: a reader may meet new ones, a test must know them."""
    if isinstance(value, list):
        return [closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    shut = {name: closed(each) for name, each in value.items()}
    if isinstance(shut.get("properties"), dict) and shut.get("type") == "object":
        shut.setdefault("additionalProperties", False)
    return shut


def invented(components: dict[str, Any]) -> dict[str, Any]:
    """The schemas for a state whose entities a test made up."""
    state = {"type": "object", "additionalProperties": {"type": "object"}}
    return components | {"schemas": components["schemas"] | {"State": state}}


@cache
def validator(document: str, schema: str, *, real: bool) -> Draft202012Validator:
    """Of a schema (its JSON) within a document's components."""
    components = closed((OPENAPI if document == "openapi" else ASYNCAPI)["components"])
    if not real:
        components = invented(components)
    return Draft202012Validator(orjson.loads(schema) | {"components": components})


def check(document: str, schema: Any, value: Any, *, real: bool = True) -> None:
    """Fail if the value is not what the schema says."""
    errors = [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator(document, orjson.dumps(schema).decode(), real=real).iter_errors(value)
    ]
    assert not errors, (schema, errors[:5])


def frame(
    message: dict[str, Any], *, channel: str = "websocket", sent: bool = True, real: bool = True
) -> None:
    """Fail if this is not a message that the channel has. `sent`: by the server; `real`: its entities are not made up."""
    action = "send" if sent else "receive"
    (operation,) = (
        each for each in ASYNCAPI["operations"].values()
        if each["action"] == action and each["channel"]["$ref"] == f"#/channels/{channel}"
    )  # fmt: skip
    names = {each["$ref"].rpartition("/")[2] for each in operation["messages"]}
    told = {
        each["name"]: each["payload"]
        for name, each in ASYNCAPI["components"]["messages"].items()
        if name in names
    }
    assert message["type"] in told, message
    check("asyncapi", told[message["type"]], message, real=real)


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """What the document says of a request; None if there is no such operation."""
    path = path.partition("?")[0]
    exact_first = sorted(OPENAPI["paths"].items(), key=lambda item: "{" in item[0])
    for template, operations in exact_first:
        pattern = "".join(
            "[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", template)
        )
        if re.fullmatch(pattern, path):
            told: dict[str, Any] | None = operations.get(method.lower())
            return told
    return None


def body(method: str, path: str, status: int, media: str, content: bytes, *, real: bool = True) -> None:
    """Fail if this is not an answer that the document has."""
    if method in ("HEAD", "OPTIONS"):
        return
    operation = operation_of(method, path)
    responses: dict[str, Any] = operation["responses"] if operation else {}
    told = responses.get(str(status), OPENAPI["components"]["responses"]["Problem"])
    assert str(status) in responses or media == PROBLEM, (method, path, status, media)
    if "content" not in told:
        assert not content, (method, path, status, content[:100])
        return
    kind = media.partition(";")[0]
    if kind == "application/openmetrics-text":
        return  # the same figures, in the words of who asked for it
    assert kind in told["content"] or "*/*" in told["content"], (method, path, status, media)
    if kind.endswith("json"):
        check("openapi", told["content"][kind]["schema"], orjson.loads(content), real=real)
