"""`config/alerts.yaml`, as Prometheus and vmalert read it: each alert fires when it should, not a minute before, and not when it should not."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as families

from realtime.pbs.faults import SENTENCES
from realtime.state.freshness import Quality
from realtime.web import metrics
from tests.command import PATIENCE_SECONDS, serving, until_ready
from tests.promql import metrics_of, selectors_of

ROOT: Final = Path(__file__).parents[1]
RULES: Final = ROOT / "config" / "alerts.yaml"
PROTOCOL: Final = (ROOT / "docs" / "protocol.md").read_text()
OPERATIONS: Final = (ROOT / "docs" / "operations.md").read_text()
ALERTS: Final[dict[str, dict[str, Any]]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}

HOUR: Final = 60
US: Final = 'job="realtime", instance="a:3001"'
HERE: Final = {"job": "realtime", "instance": "a:3001"}
HOPPER: Final = f'{US}, cluster="hopper"'


class Story(NamedTuple):
    """When an alert fires, a sample a minute, and when it does not."""

    alert: str
    says: str
    """Its summary, filled in."""
    labels: Mapping[str, str]
    fires: Mapping[str, str]
    """Series, in promtool's words: `1+2x3` is 1 3 5 7, `_` a sample that is not there."""
    at: int
    """The minute from which it fires."""
    quiet: Mapping[str, str]
    """Nearly the same, and nothing to be woken for in two hours."""


def steady(series: str, value: float) -> dict[str, str]:
    return {series: f"{value}x{3 * HOUR}"}


def qualities(**values: str) -> dict[str, str]:
    """The figure as it is served: 1 at one quality, 0 at all others."""
    return {
        f'realtime_quality{{{HOPPER}, quality="{each}"}}': values.get(each, f"0x{3 * HOUR}")
        for each in Quality
    }


def lag(late: int) -> dict[str, str]:
    """Of 240 looks a minute, so many found the event loop 0.1 to 0.25 s late; the others not at all."""
    name = f"realtime_event_loop_lag_seconds_bucket{{{US}"
    return {
        f'{name}, le="0.1"}}': f"0+{240 - late}x{3 * HOUR}",
        f'{name}, le="0.25"}}': f"0+240x{3 * HOUR}",
        f'{name}, le="+Inf"}}': f"0+240x{3 * HOUR}",
    }


def growing(series: str, a_minute: int, minutes: int = 3 * HOUR) -> dict[str, str]:
    """A counter that grows for so long, and then no more."""
    return {series: f"0+{a_minute}x{minutes} {a_minute * minutes}x{3 * HOUR}"}


SLOW: Final = f"realtime_slow_readers_cut_off_total{{{HOPPER}}}"
EPOCH: Final = f'realtime_subscriptions_total{{{HOPPER}, answer="epoch"}}'
FAILED: Final = f'realtime_requests_total{{{US}, method="GET", route="/api/nodes", status="500"}}'
STARTED: Final = f"process_start_time_seconds{{{US}}}"
TURNED_AWAY: Final = f"realtime_turned_away_total{{{US}}}"
OPEN_FILES: Final = f"process_open_fds{{{US}}}"
MOST_FILES: Final = f"process_max_fds{{{US}}}"


def refused(code: str) -> str:
    return f'realtime_refusals_total{{{US}, code="{code}"}}'


def faulty(code: str) -> str:
    return f'realtime_faults{{{HOPPER}, code="{code}"}}'


