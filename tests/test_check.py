from collections.abc import AsyncIterator, Callable

import pytest

from realtime.check import Finding, inspect
from realtime.pbs.assemble import Policy
from realtime.source.victoria import Victoria
from tests.faulty import FaultyUpstream, good, in_members, reset, status
from tests.upstream import now_ms

MIB = 2**20


@pytest.fixture
async def source(faulty_upstream: FaultyUpstream) -> AsyncIterator[Victoria]:
    """The real client of a source whose answers are scripted."""
    victoria = Victoria(faulty_upstream.cluster(), MIB)
    yield victoria
    await victoria.close()


async def look(source: Victoria, *, prefix: str = "") -> Finding:
    return await inspect("hopper", source, Policy(prefix=prefix), stale_after_seconds=180, now_ms=now_ms())


def labelled(text: str, **labels: str) -> str:
    """The samples with further labels."""
    extra = ",".join(f'{name}="{value}"' for name, value in labels.items())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return "\n".join(
        line.replace("{", f"{{{extra},", 1) if "{" in line else line.replace(" ", f"{{{extra}}} ", 1)
        for line in lines
    )


async def test_a_healthy_source_has_nothing_to_say(
    source: Victoria, faulty_upstream: FaultyUpstream, capture: Callable[[str], str]
) -> None:
    """A real exporter's page makes a finding with numbers, and neither a fault nor a warning."""
    faulty_upstream.otherwise = good(capture("at-1794166412"))

    finding = await look(source)

    assert (finding.faults, finding.warnings) == ([], [])
    assert finding.series > 500
    assert finding.age_seconds is not None
    assert 0 < finding.age_seconds < 60
    assert finding.summary["nodes"]["total"] == finding.topics["nodes"] == 46
    assert [one["decidedBy"] for one in finding.sources.values()] == ["code"]


async def test_samples_without_timestamps_are_as_old_as_the_probe_says(
    source: Victoria, faulty_upstream: FaultyUpstream, capture: Callable[[str], str]
) -> None:
    """What bears no time is not taken for brand-new."""
    text = capture("at-1794166412").encode()
    faulty_upstream.otherwise = good("pbs_node_count_free 1", now_ms() - 600_000)
    faulty_upstream.script(in_members(text), path="/federate")

    finding = await look(source)

    assert finding.age_seconds is not None
    assert 600 <= finding.age_seconds < 660


@pytest.mark.parametrize("answer", [status(401), status(503), reset()])
async def test_a_source_that_fails_is_a_fault(
    answer: Callable[..., object], source: Victoria, faulty_upstream: FaultyUpstream
) -> None:
    """What keeps the source from answering is told in one sentence, without its address."""
    faulty_upstream.script(answer)  # type: ignore[arg-type]

    finding = await look(source)

    assert len(finding.faults) == 1
    assert faulty_upstream.url.removeprefix("http://") not in finding.faults[0]
    assert finding.age_seconds is None


@pytest.mark.parametrize("text", ["", "up 1", "pbs_unheard_of 1"])
async def test_a_source_without_pbs_is_a_fault(
    text: str, source: Victoria, faulty_upstream: FaultyUpstream
) -> None:
    """A source that answers, but not of PBS, cannot be served."""
    faulty_upstream.otherwise = good(text)

    finding = await look(source)

    assert len(finding.faults) == 1
    assert "no current PBS metrics" in finding.faults[0]


async def test_a_prefix_is_taken_off(source: Victoria, faulty_upstream: FaultyUpstream) -> None:
    """Metrics with a site's prefix are found with it, and not without."""
    faulty_upstream.otherwise = good('site_pbs_node_state{node="n1"} 1\nsite_pbs_node_count_free 1')

    assert (await look(source, prefix="site_")).topics["nodes"] == 1
    assert (await look(source)).faults


async def test_a_part_of_the_storage_that_is_missing_is_a_fault(
    source: Victoria, faulty_upstream: FaultyUpstream, capture: Callable[[str], str]
) -> None:
    """A VictoriaMetrics cluster that misses a storage node cannot be served: the poller would refuse it too."""
    faulty_upstream.otherwise = good(capture("at-1794166412"), partial=True)

    assert (await look(source)).faults


@pytest.mark.parametrize(
    ("age_ms", "warning"), [(250_000, "the newest sample is 250 s old"), (-60_000, "60 s in the future")]
)
async def test_a_strange_age_is_a_warning(
    age_ms: int,
    warning: str,
    source: Victoria,
    faulty_upstream: FaultyUpstream,
    capture: Callable[[str], str],
) -> None:
    """Samples that are stale, or from the future, would be served, but deserve a look."""
    now = now_ms()
    faulty_upstream.otherwise = good(capture("at-1794166412"), now - age_ms)

    finding = await inspect("hopper", source, Policy(), stale_after_seconds=180, now_ms=now)

    assert finding.faults == []
    assert len(finding.warnings) == 1
    assert warning in finding.warnings[0]


async def test_a_cluster_without_nodes_is_a_warning(
    source: Victoria, faulty_upstream: FaultyUpstream, capture: Callable[[str], str]
) -> None:
    """Where pbsnodes fails, the totals still come; that there is no node is said."""
    faulty_upstream.otherwise = good(capture("faults/pbsnodes-fail"))

    finding = await look(source)

    assert finding.faults == []
    assert any("not one node" in warning for warning in finding.warnings)


async def test_two_exporters_are_a_warning(
    source: Victoria, faulty_upstream: FaultyUpstream, capture: Callable[[str], str]
) -> None:
    """Two exporters are named, and nothing is added up."""
    text = capture("at-1794166412")
    faulty_upstream.otherwise = good(f"{labelled(text, job='one')}\n{labelled(text, job='two')}")

    finding = await look(source)

    assert len(finding.warnings) == 1
    assert "2 exporters report (one, two)" in finding.warnings[0]
    assert finding.summary["nodes"]["total"] == 46


async def test_a_guess_is_a_warning(source: Victoria, faulty_upstream: FaultyUpstream) -> None:
    """Where nothing tells the encoding of node states, that it is assumed is said."""
    faulty_upstream.otherwise = good('pbs_node_state{node="n1"} 1\nqstat_total_r_jobs 1')

    finding = await look(source)

    assert len(finding.warnings) == 1
    assert "could not be told" in finding.warnings[0]
