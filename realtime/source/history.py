"""History as PromQL: the table of its fields, and the one query that asks for them.

Law: a row tells what was measured in its step `(t - step, t]`, and nothing where nothing was. Every
expression is understood by VictoriaMetrics 1.79 and Prometheus 2.42 alike and yields at most one series
without labels, so that neither `job` nor `instance` can come between `or`, `/` and `label_replace`.

- Timestamps are whole milliseconds, so a window of one millisecond less than the step is half-open
  everywhere: Prometheus before 3.0 also counts a sample that stands exactly at `t - step`, hence in two rows.
- A scrape every 60 s whose timestamps fall a little to either side of the grid leaves 60 s steps empty that
  nothing was wrong in: 13 of 50 with a jitter of 3 s, measured. In steps so short a row without a sample
  takes each series' last one, if it is not older than `HOLD_SECONDS`.
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
    "runningJobs": "sum(mean(qstat_total_r_jobs))",
    "queuedJobs": "sum(mean(qstat_total_q_jobs))",
    "heldJobs": "sum(mean(qstat_total_h_jobs))",
    "cpuUtilization": "100 * sum(mean(pbs_node_cpus_used)) / sum(mean(pbs_node_cpus_total))",
    "gpuUtilization": "100 * sum(mean(pbs_node_gpus_used)) / sum(mean(pbs_node_gpus_total))",
    # The exporter's names, or else the seed's. Their units differ: never one's numerator over the other's
    # denominator.
    "memoryUtilization": "100 * (sum(mean(pbs_node_memory_used_gb)) / sum(mean(pbs_node_memory_total_gb))"
    " or sum(mean(pbs_node_mem_used)) / sum(mean(pbs_node_mem_total)))",
    # No rollup counts nodes, so this is a mean of instants: the share of nodes that run a job, looked at
    # repeatedly.
    "nodeUtilization": "100 * avg_over_time("
    "(sum(last(pbs_node_jobs) > bool 0) / count(last(pbs_node_jobs)))instants)",
}
"""Field → PromQL, where `mean(metric)`, `last(metric)` and `instants` stand for what depends on the step and
the source. Counts, and percent of the whole cluster: ratios of sums, so that a big node weighs as much as it
is."""

_MACRO: Final = re.compile(r"\b(mean|last)\((\w+)\)|(instants)\b")


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
    """Write out the macros of one template."""
    window = f"{step_seconds * 1_000 - 1}ms"
    held = step_seconds < HOLD_SECONDS
    # Ten instants a step are enough for a mean and bound the cost: 30 days have 43,200 minutes, and 5,000
    # nodes each.
    every_seconds = step_seconds if held else max(60, step_seconds // 10)
    # An instant looks back as far as the one before it, so that no row borrows from the row before.
    back = f"{HOLD_SECONDS}s" if held else f"{every_seconds * 1_000 - 1}ms"

    def spell(macro: re.Match[str]) -> str:
        if macro[3]:
            return f"[{window}:{every_seconds}s]"
        series = selector(macro[2], prefix=prefix, labels=labels)
        if macro[1] == "last":
            return f"last_over_time({series}[{back}])"
        mean = f"avg_over_time({series}[{window}])"
        return f"({mean} or last_over_time({series}[{HOLD_SECONDS}s]))" if held else mean

    return _MACRO.sub(spell, template)
