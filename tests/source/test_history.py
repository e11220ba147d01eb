"""History, asked of the two programs that it must be the same in."""

import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import NamedTuple

import pytest

from realtime.config import Cluster
from realtime.source.history import FIELDS, HOLD_SECONDS, query
from realtime.source.victoria import Victoria
from realtime.state.grid import TIME_RANGES, Grid, grid_of
from tests.upstream import Prometheus, VictoriaMetrics

END = int(time.time()) // 14_400 * 14_400 - 14_400
"""A row's instant on every grid, and long enough ago that nothing is still on its way."""


class Taken(NamedTuple):
    """One sample, so many seconds before END."""

    metric: str
    before_end: float
    value: float | str
    labels: str = ""
    instance: str = "pbs:8888"


@pytest.fixture(params=["VictoriaMetrics", "Prometheus"])
async def remember(
    request: pytest.FixtureRequest,
    victoria_metrics: VictoriaMetrics,
    start_prometheus: Callable[..., Prometheus],
    job_name: str,
) -> AsyncIterator[Callable[..., Victoria]]:
    """A source that took these samples; it has others too, of another job."""
    opened: list[Victoria] = []

    def remember(taken: Iterable[Taken], *, job: str = job_name, prefix: str = "") -> Victoria:
        lines = [
            f'{prefix}{one.metric}{{job="{label}",instance="{one.instance}"{one.labels}}} {value} {at}\n'
            for label, factor in (
                (job.replace("\\", "\\\\").replace('"', '\\"'), 1),
                (f"not-{job_name}", 1_000),
            )
            for one in taken
            for value in [one.value if isinstance(one.value, str) else one.value * factor]
            for at in [round((END - one.before_end) * 1_000)]
        ]
        if request.param == "Prometheus":
            url = start_prometheus(backfill="".join(lines)).url
        else:
            victoria_metrics.import_text("".join(lines))
            victoria_metrics.flush()
            url = victoria_metrics.url
        cluster = Cluster(
            name="test", prometheus_url=url, pbs_exporter_job_name=job, pbs_exporter_prefix=prefix
        )
        opened.append(Victoria(cluster, 1 << 20))
        return opened[-1]

    yield remember
    for victoria in opened:
        await victoria.close()


Remember = Callable[..., Victoria]


def on_nodes(metric: str, before_end: float, *values: float) -> list[Taken]:
    return [Taken(metric, before_end, value, f',node="n{n}"') for n, value in enumerate(values)]


async def test_a_row_is_the_mean_over_its_step_and_not_its_last_sample(remember: Remember) -> None:
    """Five samples of one step make one number, their mean, and the step after them nothing."""
    taken = [Taken("qstat_total_r_jobs", 590 - 60 * n, value) for n, value in enumerate((10, 20, 30, 40, 90))]
    told = await remember(taken).history(["runningJobs"], Grid(END, 300, 3))
    assert told == {"runningJobs": [None, 38.0, None]}


async def test_a_sample_on_the_grid_counts_in_one_row(remember: Remember) -> None:
    """What was measured at t belongs to the row at t, and not to the next one as well."""
    taken = [Taken("qstat_total_q_jobs", before_end, before_end / 300) for before_end in (900, 600, 300, 0)]
    told = await remember(taken).history(["queuedJobs"], Grid(END, 300, 4))
    assert told == {"queuedJobs": [3.0, 2.0, 1.0, 0.0]}


async def test_scrapes_that_jitter_around_the_grid_leave_no_holes(remember: Remember) -> None:
    """A scrape every 60 s fills every row of a 60 s grid, although a sixth of the steps hold no sample."""
    moments = random.Random(7)
    offsets = [60 * n + moments.uniform(-3, 3) for n in range(62)]
    grid = Grid(END, 60, 60)
    empty = sum(not any(60 * n <= offset < 60 * (n + 1) for offset in offsets) for n in range(60))
    told = await remember([Taken("qstat_total_h_jobs", offset, 7) for offset in offsets]).history(
        ["heldJobs"], grid
    )
    assert empty >= 10
    assert told == {"heldJobs": [7.0] * 60}


@pytest.mark.parametrize("phase", [1, 29, 31, 59])
async def test_an_outage_is_none(remember: Remember, phase: int) -> None:
    """Three lost scrapes leave two rows empty at least, and no row tells what is older than 90 s."""
    scrapes = [60 * n + phase for n in range(12) if n not in {4, 5, 6}]
    taken = [*(Taken("qstat_total_r_jobs", at, 5) for at in scrapes), *_jobs_on_one_node(scrapes)]
    told = await remember(taken).history(["runningJobs", "nodeUtilization"], Grid(END, 60, 10))
    known = [any(0 <= at - 60 * row < HOLD_SECONDS for at in scrapes) for row in reversed(range(10))]
    assert told["runningJobs"] == [5.0 if is_known else None for is_known in known]
    assert told["nodeUtilization"] == [100.0 if is_known else None for is_known in known]
    assert known.count(False) in (2, 3)


