"""A server as a process that can be asked about itself: the bench's side of it, and the process's."""

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from realtime.files import allow_many_connections
from realtime.process import loop_factory
from tests.bench.machine import cores, rss_kib
from tests.command import environment

Answers = Mapping[str, Callable[[], Any]]
"""Question → what answers it, in the event loop."""


class Child:
    """The bench's side."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        self.port = int(self._line())

    def ask(self, question: str) -> Any:
        """Ask, and wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return self._line()

    def settled_kib(self) -> int:
        """Its resident memory once its garbage is collected."""
        self.ask("settle")
        return rss_kib(self.pid)

    def _line(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._process.args!r} ended"
        return json.loads(line)


@contextmanager
def child(module: str, *arguments: str, **variables: str) -> Iterator[Child]:
    """Run a module of this folder on the server's core, with no configuration but these variables; kill it in the end."""
    with subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.{module}", *arguments],
        env=environment(**variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            os.sched_setaffinity(process.pid, cores()[0])
            yield Child(process)
        finally:
            process.kill()


def settle() -> None:
    """Collect all garbage; twice, for what the first time lets go."""
    gc.collect()
    gc.collect()


SETTLE: Final = {"settle": settle}


async def answer(port: int, answers: Answers) -> None:
    """The process's side: say where it listens, then answer until nobody asks any more."""
    print(port, flush=True)
    questions = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    while line := await questions.readline():
        print(json.dumps(answers[line.decode().strip()]()), flush=True)


def run(event_loop: str, serve: Any) -> None:
    """Run a coroutine on the loop that was asked for, with as many connections as there may be."""
    allow_many_connections()
    with asyncio.Runner(loop_factory=loop_factory(event_loop)) as runner:
        runner.run(serve)
