"""History as PromQL: the table of its fields, and the one query that asks for them.

Law: a row tells what was measured in its step `(t - step, t]`, and nothing where nothing was. Every
expression is understood by VictoriaMetrics 1.79 and Prometheus 2.42 alike and yields at most one series
without labels, so that neither `job` nor `instance` can come between `or`, `/` and `label_replace`.

- Timestamps are whole milliseconds, so a window of one millisecond less than the step is half-open
  everywhere: Prometheus before 3.0 also counts a sample that stands exactly at `t - step`, hence in two rows.
- A scrape every 60 s whose timestamps fall a little to either side of the grid leaves 60 s steps empty that
  nothing was wrong in: 13 of 50 with a jitter of 3 s, measured. In steps so short a row without a sample
  takes each series' last one, if it is not older than `HOLD_SECONDS`; in a count, only where no series goes on.
- One cluster may be told of by two series of everything: its exporter came back under another address (in Kubernetes with every pod), two
  scrapers store what each saw, two exporters watch one PBS server. A count is that of one of them, the one that tells more, never a sum.
  In a share such a node weighs double above the line and below it, which changes nothing while both tell of the same nodes. To count each
  node once (`max by (node)`) would serve exporters with different lists too, and take half as long again in VictoriaMetrics (0.36 s instead of 0.23
  for a week of 500 nodes, measured), more than twice as long in Prometheus (80 ms instead of 31 for an hour of 100).
- A row is the mean of instants, so that an address that served for ten minutes weighs ten minutes, not half of four hours.
- A step below 60 s would be a lie: VictoriaMetrics then repeats an older row for the last 30 s
  (`-search.maxStepForPointsAdjustment`), and in 1.79 nothing in a query lifts that.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Final

from realtime.state.grid import Grid

HOLD_SECONDS: Final = 90
"""How long one sample may stand for what came after it: the exporter's 60 s, and half of that for jitter.
Three lost scrapes leave two rows empty at least; twice the step would also hide every single lost one."""

FIELDS: Final = {
    "runningJobs": "most(qstat_total_r_jobs)",
    "queuedJobs": "most(qstat_total_q_jobs)",
    "heldJobs": "most(qstat_total_h_jobs)",
    # Of nothing there is no share: without `> 0` an instant at which every MoM is silent would make a whole row unknown in Prometheus.
    "cpuUtilization": "100 * sum(mean(pbs_node_cpus_used)) / (sum(mean(pbs_node_cpus_total)) > 0)",
    "gpuUtilization": "100 * sum(mean(pbs_node_gpus_used)) / (sum(mean(pbs_node_gpus_total)) > 0)",
    # The exporter's names, or else the seed's. Their units differ: never one's numerator over the other's
    # denominator.
    "memoryUtilization": "100 * (sum(mean(pbs_node_memory_used_gb)) / (sum(mean(pbs_node_memory_total_gb)) > 0)"
    " or sum(mean(pbs_node_mem_used)) / (sum(mean(pbs_node_mem_total)) > 0))",
    # The share of nodes that run a job, looked at repeatedly: no mean of jobs tells it.
    "nodeUtilization": "100 * sum(last(pbs_node_jobs) > bool 0) / count(last(pbs_node_jobs))",
}
"""Field → PromQL of one instant, where `most(metric)`, `mean(metric)` and `last(metric)` stand for what depends on the step and the source.
Counts, and percent of the whole cluster: ratios of sums, so that a big node weighs as much as it is."""

_MACRO: Final = re.compile(r"\b(most|mean|last)\((\w+)\)")


Labels = Mapping[str, str]

NO_LABELS: Final[Labels] = {}


def query(fields: Collection[str], grid: Grid, *, prefix: str = "", labels: Labels = NO_LABELS) -> str:
    """One PromQL query whose series are the fields, each named by its one label `field`.

    `fields` are keys of the table (a KeyError is our bug); `prefix` and `labels` are the operator's and reach
    the query as a part of a metric's name and as a string literal. Nothing of a reader's is ever part of it.
    """
    return " or ".join(
        f'label_replace({_spell(FIELDS[field], grid.step_seconds, prefix, labels)}, "field", "{field}", "", "")'
        for field in fields
    )


def selector(metric: str, *, prefix: str = "", labels: Labels = NO_LABELS) -> str:
    """One metric's series, with the labels that the operator named."""
    return f"{prefix}{metric}{{{matchers(labels)}}}" if labels else f"{prefix}{metric}"


def matchers(labels: Labels) -> str:
    """The labels as PromQL matchers."""
    return ",".join(f"{name}={literal(text)}" for name, text in labels.items())


def literal(text: str) -> str:
    """A PromQL string literal: its escapes are Go's, which JSON's are a part of, but for surrogates."""
    return json.dumps(text, ensure_ascii=False)


def _spell(template: str, step_seconds: int, prefix: str, labels: Labels) -> str:
    """Write out one template: its macros, and the mean of its instants."""
    is_short = step_seconds < HOLD_SECONDS
    # Ten instants a step are enough for a mean and bound the cost: 30 days have 43,200 minutes, and 5,000
    # nodes each.
    every_seconds = step_seconds if is_short else max(60, step_seconds // 10)
    # An instant looks back as far as the one before it, so that every sample counts, and no row borrows from the row before.
    back = f"{every_seconds * 1_000 - 1}ms"

    def spell(macro: re.Match[str]) -> str:
        series = selector(macro[2], prefix=prefix, labels=labels)
        held = f"last_over_time({series}[{HOLD_SECONDS}s])"
        if macro[1] == "last":
            return held if is_short else f"last_over_time({series}[{back}])"
        told = f"avg_over_time({series}[{back}])"
        if macro[1] == "most":
            told, held = f"max({told})", f"max({held})"
        return f"({told} or {held})" if is_short else told

    instant = _MACRO.sub(spell, template)
    return (
        instant if is_short else f"avg_over_time(({instant})[{step_seconds * 1_000 - 1}ms:{every_seconds}s])"
    )
