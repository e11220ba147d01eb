"""Faults for as long as somebody wants, under load, and what came of it.

    make soak MINUTES=10        or        python -m tests.resilience.soak [--minutes 10] [--seed N] [--readers 400] [--load 2000]

Two servers stand behind one VictoriaMetrics; one is killed, restarted and suspended, the other is not, and has the load. Each round draws up to
three faults that befall at once (tests/resilience/faults.py); then every reader must hold the truth again. It ends with 1 at the first thing that
was ever wrong, naming the seed that repeats it.

The report's memory is the steady server's: a line fitted to what it had after each round, when everything was as it is between rounds.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import linear_regression, median
from typing import Final, NamedTuple

from tests.bench.load import OURS, Heard, Load
from tests.bench.machine import require
from tests.bench.table import markdown
from tests.resilience.faults import FAULTS, befall, draw
from tests.resilience.numbered import NumberedExporter
from tests.resilience.stage import Stage, staged

SETTLING: Final = 0.25
"""The part of a run that is left out of the slope: pools and caches fill."""

LONGEST_ROUND_SECONDS: Final = 30


class Round(NamedTuple):
    """What was so after a round."""

    seconds: float
    """Since the first began."""
    faults: tuple[str, ...]
    verified: int
    recovered_seconds: float
    rss_mib: float
    open_files: int


def slope(rounds: Sequence[Round]) -> float:
    """MiB an hour that the steady server grew, once settled; nan if there was too little to tell."""
    settled = [each for each in rounds if each.seconds >= SETTLING * rounds[-1].seconds]
    if len(settled) < 3:
        return float("nan")
    return (
        3600 * linear_regression([each.seconds for each in settled], [each.rss_mib for each in settled]).slope
    )


async def soak(minutes: float, seed: int, readers: int, load: int) -> str:
    """Run it, and say how it went; what was wrong, or nothing."""
    random = Random(seed)
    exporter = NumberedExporter()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.callback(exporter.close)
        async with staged(Path(folder), exporter, readers=readers, seed=seed) as stage:
            seconds = round(60 * minutes)
            # The last round is held under load too.
            window = seconds + LONGEST_ROUND_SECONDS
            # Slower than the gate lets in: who is refused was not held.
            crowd = stack.enter_context(
                Load(stage.steady.port, *OURS, "-r", "500", readers=load, seconds=window)
            )
            held = await asyncio.to_thread(crowd.connected)
            print(
                f"seed {seed}: {readers} readers that are judged, {held} more on the steady server\n",
                flush=True,
            )
            rounds, wrong = await _go_through(stage, random, seconds)
            if wrong:
                return wrong
            heard = await asyncio.to_thread(crowd.heard)
            print(f"\n{report(stage, rounds, heard)}", flush=True)
    if heard.breaks or heard.closed:
        return f"of the load {heard.closed} connections ended, and {heard.breaks} messages did not follow on the one before"
    return "" if rounds else "not one round came to its end"


async def _go_through(stage: Stage, random: Random, seconds: float) -> tuple[list[Round], str]:
    """One round after the other; what was wrong in the last, or nothing."""
    rounds: list[Round] = []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        faults = draw(random)
        names = tuple(sorted(fault.__name__ for fault in faults))
        try:
            await befall(stage, random, faults)
            befell = time.monotonic()
            verified = await stage.recover()
        except Exception as error:  # noqa: BLE001 — whatever it is, it is what came of it
            wrong = f"round {len(rounds)}, {' + '.join(names)}: {error!r}"[:2_000]
            # At once: a reader that heard what must not be fails again when it is stopped.
            print(wrong, flush=True)
            return rounds, wrong
        now = time.monotonic()
        steady = stage.steady
        rounds.append(Round(now - began, names, verified, now - befell, steady.rss_mib, steady.open_files))
        print(
            f"{now - began:6.0f} s  {verified} right  {steady.rss_mib:6.1f} MiB  {' + '.join(names)}",
            flush=True,
        )
    return rounds, ""


def report(stage: Stage, rounds: Sequence[Round], heard: Heard) -> str:
    """What was held, what befell it, and what came of it, as Markdown."""
    faults = Counter(name for each in rounds for name in each.faults)
    readers = [reader for crowd in stage.crowds for reader in crowd.readers]
    lines = [
        ("", "figure"),
        ("minutes, rounds", f"{rounds[-1].seconds / 60:.1f}, {len(rounds)}"),
        ("load held on the steady server", f"{heard.established} readers, {heard.deliveries:,} deliveries"),
        ("of the load: ended, breaks", f"{heard.closed}, {heard.breaks}"),
        ("faults injected", str(faults.total())),
        ("readers verified after each round, in all", f"{len(readers)}, {sum(each.verified for each in rounds):,}"),
        ("connections that these made", f"{sum(reader.connections for reader in readers):,}"),
        ("states compared, at so many cursors", f"{stage.oracle.checked:,}, {stage.oracle.cursors:,}"),
        ("wrong", str(len(stage.oracle.wrong))),
        ("until all were right again: median, longest", _spread([each.recovered_seconds for each in rounds])),
        ("RSS after the first round, after the last", f"{rounds[0].rss_mib:.1f}, {rounds[-1].rss_mib:.1f} MiB"),
        ("RSS slope, settled", f"{slope(rounds):+.1f} MiB an hour"),
        ("open files after the first round, after the last", f"{rounds[0].open_files}, {rounds[-1].open_files}"),
    ]  # fmt: skip
    counted = [("fault", "times"), *((fault.__name__, str(faults[fault.__name__])) for fault in FAULTS)]
    return f"{markdown(lines)}\n\n{markdown(counted)}"


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.1f} s, {max(seconds):.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--readers", type=int, default=400)
    parser.add_argument("--load", type=int, default=2_000)
    given = parser.parse_args()
    require(given.readers + given.load)
    if wrong := asyncio.run(soak(given.minutes, given.seed, given.readers, given.load)):
        sys.exit(f"\nWRONG, with --seed {given.seed}: {wrong}")


if __name__ == "__main__":
    main()
