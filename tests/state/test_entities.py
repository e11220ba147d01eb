"""What an entity of each topic holds."""

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import realtime
from realtime.pbs.dialect import ENCODINGS
from realtime.pbs.nodes import CLASSES
from realtime.source.simulator import SimulatedCluster
from realtime.state import entities
from realtime.state.view import TOPICS
from tests import told
from tests.pbs.assembled import Cluster, capture

PROTOCOL = (Path(realtime.__file__).parents[1] / "docs" / "protocol.md").read_text()
STATE = {"$ref": "#/components/schemas/State"}


def test_every_topic_has_its_entities() -> None:
    """The types name the topics that a view can have, and no other."""
    assert get_args(entities.Topic) == TOPICS
    assert tuple(get_type_hints(entities.State)) == TOPICS


def test_every_state_of_a_node_is_named() -> None:
    """The types name the states that a node can have, and every dialect."""
    assert set(get_args(entities.NodeState)) == set(CLASSES.values())
    hint = get_type_hints(entities.Exporter)["dialect"]
    assert set(get_args(hint)) >= set(ENCODINGS)


@pytest.mark.parametrize("name", ["at-1794166412", "at-1794934410", "at-1795366406"])
def test_what_a_real_exporter_said_is_as_told(name: str) -> None:
    """Each entity made of a real exporter's page has the fields that the types name, of their types, and no other."""
    told.check("openapi", STATE, Cluster().read(capture(name)))


def test_a_simulated_cluster_is_as_told() -> None:
    """So has each entity of the simulated cluster, through a hundred ticks."""
    simulated, cluster = SimulatedCluster(40, seed=3, pace=0.2), Cluster()
    for tick in range(100):
        now_ms = 1_795_366_406_000 + 15_000 * tick
        simulated.advance(now_ms)
        told.check("openapi", STATE, cluster.read(simulated.exposition(timestamps=True).decode(), now_ms))


def test_every_field_is_in_the_protocol() -> None:
    """Each field of each topic's entities stands in the topic's section, and each that a table there lists is one of the entities'."""
    for topic, of_topic in get_type_hints(entities.State).items():
        section = PROTOCOL.split(f"### `{topic}`\n")[1].split("\n### ")[0].split("\n## ")[0]
        kinds = get_type_hints(of_topic).values() if topic == "summary" else [get_args(of_topic)[1]]
        fields = {field for kind in kinds for field in get_type_hints(kind)}
        listed = {
            field
            for row in re.findall(r"^\| (`[^|]*`) \|", section.split("| `code` of a fault")[0], re.MULTILINE)
            for field in re.findall(r"`(\w+)`", row)
        }

        assert {field for field in fields if f"`{field}`" not in section} == set()
        assert listed <= fields | set(get_type_hints(entities.Summary) if topic == "summary" else ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodes": {"a": {"id": "a", "name": "a"}}},
        {"nodes": {"a": {"id": "a", "name": "a", "state": "idle"}}},
        {"nodes": {"a": {"id": "a", "name": "a", "state": "free", "usedGpus": None}}},
        {"nodes": {"a": {"id": "a", "name": "a", "state": "free", "usedGpus": 0.5}}},
        {"nodes": {"a": {"id": "a", "name": "a", "state": "free", "gpus": 1}}},
        {"weather": {}},
    ],
)
def test_what_is_not_as_told_is_noticed(wrong: dict[str, Any]) -> None:
    """A field that is missing, null, unknown or of another type is told apart."""
    with pytest.raises(AssertionError):
        told.check("openapi", STATE, wrong)
