"""The HTTP side as an OpenAPI document."""

import asyncio
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests import told
from tests.web.served import Serve, real_state

ENDLESS = ("/api/ws", "/api/events")
"""Streams, which no request of a robot's ends; the stories of conformance read them."""

UNFAIR: Any = [positive_data_acceptance, not_a_server_error]
"""That a text is printable cannot be told in a pattern that all tools read; and 501 and 503 are answers here."""


def test_it_is_openapi() -> None:
    """The document is one of OpenAPI 3.1."""
    validate(told.OPENAPI)
    assert told.OPENAPI["openapi"] == "3.1.0"


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


def ask_everything(document: Any, url: str) -> set[str]:
    """Ask each operation some questions; the paths that were asked."""
    asked = set()
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if operation.path not in ENDLESS:
            ask(operation, url, GenerationMode.POSITIVE)
            with suppress(Unsatisfiable):  # who takes any text cannot be asked wrongly
                ask(operation, url, GenerationMode.NEGATIVE)
            asked.add(operation.path)
    return asked


def ask(operation: Any, url: str, mode: GenerationMode) -> None:
    @settings(
        max_examples=15,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        response = case.call(base_url=url, timeout=10)
        assert response.status_code != 500, response.text
        case.validate_response(response, excluded_checks=UNFAIR)

    check()
