"""Readers that read nothing, or next to nothing, or vanish without a word; tests/test_slow_reader.py has what a slow one is told."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.resilience.crowd import Crowd, ReturningEvents, ReturningSocket, eventually
from tests.resilience.daemon import FAST, Daemon, started
from tests.resilience.measures import assert_unnoticed, measured
from tests.resilience.oracle import Oracle
from tests.resilience.rude import SMALL_BUFFER, STREAMS, Trickle, connected, deafen, heard, rest
from tests.upstream import Prometheus

GOOD: Final = 48
STALLED: Final = 150

LITTLE: Final = {"SEND_BUFFER_KIB": "4", "MAX_UNSENT_KIB": "4"}
"""So that a reader that takes nothing is soon known for one: 4 KiB are less than one snapshot."""

STEP_BYTES: Final = 1_200
STEP_SECONDS: Final = 6.0
"""A reader at 200 bytes a second, as TCP shows it: a window is opened by half a buffer at a time (RFC 9293, section 3.8.6.2.2), and the least
buffer is 2,304 bytes."""

SLACK_SECONDS: Final = 2.5
"""Later than its deadline may be noticed what happens at one, on a busy machine."""

FLAT_MIB: Final = 3.0
"""Growth that is none. If each stalled reader were told on, it would be 750 KB a second."""

STREAMING: Final = (ReturningSocket, ReturningEvents)


def streams(figures: Mapping[tuple[str, ...], float]) -> float:
    """How many event streams and WebSockets are subscribed; polls come and go."""
    return figures["realtime_readers", "sse"] + figures["realtime_readers", "websocket"]


async def test_a_third_that_reads_nothing_costs_the_others_nothing(
    prometheus: Prometheus, oracle: Oracle, tmp_path: Path
) -> None:
    """150 sockets that never read take a bounded amount of memory, are reset by their deadline, and are not noticed by those who read."""
    deadline = 8.0
    server = Daemon(
        tmp_path / "server",
        PROMETHEUS_URL=prometheus.url,
        **LITTLE,
        SLOW_READER_TIMEOUT_SECONDS=str(deadline),
    )
    with started(server) as daemon, ExitStack() as sockets:
        await daemon.until_ready()
        async with Crowd(daemon.url, oracle, readers=GOOD) as crowd:
            await crowd.until_all_know()
            here, files = streams(await daemon.figures()), daemon.open_files
            async with measured(daemon, crowd) as before:
                await asyncio.sleep(4)
            stalled = [
                sockets.enter_context(
                    await connected(daemon.port, STREAMS[number % 2], receive_buffer=SMALL_BUFFER)
                )
                for number in range(STALLED)
            ]

            async def all_are_full() -> bool:
                return (await daemon.figures())["realtime_lagging_readers",] == STALLED

            async def all_have_gone() -> bool:
                unsent.append(figures := await daemon.figures())
                return streams(figures) == here

            unsent: list[dict[tuple[str, ...], float]] = []
            await eventually(all_are_full, "stalled")
            full_at = time.monotonic()
            async with measured(daemon, crowd) as meanwhile:
                await eventually(all_have_gone, "cut off")
                gone_seconds = time.monotonic() - full_at
            for each in stalled:
                # What came before the reset, and the reset.
                await rest(each)
            await crowd.settle()
            figures = await daemon.figures()
            waiting = [each["realtime_unsent_bytes",] for each in unsent]

            assert daemon.open_files <= files + 2
    daemon.assert_quiet()

    assert gone_seconds < deadline + SLACK_SECONDS
    assert figures["realtime_slow_readers_cut_off_total",] == STALLED
    assert (figures["realtime_lagging_readers",], figures["realtime_unsent_bytes",]) == (0, 0)
    # Told no more while they lag; the kernel may yet have taken a little, and made room for one more diff.
    assert max(waiting) <= 1.2 * waiting[0]
    assert meanwhile.growth_mib < FLAT_MIB
    assert_unnoticed(before, meanwhile)


async def test_who_takes_two_hundred_bytes_a_second_stays(
    prometheus: Prometheus, oracle: Oracle, tmp_path: Path
) -> None:
    """Readers that take 200 bytes a second, of views that say thousands, are not cut off as long as TCP says that they take any; they hear less
    often and never wrong, and the server's memory stays flat.
    """
    server = Daemon(
        tmp_path / "server",
        PROMETHEUS_URL=prometheus.url,
        **LITTLE,
        SLOW_READER_TIMEOUT_SECONDS=str(2 * STEP_SECONDS),
    )
    with started(server) as daemon:
        await daemon.until_ready()
        async with (
            Trickle(daemon.port, STEP_BYTES / STEP_SECONDS, STEP_BYTES) as trickle,
            Crowd(daemon.url, oracle, readers=16) as crowd,
            Crowd(daemon.url, oracle, readers=16, kinds=STREAMING, via=[trickle.url]) as slow,
        ):
            for reader in slow.readers:
                reader.patience_seconds = 60

            async def all_lag() -> bool:
                return (await daemon.figures())["realtime_lagging_readers",] == len(slow.readers)

            await crowd.until_all_know()
            await eventually(all_lag, "lagged")
            async with measured(daemon, crowd) as meanwhile:
                # A deadline and a half.
                await asyncio.sleep(3 * STEP_SECONDS)
            heard_by_slow = sum(len(reader.late_ms) for reader in slow.readers) / len(slow.readers)
            told = len(meanwhile.late_ms) / len(crowd.readers)
            trickle.bytes_per_second = None
            await slow.until_newer()
            await crowd.settle()
            await slow.settle()
            figures = await daemon.figures()

            assert slow.connections == len(slow.readers)
    daemon.assert_quiet()

    assert heard_by_slow < told / 2
    assert figures["realtime_slow_readers_cut_off_total",] == 0
    assert meanwhile.growth_mib < FLAT_MIB


async def test_who_takes_a_byte_a_second_is_never_told_wrong(
    prometheus: Prometheus, oracle: Oracle, tmp_path: Path
) -> None:
    """Of readers that take a byte a second TCP says nothing for a quarter of an hour: they are cut off like those who read nothing, and when they
    can read they hold the truth.
    """
    server = Daemon(tmp_path / "server", PROMETHEUS_URL=prometheus.url, **LITTLE)
    with started(server) as daemon:
        await daemon.until_ready()
        async with (
            Trickle(daemon.port, 1) as trickle,
            Crowd(daemon.url, oracle, readers=16) as crowd,
            Crowd(daemon.url, oracle, readers=16, kinds=STREAMING, via=[trickle.url]) as slow,
        ):
            for reader in slow.readers:
                reader.patience_seconds = 60

            async def all_were_cut_off() -> bool:
                return (await daemon.figures())["realtime_slow_readers_cut_off_total",] == len(slow.readers)

            await crowd.until_all_know()
            async with measured(daemon, crowd) as meanwhile:
                await eventually(all_were_cut_off, "cut off")
            # They have yet to read, byte by byte, what came before the end.
            assert slow.connections == len(slow.readers)
            trickle.bytes_per_second = None
            await slow.until_newer()
            await crowd.settle()
            await slow.settle()
            assert slow.connections == 2 * len(slow.readers)
    daemon.assert_quiet()

    assert meanwhile.growth_mib < FLAT_MIB


@pytest.mark.parametrize("idle", [False, True], ids=["much to say", "heartbeats alone"])
async def test_who_vanished_is_given_up(daemon: Daemon, oracle: Oracle, idle: bool) -> None:
    """Readers whose packets are all lost, so that they acknowledge nothing and end nothing, are given up by their deadline, on either stream,
    whether there is much to say or heartbeats alone; their files come back, and nobody else notices.
    """
    deadline = float(FAST["HEARTBEAT_SECONDS"]) + 2 * float(FAST["SLOW_READER_TIMEOUT_SECONDS"])
    async with Crowd(daemon.url, oracle, readers=16, kinds=STREAMING) as crowd:
        await crowd.until_all_know()
        here, files = streams(await daemon.figures()), daemon.open_files
        with ExitStack() as sockets:
            vanishing = [
                sockets.enter_context(await connected(daemon.port, STREAMS[number % 2]))
                for number in range(16)
            ]
            for each in vanishing:
                await heard(each, b"snapshot")
            assert streams(await daemon.figures()) == here + len(vanishing)
            oracle.exporter.frozen = idle
            for each in vanishing:
                deafen(each)
            vanished_at = time.monotonic()

            async def all_were_given_up() -> bool:
                return streams(await daemon.figures()) == here and daemon.open_files <= files + 2

            await eventually(all_were_given_up, "were given up")
            given_up_seconds = time.monotonic() - vanished_at
        await crowd.settle()
        figures = await daemon.figures()

        assert crowd.connections == len(crowd.readers)
    daemon.assert_quiet()

    assert given_up_seconds < deadline + SLACK_SECONDS
    assert figures["realtime_slow_readers_cut_off_total",] == len(vanishing)
    assert (figures["realtime_lagging_readers",], figures["realtime_unsent_bytes",]) == (0, 0)