def _jobs_on_one_node(scrapes: Iterable[int]) -> list[Taken]:
    return [one for at in scrapes for one in on_nodes("pbs_node_jobs", at, 2)]


async def test_a_longer_step_borrows_nothing_from_the_one_before(remember: Remember) -> None:
    """On a 5-minute grid a sample one second before a row is not told in the next one, in any field."""
    taken = [Taken("qstat_total_r_jobs", 301, 5), *_jobs_on_one_node([301])]
    told = await remember(taken).history(["runningJobs", "nodeUtilization"], Grid(END, 300, 3))
    assert told == {"runningJobs": [None, 5.0, None], "nodeUtilization": [None, 100.0, None]}


async def test_utilisation_is_a_ratio_of_sums(remember: Remember) -> None:
    """A full node of 10 CPUs beside an idle one of 90 is 10 percent, not the mean of 100 and 0."""
    taken = [
        *on_nodes("pbs_node_cpus_used", 100, 10, 0),
        *on_nodes("pbs_node_cpus_total", 100, 10, 90),
        *on_nodes("pbs_node_gpus_used", 100, 3, 0),
        *on_nodes("pbs_node_gpus_total", 100, 4, 4),
    ]
    told = await remember(taken).history(["cpuUtilization", "gpuUtilization"], Grid(END, 300, 2))
    assert told == {"cpuUtilization": [None, 10.0], "gpuUtilization": [None, 37.5]}


async def test_memory_is_read_by_either_name(remember: Remember) -> None:
    """The seed's names serve where the exporter's are not, and the exporter's win where both are."""
    taken = [
        *on_nodes("pbs_node_mem_used", 400, 1_000_000),
        *on_nodes("pbs_node_mem_total", 400, 4_000_000),
        *on_nodes("pbs_node_mem_used", 100, 1_000_000),
        *on_nodes("pbs_node_mem_total", 100, 4_000_000),
        *on_nodes("pbs_node_memory_used_gb", 100, 60),
        *on_nodes("pbs_node_memory_total_gb", 100, 120),
    ]
    told = await remember(taken).history(["memoryUtilization"], Grid(END, 300, 2))
    assert told == {"memoryUtilization": [25.0, 50.0]}