STORIES: Final = (
    Story(
        "RealtimeDown",
        "a:3001 does not answer",
        HERE,
        {f"up{{{US}}}": f"1x10 0x{3 * HOUR}"},
        at=13,
        # Two scrapes that are lost, and another job's target that is down.
        quiet={f"up{{{US}}}": f"1x10 0 0 1x{3 * HOUR}", 'up{job="pbs", instance="b:8888"}': f"0x{3 * HOUR}"},
    ),
    Story(
        "RealtimeAbsent",
        "no realtime is scraped, so no other rule here can speak",
        {"job": "realtime"},
        steady('up{job="pbs", instance="b:8888"}', 1),
        at=5,
        quiet=steady(f"up{{{US}}}", 0),
    ),
    Story(
        "RealtimeRestarts",
        "a:3001 was started 3 times within an hour",
        HERE,
        {STARTED: f"1000x9 2000x9 3000x9 4000x{3 * HOUR}"},
        at=30,
        quiet={STARTED: f"1000x9 2000x9 3000x{3 * HOUR}"},
    ),
    Story(
        "RealtimeNotLive",
        "hopper at a:3001: what is shown is old, incomplete or nothing",
        HERE | {"cluster": "hopper", "quality": "live"},
        qualities(live=f"1x9 0x{3 * HOUR}", partial=f"0x9 1x{3 * HOUR}"),
        at=15,
        quiet=qualities(live=f"1x9 0x3 1x{3 * HOUR}", stale=f"0x9 1x3 0x{3 * HOUR}"),
    ),
    Story(
        "RealtimeBlind",
        "hopper at a:3001: nothing new has been shown for a quarter of an hour",
        HERE | {"cluster": "hopper"},
        # First old, then out of reach: it is one outage.
        qualities(live=f"1x9 0x{3 * HOUR}", stale=f"0x9 1x4 0x{3 * HOUR}", down=f"0x14 1x{3 * HOUR}"),
        at=25,
        quiet=qualities(partial=f"1x{3 * HOUR}"),
    ),
    Story(
        "RealtimeSourceFault",
        "hopper at a:3001: the source is FROZEN",
        HERE | {"cluster": "hopper", "code": "FROZEN"},
        {faulty("FROZEN"): f"_x9 1x{3 * HOUR}"},
        at=14,
        quiet=steady(faulty("TRUNCATED_NAMES"), 1),
    ),
    Story(
        "RealtimeEventLoopLate",
        "a:3001 has more to do than it can: its event loop is 205ms late",
        HERE,
        lag(late=8),
        # Two samples make the first rate.
        at=11,
        quiet=lag(late=2),
    ),
    Story(
        "RealtimeOpenFiles",
        "a:3001 has 85% of its open files: soon nobody can connect",
        HERE,
        steady(OPEN_FILES, 850) | steady(MOST_FILES, 1000),
        at=5,
        quiet=steady(OPEN_FILES, 800) | steady(MOST_FILES, 1000)
        | steady('process_open_fds{job="else"}', 99) | steady('process_max_fds{job="else"}', 100),
    ),
    Story(
        "RealtimeTurnsAway",
        "a:3001 resets new connections: it may open too few files",
        HERE,
        growing(TURNED_AWAY, 1),
        at=1,
        quiet=steady(TURNED_AWAY, 7),
    ),
    Story(
        "RealtimeFails",
        "a:3001 failed at GET /api/nodes: this is its own fault, and its log says where",
        HERE | {"method": "GET", "route": "/api/nodes", "status": "500"},
        # The first failure of all.
        {FAILED: f"_x9 1x{3 * HOUR}"},
        at=9,
        quiet=growing(FAILED.replace("500", "503"), 5),
    ),
    Story(
        "RealtimeSlowReaders",
        "hopper at a:3001: a network, or many screens, cannot follow",
        HERE | {"cluster": "hopper"},
        growing(SLOW, 10),
        # A rate is small until its ten minutes are full.
        at=17,
        quiet=growing(SLOW, 5),
    ),
    Story(
        "RealtimeOtherEpoch",
        "hopper at a:3001: readers keep coming from another server, as if two had one name",
        HERE | {"cluster": "hopper", "answer": "epoch"},
        growing(EPOCH, 90),
        at=14,
        # A restart under ten thousand readers.
        quiet=growing(EPOCH, 10_000, minutes=1),
    ),
    Story(
        "RealtimeRefusesReaders",
        "a:3001 turns readers away: overloaded",
        HERE | {"code": "overloaded"},
        growing(refused("overloaded"), 10),
        at=14,
        # Who sends no token, and one who knocks now and then.
        quiet=growing(refused("no_token"), 500) | growing(refused("overloaded"), 5),
    ),
    Story(
        "RealtimeNoKeys",
        "a:3001 cannot check tokens: the identity provider's keys are not to be had",
        HERE | {"code": "no_keys"},
        growing(refused("no_keys"), 1),
        at=6,
        quiet=growing(refused("bad_token"), 50) | growing(refused("no_keys"), 1, minutes=1),
    ),
)  # fmt: skip


def test_every_alert_has_its_story() -> None:
    """No alert is there of which it is not shown when it fires."""
    assert [story.alert for story in STORIES] == list(ALERTS)


def test_prometheus_and_vmalert_take_the_rules() -> None:
    """Both find nothing wrong with the file."""
    for command in (["promtool", "check", "rules", str(RULES)], ["vmalert", f"-rule={RULES}", "-dryRun"]):
        checked = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.alert)
