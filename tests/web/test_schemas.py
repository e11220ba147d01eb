"""The types as JSON Schema."""

from realtime.stream.protocol import COMMANDS, MESSAGES, NEWS
from realtime.web.bodies import NodeRow
from realtime.web.schemas import BODIES, needed, ref, schemas


def test_every_type_has_its_schema_with_words() -> None:
    """Each body, message and command is there under its name, as an object that is described."""
    for kind in (*BODIES, *MESSAGES, *COMMANDS):
        told = schemas()[kind.__name__]
        assert told["type"] == "object"
        assert told["description"]


def test_words_below_a_field_describe_it() -> None:
    """What stands below a field is its description, a unit for instance."""
    told = schemas()["NodeRow"]["properties"]

    assert told["stateSince"]["description"].startswith("Epoch ms")
    assert "title" not in told["stateSince"]


def test_what_may_be_unknown_is_not_required() -> None:
    """Only what is always there is required, and null is no stand-in for what is not."""
    told = schemas()["Node"]

    assert told["required"] == ["id", "name", "state"]
    assert told["properties"]["usedGpus"] == {"type": "integer"}


def test_references_lead_to_what_is_there() -> None:
    """A type, a list of one and a choice are told by reference, and what they lead to is collected, however far."""
    assert ref(NodeRow) == {"$ref": "#/components/schemas/NodeRow"}
    assert ref(list[NodeRow]) == {"type": "array", "items": ref(NodeRow)}
    assert list(needed(ref(list[NodeRow]))) == ["NodeRow"]
    assert {"Snapshot", "Diff", "State", "Node", "Fault"} <= set(needed(ref(NEWS)))
    assert "Health" not in needed(ref(NEWS))
