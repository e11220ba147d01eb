"""`realtime` as an operator runs it: a process of its own, in a folder of its own, with no configuration but the test's."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final, NamedTuple

from realtime.config import Settings

PATIENCE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
"""So long may a server take to stop."""

COMMAND: Final = (sys.executable, "-m", "realtime")
_URL: Final = re.compile(r"https?://[^\s\"]+")


class Ran(NamedTuple):
    """What a command that has ended said."""

    code: int
    stdout: str
    stderr: str


class Running(NamedTuple):
    """A command that serves."""

    url: str
    process: subprocess.Popen[str]


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without any key of the configuration, and these variables."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    return kept | {"NO_COLOR": "1", "COLUMNS": "100"} | variables


def run(*arguments: str, folder: Path, command: Sequence[str] = COMMAND, **variables: str) -> Ran:
    """Run a command to its end."""
    ended = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)


@contextmanager
def serving(
    *arguments: str, folder: Path, command: Sequence[str] = COMMAND, **variables: str
) -> Iterator[Running]:
    """Start a command and wait until it has said its URL on stderr; kill it in the end."""
    with subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lines = SimpleQueue[str | None]()
        listener = Thread(target=_listen, args=(process, lines), daemon=True)
        listener.start()
        try:
            yield Running(_url(lines), process)
        finally:
            process.kill()
            listener.join()


def until_ready(url: str, status: int = 200) -> None:
    """Wait until `/readyz` says so: a server has a URL before it has data."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _readiness(url) != status:
        assert time.monotonic() < deadline, f"/readyz never said {status}"


def _readiness(url: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=PATIENCE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        with answer:
            return int(answer.code)


def _listen(process: "subprocess.Popen[str]", lines: "SimpleQueue[str | None]") -> None:
    assert process.stderr is not None
    for line in process.stderr:
        lines.put(line)
    lines.put(None)


def _url(lines: "SimpleQueue[str | None]") -> str:
    said = []
    while (line := lines.get(timeout=PATIENCE_SECONDS)) is not None:
        said.append(line)
        if found := _URL.search(line):
            return found[0]
    raise AssertionError(f"it did not start:\n{''.join(said)}")
