"""Which clusters report to one source, told by their labels.

Law: a reading under labels that are not known is not shown before the source was asked whose they are. So two clusters are not mixed into one, be
the second one's exporter up only later, and be the source unable to say. Labels that are no exporter's by the source's word, as those of rules, are
waited for like the rest of a scrape (see `doubt.py`), and then shown.
"""

import asyncio
import re

from realtime.config import Cluster
from realtime.source.sample import Group
from realtime.source.source import Source


class Census:
    """Finds which clusters report to a source, where the configuration names none."""

    def __init__(self, cluster: Cluster, source: Source) -> None:
        self._cluster = cluster
        self._source = source
        self._known: set[Group] = set()
        self._strangers: set[Group] = set()
        self._clusters: tuple[Cluster, ...] = ()
        self._found = asyncio.Event()

    async def strangers(self, groups: set[Group]) -> int:
        """How many groups were read of which the source knows no exporter: those of rules, or of a scrape that is visible only in part.

        Does not return once there are several clusters: their reading is not for one. Raises SourceError.
        """
        if not groups <= self._known:
            told = await self._source.groups()
            # Not added to what was known: who has left is another one when it comes back.
            self._known = {(each["cluster"], each["job"]) for each in told}
            self._strangers = (self._strangers | groups) - self._known
            self._clusters = split(self._cluster, told)
        if self._clusters:
            self._found.set()
            await asyncio.Event().wait()
        return len(self._strangers)

    async def several(self) -> tuple[Cluster, ...]:
        """The clusters, once there is more than one."""
        await self._found.wait()
        return self._clusters


def split(cluster: Cluster, groups: list[dict[str, str]]) -> tuple[Cluster, ...]:
    """One cluster a `cluster` label, or `job` label where there is no other; none if that makes but one."""
    selectors = {
        (each["cluster"] or each["job"], not each["cluster"]): {"cluster": each["cluster"]}
        if each["cluster"]
        else {"cluster": "", "job": each["job"]}
        for each in groups
    }
    if len(selectors) < 2:
        return ()
    names: dict[str, tuple[str, bool]] = {}
    for label in sorted(selectors):
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", label[0]).strip("-._")[:60] or "unlabelled"
        while name in names:
            name += "-"
        names[name] = label
    return tuple(
        cluster.model_copy(update={"name": name, "pbs_exporter_labels": selectors[label]})
        for name, label in names.items()
    )
