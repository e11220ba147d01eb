"""The table of what every route takes and answers."""

import re
from pathlib import Path
from typing import Any

import pytest

from realtime import web
from realtime.config import Settings
from realtime.web.operations import HEADERS, Operation, operations
from realtime.web.routes import ROUTES

TABLE = operations(Settings.model_construct())


def test_every_route_is_documented_and_the_reverse() -> None:
    """The table of operations has the routes of the URL table, and no other."""
    assert set(TABLE) == {(route.method, route.path) for route in ROUTES}


def test_every_parameter_is_documented_and_the_reverse() -> None:
    """What handlers read from a query is in the table, and nothing else is; the gate's ticket is a scheme of access."""
    read = set()
    for path in Path(str(web.__file__)).parent.glob("*.py"):
        read |= set(re.findall(r'query(?:\.get\(|, )"(\w+)"', path.read_text()))

    assert read == {each.name for told in TABLE.values() for each in told.takes if each.place == "query"}


@pytest.mark.parametrize("key", TABLE, ids=" ".join)
def test_an_operation_is_whole(key: tuple[str, str]) -> None:
    """Each names what is in its path, and only headers that are told."""
    told: Operation = TABLE[key]
    in_path = [each.name for each in told.takes if each.place == "path"]

    assert in_path == re.findall(r"\{(\w+)\}", key[1])
    assert set(told.headers) <= set(HEADERS)
    assert set(told.alike) <= set(told.others)


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("nodes", {"maxItems": 5, "items": {"type": "string", "minLength": 1, "maxLength": 9}}),
        ("wait", {"minimum": 0, "maximum": 7}),
    ],
)
def test_the_limits_are_the_servers(name: str, limits: dict[str, Any]) -> None:
    """What the configuration limits is told as it is limited."""
    settings = Settings.model_construct(max_globs=5, max_glob_length=9, long_poll_max_seconds=7.9)
    schemas = [each.schema for each in operations(settings)["GET", "/api/changes"].takes if each.name == name]

    assert [{field: schema[field] for field in limits} for schema in schemas] == [limits]