async def test_node_utilisation_is_the_share_of_nodes_that_run_a_job(remember: Remember) -> None:
    """Jobs are not counted but nodes with jobs, at five instants of a 5-minute step."""
    shares = ((1, 0, 0, 0), (9, 1, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (0, 0, 0, 0))
    taken = [one for n, jobs in enumerate(shares) for one in on_nodes("pbs_node_jobs", 270 - 60 * n, *jobs)]
    told = await remember(taken).history(["nodeUtilization"], Grid(END, 300, 2))
    assert told == {"nodeUtilization": [None, 40.0]}


async def test_a_share_of_nothing_is_none(remember: Remember) -> None:
    """A cluster without GPUs has no GPU utilisation, not one of zero; infinity is no number of jobs."""
    taken = [
        *on_nodes("pbs_node_gpus_used", 100, 0, 0),
        *on_nodes("pbs_node_gpus_total", 100, 0, 0),
        Taken("qstat_total_r_jobs", 100, "+Inf"),
        Taken("qstat_total_q_jobs", 100, "NaN"),
    ]
    fields = ["gpuUtilization", "runningJobs", "queuedJobs"]
    told = await remember(taken).history(fields, Grid(END, 300, 1))
    assert told == {field: [None] for field in fields}


@pytest.mark.parametrize("used", [0, 5])
async def test_an_instant_without_capacity_is_no_part_of_a_share(remember: Remember, used: int) -> None:
    """A minute in which every node tells of no CPU, as when all MoMs are silent, leaves the row to the other minutes."""
    taken = [
        one
        for minute in range(5)
        for there in [minute != 2]
        for one in (
            *on_nodes("pbs_node_cpus_used", 30 + 60 * minute, 6 if there else used),
            *on_nodes("pbs_node_cpus_total", 30 + 60 * minute, 10 if there else 0),
        )
    ]
    told = await remember(taken).history(["cpuUtilization"], Grid(END, 300, 1))
    assert told == {"cpuUtilization": [60.0]}


def _everything(before_end: float) -> list[Taken]:
    """What all fields of the table are made of; they are EVERYTHING."""
    return [
        one
        for metric in ("cpus", "gpus")
        for one in (
            *on_nodes(f"pbs_node_{metric}_used", before_end, 1),
            *on_nodes(f"pbs_node_{metric}_total", before_end, 4),
        )
    ] + [
        Taken("qstat_total_r_jobs", before_end, 1),
        Taken("qstat_total_q_jobs", before_end, 2),
        Taken("qstat_total_h_jobs", before_end, 3),
        *on_nodes("pbs_node_memory_used_gb", before_end, 1),
        *on_nodes("pbs_node_memory_total_gb", before_end, 2),
        *on_nodes("pbs_node_jobs", before_end, 1),
    ]


EVERYTHING = [1.0, 2.0, 3.0, 25.0, 25.0, 50.0, 100.0]


async def test_all_fields_come_in_one_answer(remember: Remember) -> None:
    """Every field of the table, in the order asked for, on each of the four grids."""
    victoria = remember(_everything(50))
    for time_range in TIME_RANGES:
        grid = grid_of(time_range, END)
        told = await victoria.history(list(FIELDS), grid)
        assert list(told) == list(FIELDS)
        assert {len(values) for values in told.values()} == {grid.rows}
        assert [values[-1] for values in told.values()] == EVERYTHING, time_range


async def test_a_job_name_is_a_literal(remember: Remember, job_name: str) -> None:
    """Quotes and backslashes in the operator's job name select that job and break out of nothing."""
    victoria = remember([Taken("qstat_total_r_jobs", 100, 4)], job=f'{job_name}"\\d{{é}}')
    assert await victoria.history(["runningJobs"], Grid(END, 300, 1)) == {"runningJobs": [4.0]}


async def test_a_prefix_stands_before_every_name(remember: Remember) -> None:
    """Metrics that a relabelling renamed are found under their new names."""
    taken = [*on_nodes("pbs_node_cpus_used", 100, 1), *on_nodes("pbs_node_cpus_total", 100, 4)]
    victoria = remember(taken, prefix="hpc_")
    assert await victoria.history(["cpuUtilization"], Grid(END, 300, 1)) == {"cpuUtilization": [25.0]}


@pytest.mark.parametrize("time_range", TIME_RANGES)
async def test_a_cluster_that_two_tell_of_is_told_once(remember: Remember, time_range: str) -> None:
    """Two series of everything, of two exporters or two scrapers, make no field another one than either of them does."""
    both = [one._replace(instance=instance) for one in _everything(50) for instance in ("a:8888", "b:8888")]
    told = await remember(both).history(list(FIELDS), grid_of(time_range, END))
    assert [values[-1] for values in told.values()] == EVERYTHING


async def test_an_address_weighs_as_long_as_it_served(remember: Remember) -> None:
    """Where the exporter changed its address after a fifth of a step, that fifth is a fifth of the row, in counts and in shares."""
    taken = [
        one._replace(instance="old:8888" if before_end >= 11_520 else "new:8888")
        for before_end in range(30, 14_400, 60)
        for used in [0 if before_end >= 11_520 else 9]
        for one in (
            Taken("qstat_total_r_jobs", before_end, 10 + 10 * used),
            *on_nodes("pbs_node_cpus_used", before_end, used),
            *on_nodes("pbs_node_cpus_total", before_end, 9),
            *on_nodes("pbs_node_jobs", before_end, used),
        )
    ]
    fields = ["runningJobs", "cpuUtilization", "nodeUtilization"]
    told = await remember(taken).history(fields, Grid(END, 14_400, 1))
    assert told == {
        "runningJobs": [pytest.approx(82)],
        "cpuUtilization": [pytest.approx(80)],
        "nodeUtilization": [pytest.approx(80)],
    }


async def test_nothing_is_held_against_what_another_tells_since(remember: Remember) -> None:
    """A count that an address told last does not stand for a row in which its successor speaks."""
    taken = [
        Taken("qstat_total_r_jobs", before_end, jobs, instance=instance)
        for instance, before_end, jobs in (("old:8888", 70, 9), ("new:8888", 10, 3))
    ]
    told = await remember(taken).history(["runningJobs"], Grid(END, 60, 2))
    assert told == {"runningJobs": [9.0, 3.0]}


def test_a_field_that_is_not_in_the_table_is_our_bug() -> None:
    """Nothing but a key of the table can become a part of a query."""
    with pytest.raises(KeyError):
        query(['runningJobs", "", "") or vector(1)'], Grid(END, 60, 1))


@pytest.mark.parametrize("time_range", TIME_RANGES)
def test_the_query_is_short_enough_for_victoria_metrics(time_range: str) -> None:
    """All fields at once, with long names, stay below VictoriaMetrics' 16 kB and a proxy's 8."""
    assert len(query(FIELDS, grid_of(time_range, END), prefix="p" * 32, labels={"job": "j" * 64})) < 6_000
