"""Any faults, in any order and at once: what no one thought of."""

from pathlib import Path
from random import Random

import pytest

from tests.resilience.faults import befall, draw
from tests.resilience.numbered import NumberedExporter
from tests.resilience.stage import staged

READERS = 64
ROUNDS = 6


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [1, 2])
async def test_after_any_faults_everyone_holds_the_truth(
    tmp_path: Path, exporter: NumberedExporter, seed: int
) -> None:
    """Whatever befalls source, server, network and readers, up to three faults at once, nobody ever holds what was never true, and at the end of
    each round everyone holds what is. The seed repeats it.
    """
    random = Random(seed)
    async with staged(tmp_path, exporter, readers=READERS, seed=seed) as stage:
        for turn in range(ROUNDS):
            faults = draw(random)
            names = [fault.__name__ for fault in faults]
            try:
                await befall(stage, random, faults)
                assert await stage.recover() == READERS
            except BaseException as error:
                error.add_note(f"seed {seed}, round {turn}: {names}")
                raise