def test_it_fires_in_its_time_and_not_else(story: Story, tmp_path: Path) -> None:
    """The alert fires at its minute and says what is wrong; it does not the minute before, nor at any time when all is well."""
    rule = ALERTS[story.alert]
    firing = {
        "exp_labels": {**story.labels, **rule["labels"]},
        "exp_annotations": rule["annotations"] | {"summary": story.says},
    }

    def expect(minute: int, *alerts: Any) -> dict[str, Any]:
        return {"eval_time": f"{minute}m", "alertname": story.alert, "exp_alerts": list(alerts)}

    def test(series: Mapping[str, str], *expected: Any) -> dict[str, Any]:
        samples = [{"series": name, "values": values} for name, values in series.items()]
        return {"interval": "1m", "input_series": samples, "alert_rule_test": list(expected)}

    path = tmp_path / "story.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "1m",
                "tests": [
                    test(story.fires, expect(story.at - 1), expect(story.at, firing)),
                    test(story.quiet, *map(expect, range(2 * HOUR))),
                ],
            }
        )
    )
    told = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, timeout=50, check=False
    )

    assert told.returncode == 0, told.stdout + told.stderr


# -- true of a real server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every name of a sample that a real server may serve."""
    with serving("demo", "--port", "0", "--nodes", "4", folder=tmp_path_factory.mktemp("demo")) as server:
        until_ready(server.url)
        with urlopen(f"{server.url}/metrics", timeout=PATIENCE_SECONDS) as answer:
            text = answer.read().decode()
    # A family that has no sample yet is there by name.
    return {
        family.name + ending
        for family in families(text)
        for ending in {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(
            family.type, ("",)
        )
    }


OWN_LABELS: Final = {
    f"realtime_{family.name}": {*family.labels, *of_cluster}
    for table, of_cluster in (
        (metrics.OF_CLUSTER, {"cluster"}),
        (metrics.OF_AUDIENCE, {"cluster"}),
        (metrics.OF_POLLS, {"cluster"}),
        (metrics.OF_DOOR, set[str]()),
    )
    for family in table
}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_figure_is_served(alert: str, served: set[str]) -> None:
    """What a rule looks at, a real server serves, with the labels by which it chooses; `up` is Prometheus's own."""
    used = metrics_of(ALERTS[alert]["expr"])

    assert used
    assert used - {"up"} <= served
    for name, label, _ in selectors_of(ALERTS[alert]["expr"]):
        family = re.sub(r"_(total|bucket)$", "", name)
        assert label in OWN_LABELS.get(family, set()) | {"job"}


def test_every_value_is_one_that_there_is() -> None:
    """What a rule chooses by is a value that the figure can have."""
    known = {
        "job": {"realtime"},
        "quality": {each.value for each in Quality},
        "code": SENTENCES.keys() | set(re.findall(r"^\| `(\w+)` \| \d", PROTOCOL, re.MULTILINE)),
        "answer": {"epoch"} & set(re.findall(r"^\| `(\w+)` \|", PROTOCOL, re.MULTILINE)),
        "status": {"500"},
    }
    for rule in ALERTS.values():
        for _, label, value in selectors_of(rule["expr"]):
            assert set(value.split("|")) <= known[label], rule["alert"]


# -- in the documents


def test_every_alert_is_in_the_documents_and_the_reverse() -> None:
    """docs/operations.md has a row for each alert, in the order of the rules, with the time and the severity that it has."""
    rows = re.findall(r"^\| `(Realtime\w+)` \| (?:(\d+) min)? ?\| (\w+) \|", OPERATIONS, re.MULTILINE)

    assert rows == [
        (name, rule.get("for", "").removesuffix("m"), rule["labels"]["severity"])
        for name, rule in ALERTS.items()
    ]


@pytest.mark.parametrize("alert", ALERTS)
def test_the_page_is_there(alert: str) -> None:
    """The page that an alert names has the heading."""
    path, _, anchor = ALERTS[alert]["annotations"]["page"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.MULTILINE)

    assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_job_is_the_one_that_is_told() -> None:
    """The scrape's configuration in docs/operations.md gives the job the name that the rules look for, and takes the rules in."""
    (block,) = (
        yaml.safe_load(each)
        for each in re.findall(r"^```yaml\n(.*?)^```", OPERATIONS, re.MULTILINE | re.DOTALL)
        if "scrape_configs" in each
    )

    assert [each["job_name"] for each in block["scrape_configs"]] == ["realtime"]
    assert len(block["rule_files"]) == 1
    jobs = {
        value for rule in ALERTS.values() for _, label, value in selectors_of(rule["expr"]) if label == "job"
    }
    assert jobs == {"realtime"}


def test_the_faults_are_those_that_the_pages_are_loud_about() -> None:
    """Whoever looks at a screen and whoever is woken hear of the same faults."""
    freshness = (ROOT / "realtime" / "dashboard" / "src" / "freshness.js").read_text()
    loud = re.search(r"const LOUD = new Set\(\[(.*?)\]\)", freshness)
    (codes,) = (value for _, _, value in selectors_of(ALERTS["RealtimeSourceFault"]["expr"]))

    assert loud
    assert set(codes.split("|")) == set(re.findall(r"\w+", loud[1]))
