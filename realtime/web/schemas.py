"""The types of bodies and messages as JSON Schema (2020-12), which is what OpenAPI 3.1 and AsyncAPI 3.0 hold. The words of a docstring, and
those below a field, become descriptions.
"""

from functools import cache
from typing import Any, Final, get_args

from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from realtime.state.entities import GpuUsage
from realtime.stream.protocol import COMMANDS, MESSAGES
from realtime.web.bodies import (
    Alive,
    ClusterHealth,
    Health,
    JobHistory,
    Jobs,
    Login,
    NodeRow,
    Problem,
    QueueRow,
    ResourceHistory,
    ScreenRow,
    Session,
    Stats,
    Ticket,
    ViewState,
)

BODIES: Final = (
    Alive, ClusterHealth, Health, JobHistory, Jobs, Login, NodeRow, Problem, QueueRow, ResourceHistory, ScreenRow, Session, Stats,
    Ticket, ViewState,
)  # fmt: skip

HEIRS: Final[tuple[Any, ...]] = (GpuUsage, JobHistory, NodeRow, QueueRow, ResourceHistory, Session)
"""Types that have the fields of another."""

PLACE: Final = "#/components/schemas/"
"""Where both documents keep their schemas."""


class _Untitled(GenerateJsonSchema):
    """Without a title for each field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 — pydantic's signature
        return False


@cache
def schemas() -> dict[str, Any]:
    """Every type by its name."""
    found = _told((*BODIES, *MESSAGES, *COMMANDS, *HEIRS))
    # pydantic reads the words of a class, not those that it inherits.
    for kind in HEIRS:
        (base,) = kind.__orig_bases__
        inherited = _told((base,))[base.__name__]["properties"]
        for name, field in inherited.items():
            found[kind.__name__]["properties"][name] = field
    return found


def _told(kinds: Any) -> dict[str, Any]:
    types = TypeAdapter(tuple[kinds], config=ConfigDict(use_attribute_docstrings=True))
    found: dict[str, Any] = types.json_schema(ref_template=PLACE + "{model}", schema_generator=_Untitled)[
        "$defs"
    ]
    return found


def ref(kind: Any) -> dict[str, Any]:
    """What stands for a type, for a list of it, for one of several, or for any object."""
    if kind is None:
        return {"type": "object"}
    if isinstance(kind, tuple):
        return {"oneOf": [ref(each) for each in kind]}
    (of,) = get_args(kind) or (None,)
    if of is not None:
        return {"type": "array", "items": ref(of)}
    assert kind.__name__ in schemas()  # noqa: S101 — a type that is missing above
    return {"$ref": PLACE + kind.__name__}


def needed(document: Any) -> dict[str, Any]:
    """The schemas that a document speaks of, and those of which these speak."""
    found: dict[str, Any] = {}
    asked = list(_refs(document))
    while asked:
        name = asked.pop()
        if name not in found:
            found[name] = schemas()[name]
            asked.extend(_refs(found[name]))
    return dict(sorted(found.items()))


def _refs(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = value.get("$ref", "")
        return [own.removeprefix(PLACE)] * own.startswith(PLACE) + [
            name for each in value.values() for name in _refs(each)
        ]
    return [name for each in value for name in _refs(each)] if isinstance(value, list) else []
