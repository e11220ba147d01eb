"""`realtime check`: what a server would find, cluster by cluster, before one is started."""

from dataclasses import dataclass, field
from typing import Any

from realtime.errors import SourceError
from realtime.pbs.assemble import Assembler, Policy
from realtime.source.exposition import Exposition
from realtime.source.poller import in_slices
from realtime.source.source import Source


@dataclass
class Finding:
    """What one cluster's source has to say."""

    cluster: str
    series: int = 0
    age_seconds: float | None = None
    summary: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    topics: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """Why a server could not serve this cluster."""
    warnings: list[str] = field(default_factory=list)
    """What would be served, but deserves a look."""


async def inspect(
    name: str, source: Source, policy: Policy, *, stale_after_seconds: float, now_ms: int
) -> Finding:
    """Ask a source once, as a poller would. Its failures are findings, not errors."""
    finding = Finding(name)
    try:
        newest = await source.probe()
        body = await source.fetch()
        reading = await in_slices(Exposition().read(body, now_ms if newest is None else newest))
    except SourceError as error:
        finding.faults.append(str(error))
        return finding
    if source.partial:
        finding.faults.append("part of the source's storage is missing; what it lists now may not be all")
        return finding
    finding.series = reading.series
    topics = await in_slices(Assembler(policy).assemble(reading.changed, [], now_ms))
    if topics is None or reading.newest is None:
        finding.faults.append(
            "the source answers, but holds no current PBS metrics: does it scrape pbs-exporter, "
            "and do PBS_EXPORTER_JOB_NAME and PBS_EXPORTER_PREFIX fit?"
        )
        return finding
    finding.age_seconds = (now_ms - reading.newest) / 1000
    finding.summary, finding.sources = topics["summary"], topics["source"]
    finding.topics = {topic: len(entities) for topic, entities in topics.items()}
    finding.warnings += _warnings(finding, stale_after_seconds)
    return finding


def _warnings(finding: Finding, stale_after_seconds: float) -> list[str]:
    warnings = []
    age = finding.age_seconds or 0.0
    if age > stale_after_seconds:
        warnings.append(f"the newest sample is {age:.0f} s old: is the exporter still scraped?")
    if age < -1:
        warnings.append(
            f"the newest sample is {-age:.0f} s in the future: compare the clocks of this host and the source's"
        )
    if not finding.topics.get("nodes"):
        warnings.append("there is not one node: does pbsnodes work where the exporter runs?")
    if len(finding.sources) > 1:
        names = ", ".join(finding.sources)
        warnings.append(
            f"{len(finding.sources)} exporters report ({names}); only the first is believed. "
            "If they watch different clusters, list these under `clusters`, each with its job name"
        )
    warnings.extend(
        f"the node state encoding of {name} could not be told from its data; pbs-exporter's is assumed"
        for name, source in finding.sources.items()
        if source["decidedBy"] == "assumed"
    )
    return warnings
