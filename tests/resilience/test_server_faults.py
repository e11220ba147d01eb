"""The server itself: killed, stopped, suspended, and its clock set, with hundreds who listen."""

import asyncio
import math
import os
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.resilience.crowd import Crowd, ReturningPolls, ReturningSocket
from tests.resilience.daemon import FAST, Daemon, started
from tests.resilience.oracle import Oracle
from tests.upstream import Prometheus

READERS = 500
KILLS = 3
MOST_KILLS = 20
"""Of these one at least comes while some readers have been told and others have not: more than half do (measured)."""
SUSPENDED_SECONDS = 2 * float(FAST["SLOW_READER_TIMEOUT_SECONDS"])
RETRY_MS = (1_000, int(FAST["RETRY_MAX_MS"]))
CERTAIN = 2.69
"""Of the Kolmogorov-Smirnov statistic times the root of the sample's size: a uniform sample exceeds it once in a million times."""


async def test_killed_in_mid_publication_it_returns_and_nothing_is_lost(
    daemon: Daemon, oracle: Oracle
) -> None:
    """A server that is killed while it tells 500 readers of a publication, and started again, has all of them back, each with the truth."""
    kills = torn = 0
    async with Crowd(daemon.url, oracle, readers=READERS) as crowd:
        await crowd.until_all_know()
        while kills < KILLS or (torn == 0 and kills < MOST_KILLS):
            kills += 1
            await crowd.at_next_diff(daemon.kill)
            await crowd.until_broken_off()
            torn += len({reader.client.cursor for reader in crowd.readers if reader.view == {}}) > 1
            daemon.start()
            await daemon.until_ready()
            await crowd.until_newer()

        assert await crowd.settle() == READERS
        figures = await daemon.figures()
    daemon.assert_quiet()

    # Else it was not in mid-publication that it died.
    assert torn > 0
    # Who comes back to another epoch is told the whole state, at once or as soon as anything is known, and never an error.
    answers = {
        name[1]: number for name, number in figures.items() if name[0] == "realtime_subscriptions_total"
    }
    assert answers.get("epoch", 0) + answers.get("later", 0) >= READERS


async def test_stopped_in_mid_publication_it_says_goodbye_to_each(daemon: Daemon, oracle: Oracle) -> None:
    """A server that is told to stop while it tells 500 readers of a publication tells each `bye`, and a time of its own to come back, evenly
    spread; it ends with status 0, and its successor has all of them.
    """
    async with Crowd(daemon.url, oracle, readers=READERS) as crowd:
        await crowd.until_all_know()
        await crowd.at_next_diff(daemon.terminate)
        status = await daemon.ended()
        daemon.start()
        await daemon.until_ready()
        await crowd.until_newer()
        assert await crowd.settle() == READERS
        streams = [reader for reader in crowd.readers if not isinstance(reader, ReturningPolls)]
        retries = [bye["retryMs"] for reader in streams for bye in reader.byes]
        codes = {bye["code"] for reader in streams for bye in reader.byes}
        closes = [reader.close_codes[1012] for reader in streams if isinstance(reader, ReturningSocket)]
    daemon.assert_quiet()

    assert status == 0
    assert (len(retries), codes) == (len(streams), {1012})
    assert set(closes) == {1}
    assert deviation(retries, *RETRY_MS) * math.sqrt(len(retries)) < CERTAIN


def deviation(sample: Sequence[float], least: float, most: float) -> float:
    """How far a sample's distribution is from the uniform one: the Kolmogorov-Smirnov statistic."""
    ordered = sorted(sample)
    shares = [(value - least) / (most - least) for value in ordered]
    return max(
        max((place + 1) / len(ordered) - share, share - place / len(ordered))
        for place, share in enumerate(shares)
    )


def test_the_measure_of_evenness_knows_uneven_samples() -> None:
    """A sample of one value, or of one half, is far from even; a random one is not."""
    random = Random(1)
    size = 300
    for sample, even in (
        ([1_500.0] * size, False),
        ([random.uniform(1_000, 1_500) for _ in range(size)], False),
        ([random.uniform(*RETRY_MS) for _ in range(size)], True),
    ):
        assert (deviation(sample, *RETRY_MS) * math.sqrt(size) < CERTAIN) is even


async def test_suspended_and_awake_again_it_cuts_off_nobody(daemon: Daemon, oracle: Oracle) -> None:
    """A server that had no processor for twice the time of a slow reader finds that it was itself slow: nobody is cut off, and all are told
    what they missed.
    """
    async with Crowd(daemon.url, oracle, readers=64) as crowd:
        await crowd.until_all_know()
        for reader in crowd.readers:
            reader.patience_seconds = 4 * SUSPENDED_SECONDS
        before = crowd.connections
        daemon.suspend()
        await asyncio.sleep(SUSPENDED_SECONDS)
        daemon.go_on()
        await crowd.until_newer()
        await crowd.until_quality("live")
        await crowd.settle()
        figures = await daemon.figures()

        assert crowd.connections == before
    daemon.assert_quiet()

    assert figures["realtime_slow_readers_cut_off_total",] == 0


def faketime(folder: Path) -> dict[str, str]:
    """The environment of a process whose wall clock says what a file says; its steady clock stays true."""
    library = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1")
    assert library.exists(), "apt-get install faketime"
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_set_makes_no_data_young(
    prometheus: Prometheus, oracle: Oracle, tmp_path: Path, hours: int
) -> None:
    """When the server's wall clock is set an hour back or forth, readers go on hearing; if the source falls silent just then, its data grows
    old all the same; and when the clock is set right all is well.
    """
    clock = tmp_path / "clock"
    clock.write_text("+0")
    with started(Daemon(tmp_path / "server", PROMETHEUS_URL=prometheus.url, **faketime(tmp_path))) as daemon:
        await daemon.until_ready()
        async with Crowd(daemon.url, oracle, readers=16) as crowd:
            await crowd.until_all_know()
            await crowd.until_quality("live")
            before = crowd.connections
            oracle.exporter.text = None
            clock.write_text(f"{hours * 3600:+d}")
            await crowd.until_quality("stale", "down")
            oracle.exporter.text = ""
            await crowd.until_newer()
            # With a clock that is ahead all data is an hour old; one that is behind goes by the time that passes.
            await crowd.until_quality("stale" if hours > 0 else "live")
            clock.write_text("+0")
            await crowd.until_quality("live")
            await crowd.settle()

            assert crowd.connections == before
        daemon.assert_quiet()
