"""`config/grafana.json`: no Grafana opens it here. Its fields are held to Grafana's own types, its expressions to a Prometheus that scrapes a real
server, which has something to say to each.
"""

import json
import re
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.command import PATIENCE_SECONDS, serving, until_ready
from tests.upstream import Prometheus, VictoriaMetrics, running

FILE: Final = Path(__file__).parents[1] / "config" / "grafana.json"
DASHBOARD: Final[dict[str, Any]] = json.loads(FILE.read_text())
PANELS: Final[list[dict[str, Any]]] = DASHBOARD["panels"]
VARIABLES: Final[list[dict[str, Any]]] = DASHBOARD["templating"]["list"]
TARGETS: Final[list[tuple[str, dict[str, Any]]]] = [
    (panel["title"], target) for panel in PANELS for target in panel["targets"]
]
COLUMNS: Final = 24
"""Of a dashboard's grid."""

EVERY_TARGET: Final = pytest.mark.parametrize(
    ("title", "target"), TARGETS, ids=[f"{title} {target['refId']}" for title, target in TARGETS]
)


def filled(expression: str) -> str:
    """An expression as Grafana asks it, where all servers and clusters are chosen."""
    for name, value in {"$instance": ".*", "$cluster": ".*", "$__rate_interval": "1m"}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def missing(wanted: Any, found: Any, where: str = "") -> Iterator[str]:
    """The places at which `found` has not what `wanted` has."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in wanted.items():
            yield from missing(value, found.get(name), f"{where}/{name}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from missing(one, other, f"{where}/{index}")
    elif wanted != found:
        yield where


def test_every_field_is_grafanas() -> None:
    """Grafana's types, which leave out what they do not know, give the whole file back: panels, options, queries, variables."""
    plugins.register_default_plugins()
    told = json.loads(json.dumps(Dashboard.from_json(DASHBOARD), cls=JSONEncoder))

    assert list(missing(DASHBOARD, told)) == []
    assert list(missing(DASHBOARD | {"tilte": "x"}, told)) == ["/tilte"]


def test_every_unit_is_grafanas() -> None:
    """Each panel's unit is one that Grafana has."""
    known = {value for name, value in vars(units).items() if isinstance(value, str) and name[0].isupper()}

    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS} <= known


def test_panels_have_a_place_of_their_own() -> None:
    """No panel lies on another or beyond the grid, and each has a number and a title of its own, and says what it shows."""
    places = [(panel["title"], panel["gridPos"]) for panel in PANELS]
    for (one, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below, (one, other)

    assert all(place["x"] + place["w"] <= COLUMNS for _, place in places)
    assert len({panel["id"] for panel in PANELS}) == len({panel["title"] for panel in PANELS}) == len(PANELS)
    assert all(panel["description"] for panel in PANELS)


def test_the_data_source_is_chosen_by_who_looks() -> None:
    """Nothing names a data source of one installation."""
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    (source,) = (each for each in VARIABLES if each["type"] == "datasource")

    assert (source["name"], source["query"]) == ("datasource", "prometheus")
    assert all(each["datasource"] == chosen for each in (*PANELS, *(target for _, target in TARGETS)))
    assert all(each["datasource"] == chosen for each in VARIABLES if each is not source)


# -- asked for real


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that scrapes a real server, which has had a reader that left and a request that it refused."""
    folder = tmp_path_factory.mktemp("grafana")
    with serving(
        "demo", "--port", "0", "--nodes", "4", folder=folder, POLL_INTERVAL_SECONDS="0.25"
    ) as server:
        until_ready(server.url)
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{server.url}/api/nodes?cluster=nope", timeout=PATIENCE_SECONDS)
        with urlopen(f"{server.url}/api/events", timeout=PATIENCE_SECONDS) as stream:
            while b"event: snapshot\n" not in stream.readline():
                pass
        target = server.url.removeprefix("http://")
        with running(Prometheus(folder, target, job="realtime")) as program:
            # A rate needs two scrapes, and both with everything in them.
            while not asked(program, "rate(realtime_closes_total[1m])"):
                time.sleep(0.1)
            yield program


def asked(program: Prometheus | VictoriaMetrics, expression: str) -> list[dict[str, Any]]:
    """The labels of what an expression brings; fails if it is none."""
    query = urlencode({"query": expression})
    with urlopen(f"{program.url}/api/v1/query?{query}", timeout=PATIENCE_SECONDS) as answer:
        told = json.load(answer)
    assert told["status"] == "success"
    return [each["metric"] for each in told["data"]["result"]]


@EVERY_TARGET
def test_every_expression_brings_something(
    title: str, target: dict[str, Any], prometheus: Prometheus
) -> None:
    """Prometheus has an answer from a real server's figures, with the labels that the legend names."""
    found = asked(prometheus, filled(target["expr"]))

    assert found
    named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    assert all(named <= labels.keys() for labels in found)


@EVERY_TARGET
def test_victoria_metrics_takes_every_expression(
    title: str, target: dict[str, Any], victoria_metrics: VictoriaMetrics
) -> None:
    """VictoriaMetrics reads each expression too."""
    asked(victoria_metrics, filled(target["expr"]))


@pytest.mark.parametrize("variable", [each["name"] for each in VARIABLES if each["type"] == "query"])
def test_every_variable_finds_its_values(variable: str, prometheus: Prometheus) -> None:
    """What is to be chosen from is there."""
    (query,) = (each["query"] for each in VARIABLES if each["name"] == variable)
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert found

    assert found[2] == variable
    assert all(labels[variable] for labels in asked(prometheus, filled(found[1])))
    assert asked(prometheus, filled(found[1]))
