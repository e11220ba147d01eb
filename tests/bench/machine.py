"""The machine that a bench runs on: whether it will do, its compiler, and what a process costs it."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
BUILD: Final = HERE.parents[1] / "build" / "bench"

PROGRAMS: Final = {"floor": ("floor.c",), "load": ("load.c", "reader.c", "hear.c")}

SPARE_FILES: Final = 200
"""Descriptors that a server needs beside one for each reader."""


def require(readers: int) -> None:
    """Stop with what to do about it if so many readers cannot be served here."""
    if sys.platform != "linux":
        sys.exit("bench: needs Linux: /proc, epoll, and cores to pin processes to")
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = readers + SPARE_FILES
    if most != resource.RLIM_INFINITY and most < needed:
        sys.exit(
            f"bench: {readers} readers need {needed} open files in one process; here it may have {most}.\n"
            f"Raise that (ulimit -Hn {needed}, as root) or ask for fewer (--readers, --many)."
        )
    if now != resource.RLIM_INFINITY and now < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))
    if shutil.which("cc") is None:
        sys.exit("bench: there is no C compiler (cc): apt install gcc libc6-dev, or make setup")


def program(name: str) -> Path:
    """A program of this folder, compiled unless its sources are older than it is."""
    sources = [HERE / source for source in PROGRAMS[name]]
    compiled = BUILD / name
    newest = max(path.stat().st_mtime for path in [*sources, *HERE.glob("*.h")])
    if not compiled.exists() or compiled.stat().st_mtime < newest:
        BUILD.mkdir(parents=True, exist_ok=True)
        fresh = BUILD / f"{name}.{os.getpid()}"
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", fresh, *sources], check=True)
        fresh.replace(compiled)
    return compiled


def cores() -> tuple[set[int], set[int]]:
    """The core for a server, and those for its load: apart where there are two."""
    first, *rest = sorted(os.sched_getaffinity(0))
    return {first}, set(rest) or {first}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_kib(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)
