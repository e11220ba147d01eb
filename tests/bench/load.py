"""The readers of a bench: load.c, started and understood. Its head says what each figure means."""

import json
import os
import subprocess
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from tests.bench.machine import cores, program

OURS: Final = ("-R",)
"""load's option for a server that speaks this project's protocol."""


class Heard(NamedTuple):
    """What the readers heard within the window."""

    established: int
    failed: int
    closed: int
    """Connections that ended, of any kind of reader."""
    stalled_closed: int
    """Of those that never read."""
    seconds: float
    cpu_seconds: float
    """Of the server, within the window."""
    deliveries: int
    missing: int
    breaks: int
    snapshots: int
    message_bytes: float
    wire_bytes: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def cpu_us(self) -> float:
        """CPU time of a delivery."""
        return self.cpu_seconds * 1e6 / self.deliveries


class Load:
    """Readers of a server on this machine, from `with` on; pinned to the cores beside the server's.

    `options` are load's own, beyond those named here.
    """

    def __init__(
        self,
        port: int,
        *options: str,
        path: str = "/api/ws",
        transport: str = "ws",
        readers: int,
        seconds: int,
        server_pid: int = 0,
    ) -> None:
        self._command = [
            str(program("load")),
            *("-p", str(port), "-P", path, "-m", transport),
            *("-n", str(readers), "-d", str(seconds), "-c", str(server_pid)),
            *options,
        ]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(self._process.pid, cores()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"load ended: {' '.join(self._command)}"
        return line.strip()

    def connected(self) -> int:
        """Wait until everyone is connected (or has failed); how many are. The window begins a second later."""
        word, number = self._line().split()
        assert word == "CONNECTED"
        return int(number)

    def started(self) -> None:
        """Wait until the window begins."""
        assert self._line() == "START"

    def heard(self) -> Heard:
        """Wait for the end, from wherever it is."""
        while not (line := self._line()).startswith("{"):
            pass
        said: dict[str, Any] = json.loads(line)
        latency = said.pop("latency_ms")
        return Heard(**said, p50_ms=latency["p50"], p99_ms=latency["p99"], max_ms=latency["max"])
