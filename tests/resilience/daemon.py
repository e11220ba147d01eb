"""The server's process, as its host sees it: started, killed, suspended, its files and memory counted, its log read."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.machine import cpu_seconds, rss_kib
from tests.command import environment
from tests.upstream import free_port

PATIENCE_SECONDS: Final = 30.0

FAST: Final[Mapping[str, str]] = {
    "API_HOST": "127.0.0.1",
    "POLL_INTERVAL_SECONDS": "0.1",
    "REFETCH_SECONDS": "0.5",
    "BACKOFF_MAX_SECONDS": "0.5",
    "PROMETHEUS_TIMEOUT": "1500",
    "NODE_GRACE_SECONDS": "3",
    "STALE_AFTER_SECONDS": "4",
    "HEARTBEAT_SECONDS": "0.5",
    "SLOW_READER_TIMEOUT_SECONDS": "3",
    "SWEEP_INTERVAL_SECONDS": "0.1",
    "RETRY_MAX_MS": "2000",
    "FIND_CLUSTERS": "false",
    "LOG_FORMAT": "json",
}
"""The configuration of these tests: the same server, in a hurry."""

STALE_AFTER_MS: Final = 4_000.0


class Daemon:
    """A server on a port that stays the same from one start to the next."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.variables = {**FAST, "API_PORT": str(self.port), **variables}
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"

    # -- what its host does to it

    def start(self, files: int | None = None) -> None:
        """Start it, with so many files that it may ever open; it listens some time later."""
        limited = [] if files is None else ["prlimit", f"--nofile={files}:{files}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*limited, sys.executable, "-m", "realtime", "serve"],
                cwd=self.folder,
                env=environment(**self.variables),
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self) -> None:
        """Ask it to end."""
        assert self._process is not None
        self._process.terminate()

    async def ended(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it has ended; its exit status."""
        assert self._process is not None
        status = await asyncio.to_thread(self._process.wait, seconds)
        self._process = None
        return status

    def suspend(self) -> None:
        """Take the processor from it."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def allow_files(self, number: int) -> int:
        """Let it have so many files open, from now on; how many it might until now."""
        now, most = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (number, most))
        return now

    # -- what its host sees

    @property
    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def rss_mib(self) -> float:
        return rss_kib(self.pid) / 1024

    def forget_peak(self) -> None:
        """Have `peak_mib` begin now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def peak_mib(self) -> float:
        """The most memory that it ever had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def logged(self) -> list[dict[str, Any]]:
        """Every line of its log; one that is no JSON is a traceback, and fails."""
        return [orjson.loads(line) for line in self.log.read_bytes().splitlines()]

    def assert_quiet(self, *expected: str) -> None:
        """Fail if it logged an error, or a traceback, other than these events."""
        loud = [
            line
            for line in self.logged()
            if (line["level"] in ("error", "critical") or "exception" in line)
            and line["event"] not in expected
        ]
        assert not loud, loud[:3]

    # -- what it says of itself

    async def until_ready(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until it has something to serve."""
        deadline = time.monotonic() + seconds
        async with aiohttp.ClientSession() as session:
            while True:
                assert self._process is not None
                assert self._process.poll() is None, f"it ended:\n{self.log.read_text()[-2_000:]}"
                assert time.monotonic() < deadline, f"it was never ready:\n{self.log.read_text()[-2_000:]}"
                try:
                    async with session.get(f"{self.url}/readyz") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def figures(self) -> dict[tuple[str, ...], float]:
        """Its own figures, by name and labels' values."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as response:
            text = await response.text()
        return {
            (
                sample.name,
                *(value for name, value in sorted(sample.labels.items()) if name != "cluster"),
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def readers(self) -> int:
        """How many are subscribed."""
        figures = await self.figures()
        return int(sum(value for (name, *_), value in figures.items() if name == "realtime_readers"))


@contextmanager
def started(daemon: Daemon) -> Iterator[Daemon]:
    """Started, and killed in the end."""
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.kill()
