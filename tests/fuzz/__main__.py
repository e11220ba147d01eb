"""Coverage-guided fuzzing.

    make fuzz        or        python -m tests.fuzz --seconds 60 exposition cursor

Runs atheris (libFuzzer) on one target after the other, all if none is named. What it learns stays in `.fuzz/TARGET/corpus`, and an input that
breaks a law in `.fuzz/TARGET/`: give it to `python -m tests.fuzz --once FILE TARGET`. Ends with 1 if any law was broken.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[2] / ".fuzz"

LONGEST_INPUT: Final = 4_000
"""Bytes: room for two of the longest seeds would only make each slower."""


def fuzz(name: str, arguments: list[str]) -> None:
    """Run libFuzzer in this process, which it ends."""
    try:
        import atheris  # noqa: PLC0415 — the extra `fuzz`; not needed to run a single input
    except ImportError:
        sys.exit("there is no atheris: pip install -e '.[fuzz]', on Linux and x86_64")

    with atheris.instrument_imports(include=["realtime"]):
        from tests.fuzz.targets import target  # noqa: PLC0415 — what is imported here is watched

        one = target(name)
    folder = FOLDER / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    (folder / "seeds").mkdir(exist_ok=True)
    for number, seed in enumerate(one.seeds):
        (folder / "seeds" / f"{number:03}").write_bytes(seed)
    words = "\n".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in one.words if word)
    (folder / "words").write_text(words + "\n")
    with one.ready() as take:
        atheris.Setup(
            [
                sys.argv[0],
                *arguments,
                f"-artifact_prefix={folder}/",
                f"-dict={folder / 'words'}",
                f"-max_len={LONGEST_INPUT}",
                "-print_final_stats=1",
                "-reload=0",
                str(folder / "corpus"),
                str(folder / "seeds"),
            ],
            take,
        )
        atheris.Fuzz()


def once(name: str, path: Path) -> None:
    """Give one input to a target."""
    from tests.fuzz.targets import target  # noqa: PLC0415 — see `fuzz`

    with target(name).ready() as take:
        take(path.read_bytes())
    print(f"{name}: holds")


def run(name: str, seconds: int) -> bool:
    """Fuzz a target in a process of its own; says what came of it, and whether its law held."""
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, "--", f"-max_total_time={seconds}"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = ended.stdout.decode(errors="replace")
    told: dict[str, Any] = dict(re.findall(r"^stat::(\w+): +(\d+)", said, re.MULTILINE))
    covered = re.findall(r"cov: (\d+)", said)
    print(
        f"{name:<12} {told.get('number_of_executed_units', '?'):>9} inputs, {covered[-1] if covered else '?':>6} edges"
        f", {'holds' if ended.returncode == 0 else 'BROKEN'}",
        flush=True,
    )
    if ended.returncode:
        print(said[-6_000:])
    return ended.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--once", type=Path, help="an input, instead of a search for one")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*")
    given, arguments = sys.argv[1:], []
    if "--" in given:
        given, arguments = given[: given.index("--")], given[given.index("--") + 1 :]
    asked = parser.parse_args(given)
    if asked.inside:
        fuzz(asked.names[0], arguments)
    if asked.once:
        once(asked.names[0], asked.once)
        return 0
    from tests.fuzz.targets import NAMES  # noqa: PLC0415 — see `fuzz`

    held = [run(name, asked.seconds) for name in asked.names or NAMES]
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
