"""The HTTP side as an OpenAPI document."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)

from realtime.config import Settings
from realtime.web.caller import Role
from realtime.web.openapi import openapi
from realtime.web.routes import terms
from tests import told
from tests.web.guarded import guarded
from tests.web.served import Serve, real_state

ENDLESS = ("/api/ws", "/api/events")
"""Streams, which no request of a robot's ends; the stories of conformance read them."""

UNFAIR: Any = [positive_data_acceptance, not_a_server_error]
"""That a text is printable cannot be told in a pattern that all tools read; and 501 and 503 are answers here."""

LISTS = {"topics", "nodes", "state", "name"}
"""Parameters of which empty items are left out: what was to be a list of one empty text comes as an empty list."""

TOKENS: Any = Settings.model_construct(auth="tokens")
JWT: Any = Settings.model_construct(auth="jwt")


@pytest.mark.parametrize("settings", [told.SETTINGS, TOKENS, JWT], ids=["none", "tokens", "jwt"])
def test_it_is_openapi(settings: Settings) -> None:
    """The document is one of OpenAPI 3.1, whoever is let in."""
    document = openapi(settings, "0.1.0", terms())

    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document["components"]["securitySchemes"].keys() == {
        name
        for methods in document["paths"].values()
        for operation in methods.values()
        for each in operation["security"]
        for name in each
    }


def test_who_may_is_said_of_every_operation() -> None:
    """Each operation has its own word on access: nobody asked is an empty list, and none is left to a default."""
    for document in (told.OPENAPI, openapi(TOKENS, "0.1.0", terms())):
        operations = [each for path in document["paths"].values() for each in path.values()]
        assert all("security" in each for each in operations)
        assert any(each["security"] for each in operations) == (document is not told.OPENAPI)
    assert document["paths"]["/metrics"]["get"]["security"] == [{"bearer": ["admin"]}, {"cookie": ["admin"]}]
    assert document["paths"]["/api/changes"]["get"]["security"][2] == {"ticket": ["kiosk"]}


def test_every_operation_has_a_name_of_its_own() -> None:
    """Programs that are made from the document have a function for each operation."""
    names = [each["operationId"] for path in told.OPENAPI["paths"].values() for each in path.values()]

    assert len(set(names)) == len(names)


async def test_the_server_keeps_its_word(serve: Serve) -> None:
    """Whatever is asked, as the document allows or not, the answer is one that it tells, and never a failure of the server's."""
    server = await serve(long_poll_max_seconds=1.0)
    server.publish(real_state())

    document = (await server.get("/api/openapi.json")).json

    asked = await asyncio.to_thread(ask_everything, document, str(server.url("")))

    assert asked == {path for path in document["paths"] if path not in ENDLESS}


@pytest.mark.parametrize("role", [None, Role.KIOSK, Role.ADMIN])
async def test_a_server_that_asks_for_tokens_keeps_its_word(
    serve: Serve, tmp_path: Path, role: Role | None
) -> None:
    """So it is where tokens are asked for, whoever asks; and no operation that is told to be guarded answers without a token, or with a made-up one."""
    closed = await guarded(serve, tmp_path, long_poll_max_seconds=0.5)
    document = (await closed.server.get("/api/openapi.json")).json
    shown = {} if role is None else closed.bearer(role)

    asked = await asyncio.to_thread(ask_everything, document, str(closed.server.url("")), shown, 5)

    assert asked == {path for path in document["paths"] if path not in ENDLESS}


def ask_everything(
    document: Any, url: str, headers: Mapping[str, str] | None = None, questions: int = 15
) -> set[str]:
    """Ask each operation some questions, with the headers where it wants to know who asks; the paths that were asked."""
    asked = set()
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        shown = headers if operation.definition.raw["security"] else None
        if operation.path not in ENDLESS:
            ask(operation, url, shown, GenerationMode.POSITIVE, questions)
            with suppress(Unsatisfiable):  # who takes any text cannot be asked wrongly
                ask(operation, url, shown, GenerationMode.NEGATIVE, questions)
            asked.add(operation.path)
    return asked


def ask(
    operation: Any, url: str, headers: Mapping[str, str] | None, mode: GenerationMode, questions: int
) -> None:
    @settings(
        max_examples=questions,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        response = case.call(base_url=url, timeout=10, headers=headers)
        assert response.status_code != 500, response.text
        case.validate_response(response, headers=headers, excluded_checks=UNFAIR + lenient(case))

    check()


def lenient(case: Any) -> list[Any]:
    """What cannot be held against the server, having been asked this."""
    lists = (str(value) for name, value in (case.query or {}).items() if name in LISTS)
    return [negative_data_rejection] if any("" in text.split(",") for text in lists) else []
