"""The network between the server and its readers: cut, delayed, buffered, asleep, and leading now here, now there."""

from random import Random

import pytest

from tests.resilience.crowd import Crowd
from tests.resilience.daemon import Daemon
from tests.resilience.line import Line
from tests.resilience.oracle import Oracle


@pytest.mark.parametrize("seed", range(2))
async def test_a_line_that_is_cut_at_any_byte_loses_nothing(
    daemon: Daemon, oracle: Oracle, seed: int
) -> None:
    """Readers whose connection is cut at a random byte, again and again, come back to where they were and end with the truth."""
    random = Random(seed)
    async with Line(daemon.port) as line:
        # Within the handshake, the first snapshot (9 KB), a diff, or between two.
        line.cut_after = lambda: random.randint(1, 30_000)
        async with Crowd(daemon.url, oracle, readers=24, seed=seed, via=[line.url]) as crowd:
            await crowd.until_all_know()
            await crowd.until_connections(120)
            line.cut_after = None
            line.cut()
            await crowd.settle()
    daemon.assert_quiet()
