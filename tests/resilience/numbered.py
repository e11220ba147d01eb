"""A source whose every state is known beforehand: scrape n says exactly what scrape n says, and nothing of it can be mistaken for another's.

Each scrape changes a part of the nodes, so that diffs are diffs; from a state it can be told which scrape it is, and whether all of it is.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any, Final

from tests.upstream import Exporter, now_ms, stamped

NODES: Final = 24
EVERY: Final = 5
"""A node changes at every fifth scrape, another fifth of them each time."""

CPUS: Final = 64
GPUS: Final = 8
GUEST: Final = "gn-guest"
"""A node that comes for ten scrapes and goes for ten; after that it stays for its grace."""

ALL_SERIES: Final = 21
"""After so many scrapes each series was there once."""

GUESTS: Final = tuple(
    f'pbs_node_{metric}{{node="{GUEST}"'
    for metric in ("state", "jobs", "cpus_total", "cpus_used", "gpus_total", "gpus_used")
)
"""How the lines begin that tell of it."""

NAMES: Final = tuple(f"gn-{number:02}" for number in range(NODES))
QUEUES: Final = ("long", "short")
USERS: Final = ("ann", "bob", "cyd")


def last_change(number: int, scrape: int) -> int:
    """The scrape at which this node last changed, as of this scrape."""
    return scrape - (scrape - number) % EVERY


def node_fields(change: int) -> dict[str, Any]:
    """What readers see of a node that last changed then."""
    return {
        "state": "offline" if change % 7 == 0 else "free",
        "jobCount": change,
        "usedCpus": change % CPUS,
        "usedGpus": change % GPUS,
    }


def is_guest_there(scrape: int) -> bool:
    return scrape // 10 % 2 == 0


def page(scrape: int) -> str:
    """What the exporter says at this scrape."""
    nodes = [(name, last_change(number, scrape)) for number, name in enumerate(NAMES)]
    if is_guest_there(scrape):
        nodes.append((GUEST, last_change(NODES, scrape)))
    return "".join(f"{line}\n" for line in [*_of_nodes(nodes), *_of_jobs(scrape)])


def _of_nodes(nodes: list[tuple[str, int]]) -> Iterator[str]:
    states = [node_fields(change)["state"] for _, change in nodes]
    for state in ("free", "busy", "offline", "down"):
        yield f"pbs_node_count_{state} {states.count(state)}"
    for name, change in nodes:
        label = f'{{node="{name}"}}'
        fields = node_fields(change)
        yield f"pbs_node_state{label} {3 if fields['state'] == 'offline' else 1}"
        yield f"pbs_node_jobs{label} {fields['jobCount']}"
        yield f"pbs_node_cpus_total{label} {CPUS}"
        yield f"pbs_node_cpus_used{label} {fields['usedCpus']}"
        yield f"pbs_node_gpus_total{label} {GPUS}"
        yield f"pbs_node_gpus_used{label} {fields['usedGpus']}"


def _of_jobs(scrape: int) -> Iterator[str]:
    yield f"qstat_total_r_jobs {scrape}"
    yield f"qstat_total_q_jobs {2 * scrape}"
    for queue in QUEUES:
        yield f'qstat_running_jobs_by_queue{{queue="{queue}"}} {scrape}'
    for user in USERS:
        yield f'qstat_running_jobs_by_user{{user="{user}"}} {scrape}'


def scrape_of(state: Mapping[str, Any], told: int, globs: str = "*") -> int | None:
    """Which scrape a view's state is, if it is all of one: None if it is of none that could ever be.

    `told` is the last scrape that was told, and `globs` are those of the view. A view of a few nodes alone may be of several scrapes that say the same of them: then the first.
    """
    shown = {name for name in NAMES if any(fnmatch(name, glob) for glob in globs.split(","))}
    expected = {"nodes": shown, "queues": set(QUEUES), "users": set(USERS)}
    for topic in expected.keys() & state.keys():
        if state[topic].keys() - {GUEST} != expected[topic]:
            return None
    nodes = {name: node for name, node in state.get("nodes", {}).items() if name != GUEST}
    running = [
        each.get("runningJobs") for topic in ("queues", "users") for each in state.get(topic, {}).values()
    ]
    running += [state["summary"].get("jobs", {}).get("running")] if "summary" in state else []
    if not running:
        newest = max(node.get("jobCount", 0) for node in nodes.values())
        return next((scrape for scrape in range(newest, newest + EVERY) if _are_of(nodes, scrape)), None)
    scrape = running[0]
    if scrape is None or set(running) != {scrape}:
        return None
    whole = _are_of(nodes, scrape) and _could_be(state.get("nodes", {}).get(GUEST), told)
    return int(scrape) if whole else None


def _are_of(nodes: Mapping[str, Any], scrape: int) -> bool:
    return all(
        _has(node, node_fields(last_change(NAMES.index(name), scrape))) for name, node in nodes.items()
    )


def _could_be(guest: Mapping[str, Any] | None, told: int) -> bool:
    """Whether the guest is as some scrape told it: one that has left is shown for its grace."""
    if guest is None:
        return True
    change = guest.get("jobCount", told + 1)
    return change <= told and _has(guest, node_fields(change))


def _has(node: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return all(node.get(field) == value for field, value in fields.items())


class NumberedExporter(Exporter):
    """An exporter that counts its scrapes, and says at each what that one says."""

    def __init__(self) -> None:
        self.scrape = 0
        """The last one that was told."""
        self.recover()
        super().__init__()

    def recover(self) -> None:
        """Count again, and say all there is to say."""
        self.text: str | None = ""
        self.frozen = False
        """Whether scrapes tell the same again."""
        self.left_out: tuple[str, ...] = ()
        """How the lines begin that are left out."""
        self.stamped_ms_ago: int | None = None
        """How old the page says that its samples are; None if it says nothing of it, as exporters do."""

    def page(self) -> str | None:
        if not self.frozen:
            self.scrape += 1
        if self.text is None:
            return None
        lines = [
            line for line in page(self.scrape).splitlines(keepends=True) if not line.startswith(self.left_out)
        ]
        said = "".join(lines)
        return said if self.stamped_ms_ago is None else stamped(said, now_ms() - self.stamped_ms_ago)

    @property
    def scrape_config(self) -> str:
        """A scrape configuration for VictoriaMetrics, five times a second."""
        return (
            "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
            "scrape_configs:\n- job_name: pbs\n  honor_timestamps: true\n"
            f"  static_configs: [{{targets: ['{self.target}']}}]\n"
        )


def brief(state: Mapping[str, Any]) -> str:
    """What of a state says which scrape it is, on one line."""
    nodes = {name: node.get("jobCount") for name, node in state.get("nodes", {}).items()}
    running = {
        topic: {key: each.get("runningJobs") for key, each in state[topic].items()}
        for topic in ("queues", "users")
        if topic in state
    }
    return f"jobs {state.get('summary', {}).get('jobs')}, nodes' jobs {nodes}, running {running}"[:900]
