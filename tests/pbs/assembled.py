"""Reads text through the real parser into the assembler, as the poller does."""

import re
from pathlib import Path
from typing import Any

from realtime.pbs.assemble import Assembler, Policy
from realtime.source.exposition import Exposition
from tests import told
from tests.steps import finish

Topics = dict[str, dict[str, dict[str, Any]]]

METRICS = Path(__file__).parent.parent / "data" / "metrics"

START = 1_795_366_406_000
SCRAPE_MS = 15_000
GRACE_MS = 150_000


class Cluster:
    """One cluster as it is read again and again."""

    def __init__(self, **keys: Any) -> None:
        self.exposition = Exposition()
        self.assembler = Assembler(Policy(**keys))
        self.now_ms = START

    def read(self, text: str, now_ms: int = 0) -> Topics:
        """Look, at a moment; samples without a timestamp are of that moment."""
        reading = finish(self.exposition.read(text.encode(), now_ms or 1))
        topics = finish(self.assembler.assemble(reading.changed, reading.gone, now_ms))
        assert topics is not None
        told.check("openapi", {"$ref": "#/components/schemas/State"}, topics)
        return topics

    def scrape(self, *texts: str, after_ms: int = SCRAPE_MS) -> Topics:
        """Look at a new scrape, or at several one after the other; all that is answered is the last."""
        for text in texts:
            self.now_ms += after_ms
            topics = self.read(stamped(text, self.now_ms - 1_000), self.now_ms)
        return topics

    def look_again(self, text: str, after_ms: int = 5_000) -> Topics:
        """Look again at the scrape that was looked at last."""
        newest = max(exporter.newest for exporter in self.assembler._exporters.values())
        self.now_ms += after_ms
        return self.read(stamped(text, newest), self.now_ms)

    @property
    def partial(self) -> bool:
        return self.assembler.partial


def capture(name: str) -> str:
    return (METRICS / f"{name}.txt").read_text()


def read(text: str, **keys: Any) -> Topics:
    return Cluster(**keys).read(text)


def stamped(text: str, at_ms: int) -> str:
    """The text with its timestamps."""
    return re.sub(r"(?m)^([^#\n].*)$", rf"\1 {at_ms}", text)


def labelled(text: str, **labels: str) -> str:
    """The text with more labels on every series."""
    inner = ",".join(f'{name}="{value}"' for name, value in labels.items())
    text = re.sub(r"(?m)^(\w+)\{", rf"\1{{{inner},", text)
    return re.sub(r"(?m)^(\w+) (\S+)$", rf"\1{{{inner}}} \2", text)


def without(text: str, pattern: str) -> str:
    """The text without the lines that begin so."""
    return re.sub(rf"(?m)^{pattern}.*\n", "", text)


NODES = r"pbs_node_(?!count_)\w+\{"
"""Lines that the exporter empties before it runs pbsnodes."""

LISTING = r"qstat_(jobs_by_status|jobs_in_queue|running_jobs_by_queue|running_jobs_by_user)\{"
"""Lines that it empties before it runs qstat -t."""


def faults(topics: Topics, key: str = "unlabelled") -> list[str]:
    """The codes of an exporter's faults."""
    return [fault["code"] for fault in topics["source"][key].get("faults", [])]


def node_text(name: str, code: int | None = 1, **readings: float) -> str:
    """A node's lines."""
    lines = [f'pbs_node_{metric}{{node="{name}"}} {value}' for metric, value in readings.items()]
    lines += [] if code is None else [f'pbs_node_state{{node="{name}"}} {code}']
    return "\n".join(lines) + "\n"


FULL = {"cpus_total": 112, "cpus_used": 112, "gpus_total": 8, "gpus_used": 8, "jobs": 3}
HALF = {"cpus_total": 112, "cpus_used": 56, "gpus_total": 8, "gpus_used": 4, "jobs": 1}
IDLE = {"cpus_total": 112, "cpus_used": 0, "gpus_total": 8, "gpus_used": 0, "jobs": 0}
