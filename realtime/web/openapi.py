"""`GET /api/openapi.json`: the HTTP side as an OpenAPI 3.1 document, made of the table of operations, the terms on which the gate lets
anybody at them, and the types of the bodies.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from realtime.config import Settings
from realtime.web.admission import refusals, schemes, who_may
from realtime.web.bodies import Problem
from realtime.web.operations import HEADERS, JSON, Operation, Parameter, operations
from realtime.web.schemas import needed, ref
from realtime.web.terms import Table

PROBLEM = {"application/problem+json": {"schema": ref(Problem)}}


def openapi(settings: Settings, version: str, table: Table, *, secure: bool = False) -> dict[str, Any]:
    """The document, for a server with these limits; `secure`: as it is told over an encrypted connection."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in operations(settings).items():
        terms = table[method, path]
        told = paths.setdefault(path, {})[method.lower()] = {
            "operationId": _name(method, path),
            "summary": operation.summary,
            "tags": [operation.tag],
            "parameters": [_parameter(each) for each in operation.takes],
            # The array may hold names of roles, whatever the scheme (OpenAPI 3.1, Security Requirement Object).
            "security": [{proof: [terms.role]} for proof in terms.proofs(settings)],
            "responses": _responses(operation, refusals(terms, settings)),
        }
        if operation.asks is not None:
            # No body is needed where the token is in the `Authorization` header.
            told["requestBody"] = {"content": {JSON: {"schema": operation.asks}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "realtime",
            "version": version,
            "summary": "Live state of PBS Pro clusters",
            "description": f"The streams' messages are told by `/api/asyncapi.json`. {who_may(settings)}",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": needed(paths),
            "headers": {
                name: {"description": says, "schema": {"type": "string"}} for name, says in HEADERS.items()
            },
            "responses": {"Problem": {"description": "any other refusal or failure", "content": PROBLEM}},
            "securitySchemes": schemes(settings, secure=secure),
        },
    }


def _name(method: str, path: str) -> str:
    words = [word.strip("{}") for word in path.replace(".", "/").split("/") if word not in ("", "api")]
    return "_".join([method.lower(), *words])


def _parameter(parameter: Parameter) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.says,
        "schema": parameter.schema,
    }
    if parameter.place == "path":
        told["required"] = True
    if parameter.schema["type"] == "array":
        told |= {"style": "form", "explode": False}
    return told


def _responses(operation: Operation, by_gate: Mapping[int, list[str]]) -> dict[str, Any]:
    content = {operation.media: {"schema": ref(operation.body)} if operation.media == JSON else {}}
    good: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.media:
        good["content"] = content
    if operation.headers:
        good["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in operation.headers}
    told = {str(operation.status): good}
    for status in sorted(operation.others.keys() | by_gate.keys()):
        says = [*filter(None, [operation.others.get(status)]), *by_gate.get(status, ())]
        other = told[str(status)] = {"description": "; or ".join(says)}
        if status in operation.alike:
            other["content"] = content
        elif status >= HTTPStatus.BAD_REQUEST:
            other["content"] = PROBLEM
    return told | {"default": {"$ref": "#/components/responses/Problem"}}
